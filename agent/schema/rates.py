"""A share of so many, with what may be believed of it."""

import math

from agent.schema.texts import Noun

Z95 = 1.959963984540054  # standard errors to either side of a 95 % interval


class Rate(Noun):
    """k of n with the 95 % Wilson score interval (Wilson 1927). n = 0 leaves everything open: 0 to 1."""

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
