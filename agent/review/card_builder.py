"""What a decision log says by now: the acts in force on each pair, and what edited texts were found to be."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.review.cards import Card, CardState, outcome_of, proposed_key, warnings_of
from agent.review.matching import PairLocation, match_pairs
from agent.review.proposal import PairChange, Proposal, TextEvidence, evidence_of
from agent.schema import Act, Decision, Finding, Outcome, Pair, Scenario, split_ending
from agent.storage.decision_log import DecisionError, DecisionLog, parse_decisions

_Group = tuple[bool, str]  # whether it holds rechecks; the key that was rechecked, or the pair that was decided on


class DecisionIndex:
    """One trait's acts. Lines may be heard in any order and more than once, since logs are merged.

    `by_pair` gives the acts in force by time; the list of a pair is a new one whenever it changes. `findings` are those
    of the last recheck, by the key of the pair that was rechecked. `latest` is the last moment of any line.
    """

    def __init__(self, trait: str, recorded: Iterable[Decision] = ()) -> None:
        self.by_pair: dict[str, list[Decision]] = {}
        self.findings: dict[str, tuple[Finding, ...]] = {}
        self.latest: Decision | None = None
        self._trait = trait
        self._known: dict[str, Decision] = {}
        self._undone: set[str] = set()
        self._groups: dict[_Group, list[str]] = {}
        self.hear(recorded)

    def hear(self, recorded: Iterable[Decision]) -> None:
        """Take in more lines of the log."""
        touched = {group for decision in recorded if (group := self._heard(decision)) is not None}
        for group in touched:
            self._sum_up(group)

    def in_force(self) -> list[Decision]:
        """All acts that stand, by time; rechecks, which decide nothing, are left out."""
        found = (d for id_, d in self._known.items() if id_ not in self._undone and d.act is not Act.RECHECK)
        return sorted(found, key=_when)

    def evidence(self, pair: Pair) -> tuple[TextEvidence, TextEvidence] | None:
        """What a pair was found to be, where it was rechecked."""
        found = {finding.key: finding for finding in self.findings.get(pair.key, ())}
        positive, negative = (found.get(side.key) for side in pair.sides)
        return (evidence_of(positive), evidence_of(negative)) if positive and negative else None

    def _heard(self, decision: Decision) -> _Group | None:
        """The group that a line changes; None for a line that changes nothing here."""
        if self.latest is None or decision.when > self.latest.when:
            self.latest = decision
        if decision.trait != self._trait:
            return None
        if decision.undone is not None:
            self._undone.add(decision.undone)
            target = self._known.get(decision.undone)
            return _group(target) if target is not None else None
        group, id_ = _group(decision), decision.id
        if id_ not in self._known:
            self._known[id_] = decision
            self._groups.setdefault(group, []).append(id_)
        return group

    def _sum_up(self, group: _Group) -> None:
        stand = sorted((self._known[id_] for id_ in self._groups[group] if id_ not in self._undone), key=_when)
        is_recheck, name = group
        if not is_recheck:
            self.by_pair[name] = stand
        elif stand:
            self.findings[name] = stand[-1].findings
        else:
            self.findings.pop(name, None)


def _group(decision: Decision) -> _Group:
    return (True, decision.key) if decision.act is Act.RECHECK else (False, decision.pair)


def _when(decision: Decision) -> str:
    return decision.when


def edits(acts: Sequence[Decision], after: Pair) -> Iterator[Pair]:
    """The texts that humans gave a pair; a line whose key is not that of its texts is none."""
    for decision in acts:
        if decision.act is Act.EDIT:
            pair = edited_pair(after, decision.positive or "", decision.negative or "")
            if pair.key == decision.key:
                yield pair


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


_BY_ACT = {Act.REJECT: CardState.REJECTED, Act.DROP: CardState.DROPPED, Act.EDIT: CardState.EDITED}


def build_cards(proposal: Proposal, present: Sequence[Pair], recorded: Sequence[Decision]) -> tuple[Card, ...]:
    """A card for each pair that the dataset has or may get, in the proposal's order."""
    return CardBuilder(proposal).lay(present, DecisionIndex(proposal.trait, recorded))


class _ProposedChange:
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
class _Inputs:
    """All that one card follows from, besides what is proposed."""

    place: PairLocation
    acts: Sequence[Decision]
    found: tuple[Sequence[Finding], ...]


class CardBuilder:
    """The cards of one proposal. A card is made anew only where something that it follows from has changed."""

    def __init__(self, proposal: Proposal) -> None:
        self._proposal = proposal
        kept = (c for c in proposal.changes if c.what != "dropped" or c.before is not None)
        self._wishes = [_ProposedChange(change) for change in kept]
        self._present: tuple[Pair, ...] | None = None
        self._present_keys: frozenset[str] = frozenset()
        self._held: dict[str, frozenset[str]] = {}
        self._places: Mapping[str, PairLocation] = {}
        self._made: dict[str, tuple[_Inputs, Card]] = {}

    def lay(self, present: Sequence[Pair], acts: DecisionIndex) -> tuple[Card, ...]:
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
            self._held, self._places = held, match_pairs([wish.change for wish in self._wishes], held, present)

    def _card(self, wish: _ProposedChange, acts: DecisionIndex) -> Card:
        pair = wish.change.pair
        found = tuple(acts.findings.get(key, ()) for key in (wish.after.key, *wish.edits))
        basis = _Inputs(self._places[pair], acts.by_pair.get(pair, ()), found)
        made = self._made.get(pair)
        if made is None or made[0] != basis:
            made = self._made[pair] = (basis, _Making(self._proposal, wish, basis.place, acts).card())
        return made[1]


class _Making:
    """One card in the making."""

    def __init__(self, proposal: Proposal, wish: _ProposedChange, place: PairLocation, acts: DecisionIndex) -> None:
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
            conflict=self._is_conflict(decision) and state is not CardState.APPLIED,
            edited=edited,
            decision=decision,
            warnings=warnings_of(self.proposal, self.change, evidence, edited),
        )

    def _state(self) -> tuple[CardState, Decision | None]:
        others = self.acts.by_pair.get(self.change.pair, [])
        latest = others[-1] if others else None
        if self._is_applied(latest):
            return CardState.APPLIED, latest
        if self.mine:
            return self._decided(self.mine[-1]), self.mine[-1]
        if self._is_conflict(latest):
            return CardState.CONFLICT, latest
        if latest is not None and latest.campaign == self.proposal.campaign:
            return CardState.STALE, latest
        return (CardState.UNCHANGED if self.change.what == "unchanged" else CardState.OPEN), None

    def _is_conflict(self, decision: Decision | None) -> bool:
        """Whether somebody else's text stands where ours would. Where nothing is proposed, only an edit is ours."""
        is_ours = self.change.what != "unchanged" or (decision is not None and decision.key in self.edits)
        return is_ours and self.place.how in ("changed", "gone")

    def _is_applied(self, latest: Decision | None) -> bool:
        if self.place.how == "held":
            return True
        dropped = self.change.what == "dropped" or (latest is not None and latest.act is Act.DROP)
        return self.place.how == "gone" and dropped

    def _decided(self, last: Decision) -> CardState:
        """The state that the last act on exactly these texts gives."""
        if last.act is not Act.APPROVE:
            return _BY_ACT[last.act]
        if last.key in self.edits:
            # An approval that came in by an import may be of an edit that was never rechecked here.
            found = self._evidence(self.edits[last.key])
            return CardState.APPROVED if outcome_of(found) is Outcome.PASS else CardState.EDITED
        if self.change.what == "unchanged":
            return CardState.UNCHANGED  # the run's own text is none to put over what somebody else wrote since
        proposed = self.base if self.change.what == "dropped" else self.wish.proposed
        return CardState.APPROVED if last.key == proposed else CardState.STALE

    def _ours(self, decision: Decision | None) -> Pair:
        if self.place.how == "held" and self.place.now is not None and self.place.now.key in self.edits:
            return self.edits[self.place.now.key]
        return self.edits.get(decision.key, self.wish.after) if decision else self.wish.after

    def _evidence(self, ours: Pair) -> tuple[TextEvidence | None, TextEvidence | None]:
        found = self.acts.evidence(ours)
        if found is not None:
            return found
        if ours.key == self.wish.after.key:
            return self.change.sides[0].after.evidence, self.change.sides[1].after.evidence
        return None, None


_Stamp = tuple[int, int, int] | None  # inode, time in ns, size


class LiveCards:
    """Any number of threads may ask. Each answer holds all that was stored, here or elsewhere, before the question."""

    def __init__(self, proposal: Proposal, dataset: Callable[[], Sequence[Pair]], log: DecisionLog) -> None:
        self._trait, self._dataset, self._log = proposal.trait, dataset, log
        self._lock = threading.RLock()
        self._layout = CardBuilder(proposal)
        self._acts = DecisionIndex(self._trait)
        self._read, self._revision = b"", 0
        self._stamp: _Stamp = None
        self._of: tuple[DecisionIndex, int, Sequence[Pair]] | None = None
        self._cards: tuple[Card, ...] = ()
        self._places: dict[str, int] = {}

    def cards(self) -> tuple[Card, ...]:
        """Every pair as it stands at this moment; the same tuple as before where nothing has changed.

        Raises DecisionError or DatasetError.
        """
        with self._lock:
            acts, present = self._heard(), self._dataset()
            if self._of is None or self._of[:2] != (acts, self._revision) or self._of[2] is not present:
                cards = self._layout.lay(present, acts)
                self._cards = self._cards if cards == self._cards else cards
                self._places = {card.pair: place for place, card in enumerate(self._cards)}
                self._of = acts, self._revision, present
            return self._cards

    def card(self, pair: str) -> Card | None:
        """One of them; None where the proposal has no such pair."""
        with self._lock:
            cards, place = self.cards(), self._places.get(pair)
            return None if place is None else cards[place]

    def in_force(self) -> list[Decision]:
        """All acts that stand by now, by time. Raises DecisionError."""
        with self._lock:
            return self._heard().in_force()

    def latest(self) -> Decision | None:
        """The last moment of any line by now. Raises DecisionError."""
        with self._lock:
            return self._heard().latest

    def _heard(self) -> DecisionIndex:
        """What the log says by now. Whoever asks holds the lock for as long as they look at it."""
        stamp = self._now()
        if stamp is None or stamp != self._stamp:
            self._read_on(self._content())
            self._stamp = stamp
        return self._acts

    def _now(self) -> _Stamp:
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

    def _read_on(self, content: bytes) -> None:
        """Hear what was appended. A log that goes on otherwise than it did is read from its beginning."""
        if not content.startswith(self._read):
            self._acts, self._read = DecisionIndex(self._trait), b""
        try:
            new = parse_decisions(content[len(self._read) :], str(self._log.path)).decisions
        except DecisionError:
            self._log.read()  # says at which line of the whole file
            raise
        self._acts.hear(new)
        self._read = content[: content.rfind(b"\n") + 1]  # a last line that is being written is read again
        self._revision += bool(new)
