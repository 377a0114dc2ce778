"""Policy: the next move, from history alone. The order of RULES is the method."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from agent.loop.state import PairState, SetState, Status, replay, unanswered, undecided
from agent.schema import (
    ADVICE,
    Audit,
    Cause,
    Confirm,
    Draft,
    Ending,
    ErrorKind,
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
    Resume,
    Signals,
    Stop,
    Tally,
    Verdict,
    commonest_error,
    kind_of,
)
from agent.stats import wilson
from agent.text import pluralize, verb_for

REPAIRS_BEFORE_JUDGING_A_PILOT = 3  # of each failing pair, and rounds of them without a rise; chosen by judgement
CLEAN_SHARE = 0.8  # of a batch of the dataset, from which on the next is twice as large; chosen by judgement
LARGEST_BATCH = 1024  # pairs; bounds the questions and completions of one round in memory; chosen by judgement
RECHECKS = 2
AUDITS = 2
EMPTY_DRAFTS = 2


def next_move(history: History, plan: Plan, signals: Signals) -> Move:
    """The next move. Pure: the same history, plan and signals give the same answer."""
    state = replay(history)
    move = next(move for rule in RULES if (move := rule(state, plan, signals)) is not None)
    return _resume(state, plan, signals, move) or move


def ends_by_itself(stop: Stop) -> bool:
    """Whether this ending follows from the history alone, so that the same command would end so at once."""
    return stop.ending in (Ending.READY_WITH_PARKED, Ending.NOT_READY) or stop.cause is Cause.PAIRS


def _resume(state: SetState, plan: Plan, signals: Signals, move: Move) -> Resume | None:
    """How another run goes on from an ending that an earlier one has reported; None where it does not."""
    if not isinstance(move, Stop) or not ends_by_itself(move):
        return None
    if stop_or_cap(state, plan, signals) is not None:
        return None
    anyway = signals.anyway_after == state.rounds and move.ending is Ending.NOT_READY
    pairs = unanswered(state) if anyway or signals.reported_after == state.rounds else ()
    return Resume(pairs=pairs, anyway=anyway) if pairs or anyway else None


def everything_is_audited(state: SetState, plan: Plan, signals: Signals) -> Move | None:
    if len(state.items) < plan.goal or len(state.at(Status.AUDITED)) < len(state.items):
        return None
    if state.parked:
        audited, parked = pluralize(len(state.items), "pair"), pluralize(len(state.parked), "parked pair")
        is_, wait = verb_for(len(state.items), "is", "are"), verb_for(len(state.parked), "waits", "wait")
        open_ = len(unanswered(state))
        lacking = f"; {open_} of the parked {verb_for(open_, 'lacks', 'lack')} an answer" if open_ else ""
        why = f"{audited} {is_} audited; {parked} {wait} for a human{lacking}"
        may_ask = open_ and signals.cap_reached is None and state.rounds < plan.caps.max_rounds
        cause = Cause.PARKED_UNANSWERED if may_ask else Cause.PARKED
        return Stop(ending=Ending.READY_WITH_PARKED, cause=cause, why=why)
    why = f"all {len(state.items)} pairs are confirmed and audited"
    return Stop(ending=Ending.READY, cause=Cause.AUDITED, why=why)


def stop_or_cap(state: SetState, plan: Plan, signals: Signals) -> Move | None:
    if signals.stop_requested is not None:
        why = f"a stop was requested ({signals.stop_requested})"
        return Stop(ending=Ending.STOPPED, cause=signals.stop_cause, why=why)
    if signals.cap_reached is not None:
        return Stop(ending=Ending.CAP, cause=Cause.MINUTES, why=signals.cap_reached)
    if state.rounds >= plan.caps.max_rounds:
        why = f"the cap of {plan.caps.max_rounds} rounds is reached (--max-rounds)"
        return Stop(ending=Ending.CAP, cause=Cause.ROUNDS, why=why)
    return None


def pilot_failed(state: SetState, plan: Plan, signals: Signals) -> Move | None:
    """Most of the pilot fails, all that fails was repaired several times, and the last repairs raised nothing.

    What confirm finds starts anew: a pair that has risen to a new level counts as not yet repaired.
    """
    several = min(REPAIRS_BEFORE_JUDGING_A_PILOT, plan.caps.max_repairs)
    if state.goal > plan.caps.pilot or state.stalled < REPAIRS_BEFORE_JUDGING_A_PILOT:
        return None
    if any(item.stuck < several for item in state.items.values() if item.failing):
        return None
    judged = [f for item in state.items.values() for f in item.current if f.outcome is not Outcome.UNJUDGED]
    passed = sum(f.outcome is Outcome.PASS for f in judged)
    if not judged or passed >= plan.rules.min_pilot_rate * len(judged):
        return None
    why = (
        f"after {state.repair_rounds} repair rounds {passed} of {len(judged)} judged scenarios of the pilot pass, and "
        f"the last {state.stalled} raised nothing"
    )
    return _not_ready(Cause.PILOT, why + _dominating(state) + judge_suspicions(state))


def _not_ready(cause: Cause, why: str) -> Stop:
    return Stop(ending=Ending.NOT_READY, cause=cause, why=why)


def judge_unreliable(state: SetState, plan: Plan, signals: Signals) -> Move | None:
    """The judge's wordings disagree so often, even at the intervals' lower ends, that good pairs would be edited."""
    if state.anyway or state.noise is None or state.noise.edited_at_least <= plan.rules.max_parked_share:
        return None
    worst = max(state.noise.flaps, key=lambda one: one.k / max(1, one.n))
    why = (
        f"the judge contradicts itself too often: its wordings disagree on {worst.question} in {worst.k} of {worst.n} "
        f"texts, and at least {state.noise.edited_at_least:.0%} of good pairs would be edited needlessly (limit: "
        f"{plan.rules.max_parked_share:.0%})"
    )
    return _not_ready(Cause.UNRELIABLE, why)


def no_progress(state: SetState, plan: Plan, signals: Signals) -> Move | None:
    entered = max(state.entered, plan.caps.pilot, plan.goal)
    parked = undecided(state)
    count = len(parked) - state.overlooked
    if count > plan.rules.max_parked_share * entered:
        open_ = len(unanswered(state))
        is_undecided = count - open_ > plan.rules.max_parked_share * entered
        cause = Cause.UNDECIDED if is_undecided else Cause.UNANSWERED
        reason = "the judge cannot decide here" if is_undecided else "they lack an answer"
        common = Counter(one.why for one in parked).most_common(1)[0][0]
        why = f"{count} of {entered} pairs had to be parked: {reason}. {common}"
        return _not_ready(cause, why + judge_suspicions(state))
    if state.idle >= plan.caps.patience and not _out_of_repairs(state, plan):
        why = f"nothing improved for {state.idle} rounds (--patience)"
        return _not_ready(Cause.PATIENCE, why + _dominating(state) + judge_suspicions(state))
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
    if state.anyway or found is None or found.high >= least or len(state.items) >= plan.goal:
        return None
    why = (
        f"the judge does not tell committed texts from open ones: over {len(found.committed)} + {len(found.open)} "
        f"controls the AUC of its commitment score is {found.auc:.2f} [{found.low:.2f}, {found.high:.2f}], at "
        f"least {least:g} is required (--min-control-auc)"
    )
    return _not_ready(Cause.CONTROLS, why)


def draft_more(state: SetState, plan: Plan, signals: Signals) -> Move | None:
    size, pilot = len(state.items), min(plan.caps.pilot, plan.goal)
    if size >= plan.goal:
        return None
    if state.empty_drafts >= EMPTY_DRAFTS:
        last = f" (last: {state.empty_draft_reason})" if state.empty_draft_reason else ""
        why = "two drafts in a row added nothing: the author repeats itself, refuses, or writes what cannot be read"
        return _not_ready(Cause.DRAFTS, why + last)
    goal = pilot if size < pilot else plan.goal
    adopt = max(0, min(goal - size, _batch(state, plan) if size >= pilot else pilot, plan.dataset_size - state.adopted))
    wanted = min(goal - size, plan.caps.batch if size >= pilot else pilot) - adopt
    count = adopt + max(0, min(wanted, plan.caps.max_pairs - state.drafted))
    if count == 0:
        reached = f"the cap of {plan.caps.max_pairs} drafts is reached (--max-pairs)"
        why = f"{size} of {plan.goal} pairs are confirmed, and {reached}"
        return Stop(ending=Ending.CAP, cause=Cause.PAIRS, why=why)
    return Draft(goal=goal, count=count, adopt=adopt)


def _batch(state: SetState, plan: Plan) -> int:
    """How many pairs of the dataset enter next: twice the last batch where that one was clean, else `caps.batch`.

    A batch is clean where nearly all of its pairs are in the set and were never repaired.
    """
    clean = sum(key in state.items and not state.items[key].repairs for key in state.batch)
    grown = 2 * len(state.batch) if clean >= CLEAN_SHARE * len(state.batch) else 0
    return max(plan.caps.batch, min(grown, LARGEST_BATCH))


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


def parking(state: SetState, places: Mapping[str, str] | None = None) -> tuple[Park, ...]:
    """The pairs that cannot be decided automatically, each with its reason.

    `places`: file and line of the dataset's texts, by their key.
    """
    known = places or {}
    found = (
        (key, _unfit(item, known) or _too_long(item, known) or _undecidable(item)) for key, item in state.items.items()
    )
    return tuple(Park(pair=key, why=why) for key, why in found if why)


def _unfit(item: PairState, places: Mapping[str, str]) -> str | None:
    """Which of its texts the subject cannot continue, and why."""
    found = item.unfit
    if found is None or found.completion is None:
        return None
    place = places.get(found.key, f"the {found.polarity} scenario")
    return f"{place}: the subject cannot continue this text. {found.completion.failure}"


def _too_long(item: PairState, places: Mapping[str, str]) -> str | None:
    """Which of its texts lacks a judgement because a question about it exceeds the judge's context."""
    for finding in item.current:
        errors = (vote.error for tally in finding.tallies for vote in tally.votes)
        error = next((error for error in errors if kind_of(error) is ErrorKind.TOO_LONG), None)
        if error is not None and finding.outcome is Outcome.UNJUDGED:
            place = places.get(finding.key, f"the {finding.polarity} scenario")
            remedy = "Shorten the text, or use a judge with a longer context"
            return f"{place}: a question about this text exceeds the judge's context ({error}). {remedy}"
    return None


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
_TOO_OFTEN = 0.2  # lower end of the disagreement rate; a random judge disagrees with itself in 0.4 to 0.5


def judge_suspicions(state: SetState) -> str:
    """A sentence for the reason of a stop where the judge itself is broken, else an empty string."""
    found = [finding for item in (*state.items.values(), *state.removed) for finding in item.findings]
    why = [reason for reason in (_one_score(found), _one_commitment(found), _contradiction(found)) if reason]
    return f". The judge is unreliable: {'; '.join(why)}. Use another one" if why else ""


def _one_score(found: Sequence[Finding]) -> str | None:
    """That all responses, of both sides, got one score."""
    first = {(f.polarity, f.key): t.votes[0].score for f in found if (t := f.tally(Question.RESPONSE)) and t.votes}
    sides = [[s for (side, _), s in first.items() if side is polarity and s is not None] for polarity in Polarity]
    if min(map(len, sides)) >= _TEXTS and len({*sides[0], *sides[1]}) == 1:
        return f"it scores all {len(first)} responses {sides[0][0]:g}"
    return None


def _one_commitment(found: Sequence[Finding]) -> str | None:
    """That prefixes alone and prefixes with their first tokens all got one score for commitment."""
    first = {(f.polarity, f.key, q): t.votes[0].score for f in found for q in (Question.C0, Question.C5)
             if (t := f.tally(q)) and t.votes}  # fmt: skip
    of_each = [[s for (*_, q), s in first.items() if q is question] for question in (Question.C0, Question.C5)]
    if min(map(len, of_each)) >= 2 * _TEXTS and len({*of_each[0], *of_each[1]}) == 1 and of_each[0][0] is not None:
        return f"it scores all {len(first)} commitments {of_each[0][0]:g}"
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
