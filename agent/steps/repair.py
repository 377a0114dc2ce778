"""Repair ladder: which rung a verdict calls for, and the repair itself, the smallest edit first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from agent.schema import (
    Candidate,
    Change,
    ErrorKind,
    Finding,
    Mode,
    Pair,
    Polarity,
    Rung,
    Verdict,
    kind_of,
)
from agent.steps.author import AuthoredText, RepairTask, ask_author, edited
from agent.steps.candidates import Rank, RepairCandidate, Trial, evaluate, evaluate_in_order, most_open
from agent.steps.context import StepContext
from agent.steps.cut import borrowed_hinges, cut_points, hinge_of
from agent.steps.screening import Diversity, mismatched, rejected_side, rejection_reason, texts_of

_FIRST_RUNG = {
    Verdict.OFF_SCRIPT: Rung.SIMPLIFY,
    Verdict.TOPIC: Rung.RETOPIC,
    Verdict.WRONG: Rung.STRENGTHEN,
    Verdict.EXPLAIN: Rung.CUT,
    Verdict.LATE: Rung.SHORTEN,
    Verdict.UNSTABLE: Rung.STRENGTHEN,
    Verdict.CONTEXT: Rung.STRENGTHEN,
    Verdict.EXPRESS: Rung.STRENGTHEN,  # the test passes but the forecast does not
}

_MAX_TRIES = 2  # times that a rung is tried before the topic is changed, where the topic may be the cause
_BY_TOPIC = (Verdict.WRONG, Verdict.TOPIC, Verdict.OFF_SCRIPT)
_NEXT_RUNG = {Rung.SIMPLIFY: Rung.RETOPIC, Rung.CUT: Rung.CLIFFHANGER, Rung.SHORTEN: Rung.CLIFFHANGER}


def rung_for(finding: Finding, tried: Sequence[Rung], may_extend: bool) -> Rung:
    """The rung for a failing finding, given the rungs already tried on this stem.

    The topic is changed only where it may be the cause: the subject goes the wrong way or speaks of something else, and
    other endings did not change that.

    Raises ValueError for a finding without a verdict that could be repaired.
    """
    if finding.verdict is None or finding.verdict is Verdict.UNSURE:
        raise ValueError(f"{finding.pair} {finding.polarity}: {finding.verdict} cannot be repaired")
    exhausted = Rung.STRENGTHEN in tried and Rung.RETOPIC in tried
    if finding.verdict in (Verdict.WRONG, Verdict.TOPIC) and exhausted and may_extend:
        return Rung.EXTENDED  # stronger cliffhangers and other topics kept going the wrong way
    rung = _FIRST_RUNG[finding.verdict]
    if rung in tried:
        rung = _NEXT_RUNG.get(rung, rung)
    if finding.verdict in _BY_TOPIC and tried.count(rung) >= _MAX_TRIES:
        return Rung.RETOPIC
    return rung


IDENTICAL = 100.0  # rapidfuzz ratio: an edit of the same ending may well be close to a rejected text


@dataclass(frozen=True)
class SetContext:
    """The set around a failing pair: its pairs, its goal, and the texts that a human rejected."""

    pairs: tuple[Pair, ...]
    goal: int
    rejected: tuple[str, ...] = ()

    def without(self, pair: Pair) -> list[Pair]:
        """The other pairs of the set."""
        return [other for other in self.pairs if other.id != pair.id]


@dataclass(frozen=True)
class RepairAttempt:
    """What was tried on one task: every candidate, and the one that was taken, if any passed."""

    task: RepairTask
    rungs: tuple[Rung, ...]
    candidates: tuple[Candidate, ...]
    taken: RepairCandidate | None
    why: str = ""


def repair(context: StepContext, tasks: Sequence[RepairTask], around: SetContext) -> list[Change]:
    """One change per failing pair, in order of first appearance. A pair without a passing candidate is kept as it is.

    Cuts come first, since they need no author; what no cut repairs is rewritten.
    """
    tasks = [replace(task, common=_common(context, task, around)) for task in tasks]
    cuts = [task for task in tasks if task.rung is Rung.CUT]
    cut_candidates = [_cuts(task) for task in cuts]
    attempts = _attempt(context, cuts, cut_candidates, around, (evaluate_in_order, _smallest_edit))
    uncut = [replace(attempt.task, rung=Rung.CLIFFHANGER) for attempt in attempts if attempt.taken is None]
    to_rewrite = uncut + [task for task in tasks if task.rung is not Rung.CUT]
    written = ask_author(context, to_rewrite)
    candidates = [_written(task, texts) for task, texts in zip(to_rewrite, written, strict=True)]
    rewritten = _attempt(context, to_rewrite, candidates, around, (evaluate, lambda _: most_open))
    attempts += [replace(one, why=texts.refusal or one.why) for one, texts in zip(rewritten, written, strict=True)]
    order = list(dict.fromkeys(task.pair.id for task in tasks))
    return [_change([attempt for attempt in attempts if attempt.task.pair.id == pair_id]) for pair_id in order]


def _common(context: StepContext, task: RepairTask, around: SetContext) -> tuple[str, ...]:
    """Last words on which enough other texts of this side stop already."""
    diversity = Diversity(context.rules, around.goal, around.without(task.pair), context.trait.mode)
    return diversity.common_hinges(task.finding.polarity)


def _cuts(task: RepairTask) -> list[RepairCandidate]:
    scenario, span = task.scenario, task.finding.span
    hinges = [hinge for example in task.examples if (hinge := hinge_of(example))]
    cut = [RepairCandidate(edited(scenario, text, Rung.CUT), Rung.CUT) for text in cut_points(scenario, span)]
    borrowed = borrowed_hinges(scenario, span, hinges)
    return cut + [RepairCandidate(edited(scenario, text, Rung.CLIFFHANGER), Rung.CLIFFHANGER) for text in borrowed]


def _written(task: RepairTask, texts: AuthoredText) -> list[RepairCandidate]:
    of_pairs = [RepairCandidate(pair.side(task.finding.polarity), task.rung, pair) for pair in texts.pairs]
    return [RepairCandidate(scenario, task.rung) for scenario in texts.scenarios] + of_pairs


Evaluate = Callable[[StepContext, Sequence[Sequence[RepairCandidate]], Sequence[Rank]], list[list[Trial]]]


def _smallest_edit(task: RepairTask) -> Rank:
    """Rank of a cut: deletions before borrowed words, then the shortest deletion."""
    return lambda trial: (
        trial.candidate.rung is not Rung.CUT,
        len(task.scenario.text) - len(trial.candidate.scenario.text),
    )


def _attempt(
    context: StepContext,
    tasks: Sequence[RepairTask],
    candidates: Sequence[Sequence[RepairCandidate]],
    around: SetContext,
    how: tuple[Evaluate, Callable[[RepairTask], Rank]],
) -> list[RepairAttempt]:
    """Screen all candidates, evaluate the accepted ones of all tasks together, and take the best one of each task."""
    screened = [_screen(context, task, own, around) for task, own in zip(tasks, candidates, strict=True)]
    judge, rank = how
    ranks = [rank(task) for task in tasks]
    trials = judge(context, [accepted for accepted, _ in screened], ranks)
    attempts: list[RepairAttempt] = []
    for task, own, best, (_, refused) in zip(tasks, trials, ranks, screened, strict=True):
        passing = sorted((best(trial), i) for i, trial in enumerate(own) if trial.passes)
        taken = next((own[i].candidate for _, i in passing if _is_new(task, own[i].candidate, attempts)), None)
        attempts.append(
            RepairAttempt(
                task=task,
                rungs=tuple(dict.fromkeys((task.rung, *(trial.candidate.rung for trial in own)))),
                candidates=(*refused, *(record for trial in own for record in trial.as_candidates())),
                taken=taken,
                why="" if taken else "no candidate passed",
            )
        )
    return attempts


def _is_new(task: RepairTask, candidate: RepairCandidate, attempts: Sequence[RepairAttempt]) -> bool:
    """Whether no other pair took nearly the same text for the same side in this batch."""
    others = [one.taken for one in attempts if one.taken is not None and one.task.pair.id != task.pair.id]
    taken = [side for other in others for side in other.sides]
    return all(
        rejection_reason(side.text, [one.text for one in taken if one.polarity is side.polarity]) is None
        for side in candidate.sides
    )


def _screen(
    context: StepContext, task: RepairTask, candidates: Sequence[RepairCandidate], around: SetContext
) -> tuple[list[RepairCandidate], list[Candidate]]:
    """(accepted candidates, refused ones with their reasons)."""
    diversity = Diversity(context.rules, around.goal, around.without(task.pair), context.trait.mode)
    accepted: list[RepairCandidate] = []
    refused = []
    for one in candidates:
        if why := _rejection(task, one, around, diversity) or _unmatched(task, one, context.trait.mode):
            polarity = one.scenario.polarity
            refused.append(Candidate(text=one.scenario.text, rung=one.rung, refused=why, polarity=polarity))
        elif one not in accepted:
            accepted.append(one)
    return accepted, refused


def _rejection(task: RepairTask, candidate: RepairCandidate, around: SetContext, diversity: Diversity) -> str | None:
    if why := rejected_side(candidate.sides, around.rejected, IDENTICAL):
        return why
    others = around.without(task.pair)
    for side in candidate.sides:
        if side.text in (task.pair.positive.text, task.pair.negative.text):
            return "changes nothing"
        why = rejection_reason(side.text, texts_of(others, side.polarity))
        if why is None and candidate.rung is not Rung.CUT:
            why = diversity.too_common(side)
        if why:
            return why
    return None


def _unmatched(task: RepairTask, candidate: RepairCandidate, mode: Mode) -> str | None:
    """Why the edit would unmatch a matched pair; a pair that was not matched before may stay so."""
    before, after = task.pair, _with(task.pair, task.finding.polarity, candidate)
    if mismatched(before.positive.text, before.negative.text, mode):
        return None
    return mismatched(after.positive.text, after.negative.text, mode)


def _change(attempts: Sequence[RepairAttempt]) -> Change:
    """All attempts on one pair as one change."""
    before = after = attempts[0].task.pair
    for attempt in attempts:
        if attempt.taken is not None:
            after = _with(after, attempt.task.finding.polarity, attempt.taken)
    reasons = dict.fromkeys(attempt.why for attempt in attempts if attempt.why)
    return Change(
        pair=before.id,
        what="repair",
        before=before,
        after=after,
        rungs=tuple((attempt.task.finding.polarity, rung) for attempt in attempts for rung in attempt.rungs),
        candidates=tuple(candidate for attempt in attempts for candidate in attempt.candidates),
        why="; ".join(sorted(reasons, key=lambda why: kind_of(why) is not ErrorKind.REFUSAL)),
    )


def _with(pair: Pair, polarity: Polarity, candidate: RepairCandidate) -> Pair:
    if candidate.pair is not None:
        return candidate.pair
    return pair.model_copy(update={polarity.value: candidate.scenario})
