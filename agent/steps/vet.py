"""Ask a judge everything about scenarios and their completions: forecast, response, verdict, commitment."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from agent.schema import (
    Completion,
    Depth,
    Question,
    Sampling,
    Scenario,
    Tally,
    VoteOutcome,
    gating_questions,
    needed_questions,
)
from agent.steps.case import CaseResult
from agent.steps.context import StepContext
from agent.steps.questions import JudgeQuestion
from agent.steps.verdict import contradict
from agent.steps.voting import LEAD_OF_SINGLE_DISSENT, NEEDED_LEAD, Ballot, collect_votes

_FIRST_TOKEN = (Question.VERDICT, Question.C0, Question.C5, Question.CL)


class _Vote(NamedTuple):
    """A question to put to the vote: with the initial wordings of `depth`, and more where the first vote is adverse."""

    question: Question
    depth: Depth
    escalate: bool = True


def greedy(context: StepContext, scenarios: Sequence[Scenario]) -> list[Completion]:
    """The one greedy completion of each scenario, in order."""
    return [found[0] for found in context.complete(scenarios, sampling(context, samples=0))]


def sampling(context: StepContext, samples: int) -> Sampling:
    """How the subject is sampled: 0 `samples` is greedy."""
    rules = context.rules
    return Sampling(samples=samples, seed=context.seed, max_new_tokens=rules.max_new_tokens, first_k=rules.first_k)


def ask(context: StepContext, results: Sequence[CaseResult], depth: Depth, escalate: bool = True) -> list[CaseResult]:
    """The results with all tallies. With `escalate`, a single vote against a case, or against another, is not enough.

    Forecast and response come first, then the first-token questions: in full only where the response passed.
    """
    opening = (Question.OPENING,) if context.sustained else ()
    first = [_Vote(q, depth, escalate) for q in (Question.FORECAST, Question.RESPONSE, *opening)]
    asked = _ask_each(context, results, [first] * len(results))
    asked = _ask_each(context, asked, [_first_token_votes(context, one, depth, escalate) for one in asked])
    return _ask_each(context, asked, [_contradicting(context, one) for one in asked]) if escalate else asked


def ask_second_votes(context: StepContext, results: Sequence[CaseResult], unsure: Sequence[int]) -> list[CaseResult]:
    """The results, with a second vote on each needed question that rests on one vote, in the `unsure` cases."""
    needed = needed_questions(context.trait.mode)
    votes = [
        [_Vote(t.question, Depth.CONFIRM) for t in one.tallies.values() if t.question in needed and len(t.votes) == 1]
        if i in unsure
        else []
        for i, one in enumerate(results)
    ]
    return _ask_each(context, results, votes)


def extend_single_dissent(context: StepContext, results: Sequence[CaseResult], depth: Depth) -> list[CaseResult]:
    """The results, with a longer vote where a single question speaks against a case and all others for it."""
    gating = gating_questions(context.trait.mode)
    ballots = []
    for i, one in enumerate(results):
        adverse = [q for q in gating if one.outcome(q) is VoteOutcome.ADVERSE]
        if len(adverse) == 1 and len(one.tallies[adverse[0]].votes) >= NEEDED_LEAD:
            ballot = Ballot.at(depth, JudgeQuestion(adverse[0], one.scenario, one.completion))
            ballots.append((i, replace(ballot, lead_to_reject=LEAD_OF_SINGLE_DISSENT)))
    return _with_votes(context, results, ballots)


def _first_token_votes(context: StepContext, result: CaseResult, depth: Depth, escalate: bool) -> list[_Vote]:
    """In full only where the answer gates: a case that fails by its response is asked once per question."""
    gates = result.outcome(Question.RESPONSE) is VoteOutcome.FAVOURABLE and not context.sustained
    return [_Vote(q, depth if gates else Depth.FIRST, gates and escalate) for q in _FIRST_TOKEN]


def _contradicting(context: StepContext, result: CaseResult) -> list[_Vote]:
    """Where V and C0 contradict each other, those of the two that rest on a single vote."""
    v, c0 = result.tallies[Question.VERDICT], result.tallies[Question.C0]
    if context.sustained or result.outcome(Question.RESPONSE) is not VoteOutcome.FAVOURABLE or not contradict(v, c0):
        return []
    return [_Vote(t.question, Depth.CONFIRM) for t in (v, c0) if len(t.votes) == 1]


def _ask_each(
    context: StepContext, results: Sequence[CaseResult], votes: Sequence[Sequence[_Vote]]
) -> list[CaseResult]:
    ballots = [
        (i, Ballot.at(vote.depth, JudgeQuestion(vote.question, one.scenario, one.completion), vote.escalate))
        for i, one in enumerate(results)
        for vote in votes[i]
    ]
    return _with_votes(context, results, ballots)


def _with_votes(
    context: StepContext, results: Sequence[CaseResult], ballots: Sequence[tuple[int, Ballot]]
) -> list[CaseResult]:
    """The results with the tallies of these ballots, all collected in one batch."""
    found: list[list[Tally]] = [[] for _ in results]
    for (i, _), tally in zip(ballots, collect_votes(context, [ballot for _, ballot in ballots]), strict=True):
        found[i].append(tally)
    return [one.with_tallies(own) for one, own in zip(results, found, strict=True)]
