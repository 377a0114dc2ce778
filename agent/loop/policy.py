"""What to do next, from history alone. The order of RULES is the method."""

from collections import Counter
from collections.abc import Callable, Iterator

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
)
from agent.stats import wilson
from agent.text import pluralize, verb_for

REPAIR_ROUNDS_BEFORE_JUDGING_A_PILOT = 3
RECHECKS = 2
AUDITS = 2
BARREN_DRAFTS = 2


def next_move(history: History, plan: Plan, signals: Signals) -> Move:
    """The next move. Pure: the same history, plan and signals give the same answer."""
    now = replay(history)
    return next(move for rule in RULES if (move := rule(now, plan, signals)) is not None)


def everything_is_audited(now: SetState, plan: Plan, signals: Signals) -> Move | None:
    if len(now.items) < plan.goal or len(now.at(Status.AUDITED)) < len(now.items):
        return None
    if now.parked:
        audited, parked = pluralize(len(now.items), "pair"), pluralize(len(now.parked), "parked pair")
        is_, wait = verb_for(len(now.items), "is", "are"), verb_for(len(now.parked), "waits", "wait")
        why = f"{audited} {is_} audited; {parked} {wait} for a human"
        return Stop(ending=Ending.READY_WITH_PARKED, why=why)
    return Stop(ending=Ending.READY, why=f"all {len(now.items)} pairs are confirmed and audited")


def stop_or_cap(now: SetState, plan: Plan, signals: Signals) -> Move | None:
    if signals.stop_requested is not None:
        return Stop(ending=Ending.STOPPED, why=f"a stop was asked for ({signals.stop_requested})")
    if signals.cap_reached is not None:
        return Stop(ending=Ending.CAP, why=signals.cap_reached)
    if now.rounds >= plan.caps.max_rounds:
        return Stop(ending=Ending.CAP, why=f"the cap of {plan.caps.max_rounds} rounds is reached (--max-rounds)")
    return None


def pilot_failed(now: SetState, plan: Plan, signals: Signals) -> Move | None:
    piloting = now.goal <= plan.caps.pilot
    if not piloting or now.repair_rounds < REPAIR_ROUNDS_BEFORE_JUDGING_A_PILOT:
        return None
    found = [f for item in now.items.values() for p in Polarity if (f := item.finding(p)) is not None]
    judged = [f for f in found if f.outcome is not Outcome.UNJUDGED]
    passed = sum(f.outcome is Outcome.PASS for f in judged)
    if not judged or passed >= plan.rules.min_pilot_rate * len(judged):
        return None
    why = f"after {now.repair_rounds} repair rounds {passed} of {len(judged)} judged scenarios of the pilot pass"
    return Stop(ending=Ending.NOT_READY, why=why + _dominating(now) + judge_suspicions(now))


def judge_unreliable(now: SetState, plan: Plan, signals: Signals) -> Move | None:
    """By its own flap rates, even at their lower ends, the judge sends too many good pairs to the ladder."""
    if now.noise is None or now.noise.edited_at_least <= plan.rules.max_parked_share:
        return None
    shaky = max(now.noise.flaps, key=lambda one: one.k / max(1, one.n))
    why = (
        f"the judge contradicts itself too often: its wordings disagree on {shaky.question} in {shaky.k} of {shaky.n} "
        f"texts, and at least {now.noise.edited_at_least:.0%} of good pairs would be sent to be mended (more than "
        f"{plan.rules.max_parked_share:.0%} are not borne). Take another judge, or sharpen the definition"
    )
    return Stop(ending=Ending.NOT_READY, why=why)


def no_progress(now: SetState, plan: Plan, signals: Signals) -> Move | None:
    entered = max(now.entered, plan.caps.pilot, plan.goal)
    if len(now.parked) > plan.rules.max_parked_share * entered:
        why = (
            f"{len(now.parked)} of {entered} pairs had to be parked: the judge cannot decide here. "
            + now.parked[-1].why
        )
        return Stop(ending=Ending.NOT_READY, why=why + judge_suspicions(now))
    if now.idle >= plan.caps.patience and not _spent(now, plan):
        why = f"nothing improved for {now.idle} rounds (--patience)"
        return Stop(ending=Ending.NOT_READY, why=why + _dominating(now) + judge_suspicions(now))
    return None


def recheck_unjudged(now: SetState, plan: Plan, signals: Signals) -> Move | None:
    pairs = now.at(Status.UNJUDGED)
    return Recheck(pairs=pairs) if pairs else None


def repair_failing(now: SetState, plan: Plan, signals: Signals) -> Move | None:
    failing = now.at(Status.FAILING)
    if not failing:
        return None
    spent = _spent(now, plan)
    return Repair(pairs=tuple(key for key in failing if key not in spent), replace=spent)


def _spent(now: SetState, plan: Plan) -> tuple[str, ...]:
    """Failing pairs whose repairs are used up: to replace them is a way on, whatever the patience."""
    return tuple(key for key in now.at(Status.FAILING) if now.items[key].repairs >= plan.caps.max_repairs)


def confirm_passes(now: SetState, plan: Plan, signals: Signals) -> Move | None:
    pairs = now.at(Status.PASSED)
    return Confirm(pairs=pairs) if pairs else None


def scaling_up_blindly(now: SetState, plan: Plan, signals: Signals) -> Move | None:
    """The controls say that C0 does not tell committed texts from open ones: nothing may rest on it at scale."""
    found, least = now.controls, plan.caps.min_control_auc
    if found is None or found.high >= least or len(now.items) >= plan.goal:
        return None
    why = (
        f"the judge does not tell committed texts from open ones: over {len(found.committed)} + {len(found.open)} "
        f"controls the AUC of its commitment score is {found.auc:.2f} [{found.low:.2f}, {found.high:.2f}], wanted "
        f"{least:g}. Take another judge, or go on all the same with --min-control-auc 0"
    )
    return Stop(ending=Ending.NOT_READY, why=why)


def draft_more(now: SetState, plan: Plan, signals: Signals) -> Move | None:
    size = len(now.items)
    if size >= plan.goal:
        return None
    if now.barren_drafts >= BARREN_DRAFTS:
        return Stop(
            ending=Ending.NOT_READY,
            why="two drafts in a row added nothing: the author repeats itself, refuses, or writes what cannot be read"
            + (f" (last: {now.barren_why})" if now.barren_why else ""),
        )
    pilot = min(plan.caps.pilot, plan.goal)
    goal = pilot if size < pilot else plan.goal
    count = min(goal - size, plan.caps.batch if size >= pilot else pilot)
    adopt = max(0, min(count, plan.dataset_size - now.adopted))
    count = min(count, adopt + max(0, plan.caps.max_pairs - now.drafted))
    if count == 0:
        reached = f"the cap of {plan.caps.max_pairs} drafts is reached (--max-pairs)"
        return Stop(ending=Ending.CAP, why=f"{size} of {plan.goal} pairs are confirmed, and {reached}")
    return Draft(goal=goal, count=count, adopt=adopt)


def audit_all(now: SetState, plan: Plan, signals: Signals) -> Move | None:
    return Audit(pairs=now.at(Status.CONFIRMED))


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
    scaling_up_blindly,
    draft_more,
    audit_all,
)


def parking(now: SetState) -> tuple[Park, ...]:
    """Which pairs of a standing cannot be decided here, each with its reason."""
    return tuple(Park(pair=key, why=why) for key, item in now.items.items() if (why := _undecidable(item)))


def _undecidable(item: PairState) -> str | None:
    for polarity in Polarity:
        finding = item.finding(polarity)
        if finding is not None and finding.verdict is Verdict.UNSURE:
            return f"the {polarity} scenario stays undecided between the wordings (UNSURE)"
    if item.status is Status.UNJUDGED and item.rechecks >= RECHECKS:
        return f"no readable judgement after {RECHECKS} rechecks on a healthy endpoint"
    if item.failed_audits >= AUDITS:
        return f"failed {AUDITS} audits"
    return None


def _dominating(now: SetState) -> str:
    verdicts = Counter(
        f.verdict
        for item in now.items.values()
        for p in Polarity
        if (f := item.finding(p)) is not None and f.outcome is Outcome.FAIL and f.verdict is not None
    )
    if not verdicts:
        return ""
    verdict, count = verdicts.most_common(1)[0]
    return f"; {verdict} dominates ({count}): {ADVICE[verdict]}"


_TEXTS = 4  # on each side, from which on one score for all of them is no accident
_ANSWERS = 20
_TOO_OFTEN = 0.3  # disagreement beyond the interval's lower end; a coin's is 0.5


def judge_suspicions(now: SetState) -> str:
    """A sentence to be added to the reason of a stop where the judge itself is broken, else nothing."""
    found = [finding for item in (*now.items.values(), *now.removed) for finding in item.findings]
    why = [*_says_one_thing(found), *_contradicts_itself(found)]
    return f". But it is the judge that cannot be trusted here: {'; '.join(why)}. Take another one" if why else ""


def _says_one_thing(found: list[Finding]) -> Iterator[str]:
    """One score for everything that the subject said, on both sides alike."""
    first = {(f.polarity, f.key): t.votes[0].score for f in found if (t := f.tally(Question.RESPONSE)) and t.votes}
    sides = [[s for (side, _), s in first.items() if side is polarity and s is not None] for polarity in Polarity]
    if min(map(len, sides)) >= _TEXTS and len({*sides[0], *sides[1]}) == 1:
        yield f"it scores all {len(first)} responses {sides[0][0]:g}"


def _contradicts_itself(found: list[Finding]) -> Iterator[str]:
    """Its second wording against its first, wherever both were asked: where a first answer was adverse, too."""
    latest: dict[tuple[str, Question], Tally] = {(f.key, t.question): t for f in found for t in f.tallies}
    both = [tally.votes[:2] for tally in latest.values() if len(tally.votes) > 1]
    read = [(a.favourable, b.favourable) for a, b in both if None not in (a.favourable, b.favourable)]
    rate = wilson(sum(a != b for a, b in read), len(read))
    if rate.n >= _ANSWERS and rate.low > _TOO_OFTEN:
        yield f"its second wording contradicts the first in {rate}"
