"""What a trait's campaign begins from: its dataset, and what humans have decided about it so far."""

import errno
import os
import re
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

from agent.app import outputs
from agent.app.composition import RunContext, TraitJob, changes, settings_of
from agent.app.outputs import HEADINGS, reason_to_keep_earlier_proposal, table_row, trait_summary
from agent.errors import STOPPED, USAGE, Interrupted, UserError, worst
from agent.llm.errors import redact, truncate
from agent.loop.act import Tools, act, examine_changed
from agent.loop.refine import refine
from agent.loop.state import apply_round, replay
from agent.review.apply import VERDICTS, StartingSet, rejected_texts, starting_pairs
from agent.review.card_builder import build_cards, edited_pair
from agent.review.proposal import PROPOSAL, Proposal, read_proposal
from agent.schema import EXIT_CODES, Act, Decision, Draft, Outcome, Pair, Role, Round, Stop, digest
from agent.storage.decision_log import NAME, DecisionLog, in_force
from agent.storage.ledger import Ledger
from agent.supervision.display import RunDisplay
from agent.supervision.progress import Progress
from agent.supervision.stop_control import StopSignals, TraitControl
from agent.text import safe_text

_DRAFT = re.compile(r"n(\d+)")


def start_of(job: TraitJob, ledger: Ledger) -> StartingSet:
    """Where to begin, or where the campaign that rests on the very same decisions and dataset began."""
    recorded = DecisionLog(job.folder.refinement / NAME).read().decisions
    acts = [d for d in in_force(recorded) if d.trait == job.trait.id]
    path = job.folder.refinement / PROPOSAL
    decided = [d for d in acts if d.act in VERDICTS]
    if not decided or not path.is_file():
        return StartingSet(pairs=job.dataset.pairs)
    key = digest(*(d.id for d in decided))
    return _begun_before(job, ledger, key) or _begun_now(job, ledger, read_proposal(path), recorded, key)


def _begun_before(job: TraitJob, ledger: Ledger, key: str) -> StartingSet | None:
    hashes = job.dataset.hashes
    files = (hashes.positive or "", hashes.negative or "", hashes.definition or "")
    for basis in (campaign.basis for campaign in reversed(ledger.campaigns())):
        same_files = (basis.dataset_positive, basis.dataset_negative, basis.dataset_definition) == files
        if basis.decisions == key and basis.starting_set is not None and same_files:
            return StartingSet.model_validate_json(basis.starting_set)
    return None


def _begun_now(
    job: TraitJob, ledger: Ledger, proposal: Proposal, recorded: Sequence[Decision], key: str
) -> StartingSet:
    present = job.dataset.pairs
    acts = in_force([d for d in recorded if d.trait == job.trait.id])
    known = _known(ledger, proposal, acts)
    pairs = starting_pairs(present, build_cards(proposal, present, recorded), known)
    names = [*(d.pair for d in acts), *(change.pair for change in proposal.changes)]
    return StartingSet(
        pairs=pairs,
        rejected=rejected_texts(acts, known, present),
        first_draft=max(_numbers(names), default=-1) + 1,
        decisions=key,
    )


def _numbers(names: Iterable[str]) -> Iterable[int]:
    return (int(found[1]) for name in names if (found := _DRAFT.fullmatch(name)))


def _known(ledger: Ledger, proposal: Proposal, acts: Sequence[Decision]) -> dict[str, Pair]:
    """Every pair that a campaign or a human ever wrote here, by its key."""
    rounds = (done for campaign in ledger.campaigns() for done in ledger.history(campaign.id))
    known = {c.after.key: c.after for done in rounds for c in done.changes if c.after is not None}
    proposed = {change.pair: change.after for change in proposal.changes}
    for edit in (d for d in acts if d.act is Act.EDIT and d.pair in proposed):
        pair = edited_pair(proposed[edit.pair], edit.positive or "", edit.negative or "")
        known[pair.key] = pair
    return known


_NO_CAMPAIGN = 0  # what is only looked at becomes no part of any history
_ABREAST = 8  # traits at a time; while one waits for its judge, another has the subject
_SIGNALS_EVERY = 0.1  # seconds after which the main thread has surely seen a signal
_BUG = 1
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)  # what a program cannot mend
_MEND_THE_DISK = "What was bought is stored. Free some space or mend the disk, then give the same command again."


@dataclass(frozen=True)
class TraitResult:
    """How one trait's part of the evening ended: its exit code, and its row of the last table."""

    code: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Runner:
    """The run of one command over its traits. Without a `progress` it keeps its own."""

    workshop: RunContext
    screen: RunDisplay
    stops: StopSignals
    new: bool = False
    progress: Progress | None = None

    def run(self, jobs: Sequence[TraitJob]) -> int:
        """Every trait, some at a time; the exit code of the worst ending. No trait's trouble ends another."""
        parts = self._side_by_side(jobs, TraitRun.refine, self.workshop.settings.caps.target)
        if len(parts) > 1:
            self.screen.print_table(HEADINGS, [part.cells for part in parts])
        return worst(part.code for part in parts)

    def diagnose(self, jobs: Sequence[TraitJob]) -> int:
        """Every dataset examined once as it is, nothing repaired; 2 when something could not be judged."""
        return worst(part.code for part in self._side_by_side(jobs, TraitRun.diagnose, 0))

    def _side_by_side(
        self, jobs: Sequence[TraitJob], play: Callable[["TraitRun"], TraitResult], goal: int
    ) -> list[TraitResult]:
        progress = self.progress or Progress(tuple(job.trait.id for job in jobs))
        self.screen.attach(progress)
        for job in jobs:
            self.screen.add_trait(job.trait.id, max(goal, len(job.dataset.pairs)))
        evenings = [TraitRun(self.workshop, self.screen, self.stops, progress, job, self.new) for job in jobs]
        with ThreadPoolExecutor(_ABREAST, "trait") as pool:
            playing = [pool.submit(evening.guarded, play) for evening in evenings]
            while wait(playing, _SIGNALS_EVERY).not_done:
                pass  # a signal's handler runs in this thread, between two of its waits at the latest
        return [done.result() for done in playing]


@dataclass(frozen=True)
class TraitRun:
    """One trait's part, in a thread of its own; the ledger never leaves it."""

    workshop: RunContext
    screen: RunDisplay
    stops: StopSignals
    progress: Progress
    job: TraitJob
    new: bool

    def guarded(self, play: Callable[["TraitRun"], TraitResult]) -> TraitResult:
        """The part, or what stood in its way as a sentence, so that the other traits go on."""
        try:
            return play(self)
        except Interrupted as error:
            return self._failed(EXIT_CODES[error.ending], error.ending.value, _told(error))
        except UserError as error:
            return self._failed(USAGE, "not run", *str(error).split("\n"))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one trait must not end the others' night
            if isinstance(error, OSError) and error.errno in _DISK:
                return self._failed(USAGE, "disk", f"{error}. {_MEND_THE_DISK}")
            return self._failed(_BUG, "a bug", self._recorded(error))

    def _failed(self, code: int, ending: str, *sentences: str) -> TraitResult:
        trait = self.job.trait.id
        self.screen.print(*(f"{trait}: {sentence}" for sentence in sentences))
        self.progress.error(f"{trait}: {sentences[0]}")
        self.progress.finish(trait, ending)
        return TraitResult(code, (trait, ending, *["-"] * (len(HEADINGS) - 2)))

    def _recorded(self, error: Exception) -> str:
        """A bug in a sentence; its traceback, without keys, is in error.log where that can be written."""
        log = self.job.folder.refinement / "error.log"
        keys = self._keys()
        lines = redact("".join(traceback.format_exception(error)), *keys).split("\n")
        what = f"{type(error).__name__}: {redact(truncate(str(error)), *keys)}"
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("a", encoding="utf-8") as file:
                file.write("\n".join([time.strftime("%Y-%m-%d %H:%M:%S %z"), *map(safe_text, lines), ""]))
        except OSError as unwritten:
            return f"a bug ended this trait ({what}), and {log} could not be written ({unwritten})."
        return f"a bug ended this trait ({what}). What was bought is stored; please report {log}."

    def _keys(self) -> list[str]:
        settings = self.workshop.settings
        return [os.environ.get(settings_of(settings, role).key_variable, "") for role in Role]

    def refine(self) -> TraitResult:
        """All rounds, then the proposal and its summary."""
        began = time.monotonic()
        with (
            Ledger(self.job.folder.ledger_path) as ledger,
            self.screen.track_cost(self.job.trait.id, ledger.total_usage),
        ):
            start = start_of(self.job, ledger)
            tools = self._tools(ledger, self._campaign(ledger, start), start)
            result = self._play(tools, began)
            earlier_stays = reason_to_keep_earlier_proposal(result)
            outputs.write_history(result)
            if earlier_stays is None:
                outputs.write_proposal(result)
            outputs.write_report_of(result)
            cells = table_row(result, ledger.total_usage())
        self.screen.print(*trait_summary(result), *([f"{self.job.trait.id}: {earlier_stays}"] if earlier_stays else []))
        self.progress.finish(self.job.trait.id, result.stop.ending.value)
        return TraitResult(EXIT_CODES[result.stop.ending], cells)

    def _tools(self, ledger: Ledger, campaign: int, start: StartingSet) -> Tools:
        trait, stops, minutes = self.job.trait.id, self.stops, self.workshop.settings.budget.minutes
        guard = TraitControl(trait, self.job.folder, ledger, stops, self.progress, minutes)
        return self.workshop.tools(self.job, guard, lambda what: self.progress.stage(trait, what), campaign, start)

    def _campaign(self, ledger: Ledger, start: StartingSet) -> int:
        """The campaign to go on with; another one is announced with its reason."""
        changed = changes(ledger, self.workshop.basis(self.job, start))
        if changed:
            why = f"since {', '.join(changed)} changed. Answers already bought are kept."
            self.screen.print(f"{self.job.trait.id}: another campaign, {why}")
        return self.workshop.campaign(self.job, ledger, self.new, start)

    def _play(self, tools: Tools, began: float) -> outputs.Result:
        """All rounds to the stop; the guide's files follow the set after each."""
        trait = self.job.trait.id
        history = tools.ledger.history(tools.campaign)
        now = replay(history)
        self.screen.add_history(trait, history, now)
        if history:  # a run that was killed may have left the files of the round before
            outputs.write_guides_files(self.workshop, self.job, now)

        def seen(done: Round) -> None:
            nonlocal history, now
            history, now = (*history, done), apply_round(now, done)
            outputs.write_guides_files(self.workshop, self.job, now)
            self.screen.add_round(trait, done, now)
            self.progress.step(trait, "rounds")

        stop = _follow(tools, seen)
        return outputs.Result(self.job, tools, history, now, stop, time.monotonic() - began)

    def diagnose(self) -> TraitResult:
        """The dataset as it is, examined once."""
        trait, size = self.job.trait.id, len(self.job.dataset.pairs)
        if self.stops.stop_reason(self.job.folder.stop_file) is not None:
            return self._failed(STOPPED, "stopped", "not examined, since a stop was asked for.")
        with Ledger(self.job.folder.ledger_path) as ledger, self.screen.track_cost(trait, ledger.total_usage):
            tools = self._tools(ledger, _NO_CAMPAIGN, StartingSet(pairs=self.job.dataset.pairs))
            done = examine_changed(act(Draft(goal=size, count=size, adopt=size), (), tools), (), tools)
        outputs.write_guides_files(self.workshop, self.job, replay((done,)))
        outcomes = Counter(finding.outcome for finding in done.findings)
        verdicts = Counter(str(finding.verdict) for finding in done.findings if finding.verdict is not None)
        self.screen.print(
            f"{trait}: {outcomes[Outcome.PASS]} of {len(done.findings)} scenarios pass, "
            f"{outcomes[Outcome.UNJUDGED]} could not be judged; "
            f"verdicts: {', '.join(f'{n} {verdict}' for verdict, n in verdicts.most_common()) or 'none'}; "
            f"see {self.job.folder.vetting}"
        )
        self.progress.finish(trait, "examined")
        return TraitResult(2 if outcomes[Outcome.UNJUDGED] else 0, ())


def _follow(tools: Tools, seen: Callable[[Round], None]) -> Stop:
    """Play `refine` to its end, and say why it ended."""
    rounds = refine(tools)
    while True:
        try:
            done = next(rounds)
        except StopIteration as end:
            stop: Stop = end.value
            return stop
        except Interrupted as error:
            return Stop(ending=error.ending, why=_told(error))
        seen(done)


def _told(error: Interrupted) -> str:
    return f"{error} What was bought is stored; the same command goes on"
