"""Evaluation of a repair's candidates, cheapest question first: most of them need no more than one or two."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from agent.schema import (
    Candidate,
    Completion,
    Depth,
    Pair,
    Question,
    Rung,
    Scenario,
    Tally,
    Verdict,
    VoteOutcome,
)
from agent.steps.case import Case, CaseResult, verdict_of
from agent.steps.context import StepContext
from agent.steps.questions import JudgeQuestion
from agent.steps.vet import ask, greedy
from agent.steps.voting import Ballot, collect_votes

# Why a candidate is refused; stored.
NOT_PASSED = "does not pass"
CLOSED = "has committed already"
WEAK = "does not lead there firmly enough"
UNTRIED = "not needed: another one passes"
JUDGED = (None, NOT_PASSED, CLOSED, WEAK)  # refused by a judge's answers, or not at all

PER_WAVE = 2  # candidates of a task completed and judged at once, best first; chosen by judgement
_NOTHING = Completion(text="", token_ids=(), opening="")


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
class Trial:
    """A candidate under evaluation: what is known of its sides, and why it is refused, if it is.

    `tried`: whether the subject has continued it and all questions are answered.
    """

    candidate: RepairCandidate
    results: tuple[CaseResult, ...]
    refused: str | None = None
    tried: bool = False
    verdicts: tuple[Verdict | None, ...] = ()

    @property
    def passes(self) -> bool:
        return self.tried and self.refused is None

    def scores(self, question: Question) -> list[float]:
        """The score of each side that has one, 0 to 100."""
        tallies = (one.tallies.get(question) for one in self.results)
        return [tally.score for tally in tallies if tally is not None and tally.score is not None]

    def as_candidates(self) -> tuple[Candidate, ...]:
        """The record of each side."""
        verdicts = self.verdicts or (None,) * len(self.results)
        return tuple(
            Candidate(
                text=one.scenario.text,
                rung=self.candidate.rung,
                refused=self.refused,
                verdict=verdict,
                scores=tuple((q, tally.score) for q, tally in one.tallies.items() if tally.score is not None),
                polarity=one.scenario.polarity,
                opening=one.completion.opening,
            )
            for one, verdict in zip(self.results, verdicts, strict=True)
        )


Rank = Callable[[Trial], tuple[float, ...]]


def most_open(trial: Trial) -> tuple[float, ...]:
    """Rank of a rewrite: the least committed first, then the one whose forecast is firmest; both in whole points."""
    firm = min((abs(score - 50) for score in trial.scores(Question.FORECAST)), default=0.0)
    return (round(max(trial.scores(Question.C0), default=0.0)), -round(firm))


def evaluate(
    context: StepContext, offers: Sequence[Sequence[RepairCandidate]], ranks: Sequence[Rank]
) -> list[list[Trial]]:
    """One trial per candidate of each task, in order, by single votes: what wins is examined like anything else.

    C0 comes first and refuses what shows the behaviour already; then the forecast, which refuses what does not lead
    there. What is left is continued and judged best first, until one of a task's candidates passes.
    """
    trials = _read(context, [[_begun(one) for one in own] for own in offers])
    order = [sorted(range(len(own)), key=lambda i: (rank(own[i]), i)) for own, rank in zip(trials, ranks, strict=True)]
    while wave := [(task, i) for task, own in enumerate(trials) for i in _next(own, order[task])]:
        for (task, i), trial in zip(wave, _tried(context, [trials[t][n] for t, n in wave]), strict=True):
            trials[task][i] = trial
    return [[one if one.tried or one.refused else replace(one, refused=UNTRIED) for one in own] for own in trials]


def evaluate_in_order(
    context: StepContext, offers: Sequence[Sequence[RepairCandidate]], ranks: Sequence[Rank]
) -> list[list[Trial]]:
    """As `evaluate`, for ranks that no answer changes: a few candidates at a time, the best ones first."""
    sorted_offers = [sorted(own, key=lambda one: rank(_begun(one))) for own, rank in zip(offers, ranks, strict=True)]
    found: list[list[Trial]] = [[] for _ in offers]
    for start in range(0, max(map(len, offers), default=0), PER_WAVE):
        open_tasks = [i for i, own in enumerate(found) if not any(one.passes for one in own)]
        waves = [sorted_offers[i][start : start + PER_WAVE] for i in open_tasks]
        for i, own in zip(open_tasks, evaluate(context, waves, [ranks[i] for i in open_tasks]), strict=True):
            found[i] += own
    untried = (own[len(seen) :] for own, seen in zip(sorted_offers, found, strict=True))
    return [
        [*seen, *(replace(_begun(one), refused=UNTRIED) for one in rest)]
        for seen, rest in zip(found, untried, strict=True)
    ]


def _read(context: StepContext, trials: Sequence[Sequence[Trial]]) -> list[list[Trial]]:
    """The trials after the questions about the texts alone."""
    if not context.sustained:
        trials = _screened(context, trials, Question.C0, CLOSED)
    return _screened(context, trials, Question.FORECAST, WEAK)


def _begun(candidate: RepairCandidate) -> Trial:
    return Trial(candidate, tuple(CaseResult(Case("", side), _NOTHING) for side in candidate.sides))


def _screened(
    context: StepContext, trials: Sequence[Sequence[Trial]], question: Question, why: str
) -> list[list[Trial]]:
    """The trials after one question about the text alone, refused where it fails. An extended lock-in may commit."""
    exempt = (Rung.EXTENDED,) if question is Question.C0 else ()

    def is_asked(one: Trial) -> bool:
        return one.refused is None and one.candidate.rung not in exempt

    asked = [one for own in trials for one in own if is_asked(one)]
    ballots = [
        Ballot.at(Depth.FIRST, JudgeQuestion(question, side.scenario, _NOTHING), escalate=False)
        for one in asked
        for side in one.results
    ]
    tallies = iter(collect_votes(context, ballots))
    screened = iter([_with(context, one, [next(tallies) for _ in one.results], why) for one in asked])
    return [[next(screened) if is_asked(one) else one for one in own] for own in trials]


def _with(context: StepContext, trial: Trial, tallies: Sequence[Tally], why: str) -> Trial:
    results = tuple(one.with_tallies([tally]) for one, tally in zip(trial.results, tallies, strict=True))
    passes = all(tally.ruling is VoteOutcome.FAVOURABLE for tally in tallies)
    committed = tuple(_closed_verdict(context, one) for one in results)
    return replace(trial, results=results, refused=None if passes else why, verdicts=() if passes else committed)


def _closed_verdict(context: StepContext, one: CaseResult) -> Verdict | None:
    """EXPLAIN where the text alone has plainly committed; nothing else can be said before it is continued."""
    c0 = one.tallies.get(Question.C0)
    return Verdict.EXPLAIN if c0 and c0.score is not None and c0.score >= context.rules.committed else None


def _next(trials: Sequence[Trial], order: Sequence[int]) -> list[int]:
    """The best candidates not yet tried, of a task without a passing one."""
    if any(one.passes for one in trials):
        return []
    return [i for i in order if not trials[i].tried and trials[i].refused is None][:PER_WAVE]


def _tried(context: StepContext, trials: Sequence[Trial]) -> list[Trial]:
    """The trials after the subject continued them and every needed question was asked."""
    sides = [one for trial in trials for one in trial.results]
    made = greedy(context, [one.scenario for one in sides])
    asked = iter(ask(context, [replace(one, completion=text) for one, text in zip(sides, made, strict=True)]))
    return [_judged(context, trial, tuple(next(asked) for _ in trial.results)) for trial in trials]


def _judged(context: StepContext, trial: Trial, results: tuple[CaseResult, ...]) -> Trial:
    verdicts = tuple(verdict_of(context, one) for one in results)
    extended = trial.candidate.rung is Rung.EXTENDED
    wanted = (Verdict.EXPRESS, Verdict.EXPLAIN) if extended else (Verdict.EXPRESS,)
    passes = all(found in wanted and _responds(one) for found, one in zip(verdicts, results, strict=True))
    failure = next((one.completion.failure for one in results if one.completion.failure), NOT_PASSED)
    return replace(trial, results=results, tried=True, verdicts=verdicts, refused=None if passes else failure)


def _responds(one: CaseResult) -> bool:
    return all(one.outcome(q) is VoteOutcome.FAVOURABLE for q in (Question.FORECAST, Question.RESPONSE))
