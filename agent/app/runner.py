"""Runner: traits side by side, each from its starting set through all rounds to its outputs."""

import errno
import re
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Event

from agent.app import outputs
from agent.app.composition import RunContext, TraitJob, bought_again, changes, key_of, settings_of
from agent.app.outputs import HEADINGS, next_steps, reason_to_keep_earlier_proposal, stop_of, table_row
from agent.errors import STOPPED, USAGE, Interrupted, UserError, worst
from agent.llm.errors import redact, truncate
from agent.loop.act import Tools, act, examine_changed
from agent.loop.policy import ends_by_itself
from agent.loop.refine import refine
from agent.loop.state import apply_round, replay
from agent.review.apply import VERDICTS, StartingSet, rejected_texts, starting_pairs
from agent.review.card_builder import build_cards, edited_pair
from agent.review.proposal import PROPOSAL, Proposal, read_proposal
from agent.review.reported_stop import reported_stop
from agent.schema import (
    EXIT_CODES,
    Act,
    Cause,
    Decision,
    Draft,
    Ending,
    Outcome,
    Pair,
    Role,
    Round,
    Signals,
    Stop,
    digest,
)
from agent.storage.decision_log import NAME, DecisionLog, in_force
from agent.storage.ledger import Ledger
from agent.supervision.display import RunDisplay
from agent.supervision.progress import Progress
from agent.supervision.stop_control import StopSignals, TraitControl
from agent.text import safe_text, with_period

_DRAFT = re.compile(r"n(\d+)")


def starting_set(job: TraitJob, ledger: Ledger) -> StartingSet:
    """The starting set: the dataset with the decisions applied, or the stored one of a campaign with the same basis."""
    recorded = DecisionLog(job.folder.refinement / NAME).read().decisions
    path = job.folder.refinement / PROPOSAL
    decided = [d for d in in_force(recorded) if d.trait == job.trait.id and d.act in VERDICTS]
    if not decided or not path.is_file():
        return StartingSet(pairs=job.dataset.pairs)
    key = digest(*(d.id for d in decided))
    return _stored_start(job, ledger, key) or _new_start(job, ledger, read_proposal(path), recorded, key)


def _stored_start(job: TraitJob, ledger: Ledger, key: str) -> StartingSet | None:
    hashes = job.dataset.hashes
    files = (hashes.positive or "", hashes.negative or "", hashes.definition or "")
    for basis in (campaign.basis for campaign in reversed(ledger.campaigns())):
        same_files = (basis.dataset_positive, basis.dataset_negative, basis.dataset_definition) == files
        if basis.decisions == key and basis.starting_set is not None and same_files:
            return StartingSet.model_validate_json(basis.starting_set)
    return None


def _new_start(
    job: TraitJob, ledger: Ledger, proposal: Proposal, recorded: Sequence[Decision], key: str
) -> StartingSet:
    present = job.dataset.pairs
    acts = in_force([d for d in recorded if d.trait == job.trait.id])
    known = _known_pairs(ledger, proposal, acts)
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


def _known_pairs(ledger: Ledger, proposal: Proposal, acts: Sequence[Decision]) -> dict[str, Pair]:
    """All pairs that a campaign or a human ever wrote for this trait, by key."""
    rounds = (done for campaign in ledger.campaigns() for done in ledger.history(campaign.id))
    known = {c.after.key: c.after for done in rounds for c in done.changes if c.after is not None}
    proposed = {change.pair: change.after for change in proposal.changes}
    for edit in (d for d in acts if d.act is Act.EDIT and d.pair in proposed):
        pair = edited_pair(proposed[edit.pair], edit.positive or "", edit.negative or "")
        known[pair.key] = pair
    return known


_NO_CAMPAIGN = 0  # a diagnosis is part of no history
_PARALLEL_TRAITS = 8  # while one waits for its judge, another uses the subject; chosen by judgement
_SIGNAL_POLL = 0.1  # seconds between two chances for the main thread to run a signal handler
_BUG = 1
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


@dataclass(frozen=True)
class HowToStart:
    """Whether to start a new campaign, and whether to go on after "not ready" (`--resume-anyway`)."""

    new: bool = False
    anyway: bool = False


@dataclass(frozen=True)
class TraitResult:
    """End of one trait's run: exit code, row of the last table, and why it ended (None if it could not run)."""

    code: int
    cells: tuple[str, ...]
    stop: Stop | None = None


@dataclass(frozen=True)
class Runner:
    """One command over several traits. `options` are the command's options as typed."""

    context: RunContext
    display: RunDisplay
    stops: StopSignals
    progress: Progress
    options: str
    how: HowToStart = HowToStart()

    def run(self, jobs: Sequence[TraitJob]) -> int:
        """Refine all traits; returns the exit code of the worst ending. An error of one trait does not stop others."""
        results = self._side_by_side(jobs, TraitRun.refine, self.context.settings.caps.target)
        self.display.print_table(HEADINGS, [result.cells for result in results])
        ends = [(job.trait.id, result.stop) for job, result in zip(jobs, results, strict=True)]
        for step in next_steps(ends, self.options, jobs[0].folder):
            self.display.print(f"Next: {step}")
        return worst(result.code for result in results)

    def diagnose(self, jobs: Sequence[TraitJob]) -> int:
        """Examine each dataset once as it is; returns 2 when something could not be judged."""
        return worst(result.code for result in self._side_by_side(jobs, TraitRun.diagnose, 0))

    def _side_by_side(
        self, jobs: Sequence[TraitJob], step: Callable[["TraitRun"], TraitResult], goal: int
    ) -> list[TraitResult]:
        self.display.attach(self.progress)
        for job in jobs:
            self.display.add_trait(job.trait.id, max(goal, len(job.dataset.pairs)))
        runs = [TraitRun(self.context, self.display, self.stops, self.progress, job, self.how) for job in jobs]
        with ThreadPoolExecutor(_PARALLEL_TRAITS, "trait") as pool:
            futures = [pool.submit(run.guarded, step) for run in runs]
            while wait(futures, _SIGNAL_POLL).not_done:
                pass  # signal handlers run in this thread, between two waits at the latest
        return [future.result() for future in futures]


@dataclass(frozen=True)
class TraitRun:
    """The run of one trait, in a thread of its own; its ledger stays in that thread.

    `begun` is set once calls may have been made: from then on an error is no "not run".
    """

    context: RunContext
    display: RunDisplay
    stops: StopSignals
    progress: Progress
    job: TraitJob
    how: HowToStart
    begun: Event = field(default_factory=Event)

    def guarded(self, step: Callable[["TraitRun"], TraitResult]) -> TraitResult:
        """Run `step`; any error becomes a sentence and an exit code, so that the other traits continue."""
        try:
            return step(self)
        except Interrupted as error:
            return self._failed(EXIT_CODES[error.ending], error.ending.value, stop_of(error).why, stop=stop_of(error))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one trait must not end the others
            sentences = _sentences_of(error)
            if sentences is None:
                return self._failed(_BUG, "bug", f"a bug ended this trait ({self._logged(error)}")
            if self.begun.is_set():
                return self._failed(EXIT_CODES[Ending.ERROR], Ending.ERROR.value, *sentences)
            return self._failed(USAGE, "not run", *sentences)

    def _failed(self, code: int, label: str, *sentences: str, stop: Stop | None = None) -> TraitResult:
        trait = self.job.trait.id
        self.display.print(*(f"{trait}: {sentence}" for sentence in sentences))
        self.progress.error(f"{trait}: {sentences[0]}")
        self.progress.finish(trait, label)
        return TraitResult(code, (trait, label, *["-"] * (len(HEADINGS) - 2)), stop)

    def _logged(self, error: Exception) -> str:
        """A bug as a sentence that closes a bracket; its traceback, with keys redacted, goes to error.log."""
        log = self.job.folder.refinement / "error.log"
        keys = self._keys()
        lines = redact("".join(traceback.format_exception(error)), *keys).split("\n")
        what = f"{type(error).__name__}: {redact(truncate(str(error)), *keys)}"
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("a", encoding="utf-8") as file:
                file.write("\n".join([time.strftime("%Y-%m-%d %H:%M:%S %z"), *map(safe_text, lines), ""]))
        except OSError as failed:
            return f"{what}), and {log} could not be written ({failed})."
        return f"{what}). Please report {log}."

    def _keys(self) -> list[str]:
        settings = self.context.settings
        return [key_of(settings_of(settings, role)) for role in Role]

    def refine(self) -> TraitResult:
        """Run all rounds, then write history, proposal and report, whatever ended the rounds."""
        began, trait = time.monotonic(), self.job.trait.id
        with Ledger(self.job.folder.ledger_path) as ledger, self.display.track_cost(trait, ledger.total_usage):
            start = starting_set(self.job, ledger)
            tools = self._tools(ledger, self._campaign(ledger, start), start)
            result = self._rounds(tools, began)
            stop = result.stop
            said = f"{trait}: {stop.ending.value}: {with_period(stop.why)}"
            if stop.ending in (Ending.ERROR, Ending.BUG):
                self.display.print(said)  # before the files are written: they may meet the same error
            kept = self._write(result)
            cells = table_row(result, ledger.total_usage())
        if stop.ending not in (Ending.ERROR, Ending.BUG):
            self.display.print(said)
        if kept is not None:
            self.display.print(f"{trait}: {kept}")
        self.progress.finish(trait, stop.ending.value)
        return TraitResult(EXIT_CODES[stop.ending], cells, stop)

    def _write(self, result: outputs.Result) -> str | None:
        """Write history, proposal and report; returns why an earlier proposal is kept, if it is."""
        kept = reason_to_keep_earlier_proposal(result)
        outputs.write_history(result)
        if kept is None:
            outputs.write_proposal(result)
        outputs.write_report_of(result)
        return kept

    def _tools(self, ledger: Ledger, campaign: int, start: StartingSet) -> Tools:
        trait, minutes = self.job.trait.id, self.context.settings.budget.minutes
        control = TraitControl(trait, self.job.folder, ledger, self.stops, self.progress, minutes)
        first = self._first_signals(ledger, campaign)
        return self.context.tools(
            self.job, control, lambda what: self.progress.stage(trait, what), campaign, start, first
        )

    def _first_signals(self, ledger: Ledger, campaign: int) -> Signals:
        """What the policy has to know of the run before: whether it reported an ending, and what the command says."""
        rounds = next((one.rounds for one in ledger.campaigns() if one.id == campaign), 0)
        try:
            stop, _ = reported_stop(self.job.folder, campaign, rounds)
        except UserError:  # a proposal of another version, which this run replaces
            stop = None
        return Signals(
            reported_after=rounds if stop is not None and ends_by_itself(stop) else None,
            anyway_after=rounds if self.how.anyway else None,
        )

    def _campaign(self, ledger: Ledger, start: StartingSet) -> int:
        """The campaign to continue; a new one is announced with its reason."""
        changed = changes(ledger, self.context.basis(self.job, start))
        if changed:
            self.display.print(
                f"{self.job.trait.id}: new campaign, because {', '.join(changed)} changed. Stored answers are reused.",
                *(f"{self.job.trait.id}: {line}" for line in bought_again(ledger, self.context.basis(self.job, start))),
            )
        return self.context.campaign(self.job, ledger, self.how.new, start)

    def _rounds(self, tools: Tools, began: float) -> outputs.Result:
        """Run all rounds; the guide's files are rewritten after each."""
        self.begun.set()
        trait = self.job.trait.id
        history = tools.ledger.history(tools.campaign)
        state = replay(history)
        self.display.add_history(trait, history, state)
        if history:  # a killed run may have left the files of the round before
            outputs.write_guides_files(self.context, self.job, state)

        def on_round(done: Round) -> None:
            nonlocal history, state
            history, state = (*history, done), apply_round(state, done)
            outputs.write_guides_files(self.context, self.job, state)
            self.display.add_round(trait, done, state)
            self.progress.step(trait, "rounds")

        stop = self._run_to_stop(tools, on_round)
        return outputs.Result(self.job, tools, history, state, stop, time.monotonic() - began)

    def _run_to_stop(self, tools: Tools, on_round: Callable[[Round], None]) -> Stop:
        """Run `refine` to its end and return the reason for it; an error is one, so that a report is still written."""
        rounds = refine(tools)
        try:
            while True:
                on_round(next(rounds))
        except StopIteration as end:
            stop: Stop = end.value
            return stop
        except Interrupted as error:
            return stop_of(error)
        except Exception as error:  # noqa: BLE001 - whatever ended the rounds, those recorded are reported
            sentences = _sentences_of(error)
            if sentences is None:
                why = f"a bug ended this trait ({self._logged(error)}"
                return Stop(ending=Ending.BUG, cause=Cause.BUG, why=why)
            return Stop(ending=Ending.ERROR, cause=Cause.ERROR, why=" ".join(map(with_period, sentences)))

    def diagnose(self) -> TraitResult:
        """Examine the dataset once as it is."""
        trait, size = self.job.trait.id, len(self.job.dataset.pairs)
        if self.stops.stop_reason(self.job.folder.stop_file) is not None:
            return self._failed(STOPPED, "stopped", "not examined, because a stop is requested.")
        with Ledger(self.job.folder.ledger_path) as ledger, self.display.track_cost(trait, ledger.total_usage):
            tools = self._tools(ledger, _NO_CAMPAIGN, StartingSet(pairs=self.job.dataset.pairs))
            self.begun.set()
            done = examine_changed(act(Draft(goal=size, count=size, adopt=size), (), tools), (), tools)
        outputs.write_guides_files(self.context, self.job, replay((done,)))
        outcomes = Counter(finding.outcome for finding in done.findings)
        verdicts = Counter(str(finding.verdict) for finding in done.findings if finding.verdict is not None)
        self.display.print(
            f"{trait}: {outcomes[Outcome.PASS]} of {len(done.findings)} scenarios pass, "
            f"{outcomes[Outcome.UNJUDGED]} could not be judged; "
            f"verdicts: {', '.join(f'{n} {verdict}' for verdict, n in verdicts.most_common()) or 'none'}; "
            f"see {self.job.folder.vetting}"
        )
        self.progress.finish(trait, "examined")
        return TraitResult(2 if outcomes[Outcome.UNJUDGED] else 0, ())


def _sentences_of(error: Exception) -> list[str] | None:
    """An error of a file, the disk, the settings or the subject as sentences; None for a bug."""
    if isinstance(error, UserError):
        return str(error).split("\n")
    if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
        return [f"{error}. Free space or repair the disk."]
    return None
