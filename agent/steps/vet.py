"""Ask a judge about scenarios and their completions: first what can decide, the rest only where it still counts."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from agent.schema import Completion, Depth, Question, Sampling, Scenario, Tally, VoteOutcome, gating_questions
from agent.steps.case import CaseResult, may_pass, table_input
from agent.steps.context import StepContext
from agent.steps.questions import JudgeQuestion
from agent.steps.verdict import Need, contradict, step
from agent.steps.voting import LEAD_OF_SINGLE_DISSENT, NEEDED_LEAD, Ballot, collect_votes, is_full


class _Vote(NamedTuple):
    """A question to put to the vote: with the initial wordings of `depth`, and more where the first vote is adverse."""

    question: Question
    depth: Depth
    escalate: bool = True


def greedy(context: StepContext, scenarios: Sequence[Scenario]) -> list[Completion]:
    """The one greedy completion of each scenario, in order."""
    return [found[0] for found in context.complete(scenarios, sampling(context, samples=0))]


TOKENS_PER_WORD = 2  # English takes about 1.3 with the tokenizers of Gemma, Llama and Qwen; the rest is reserve


def sampling(context: StepContext, samples: int) -> Sampling:
    """How the subject is sampled: 0 `samples` is greedy."""
    rules = context.rules
    return Sampling(samples=samples, seed=context.seed, max_new_tokens=rules.max_new_tokens, first_k=rules.first_k)


def short_sampling(context: StepContext, samples: int) -> Sampling:
    """The same with no more tokens than the response question reads."""
    whole = sampling(context, samples)
    return whole.model_copy(
        update={"max_new_tokens": min(whole.max_new_tokens, TOKENS_PER_WORD * context.rules.response_words)}
    )


def ask(context: StepContext, results: Sequence[CaseResult]) -> list[CaseResult]:
    """The results with every tally that their verdicts, and then their forecasts, turn out to need.

    Each pass asks one batch: what the table of verdicts needs next, the second votes of questions that contradict each
    other, and the forecast of what may pass. Candidates (depth None) get single votes.
    """
    asked = list(results)
    while any(votes := [_wanted(context, one, _twin_of(asked, one)) for one in asked]):
        asked = _ask_each(context, asked, votes)
    return asked


def _twin_of(results: Sequence[CaseResult], one: CaseResult) -> CaseResult | None:
    return None if one.twin is None else results[one.twin]


def _wanted(context: StepContext, one: CaseResult, twin: CaseResult | None) -> list[_Vote]:
    found = step(table_input(context, one, twin))
    depth = one.depth or Depth.FIRST
    if isinstance(found, Need):
        return [_Vote(question, depth, found.full and one.depth is not None) for question in found.questions]
    if contradicting := _contradicting(context, one):
        return contradicting
    forecast = one.tallies.get(Question.FORECAST)
    if not may_pass(one, found) or (forecast and (one.depth is None or is_full(forecast, depth))):
        return []
    return [_Vote(Question.FORECAST, depth, one.depth is not None)]


def _contradicting(context: StepContext, result: CaseResult) -> list[_Vote]:
    """Where V and C0 contradict each other, those of the two that rest on a single vote."""
    v, c0 = result.tallies.get(Question.VERDICT), result.tallies.get(Question.C0)
    if context.sustained or result.depth is None or c0 is None or not contradict(v, c0):
        return []
    if result.outcome(Question.RESPONSE) is not VoteOutcome.FAVOURABLE:
        return []
    return [_Vote(t.question, Depth.CONFIRM) for t in (v, c0) if t is not None and len(t.votes) == 1]


def ask_second_votes(context: StepContext, results: Sequence[CaseResult], unsure: Sequence[int]) -> list[CaseResult]:
    """The results, with a second vote on each question that rests on one vote, in the `unsure` cases."""
    return _ask_each(context, results, [_single_votes(one) if i in unsure else [] for i, one in enumerate(results)])


def _single_votes(one: CaseResult) -> list[_Vote]:
    asked = (t for t in one.tallies.values() if t.question is not Question.FORECAST)
    return [_Vote(t.question, Depth.CONFIRM) for t in asked if len(t.votes) == 1]


def extend_single_dissent(context: StepContext, results: Sequence[CaseResult]) -> list[CaseResult]:
    """The results, with a longer vote where a single question speaks against a case and all others for it."""
    gating = gating_questions(context.trait.mode)
    ballots = []
    for i, one in enumerate(results):
        adverse = [q for q in gating if one.outcome(q) is VoteOutcome.ADVERSE]
        if len(adverse) == 1 and len(one.tallies[adverse[0]].votes) >= NEEDED_LEAD:
            asked = JudgeQuestion(adverse[0], one.scenario, one.completion)
            ballot = Ballot.at(one.depth or Depth.FIRST, asked)
            ballots.append((i, replace(ballot, lead_to_reject=LEAD_OF_SINGLE_DISSENT)))
    return _with_votes(context, results, ballots)


def _ask_each(
    context: StepContext, results: Sequence[CaseResult], votes: Sequence[Sequence[_Vote]]
) -> list[CaseResult]:
    ballots = [(i, _ballot(vote, one)) for i, one in enumerate(results) for vote in votes[i]]
    return _with_votes(context, results, ballots)


def _ballot(vote: _Vote, one: CaseResult) -> Ballot:
    """The ballot of a vote; a second opinion at depth CONFIRM is asked in two wordings whatever the question."""
    asked = JudgeQuestion(vote.question, one.scenario, one.completion)
    tally = one.tallies.get(vote.question)
    if vote.depth is Depth.CONFIRM and tally is not None and len(tally.votes) == 1:
        return Ballot.second(asked)
    return Ballot.at(vote.depth, asked, vote.escalate)


def _with_votes(
    context: StepContext, results: Sequence[CaseResult], ballots: Sequence[tuple[int, Ballot]]
) -> list[CaseResult]:
    """The results with the tallies of these ballots, all collected in one batch."""
    found: list[list[Tally]] = [[] for _ in results]
    for (i, _), tally in zip(ballots, collect_votes(context, [ballot for _, ballot in ballots]), strict=True):
        found[i].append(tally)
    return [one.with_tallies(own) for one, own in zip(results, found, strict=True)]
