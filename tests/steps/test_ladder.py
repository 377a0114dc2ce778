"""Which rung a verdict calls for: the first one, the next one, and the last resort."""

import pytest

from agent.schema import Outcome, Rung, Verdict
from agent.steps.repair import rung_for
from tests.loop.histories import FAIL, PASS, finding, pair

ONE = pair()
CUT, CLIFF, STRONG, SIMPLE = Rung.CUT, Rung.CLIFFHANGER, Rung.STRENGTHEN, Rung.SIMPLIFY
TOPIC, SHORT, EXTENDED = Rung.RETOPIC, Rung.SHORTEN, Rung.EXTENDED


def rung(verdict: Verdict | None, *tried: Rung, may_extend: bool = True, outcome: Outcome = FAIL) -> Rung:
    return rung_for(finding(ONE, outcome=outcome, verdict=verdict), tried, may_extend)


FIRST = [
    (Verdict.EXPLAIN, CUT),
    (Verdict.LATE, SHORT),
    (Verdict.WRONG, STRONG),
    (Verdict.UNSTABLE, STRONG),
    (Verdict.OFF_SCRIPT, SIMPLE),
    (Verdict.TOPIC, TOPIC),
    (Verdict.EXPRESS, STRONG),
    (Verdict.CONTEXT, STRONG),
]


@pytest.mark.parametrize(("verdict", "expected"), FIRST)
def test_each_verdict_calls_for_its_cheapest_rung_first(verdict: Verdict, expected: Rung) -> None:
    assert rung(verdict) is expected


NEXT = [
    (Verdict.EXPLAIN, [CUT], CLIFF),
    (Verdict.EXPLAIN, [CUT, CLIFF], CLIFF),
    (Verdict.LATE, [SHORT], CLIFF),
    (Verdict.OFF_SCRIPT, [SIMPLE], TOPIC),
    (Verdict.WRONG, [STRONG], STRONG),
    (Verdict.TOPIC, [TOPIC], TOPIC),
    (Verdict.UNSTABLE, [STRONG, STRONG], STRONG),
    (Verdict.WRONG, [STRONG, CUT, STRONG], TOPIC),
    (Verdict.EXPLAIN, [CUT, CLIFF, CLIFF], CLIFF),
]


@pytest.mark.parametrize(("verdict", "tried", "expected"), NEXT)
def test_a_rung_that_was_tried_on_this_stem_gives_way_to_the_next(
    verdict: Verdict, tried: list[Rung], expected: Rung
) -> None:
    assert rung(verdict, *tried) is expected


UNMOVED = [
    (Verdict.EXPLAIN, [STRONG, SHORT], CUT),
    (Verdict.LATE, [CUT, CLIFF], SHORT),
    (Verdict.OFF_SCRIPT, [CLIFF, STRONG], SIMPLE),
    (Verdict.UNSTABLE, [CLIFF, CLIFF], STRONG),
]


@pytest.mark.parametrize(("verdict", "tried", "expected"), UNMOVED)
def test_rungs_tried_for_another_verdict_change_nothing(verdict: Verdict, tried: list[Rung], expected: Rung) -> None:
    assert rung(verdict, *tried) is expected


@pytest.mark.parametrize("tried", [[STRONG, TOPIC], [CUT, CLIFF, SHORT, STRONG, TOPIC]])
def test_only_what_neither_a_stronger_motive_nor_another_topic_helped_is_extended(tried: list[Rung]) -> None:
    assert rung(Verdict.WRONG, *tried) is EXTENDED
    assert rung(Verdict.TOPIC, *tried) is EXTENDED
    assert rung(Verdict.WRONG, *tried, may_extend=False) is STRONG
    assert rung(Verdict.TOPIC, *tried, may_extend=False) is TOPIC
    assert rung(Verdict.WRONG, *tried[:-1]) is STRONG


@pytest.mark.parametrize("verdict", [v for v in Verdict if v not in (Verdict.WRONG, Verdict.TOPIC, Verdict.UNSURE)])
def test_no_other_verdict_is_ever_extended(verdict: Verdict) -> None:
    assert rung(verdict, CLIFF, STRONG, TOPIC) is not EXTENDED


def test_an_undecided_scenario_cannot_be_repaired() -> None:
    with pytest.raises(ValueError, match="d0000 positive: UNSURE cannot be repaired"):
        rung(Verdict.UNSURE)
    open_finding = finding(ONE, outcome=PASS).model_copy(update={"verdict": None})
    with pytest.raises(ValueError, match="cannot be repaired"):
        rung_for(open_finding, (), True)
