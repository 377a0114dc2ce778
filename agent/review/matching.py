"""Where a proposal's pairs stand in the dataset as it is now: found by what they say, not by their line."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from agent.review.proposal import PairChange
from agent.schema import Pair
from agent.storage.similarity import token_similarity

_ALIKE = 75.0  # 0-100: two texts that differ by an edit; unrelated ones in one language stay below

MatchState = Literal["there", "held", "changed", "gone", "new"]


@dataclass(frozen=True)
class PairLocation:
    """Where one pair stands now. `line` counts from 0; without one, the dataset has no such pair.

    there: as the run saw it, moved or not. held: the wanted text stands there already. changed: somebody edited it
    since. gone: somebody removed it. new: a draft, which the dataset never had.
    """

    how: MatchState
    line: int | None = None
    now: Pair | None = None


def match_pairs(
    changes: Sequence[PairChange], wanted: Mapping[str, Collection[str]], present: Sequence[Pair]
) -> dict[str, PairLocation]:
    """The place of each pair, by pair id; no line is taken twice. `wanted` gives the keys each pair may end up with."""
    search = _Search(present)
    for nearby in (True, False):  # of lines with the same text, each pair first gets the one at its own place
        for change in search.missing(changes):
            if (before := change.before) is not None:
                search.take(change, "there", {before.key}, nearby)
    for change in search.missing(changes):
        search.take(change, "held", wanted.get(change.pair, ()))
    lost = [change for change in search.missing(changes) if change.before is not None]
    for number, line in _most_alike([change.before for change in lost if change.before], search.free):
        search.found[lost[number].pair] = PairLocation("changed", line, search.free.pop(line))
    for change in search.missing(changes):
        search.found[change.pair] = PairLocation("new" if change.before is None else "gone")
    return search.found


class _Search:
    """What was found so far, and the lines of the dataset that nobody has taken yet."""

    def __init__(self, present: Sequence[Pair]) -> None:
        self.found: dict[str, PairLocation] = {}
        self.free = dict(enumerate(present))
        self._by_key: dict[str, list[int]] = {}
        for line, pair in self.free.items():
            self._by_key.setdefault(pair.key, []).append(line)

    def missing(self, changes: Sequence[PairChange]) -> list[PairChange]:
        return [change for change in changes if change.pair not in self.found]

    def take(self, change: PairChange, how: MatchState, keys: Collection[str], nearby: bool = False) -> None:
        """Give a pair the first line that holds one of these; `nearby` looks at its own line only."""
        lines = sorted(line for key in keys for line in self._by_key.get(key, ()) if line in self.free)
        lines = [line for line in lines if not nearby or line == change.line]
        if lines:
            self.found[change.pair] = PairLocation(how, lines[0], self.free.pop(lines[0]))


def _most_alike(lost: Sequence[Pair], free: Mapping[int, Pair]) -> list[tuple[int, int]]:
    """(place in `lost`, line) of those that are clearly the same pair after an edit, the most alike first."""
    if not lost or not free:
        return []
    lines = list(free)
    tables = [
        token_similarity([pair.sides[side].text for pair in lost], [free[line].sides[side].text for line in lines])
        for side in (0, 1)
    ]
    likeness = (tables[0] + tables[1]) / 2
    kept = [{pair.sides[side].key: i for i, pair in enumerate(lost)} for side in (0, 1)]
    for j, line in enumerate(lines):
        for side in (0, 1):
            if (i := kept[side].get(free[line].sides[side].key)) is not None:
                likeness[i, j] = 100.0
    found = ((int(i), int(j)) for i, j in zip(*(likeness >= _ALIKE).nonzero(), strict=True))
    ranked = sorted((-likeness[i, j], abs((lost[i].line or 0) - lines[j]), i, lines[j]) for i, j in found)
    taken: dict[int, int] = {}
    lines_taken: set[int] = set()
    for _, _, i, line in ranked:
        if i not in taken and line not in lines_taken:
            taken[i] = line
            lines_taken.add(line)
    return list(taken.items())
