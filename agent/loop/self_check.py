"""Once the pilot is confirmed, and before anything is scaled up: is the judge's commitment score to be believed?"""

from agent.loop.standing import Standing, Status, after, standing
from agent.loop.tools import Tools
from agent.schema import Completion, Confirm, History, Polarity, Round, Scenario, Verdict
from agent.steps.controls import measure_controls


def self_check(done: Round, history: History, tools: Tools) -> Round:
    """The round with its controls, where it confirmed the last pair of the pilot. In mode sustained C0 gates nothing."""
    now = after(standing(history), done)
    if tools.bench.sustained or now.controls is not None or not _pilot_is_confirmed(done, now, tools):
        return done
    return done.model_copy(update={"controls": measure_controls(tools.bench, expressing(now))})


def _pilot_is_confirmed(done: Round, now: Standing, tools: Tools) -> bool:
    confirmed = now.at(Status.CONFIRMED, Status.AUDITED)
    pilot = min(tools.plan.caps.pilot, tools.plan.goal)
    return isinstance(done.move, Confirm) and len(confirmed) == len(now.items) >= pilot


def expressing(now: Standing) -> list[tuple[Scenario, Completion]]:
    """The scenarios whose first tokens express, each with its completion, in the set's order."""
    found = [(item.pair.side(p), item.finding(p)) for item in now.items.values() for p in Polarity]
    return [
        (scenario, finding.completion)
        for scenario, finding in found
        if finding is not None and finding.verdict is Verdict.EXPRESS and finding.completion is not None
    ]
