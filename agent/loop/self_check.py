"""Once the pilot is confirmed, and before anything is scaled up: is the judge's commitment score to be believed?"""

from agent.loop.standing import Standing, Status, after, standing
from agent.loop.tools import Tools
from agent.schema import Completion, Confirm, History, Polarity, Round, Scenario, Verdict
from agent.steps.controls import measure_controls
from agent.steps.noise import measure_noise


def self_check(done: Round, history: History, tools: Tools) -> Round:
    """The round, when it confirmed something, with the judge's noise so far; with controls, when that was the pilot."""
    if not isinstance(done.move, Confirm):
        return done
    now, bench = after(standing(history), done), tools.bench
    findings = [finding for past in (*history, done) for finding in past.findings]
    noise = measure_noise(findings, bench.rules.max_votes, bench.sustained)
    # In mode sustained C0 gates nothing, so there is nothing to control.
    due = now.controls is None and not bench.sustained and _pilot_is_confirmed(now, tools)
    controls = measure_controls(bench, expressing(now)) if due else None
    return done.model_copy(update={"noise": noise, "controls": controls})


def _pilot_is_confirmed(now: Standing, tools: Tools) -> bool:
    confirmed = now.at(Status.CONFIRMED, Status.AUDITED)
    return len(confirmed) == len(now.items) >= min(tools.plan.caps.pilot, tools.plan.goal)


def expressing(now: Standing) -> list[tuple[Scenario, Completion]]:
    """The scenarios whose first tokens express, each with its completion, in the set's order."""
    found = [(item.pair.side(p), item.finding(p)) for item in now.items.values() for p in Polarity]
    return [
        (scenario, finding.completion)
        for scenario, finding in found
        if finding is not None and finding.verdict is Verdict.EXPRESS and finding.completion is not None
    ]
