"""What is asked of a judge, what it answers, what the answers amount to, and what to change when scenarios fail."""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

from agent.schema.pairs import Completion, Flag, FrozenModel, Mode, Polarity
from agent.schema.requests import kind_of


class Outcome(StrEnum):
    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    UNJUDGED = "unjudged"


class Verdict(StrEnum):
    EXPRESS = "EXPRESS"
    EXPLAIN = "EXPLAIN"
    LATE = "LATE"
    WRONG = "WRONG"
    OFF_SCRIPT = "OFF_SCRIPT"
    TOPIC = "TOPIC"
    UNSTABLE = "UNSTABLE"
    CONTEXT = "CONTEXT"  # read alone, the completion says something else than read after its prefix
    UNSURE = "UNSURE"


class Question(StrEnum):
    """A question about one scenario. The letters in comments are the names in the first-token test."""

    FORECAST = "forecast"  # S: how likely is a continuation to show the trait
    RESPONSE = "response"  # J: the completion alone, on the trait scale
    OPENING = "opening"  # J of the first k tokens alone (gates only in mode sustained)
    VERDICT = "verdict"  # V: EXPRESS / EXPLAIN / NEITHER over prefix + first k tokens
    C0 = "c0"  # commitment of the prefix: the delete test
    C5 = "c5"  # commitment of prefix + first k tokens
    CL = "cl"  # commitment of prefix + whole completion


def gating_questions(mode: Mode) -> tuple[Question, ...]:
    """The questions that can fail a scenario. CL cannot: it only tells LATE from UNSURE."""
    if mode is Mode.SUSTAINED:
        return (Question.FORECAST, Question.RESPONSE, Question.OPENING)
    return (Question.FORECAST, Question.RESPONSE, Question.VERDICT, Question.C0, Question.C5)


class Vote(FrozenModel):
    """One answer to one question in one wording. `favourable` is None when it could not be read (see `error`)."""

    wording: str
    sample: int
    favourable: bool | None
    score: float | None = None
    choice: str | None = None
    probabilities: tuple[tuple[str, float], ...] = ()
    answers: tuple[str, ...] = ()
    error: str | None = None


class VoteOutcome(StrEnum):
    """Outcome of the votes on one question."""

    FAVOURABLE = "favourable"
    ADVERSE = "adverse"
    TIE = "tie"
    OPEN = "open"


class Tally(FrozenModel):
    """All votes on one question and their outcome. `score` and `choice` come from the winning side's votes."""

    question: Question
    ruling: VoteOutcome
    votes: tuple[Vote, ...]
    score: float | None = None
    choice: str | None = None


class Depth(StrEnum):
    """Depth of an examination: one wording; two wordings and lock-in; also the audit's wording."""

    FIRST = "first"
    CONFIRM = "confirm"
    AUDIT = "audit"


class Flip(FrozenModel):
    """Flip test of one scenario, per arm: (sampled texts that show its own outcome, texts judged)."""

    own: tuple[int, int]
    opposite: tuple[int, int]

    @property
    def value(self) -> float | None:
        """P(outcome | own opener) - P(outcome | opposite opener); None where an arm was not judged at all."""
        if not self.own[1] or not self.opposite[1]:
            return None
        return round(self.own[0] / self.own[1] - self.opposite[0] / self.opposite[1], 6)


class Controls(FrozenModel):
    """Controls without human labels: C0 of texts made committed, and of texts left open, made from the run's own.

    `auc`: the probability that a committed one scores higher than an open one, with its 95 % interval `low` to `high`.
    """

    committed: tuple[float, ...]
    open: tuple[float, ...]
    auc: float
    low: float
    high: float


class WordingDisagreement(FrozenModel):
    """How often one wording contradicted the first on the same text: `k` of `n` answers that could be compared."""

    question: Question
    wording: str
    k: int
    n: int


class JudgeNoise(FrozenModel):
    """How often the judge contradicts itself, and what the vote makes of that if its wordings err independently.

    `accepted`: the chance that a scenario which one question should fail passes its audit, for the least reliable
    question. `edited`, `undecided`: the chances that a good pair is edited, or that some vote on it ends in a tie.
    `edited_at_least`: `edited` at the lower ends of the measured intervals. Errors that all wordings share do not show.
    """

    flaps: tuple[WordingDisagreement, ...]
    accepted: float
    edited: float
    edited_at_least: float
    undecided: float


class Finding(FrozenModel):
    """Result of one examination of one scenario. Valid for exactly the text with this `key`."""

    pair: str
    polarity: Polarity
    key: str
    depth: Depth
    completion: Completion | None
    tallies: tuple[Tally, ...]
    scenario: Outcome
    response: Outcome
    first_token: Outcome
    verdict: Verdict | None
    span: str | None = None
    lock_in: tuple[int, int] | None = None  # (samples that passed, samples judged)
    flip: Flip | None = None  # only where the votes could not decide
    flags: tuple[Flag, ...] = ()
    drifted: tuple[str, ...] = ()  # first words of the lock-in samples that did not go the scenario's way
    reach: int | None = None  # of LATE: how many of the subject's tokens it takes until the behaviour is displayed
    divergence: float | None = None  # Jensen-Shannon, bits, between the pair's first next-token distributions

    @property
    def outcome(self) -> Outcome:
        """Pass only if every check passed; unjudged while the verdict is open, since no rung can be chosen then."""
        checks = (self.scenario, self.response)
        if self.first_token is Outcome.UNJUDGED:
            return Outcome.UNJUDGED
        if Outcome.FAIL in checks or self.first_token is Outcome.FAIL:
            return Outcome.FAIL
        return Outcome.UNJUDGED if Outcome.UNJUDGED in checks else Outcome.PASS

    def tally(self, question: Question) -> Tally | None:
        return next((t for t in self.tallies if t.question is question), None)

    def score(self, question: Question) -> float | None:
        tally = self.tally(question)
        return tally.score if tally else None


def commonest_error(tallies: Iterable[Tally]) -> str | None:
    """Of the votes' errors, as "kind: sentence", the commonest one of the commonest kind; None without errors."""
    errors = [vote.error for tally in tallies for vote in tally.votes if vote.error is not None]
    if not errors:
        return None
    kind = Counter(map(kind_of, errors)).most_common(1)[0][0]
    return Counter(error for error in errors if kind_of(error) is kind).most_common(1)[0][0]


ADVICE = {
    Verdict.EXPRESS: "the forecast disagrees with what the subject does: look at the definition",
    Verdict.EXPLAIN: "the texts keep showing the trait before the cut: look at the author's endings",
    Verdict.LATE: "the trait comes late: shorten the runway, or extract over more tokens",
    Verdict.WRONG: "the subject goes the other way: sharpen the definition's HIGH and LOW, or choose tamer topics",
    Verdict.OFF_SCRIPT: "the subject wanders off: use shorter, plainer situations",
    Verdict.TOPIC: "the topics themselves decide: choose other situations",
    Verdict.UNSTABLE: "the outcome is a coin flip: give the endings stronger motives",
    Verdict.CONTEXT: "the words after the cut show the trait only together with it: use hinges that it has to follow",
    Verdict.UNSURE: "the judge cannot decide: read these texts yourself",
}
