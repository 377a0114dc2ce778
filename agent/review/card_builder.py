"""Review cards: a proposal, the dataset as it is, and the decisions in force, kept up to date with the files."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.review.cards import Card, CardState, outcome_of, proposed_key, warnings_of
from agent.review.matching import PairLocation, match_pairs
from agent.review.proposal import PairChange, Proposal, TextEvidence, evidence_of
from agent.schema import Act, Decision, Finding, Outcome, Pair, Scenario, split_ending
from agent.storage.decision_log import DecisionError, DecisionLog, parse_decisions

_Group = tuple[bool, str]  # (True, key of a rechecked pair) or (False, id of a pair decided on)


class DecisionIndex:
    """One trait's decisions. Lines may be added in any order and more than once, because logs are merged.

    `by_pair` has the decisions in force by time; the list of a pair is replaced whenever it changes. `findings` are
    those of the last recheck, by the key of the rechecked pair. `latest` is the decision with the latest time.
    """

    def __init__(self, trait: str, decisions: Iterable[Decision] = ()) -> None:
        self.by_pair: dict[str, list[Decision]] = {}
        self.findings: dict[str, tuple[Finding, ...]] = {}
        self.latest: Decision | None = None
        self._trait = trait
        self._by_id: dict[str, Decision] = {}
        self._undone: set[str] = set()
        self._groups: dict[_Group, list[str]] = {}
        self.add(decisions)

    def add(self, decisions: Iterable[Decision]) -> None:
        """Add lines of the log."""
        changed = {group for decision in decisions if (group := self._add_one(decision)) is not None}
        for group in changed:
            self._update(group)

    def in_force(self) -> list[Decision]:
        """All decisions in force, by time. Rechecks are left out: they decide nothing."""
        found = (d for id_, d in self._by_id.items() if id_ not in self._undone and d.act is not Act.RECHECK)
        return sorted(found, key=_when)

    def evidence(self, pair: Pair) -> tuple[TextEvidence, TextEvidence] | None:
        """The findings of a pair's last recheck, positive first; None if it was never rechecked."""
        found = {finding.key: finding for finding in self.findings.get(pair.key, ())}
        positive, negative = (found.get(side.key) for side in pair.sides)
        return (evidence_of(positive), evidence_of(negative)) if positive and negative else None

    def _add_one(self, decision: Decision) -> _Group | None:
        """Add one line; return the group that it changes, None if it changes nothing."""
        if self.latest is None or decision.when > self.latest.when:
            self.latest = decision
        if decision.trait != self._trait:
            return None
        if decision.undone is not None:
            self._undone.add(decision.undone)
            target = self._by_id.get(decision.undone)
            return _group(target) if target is not None else None
        group, id_ = _group(decision), decision.id
        if id_ not in self._by_id:
            self._by_id[id_] = decision
            self._groups.setdefault(group, []).append(id_)
        return group

    def _update(self, group: _Group) -> None:
        in_force = sorted((self._by_id[id_] for id_ in self._groups[group] if id_ not in self._undone), key=_when)
        is_recheck, name = group
        if not is_recheck:
            self.by_pair[name] = in_force
        elif in_force:
            self.findings[name] = in_force[-1].findings
        else:
            self.findings.pop(name, None)


def _group(decision: Decision) -> _Group:
    return (True, decision.key) if decision.act is Act.RECHECK else (False, decision.pair)


def _when(decision: Decision) -> str:
    return decision.when


def edits(decisions: Sequence[Decision], after: Pair) -> Iterator[Pair]:
    """The edited versions of a pair. An edit whose key does not match its texts is ignored."""
    for decision in decisions:
        if decision.act is Act.EDIT:
            pair = edited_pair(after, decision.positive or "", decision.negative or "")
            if pair.key == decision.key:
                yield pair


def edited_pair(pair: Pair, positive: str, negative: str) -> Pair:
    """The pair with other texts; its id and system prompts stay."""
    return pair.model_copy(
        update={"positive": _with_text(pair.positive, positive), "negative": _with_text(pair.negative, negative)}
    )


def _with_text(scenario: Scenario, text: str) -> Scenario:
    if text == scenario.text:
        return scenario
    stem, ending = split_ending(text)
    return scenario.model_copy(update={"stem": stem, "ending": ending, "flags": ()})


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


_FileStamp = tuple[int, int, int] | None  # inode, modification time in ns, size


class LiveCards:
    """Thread-safe view of the current cards. Each call includes all that was stored, by any process, before it."""

    def __init__(self, proposal: Proposal, dataset: Callable[[], Sequence[Pair]], log: DecisionLog) -> None:
        self._trait, self._dataset, self._log = proposal.trait, dataset, log
        self._lock = threading.RLock()
        self._builder = CardBuilder(proposal)
        self._decisions = DecisionIndex(self._trait)
        self._read, self._revision = b"", 0
        self._stamp: _FileStamp = None
        self._built_from: tuple[DecisionIndex, int, Sequence[Pair]] | None = None
        self._cards: tuple[Card, ...] = ()
        self._positions: dict[str, int] = {}

    def cards(self) -> tuple[Card, ...]:
        """Every pair as it is now; the same tuple as before if nothing has changed.

        Raises DecisionError or DatasetError.
        """
        with self._lock:
            decisions, present = self._refreshed(), self._dataset()
            built = self._built_from
            if built is None or built[:2] != (decisions, self._revision) or built[2] is not present:
                cards = self._builder.build(present, decisions)
                self._cards = self._cards if cards == self._cards else cards
                self._positions = {card.pair: position for position, card in enumerate(self._cards)}
                self._built_from = decisions, self._revision, present
            return self._cards

    def card(self, pair: str) -> Card | None:
        """One pair's card; None if the proposal has no such pair."""
        with self._lock:
            cards, position = self.cards(), self._positions.get(pair)
            return None if position is None else cards[position]

    def in_force(self) -> list[Decision]:
        """All decisions in force, by time. Raises DecisionError."""
        with self._lock:
            return self._refreshed().in_force()

    def latest(self) -> Decision | None:
        """The decision with the latest time. Raises DecisionError."""
        with self._lock:
            return self._refreshed().latest

    def _refreshed(self) -> DecisionIndex:
        """The index of the log as it is now. The caller holds the lock while using it."""
        stamp = self._file_stamp()
        if stamp is None or stamp != self._stamp:
            self._add(self._content())
            self._stamp = stamp
        return self._decisions

    def _file_stamp(self) -> _FileStamp:
        try:
            found = self._log.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _content(self) -> bytes:
        try:
            return self._log.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise DecisionError(f"{self._log.path} cannot be read: {error}.") from error

    def _add(self, content: bytes) -> None:
        """Add what was appended to the log. A log that was rewritten is read from its beginning."""
        if not content.startswith(self._read):
            self._decisions, self._read = DecisionIndex(self._trait), b""
        try:
            new = parse_decisions(content[len(self._read) :], str(self._log.path)).decisions
        except DecisionError:
            self._log.read()  # raises with the line number in the whole file
            raise
        self._decisions.add(new)
        self._read = content[: content.rfind(b"\n") + 1]  # a last line without its line feed is read again
        self._revision += bool(new)
