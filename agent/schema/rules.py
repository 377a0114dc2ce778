"""Limits of a run, the rules behind a verdict, and what the policy reads."""

from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from agent.schema.endings import Cause
from agent.schema.judging import Question
from agent.schema.pairs import FrozenModel, Mode, Polarity


class Caps(FrozenModel):
    """Limits of a run. They count from history, so that a restart never resets them."""

    max_rounds: Annotated[int, Field(ge=0)] = 40
    max_pairs: Annotated[int, Field(ge=0)] = 200
    max_repairs: Annotated[int, Field(ge=0)] = 4
    patience: Annotated[int, Field(ge=1)] = 5
    pilot: Annotated[int, Field(ge=1)] = 16
    batch: Annotated[int, Field(ge=1)] = 16
    target: Annotated[int, Field(ge=1)] = 48
    min_control_auc: Annotated[float, Field(ge=0, le=1)] = 0.9  # below it nothing is scaled up; 0 goes on regardless


Count = Annotated[int, Field(ge=0)] | None


class UsageLimits(FrozenModel):
    """Usage limits; None is no limit, and 0 allows nothing."""

    usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    calls: Count = None
    tokens_in: Count = None
    tokens_out: Count = None


class BudgetConfig(FrozenModel):
    """Usage limits of the whole run, of each trait, and of each role over the run; `minutes` are the run's.

    Usage counts from the ledgers, restarts included.
    """

    run: UsageLimits = UsageLimits()
    trait: UsageLimits = UsageLimits()
    author: UsageLimits = UsageLimits()
    judge: UsageLimits = UsageLimits()
    auditor: UsageLimits = UsageLimits()
    minutes: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    max_pause_minutes: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 120.0


class Criterion(NamedTuple):
    """What a score must satisfy to favour the scenario: at least ("≥") or at most ("≤") `threshold` (0 to 100)."""

    sign: Literal["≥", "≤"]
    threshold: float

    def met_by(self, score: float) -> bool:
        return score >= self.threshold if self.sign == "≥" else score <= self.threshold


class Rules(FrozenModel):
    """Thresholds and sample sizes behind a verdict. Changing one starts another campaign."""

    pos_threshold: Annotated[float, Field(gt=0, le=100)] = 60.0
    neg_threshold: Annotated[float, Field(ge=0, lt=100)] = 40.0
    commitment_limit: Annotated[float, Field(gt=0, le=100)] = 50.0
    primed_limit: Annotated[float, Field(gt=0, le=100)] = 60.0
    committed: Annotated[float, Field(gt=0, le=100)] = 60.0
    first_k: Annotated[int, Field(ge=1, le=20)] = 5
    max_new_tokens: Annotated[int, Field(ge=5, le=500)] = 50
    response_words: Annotated[int, Field(ge=1, le=500)] = 16  # of a completion, read by the response question
    max_votes: Annotated[int, Field(ge=1, le=9)] = 5
    lock_in_samples: Annotated[int, Field(ge=1, le=32)] = 4
    lock_in_needed: Annotated[int, Field(ge=1, le=32)] = 3
    flip_samples: Annotated[int, Field(ge=0, le=64)] = 8  # per arm; 0 leaves the flip test out
    flip_in_audit: bool = False  # the flip test of every scenario at its audit, not only where votes hesitate
    candidates: Annotated[int, Field(ge=1, le=16)] = 4
    max_extended_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    max_ending_share: Annotated[float, Field(gt=0, le=1)] = 0.2
    max_hinge_share: Annotated[float, Field(gt=0, le=1)] = 0.4
    max_domain_share: Annotated[float, Field(gt=0, le=1)] = 0.25
    min_pilot_rate: Annotated[float, Field(ge=0, le=1)] = 0.7
    max_parked_share: Annotated[float, Field(ge=0, le=1)] = 0.1

    def limit(self, mode: Mode) -> float:
        """L, the highest C0 of an open prefix. Mode sustained has no limit."""
        return {Mode.DECISION: self.commitment_limit, Mode.PRIMED: self.primed_limit, Mode.SUSTAINED: 100.0}[mode]

    def criterion(self, question: Question, mode: Mode, polarity: Polarity) -> Criterion:
        """What a question's score is held to, whether or not the question gates (see `gating_questions`).

        Raises ValueError for VERDICT, which is answered by a choice.
        """
        if question is Question.VERDICT:
            raise ValueError("the verdict question has no score")
        if question is Question.C0:
            return Criterion("≤", self.limit(mode))
        if question in (Question.C5, Question.CL):
            return Criterion("≥", self.committed)
        if polarity is Polarity.POSITIVE:
            return Criterion("≥", self.pos_threshold)
        return Criterion("≤", self.neg_threshold)


class Plan(FrozenModel):
    """What the policy reads besides history: caps, rules, and the size of the starting dataset."""

    caps: Caps = Caps()
    rules: Rules = Rules()
    dataset_size: int = 0

    @property
    def goal(self) -> int:
        """Pairs wanted in the end: existing pairs are never trimmed."""
        return max(self.caps.target, self.dataset_size)


class Signals(FrozenModel):
    """Signals from outside the history that the policy reads before each move.

    `reported_after` is the number of rounds after which an earlier run reported that it cannot go on by itself;
    `anyway_after` the number of rounds at which a run with `--resume-anyway` began. None: neither was so.
    """

    stop_requested: str | None = None
    stop_cause: Cause = Cause.SIGNAL
    cap_reached: str | None = None
    reported_after: int | None = None
    anyway_after: int | None = None
