"""Many pairs approved at once, after a question that says which and how many."""

from collections.abc import Callable
from dataclasses import dataclass

from agent.errors import UserError
from agent.review.session import BulkApproval, BulkKind, ReviewSession
from agent.text import pluralize


@dataclass(frozen=True)
class Bulk:
    """`ask` puts a question and hears its answer, `refuse` and `done` tell how it ended."""

    ask: Callable[[str, Callable[[bool | None], None]], object]
    refuse: Callable[[object], None]
    done: Callable[[str], None]

    def begin(self, session: ReviewSession, many: BulkKind) -> None:
        """Ask about the pairs that could be approved now; after a yes approve them, if they are still those."""
        try:
            batch = session.bulk_approval(many)
        except UserError as error:
            self.refuse(error)
            return
        if not batch.cards:
            self.refuse(batch.nothing)
            return
        asked = "\n".join((batch.title, *batch.sentences))
        self.ask(asked, lambda yes: self._approve(session, batch) if yes else None)

    def _approve(self, session: ReviewSession, batch: BulkApproval) -> None:
        try:
            approved = session.approve_bulk(batch.many, batch.version_token)
        except UserError as error:
            self.refuse(error)
        else:
            self.done(f"Approved {pluralize(len(approved), 'pair')}. u takes all of it back.")
