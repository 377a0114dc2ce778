"""Cards built from a proposal, the dataset as it is now, and the decisions in force."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.review.cards import Card, CardState, outcome_of, proposed_key, warnings_of
from agent.review.decision_index import DecisionIndex, edits
from agent.review.matching import PairLocation, match_pairs
from agent.review.proposal import PairChange, Proposal, TextEvidence
from agent.schema import Act, Decision, Finding, Outcome, Pair

_STATE_AFTER = {Act.REJECT: CardState.REJECTED, Act.DROP: CardState.DROPPED, Act.EDIT: CardState.EDITED}


def build_cards(proposal: Proposal, present: Sequence[Pair], decisions: Sequence[Decision]) -> tuple[Card, ...]:
    """A card for each pair that the dataset has or may get, in the proposal's order."""
    return CardBuilder(proposal).build(present, DecisionIndex(proposal.trait, decisions))


class CardBuilder:
    """Builds the cards of one proposal repeatedly. A card is rebuilt only if one of its inputs has changed."""

    def __init__(self, proposal: Proposal) -> None:
        self._proposal = proposal
        kept = (c for c in proposal.changes if c.what != "dropped" or c.before is not None)
        self._changes = [_ProposedChange(change) for change in kept]
        self._present: tuple[Pair, ...] | None = None
        self._present_keys: frozenset[str] = frozenset()
        self._held: dict[str, frozenset[str]] = {}
        self._locations: Mapping[str, PairLocation] = {}
        self._built: dict[str, tuple[_Inputs, Card]] = {}

    def build(self, present: Sequence[Pair], decisions: DecisionIndex) -> tuple[Card, ...]:
        """A card for each pair that the dataset has or may get, in the proposal's order."""
        for change in self._changes:
            change.update(decisions.by_pair.get(change.pair, ()))
        self._locate(tuple(present))
        return tuple(self._card(change, decisions) for change in self._changes)

    def _locate(self, present: tuple[Pair, ...]) -> None:
        """Find the pairs in the dataset. An edit moves none of them, unless the dataset holds exactly its texts."""
        is_new = present != self._present
        if is_new:
            self._present, self._present_keys = present, frozenset(pair.key for pair in present)
        found = {change.pair: self._present_keys & change.wanted_keys for change in self._changes}
        held = {pair: keys for pair, keys in found.items() if keys}
        if is_new or held != self._held:
            self._held = held
            self._locations = match_pairs([change.change for change in self._changes], held, present)

    def _card(self, change: "_ProposedChange", decisions: DecisionIndex) -> Card:
        findings = tuple(decisions.findings.get(key, ()) for key in (change.after.key, *change.edits))
        inputs = _Inputs(self._locations[change.pair], decisions.by_pair.get(change.pair, ()), findings)
        built = self._built.get(change.pair)
        if built is None or built[0] != inputs:
            card = _SingleCardBuilder(self._proposal, change, inputs.location, decisions).card()
            built = self._built[change.pair] = (inputs, card)
        return built[1]


@dataclass(frozen=True)
class _Inputs:
    """All that one card depends on besides the proposal."""

    location: PairLocation
    decisions: Sequence[Decision]
    findings: tuple[Sequence[Finding], ...]


class _ProposedChange:
    """One proposed change, and the decisions and edits on exactly this change."""

    def __init__(self, change: PairChange) -> None:
        self.change, self.pair, self.after, self.proposed = change, change.pair, change.after, proposed_key(change)
        self.decisions: Sequence[Decision] = ()
        self.edits: dict[str, Pair] = {}
        self._all_decisions: Sequence[Decision] = ()

    def update(self, decisions: Sequence[Decision]) -> None:
        """Take the decisions in force on this pair. Those on another proposal for it do not count."""
        if decisions is not self._all_decisions:
            self._all_decisions, self.decisions = decisions, [d for d in decisions if self._is_about(d)]
            self.edits = {pair.key: pair for pair in edits(self.decisions, self.after)}

    def _is_about(self, decision: Decision) -> bool:
        """Whether a decision was made on this proposal, or on an earlier one to the same effect."""
        if decision.proposed == self.proposed:
            return True
        if self.change.what == "dropped":
            return decision.act is Act.DROP
        return decision.act is Act.APPROVE and decision.key == self.proposed

    @property
    def wanted_keys(self) -> set[str]:
        """The keys that the dataset may end up with for this pair."""
        return {*self.edits} if self.proposed is None else {*self.edits, self.proposed}


class _SingleCardBuilder:
    """One card: which decision counts, the state that follows, the text at stake and its evidence."""

    def __init__(
        self, proposal: Proposal, proposed: _ProposedChange, location: PairLocation, decisions: DecisionIndex
    ) -> None:
        self.proposal, self.proposed, self.location, self.decisions = proposal, proposed, location, decisions
        self.change, self.edits = proposed.change, proposed.edits
        self.base = location.now.key if location.now else None
        self.on_these_texts = [d for d in proposed.decisions if d.base == self.base]

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
            now=self.location.now,
            line=self.location.line,
            conflict=self._is_conflict(decision) and state is not CardState.APPLIED,
            edited=edited,
            decision=decision,
            warnings=warnings_of(self.proposal, self.change, evidence, edited),
        )

    def _state(self) -> tuple[CardState, Decision | None]:
        on_pair = self.decisions.by_pair.get(self.change.pair, [])
        latest = on_pair[-1] if on_pair else None
        if self._is_applied(latest):
            return CardState.APPLIED, latest
        if self.on_these_texts:
            return self._decided(self.on_these_texts[-1]), self.on_these_texts[-1]
        if self._is_conflict(latest):
            return CardState.CONFLICT, latest
        if latest is not None and latest.campaign == self.proposal.campaign:
            return CardState.STALE, latest
        return (CardState.UNCHANGED if self.change.what == "unchanged" else CardState.OPEN), None

    def _is_conflict(self, decision: Decision | None) -> bool:
        """Whether the dataset's pair was changed or removed where something is proposed, or was edited."""
        has_ours = self.change.what != "unchanged" or (decision is not None and decision.key in self.edits)
        return has_ours and self.location.match in ("changed", "gone")

    def _is_applied(self, latest: Decision | None) -> bool:
        if self.location.match == "held":
            return True
        dropped = self.change.what == "dropped" or (latest is not None and latest.act is Act.DROP)
        return self.location.match == "gone" and dropped

    def _decided(self, last: Decision) -> CardState:
        """The state after the last decision on exactly these texts."""
        if last.act is not Act.APPROVE:
            return _STATE_AFTER[last.act]
        if last.key in self.edits:
            # An imported approval may be of an edit that was never rechecked here.
            found = self._evidence(self.edits[last.key])
            return CardState.APPROVED if outcome_of(found) is Outcome.PASS else CardState.EDITED
        if self.change.what == "unchanged":
            return CardState.UNCHANGED  # the run's own text never replaces what somebody wrote since
        proposed = self.base if self.change.what == "dropped" else self.proposed.proposed
        return CardState.APPROVED if last.key == proposed else CardState.STALE

    def _ours(self, decision: Decision | None) -> Pair:
        location = self.location
        if location.match == "held" and location.now is not None and location.now.key in self.edits:
            return self.edits[location.now.key]
        return self.edits.get(decision.key, self.proposed.after) if decision else self.proposed.after

    def _evidence(self, ours: Pair) -> tuple[TextEvidence | None, TextEvidence | None]:
        found = self.decisions.evidence(ours)
        if found is not None:
            return found
        if ours.key == self.proposed.after.key:
            return self.change.sides[0].after.evidence, self.change.sides[1].after.evidence
        return None, None
