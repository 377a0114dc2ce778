"""What a decision log says by now: the acts in force on each pair, and what edited texts were found to be."""

from collections.abc import Iterable, Iterator, Sequence

from agent.review.proposal import Evidence, evidence_of
from agent.schema import Act, Decision, Finding, Pair, Scenario, split_ending

_Group = tuple[bool, str]  # whether it holds rechecks; the key that was rechecked, or the pair that was decided on


class Acts:
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

    def evidence(self, pair: Pair) -> tuple[Evidence, Evidence] | None:
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
