"""The repair ladder: which rung a verdict calls for, the cheapest and smallest edit first."""

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
    Verdict,
    VoteOutcome,
    kind_of,
)
from agent.steps.author import RepairTask, ask_author, edited
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
_TWICE = 2  # an edit that came to nothing twice is not made a third time: another topic is
_NEXT_RUNG = {Rung.SIMPLIFY: Rung.RETOPIC, Rung.CUT: Rung.CLIFFHANGER, Rung.SHORTEN: Rung.CLIFFHANGER}


def rung_for(finding: Finding, tried: Sequence[Rung], may_extend: bool) -> Rung:
    """The rung for a failing finding, given the rungs already tried on this stem."""
    if finding.verdict is None or finding.verdict is Verdict.UNSURE:
        raise ValueError(f"{finding.pair} {finding.polarity}: {finding.verdict} is not for the ladder")
    in_vain = Rung.STRENGTHEN in tried and Rung.RETOPIC in tried
    if finding.verdict in (Verdict.WRONG, Verdict.TOPIC) and in_vain and may_extend:
        return Rung.EXTENDED  # stronger cliffhangers and other topics kept going the wrong way
    rung = _FIRST_RUNG[finding.verdict]
    if rung in tried:
        rung = _NEXT_RUNG.get(rung, rung)
    return Rung.RETOPIC if tried.count(rung) >= _TWICE else rung


@dataclass(frozen=True)
class CandidateResult:
    """A candidate with its verdict. `passes`: every check passes on first sight."""

    scenario: Scenario
    rung: Rung
    passes: bool
    verdict: Verdict | None
    c0: float
    margin: float
    scores: tuple[tuple[Question, float], ...]

    def noted(self) -> Candidate:
        refused = None if self.passes else NOT_PASSED
        return Candidate(
            text=self.scenario.text, rung=self.rung, refused=refused, verdict=self.verdict, scores=self.scores
        )


def evaluate_candidates(context: StepContext, candidates: Sequence[tuple[Scenario, Rung]]) -> list[CandidateResult]:
    """One result per candidate, in order. Single votes: what wins here is examined and confirmed like anything else.

    C0 is asked first: a candidate that shows the behaviour already is worth no further question.
    """
    scenarios = [scenario for scenario, _ in candidates]
    results = [CaseResult(Case("", s), made) for s, made in zip(scenarios, greedy(context, scenarios), strict=True)]
    questions = [JudgeQuestion(Question.C0, one.scenario, one.completion) for one in results]
    c0 = collect_votes(context, [Ballot.at(Depth.FIRST, question, escalate=False) for question in questions])
    limit = context.rules.limit(context.trait.mode)
    worth = [
        i for i, t in enumerate(c0) if candidates[i][1] is Rung.EXTENDED or (t.score is not None and t.score <= limit)
    ]
    asked = ask(context, [results[i] for i in worth], Depth.FIRST, escalate=False)
    results = [one.with_tallies([tally]) for one, tally in zip(results, c0, strict=True)]
    for i, one in zip(worth, asked, strict=True):
        results[i] = one
    return [_candidate_result(context, one, rung) for one, (_, rung) in zip(results, candidates, strict=True)]


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
    )


IDENTICAL = 100.0  # an edit of the same ending may well be near to one that was refused


@dataclass(frozen=True)
class SetContext:
    """The rest of the set, and what a human refused, as far as an edit must respect it."""

    pairs: tuple[Pair, ...]
    goal: int
    rejected: tuple[str, ...] = ()


@dataclass(frozen=True)
class RepairCandidate:
    """One text to try in place of a failing scenario; `pair` where both members change together."""

    scenario: Scenario
    rung: Rung
    pair: Pair | None = None


@dataclass(frozen=True)
class RepairAttempt:
    """What was tried on one ailment: every candidate, and the proposal that passed, if one did."""

    ailment: RepairTask
    rungs: tuple[Rung, ...]
    candidates: tuple[Candidate, ...]
    taken: RepairCandidate | None
    why: str = ""


def repair(context: StepContext, ailments: Sequence[RepairTask], around: SetContext) -> list[Change]:
    """One change per pair that ails, in order of first appearance. A pair that nothing helped is kept as it is."""
    cuts = [a for a in ailments if a.rung is Rung.CUT]
    treated = _attempt(context, cuts, [_cuts(a, around) for a in cuts], around, _smallest_edit)
    uncut = [replace(t.ailment, rung=Rung.CLIFFHANGER) for t in treated if t.taken is None]
    written_for = uncut + [a for a in ailments if a.rung is not Rung.CUT]
    written = ask_author(context, written_for)
    proposals = [
        [RepairCandidate(s, a.rung) for s in w.scenarios]
        + [RepairCandidate(p.side(a.finding.polarity), a.rung, p) for p in w.pairs]
        for a, w in zip(written_for, written, strict=True)
    ]
    rewritten = _attempt(context, written_for, proposals, around, _most_open)
    treated += [replace(t, why=w.refusal or t.why) for t, w in zip(rewritten, written, strict=True)]
    order = list(dict.fromkeys(a.pair.id for a in ailments))
    return [_change([t for t in treated if t.ailment.pair.id == pair_id]) for pair_id in order]


def _cuts(ailment: RepairTask, around: SetContext) -> list[RepairCandidate]:
    scenario, span = ailment.scenario, ailment.finding.span
    hinges = [hinge for example in ailment.examples if (hinge := hinge_of(example))]
    cut = [RepairCandidate(edited(scenario, text, Rung.CUT), Rung.CUT) for text in cut_points(scenario, span)]
    borrowed = borrowed_hinges(scenario, span, hinges)
    return cut + [RepairCandidate(edited(scenario, text, Rung.CLIFFHANGER), Rung.CLIFFHANGER) for text in borrowed]


Rank = Callable[[CandidateResult, RepairTask], tuple[float, ...]]


def _smallest_edit(tried: CandidateResult, ailment: RepairTask) -> tuple[float, ...]:
    return (tried.rung is not Rung.CUT, len(ailment.scenario.text) - len(tried.scenario.text))


def _most_open(tried: CandidateResult, ailment: RepairTask) -> tuple[float, ...]:
    return (round(tried.c0), -round(tried.margin))


def _attempt(
    context: StepContext,
    ailments: Sequence[RepairTask],
    proposals: Sequence[Sequence[RepairCandidate]],
    around: SetContext,
    rank: Rank,
) -> list[RepairAttempt]:
    """Screen all, try out what is fit in one batch, and take the best of each ailment."""
    screened = [_screen(context, a, own, around) for a, own in zip(ailments, proposals, strict=True)]
    fit = [proposal for own, _ in screened for proposal in own]
    sides = [(side, p.rung) for p in fit for side in _sides(p)]
    results = iter(evaluate_candidates(context, sides))
    treatments: list[RepairAttempt] = []
    for ailment, (own, refused) in zip(ailments, screened, strict=True):
        tried = [(p, [next(results) for _ in _sides(p)]) for p in own]
        passing = [(min(rank(t, ailment) for t in both), i) for i, (_, both) in enumerate(tried) if _all_pass(both)]
        candidates = (*refused, *(t.noted() for _, both in tried for t in both))
        taken = next((tried[i][0] for _, i in sorted(passing) if _is_new(ailment, tried[i][0], treatments)), None)
        rungs = tuple(dict.fromkeys((ailment.rung, *(p.rung for p in own))))
        treatments.append(RepairAttempt(ailment, rungs, candidates, taken, "" if taken else "no candidate passed"))
    return treatments


def _all_pass(tried: Sequence[CandidateResult]) -> bool:
    return all(one.passes for one in tried)


def _is_new(ailment: RepairTask, proposal: RepairCandidate, treatments: Sequence[RepairAttempt]) -> bool:
    """Whether no other pair took nearly the same text for the same side in this batch."""
    others = [t.taken for t in treatments if t.taken is not None and t.ailment.pair.id != ailment.pair.id]
    taken = [side for other in others for side in _sides(other)]
    return all(
        rejection_reason(side.text, [t.text for t in taken if t.polarity is side.polarity]) is None
        for side in _sides(proposal)
    )


def _sides(proposal: RepairCandidate) -> tuple[Scenario, ...]:
    return proposal.pair.sides if proposal.pair else (proposal.scenario,)


def _screen(
    context: StepContext, ailment: RepairTask, proposals: Sequence[RepairCandidate], around: SetContext
) -> tuple[list[RepairCandidate], list[Candidate]]:
    diversity = Diversity(context.rules, around.goal, [p for p in around.pairs if p.id != ailment.pair.id])
    fit: list[RepairCandidate] = []
    refused = []
    for proposal in proposals:
        if why := _unfit(ailment, proposal, around, diversity) or _unmatched(ailment, proposal, context.trait.mode):
            refused.append(Candidate(text=proposal.scenario.text, rung=proposal.rung, refused=why))
        elif proposal not in fit:
            fit.append(proposal)
    return fit, refused


def _unfit(ailment: RepairTask, proposal: RepairCandidate, around: SetContext, diversity: Diversity) -> str | None:
    others = [p for p in around.pairs if p.id != ailment.pair.id]
    if why := rejected_side(_sides(proposal), around.rejected, IDENTICAL):
        return why
    for side in _sides(proposal):
        if side.text in (ailment.pair.positive.text, ailment.pair.negative.text):
            return "changes nothing"
        why = rejection_reason(side.text, texts_of(others, side.polarity))
        if why is None and proposal.rung is not Rung.CUT:
            why = diversity.too_common(side)
        if why:
            return why
    return None


def _unmatched(ailment: RepairTask, proposal: RepairCandidate, mode: Mode) -> str | None:
    """Why an edit would tear a matched pair apart; what was never matched may stay so."""
    before, after = ailment.pair, _with(ailment.pair, ailment.finding.polarity, proposal)
    if mismatched(before.positive.text, before.negative.text, mode):
        return None
    return mismatched(after.positive.text, after.negative.text, mode)


def _change(treatments: Sequence[RepairAttempt]) -> Change:
    """All treatments of one pair as one change."""
    before = after = treatments[0].ailment.pair
    for treatment in treatments:
        if treatment.taken is not None:
            after = _with(after, treatment.ailment.finding.polarity, treatment.taken)
    return Change(
        pair=before.id,
        what="repair",
        before=before,
        after=after,
        rungs=tuple((t.ailment.finding.polarity, rung) for t in treatments for rung in t.rungs),
        candidates=tuple(c for t in treatments for c in t.candidates),
        why="; ".join(
            sorted({t.why: None for t in treatments if t.why}, key=lambda why: kind_of(why) is not ErrorKind.REFUSAL)
        ),
    )


def _with(pair: Pair, polarity: Polarity, proposal: RepairCandidate) -> Pair:
    if proposal.pair is not None:
        return proposal.pair
    return pair.model_copy(update={polarity.value: proposal.scenario})
