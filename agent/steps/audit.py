"""How sure one may be of a passed set: audit results and flap rates, each with its n and Wilson interval."""

from collections.abc import Iterable, Sequence

from agent.schema import Depth, Finding, Flaps, Outcome, Question, Tally
from agent.schema.rates import Rate, wilson
from agent.steps.questions import AUDIT, WORDINGS

__all__ = ["Rate", "audit_rate", "flap_rates", "flaps", "wilson"]

UNCONDITIONAL = (*WORDINGS[:2], AUDIT)


def audit_rate(findings: Iterable[Finding]) -> Rate:
    """How many of the scenarios passed their first audit that came to a judgement."""
    first: dict[tuple[str, str, str], Finding] = {}
    for finding in findings:
        if finding.depth is Depth.AUDIT and finding.outcome is not Outcome.UNJUDGED:
            first.setdefault((finding.pair, finding.polarity, finding.key), finding)
    return wilson(sum(f.outcome is Outcome.PASS for f in first.values()), len(first))


def flaps(findings: Sequence[Finding]) -> tuple[Flaps, ...]:
    """Per question and wording: how often it contradicts the first wording on the same text and completion.

    Only votes that were asked for whatever the first one said are counted (confirmation and audit): an appeal is heard
    where the first vote was adverse, so it would count the judge's errors at their worst.
    """
    latest: dict[tuple[str, Question], Tally] = {}
    for finding in findings:
        for tally in finding.tallies if finding.depth is not Depth.FIRST else ():
            latest[finding.key, tally.question] = tally
    counted = [(t.question, *told) for t in latest.values() for told in _contradictions(t)]
    pairs = sorted(
        {(q, wording) for q, wording, _ in counted}, key=lambda pair: (list(Question).index(pair[0]), pair[1])
    )
    said = {pair: [against for q, wording, against in counted if (q, wording) == pair] for pair in pairs}
    return tuple(Flaps(question=q, wording=w, k=sum(own), n=len(own)) for (q, w), own in said.items())


def _contradictions(tally: Tally) -> list[tuple[str, bool]]:
    """(wording, whether it contradicts the first) of the votes that were asked for anyway and could be read."""
    asked_anyway = [v for v in tally.votes if v.wording in UNCONDITIONAL and v.sample == 0]
    read = [v for v in asked_anyway if v.favourable is not None]
    return [(vote.wording, vote.favourable != read[0].favourable) for vote in read[1:]]


def flap_rates(findings: Sequence[Finding]) -> dict[Question, Rate]:
    """The flaps of each question, all its wordings together."""
    sums: dict[Question, tuple[int, int]] = {}
    for one in flaps(findings):
        k, n = sums.get(one.question, (0, 0))
        sums[one.question] = (k + one.k, n + one.n)
    return {question: wilson(k, n) for question, (k, n) in sums.items()}
