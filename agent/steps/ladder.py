"""The repair ladder: which rung a verdict calls for, the cheapest and smallest edit first."""

from collections.abc import Sequence

from agent.schema import Finding, Rung, Verdict

_FIRST_RUNG = {
    Verdict.OFF_SCRIPT: Rung.SIMPLIFY,
    Verdict.TOPIC: Rung.RETOPIC,
    Verdict.WRONG: Rung.STRENGTHEN,
    Verdict.EXPLAIN: Rung.CUT,
    Verdict.LATE: Rung.SHORTEN,
    Verdict.UNSTABLE: Rung.STRENGTHEN,
    Verdict.EXPRESS: Rung.STRENGTHEN,  # the test passes but the forecast does not
}

_TWICE = 2  # an edit that came to nothing twice is not made a third time: another topic is
_NEXT_RUNG = {Rung.SIMPLIFY: Rung.RETOPIC, Rung.CUT: Rung.CLIFFHANGER, Rung.SHORTEN: Rung.CLIFFHANGER}


def rung_for(finding: Finding, tried: Sequence[Rung], may_extend: bool) -> Rung:
    """The rung for a failing finding, given the rungs already tried on this stem."""
    if finding.verdict is None or finding.verdict is Verdict.UNSURE:
        raise ValueError(f"{finding.pair} {finding.polarity}: {finding.verdict} is not for the ladder")
    in_vain = Rung.STRENGTHEN in tried and Rung.RETOPIC in tried
    if finding.verdict in (Verdict.WRONG, Verdict.TOPIC) and in_vain and may_extend:
        return Rung.EXTENDED  # stronger cliffhangers and other topics kept going the wrong way
    rung = _FIRST_RUNG[finding.verdict]
    if rung in tried:
        rung = _NEXT_RUNG.get(rung, rung)
    return Rung.RETOPIC if tried.count(rung) >= _TWICE else rung
