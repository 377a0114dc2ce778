"""One evening: each trait in turn, from what exists to a proposal."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.cli import results
from agent.cli.compose import Job, Workshop
from agent.cli.exits import worst
from agent.cli.screen import Screen
from agent.cli.stops import Stops
from agent.cli.summary import five_lines
from agent.cli.trouble import EndpointDown
from agent.loop.act import act, look
from agent.loop.refine import refine
from agent.loop.standing import after, standing
from agent.loop.tools import Tools
from agent.record.ledger import Ledger
from agent.schema import EXIT_CODES, Draft, Ending, Outcome, Round, Signals, Stop


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
            tools = self._tools(job, ledger)
            result = self._play(job, tools)
            result = result.took(time.monotonic() - began)
            results.write_all(result)
        for line in five_lines(result):
            self.screen.say(line)
        return result.stop.ending

    def _tools(self, job: Job, ledger: Ledger) -> Tools:
        trait = job.trait.id

        def signals() -> Signals:
            return Signals(
                now=time.time(),
                micro_usd=ledger.spend().micro_usd,
                stop_requested=self.stops.requested(job.folder.stop_file),
            )

        bench = self.workshop.bench(job, ledger, lambda what: self.screen.stage(trait, what))
        return self.workshop.tools(job, ledger, bench, self.new, signals)

    def _play(self, job: Job, tools: Tools) -> results.Result:
        """All rounds to the stop; the guide's files follow the set after each."""
        trait = job.trait.id
        history = tools.ledger.history(tools.campaign)
        now = standing(history)
        self.screen.known(trait, history, now)

        def seen(done: Round) -> None:
            nonlocal history, now
            history, now = (*history, done), after(now, done)
            results.write_guides_files(job, now, self.workshop)
            self.screen.round(trait, done, now)

        stop = _follow(tools, seen)
        self.screen.stage(trait, stop.ending.value)
        return results.Result(job, self.workshop, tools, history, now, stop)

    def diagnose(self, jobs: Sequence[Job]) -> int:
        """Every dataset examined once as it is, nothing repaired; 2 when something could not be judged."""
        return worst([self._diagnose(job) for job in jobs if self.stops.asked is None])

    def _diagnose(self, job: Job) -> int:
        size = len(job.dataset.pairs)
        self.screen.expect(job.trait.id, size)
        with Ledger(job.folder.ledger_path) as ledger:
            tools = self._tools(job, ledger)
            move = Draft(goal=size, count=size, adopt=size)
            done = look(act(move, (), tools), (), tools)
            now = standing((done,))
            results.write_guides_files(job, now, self.workshop)
        self.screen.round(job.trait.id, done, now)
        unjudged = sum(finding.outcome is Outcome.UNJUDGED for finding in done.findings)
        passed = sum(finding.outcome is Outcome.PASS for finding in done.findings)
        self.screen.say(
            f"{job.trait.id}: {passed} of {len(done.findings)} scenarios pass, {unjudged} could not be judged; "
            f"see {job.folder.vetting}"
        )
        return 2 if unjudged else 0


def _follow(tools: Tools, seen: Callable[[Round], None]) -> Stop:
    """Play `refine` to its end, and say why it ended."""
    rounds = refine(tools)
    while True:
        try:
            done = next(rounds)
        except StopIteration as end:
            stop: Stop = end.value
            return stop
        except EndpointDown as error:
            return Stop(ending=Ending.ENDPOINT, why=f"{error} What was bought is stored; the same command goes on.")
        seen(done)
