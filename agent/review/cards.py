"""Card: one pair as a reviewer sees it, with its state, its text, its evidence and its warnings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Literal

from agent.review.proposal import ChangeKind, PairChange, Proposal, TextEvidence
from agent.schema import Decision, Flag, Outcome, Pair, Polarity, Verdict, digest, gating_questions

_NEAR = 5.0  # points from a threshold (scores are 0 to 100); chosen by judgement


class CardWarning(StrEnum):
    """Reason to look at a pair before approving it; a pair without any is unflagged."""

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
    """The warnings of a pair, in the order of their definition. `evidence` is that of its texts, positive first."""
    found = {*_of_change(change, edited)}
    for polarity, side in zip(Polarity, evidence, strict=True):
        found |= {*_of_evidence(proposal, polarity, side)} if side else {CardWarning.UNJUDGED}
    return tuple(warning for warning in CardWarning if warning in found)


def _of_change(change: PairChange, edited: bool) -> Iterator[CardWarning]:
    if edited:
        yield CardWarning.EDITED
    elif change.what == "dropped":
        yield CardWarning.DROPPED
    if change.what == "parked":
        yield CardWarning.PARKED


def _of_evidence(proposal: Proposal, polarity: Polarity, evidence: TextEvidence) -> Iterator[CardWarning]:
    yield from (_BY_FLAG[flag] for flag in evidence.flags)
    if evidence.outcome in _BY_OUTCOME:
        yield _BY_OUTCOME[evidence.outcome]
    if evidence.verdict is Verdict.UNSURE or evidence.flip is not None:
        yield CardWarning.UNSURE
    if any(abs(score - limit) <= _NEAR for score, limit in _scores(proposal, polarity, evidence)):
        yield CardWarning.BORDERLINE


def _scores(proposal: Proposal, polarity: Polarity, evidence: TextEvidence) -> Iterator[tuple[float, float]]:
    """(score, threshold) of every question that can fail a text in this mode."""
    for question in gating_questions(proposal.mode):
        if (score := evidence.score(question)) is not None:
            yield score, proposal.rules.criterion(question, proposal.mode, polarity).threshold


class CardState(StrEnum):
    """State of a pair. stale: its decision was made on other texts. applied: the dataset already holds it."""

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

    `ours` is the text at stake: the proposal's, or the edit's. `evidence` is that of `ours`, positive first; None for
    a text that was never examined. `now` is the dataset's pair, at the 0-based `line`. In a `conflict` that pair was
    changed or removed (`now` is None) since the run. `decision` is the last one on this pair; if the state is stale
    or conflict, it no longer counts.
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
        """Whether the pair still needs a decision."""
        return self.state in PENDING

    @property
    def has_proposal(self) -> bool:
        """Whether there is anything to approve: a change by the run, or an edit."""
        return self.what != "unchanged" or self.edited

    @property
    def is_unverified(self) -> bool:
        """Whether it is an edit that has not passed its check, and so cannot be approved."""
        return self.edited and self.outcome is not Outcome.PASS

    @property
    def is_removal(self) -> bool:
        """Whether approving removes the line from the dataset."""
        return self.what == "dropped" and not self.edited

    @property
    def base(self) -> str | None:
        """The key of the dataset's pair that would be replaced or removed."""
        return self.now.key if self.now else None

    @property
    def proposed(self) -> str | None:
        """The key of the proposed pair; None if the line is to be removed."""
        return proposed_key(self.change)

    @property
    def key(self) -> str:
        """The key of the pair that a decision is about: the dataset's if no text would replace it."""
        return self.base or "" if self.is_removal or not self.has_proposal else self.ours.key

    @property
    def version_token(self) -> str:
        """Hash of all texts on this card; a decision hands it back as proof of what the reviewer saw."""
        return digest(self.pair, self.what, self.key, self.proposed or "", self.base or "")

    @property
    def view_token(self) -> str:
        """Hash of all that a reviewer sees: the texts and their evidence."""
        found = (side.model_dump_json() if side else "" for side in self.evidence)
        return sha256("\n".join((self.version_token, *found)).encode()).hexdigest()

    @property
    def outcome(self) -> Outcome:
        """The worse outcome of the two sides of `ours`; unjudged if one was never examined."""
        return outcome_of(self.evidence)

    @property
    def effect(self) -> DatasetEffect | None:
        """What `apply` will do with this pair; None if the dataset stays as it is."""
        if self.state is CardState.DROPPED:
            return "remove"
        if self.state is not CardState.APPROVED:
            return None
        if self.is_removal:
            return "remove"
        return "append" if self.now is None else "replace"


def proposed_key(change: PairChange) -> str | None:
    """The key of the proposed pair; None if the line is to be removed."""
    return None if change.what == "dropped" else change.after.key


def after_failing(card: Card) -> str:
    """What to do about an edit that fails its check. A conflict has to be resolved first."""
    return "reject it first, then edit it again" if card.state is CardState.CONFLICT else "edit it again or reject it"


def outcome_of(evidence: Sequence[TextEvidence | None]) -> Outcome:
    """The worst outcome; unjudged for a side without evidence."""
    outcomes = {found.outcome if found else Outcome.UNJUDGED for found in evidence}
    return next(o for o in (Outcome.FAIL, Outcome.UNJUDGED, Outcome.PASS) if o in outcomes)
