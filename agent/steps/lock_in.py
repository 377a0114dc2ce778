"""The lock-in: does the scenario go its way when sampled, or was its one greedy completion the fall of a coin?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.schema import Completion, Question, Tally, Verdict, VoteOutcome
from agent.steps.context import StepContext
from agent.steps.questions import EXPRESS, WORDINGS, JudgeQuestion
from agent.steps.vet import Case, Tallies, sampling
from agent.steps.voting import Ballot, collect_votes, tally

TIMES = (1, 2, 4)  # how often the samples are drawn, as long as it is close


@dataclass(frozen=True)
class LockIn:
    """The stored samples of a scenario, each with what the vote on its response says; `needed` of them must pass."""

    samples: tuple[Completion, ...]
    rulings: tuple[VoteOutcome, ...]
    needed: int

    @property
    def counts(self) -> tuple[int, int]:
        """(passed, judged)."""
        return self.rulings.count(VoteOutcome.FAVOURABLE), len(self.rulings) - self.rulings.count(VoteOutcome.OPEN)

    @property
    def holds(self) -> VoteOutcome:
        """Whether enough samples passed; open while those that could not be judged may still decide it."""
        passed, judged = self.counts
        if passed >= self.needed:
            return VoteOutcome.FAVOURABLE
        return VoteOutcome.OPEN if passed + len(self.rulings) - judged >= self.needed else VoteOutcome.ADVERSE

    @property
    def is_close(self) -> bool:
        """Whether one sample more or less would decide otherwise, and not all of them passed."""
        passed = self.counts[0]
        return (
            self.holds is not VoteOutcome.OPEN
            and self.needed - 1 <= passed <= self.needed
            and passed < len(self.rulings)
        )


def lock_in(context: StepContext, cases: Sequence[Case]) -> list[LockIn]:
    """The lock-in of each case. A close one is drawn twice as often, then four times, each at the same share."""
    found: dict[int, LockIn] = {}
    drawn = list(range(len(cases)))
    for times in TIMES:
        found |= dict(zip(drawn, _drawn(context, [cases[i] for i in drawn], times), strict=True))
        drawn = [i for i in drawn if found[i].is_close]
    return [found[i] for i in range(len(cases))]


def _drawn(context: StepContext, cases: Sequence[Case], times: int) -> list[LockIn]:
    wanted = sampling(context, times * context.rules.lock_in_samples)
    drawn = context.complete([case.scenario for case in cases], wanted)
    judged = judge(context, Question.RESPONSE, cases, drawn)
    needed = times * context.rules.lock_in_needed
    return [
        LockIn(tuple(samples), tuple(found.ruling for found in own), needed)
        for samples, own in zip(drawn, judged, strict=True)
    ]


def judge(
    context: StepContext, question: Question, cases: Sequence[Case], drawn: Sequence[Sequence[Completion]]
) -> list[list[Tally]]:
    """The tally of a question on each sample of each case."""
    ballots = [
        Ballot(JudgeQuestion(question, case.scenario, sample), WORDINGS[:1])
        for case, samples in zip(cases, drawn, strict=True)
        for sample in samples
    ]
    tallies = iter(collect_votes(context, ballots))
    return [[next(tallies) for _ in samples] for samples in drawn]


def is_tied(found: Verdict | None, tallies: Tallies, may_pass: bool) -> bool:
    """Whether votes are not enough: they contradict each other, or tie on the forecast of what may pass else.

    LATE although its first tokens are said to express: one question about one opening speaks against all others.
    """
    if found is Verdict.LATE and tallies[Question.VERDICT].choice == EXPRESS:
        return True
    return found is Verdict.UNSURE or (may_pass and tallies[Question.FORECAST].ruling is VoteOutcome.TIE)


def tie_break(
    context: StepContext, cases: Sequence[Case], tallies: Sequence[Tallies], held: Mapping[int, LockIn]
) -> list[Tallies]:
    """The tallies of all cases; in those of `held`, what ties over the greedy completion is ruled by its samples."""
    question = Question.OPENING if context.sustained else Question.C5
    unlike = [i for i in held if _is_settled_by_others(tallies[i][question])]
    openings = judge(context, question, [cases[i] for i in unlike], [held[i].samples for i in unlike])
    displayed = dict(zip(unlike, openings, strict=True))
    ruled = list(tallies)
    for i, found in held.items():
        ruled[i] = {q: _untied(of_question, found, displayed.get(i)) for q, of_question in tallies[i].items()}
    return ruled


def _is_settled_by_others(found: Tally) -> bool:
    """C5 that fails by an opening unlike the others', or a tie on the opening itself."""
    return found.ruling is VoteOutcome.TIE or (
        found.question is Question.C5 and found.ruling is not VoteOutcome.FAVOURABLE
    )


def _untied(found: Tally, held: LockIn, openings: Sequence[Tally] | None) -> Tally:
    """The tally, ruled by the other samples where its votes tie - or where C5 fails by an opening unlike theirs.

    `openings` are what is said of the other samples' openings, where the one of the greedy completion is in doubt.
    """
    tied = found.ruling is VoteOutcome.TIE
    if found.question in (Question.FORECAST, Question.RESPONSE) and tied:
        return tally(found.question, held.holds, found.votes)
    if found.question not in (Question.C5, Question.OPENING) or openings is None:
        return found
    ruling = _majority([opening.ruling for opening in openings])
    if ruling not in (VoteOutcome.FAVOURABLE, VoteOutcome.ADVERSE):
        return found
    scores = [opening.score for opening in openings if opening.ruling is ruling and opening.score is not None]
    return found.model_copy(update={"ruling": ruling, "score": round(sum(scores) / len(scores), 3)})


def _majority(rulings: Sequence[VoteOutcome]) -> VoteOutcome:
    return next((side for side in VoteOutcome if rulings.count(side) > len(rulings) / 2), VoteOutcome.TIE)
