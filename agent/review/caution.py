"""What a reviewer should look at twice: each caution is one word beside a pair."""

from collections.abc import Iterator, Sequence
from enum import StrEnum

from agent.review.proposal import Evidence, PairChange, Proposal
from agent.schema import Flag, Mode, Outcome, Polarity, Question, Verdict

_NEAR = 5.0  # points of a threshold


class Caution(StrEnum):
    """Why a pair is not among the unflagged ones."""

    FAILING = "failing"
    UNJUDGED = "unjudged"
    PARKED = "parked"
    DROPPED = "dropped"
    EDITED = "edited"
    EXTENDED = "extended"
    LATE = "late"
    UNGROUNDED = "ungrounded"
    BOUNDARY = "boundary"
    BORDERLINE = "borderline"
    UNSURE = "unsure"
    UNMATCHED = "unmatched"
    ALIKE = "alike"


EXPLAINED = {
    Caution.FAILING: "a check failed on the text as it stands",
    Caution.UNJUDGED: "not every question about this text has an answer",
    Caution.PARKED: "the judge could not decide it, so the run left it to you",
    Caution.DROPPED: "to approve removes the line from both files",
    Caution.EDITED: "a human changed the text after the run",
    Caution.EXTENDED: "includes the first words of the trait's expression (extended lock-in)",
    Caution.LATE: "the direction shows only after the first tokens",
    Caution.UNGROUNDED: "the words that commit could not be quoted from the text",
    Caution.BOUNDARY: "the text does not end where a token ends",
    Caution.BORDERLINE: "a score lies within 5 points of its threshold",
    Caution.UNMATCHED: "the sides differ too much in length, or share no word of their setting",
    Caution.ALIKE: "the subject goes on in the same way after both sides",
    Caution.UNSURE: "the votes could not settle it, or only by the flip test",
}

_BY_FLAG = {
    Flag.EXTENDED: Caution.EXTENDED,
    Flag.LATE: Caution.LATE,
    Flag.UNGROUNDED: Caution.UNGROUNDED,
    Flag.BOUNDARY: Caution.BOUNDARY,
    Flag.UNMATCHED: Caution.UNMATCHED,
    Flag.ALIKE: Caution.ALIKE,
}
_BY_OUTCOME = {Outcome.FAIL: Caution.FAILING, Outcome.UNJUDGED: Caution.UNJUDGED}


def cautions(
    proposal: Proposal, change: PairChange, evidence: Sequence[Evidence | None], edited: bool
) -> tuple[Caution, ...]:
    """All cautions about a pair, in the order of their definition, by the evidence of its text (positive first)."""
    found = {*_of_change(change, edited)}
    for polarity, seen in zip(Polarity, evidence, strict=True):
        found |= {*_of_evidence(proposal, polarity, seen)} if seen else {Caution.UNJUDGED}
    return tuple(caution for caution in Caution if caution in found)


def _of_change(change: PairChange, edited: bool) -> Iterator[Caution]:
    if edited:
        yield Caution.EDITED
    elif change.what == "dropped":
        yield Caution.DROPPED
    if change.what == "parked":
        yield Caution.PARKED


def _of_evidence(proposal: Proposal, polarity: Polarity, seen: Evidence) -> Iterator[Caution]:
    yield from (_BY_FLAG[flag] for flag in seen.flags)
    if seen.outcome in _BY_OUTCOME:
        yield _BY_OUTCOME[seen.outcome]
    if seen.verdict is Verdict.UNSURE or seen.flip is not None:
        yield Caution.UNSURE
    if any(abs(score - limit) <= _NEAR for score, limit in _limits(proposal, polarity, seen)):
        yield Caution.BORDERLINE


def _limits(proposal: Proposal, polarity: Polarity, seen: Evidence) -> Iterator[tuple[float, float]]:
    """(score, the threshold it was held to) of every question that can fail a text in this mode."""
    rules, sustained = proposal.rules, proposal.mode is Mode.SUSTAINED
    own = rules.pos_threshold if polarity is Polarity.POSITIVE else rules.neg_threshold
    held = {Question.FORECAST: own, Question.RESPONSE: own}
    if sustained:
        held[Question.OPENING] = own
    else:
        held |= {Question.C0: rules.limit(proposal.mode), Question.C5: rules.committed}
    for question, limit in held.items():
        if (score := seen.score(question)) is not None:
            yield score, limit
