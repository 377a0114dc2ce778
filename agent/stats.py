"""Statistics with 95 % intervals: rates, agreement, AUC; and the error rate behind a disagreement rate."""

import math
from collections.abc import Callable, Sequence

from agent.schema import FrozenModel

Z95 = 1.959963984540054  # standard errors to either side of a 95 % interval


class Rate(FrozenModel):
    """Rate of k in n with the 95 % Wilson score interval (Wilson 1927), which is 0 to 1 for n = 0."""

    k: int
    n: int
    low: float
    high: float

    def __str__(self) -> str:
        if not self.n:
            return "not measured (n = 0)"
        return f"{self.k}/{self.n} = {self.k / self.n:.1%} [{self.low:.1%}, {self.high:.1%}]"


def wilson(k: int, n: int) -> Rate:
    """The rate k/n with its interval. Raises ValueError unless 0 <= k <= n."""
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is not a rate")
    if n == 0:
        return Rate(k=0, n=0, low=0.0, high=1.0)
    p, z2 = k / n, Z95 * Z95
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return Rate(k=k, n=n, low=max(0.0, round(centre - half, 6)), high=min(1.0, round(centre + half, 6)))


def error_rate(disagreement: float) -> float:
    """How often one answer is wrong, if two that err independently differ this often: e in 2e(1 - e), at most 0.5."""
    return (1 - math.sqrt(1 - 2 * min(disagreement, 0.5))) / 2


Recalls = tuple[float, ...]


class Estimate(FrozenModel):
    """A statistic with its 95 % interval over n items; None where it is undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0

    def __str__(self) -> str:
        if self.value is None:
            return "-"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


class Confusion(FrozenModel):
    """Confusion table: counts of label (rows) by prediction (columns); a prediction outside `labels` is wrong."""

    labels: tuple[str, ...]
    predictions: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    @property
    def n(self) -> int:
        return sum(map(sum, self.counts))

    def row(self, label: str) -> tuple[int, ...]:
        return self.counts[self.labels.index(label)]

    def recall(self, label: str) -> Rate:
        """The share of this label that is predicted correctly."""
        row = self.row(label)
        return wilson(row[self.predictions.index(label)], sum(row))


def confusion(pairs: Sequence[tuple[str, str]], labels: Sequence[str], others: Sequence[str] = ()) -> Confusion:
    """Count (label, prediction) pairs. Raises ValueError for one that is neither a label nor one of the others."""
    predictions = (*labels, *others)
    if strange := {label for label, _ in pairs} - set(labels) or {said for _, said in pairs} - set(predictions):
        raise ValueError(f"{', '.join(sorted(strange))} is none of {', '.join(predictions)}")
    counts = tuple(tuple(pairs.count((label, said)) for said in predictions) for label in labels)
    return Confusion(labels=tuple(labels), predictions=predictions, counts=counts)


def balanced_accuracy(table: Confusion) -> Estimate:
    """Balanced accuracy: the mean of the recalls. Undefined unless all labels occur.

    Its interval combines the recalls' Wilson intervals (Wilson 1927) by the square-and-add rule (Newcombe 1998), which
    unlike a bootstrap does not shrink to a point where all answers are right.
    """
    rates = [table.recall(label) for label in table.labels]
    if not rates or not all(rate.n for rate in rates):
        return Estimate(value=None, n=table.n)
    return _joined(rates, lambda recalls: sum(recalls) / len(recalls), table.n)


def kappa(table: Confusion) -> Estimate:
    """Cohen's kappa, agreement beyond chance (Cohen 1960); predictions outside the labels are their own category.

    The interval takes the numbers of each label as given and combines the recalls' Wilson intervals by the
    square-and-add rule; wrong answers keep their shares among each other.
    """
    rates = [table.recall(label) for label in table.labels]
    if not all(rate.n for rate in rates):
        return Estimate(value=None, n=table.n)
    return _joined(rates, lambda recalls: _kappa(_with_recalls(table, recalls)), table.n)


def _joined(rates: Sequence[Rate], statistic: Callable[[Recalls], float], n: int) -> Estimate:
    """A statistic that rises with each of several independent rates, with its interval."""
    at = tuple(rate.k / rate.n for rate in rates)
    value = statistic(at)

    def reach(ends: Recalls) -> float:
        moved = (statistic((*at[:i], end, *at[i + 1 :])) - value for i, end in enumerate(ends))
        return math.hypot(*moved)

    low = value - reach(tuple(rate.low for rate in rates))
    high = value + reach(tuple(rate.high for rate in rates))
    return Estimate(value=round(value, 6), low=round(low, 6), high=round(min(1.0, high), 6), n=n)


def _with_recalls(table: Confusion, recalls: Recalls) -> list[list[float]]:
    """The table's shares of all items, had each label the given recall."""
    rows = []
    for label, row, recall in zip(table.labels, table.counts, recalls, strict=True):
        right = table.predictions.index(label)
        wrong = [0 if i == right else count for i, count in enumerate(row)]
        if not sum(wrong):  # where nothing went wrong yet, it would go to the other labels
            wrong = [int(i != right and i < len(table.labels)) for i in range(len(row))]
        weight = sum(row) / table.n
        rows.append([weight * (1 - recall) * count / sum(wrong) for count in wrong])
        rows[-1][right] = weight * recall
    return rows


def _kappa(shares: Sequence[Sequence[float]]) -> float:
    columns = [sum(column) for column in zip(*shares, strict=True)]
    observed = sum(row[i] for i, row in enumerate(shares))
    chance = sum(sum(row) * columns[i] for i, row in enumerate(shares))
    return (observed - chance) / (1 - chance) if chance < 1 else 1.0


_STEPS = 60  # halvings of an interval of length one


class AucEstimate(FrozenModel):
    """AUC: P(a score of the upper group is higher than one of the lower), ties half, with its 95 % interval."""

    value: float
    low: float
    high: float


def auc(upper: Sequence[float], lower: Sequence[float]) -> AucEstimate:
    """The AUC, with an interval that does not vanish at 1 (Newcombe 2006, method 5, Statist. Med. 25:559).

    Raises ValueError where a group is empty.
    """
    if not upper or not lower:
        raise ValueError("an area under the curve needs scores of both groups")
    wins = sum((u > v) + 0.5 * (u == v) for u in upper for v in lower)
    value = wins / (len(upper) * len(lower))
    low = _limit(value, 0.0, len(upper), len(lower))
    high = _limit(value, 1.0, len(upper), len(lower))
    return AucEstimate(value=round(value, 6), low=round(low, 6), high=round(high, 6))


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
