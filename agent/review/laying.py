"""Cards laid out from proposal, dataset and decisions; of those laid out before, only what has changed is made anew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.review.acts import Acts, edits
from agent.review.cards import Card, State, outcome_of, proposed_key
from agent.review.caution import cautions
from agent.review.proposal import Evidence, PairChange, Proposal
from agent.review.threeway import Place, locate
from agent.schema import Act, Decision, Finding, Outcome, Pair

_BY_ACT = {Act.REJECT: State.REJECTED, Act.DROP: State.DROPPED, Act.EDIT: State.EDITED}


def lay_out(proposal: Proposal, present: Sequence[Pair], recorded: Sequence[Decision]) -> tuple[Card, ...]:
    """A card for each pair that the dataset has or may get, in the proposal's order."""
    return Layout(proposal).lay(present, Acts(proposal.trait, recorded))


class _Wish:
    """One proposed change with what follows from it alone, and the edits of it that the log held last."""

    def __init__(self, change: PairChange) -> None:
        self.change, self.after, self.proposed = change, change.after, proposed_key(change)
        self.acts: Sequence[Decision] = ()
        self.edits: dict[str, Pair] = {}
        self._heard: Sequence[Decision] = ()

    def hear(self, acts: Sequence[Decision]) -> None:
        """Take the acts in force on this pair; those on another proposal for it do not count."""
        if acts is not self._heard:
            self._heard, self.acts = acts, [d for d in acts if self._is_about(d)]
            self.edits = {pair.key: pair for pair in edits(self.acts, self.after)}

    def _is_about(self, decision: Decision) -> bool:
        """Whether an act is about what is proposed now: made on it, or by an earlier proposal to the same effect."""
        if decision.proposed == self.proposed:
            return True
        if self.change.what == "dropped":
            return decision.act is Act.DROP
        return decision.act is Act.APPROVE and decision.key == self.proposed

    @property
    def wanted(self) -> set[str]:
        """The keys that the dataset may end up with for this pair."""
        return {*self.edits} if self.proposed is None else {*self.edits, self.proposed}


@dataclass(frozen=True)
class _Basis:
    """All that one card follows from, besides what is proposed."""

    place: Place
    acts: Sequence[Decision]
    found: tuple[Sequence[Finding], ...]


class Layout:
    """The cards of one proposal. A card is made anew only where something that it follows from has changed."""

    def __init__(self, proposal: Proposal) -> None:
        self._proposal = proposal
        kept = (c for c in proposal.changes if c.what != "dropped" or c.before is not None)
        self._wishes = [_Wish(change) for change in kept]
        self._present: tuple[Pair, ...] | None = None
        self._present_keys: frozenset[str] = frozenset()
        self._held: dict[str, frozenset[str]] = {}
        self._places: Mapping[str, Place] = {}
        self._made: dict[str, tuple[_Basis, Card]] = {}

    def lay(self, present: Sequence[Pair], acts: Acts) -> tuple[Card, ...]:
        """A card for each pair that the dataset has or may get, in the proposal's order."""
        for wish in self._wishes:
            wish.hear(acts.by_pair.get(wish.change.pair, ()))
        self._find(tuple(present))
        return tuple(self._card(wish, acts) for wish in self._wishes)

    def _find(self, present: tuple[Pair, ...]) -> None:
        """Where the pairs stand now. An edit can move none of them, unless the dataset holds its very texts."""
        is_new = present != self._present
        if is_new:
            self._present, self._present_keys = present, frozenset(pair.key for pair in present)
        found = {wish.change.pair: self._present_keys & wish.wanted for wish in self._wishes}
        held = {pair: keys for pair, keys in found.items() if keys}
        if is_new or held != self._held:
            self._held, self._places = held, locate([wish.change for wish in self._wishes], held, present)

    def _card(self, wish: _Wish, acts: Acts) -> Card:
        pair = wish.change.pair
        found = tuple(acts.findings.get(key, ()) for key in (wish.after.key, *wish.edits))
        basis = _Basis(self._places[pair], acts.by_pair.get(pair, ()), found)
        made = self._made.get(pair)
        if made is None or made[0] != basis:
            made = self._made[pair] = (basis, _Making(self._proposal, wish, basis.place, acts).card())
        return made[1]


class _Making:
    """One card in the making."""

    def __init__(self, proposal: Proposal, wish: _Wish, place: Place, acts: Acts) -> None:
        self.proposal, self.wish, self.place, self.acts = proposal, wish, place, acts
        self.change, self.edits = wish.change, wish.edits
        self.base = place.now.key if place.now else None
        self.mine = [d for d in wish.acts if d.base == self.base]

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
            conflict=self._is_conflict(decision) and state is not State.APPLIED,
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
        if self._is_conflict(latest):
            return State.CONFLICT, latest
        if latest is not None and latest.campaign == self.proposal.campaign:
            return State.STALE, latest
        return (State.UNCHANGED if self.change.what == "unchanged" else State.OPEN), None

    def _is_conflict(self, decision: Decision | None) -> bool:
        """Whether somebody else's text stands where ours would. Where nothing is proposed, only an edit is ours."""
        is_ours = self.change.what != "unchanged" or (decision is not None and decision.key in self.edits)
        return is_ours and self.place.how in ("changed", "gone")

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
        if self.change.what == "unchanged":
            return State.UNCHANGED  # the run's own text is none to put over what somebody else wrote since
        proposed = self.base if self.change.what == "dropped" else self.wish.proposed
        return State.APPROVED if last.key == proposed else State.STALE

    def _ours(self, decision: Decision | None) -> Pair:
        if self.place.how == "held" and self.place.now is not None and self.place.now.key in self.edits:
            return self.edits[self.place.now.key]
        return self.edits.get(decision.key, self.wish.after) if decision else self.wish.after

    def _evidence(self, ours: Pair) -> tuple[Evidence | None, Evidence | None]:
        found = self.acts.evidence(ours)
        if found is not None:
            return found
        if ours.key == self.wish.after.key:
            return self.change.sides[0].after.evidence, self.change.sides[1].after.evidence
        return None, None
