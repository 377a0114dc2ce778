"""Similarity of scenarios: where two lists are misaligned, and the best pairing of their members."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from agent.schema import UNSPACED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

_MARK = "\ue000"  # stands for every combining mark: no letter of a regular expression, yet part of its word
_LETTERS = rf"(?:[^\W{UNSPACED}]{_MARK}*)+"
_WORD = re.compile(rf"[{UNSPACED}]{_MARK}*|{_LETTERS}(?:['’]{_LETTERS})*")
# All four chosen by judgement.
_MOST_CHARACTERS = 6_000  # compared of one text: the time grows with their square
_SHORTEST_STRETCH = 4  # members of a misaligned stretch
_LEAST_GAIN, _CLEAR_GAIN = 2.0, 10.0  # points by which a neighbour is more similar: each member, and on average


class Misalignment(NamedTuple):
    """A stretch of `length` positions from `start` on where the first list matches the second shifted by `lag`."""

    start: int
    length: int
    lag: int


def words(text: str) -> list[str]:
    """Words without punctuation; each character of a script without blanks between words counts as one."""
    folded = text.casefold()
    masked = folded if folded.isascii() else "".join(_MARK if unicodedata.category(c)[0] == "M" else c for c in folded)
    return [folded[found.start() : found.end()] for found in _WORD.finditer(masked)]


def character_similarity(texts: Sequence[str]) -> "Matrix":
    """Matrix [texts, texts] of 0–100: the share of characters that two texts have in common, in order."""
    from rapidfuzz import fuzz

    return _compared(fuzz.ratio, texts, texts)


def token_similarity(first: Sequence[str], second: Sequence[str]) -> "Matrix":
    """Matrix [first, second] of 0–100: the words that two texts share, in any order (rapidfuzz token_set_ratio)."""
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
    """The text, or both its ends where it is so long that it would slow down the loading of a dataset."""
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS // 2] + text[-_MOST_CHARACTERS // 2 :]


def find_misalignment(table: "Matrix") -> Misalignment | None:
    """The longest stretch over which neighbours are clearly more similar than partners, or None."""
    found = [stretch for lag in (-1, 1) for stretch in _stretches(table, lag)]
    return max(found, key=lambda stretch: stretch.length, default=None)


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
            if end - begin >= _SHORTEST_STRETCH and mean >= _CLEAR_GAIN:
                yield Misalignment(begin, end - begin, lag)
            start = end + 1


def best_pairs(table: "Matrix") -> list[tuple[int, int]]:
    """The pairing with the greatest total similarity, sorted; each member of the shorter side gets one partner."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(table, maximize=True)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))
