"""What lies on the desk: one card for each pair of a proposal, with its evidence and where its decision stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Literal

from agent.review.caution import Caution
from agent.review.proposal import Evidence, PairChange, What
from agent.schema import Decision, Outcome, Pair, digest


class State(StrEnum):
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


WAITING = frozenset((State.OPEN, State.STALE, State.CONFLICT, State.EDITED))

EDITS = {
    Outcome.PASS: "edited, to approve",
    Outcome.FAIL: "edited, fails its check",
    Outcome.UNJUDGED: "edited, not checked",
}

Effect = Literal["replace", "append", "remove"]


@dataclass(frozen=True)
class Card:
    """One pair as a reviewer sees it.

    `ours` is the text at stake: the proposal's, or the edit's. `evidence` is of `ours`, positive first, None for what
    was never examined. `now` is the dataset's pair at present, at the 0-based `line`. In a `conflict` somebody changed
    or removed (`now` is None) that pair since the run: shown are `change.before`, `now` and `ours`. `decision` is the
    last one made on this pair, in force or, where the state is stale or conflict, no longer.
    """

    change: PairChange
    state: State
    ours: Pair
    evidence: tuple[Evidence | None, Evidence | None]
    now: Pair | None
    line: int | None
    conflict: bool
    edited: bool
    decision: Decision | None
    cautions: tuple[Caution, ...]

    @property
    def pair(self) -> str:
        return self.change.pair

    @property
    def what(self) -> What:
        return self.change.what

    @property
    def waits(self) -> bool:
        """Whether a human has still to decide about this pair."""
        return self.state in WAITING

    @property
    def proposes(self) -> bool:
        """Whether there is anything to approve: what the run proposes, or an edit."""
        return self.what != "unchanged" or self.edited

    @property
    def is_unproven(self) -> bool:
        """Whether it is an edit without a passed check, which nobody can approve."""
        return self.edited and self.outcome is not Outcome.PASS

    @property
    def leaves(self) -> bool:
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
        return self.base or "" if self.leaves or not self.proposes else self.ours.key

    @property
    def seal(self) -> str:
        """Stands for all the texts that this card shows: whoever decides hands it back, as proof of what was seen."""
        return digest(self.pair, self.what, self.key, self.proposed or "", self.base or "")

    @property
    def sight(self) -> str:
        """Stands for all that a reviewer has before their eyes: these texts, and the evidence for them."""
        found = (seen.model_dump_json() if seen else "" for seen in self.evidence)
        return sha256("\n".join((self.seal, *found)).encode()).hexdigest()

    @property
    def outcome(self) -> Outcome:
        """The worse outcome of both sides of `ours`; unjudged where one was never examined."""
        return outcome_of(self.evidence)

    @property
    def effect(self) -> Effect | None:
        """What `apply` will do; None where the dataset stays as it is."""
        if self.state is State.DROPPED:
            return "remove"
        if self.state is not State.APPROVED:
            return None
        if self.leaves:
            return "remove"
        return "append" if self.now is None else "replace"


def proposed_key(change: PairChange) -> str | None:
    """The key of what the proposal wants in the dataset; None where the line is to leave."""
    return None if change.what == "dropped" else change.after.key


def after_failing(card: Card) -> str:
    """What can be done about an edit that fails. In a conflict it is first decided whose text stands."""
    return "reject it first, then edit it again" if card.state is State.CONFLICT else "edit it again or reject it"


def outcome_of(evidence: Sequence[Evidence | None]) -> Outcome:
    """The worse of what was found."""
    outcomes = {found.outcome if found else Outcome.UNJUDGED for found in evidence}
    return next(o for o in (Outcome.FAIL, Outcome.UNJUDGED, Outcome.PASS) if o in outcomes)
