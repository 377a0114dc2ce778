"""Which pairs the list shows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agent.review.cards import Card

TODO, ALL, NONE = "todo", "all", "none"


@dataclass(frozen=True)
class Filter:
    """What somebody is looking for; an empty field asks for nothing. Fields that are unknown words match no pair."""

    q: str = ""
    state: str = TODO
    what: str = ""
    verdict: str = ""
    flag: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Filter":
        """From the fields of an address."""
        return cls(**{name: query[name] for name in ("q", "state", "what", "verdict", "flag") if name in query})

    @property
    def is_narrow(self) -> bool:
        """Whether anything is left out besides what was decided."""
        return self != Filter(state=self.state)

    def holds(self, card: Card) -> bool:
        """Whether a pair is to be shown."""
        return (
            self._in_state(card)
            and self.what in ("", card.what)
            and self.verdict in ("", *_verdicts(card))
            and self.flag in ("", *(card.cautions or (NONE,)))
            and self._has_words(card)
        )

    def _in_state(self, card: Card) -> bool:
        return card.waits if self.state == TODO else self.state in (ALL, card.state)

    def _has_words(self, card: Card) -> bool:
        words = self.q.casefold().split()
        if not words:
            return True
        hay = "\n".join(_texts(card)).casefold()
        return all(word in hay for word in words)


def _verdicts(card: Card) -> Iterator[str]:
    for found in card.evidence:
        yield str(found.verdict) if found and found.verdict else NONE


def _texts(card: Card) -> Iterator[str]:
    yield card.pair
    yield card.change.why
    if card.decision:
        yield from (card.decision.note, card.decision.who)
    for pair in (card.ours, card.now, card.change.before):
        if pair is not None:
            yield from (side.text for side in pair.sides)
