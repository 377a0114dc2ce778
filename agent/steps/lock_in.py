"""Lock-in: does the scenario go its way when sampled, or was its one greedy completion an accident?"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from agent.schema import Completion, Question, Tally, Verdict, VoteOutcome
from agent.steps.case import CaseResult, LockIn, may_pass
from agent.steps.context import StepContext
from agent.steps.questions import EXPRESS, WORDINGS, JudgeQuestion, favours
from agent.steps.vet import short_sampling
from agent.steps.voting import Ballot, collect_votes, tally

TIMES = (1, 2, 4)  # multiples of `lock_in_samples`, drawn as long as the count is close; chosen by judgement


def lock_in(context: StepContext, results: Sequence[CaseResult]) -> list[LockIn]:
    """The lock-in of each case. A close one is drawn twice as often, then four times, each at the same share."""
    found: dict[int, LockIn] = {}
    drawn = list(range(len(results)))
    for times in TIMES:
        found |= dict(zip(drawn, _drawn(context, [results[i] for i in drawn], times), strict=True))
        drawn = [i for i in drawn if found[i].is_close]
    return [found[i] for i in range(len(results))]


def with_lock_in(context: StepContext, results: Sequence[CaseResult], which: Sequence[int]) -> list[CaseResult]:
    """The results, sampled where asked for."""
    found = dict(zip(which, lock_in(context, [results[i] for i in which]), strict=True))
    return [replace(one, lock_in=found.get(i, one.lock_in)) for i, one in enumerate(results)]


def _drawn(context: StepContext, results: Sequence[CaseResult], times: int) -> list[LockIn]:
    wanted = short_sampling(context, times * context.rules.lock_in_samples)
    drawn = context.complete([one.scenario for one in results], wanted)
    judged = _judged(context, Question.RESPONSE, results, drawn)
    needed = times * context.rules.lock_in_needed
    return [
        LockIn(tuple(samples), tuple(found.ruling for found in own), needed, _contrary(context, one, own))
        for one, samples, own in zip(results, drawn, judged, strict=True)
    ]


def _contrary(context: StepContext, one: CaseResult, judged: Sequence[Tally]) -> tuple[bool, ...]:
    """For each sample whether it shows the other side: a score between the sides' thresholds shows neither."""
    other = one.scenario.polarity.other
    return tuple(
        found.score is not None and favours(context, Question.RESPONSE, other, found.score) for found in judged
    )


def _judged(
    context: StepContext,
    question: Question,
    results: Sequence[CaseResult],
    samples: Sequence[Sequence[Completion]],
) -> list[list[Tally]]:
    """The tally of a question on each sample of each case."""
    ballots = [
        Ballot(JudgeQuestion(question, one.scenario, sample), WORDINGS[:1])
        for one, own in zip(results, samples, strict=True)
        for sample in own
    ]
    tallies = iter(collect_votes(context, ballots))
    return [[next(tallies) for _ in own] for own in samples]


def is_tied(result: CaseResult, found: Verdict | None) -> bool:
    """Whether the votes cannot decide: they contradict each other, or the forecast alone is tied.

    Also LATE with choice EXPRESS: only C5, asked of a single opening, speaks against the scenario.
    """
    if found is Verdict.LATE and result.tallies[Question.VERDICT].choice == EXPRESS:
        return True
    forecast_ties = result.outcome(Question.FORECAST) is VoteOutcome.TIE
    return found is Verdict.UNSURE or (may_pass(result, found) and forecast_ties)


def tie_break(context: StepContext, results: Sequence[CaseResult]) -> list[CaseResult]:
    """The results, with tied tallies decided by the subject's other samples, where some were drawn."""
    question = Question.OPENING if context.sustained else Question.C5
    sampled: Mapping[int, LockIn] = {i: one.lock_in for i, one in enumerate(results) if one.lock_in is not None}
    in_doubt = [i for i in sampled if _is_decided_by_samples(results[i].tallies.get(question))]
    judged = _judged(context, question, [results[i] for i in in_doubt], [sampled[i].samples for i in in_doubt])
    openings = dict(zip(in_doubt, judged, strict=True))
    return [
        one.with_tallies(_untied(t, sampled[i], openings.get(i)) for t in one.tallies.values()) if i in sampled else one
        for i, one in enumerate(results)
    ]


def _is_decided_by_samples(found: Tally | None) -> bool:
    """Whether the samples decide a tally: a tie, or a C5 that did not pass (its opening may be an exception)."""
    if found is None:
        return False
    return found.ruling is VoteOutcome.TIE or (
        found.question is Question.C5 and found.ruling is not VoteOutcome.FAVOURABLE
    )


def _untied(found: Tally, held: LockIn, openings: Sequence[Tally] | None) -> Tally:
    """The tally, decided by the samples where its votes tie, or where C5 fails by an opening unlike theirs.

    `openings` are the tallies on the samples' openings, where the one of the greedy completion is in doubt.
    """
    tied = found.ruling is VoteOutcome.TIE
    if found.question in (Question.FORECAST, Question.RESPONSE) and tied:
        return tally(found.question, held.holds, found.votes)
    if found.question not in (Question.C5, Question.OPENING) or openings is None:
        return found
    outcome = _majority([opening.ruling for opening in openings])
    if outcome is VoteOutcome.TIE and _leans_as_its_samples_hold(found, held):
        return tally(found.question, VoteOutcome.FAVOURABLE, found.votes)
    if outcome not in (VoteOutcome.FAVOURABLE, VoteOutcome.ADVERSE):
        return found
    scores = [opening.score for opening in openings if opening.ruling is outcome and opening.score is not None]
    return found.model_copy(update={"ruling": outcome, "score": round(sum(scores) / len(scores), 3)})


def _leans_as_its_samples_hold(found: Tally, held: LockIn) -> bool:
    """Whether a tie on a sustained trait's opening leans to the scenario, all samples of which go its way.

    Such samples often share the opening, so that there is no other one to compare it with.
    """
    votes = [vote.favourable for vote in found.votes]
    leans = found.question is Question.OPENING and votes.count(True) > votes.count(False)
    return leans and held.outcomes.count(VoteOutcome.FAVOURABLE) == len(held.outcomes)


_FEWEST_DECIDED = 2  # samples without a tie, below which they settle nothing; chosen by judgement


def _majority(outcomes: Sequence[VoteOutcome]) -> VoteOutcome:
    """The side of most samples that are decided; samples may share an opening, and with it a tie, that says nothing."""
    decided = [one for one in outcomes if one in (VoteOutcome.FAVOURABLE, VoteOutcome.ADVERSE)]
    if len(decided) < _FEWEST_DECIDED:
        return VoteOutcome.TIE
    favourable = sum(one is VoteOutcome.FAVOURABLE for one in decided)
    if 2 * favourable == len(decided):
        return VoteOutcome.TIE
    return VoteOutcome.FAVOURABLE if 2 * favourable > len(decided) else VoteOutcome.ADVERSE
