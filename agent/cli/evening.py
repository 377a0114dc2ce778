"""One evening: all traits side by side, each from what exists to a proposal."""

import errno
import os
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

from agent.cli import morning, results
from agent.cli.compose import Job, Workshop, changes, settings_of
from agent.cli.exits import STOPPED, USAGE, worst
from agent.cli.guard import Guard
from agent.cli.precedence import why_earlier_stays
from agent.cli.progress import Progress
from agent.cli.screen import Screen, safe_text
from agent.cli.start import start_of
from agent.cli.stops import Stops
from agent.cli.summary import HEADINGS, five_lines, table_row
from agent.cli.trouble import TROUBLE, Interrupted
from agent.loop.act import act, look
from agent.loop.refine import refine
from agent.loop.standing import after, standing
from agent.loop.tools import Tools
from agent.models.failures import clip, scrub
from agent.record.ledger import Ledger
from agent.review.carry import Start
from agent.schema import EXIT_CODES, Draft, Outcome, Role, Round, Stop

_NO_CAMPAIGN = 0  # what is only looked at becomes no part of any history
_ABREAST = 8  # traits at a time; while one waits for its judge, another has the subject
_SIGNALS_EVERY = 0.1  # seconds after which the main thread has surely seen a signal
_BUG = 1
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)  # what a program cannot mend
_MEND_THE_DISK = "What was bought is stored. Free some space or mend the disk, then give the same command again."


@dataclass(frozen=True)
class Part:
    """How one trait's part of the evening ended: its exit code, and its row of the last table."""

    code: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Evening:
    """The run of one command over its traits. Without a `progress` it keeps its own."""

    workshop: Workshop
    screen: Screen
    stops: Stops
    new: bool = False
    progress: Progress | None = None

    def run(self, jobs: Sequence[Job]) -> int:
        """Every trait, some at a time; the exit code of the worst ending. No trait's trouble ends another."""
        parts = self._side_by_side(jobs, TraitEvening.refine, self.workshop.settings.caps.target)
        if len(parts) > 1:
            self.screen.tabulate(HEADINGS, [part.cells for part in parts])
        return worst(part.code for part in parts)

    def diagnose(self, jobs: Sequence[Job]) -> int:
        """Every dataset examined once as it is, nothing repaired; 2 when something could not be judged."""
        return worst(part.code for part in self._side_by_side(jobs, TraitEvening.diagnose, 0))

    def _side_by_side(self, jobs: Sequence[Job], play: Callable[["TraitEvening"], Part], goal: int) -> list[Part]:
        progress = self.progress or Progress(tuple(job.trait.id for job in jobs))
        self.screen.follow(progress)
        for job in jobs:
            self.screen.expect(job.trait.id, max(goal, len(job.dataset.pairs)))
        evenings = [TraitEvening(self.workshop, self.screen, self.stops, progress, job, self.new) for job in jobs]
        with ThreadPoolExecutor(_ABREAST, "trait") as pool:
            playing = [pool.submit(evening.guarded, play) for evening in evenings]
            while wait(playing, _SIGNALS_EVERY).not_done:
                pass  # a signal's handler runs in this thread, between two of its waits at the latest
        return [done.result() for done in playing]


@dataclass(frozen=True)
class TraitEvening:
    """One trait's part, in a thread of its own; the ledger never leaves it."""

    workshop: Workshop
    screen: Screen
    stops: Stops
    progress: Progress
    job: Job
    new: bool

    def guarded(self, play: Callable[["TraitEvening"], Part]) -> Part:
        """The part, or what stood in its way as a sentence, so that the other traits go on."""
        try:
            return play(self)
        except Interrupted as error:
            return self._failed(EXIT_CODES[error.ending], error.ending.value, _told(error))
        except TROUBLE as error:
            return self._failed(USAGE, "not run", *str(error).split("\n"))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one trait must not end the others' night
            if isinstance(error, OSError) and error.errno in _DISK:
                return self._failed(USAGE, "disk", f"{error}. {_MEND_THE_DISK}")
            return self._failed(_BUG, "a bug", self._recorded(error))

    def _failed(self, code: int, ending: str, *sentences: str) -> Part:
        trait = self.job.trait.id
        self.screen.say(*(f"{trait}: {sentence}" for sentence in sentences))
        self.progress.error(f"{trait}: {sentences[0]}")
        self.progress.ended(trait, ending)
        return Part(code, (trait, ending, *["-"] * (len(HEADINGS) - 2)))

    def _recorded(self, error: Exception) -> str:
        """A bug in a sentence; its traceback, without keys, is in error.log where that can be written."""
        log = self.job.folder.refinement / "error.log"
        keys = self._keys()
        lines = scrub("".join(traceback.format_exception(error)), *keys).split("\n")
        what = f"{type(error).__name__}: {scrub(clip(str(error)), *keys)}"
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

    def refine(self) -> Part:
        """All rounds, then the proposal and its summary."""
        began = time.monotonic()
        with Ledger(self.job.folder.ledger_path) as ledger, self.screen.counting(self.job.trait.id, ledger.spend):
            start = start_of(self.job, ledger)
            tools = self._tools(ledger, self._campaign(ledger, start), start)
            result = self._play(tools, began)
            earlier_stays = why_earlier_stays(result)
            results.write_history(result)
            if earlier_stays is None:
                results.write_proposal(result)
            morning.write_report_of(result)
            cells = table_row(result, ledger.spend())
        self.screen.say(*five_lines(result), *([f"{self.job.trait.id}: {earlier_stays}"] if earlier_stays else []))
        self.progress.ended(self.job.trait.id, result.stop.ending.value)
        return Part(EXIT_CODES[result.stop.ending], cells)

    def _tools(self, ledger: Ledger, campaign: int, start: Start) -> Tools:
        trait, stops, minutes = self.job.trait.id, self.stops, self.workshop.settings.budget.minutes
        guard = Guard(trait, self.job.folder, ledger, stops, self.progress, minutes)
        return self.workshop.tools(self.job, guard, lambda what: self.progress.stage(trait, what), campaign, start)

    def _campaign(self, ledger: Ledger, start: Start) -> int:
        """The campaign to go on with; another one is announced with its reason."""
        changed = changes(ledger, self.workshop.about(self.job, start))
        if changed:
            why = f"since {', '.join(changed)} changed. Answers already bought are kept."
            self.screen.say(f"{self.job.trait.id}: another campaign, {why}")
        return self.workshop.campaign(self.job, ledger, self.new, start)

    def _play(self, tools: Tools, began: float) -> results.Result:
        """All rounds to the stop; the guide's files follow the set after each."""
        trait = self.job.trait.id
        history = tools.ledger.history(tools.campaign)
        now = standing(history)
        self.screen.known(trait, history, now)
        if history:  # a run that was killed may have left the files of the round before
            results.write_guides_files(self.workshop, self.job, now)

        def seen(done: Round) -> None:
            nonlocal history, now
            history, now = (*history, done), after(now, done)
            results.write_guides_files(self.workshop, self.job, now)
            self.screen.round(trait, done, now)
            self.progress.step(trait, "rounds")

        stop = _follow(tools, seen)
        return results.Result(self.job, tools, history, now, stop, time.monotonic() - began)

    def diagnose(self) -> Part:
        """The dataset as it is, examined once."""
        trait, size = self.job.trait.id, len(self.job.dataset.pairs)
        if self.stops.requested(self.job.folder.stop_file) is not None:
            return self._failed(STOPPED, "stopped", "not examined, since a stop was asked for.")
        with Ledger(self.job.folder.ledger_path) as ledger, self.screen.counting(trait, ledger.spend):
            tools = self._tools(ledger, _NO_CAMPAIGN, Start(pairs=self.job.dataset.pairs))
            done = look(act(Draft(goal=size, count=size, adopt=size), (), tools), (), tools)
        results.write_guides_files(self.workshop, self.job, standing((done,)))
        outcomes = Counter(finding.outcome for finding in done.findings)
        verdicts = Counter(str(finding.verdict) for finding in done.findings if finding.verdict is not None)
        self.screen.say(
            f"{trait}: {outcomes[Outcome.PASS]} of {len(done.findings)} scenarios pass, "
            f"{outcomes[Outcome.UNJUDGED]} could not be judged; "
            f"verdicts: {', '.join(f'{n} {verdict}' for verdict, n in verdicts.most_common()) or 'none'}; "
            f"see {self.job.folder.vetting}"
        )
        self.progress.ended(trait, "examined")
        return Part(2 if outcomes[Outcome.UNJUDGED] else 0, ())


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
