"""Matching of a proposal's pairs with the dataset as it is now, by text and not by line."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from agent.review.proposal import PairChange
from agent.schema import Pair
from agent.storage.similarity import token_similarity

_ALIKE = (
    75.0  # token similarity (0-100) of a text and its edited version; chosen by judgement: unrelated texts score less
)

MatchState = Literal["there", "held", "changed", "gone", "new"]


@dataclass(frozen=True)
class PairLocation:
    """Where one pair is in the dataset now. `line` counts from 0; None if the dataset has no such pair.

    there: as the run read it, moved or not. held: the wanted text is there already. changed: it was edited since.
    gone: it was removed. new: a draft, which the dataset never had.
    """

    match: MatchState
    line: int | None = None
    now: Pair | None = None


def by_line(present: Sequence[Pair]) -> dict[int, Pair]:
    """A dataset's pairs by the line they stand on, counted from 0; lines that were left out are missing."""
    return {number if pair.line is None else pair.line: pair for number, pair in enumerate(present)}


def match_pairs(
    changes: Sequence[PairChange], wanted: Mapping[str, Collection[str]], present: Sequence[Pair]
) -> dict[str, PairLocation]:
    """The location of each pair, by pair id; no line is used twice. `wanted`: the keys each pair may end up with."""
    search = _Search(present)
    for own_line in (True, False):  # of several lines with the same text, each pair first gets its own
        for change in search.missing(changes):
            if (before := change.before) is not None:
                search.take(change, "there", {before.key}, own_line)
    for change in search.missing(changes):
        search.take(change, "held", wanted.get(change.pair, ()))
    lost = [change for change in search.missing(changes) if change.before is not None]
    for number, line in _most_alike([change.before for change in lost if change.before], search.free):
        search.found[lost[number].pair] = PairLocation("changed", line, search.free.pop(line))
    for change in search.missing(changes):
        search.found[change.pair] = PairLocation("new" if change.before is None else "gone")
    return search.found


class _Search:
    """The pairs found so far, and the lines of the dataset that are still free."""

    def __init__(self, present: Sequence[Pair]) -> None:
        self.found: dict[str, PairLocation] = {}
        self.free = by_line(present)
        self._by_key: dict[str, list[int]] = {}
        for line, pair in self.free.items():
            self._by_key.setdefault(pair.key, []).append(line)

    def missing(self, changes: Sequence[PairChange]) -> list[PairChange]:
        return [change for change in changes if change.pair not in self.found]

    def take(self, change: PairChange, match: MatchState, keys: Collection[str], own_line: bool = False) -> None:
        """Give a pair the first free line that holds one of these keys; with `own_line`, only the line it came from."""
        lines = sorted(line for key in keys for line in self._by_key.get(key, ()) if line in self.free)
        lines = [line for line in lines if not own_line or line == change.line]
        if lines:
            self.found[change.pair] = PairLocation(match, lines[0], self.free.pop(lines[0]))


def _most_alike(lost: Sequence[Pair], free: Mapping[int, Pair]) -> list[tuple[int, int]]:
    """(index in `lost`, line) of pairs that are clearly the same pair after an edit, the most similar first."""
    if not lost or not free:
        return []
    lines = list(free)
    tables = [
        token_similarity([pair.sides[side].text for pair in lost], [free[line].sides[side].text for line in lines])
        for side in (0, 1)
    ]
    similarity = (tables[0] + tables[1]) / 2
    kept = [{pair.sides[side].key: i for i, pair in enumerate(lost)} for side in (0, 1)]
    for j, line in enumerate(lines):
        for side in (0, 1):
            if (i := kept[side].get(free[line].sides[side].key)) is not None:
                similarity[i, j] = 100.0
    found = ((int(i), int(j)) for i, j in zip(*(similarity >= _ALIKE).nonzero(), strict=True))
    ranked = sorted((-similarity[i, j], abs((lost[i].line or 0) - lines[j]), i, lines[j]) for i, j in found)
    taken: dict[int, int] = {}
    lines_taken: set[int] = set()
    for _, _, i, line in ranked:
        if i not in taken and line not in lines_taken:
            taken[i] = line
            lines_taken.add(line)
    return list(taken.items())
