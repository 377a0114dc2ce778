"""Policy: the next move, from history alone. The order of RULES is the method."""

from collections import Counter
from collections.abc import Callable, Sequence

from agent.loop.state import PairState, SetState, Status, replay
from agent.schema import (
    ADVICE,
    Audit,
    Confirm,
    Draft,
    Ending,
    Finding,
    History,
    Move,
    Outcome,
    Park,
    Plan,
    Polarity,
    Question,
    Recheck,
    Repair,
    Signals,
    Stop,
    Tally,
    Verdict,
    commonest_error,
)
from agent.stats import wilson
from agent.text import pluralize, verb_for

REPAIR_ROUNDS_BEFORE_JUDGING_A_PILOT = 3
RECHECKS = 2
AUDITS = 2
EMPTY_DRAFTS = 2


def next_move(history: History, plan: Plan, signals: Signals) -> Move:
    """The next move. Pure: the same history, plan and signals give the same answer."""
    state = replay(history)
    return next(move for rule in RULES if (move := rule(state, plan, signals)) is not None)


def everything_is_audited(state: SetState, plan: Plan, signals: Signals) -> Move | None:
    if len(state.items) < plan.goal or len(state.at(Status.AUDITED)) < len(state.items):
        return None
    if state.parked:
        audited, parked = pluralize(len(state.items), "pair"), pluralize(len(state.parked), "parked pair")
        is_, wait = verb_for(len(state.items), "is", "are"), verb_for(len(state.parked), "waits", "wait")
        why = f"{audited} {is_} audited; {parked} {wait} for a human"
        return Stop(ending=Ending.READY_WITH_PARKED, why=why)
    return Stop(ending=Ending.READY, why=f"all {len(state.items)} pairs are confirmed and audited")


def stop_or_cap(state: SetState, plan: Plan, signals: Signals) -> Move | None:
    if signals.stop_requested is not None:
        return Stop(ending=Ending.STOPPED, why=f"a stop was requested ({signals.stop_requested})")
    if signals.cap_reached is not None:
        return Stop(ending=Ending.CAP, why=signals.cap_reached)
    if state.rounds >= plan.caps.max_rounds:
        return Stop(ending=Ending.CAP, why=f"the cap of {plan.caps.max_rounds} rounds is reached (--max-rounds)")
    return None


def pilot_failed(state: SetState, plan: Plan, signals: Signals) -> Move | None:
    piloting = state.goal <= plan.caps.pilot
    if not piloting or state.repair_rounds < REPAIR_ROUNDS_BEFORE_JUDGING_A_PILOT:
        return None
    judged = [f for item in state.items.values() for f in item.current if f.outcome is not Outcome.UNJUDGED]
    passed = sum(f.outcome is Outcome.PASS for f in judged)
    if not judged or passed >= plan.rules.min_pilot_rate * len(judged):
        return None
    why = f"after {state.repair_rounds} repair rounds {passed} of {len(judged)} judged scenarios of the pilot pass"
    return Stop(ending=Ending.NOT_READY, why=why + _dominating(state) + judge_suspicions(state))


def judge_unreliable(state: SetState, plan: Plan, signals: Signals) -> Move | None:
    """The judge's wordings disagree so often, even at the intervals' lower ends, that good pairs would be edited."""
    if state.noise is None or state.noise.edited_at_least <= plan.rules.max_parked_share:
        return None
    worst = max(state.noise.flaps, key=lambda one: one.k / max(1, one.n))
    why = (
        f"the judge contradicts itself too often: its wordings disagree on {worst.question} in {worst.k} of {worst.n} "
        f"texts, and at least {state.noise.edited_at_least:.0%} of good pairs would be edited needlessly (limit: "
        f"{plan.rules.max_parked_share:.0%}). Use another judge, or sharpen the definition"
    )
    return Stop(ending=Ending.NOT_READY, why=why)


def no_progress(state: SetState, plan: Plan, signals: Signals) -> Move | None:
    entered = max(state.entered, plan.caps.pilot, plan.goal)
    if len(state.parked) > plan.rules.max_parked_share * entered:
        why = (
            f"{len(state.parked)} of {entered} pairs had to be parked: the judge cannot decide here. "
            + state.parked[-1].why
        )
        return Stop(ending=Ending.NOT_READY, why=why + judge_suspicions(state))
    if state.idle >= plan.caps.patience and not _out_of_repairs(state, plan):
        why = f"nothing improved for {state.idle} rounds (--patience)"
        return Stop(ending=Ending.NOT_READY, why=why + _dominating(state) + judge_suspicions(state))
    return None


def recheck_unjudged(state: SetState, plan: Plan, signals: Signals) -> Move | None:
    pairs = state.at(Status.UNJUDGED)
    return Recheck(pairs=pairs) if pairs else None


def repair_failing(state: SetState, plan: Plan, signals: Signals) -> Move | None:
    failing = state.at(Status.FAILING)
    if not failing:
        return None
    replaced = _out_of_repairs(state, plan)
    return Repair(pairs=tuple(key for key in failing if key not in replaced), replace=replaced)


def _out_of_repairs(state: SetState, plan: Plan) -> tuple[str, ...]:
    """Failing pairs without repairs left. They are replaced even when patience is used up."""
    return tuple(key for key in state.at(Status.FAILING) if state.items[key].repairs >= plan.caps.max_repairs)


def confirm_passes(state: SetState, plan: Plan, signals: Signals) -> Move | None:
    pairs = state.at(Status.PASSED)
    return Confirm(pairs=pairs) if pairs else None


def controls_failed(state: SetState, plan: Plan, signals: Signals) -> Move | None:
    """On the controls C0 does not tell committed texts from open ones: do not scale up."""
    found, least = state.controls, plan.caps.min_control_auc
    if found is None or found.high >= least or len(state.items) >= plan.goal:
        return None
    why = (
        f"the judge does not tell committed texts from open ones: over {len(found.committed)} + {len(found.open)} "
        f"controls the AUC of its commitment score is {found.auc:.2f} [{found.low:.2f}, {found.high:.2f}], at "
        f"least {least:g} is required. Use another judge, or continue anyway with --min-control-auc 0"
    )
    return Stop(ending=Ending.NOT_READY, why=why)


def draft_more(state: SetState, plan: Plan, signals: Signals) -> Move | None:
    size = len(state.items)
    if size >= plan.goal:
        return None
    if state.empty_drafts >= EMPTY_DRAFTS:
        return Stop(
            ending=Ending.NOT_READY,
            why="two drafts in a row added nothing: the author repeats itself, refuses, or writes what cannot be read"
            + (f" (last: {state.empty_draft_reason})" if state.empty_draft_reason else ""),
        )
    pilot = min(plan.caps.pilot, plan.goal)
    goal = pilot if size < pilot else plan.goal
    count = min(goal - size, plan.caps.batch if size >= pilot else pilot)
    adopt = max(0, min(count, plan.dataset_size - state.adopted))
    count = min(count, adopt + max(0, plan.caps.max_pairs - state.drafted))
    if count == 0:
        reached = f"the cap of {plan.caps.max_pairs} drafts is reached (--max-pairs)"
        return Stop(ending=Ending.CAP, why=f"{size} of {plan.goal} pairs are confirmed, and {reached}")
    return Draft(goal=goal, count=count, adopt=adopt)


def audit_all(state: SetState, plan: Plan, signals: Signals) -> Move | None:
    return Audit(pairs=state.at(Status.CONFIRMED))


Rule = Callable[[SetState, Plan, Signals], Move | None]
RULES: tuple[Rule, ...] = (
    everything_is_audited,
    stop_or_cap,
    pilot_failed,
    judge_unreliable,
    no_progress,
    recheck_unjudged,
    repair_failing,
    confirm_passes,
    controls_failed,
    draft_more,
    audit_all,
)


def parking(state: SetState) -> tuple[Park, ...]:
    """The pairs that cannot be decided automatically, each with its reason."""
    return tuple(Park(pair=key, why=why) for key, item in state.items.items() if (why := _undecidable(item)))


def _undecidable(item: PairState) -> str | None:
    for finding in item.current:
        if finding.verdict is Verdict.UNSURE:
            return f"the {finding.polarity} scenario stays undecided between the wordings (UNSURE)"
    if item.status is Status.UNJUDGED and item.rechecks >= RECHECKS:
        error = commonest_error(tally for finding in item.current for tally in finding.tallies)
        return f"no readable judgement after {RECHECKS} rechecks{f': {error}' if error else ''}"
    if item.failed_audits >= AUDITS:
        return f"failed {AUDITS} audits"
    return None


def _dominating(state: SetState) -> str:
    failing = [found for item in state.items.values() for found in item.failing]
    verdicts = Counter(found.verdict for found in failing if found.verdict is not None)
    if not verdicts:
        return ""
    verdict, count = verdicts.most_common(1)[0]
    return f"; {verdict} dominates ({count}): {ADVICE[verdict]}"


# Limits of the judge's self-check, chosen by judgement.
_TEXTS = 4  # on each side, from which on one score for all of them is no accident
_ANSWERS = 20  # pairs of answers, from which on their disagreement is judged
_TOO_OFTEN = 0.3  # lower end of the disagreement rate; two random answers disagree at 0.5


def judge_suspicions(state: SetState) -> str:
    """A sentence for the reason of a stop where the judge itself is broken, else an empty string."""
    found = [finding for item in (*state.items.values(), *state.removed) for finding in item.findings]
    why = [reason for reason in (_one_score(found), _contradiction(found)) if reason]
    return f". The judge is unreliable: {'; '.join(why)}. Use another one" if why else ""


def _one_score(found: Sequence[Finding]) -> str | None:
    """That all responses, of both sides, got one score."""
    first = {(f.polarity, f.key): t.votes[0].score for f in found if (t := f.tally(Question.RESPONSE)) and t.votes}
    sides = [[s for (side, _), s in first.items() if side is polarity and s is not None] for polarity in Polarity]
    if min(map(len, sides)) >= _TEXTS and len({*sides[0], *sides[1]}) == 1:
        return f"it scores all {len(first)} responses {sides[0][0]:g}"
    return None


def _contradiction(found: Sequence[Finding]) -> str | None:
    """That the second wording often contradicts the first, counted wherever both were asked.

    Unlike `reliability.wording_disagreements`, this counts second votes that were asked because the first was adverse.
    """
    latest: dict[tuple[str, Question], Tally] = {(f.key, t.question): t for f in found for t in f.tallies}
    both = [tally.votes[:2] for tally in latest.values() if len(tally.votes) > 1]
    read = [(a.favourable, b.favourable) for a, b in both if None not in (a.favourable, b.favourable)]
    rate = wilson(sum(a != b for a, b in read), len(read))
    if rate.n >= _ANSWERS and rate.low > _TOO_OFTEN:
        return f"its second wording contradicts the first in {rate}"
    return None
