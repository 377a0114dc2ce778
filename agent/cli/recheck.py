"""What examines an edited pair on the spot: the subject and the judge of the run, and its ledger, for a moment."""

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.cli import preflight
from agent.cli.compose import Workshop, job_of, open_llm, open_subject
from agent.cli.trouble import TROUBLE, Interrupted
from agent.config import Settings
from agent.prompts import PromptBook
from agent.record.ledger import Ledger
from agent.review.desk import Recheck, RecheckFailed
from agent.schema import Depth, Finding, Pair
from agent.steps.examine import examine
from agent.steps.vet import cases_of

if TYPE_CHECKING:
    from agent.loop.tools import Continues


@dataclass
class Rechecks:
    """Rechecks for all traits of an experiment. The subject is loaded when the first edit comes, and then kept.

    The client and the ledger are opened for each edit anew: what was spent is read from the ledger, and between two
    edits a run may hold its lock. `said` hears what goes on, for whoever waits.
    """

    settings: Settings
    pair_by_similarity: bool = False
    said: Callable[[str], None] = lambda line: None
    _subject: "Continues | None" = None
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def of(self, trait: str) -> Recheck:
        """The recheck of one trait's edits. It raises RecheckFailed with a sentence."""

        def recheck(pair: Pair) -> Sequence[Finding]:
            with self._one_at_a_time:
                try:
                    return self._examined(trait, pair)
                except Interrupted as error:
                    raise RecheckFailed(f"{error} Your edit is stored; check it again later.") from error
                except TROUBLE as error:
                    raise RecheckFailed(
                        f"{error}\nYour edit is stored; check it again once this is settled."
                    ) from error

        return recheck

    def _examined(self, trait: str, pair: Pair) -> list[Finding]:
        job = job_of(self.settings, trait, self.pair_by_similarity)
        preflight.require_free(self.settings, [job])
        with Ledger(job.folder.ledger_path) as ledger, closing(open_llm(self.settings)) as llm:
            subject = self._loaded()
            llm.probe()
            bench = Workshop(self.settings, PromptBook.load(), llm, subject).bench(job, ledger, self.said)
            return examine(bench, cases_of([pair], {}), Depth.CONFIRM)

    def _loaded(self) -> "Continues":
        if self._subject is None:
            self.said("loads the subject")
            self._subject = open_subject(self.settings)
        return self._subject
