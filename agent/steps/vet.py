"""Ask a judge everything about scenarios and their completions: forecast, response, verdict, commitment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agent.schema import (
    Completion,
    Depth,
    Pair,
    Polarity,
    Question,
    Sampling,
    Scenario,
    Tally,
    VoteOutcome,
    gating_questions,
    needed_questions,
)
from agent.steps.context import StepContext
from agent.steps.questions import JudgeQuestion
from agent.steps.verdict import contradict
from agent.steps.voting import ALONE, NEEDED_LEAD, Ballot, collect_votes

_FIRST_TOKEN = (Question.VERDICT, Question.C0, Question.C5, Question.CL)

Wanted = list[
    tuple[Question, Depth, bool]
]  # question, how many wordings to open with, whether a lone adverse vote is appealed
Tallies = dict[Question, Tally]


@dataclass(frozen=True)
class Case:
    """A scenario under examination. `topic_failed`: its topic went the wrong way before; `shortened`: so did LATE."""

    pair: str
    scenario: Scenario
    topic_failed: bool = False
    shortened: bool = False


def cases_of(pairs: Sequence[Pair], past: Mapping[tuple[str, Polarity], tuple[bool, bool]]) -> list[Case]:
    """Two cases per pair, positive first; `past` gives (topic_failed, shortened) where a side has a past."""
    return [
        Case(pair.id, side, *past.get((pair.id, side.polarity), (False, False)))
        for pair in pairs
        for side in pair.sides
    ]


def greedy(context: StepContext, scenarios: Sequence[Scenario]) -> list[Completion]:
    """The one greedy completion of each scenario, in order."""
    return [found[0] for found in context.complete(scenarios, sampling(context, samples=0))]


def sampling(context: StepContext, samples: int) -> Sampling:
    rules = context.rules
    return Sampling(samples=samples, seed=context.seed, max_new_tokens=rules.max_new_tokens, first_k=rules.first_k)


def vet(
    context: StepContext, cases: Sequence[Case], completions: Sequence[Completion], depth: Depth, appeal: bool = True
) -> list[Tallies]:
    """All tallies of each case. With `appeal`, what speaks against a case or itself on one vote is asked again."""
    opening = (Question.OPENING,) if context.sustained else ()
    gates: Wanted = [(q, depth, appeal) for q in (Question.FORECAST, Question.RESPONSE, *opening)]
    vetted = _poll_each(context, cases, completions, [gates] * len(cases))
    first = [_first_token_ballots(context, depth, found, appeal) for found in vetted]
    tallies = [{**a, **b} for a, b in zip(vetted, _poll_each(context, cases, completions, first), strict=True)]
    if not appeal:
        return tallies
    again = _poll_each(context, cases, completions, [_in_doubt(context, found) for found in tallies])
    return [{**a, **b} for a, b in zip(tallies, again, strict=True)]


def ask_second_votes(
    context: StepContext,
    cases: Sequence[Case],
    completions: Sequence[Completion],
    tallies: Sequence[Tallies],
    which: set[int],
) -> list[Tallies]:
    """The tallies once more, with a second vote for everything in the cases `which` that gates and rests on one."""
    gating = needed_questions(context.trait.mode)
    wanted: list[Wanted] = [
        [(t.question, Depth.CONFIRM, True) for t in found.values() if t.question in gating and len(t.votes) == 1]
        if i in which
        else []
        for i, found in enumerate(tallies)
    ]
    return [{**a, **b} for a, b in zip(tallies, _poll_each(context, cases, completions, wanted), strict=True)]


def extend_single_dissent(
    context: StepContext,
    cases: Sequence[Case],
    completions: Sequence[Completion],
    tallies: Sequence[Tallies],
    depth: Depth,
) -> list[Tallies]:
    """The tallies, with a longer vote where a single question speaks against a case and all others for it."""
    asked = []
    for i, found in enumerate(tallies):
        alone = [
            q for q in gating_questions(context.trait.mode) if q in found and found[q].ruling is VoteOutcome.ADVERSE
        ]
        if len(alone) == 1 and len(found[alone[0]].votes) >= NEEDED_LEAD:
            ballot = Ballot.at(depth, JudgeQuestion(alone[0], cases[i].scenario, completions[i]))
            asked.append((i, replace(ballot, against=ALONE)))
    heard: list[Tallies] = [dict(found) for found in tallies]
    for (i, _), tally in zip(asked, collect_votes(context, [ballot for _, ballot in asked]), strict=True):
        heard[i][tally.question] = tally
    return heard


def _first_token_ballots(context: StepContext, depth: Depth, vetted: Tallies, appeal: bool) -> Wanted:
    """Further votes only where the answer gates: what fails by its response already is not appealed."""
    gates = vetted[Question.RESPONSE].ruling is VoteOutcome.FAVOURABLE and not context.sustained
    return [(q, depth if gates else Depth.FIRST, gates and appeal) for q in _FIRST_TOKEN]


def _in_doubt(context: StepContext, found: Tallies) -> Wanted:
    """V and C0 contradict each other: whichever rests on a single vote is asked in the second wording too."""
    v, c0 = found[Question.VERDICT], found[Question.C0]
    if context.sustained or found[Question.RESPONSE].ruling is not VoteOutcome.FAVOURABLE:
        return []
    return [(t.question, Depth.CONFIRM, True) for t in (v, c0) if contradict(v, c0) and len(t.votes) == 1]


def _poll_each(
    context: StepContext, cases: Sequence[Case], completions: Sequence[Completion], wanted: Sequence[Wanted]
) -> list[Tallies]:
    ballots = [
        (i, Ballot.at(depth, JudgeQuestion(question, case.scenario, completions[i]), appeal))
        for i, case in enumerate(cases)
        for question, depth, appeal in wanted[i]
    ]
    found: list[Tallies] = [{} for _ in cases]
    for (i, _), tally in zip(ballots, collect_votes(context, [ballot for _, ballot in ballots]), strict=True):
        found[i][tally.question] = tally
    return found
