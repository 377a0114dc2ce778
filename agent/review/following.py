"""A desk's cards, kept up with decisions and dataset: what is appended is read on, what has not changed is kept."""

import threading
from collections.abc import Callable, Sequence

from agent.record.decisions import DecisionError, DecisionLog, parse_decisions
from agent.review.acts import Acts
from agent.review.cards import Card
from agent.review.laying import Layout
from agent.review.proposal import Proposal
from agent.schema import Decision, Pair

_Stamp = tuple[int, int, int] | None  # inode, time in ns, size


class Follower:
    """Any number of threads may ask. Each answer holds all that was stored, here or elsewhere, before the question."""

    def __init__(self, proposal: Proposal, dataset: Callable[[], Sequence[Pair]], log: DecisionLog) -> None:
        self._trait, self._dataset, self._log = proposal.trait, dataset, log
        self._lock = threading.RLock()
        self._layout = Layout(proposal)
        self._acts = Acts(self._trait)
        self._read, self._revision = b"", 0
        self._stamp: _Stamp = None
        self._of: tuple[Acts, int, Sequence[Pair]] | None = None
        self._cards: tuple[Card, ...] = ()
        self._places: dict[str, int] = {}

    def cards(self) -> tuple[Card, ...]:
        """Every pair as it stands at this moment; the same tuple as before where nothing has changed.

        Raises DecisionError or DatasetError.
        """
        with self._lock:
            acts, present = self._heard(), self._dataset()
            if self._of is None or self._of[:2] != (acts, self._revision) or self._of[2] is not present:
                cards = self._layout.lay(present, acts)
                self._cards = self._cards if cards == self._cards else cards
                self._places = {card.pair: place for place, card in enumerate(self._cards)}
                self._of = acts, self._revision, present
            return self._cards

    def card(self, pair: str) -> Card | None:
        """One of them; None where the proposal has no such pair."""
        with self._lock:
            cards, place = self.cards(), self._places.get(pair)
            return None if place is None else cards[place]

    def in_force(self) -> list[Decision]:
        """All acts that stand by now, by time. Raises DecisionError."""
        with self._lock:
            return self._heard().in_force()

    def latest(self) -> Decision | None:
        """The last moment of any line by now. Raises DecisionError."""
        with self._lock:
            return self._heard().latest

    def _heard(self) -> Acts:
        """What the log says by now. Whoever asks holds the lock for as long as they look at it."""
        stamp = self._now()
        if stamp is None or stamp != self._stamp:
            self._read_on(self._content())
            self._stamp = stamp
        return self._acts

    def _now(self) -> _Stamp:
        try:
            found = self._log.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _content(self) -> bytes:
        try:
            return self._log.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise DecisionError(f"{self._log.path} cannot be read: {error}.") from error

    def _read_on(self, content: bytes) -> None:
        """Hear what was appended. A log that goes on otherwise than it did is read from its beginning."""
        if not content.startswith(self._read):
            self._acts, self._read = Acts(self._trait), b""
        try:
            new = parse_decisions(content[len(self._read) :], str(self._log.path)).decisions
        except DecisionError:
            self._log.read()  # says at which line of the whole file
            raise
        self._acts.hear(new)
        self._read = content[: content.rfind(b"\n") + 1]  # a last line that is being written is read again
        self._revision += bool(new)
