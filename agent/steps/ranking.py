"""How well a score tells two groups apart: the area under the ROC curve with its interval."""

import math
from collections.abc import Sequence

from agent.schema import Noun
from agent.schema.rates import Z95

_STEPS = 60  # halvings of an interval of length one


class Area(Noun):
    """P(a score of the upper group is higher than one of the lower), ties counted half, with its 95 % interval."""

    value: float
    low: float
    high: float


def area_under_curve(upper: Sequence[float], lower: Sequence[float]) -> Area:
    """The area with an interval that does not shrink to nothing at 1 (Newcombe 2006, method 5, Statist. Med. 25:559).

    Raises ValueError where a group is empty.
    """
    if not upper or not lower:
        raise ValueError("an area under the curve needs scores of both groups")
    wins = sum((u > v) + 0.5 * (u == v) for u in upper for v in lower)
    value = wins / (len(upper) * len(lower))
    low = _limit(value, 0.0, len(upper), len(lower))
    high = _limit(value, 1.0, len(upper), len(lower))
    return Area(value=round(value, 6), low=round(low, 6), high=round(high, 6))


def _limit(value: float, outer: float, m: int, n: int) -> float:
    """The area furthest towards `outer` whose own standard error still reaches the measured value."""
    inside, outside = value, outer
    for _ in range(_STEPS):
        middle = (inside + outside) / 2
        if abs(value - middle) <= Z95 * math.sqrt(_variance(middle, m, n)):
            inside = middle
        else:
            outside = middle
    return inside


def _variance(area: float, m: int, n: int) -> float:
    """Hanley and McNeil's variance with both group sizes replaced by their mean."""
    size = (m + n) / 2 - 1
    return area * (1 - area) * (1 + size * (1 - area) / (2 - area) + size * area / (1 + area)) / (m * n)
