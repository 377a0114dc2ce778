"""What lies on the desk: one card for each pair of a proposal, with its evidence and where its decision stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from agent.record.decisions import in_force
from agent.review.caution import Caution, cautions
from agent.review.proposal import Evidence, PairChange, Proposal, What, evidence_of
from agent.review.threeway import Place, locate
from agent.schema import Act, Decision, Finding, Outcome, Pair, Scenario, digest, split_ending


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


Effect = Literal["replace", "append", "remove"]

_BY_ACT = {Act.REJECT: State.REJECTED, Act.DROP: State.DROPPED, Act.EDIT: State.EDITED}


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
        """The key of exactly the pair that is decided on."""
        return self.base or "" if self.leaves else self.ours.key

    @property
    def seal(self) -> str:
        """Stands for all the texts that this card shows: whoever decides hands it back, as proof of what was seen."""
        return digest(self.pair, self.what, self.key, self.proposed or "", self.base or "")

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


def outcome_of(evidence: Sequence[Evidence | None]) -> Outcome:
    """The worse of what was found."""
    outcomes = {found.outcome if found else Outcome.UNJUDGED for found in evidence}
    return next(o for o in (Outcome.FAIL, Outcome.UNJUDGED, Outcome.PASS) if o in outcomes)


def lay_out(proposal: Proposal, present: Sequence[Pair], recorded: Sequence[Decision]) -> tuple[Card, ...]:
    """A card for each pair that the dataset has or may get, in the proposal's order."""
    acts = _Acts(proposal.trait, recorded)
    changes = [c for c in proposal.changes if c.what != "dropped" or c.before is not None]
    wanted = {c.pair: {key for key in (proposed_key(c), *acts.edits(c)) if key is not None} for c in changes}
    places = locate(changes, wanted, present)
    return tuple(_Layout(proposal, change, places[change.pair], acts).card() for change in changes)


class _Acts:
    """What the log says, by pair: the acts in force by time, and what edited texts were found to be."""

    def __init__(self, trait: str, recorded: Sequence[Decision]) -> None:
        self.by_pair: dict[str, list[Decision]] = {}
        self.findings: dict[str, tuple[Finding, ...]] = {}
        for decision in in_force([d for d in recorded if d.trait == trait]):
            if decision.act is Act.RECHECK:
                self.findings[decision.key] = decision.findings
            else:
                self.by_pair.setdefault(decision.pair, []).append(decision)

    def of(self, change: PairChange) -> list[Decision]:
        """All acts on a pair that are about just what is proposed for it now."""
        return [d for d in self.by_pair.get(change.pair, ()) if _is_about(d, change)]

    def edits(self, change: PairChange) -> dict[str, Pair]:
        """The texts that humans gave a pair, by key; a line whose key is not that of its texts is none."""
        made = {d.key: edited_pair(change.after, d.positive or "", d.negative or "")
                for d in self.of(change) if d.act is Act.EDIT}  # fmt: skip
        return {key: pair for key, pair in made.items() if pair.key == key}

    def evidence(self, pair: Pair) -> tuple[Evidence, Evidence] | None:
        """What an edited pair was found to be, where it was rechecked."""
        found = {finding.key: finding for finding in self.findings.get(pair.key, ())}
        positive, negative = (found.get(side.key) for side in pair.sides)
        return (evidence_of(positive), evidence_of(negative)) if positive and negative else None


def _is_about(decision: Decision, change: PairChange) -> bool:
    """Whether an act is about what is proposed now: made on it, or by an earlier proposal to the same effect."""
    if decision.proposed == proposed_key(change):
        return True
    if change.what == "dropped":
        return decision.act is Act.DROP
    return decision.act is Act.APPROVE and decision.key == proposed_key(change)


class _Layout:
    """One card in the making."""

    def __init__(self, proposal: Proposal, change: PairChange, place: Place, acts: _Acts) -> None:
        self.proposal, self.change, self.place, self.acts = proposal, change, place, acts
        self.edits = acts.edits(change)
        self.base = place.now.key if place.now else None
        self.mine = [d for d in acts.of(change) if d.base == self.base]
        self.conflict = place.how in ("changed", "gone") and change.what != "unchanged"

    def card(self) -> Card:
        state, decision = self._state()
        ours = self._ours(decision)
        edited = ours.key in self.edits
        evidence = self._evidence(ours)
        return Card(
            change=self.change,
            state=state,
            ours=ours,
            evidence=evidence,
            now=self.place.now,
            line=self.place.line,
            conflict=self.conflict and state is not State.APPLIED,
            edited=edited,
            decision=decision,
            cautions=cautions(self.proposal, self.change, evidence, edited),
        )

    def _state(self) -> tuple[State, Decision | None]:
        others = self.acts.by_pair.get(self.change.pair, [])
        latest = others[-1] if others else None
        if self._is_applied(latest):
            return State.APPLIED, latest
        if self.mine:
            return self._decided(self.mine[-1]), self.mine[-1]
        if self.conflict:
            return State.CONFLICT, latest
        if latest is not None and latest.campaign == self.proposal.campaign:
            return State.STALE, latest
        return (State.UNCHANGED if self.change.what == "unchanged" else State.OPEN), None

    def _is_applied(self, latest: Decision | None) -> bool:
        if self.place.how == "held":
            return True
        dropped = self.change.what == "dropped" or (latest is not None and latest.act is Act.DROP)
        return self.place.how == "gone" and dropped

    def _decided(self, last: Decision) -> State:
        """The state that the last act on exactly these texts gives."""
        if last.act is not Act.APPROVE:
            return _BY_ACT[last.act]
        if last.key in self.edits:
            # An approval that came in by an import may be of an edit that was never rechecked here.
            found = self._evidence(self.edits[last.key])
            return State.APPROVED if outcome_of(found) is Outcome.PASS else State.EDITED
        proposed = self.base if self.change.what == "dropped" else proposed_key(self.change)
        return State.APPROVED if last.key == proposed else State.STALE

    def _ours(self, decision: Decision | None) -> Pair:
        if self.place.how == "held" and self.place.now is not None and self.place.now.key in self.edits:
            return self.edits[self.place.now.key]
        return self.edits.get(decision.key, self.change.after) if decision else self.change.after

    def _evidence(self, ours: Pair) -> tuple[Evidence | None, Evidence | None]:
        found = self.acts.evidence(ours)
        if found is not None:
            return found
        if ours.key == self.change.after.key:
            return self.change.sides[0].after.evidence, self.change.sides[1].after.evidence
        return None, None


def edited_pair(of: Pair, positive: str, negative: str) -> Pair:
    """The pair with other texts; its id and system prompts stay."""
    return of.model_copy(
        update={"positive": _rewritten(of.positive, positive), "negative": _rewritten(of.negative, negative)}
    )


def _rewritten(scenario: Scenario, text: str) -> Scenario:
    if text == scenario.text:
        return scenario
    stem, ending = split_ending(text)
    return scenario.model_copy(update={"stem": stem, "ending": ending, "flags": ()})
