"""Cards that follow the decision log and the dataset while others change them."""

import threading
from collections.abc import Callable, Sequence

from agent.review.card_builder import CardBuilder
from agent.review.cards import Card
from agent.review.decision_index import DecisionIndex
from agent.review.proposal import Proposal
from agent.schema import Decision, Pair
from agent.storage.decision_log import DecisionError, DecisionLog, parse_decisions

_FileStamp = tuple[int, int, int] | None  # inode, modification time in ns, size


class LiveCards:
    """Thread-safe view of the current cards. Each call includes all that was stored, by any process, before it."""

    def __init__(self, proposal: Proposal, dataset: Callable[[], Sequence[Pair]], log: DecisionLog) -> None:
        self._trait, self._dataset, self._log = proposal.trait, dataset, log
        self._lock = threading.RLock()
        self._builder = CardBuilder(proposal)
        self._decisions = DecisionIndex(self._trait)
        self._read, self._revision = b"", 0
        self._stamp: _FileStamp = None
        self._built_from: tuple[DecisionIndex, int, Sequence[Pair]] | None = None
        self._cards: tuple[Card, ...] = ()
        self._positions: dict[str, int] = {}

    def cards(self) -> tuple[Card, ...]:
        """Every pair as it is now; the same tuple as before if nothing has changed.

        Raises DecisionError or DatasetError.
        """
        with self._lock:
            decisions, present = self._refreshed(), self._dataset()
            built = self._built_from
            if built is None or built[:2] != (decisions, self._revision) or built[2] is not present:
                cards = self._builder.build(present, decisions)
                self._cards = self._cards if cards == self._cards else cards
                self._positions = {card.pair: position for position, card in enumerate(self._cards)}
                self._built_from = decisions, self._revision, present
            return self._cards

    def card(self, pair: str) -> Card | None:
        """One pair's card; None if the proposal has no such pair."""
        with self._lock:
            cards, position = self.cards(), self._positions.get(pair)
            return None if position is None else cards[position]

    def in_force(self) -> list[Decision]:
        """All decisions in force, by time. Raises DecisionError."""
        with self._lock:
            return self._refreshed().in_force()

    def latest(self) -> Decision | None:
        """The decision with the latest time. Raises DecisionError."""
        with self._lock:
            return self._refreshed().latest

    def _refreshed(self) -> DecisionIndex:
        """The index of the log as it is now. The caller holds the lock while using it."""
        stamp = self._file_stamp()
        if stamp is None or stamp != self._stamp:
            self._add(self._content())
            self._stamp = stamp
        return self._decisions

    def _file_stamp(self) -> _FileStamp:
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

    def _add(self, content: bytes) -> None:
        """Add what was appended to the log. A log that was rewritten is read from its beginning."""
        if not content.startswith(self._read):
            self._decisions, self._read = DecisionIndex(self._trait), b""
        try:
            new = parse_decisions(content[len(self._read) :], str(self._log.path)).decisions
        except DecisionError:
            self._log.read()  # raises with the line number in the whole file
            raise
        self._decisions.add(new)
        self._read = content[: content.rfind(b"\n") + 1]  # a last line without its line feed is read again
        self._revision += bool(new)
