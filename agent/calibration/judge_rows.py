"""Judging of labelled endings: C0 of each prefix, V of prefix and opener, the committed span; and predictions."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from agent.calibration.labels import LabelledEnding
from agent.schema import Question, Rules, Tally, Trait, Vote, VoteOutcome
from agent.steps.context import StepContext
from agent.steps.examine import quoted_span, span_request
from agent.steps.questions import EXPLAIN, EXPRESS, WORDINGS, JudgeQuestion
from agent.steps.verdict import contradict
from agent.steps.voting import NEEDED_LEAD, Ballot, collect_votes
from agent.text import find_quotation

UNSURE = "UNSURE"
VOTES = "votes"

ContextOf = Callable[[Trait], StepContext]


@dataclass(frozen=True)
class JudgedEnding:
    """The judge's answers about one ending. `v` is None without an opener; `quoted` where no span was asked for."""

    ending: LabelledEnding
    c0: Tally
    v: Tally | None
    quoted: str | None = None

    @property
    def votes(self) -> tuple[Vote, ...]:
        """All votes on both questions."""
        return (*self.c0.votes, *(self.v.votes if self.v else ()))


def judge_endings(
    context_of: ContextOf, rows: Sequence[LabelledEnding], wording: str, spans: bool
) -> list[JudgedEnding]:
    """The answers to both questions about every row, in order. `wording` "votes" collects votes as a run does."""
    found: dict[str, JudgedEnding] = {}
    for trait in dict.fromkeys(row.as_trait() for row in rows):
        own = [row for row in rows if row.as_trait() == trait]
        context = context_of(trait)
        found |= {one.ending.id: one for one in _of_one_trait(context, own, wording, spans)}
    return [found[row.id] for row in rows]


def _of_one_trait(
    context: StepContext, rows: Sequence[LabelledEnding], wording: str, spans: bool
) -> list[JudgedEnding]:
    wanted = [(row, q) for row in rows for q in _questions(row)]
    initial, escalate = ((WORDINGS[0],), True) if wording == VOTES else ((wording,), False)
    tallies = _votes(context, wanted, initial, escalate)
    if escalate:
        doubtful = [
            row for row in rows if contradict(tallies.get((row.id, Question.VERDICT)), tallies[row.id, Question.C0])
        ]
        to_repeat = [
            (row, q) for row in doubtful for q in _questions(row) if len(tallies[row.id, q].votes) < NEEDED_LEAD
        ]
        tallies |= _votes(context, to_repeat, WORDINGS[:2], escalate)
    quoted = _quoted(context, [row for row in rows if spans and row.span and row.opener is not None])
    return [
        JudgedEnding(row, tallies[row.id, Question.C0], tallies.get((row.id, Question.VERDICT)), quoted.get(row.id))
        for row in rows
    ]


def _questions(row: LabelledEnding) -> tuple[Question, ...]:
    return (Question.C0,) if row.opener is None else (Question.C0, Question.VERDICT)


def _votes(
    context: StepContext, wanted: Iterable[tuple[LabelledEnding, Question]], initial: tuple[str, ...], escalate: bool
) -> dict[tuple[str, Question], Tally]:
    pairs = list(wanted)
    ballots = [Ballot(JudgeQuestion(q, row.scenario(), row.completion()), initial, escalate) for row, q in pairs]
    return {(row.id, q): tally for (row, q), tally in zip(pairs, collect_votes(context, ballots), strict=True)}


def _quoted(context: StepContext, rows: Sequence[LabelledEnding]) -> dict[str, str]:
    """By id, the words that the judge quotes as the committed span; "" where they do not occur in the prefix."""
    requests = [span_request(context, row.scenario(), row.completion(), 0) for row in rows]
    replies = zip(rows, context.ask(requests), strict=True)
    return {
        row.id: find_quotation(quoted_span(reply.data), row.prefix) or ""
        for row, reply in replies
        if reply.error is None
    }


def by_verdict(one: JudgedEnding) -> str | None:
    """The label predicted by V alone; NEITHER counts as UNSURE. None: not asked, or unanswered."""
    if one.v is None or one.v.ruling is VoteOutcome.OPEN:
        return None
    return one.v.choice if one.v.choice in (EXPRESS, EXPLAIN) and one.v.ruling is not VoteOutcome.TIE else UNSURE


def by_commitment(one: JudgedEnding, limit: float) -> str | None:
    """The label predicted by C0 alone: EXPRESS up to the limit. None: unanswered."""
    if one.c0.ruling is VoteOutcome.OPEN or one.c0.score is None:
        return None
    if one.c0.ruling is VoteOutcome.TIE:
        return UNSURE
    return EXPRESS if one.c0.score <= limit else EXPLAIN


def by_both(one: JudgedEnding, rules: Rules) -> str | None:
    """The label predicted by those rows of the verdict table that read no more than V, C0 and L."""
    limit = limit_of(one.ending, rules)
    c0_alone = by_commitment(one, limit)
    if one.v is None or one.ending.negative_test.is_met_by_absence(one.ending.polarity):
        return c0_alone
    v = by_verdict(one)
    if v is None or c0_alone is None or one.c0.score is None:
        return None
    if VoteOutcome.TIE in (one.c0.ruling, one.v.ruling):
        return UNSURE
    if one.c0.score >= rules.committed and v != EXPRESS:
        return EXPLAIN
    return v if v == c0_alone else UNSURE


def limit_of(ending: LabelledEnding, rules: Rules) -> float:
    """L of the row's mode; in mode sustained, which has none, the score from which a text is committed."""
    return min(rules.limit(ending.mode), rules.committed)


def is_hit(quoted: str, span: str, prefix: str) -> bool:
    """Whether the quotation overlaps the labelled span in the prefix."""
    at, place = prefix.rfind(quoted) if quoted else -1, prefix.rfind(span)
    return at >= 0 and place >= 0 and at < place + len(span) and place < at + len(quoted)
