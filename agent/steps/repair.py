"""Repair ladder: which rung a verdict calls for, and the repair itself, the smallest edit first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from agent.schema import (
    Candidate,
    Change,
    Depth,
    ErrorKind,
    Finding,
    Mode,
    Pair,
    Polarity,
    Question,
    Rung,
    Scenario,
    Tally,
    Verdict,
    VoteOutcome,
    kind_of,
)
from agent.steps.author import AuthoredText, RepairTask, ask_author, edited
from agent.steps.case import Case, CaseResult, verdict_of
from agent.steps.context import StepContext
from agent.steps.cut import borrowed_hinges, cut_points, hinge_of
from agent.steps.questions import JudgeQuestion
from agent.steps.screening import Diversity, mismatched, rejected_side, rejection_reason, texts_of
from agent.steps.vet import ask, greedy
from agent.steps.voting import Ballot, collect_votes

_FIRST_RUNG = {
    Verdict.OFF_SCRIPT: Rung.SIMPLIFY,
    Verdict.TOPIC: Rung.RETOPIC,
    Verdict.WRONG: Rung.STRENGTHEN,
    Verdict.EXPLAIN: Rung.CUT,
    Verdict.LATE: Rung.SHORTEN,
    Verdict.UNSTABLE: Rung.STRENGTHEN,
    Verdict.EXPRESS: Rung.STRENGTHEN,  # the test passes but the forecast does not
}

NOT_PASSED = "does not pass"  # why a candidate that was examined is refused; it is stored
_MAX_TRIES = 2  # times that a rung is tried before the topic is changed; chosen by judgement
_NEXT_RUNG = {Rung.SIMPLIFY: Rung.RETOPIC, Rung.CUT: Rung.CLIFFHANGER, Rung.SHORTEN: Rung.CLIFFHANGER}


def rung_for(finding: Finding, tried: Sequence[Rung], may_extend: bool) -> Rung:
    """The rung for a failing finding, given the rungs already tried on this stem.

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
    return Rung.RETOPIC if tried.count(rung) >= _MAX_TRIES else rung


@dataclass(frozen=True)
class CandidateResult:
    """A candidate with its verdict. `passes`: every check passes at first depth. `margin`: response score from 50."""

    scenario: Scenario
    rung: Rung
    passes: bool
    verdict: Verdict | None
    c0: float
    margin: float
    scores: tuple[tuple[Question, float], ...]
    failure: str | None = None

    def as_candidate(self) -> Candidate:
        refused = None if self.passes else self.failure or NOT_PASSED
        return Candidate(
            text=self.scenario.text, rung=self.rung, refused=refused, verdict=self.verdict, scores=self.scores
        )


def evaluate_candidates(context: StepContext, candidates: Sequence[tuple[Scenario, Rung]]) -> list[CandidateResult]:
    """One result per candidate, in order. Single votes: what wins here is examined and confirmed like anything else.

    C0 is asked first: a candidate that shows the behaviour already is asked nothing more.
    """
    scenarios = [scenario for scenario, _ in candidates]
    results = [CaseResult(Case("", s), made) for s, made in zip(scenarios, greedy(context, scenarios), strict=True)]
    questions = [JudgeQuestion(Question.C0, one.scenario, one.completion) for one in results]
    c0 = collect_votes(context, [Ballot.at(Depth.FIRST, question, escalate=False) for question in questions])
    to_ask = [i for i, (_, rung) in enumerate(candidates) if rung is Rung.EXTENDED or _is_open(context, c0[i])]
    asked = ask(context, [results[i] for i in to_ask], Depth.FIRST, escalate=False)
    results = [one.with_tallies([tally]) for one, tally in zip(results, c0, strict=True)]
    for i, one in zip(to_ask, asked, strict=True):
        results[i] = one
    return [_candidate_result(context, one, rung) for one, (_, rung) in zip(results, candidates, strict=True)]


def _is_open(context: StepContext, c0: Tally) -> bool:
    return c0.score is not None and c0.score <= context.rules.limit(context.trait.mode)


def _candidate_result(context: StepContext, result: CaseResult, rung: Rung) -> CandidateResult:
    found = verdict_of(context, result)
    scores = {question: tally.score for question, tally in result.tallies.items() if tally.score is not None}
    favourable = [result.outcome(q) is VoteOutcome.FAVOURABLE for q in (Question.FORECAST, Question.RESPONSE)]
    wanted = (Verdict.EXPRESS, Verdict.EXPLAIN) if rung is Rung.EXTENDED else (Verdict.EXPRESS,)
    return CandidateResult(
        scenario=result.scenario,
        rung=rung,
        passes=all(favourable) and found in wanted,
        verdict=found,
        c0=scores.get(Question.C0, 100.0),
        margin=abs(scores.get(Question.RESPONSE, 50.0) - 50),
        scores=tuple(scores.items()),
        failure=result.completion.failure,
    )


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
class RepairCandidate:
    """One text to try in place of a failing scenario; `pair` where both sides change together."""

    scenario: Scenario
    rung: Rung
    pair: Pair | None = None

    @property
    def sides(self) -> tuple[Scenario, ...]:
        return self.pair.sides if self.pair else (self.scenario,)


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
    cuts = [task for task in tasks if task.rung is Rung.CUT]
    attempts = _attempt(context, cuts, [_cuts(task) for task in cuts], around, _smallest_edit)
    uncut = [replace(attempt.task, rung=Rung.CLIFFHANGER) for attempt in attempts if attempt.taken is None]
    to_rewrite = uncut + [task for task in tasks if task.rung is not Rung.CUT]
    written = ask_author(context, to_rewrite)
    candidates = [_written(task, texts) for task, texts in zip(to_rewrite, written, strict=True)]
    rewritten = _attempt(context, to_rewrite, candidates, around, _most_open)
    attempts += [replace(one, why=texts.refusal or one.why) for one, texts in zip(rewritten, written, strict=True)]
    order = list(dict.fromkeys(task.pair.id for task in tasks))
    return [_change([attempt for attempt in attempts if attempt.task.pair.id == pair_id]) for pair_id in order]


def _cuts(task: RepairTask) -> list[RepairCandidate]:
    scenario, span = task.scenario, task.finding.span
    hinges = [hinge for example in task.examples if (hinge := hinge_of(example))]
    cut = [RepairCandidate(edited(scenario, text, Rung.CUT), Rung.CUT) for text in cut_points(scenario, span)]
    borrowed = borrowed_hinges(scenario, span, hinges)
    return cut + [RepairCandidate(edited(scenario, text, Rung.CLIFFHANGER), Rung.CLIFFHANGER) for text in borrowed]


def _written(task: RepairTask, texts: AuthoredText) -> list[RepairCandidate]:
    of_pairs = [RepairCandidate(pair.side(task.finding.polarity), task.rung, pair) for pair in texts.pairs]
    return [RepairCandidate(scenario, task.rung) for scenario in texts.scenarios] + of_pairs


Rank = Callable[[CandidateResult, RepairTask], tuple[float, ...]]


def _smallest_edit(result: CandidateResult, task: RepairTask) -> tuple[float, ...]:
    return (result.rung is not Rung.CUT, len(task.scenario.text) - len(result.scenario.text))


def _most_open(result: CandidateResult, task: RepairTask) -> tuple[float, ...]:
    return (round(result.c0), -round(result.margin))


def _attempt(
    context: StepContext,
    tasks: Sequence[RepairTask],
    candidates: Sequence[Sequence[RepairCandidate]],
    around: SetContext,
    rank: Rank,
) -> list[RepairAttempt]:
    """Screen all candidates, evaluate the accepted ones in one batch, and take the best one of each task."""
    screened = [_screen(context, task, own, around) for task, own in zip(tasks, candidates, strict=True)]
    sides = [(side, one.rung) for accepted, _ in screened for one in accepted for side in one.sides]
    results = iter(evaluate_candidates(context, sides))
    attempts: list[RepairAttempt] = []
    for task, (accepted, refused) in zip(tasks, screened, strict=True):
        tried = [(one, [next(results) for _ in one.sides]) for one in accepted]
        passing = [
            (min(rank(result, task) for result in own), i)
            for i, (_, own) in enumerate(tried)
            if all(result.passes for result in own)
        ]
        taken = next((tried[i][0] for _, i in sorted(passing) if _is_new(task, tried[i][0], attempts)), None)
        attempts.append(
            RepairAttempt(
                task=task,
                rungs=tuple(dict.fromkeys((task.rung, *(one.rung for one in accepted)))),
                candidates=(*refused, *(result.as_candidate() for _, own in tried for result in own)),
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
    diversity = Diversity(context.rules, around.goal, around.without(task.pair))
    accepted: list[RepairCandidate] = []
    refused = []
    for one in candidates:
        if why := _rejection(task, one, around, diversity) or _unmatched(task, one, context.trait.mode):
            refused.append(Candidate(text=one.scenario.text, rung=one.rung, refused=why))
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
