"""Once the pilot is confirmed, and before anything is scaled up: is the judge's commitment score to be believed?"""

from collections.abc import Generator

from agent.loop.act import Tools, act, examine_changed
from agent.loop.policy import next_move, parking
from agent.loop.state import SetState, Status, apply_round, replay
from agent.schema import Completion, Confirm, History, Polarity, Round, Scenario, Stop, Verdict
from agent.steps.reliability import measure_controls, measure_noise


def self_check(done: Round, history: History, tools: Tools) -> Round:
    """The round, when it confirmed something, with the judge's noise so far; with controls, when that was the pilot."""
    if not isinstance(done.move, Confirm):
        return done
    now, context = apply_round(replay(history), done), tools.context
    findings = [finding for past in (*history, done) for finding in past.findings]
    noise = measure_noise(findings, context.rules.max_votes, context.trait.mode)
    # In mode sustained C0 gates nothing, so there is nothing to control.
    due = now.controls is None and not context.sustained and _pilot_is_confirmed(now, tools)
    controls = measure_controls(context, expressing(now)) if due else None
    return done.model_copy(update={"noise": noise, "controls": controls})


def _pilot_is_confirmed(now: SetState, tools: Tools) -> bool:
    confirmed = now.at(Status.CONFIRMED, Status.AUDITED)
    return len(confirmed) == len(now.items) >= min(tools.plan.caps.pilot, tools.plan.goal)


def expressing(now: SetState) -> list[tuple[Scenario, Completion]]:
    """The scenarios whose first tokens express, each with its completion, in the set's order."""
    found = [(item.pair.side(p), item.finding(p)) for item in now.items.values() for p in Polarity]
    return [
        (scenario, finding.completion)
        for scenario, finding in found
        if finding is not None and finding.verdict is Verdict.EXPRESS and finding.completion is not None
    ]


def refine(tools: Tools) -> Generator[Round, None, Stop]:
    """One trait, from what exists to a set a human can approve. Yields each recorded round; returns why it stopped."""
    history = tools.ledger.history(tools.campaign)
    while not isinstance(move := next_move(history, tools.plan, tools.signals()), Stop):
        tools.ledger.start_round(tools.campaign, len(history) + 1)
        done = act(move, history, tools)
        done = examine_changed(done, history, tools)
        done = self_check(done, history, tools)
        done = close_round(done, history, tools)
        tools.ledger.append(tools.campaign, done)
        history = (*history, done)
        yield done
    return move


def close_round(done: Round, history: History, tools: Tools) -> Round:
    """The round with its bill, and with those pairs parked that cannot be decided here."""
    parked = parking(apply_round(replay(history), done))
    return done.model_copy(update={"parked": parked, "cost": tools.ledger.cost(tools.campaign, done.number)})
