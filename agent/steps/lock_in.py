"""The lock-in: does the scenario go its way when sampled, or was its one greedy completion the fall of a coin?"""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.schema import Completion, Question, Ruling, Tally
from agent.steps.bench import Bench
from agent.steps.questions import WORDINGS, Asked
from agent.steps.vet import Case, sampling
from agent.steps.voting import Ballot, poll

TIMES = (1, 2, 4)  # how often the samples are drawn, as long as it is close


@dataclass(frozen=True)
class LockIn:
    """The stored samples of a scenario, each with what the vote on its response says; `needed` of them must pass."""

    samples: tuple[Completion, ...]
    rulings: tuple[Ruling, ...]
    needed: int

    @property
    def counts(self) -> tuple[int, int]:
        """(passed, judged)."""
        return self.rulings.count(Ruling.FAVOURABLE), len(self.rulings) - self.rulings.count(Ruling.OPEN)

    @property
    def holds(self) -> Ruling:
        """Whether enough samples passed; open while those that could not be judged may still decide it."""
        passed, judged = self.counts
        if passed >= self.needed:
            return Ruling.FAVOURABLE
        return Ruling.OPEN if passed + len(self.rulings) - judged >= self.needed else Ruling.ADVERSE

    @property
    def is_close(self) -> bool:
        """Whether one sample more or less would decide otherwise, and not all of them passed."""
        passed = self.counts[0]
        return self.holds is not Ruling.OPEN and self.needed - 1 <= passed <= self.needed and passed < len(self.rulings)


def lock_in(bench: Bench, cases: Sequence[Case]) -> list[LockIn]:
    """The lock-in of each case. A close one is drawn twice as often, then four times, each at the same share."""
    found: dict[int, LockIn] = {}
    drawn = list(range(len(cases)))
    for times in TIMES:
        found |= dict(zip(drawn, _drawn(bench, [cases[i] for i in drawn], times), strict=True))
        drawn = [i for i in drawn if found[i].is_close]
    return [found[i] for i in range(len(cases))]


def _drawn(bench: Bench, cases: Sequence[Case], times: int) -> list[LockIn]:
    wanted = sampling(bench, times * bench.rules.lock_in_samples)
    drawn = bench.complete([case.scenario for case in cases], wanted)
    judged = judge(bench, Question.RESPONSE, cases, drawn)
    needed = times * bench.rules.lock_in_needed
    return [
        LockIn(tuple(samples), tuple(found.ruling for found in own), needed)
        for samples, own in zip(drawn, judged, strict=True)
    ]


def judge(
    bench: Bench, question: Question, cases: Sequence[Case], drawn: Sequence[Sequence[Completion]]
) -> list[list[Tally]]:
    """The tally of a question on each sample of each case."""
    ballots = [
        Ballot(Asked(question, case.scenario, sample), WORDINGS[:1])
        for case, samples in zip(cases, drawn, strict=True)
        for sample in samples
    ]
    tallies = iter(poll(bench, ballots))
    return [[next(tallies) for _ in samples] for samples in drawn]
