"""The verdict of the first-token test: a total table, read from the top (method: the guide's First Token Test)."""

from collections.abc import Mapping
from dataclasses import dataclass

from agent.schema import (
    Flip,
    Mode,
    NegativeTest,
    Polarity,
    Question,
    Rules,
    Tally,
    Verdict,
    VoteOutcome,
    needed_questions,
)
from agent.steps.questions import EXPLAIN, EXPRESS, NEITHER


@dataclass(frozen=True)
class VerdictInput:
    """What the table reads. `twin_failed`: the other side's completion fails too; `topic_failed`: it did before.

    `limit`: L, the highest C0 of an open prefix; `committed`: the lowest score of a committed text. `flip`: the
    outcome of the flip test, if it was made.
    """

    mode: Mode
    negative_test: NegativeTest
    polarity: Polarity
    tallies: Mapping[Question, Tally]
    limit: float
    committed: float
    twin_failed: bool = False
    topic_failed: bool = False
    flip: VoteOutcome | None = None

    def ruling(self, question: Question) -> VoteOutcome:
        tally = self.tallies.get(question)
        return tally.ruling if tally else VoteOutcome.OPEN

    def score(self, question: Question) -> float:
        score = self.tallies[question].score
        if score is None:
            raise ValueError(f"{question} has no score although it is decided")
        return score

    @property
    def choice(self) -> str | None:
        tally = self.tallies.get(Question.VERDICT)
        return tally.choice if tally else None


def verdict(x: VerdictInput) -> Verdict | None:
    """The verdict on one scenario, or None (unjudged) while a needed answer is missing."""
    needed = needed_questions(x.mode, x.negative_test, x.polarity)
    if any(x.ruling(q) is VoteOutcome.OPEN for q in needed):
        return None
    if x.ruling(Question.RESPONSE) is VoteOutcome.TIE:
        return Verdict.UNSURE
    if x.ruling(Question.RESPONSE) is VoteOutcome.ADVERSE:
        return _wrong_way(x)
    if x.mode is Mode.SUSTAINED:
        return _sustained(x)
    if any(x.ruling(q) is VoteOutcome.TIE for q in needed if q is not Question.CL):  # CL only tells LATE from UNSURE
        return _by_flip(x)
    if x.negative_test.is_met_by_absence(x.polarity):
        return Verdict.EXPRESS if x.score(Question.C0) <= x.limit else Verdict.EXPLAIN
    return _open_or_closed(x)


FLIPS = 0.6  # value of the flip test from which the first tokens decide (LOG.md: flip test against truth)
DOES_NOT_FLIP = 0.3  # value up to which the prefix had decided
_JUDGED = 0.5  # share of each arm that must have been judged


def flip_outcome(rules: Rules, flip: Flip) -> VoteOutcome:
    """FAVOURABLE if the first tokens decide, ADVERSE if the prefix had decided, TIE in between."""
    if flip.value is None or min(flip.own[1], flip.opposite[1]) < _JUDGED * rules.flip_samples:
        return VoteOutcome.OPEN
    if flip.value >= FLIPS:
        return VoteOutcome.FAVOURABLE
    return VoteOutcome.ADVERSE if flip.value <= DOES_NOT_FLIP else VoteOutcome.TIE


def contradict(v: Tally | None, c0: Tally) -> bool:
    """Whether V (prefix and opening) and C0 (prefix alone) contradict each other."""
    return v is not None and (
        (v.choice == EXPRESS and c0.ruling is VoteOutcome.ADVERSE)
        or (v.choice == EXPLAIN and c0.ruling is VoteOutcome.FAVOURABLE)
    )


def _wrong_way(x: VerdictInput) -> Verdict:
    """The verdict on a completion that fails: off script, explained by its prefix, by its topic, or the wrong way."""
    if x.choice == NEITHER:
        return Verdict.OFF_SCRIPT
    c0 = x.tallies[Question.C0].score if Question.C0 in x.tallies else None
    if x.mode is not Mode.SUSTAINED and x.choice == EXPLAIN and c0 is not None and c0 >= x.committed:
        return Verdict.EXPLAIN
    return Verdict.TOPIC if x.twin_failed or x.topic_failed else Verdict.WRONG


def _sustained(x: VerdictInput) -> Verdict:
    opening = x.ruling(Question.OPENING)
    if opening is VoteOutcome.TIE:
        return Verdict.UNSURE
    return Verdict.EXPRESS if opening is VoteOutcome.FAVOURABLE else Verdict.WRONG


def _open_or_closed(x: VerdictInput) -> Verdict | None:
    c0, c5 = x.score(Question.C0), x.score(Question.C5)
    if c0 >= x.committed and x.choice != EXPRESS:
        return Verdict.EXPLAIN
    if x.choice == EXPLAIN and c0 > x.limit:
        return Verdict.EXPLAIN
    if c0 <= x.limit and c5 < x.committed and x.ruling(Question.CL) is VoteOutcome.FAVOURABLE:
        return Verdict.LATE
    if c0 <= x.limit and c5 >= x.committed and x.choice == EXPRESS:
        return Verdict.EXPRESS
    return _by_flip(x)


def _by_flip(x: VerdictInput) -> Verdict | None:
    """The flip test decides where votes contradict each other. It never makes an open C0 an EXPLAIN."""
    if x.flip is VoteOutcome.FAVOURABLE:
        return Verdict.EXPRESS
    if x.flip is VoteOutcome.ADVERSE and x.ruling(Question.C0) is not VoteOutcome.FAVOURABLE:
        return Verdict.EXPLAIN
    return None if x.flip is VoteOutcome.OPEN else Verdict.UNSURE
