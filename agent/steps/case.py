"""One scenario under examination, what is known of it so far, and the verdict that follows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from agent.schema import (
    Completion,
    Depth,
    Flag,
    Flip,
    Pair,
    Polarity,
    Question,
    Scenario,
    Tally,
    Verdict,
    VoteOutcome,
)
from agent.steps.context import StepContext
from agent.steps.verdict import VerdictInput, flip_outcome, verdict


@dataclass(frozen=True)
class Case:
    """A scenario to examine. `topic_failed`: its topic went the wrong way before; `shortened`: LATE was repaired."""

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


@dataclass(frozen=True)
class LockIn:
    """Sampled completions of a scenario, each with the outcome of its response vote; `needed` of them must pass.

    `contrary`: whether a sample shows the other side of the pair. One that shows neither counts for no side.
    """

    samples: tuple[Completion, ...]
    outcomes: tuple[VoteOutcome, ...]
    needed: int
    contrary: tuple[bool, ...] = ()

    @property
    def counts(self) -> tuple[int, int]:
        """(passed, judged)."""
        return self.outcomes.count(VoteOutcome.FAVOURABLE), len(self.outcomes) - self.outcomes.count(VoteOutcome.OPEN)

    @property
    def holds(self) -> VoteOutcome:
        """Whether enough samples passed; open while the unjudged ones may still decide it."""
        passed, judged = self.counts
        if passed >= self.needed:
            return VoteOutcome.FAVOURABLE
        return VoteOutcome.OPEN if passed + len(self.outcomes) - judged >= self.needed else VoteOutcome.ADVERSE

    @property
    def is_close(self) -> bool:
        """Whether one sample more or less would decide otherwise, and not all of them passed."""
        passed = self.counts[0]
        return (
            self.holds is not VoteOutcome.OPEN
            and self.needed - 1 <= passed <= self.needed
            and passed < len(self.outcomes)
        )


@dataclass(frozen=True)
class CaseResult:
    """All that is known of one case so far. `twin`: the index of the pair's other side among the results.

    `depth`: of the examination; None where single votes suffice. `tallies` are in the order in which their questions
    were first asked. The verdict is not stored, since it follows: see `verdict_of`.
    """

    case: Case
    completion: Completion
    twin: int | None = None
    depth: Depth | None = None
    tallies: Mapping[Question, Tally] = field(default_factory=dict)
    lock_in: LockIn | None = None
    flip: Flip | None = None
    span: str | None = None
    reach: int | None = None

    @property
    def scenario(self) -> Scenario:
        return self.case.scenario

    def with_tallies(self, tallies: Iterable[Tally]) -> "CaseResult":
        """The result with these tallies in place of earlier ones on the same questions."""
        return replace(self, tallies={**self.tallies, **{tally.question: tally for tally in tallies}})

    def outcome(self, question: Question) -> VoteOutcome:
        """The outcome of the vote on a question; open where it was not asked."""
        tally = self.tallies.get(question)
        return tally.ruling if tally else VoteOutcome.OPEN


def table_input(context: StepContext, result: CaseResult, twin: CaseResult | None = None) -> VerdictInput:
    """What the table of verdicts reads of a case."""
    trait, rules = context.trait, context.rules
    return VerdictInput(
        mode=trait.mode,
        negative_test=trait.negative_test,
        polarity=result.scenario.polarity,
        tallies=result.tallies,
        limit=rules.limit(trait.mode),
        committed=rules.committed,
        depth=result.depth,
        twin_failed=twin is not None and twin.outcome(Question.RESPONSE) is VoteOutcome.ADVERSE,
        topic_failed=result.case.topic_failed,
        extended=Flag.EXTENDED in result.scenario.flags,
        flip=flip_outcome(rules, result.flip) if result.flip else None,
    )


def verdict_of(context: StepContext, result: CaseResult, twin: CaseResult | None = None) -> Verdict | None:
    """The verdict by the table, None while a needed answer is missing.

    EXPRESS becomes UNSURE if the flip test found that the first tokens do not change how the subject continues.
    """
    x = table_input(context, result, twin)
    found = verdict(x)
    return Verdict.UNSURE if found is Verdict.EXPRESS and x.flip is VoteOutcome.ADVERSE else found


def may_pass(result: CaseResult, found: Verdict | None) -> bool:
    """EXPRESS passes, LATE may, and so may EXPLAIN where the text is a flagged extended lock-in."""
    return found in (Verdict.EXPRESS, Verdict.LATE) or (
        found is Verdict.EXPLAIN and Flag.EXTENDED in result.scenario.flags
    )
