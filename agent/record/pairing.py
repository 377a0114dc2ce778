"""Which scenarios belong together, by likeness: where a pairing has slipped, and the best pairing there is."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

_SHORTEST_SLIP = 4
_CLEAR_ADVANTAGE = 8.0


class Slip(NamedTuple):
    """From position `start` on, for `length` positions, the first list is more like the second shifted by `lag`."""

    start: int
    length: int
    lag: int


def likeness(first: Sequence[str], second: Sequence[str]) -> "Matrix":
    """[len(first), len(second)] of 0–100: the share of characters that two texts have in common, in order."""
    import numpy as np
    from rapidfuzz import fuzz, process

    if not first or not second:
        return np.zeros((len(first), len(second)))
    return np.asarray(process.cdist(first, second, scorer=fuzz.ratio, dtype=np.float64))


def find_slip(table: "Matrix") -> Slip | None:
    """The longest stretch over which neighbours are clearly more alike than partners, or None."""
    slips = [slip for lag in (-1, 1) for slip in _stretches(table, lag)]
    return max(slips, key=lambda slip: slip.length, default=None)


def _stretches(table: "Matrix", lag: int) -> list[Slip]:
    rows, columns = table.shape
    found, start, gained = [], 0, 0.0
    for i in range(rows + 1):
        gain = table[i, i + lag] - table[i, i] if i < min(rows, columns) and 0 <= i + lag < columns else 0.0
        if gain > 0:
            gained += gain
            continue
        length = i - start
        if length >= _SHORTEST_SLIP and gained >= _CLEAR_ADVANTAGE * length:
            found.append(Slip(start, length, lag))
        start, gained = i + 1, 0.0
    return found


def best_pairs(table: "Matrix") -> list[tuple[int, int]]:
    """The pairing with the greatest total likeness; every member of the shorter side gets a partner of its own."""
    rows, columns = table.shape
    if rows > columns:
        return sorted((i, j) for j, i in best_pairs(table.T))
    return sorted((i, j) for j, i in enumerate(_assignment(100.0 - table)) if i >= 0)


def _assignment(cost: "Matrix") -> list[int]:
    """For each column the row it is given to, or -1, at least total cost (the Hungarian method, by shortest paths)."""
    import numpy as np

    rows, columns = cost.shape
    owner = np.zeros(columns + 1, dtype=np.int64)  # column 0 holds the row that still looks for its place
    of_row, of_column = np.zeros(rows + 1), np.zeros(columns + 1)
    for row in range(1, rows + 1):
        owner[0], here = row, 0
        nearest, came_from = np.full(columns + 1, np.inf), np.zeros(columns + 1, dtype=np.int64)
        done = np.zeros(columns + 1, dtype=bool)
        while owner[here]:
            done[here] = True
            distance = np.concatenate(([np.inf], cost[owner[here] - 1] - of_row[owner[here]] - of_column[1:]))
            nearer = ~done & (distance < nearest)
            nearest[nearer], came_from[nearer] = distance[nearer], here
            there = int(np.argmin(np.where(done, np.inf, nearest)))
            step = nearest[there]
            of_row[owner[done]] += step
            of_column[done] -= step
            nearest[~done] -= step
            here = there
        while here:
            owner[here] = owner[came_from[here]]
            here = int(came_from[here])
    return [int(row) - 1 for row in owner[1:]]
