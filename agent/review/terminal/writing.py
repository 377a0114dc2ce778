"""What a reviewer writes in place of a pair's texts: where it begins, and how it is kept from getting lost."""

from contextlib import suppress
from dataclasses import dataclass

from agent.errors import UserError
from agent.review.cards import Card
from agent.review.session import ReviewSession

Texts = tuple[str, str]
Aside = dict[tuple[str, str], Texts]

_UNFINISHED = "not finished: the terminal was closed"


@dataclass(frozen=True)
class Writing:
    """Other texts for the pair on a card. `aside` holds what was written for any pair and not stored, by trait."""

    session: ReviewSession
    card: Card
    aside: Aside

    @property
    def stands(self) -> Texts:
        """The pair's texts as they stand."""
        return self.card.ours.positive.text, self.card.ours.negative.text

    @property
    def earlier(self) -> Texts | None:
        """The texts of the last edit, which may be about another text and count no longer."""
        last = self.card.decision
        return (
            (last.positive, last.negative) if last and last.positive is not None and last.negative is not None else None
        )

    @property
    def begin(self) -> Texts:
        """What to begin with: texts set aside, else those of the last edit, else the pair's."""
        return self.aside.get(self._place) or self.earlier or self.stands

    @property
    def about(self) -> str:
        """Where these come from, unless they are the pair's."""
        if self._place in self.aside:
            return "what you wrote before"
        last = self.card.decision
        return f"from the earlier edit by {last.who}" if last and self.earlier not in (None, self.stands) else ""

    def is_stored(self, texts: Texts) -> bool:
        """Whether these lie on the disk already."""
        return texts in (self.stands, self.earlier)

    def store(self, texts: Texts) -> None:
        """Store an edit; it is checked later, by somebody who waits for it. Raises DeskError, DecisionError."""
        self.session.store_edit(self.card.pair, *texts, self.card.version_token)
        self.aside.pop(self._place, None)

    def set_aside(self, texts: Texts) -> None:
        """Keep texts for the next time that this pair is edited."""
        self.aside[self._place] = texts

    def save(self, texts: Texts) -> None:
        """Store what was not finished, since nobody is there any more to finish it."""
        with suppress(UserError):  # nor to be told
            self.session.store_edit(self.card.pair, *texts, self.card.version_token, _UNFINISHED)

    @property
    def _place(self) -> tuple[str, str]:
        return self.session.proposal.trait, self.card.pair
