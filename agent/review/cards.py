"""What a reviewer should look at twice: each warning is one word beside a pair."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Literal

from agent.review.proposal import ChangeKind, PairChange, Proposal, TextEvidence
from agent.schema import Decision, Flag, Mode, Outcome, Pair, Polarity, Question, Verdict, digest

_NEAR = 5.0  # points of a threshold


class CardWarning(StrEnum):
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


_BY_FLAG = {
    Flag.EXTENDED: CardWarning.EXTENDED,
    Flag.LATE: CardWarning.LATE,
    Flag.UNGROUNDED: CardWarning.UNGROUNDED,
    Flag.BOUNDARY: CardWarning.BOUNDARY,
    Flag.UNMATCHED: CardWarning.UNMATCHED,
    Flag.ALIKE: CardWarning.ALIKE,
}
_BY_OUTCOME = {Outcome.FAIL: CardWarning.FAILING, Outcome.UNJUDGED: CardWarning.UNJUDGED}


def warnings_of(
    proposal: Proposal, change: PairChange, evidence: Sequence[TextEvidence | None], edited: bool
) -> tuple[CardWarning, ...]:
    """All warnings about a pair, in the order of their definition, by the evidence of its text (positive first)."""
    found = {*_of_change(change, edited)}
    for polarity, seen in zip(Polarity, evidence, strict=True):
        found |= {*_of_evidence(proposal, polarity, seen)} if seen else {CardWarning.UNJUDGED}
    return tuple(warning for warning in CardWarning if warning in found)


def _of_change(change: PairChange, edited: bool) -> Iterator[CardWarning]:
    if edited:
        yield CardWarning.EDITED
    elif change.what == "dropped":
        yield CardWarning.DROPPED
    if change.what == "parked":
        yield CardWarning.PARKED


def _of_evidence(proposal: Proposal, polarity: Polarity, seen: TextEvidence) -> Iterator[CardWarning]:
    yield from (_BY_FLAG[flag] for flag in seen.flags)
    if seen.outcome in _BY_OUTCOME:
        yield _BY_OUTCOME[seen.outcome]
    if seen.verdict is Verdict.UNSURE or seen.flip is not None:
        yield CardWarning.UNSURE
    if any(abs(score - limit) <= _NEAR for score, limit in _limits(proposal, polarity, seen)):
        yield CardWarning.BORDERLINE


def _limits(proposal: Proposal, polarity: Polarity, seen: TextEvidence) -> Iterator[tuple[float, float]]:
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


class CardState(StrEnum):
    """Where a pair stands. stale: what was decided was decided on another text. applied: the dataset holds it."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    EDITED = "edited"
    DROPPED = "dropped"
    STALE = "stale"
    CONFLICT = "conflict"
    APPLIED = "applied"
    UNCHANGED = "unchanged"


PENDING = frozenset((CardState.OPEN, CardState.STALE, CardState.CONFLICT, CardState.EDITED))

DatasetEffect = Literal["replace", "append", "remove"]


@dataclass(frozen=True)
class Card:
    """One pair as a reviewer sees it.

    `ours` is the text at stake: the proposal's, or the edit's. `evidence` is of `ours`, positive first, None for what
    was never examined. `now` is the dataset's pair at present, at the 0-based `line`. In a `conflict` somebody changed
    or removed (`now` is None) that pair since the run: shown are `change.before`, `now` and `ours`. `decision` is the
    last one made on this pair, in force or, where the state is stale or conflict, no longer.
    """

    change: PairChange
    state: CardState
    ours: Pair
    evidence: tuple[TextEvidence | None, TextEvidence | None]
    now: Pair | None
    line: int | None
    conflict: bool
    edited: bool
    decision: Decision | None
    warnings: tuple[CardWarning, ...]

    @property
    def pair(self) -> str:
        return self.change.pair

    @property
    def what(self) -> ChangeKind:
        return self.change.what

    @property
    def is_pending(self) -> bool:
        """Whether a human has still to decide about this pair."""
        return self.state in PENDING

    @property
    def has_proposal(self) -> bool:
        """Whether there is anything to approve: what the run proposes, or an edit."""
        return self.what != "unchanged" or self.edited

    @property
    def is_unverified(self) -> bool:
        """Whether it is an edit without a passed check, which nobody can approve."""
        return self.edited and self.outcome is not Outcome.PASS

    @property
    def is_removal(self) -> bool:
        """Whether to approve means that the line leaves the dataset."""
        return self.what == "dropped" and not self.edited

    @property
    def base(self) -> str | None:
        """The key of the dataset's pair that would be replaced or removed."""
        return self.now.key if self.now else None

    @property
    def proposed(self) -> str | None:
        """The key of the proposal's text; None where the line is to leave."""
        return proposed_key(self.change)

    @property
    def key(self) -> str:
        """The key of exactly the pair that is decided on: the dataset's where no text would take its place."""
        return self.base or "" if self.is_removal or not self.has_proposal else self.ours.key

    @property
    def version_token(self) -> str:
        """Stands for all the texts that this card shows: whoever decides hands it back, as proof of what was seen."""
        return digest(self.pair, self.what, self.key, self.proposed or "", self.base or "")

    @property
    def view_token(self) -> str:
        """Stands for all that a reviewer has before their eyes: these texts, and the evidence for them."""
        found = (seen.model_dump_json() if seen else "" for seen in self.evidence)
        return sha256("\n".join((self.version_token, *found)).encode()).hexdigest()

    @property
    def outcome(self) -> Outcome:
        """The worse outcome of both sides of `ours`; unjudged where one was never examined."""
        return outcome_of(self.evidence)

    @property
    def effect(self) -> DatasetEffect | None:
        """What `apply` will do; None where the dataset stays as it is."""
        if self.state is CardState.DROPPED:
            return "remove"
        if self.state is not CardState.APPROVED:
            return None
        if self.is_removal:
            return "remove"
        return "append" if self.now is None else "replace"


def proposed_key(change: PairChange) -> str | None:
    """The key of what the proposal wants in the dataset; None where the line is to leave."""
    return None if change.what == "dropped" else change.after.key


def after_failing(card: Card) -> str:
    """What can be done about an edit that fails. In a conflict it is first decided whose text stands."""
    return "reject it first, then edit it again" if card.state is CardState.CONFLICT else "edit it again or reject it"


def outcome_of(evidence: Sequence[TextEvidence | None]) -> Outcome:
    """The worse of what was found."""
    outcomes = {found.outcome if found else Outcome.UNJUDGED for found in evidence}
    return next(o for o in (Outcome.FAIL, Outcome.UNJUDGED, Outcome.PASS) if o in outcomes)
