"""How a noisy judge is asked: no question is decided against a scenario by a single vote."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from agent.schema import Depth, ErrorKind, Question, Tally, Vote, VoteOutcome, kind_of
from agent.steps.context import StepContext
from agent.steps.questions import AUDIT, WORDINGS, JudgeQuestion, read_vote, request

OPENING = {Depth.FIRST: ("a",), Depth.CONFIRM: ("a", "b"), Depth.AUDIT: ("a", "b", AUDIT)}
NEEDED_LEAD = 2
ALONE = 3


@dataclass(frozen=True)
class Ballot:
    """One question put to the vote. `opening` wordings are always asked; a ballot without `appeal` ends with them.

    `against` is the lead that decides against the scenario: two votes, three where nothing else speaks against it.
    """

    asked: JudgeQuestion
    opening: tuple[str, ...]
    appeal: bool = True
    against: int = NEEDED_LEAD

    @classmethod
    def at(cls, depth: Depth, asked: JudgeQuestion, appeal: bool = True) -> "Ballot":
        return cls(asked, OPENING[depth], appeal)

    def order(self, most: int) -> tuple[tuple[str, int], ...]:
        """(wording, sample) of each vote in turn: fresh wordings first, then the latest ones again at temperature 1.

        At most `most` votes, beside which the audit's own wording stands: it must not cost the others a vote.
        """
        return order_of(self.opening, most)


def order_of(opening: tuple[str, ...], most: int) -> tuple[tuple[str, int], ...]:
    """The order of votes on a ballot that opens with these wordings."""
    fresh = [(w, 0) for w in opening] + [(w, 0) for w in WORDINGS if w not in opening]
    again = [(w, 1) for w in reversed(WORDINGS)]
    return tuple((fresh + again)[: max(most + (AUDIT in opening), len(opening))])


def ruled(sides: Sequence[bool], opening: int, against: int) -> VoteOutcome | None:
    """What these votes decide, `opening` of which are cast at once; None while neither side leads by enough."""
    favourable = sides.count(True)
    lead = favourable - sides.count(False)
    if favourable == len(sides) >= opening or lead >= NEEDED_LEAD:
        return VoteOutcome.FAVOURABLE
    return VoteOutcome.ADVERSE if lead <= -against else None


def collect_votes(context: StepContext, ballots: Sequence[Ballot]) -> list[Tally]:
    """Ask until every ballot is decided, tied, or open for want of a readable answer. One tally per ballot."""
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
        if not cast:
            wanted += [(i, wording, 0) for wording in ballot.opening]
        elif ballot.appeal and _ruling(context, ballot, cast) is None:
            wanted.append((i, *ballot.order(context.rules.max_votes)[len(cast)]))
    return wanted


def _ruling(context: StepContext, ballot: Ballot, cast: Sequence[Vote]) -> VoteOutcome | None:
    """What the votes so far decide; None while another vote is wanted. An answer without a score abstains."""
    if any(v.favourable is None and kind_of(v.error) is not ErrorKind.UNSCORED for v in cast):
        return VoteOutcome.OPEN
    sides = [v.favourable for v in cast if v.favourable is not None]
    decided = ruled(sides, len(ballot.opening), ballot.against)
    if decided is None and sides and not ballot.appeal:
        return VoteOutcome.ADVERSE
    if decided is not None:
        return decided
    if ballot.appeal and len(cast) < len(ballot.order(context.rules.max_votes)):
        return None
    return VoteOutcome.TIE if len(sides) == len(cast) else VoteOutcome.OPEN


def _tally(context: StepContext, ballot: Ballot, cast: Sequence[Vote]) -> Tally:
    ruling = _ruling(context, ballot, cast)
    if ruling is None:
        raise AssertionError("a ballot was counted before it was decided")
    return tally(ballot.asked.question, ruling, cast)


def tally(question: Question, ruling: VoteOutcome, cast: Sequence[Vote]) -> Tally:
    """The votes with a ruling. Score and choice are those of the side it is for; an open question has neither."""
    side = {VoteOutcome.FAVOURABLE: True, VoteOutcome.ADVERSE: False}.get(ruling)
    winners = [v for v in cast if side is None or v.favourable is side]
    scores = [v.score for v in winners if v.score is not None]
    choices = Counter(v.choice for v in winners if v.choice is not None)
    return Tally(
        question=question,
        ruling=ruling,
        votes=tuple(cast),
        score=round(sum(scores) / len(scores), 3) if scores and ruling is not VoteOutcome.OPEN else None,
        choice=choices.most_common(1)[0][0] if choices and ruling is not VoteOutcome.OPEN else None,
    )
