"""Which scenarios belong together, by likeness: where a pairing has slipped, and the best pairing there is."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

_CJK = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+(?:['’][^\W{_CJK}]+)*")
_MOST = 6_000  # characters of one text that are compared: the time grows with their square
_SHORTEST_SLIP = 4
_LEAST_GAIN, _CLEAR_GAIN = 2.0, 10.0  # points: of each member of a slip, and of its members on average


class Misalignment(NamedTuple):
    """From position `start` on, for `length` positions, the first list is more like the second shifted by `lag`."""

    start: int
    length: int
    lag: int


def words(text: str) -> list[str]:
    """Words without punctuation; each Chinese or Japanese character counts as one."""
    return _WORD.findall(text.casefold())


def character_similarity(texts: Sequence[str]) -> "Matrix":
    """[texts, texts] of 0–100: the share of characters that two texts have in common, in order."""
    from rapidfuzz import fuzz

    return _compared(fuzz.ratio, texts, texts)


def token_similarity(first: Sequence[str], second: Sequence[str]) -> "Matrix":
    """[first, second] of 0–100: how much two texts are about the same, by the words they share in any order."""
    from rapidfuzz import fuzz

    return _compared(fuzz.token_set_ratio, first, second)


def _compared(scorer: Callable[..., float], first: Sequence[str], second: Sequence[str]) -> "Matrix":
    import numpy as np
    from rapidfuzz import process

    if not first or not second:
        return np.zeros((len(first), len(second)))
    plain = ([_bounded(" ".join(words(text))) for text in texts] for texts in (first, second))
    return np.asarray(process.cdist(*plain, scorer=scorer, dtype=np.float64))


def _bounded(text: str) -> str:
    """The text, or both ends of one so long that it would hold up the loading of a whole dataset."""
    return text if len(text) <= _MOST else text[: _MOST // 2] + text[-_MOST // 2 :]


def find_misalignment(table: "Matrix") -> Misalignment | None:
    """The longest stretch over which neighbours are clearly more alike than partners, or None."""
    slips = [slip for lag in (-1, 1) for slip in _stretches(table, lag)]
    return max(slips, key=lambda slip: slip.length, default=None)


def _stretches(table: "Matrix", lag: int) -> Iterator[Misalignment]:
    rows, columns = table.shape
    both = range(max(0, -lag), min(rows, columns, columns - lag))
    gains = [float(table[i, i + lag] - table[i, i]) if i in both else 0.0 for i in range(rows)]
    start = 0
    for end in range(rows + 1):
        if end == rows or gains[end] < _LEAST_GAIN:
            mean = sum(gains[start:end]) / max(1, end - start)
            # A weak first member may be the odd one out whose partner was lost.
            begin = next((i for i in range(start, end) if gains[i] >= mean / 2), end)
            if end - begin >= _SHORTEST_SLIP and mean >= _CLEAR_GAIN:
                yield Misalignment(begin, end - begin, lag)
            start = end + 1


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
