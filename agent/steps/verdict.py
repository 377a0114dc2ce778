"""The verdict of the first-token test: a table read from the top (method: the guide's First Token Test).

The table itself says which answer it needs next, so that no question is asked whose answer cannot change the verdict.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from agent.schema import (
    Depth,
    Flip,
    Mode,
    NegativeTest,
    Polarity,
    Question,
    Rules,
    Tally,
    Verdict,
    VoteOutcome,
)
from agent.steps.questions import EXPLAIN, EXPRESS, NEITHER
from agent.steps.voting import is_full


class Need(NamedTuple):
    """The answers without which there is no verdict yet.

    `questions` were not asked so far; empty where one was asked and could not be read. `full`: each is put to the
    whole vote of the examination's depth; otherwise one vote is enough, since it only chooses among failures.
    """

    questions: tuple[Question, ...] = ()
    full: bool = True


@dataclass(frozen=True)
class VerdictInput:
    """What the table reads. `twin_failed`: the other side's completion fails too; `topic_failed`: it did before.

    `depth`: of the examination; None where single votes suffice, as for a candidate of a repair. `limit`: L, the
    highest C0 of an open prefix; `committed`: the lowest score of a committed text. `extended`: the text is an extended
    lock-in, which may have committed. `flip`: the outcome of the flip test, if it was made.
    """

    mode: Mode
    negative_test: NegativeTest
    polarity: Polarity
    tallies: Mapping[Question, Tally]
    limit: float
    committed: float
    depth: Depth | None = None
    twin_failed: bool = False
    topic_failed: bool = False
    extended: bool = False
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

    def need(self, *questions: Question, full: bool = True) -> Need | None:
        """What is missing of these answers; None where all are there."""
        missing = tuple(q for q in questions if self._is_missing(q, full))
        if missing:
            return Need(missing, full)
        return Need() if any(self.ruling(q) is VoteOutcome.OPEN for q in questions) else None

    def _is_missing(self, question: Question, full: bool) -> bool:
        tally = self.tallies.get(question)
        if tally is None:
            return True
        return full and self.depth is not None and not is_full(tally, self.depth)


def verdict(x: VerdictInput) -> Verdict | None:
    """The verdict on one scenario, or None (unjudged) while a needed answer is missing."""
    found = step(x)
    return None if isinstance(found, Need) else found


def step(x: VerdictInput) -> Verdict | Need:
    """The verdict, or the answers that the table needs next. C0 comes first: it is asked of the prefix alone."""
    if x.mode is Mode.SUSTAINED:
        return _sustained(x)
    if need := x.need(Question.C0):
        return need
    if _may_be_closed(x):
        if need := x.need(Question.VERDICT, full=False):
            return need
        if x.choice == EXPLAIN:
            return Verdict.EXPLAIN  # whatever the response shows
    return x.need(Question.RESPONSE) or _by_response(x)


def _may_be_closed(x: VerdictInput) -> bool:
    """Whether the prefix alone has displayed the behaviour, so that V can settle the verdict."""
    if x.extended or _is_absence(x):
        return False
    return x.ruling(Question.C0) is VoteOutcome.ADVERSE and _has_committed(x)


def _by_response(x: VerdictInput) -> Verdict | Need:
    if x.ruling(Question.RESPONSE) is VoteOutcome.TIE:
        return (None if _is_absence(x) else x.need(Question.VERDICT, Question.C5, full=False)) or Verdict.UNSURE
    if x.ruling(Question.RESPONSE) is VoteOutcome.ADVERSE:
        return _wrong_way(x)
    return _absent(x) if _is_absence(x) else _open_or_closed(x)


def _is_absence(x: VerdictInput) -> bool:
    """Whether the scenario passes by merely not showing the trait."""
    return x.negative_test.is_met_by_absence(x.polarity)


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


def readings_differ(x: VerdictInput) -> bool:
    """Whether the completion read alone (J) and read after its prefix (C5, CL) say different things.

    Both readings must show the behaviour: J decides about the response, C5 and CL about the first tokens. Where they
    differ to the end, the text is repaired, so that the words after it show the behaviour by themselves.
    """
    if _is_absence(x) or x.mode is Mode.SUSTAINED:
        return False
    alone = x.ruling(Question.RESPONSE)
    if alone is VoteOutcome.FAVOURABLE:
        return VoteOutcome.ADVERSE is x.ruling(Question.C5) is x.ruling(Question.CL)
    shown = x.choice == EXPRESS and x.ruling(Question.C5) is VoteOutcome.FAVOURABLE
    return shown and alone in (VoteOutcome.ADVERSE, VoteOutcome.TIE)


def _has_committed(x: VerdictInput) -> bool:
    return x.score(Question.C0) >= x.committed


def _wrong_way(x: VerdictInput) -> Verdict | Need:
    """The verdict on a completion that fails: off script, explained by its prefix, in context only, or wrong."""
    if x.mode is not Mode.SUSTAINED:
        if need := x.need(Question.VERDICT, full=False):
            return need
        if x.choice == NEITHER:
            return Verdict.OFF_SCRIPT
        if x.choice == EXPLAIN and _has_committed(x):
            return Verdict.EXPLAIN
        if x.choice == EXPRESS and not _is_absence(x) and (need := x.need(Question.C5, full=False)):
            return need
        if readings_differ(x):
            return Verdict.CONTEXT
    return Verdict.TOPIC if x.twin_failed or x.topic_failed else Verdict.WRONG


def _sustained(x: VerdictInput) -> Verdict | Need:
    if need := x.need(Question.RESPONSE, Question.OPENING):
        return need
    if x.ruling(Question.RESPONSE) is VoteOutcome.TIE:
        return Verdict.UNSURE
    if x.ruling(Question.RESPONSE) is VoteOutcome.ADVERSE:
        return _wrong_way(x)
    opening = x.ruling(Question.OPENING)
    if opening is VoteOutcome.TIE:
        return Verdict.UNSURE
    return Verdict.EXPRESS if opening is VoteOutcome.FAVOURABLE else Verdict.WRONG


def _absent(x: VerdictInput) -> Verdict | Need:
    """A negative that passes by not showing the trait."""
    if x.ruling(Question.C0) is VoteOutcome.TIE:
        return _by_flip(x)
    return Verdict.EXPRESS if x.score(Question.C0) <= x.limit else Verdict.EXPLAIN


def _open_or_closed(x: VerdictInput) -> Verdict | Need:
    if need := x.need(Question.VERDICT, Question.C5):
        return need
    if any(x.ruling(q) is VoteOutcome.TIE for q in (Question.VERDICT, Question.C0, Question.C5)):
        return _by_flip(x)
    c0, c5 = x.score(Question.C0), x.score(Question.C5)
    if c0 >= x.committed and x.choice != EXPRESS:
        return Verdict.EXPLAIN
    if x.choice == EXPLAIN and c0 > x.limit:
        return Verdict.EXPLAIN
    if c0 <= x.limit and c5 >= x.committed and x.choice == EXPRESS:
        return Verdict.EXPRESS
    return _late(x) if c0 <= x.limit and c5 < x.committed else _by_flip(x)


def _late(x: VerdictInput) -> Verdict | Need:
    """The verdict where the first tokens do not show the behaviour: LATE where the whole completion does."""
    if need := x.need(Question.CL):
        return need
    return Verdict.LATE if x.ruling(Question.CL) is VoteOutcome.FAVOURABLE else _by_flip(x)


def _by_flip(x: VerdictInput) -> Verdict | Need:
    """The flip test decides where votes contradict each other. It never makes an open C0 an EXPLAIN."""
    if x.flip is VoteOutcome.FAVOURABLE:
        return Verdict.EXPRESS
    if x.flip is VoteOutcome.ADVERSE and x.ruling(Question.C0) is not VoteOutcome.FAVOURABLE:
        return Verdict.EXPLAIN
    return Need() if x.flip is VoteOutcome.OPEN else Verdict.UNSURE
