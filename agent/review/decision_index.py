"""Index of a decision log: the decisions in force on each pair, and the findings on edited texts."""

from collections.abc import Iterable, Iterator, Sequence

from agent.review.proposal import TextEvidence, evidence_of
from agent.schema import Act, Decision, Finding, Pair, Scenario, split_ending

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
