"""How sure one may be of a passed set: audit results and flap rates, each with its n and Wilson interval."""

import math
from collections.abc import Iterable, Sequence

from agent.schema import Depth, Finding, Noun, Outcome, Question, Tally
from agent.steps.questions import AUDIT, WORDINGS

_Z95 = 1.959963984540054
UNCONDITIONAL = (*WORDINGS[:2], AUDIT)


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
    p, z2 = k / n, _Z95 * _Z95
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return Rate(k=k, n=n, low=max(0.0, round(centre - half, 6)), high=min(1.0, round(centre + half, 6)))


def audit_rate(findings: Iterable[Finding]) -> Rate:
    """How many of the scenarios passed their first audit that came to a judgement."""
    first: dict[tuple[str, str, str], Finding] = {}
    for finding in findings:
        if finding.depth is Depth.AUDIT and finding.outcome is not Outcome.UNJUDGED:
            first.setdefault((finding.pair, finding.polarity, finding.key), finding)
    return wilson(sum(f.outcome is Outcome.PASS for f in first.values()), len(first))


def flap_rates(findings: Sequence[Finding]) -> dict[Question, Rate]:
    """Per question: how often another wording contradicts the first one on the same text and completion.

    Only votes that were asked for whatever the first one said are counted (confirmation and audit): an appeal is heard
    where the first vote was adverse, so it would count the judge's errors at their worst.
    """
    latest: dict[tuple[str, Question], Tally] = {}
    for finding in findings:
        for tally in finding.tallies if finding.depth is not Depth.FIRST else ():
            latest[finding.key, tally.question] = tally
    rates = {}
    for question in Question:
        tallies = [t for (_, q), t in sorted(latest.items()) if q is question]
        asked_anyway = [[v for v in t.votes if v.wording in UNCONDITIONAL and v.sample == 0] for t in tallies]
        read = [[v.favourable for v in votes if v.favourable is not None] for votes in asked_anyway]
        further = [vote != votes[0] for votes in read for vote in votes[1:]]
        if further:
            rates[question] = wilson(sum(further), len(further))
    return rates
