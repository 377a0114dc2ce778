"""One evening: each trait in turn, from what exists to a proposal."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.cli import results
from agent.cli.compose import Job, Workshop, changes
from agent.cli.exits import STOPPED, worst
from agent.cli.screen import Screen
from agent.cli.stops import Stops
from agent.cli.summary import five_lines, page
from agent.cli.trouble import Interrupted
from agent.loop.act import act, look
from agent.loop.refine import refine
from agent.loop.standing import after, standing
from agent.loop.tools import Tools
from agent.record.ledger import Ledger
from agent.schema import EXIT_CODES, Draft, Ending, Outcome, Round, Signals, Stop

_NO_CAMPAIGN = 0  # what is only looked at becomes no part of any history


@dataclass(frozen=True)
class Evening:
    """The run of one command over its traits."""

    workshop: Workshop
    screen: Screen
    stops: Stops
    new: bool = False

    def run(self, jobs: Sequence[Job]) -> int:
        """Every trait in turn; the exit code of the worst ending. An endpoint that is down ends the evening."""
        for job in jobs:
            self.screen.expect(job.trait.id, max(self.workshop.settings.caps.target, len(job.dataset.pairs)))
        codes = []
        for job in jobs:
            ending = self._refine(job)
            codes.append(EXIT_CODES[ending])
            if ending is Ending.ENDPOINT:
                break
        return worst(codes)

    def _refine(self, job: Job) -> Ending:
        began = time.monotonic()
        with Ledger(job.folder.ledger_path) as ledger:
            tools = self._tools(job, ledger, self._campaign(job, ledger))
            result = self._play(job, tools, began)
            results.write_refinement(result, page(result))
        for line in five_lines(result):
            self.screen.say(line)
        return result.stop.ending

    def _tools(self, job: Job, ledger: Ledger, campaign: int) -> Tools:
        def signals() -> Signals:
            return Signals(
                now=time.time(),
                micro_usd=ledger.spend().micro_usd,
                stop_requested=self.stops.requested(job.folder.stop_file),
            )

        def watch(what: str) -> None:
            self.screen.stage(job.trait.id, what)

        return self.workshop.tools(job, ledger, watch, campaign, signals)

    def _campaign(self, job: Job, ledger: Ledger) -> int:
        """The campaign to go on with; another one is announced with its reason."""
        changed = changes(ledger, self.workshop.about(job))
        if changed:
            what = ", ".join(changed)
            self.screen.say(f"{job.trait.id}: another campaign, since {what} changed. Answers already bought are kept.")
        return self.workshop.campaign(job, ledger, self.new)

    def _play(self, job: Job, tools: Tools, began: float) -> results.Result:
        """All rounds to the stop; the guide's files follow the set after each."""
        trait = job.trait.id
        history = tools.ledger.history(tools.campaign)
        now = standing(history)
        self.screen.known(trait, history, now)

        def seen(done: Round) -> None:
            nonlocal history, now
            history, now = (*history, done), after(now, done)
            results.write_guides_files(self.workshop, job, now)
            self.screen.round(trait, done, now)

        stop = _follow(tools, seen)
        self.screen.stage(trait, stop.ending.value)
        return results.Result(job, tools, history, now, stop, time.monotonic() - began)

    def diagnose(self, jobs: Sequence[Job]) -> int:
        """Every dataset examined once as it is, nothing repaired; 2 when something could not be judged."""
        try:
            codes = [self._diagnose(job) for job in jobs if self.stops.asked is None]
        except Interrupted as error:
            self.screen.say(_told(error))
            return EXIT_CODES[error.ending]
        return worst(codes if len(codes) == len(jobs) else [*codes, STOPPED])

    def _diagnose(self, job: Job) -> int:
        trait, size = job.trait.id, len(job.dataset.pairs)
        self.screen.expect(trait, size)
        with Ledger(job.folder.ledger_path) as ledger:
            tools = self._tools(job, ledger, _NO_CAMPAIGN)
            done = look(act(Draft(goal=size, count=size, adopt=size), (), tools), (), tools)
        results.write_guides_files(self.workshop, job, standing((done,)))
        outcomes = Counter(finding.outcome for finding in done.findings)
        verdicts = Counter(str(finding.verdict) for finding in done.findings if finding.verdict is not None)
        self.screen.say(
            f"{trait}: {outcomes[Outcome.PASS]} of {len(done.findings)} scenarios pass, "
            f"{outcomes[Outcome.UNJUDGED]} could not be judged; "
            f"verdicts: {', '.join(f'{n} {verdict}' for verdict, n in verdicts.most_common()) or 'none'}; "
            f"see {job.folder.vetting}"
        )
        return 2 if outcomes[Outcome.UNJUDGED] else 0


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
