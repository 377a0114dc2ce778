"""What lies on a desk, kept for as long as nobody decides and the dataset stays: a page asks for it often."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.review.cards import Card, State
from agent.review.desk import Desk, UnknownPair
from agent.schema import Outcome, Pair, digest

Stamp = tuple[int, int, int] | None

WAITING = frozenset((State.OPEN, State.STALE, State.CONFLICT, State.EDITED))


@dataclass
class Table:
    """One desk. A pair's place is its number in the proposal's order, which holds while the page is served."""

    desk: Desk
    _kept: tuple[Stamp, Sequence[Pair], tuple[Card, ...]] | None = None  # one value: requests come in threads

    @property
    def trait(self) -> str:
        return self.desk.proposal.trait

    def cards(self) -> tuple[Card, ...]:
        """Every pair as it stands at this moment; laid out anew where the log or the dataset has changed."""
        stamp, dataset, kept = self._seen(), self.desk.dataset(), self._kept
        if kept is None or kept[0] != stamp or kept[1] is not dataset:
            kept = self._kept = (stamp, dataset, self.desk.cards())
        return kept[2]

    def card(self, place: int) -> Card:
        """The one at a place. Raises UnknownPair."""
        cards = self.cards()
        if not 0 <= place < len(cards):
            raise UnknownPair(f"The proposal of {self.trait} has no pair number {place + 1}.")
        return cards[place]

    def place(self, pair: str) -> int | None:
        """Where a pair lies."""
        return next((place for place, card in enumerate(self.cards()) if card.pair == pair), None)

    def unflagged(self) -> tuple[Card, ...]:
        """What `Desk.unflagged` says, of the cards at hand."""
        return tuple(card for card in self.cards() if _is_unflagged(card))

    def _seen(self) -> Stamp:
        try:
            found = self.desk.log.path.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


def _is_unflagged(card: Card) -> bool:
    at_rest = card.state is State.OPEN and not card.conflict
    return at_rest and not card.cautions and card.outcome is Outcome.PASS


def to_decide(card: Card) -> bool:
    """Whether a pair waits for a human."""
    return card.state in WAITING


def seal_of_all(cards: Sequence[Card]) -> str:
    """Stands for all the texts of some pairs at once."""
    return digest(*(card.seal for card in cards))
