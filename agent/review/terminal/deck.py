"""One trait's cards as a reviewer goes through them: which are listed, and which comes next."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from agent.review.cards import Card, CardState
from agent.review.session import ReviewSession
from agent.schema import Outcome


class Show(StrEnum):
    """Which pairs are listed."""

    PROPOSED = "proposed"
    TO_DECIDE = "to decide"
    FLAGGED = "flagged"
    FAILING = "not passing"
    DECIDED = "decided"
    ALL = "all pairs"


def _is_shown(card: Card, show: Show) -> bool:
    proposed = card.state is not CardState.UNCHANGED
    return {
        Show.PROPOSED: proposed,
        Show.TO_DECIDE: card.is_pending,
        Show.FLAGGED: proposed and bool(card.warnings or card.conflict),
        Show.FAILING: card.outcome is not Outcome.PASS,
        Show.DECIDED: proposed and not card.is_pending,
        Show.ALL: True,
    }[show]


def _words(card: Card) -> Iterator[str]:
    """All that a text filter looks into: the texts, and every word that the screen says about the pair."""
    yield from (card.pair, card.what, card.state.value, card.outcome.value, *(c.value for c in card.warnings))
    yield from (side.text for side in card.ours.sides)
    yield from (found.verdict.value for found in card.evidence if found and found.verdict)


@dataclass
class Deck:
    """The cards of one session, as last read. `at` is the pair that the reviewer is at; it stays listed until left."""

    session: ReviewSession
    cards: tuple[Card, ...] = ()
    show: Show = Show.PROPOSED
    find: str = ""
    at: str | None = None

    @property
    def trait(self) -> str:
        return self.session.proposal.trait

    @property
    def card(self) -> Card | None:
        """The card that the reviewer is at, as last read."""
        return next((card for card in self.cards if card.pair == self.at), None)

    @property
    def waiting(self) -> int:
        """How many pairs need a decision."""
        return sum(card.is_pending for card in self.cards)

    @property
    def proposed(self) -> int:
        """How many pairs there is, or was, something to decide about."""
        return sum(card.state is not CardState.UNCHANGED for card in self.cards)

    def read(self) -> None:
        """Read all cards anew, and go to the first that needs a decision where the reviewer is at none."""
        self.cards = self.session.cards()
        if self.card is None:
            self.at = None
            self.at = self.next_waiting() or next((card.pair for card in self.listed()), None)

    def read_if_changed(self) -> bool:
        """Read only where decisions or dataset have changed since, and say whether they had."""
        if self.session.cards() is self.cards:
            return False
        self.read()
        return True

    def listed(self) -> list[Card]:
        """The cards that pass both filters, in order."""
        wanted = self.find.casefold()
        return [card for card in self.cards if card.pair == self.at or self._matches(card, wanted)]

    def next_waiting(self) -> str | None:
        """The next listed pair after this one, round the end, that needs a decision; None where no other does."""
        cards = self.listed()
        start = next((i + 1 for i, card in enumerate(cards) if card.pair == self.at), 0)
        later = (*cards[start:], *cards[:start])
        return next((card.pair for card in later if card.is_pending and card.pair != self.at), None)

    def filter(self, show: Show, find: str) -> None:
        """List other pairs, and go to one of them where the present one is not among them."""
        self.show, self.find = show, find
        at, self.at = self.at, None
        shown = [card.pair for card in self.listed()]
        self.at = at if at in shown else self.next_waiting() or next(iter(shown), None)

    def _matches(self, card: Card, wanted: str) -> bool:
        return _is_shown(card, self.show) and (not wanted or any(wanted in word.casefold() for word in _words(card)))
