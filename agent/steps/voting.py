"""Votes of a noisy judge: no question is decided against a scenario by a single answer."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from agent.schema import Depth, ErrorKind, Question, Tally, Vote, VoteOutcome, kind_of
from agent.steps.context import StepContext
from agent.steps.questions import AUDIT, WORDINGS, JudgeQuestion, read_vote, request

INITIAL_WORDINGS = {Depth.FIRST: ("a",), Depth.CONFIRM: ("a", "b"), Depth.AUDIT: ("a", "b", AUDIT)}
_ONE_WORDING = (Question.C5, Question.CL)  # at every depth: second opinions on V, which is asked in all wordings
NEEDED_LEAD = 2  # votes by which a side must lead; chosen by judgement
LEAD_OF_SINGLE_DISSENT = 3  # the same against a scenario that no other question speaks against


def initial_wordings(question: Question, depth: Depth) -> tuple[str, ...]:
    """The wordings in which a question is asked at a depth, whatever the first one says.

    The audit's own wording is not spent on the forecast: by then the subject's own samples say where a text leads.
    """
    if question in _ONE_WORDING:
        return INITIAL_WORDINGS[Depth.FIRST]
    return INITIAL_WORDINGS[Depth.CONFIRM if question is Question.FORECAST and depth is Depth.AUDIT else depth]


def is_full(tally: Tally, depth: Depth) -> bool:
    """Whether a tally is the whole vote of a depth, rather than one vote that was not put to the test."""
    wanted = len(initial_wordings(tally.question, depth))
    if tally.ruling is VoteOutcome.ADVERSE:
        wanted = max(wanted, NEEDED_LEAD)
    return tally.ruling is VoteOutcome.OPEN or len(tally.votes) >= wanted


@dataclass(frozen=True)
class Ballot:
    """One question put to the vote.

    `initial_wordings` are always asked; with `escalate`, more votes follow until a side leads by enough.
    `lead_to_reject` is the lead that decides against the scenario.
    """

    asked: JudgeQuestion
    initial_wordings: tuple[str, ...]
    escalate: bool = True
    lead_to_reject: int = NEEDED_LEAD

    @classmethod
    def at(cls, depth: Depth, asked: JudgeQuestion, escalate: bool = True) -> "Ballot":
        return cls(asked, initial_wordings(asked.question, depth) if escalate else WORDINGS[:1], escalate)

    @classmethod
    def second(cls, asked: JudgeQuestion) -> "Ballot":
        """A question in two wordings at least, where one vote is contradicted by another question."""
        return cls(asked, WORDINGS[:2])

    def order(self, max_votes: int) -> tuple[tuple[str, int], ...]:
        """(wording, sample) of each vote in turn: see `vote_order`."""
        return vote_order(self.initial_wordings, max_votes)


def vote_order(initial: tuple[str, ...], max_votes: int) -> tuple[tuple[str, int], ...]:
    """(wording, sample) of each vote in turn: fresh wordings first, then the latest ones again at temperature 1.

    The audit's own wording is one more vote than `max_votes`, so that no other wording loses its vote.
    """
    fresh = [(w, 0) for w in initial] + [(w, 0) for w in WORDINGS if w not in initial]
    again = [(w, 1) for w in reversed(WORDINGS)]
    return tuple((fresh + again)[: max(max_votes + (AUDIT in initial), len(initial))])


def outcome_of_votes(votes: Sequence[bool], initial: int, lead_to_reject: int) -> VoteOutcome | None:
    """What these votes decide, `initial` of which are asked at once; None while neither side leads by enough."""
    favourable = votes.count(True)
    lead = favourable - votes.count(False)
    if favourable == len(votes) >= initial or lead >= NEEDED_LEAD:
        return VoteOutcome.FAVOURABLE
    return VoteOutcome.ADVERSE if lead <= -lead_to_reject else None


def collect_votes(context: StepContext, ballots: Sequence[Ballot]) -> list[Tally]:
    """Ask until every ballot is decided, tied, or OPEN because no answer could be read. One tally per ballot.

    Nothing is asked about a text that the subject could not continue.
    """
    votes: list[list[Vote]] = [[] for _ in ballots]
    while wanted := _wanted(context, ballots, votes):
        requests = [request(context, ballots[i].asked, wording, sample) for i, wording, sample in wanted]
        for (i, wording, sample), reply in zip(wanted, context.ask(requests), strict=True):
            votes[i].append(read_vote(context, ballots[i].asked, wording, sample, reply))
    return [_tally(context, ballot, cast) for ballot, cast in zip(ballots, votes, strict=True)]


def _wanted(
    context: StepContext, ballots: Sequence[Ballot], votes: Sequence[Sequence[Vote]]
) -> list[tuple[int, str, int]]:
    wanted = []
    for i, (ballot, cast) in enumerate(zip(ballots, votes, strict=True)):
        if ballot.asked.completion.failure is not None:
            continue
        if not cast:
            wanted += [(i, wording, 0) for wording in ballot.initial_wordings]
        elif ballot.escalate and _outcome(context, ballot, cast) is None:
            wanted.append((i, *ballot.order(context.rules.max_votes)[len(cast)]))
    return wanted


def _outcome(context: StepContext, ballot: Ballot, cast: Sequence[Vote]) -> VoteOutcome | None:
    """What the votes so far decide; None while another vote is wanted. An answer without a score abstains."""
    failed = ballot.asked.completion.failure is not None
    if failed or any(v.favourable is None and kind_of(v.error) is not ErrorKind.UNSCORED for v in cast):
        return VoteOutcome.OPEN
    sides = [v.favourable for v in cast if v.favourable is not None]
    decided = outcome_of_votes(sides, len(ballot.initial_wordings), ballot.lead_to_reject)
    if decided is None and sides and not ballot.escalate:
        return VoteOutcome.ADVERSE
    if decided is not None:
        return decided
    if ballot.escalate and len(cast) < len(ballot.order(context.rules.max_votes)):
        return None
    return VoteOutcome.TIE if len(sides) == len(cast) else VoteOutcome.OPEN


def _tally(context: StepContext, ballot: Ballot, cast: Sequence[Vote]) -> Tally:
    outcome = _outcome(context, ballot, cast)
    if outcome is None:
        raise AssertionError("a ballot was counted before it was decided")
    return tally(ballot.asked.question, outcome, cast)


def tally(question: Question, outcome: VoteOutcome, cast: Sequence[Vote]) -> Tally:
    """The votes with their outcome. Score and choice are those of the winning side; an open question has neither."""
    side = {VoteOutcome.FAVOURABLE: True, VoteOutcome.ADVERSE: False}.get(outcome)
    winners = [v for v in cast if side is None or v.favourable is side]
    scores = [v.score for v in winners if v.score is not None]
    choices = Counter(v.choice for v in winners if v.choice is not None)
    return Tally(
        question=question,
        ruling=outcome,
        votes=tuple(cast),
        score=round(sum(scores) / len(scores), 3) if scores and outcome is not VoteOutcome.OPEN else None,
        choice=choices.most_common(1)[0][0] if choices and outcome is not VoteOutcome.OPEN else None,
    )
