"""Try candidate texts: complete them in one batch, judge each once, and say which would pass."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.schema import Candidate, Completion, Depth, Question, Ruling, Rung, Scenario, Tally, Verdict
from agent.steps.bench import Bench
from agent.steps.first_token import Evidence, verdict
from agent.steps.questions import Asked
from agent.steps.vet import Case, Tallies, greedy, vet
from agent.steps.voting import Ballot, poll


@dataclass(frozen=True)
class Tried:
    """A candidate with its verdict. `passes`: every check passes on first sight."""

    scenario: Scenario
    rung: Rung
    passes: bool
    verdict: Verdict | None
    c0: float
    margin: float
    scores: tuple[tuple[Question, float], ...]

    def noted(self) -> Candidate:
        refused = None if self.passes else "does not pass"
        return Candidate(
            text=self.scenario.text, rung=self.rung, refused=refused, verdict=self.verdict, scores=self.scores
        )


def try_out(bench: Bench, candidates: Sequence[tuple[Scenario, Rung]]) -> list[Tried]:
    """One result per candidate, in order. Single votes: what wins here is examined and confirmed like anything else."""
    scenarios = [scenario for scenario, _ in candidates]
    completions = greedy(bench, scenarios)
    c0 = _commitment(bench, scenarios, completions)
    limit = bench.rules.limit(bench.trait.mode)
    worth = [
        i for i, t in enumerate(c0) if candidates[i][1] is Rung.EXTENDED or (t.score is not None and t.score <= limit)
    ]
    cases = [Case(pair="", scenario=scenarios[i]) for i in worth]
    vetted = vet(bench, cases, [completions[i] for i in worth], Depth.FIRST, appeal=False)
    tallies: list[Tallies] = [{Question.C0: tally} for tally in c0]
    for i, found in zip(worth, vetted, strict=True):
        tallies[i] = found
    return [_tried(bench, s, rung, found) for (s, rung), found in zip(candidates, tallies, strict=True)]


def _commitment(bench: Bench, scenarios: Sequence[Scenario], completions: Sequence[Completion]) -> list[Tally]:
    """C0 first: a candidate that shows the behaviour already is worth no further question."""
    asked = [Asked(Question.C0, s, c) for s, c in zip(scenarios, completions, strict=True)]
    return poll(bench, [Ballot.at(Depth.FIRST, a, appeal=False) for a in asked])


def _tried(bench: Bench, scenario: Scenario, rung: Rung, found: Tallies) -> Tried:
    trait, rules = bench.trait, bench.rules
    said = verdict(
        Evidence(
            mode=trait.mode,
            negative_test=trait.negative_test,
            polarity=scenario.polarity,
            tallies=found,
            limit=rules.limit(trait.mode),
            committed=rules.committed,
        )
    )
    forecast, response, commitment = (found.get(q) for q in (Question.FORECAST, Question.RESPONSE, Question.C0))
    vetted = all(tally is not None and tally.ruling is Ruling.FAVOURABLE for tally in (forecast, response))
    wanted = (Verdict.EXPRESS, Verdict.EXPLAIN) if rung is Rung.EXTENDED else (Verdict.EXPRESS,)
    return Tried(
        scenario=scenario,
        rung=rung,
        passes=vetted and said in wanted,
        verdict=said,
        c0=commitment.score if commitment and commitment.score is not None else 100.0,
        margin=abs(response.score - 50) if response and response.score is not None else 0.0,
        scores=tuple((q, t.score) for q, t in found.items() if t.score is not None),
    )
