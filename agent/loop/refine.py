"""The loop of one trait: decide, act, examine, check the judge, record."""

from collections.abc import Generator

from agent.loop.act import Tools, act, examine_changed
from agent.loop.policy import next_move, parking
from agent.loop.state import SetState, Status, apply_round, replay
from agent.schema import Completion, Confirm, History, Recheck, Round, Scenario, Stop, Verdict
from agent.steps.reliability import measure_controls, measure_noise
from agent.text import pluralize


def self_check(round: Round, history: History, tools: Tools) -> Round:
    """A round that confirmed something, with the judge's noise so far, and with controls if it confirmed the pilot."""
    if not isinstance(round.move, Confirm):
        return round
    state, context = apply_round(replay(history), round), tools.context
    findings = [finding for past in (*history, round) for finding in past.findings]
    noise = measure_noise(findings, context.rules.max_votes, context.trait.mode)
    # In mode sustained C0 gates nothing, so that it needs no controls.
    due = state.controls is None and not context.sustained and _pilot_is_confirmed(state, tools)
    controls = measure_controls(context, expressing(state)) if due else None
    return round.model_copy(update={"noise": noise, "controls": controls})


def _pilot_is_confirmed(state: SetState, tools: Tools) -> bool:
    confirmed = state.at(Status.CONFIRMED, Status.AUDITED)
    return len(confirmed) == len(state.items) >= min(tools.plan.caps.pilot, tools.plan.goal)


def expressing(state: SetState) -> list[tuple[Scenario, Completion]]:
    """The scenarios with verdict EXPRESS, each with its completion, in the order of the set."""
    return [
        (item.pair.side(finding.polarity), finding.completion)
        for item in state.items.values()
        for finding in item.current
        if finding.verdict is Verdict.EXPRESS and finding.completion is not None
    ]


def refine(tools: Tools) -> Generator[Round, None, Stop]:
    """Refine one trait up to a set that a human can approve. Yields each recorded round; returns why it stopped."""
    history = tools.ledger.history(tools.campaign)
    while not isinstance(move := next_move(history, tools.plan, tools.signals()), Stop):
        if isinstance(move, Recheck):
            _wait_before_recheck(move, history, tools)
        tools.ledger.start_round(tools.campaign, len(history) + 1)
        round = act(move, history, tools)
        round = examine_changed(round, history, tools)
        round = self_check(round, history, tools)
        round = close_round(round, history, tools)
        tools.ledger.append(tools.campaign, round)
        history = (*history, round)
        yield round
    return move


def _wait_before_recheck(move: Recheck, history: History, tools: Tools) -> None:
    """Let time pass since the questions were last asked: what refused them may be over by then."""
    items = replay(history).items
    before = max(items[key].rechecks for key in move.pairs)
    pause = tools.recheck_pauses[min(before, len(tools.recheck_pauses) - 1)]
    passed = max(0.0, tools.ledger.now() - tools.ledger.recorded(tools.campaign)[-1])
    if passed < pause:
        left = pause - passed
        tools.wait(left, f"waits {left:.0f} s before it asks about {pluralize(len(move.pairs), 'pair')} again")


def close_round(round: Round, history: History, tools: Tools) -> Round:
    """The round with its usage, and with the pairs parked that cannot be decided automatically."""
    parked = parking(apply_round(replay(history), round), tools.places)
    return round.model_copy(update={"parked": parked, "cost": tools.ledger.cost(tools.campaign, round.number)})
