"""What lies on a desk, as a page asks for it: by place."""

from dataclasses import dataclass

from agent.review.cards import Card
from agent.review.desk import Desk, UnknownPair


@dataclass(frozen=True)
class Table:
    """One desk. A pair's place is its number in the proposal's order, which holds while the page is served."""

    desk: Desk

    @property
    def trait(self) -> str:
        return self.desk.proposal.trait

    def cards(self) -> tuple[Card, ...]:
        """Every pair as it stands at this moment."""
        return self.desk.cards()

    def card(self, place: int) -> Card:
        """The one at a place. Raises UnknownPair."""
        cards = self.cards()
        if not 0 <= place < len(cards):
            raise UnknownPair(f"The proposal of {self.trait} has no pair number {place + 1}.")
        return cards[place]

    def place(self, pair: str) -> int | None:
        """Where a pair lies."""
        return next((place for place, card in enumerate(self.cards()) if card.pair == pair), None)
