"""The verdict table row by row, for every mode and both kinds of negative."""

import pytest

from agent.schema import Verdict
from tests.steps.verdict_inputs import ABSENCE, NEGATIVE, OPEN, PRIMED, SUSTAINED, TIE, said

ROWS = [
    # (what is given, verdict), in the order of the table
    ({"j": OPEN}, None),
    ({"v": OPEN}, None),
    ({"c0": OPEN}, None),
    ({"c5": OPEN}, None),
    ({"c5": 20.0, "cl": OPEN}, None),
    ({"cl": OPEN}, Verdict.EXPRESS),
    ({"j": 30.0, "v": OPEN}, None),
    ({"j": TIE, "cl": OPEN}, Verdict.UNSURE),
    ({"j": TIE, "v": OPEN}, None),
    ({"j": OPEN, "v": "EXPLAIN", "c0": 60.0}, Verdict.EXPLAIN),
    ({"j": TIE, "v": "EXPLAIN", "c0": 60.0}, Verdict.EXPLAIN),
    ({"j": OPEN, "v": "EXPLAIN", "c0": 59.9}, None),
    ({"j": 30.0, "v": "NEITHER"}, Verdict.OFF_SCRIPT),
    ({"j": 30.0, "v": "NEITHER", "twin_failed": True, "topic_failed": True}, Verdict.OFF_SCRIPT),
    ({"j": 30.0, "c5": 20.0, "twin_failed": True}, Verdict.TOPIC),
    ({"j": 30.0, "c5": 20.0, "topic_failed": True}, Verdict.TOPIC),
    ({"j": 30.0, "c5": 20.0}, Verdict.WRONG),
    ({"j": 30.0, "c5": 59.9}, Verdict.WRONG),
    ({"j": 30.0, "c5": OPEN}, None),
    ({"j": 30.0, "c5": 60.0}, Verdict.CONTEXT),
    ({"j": 30.0, "twin_failed": True, "topic_failed": True}, Verdict.CONTEXT),
    ({"j": 59.9}, Verdict.CONTEXT),
    ({"j": 60.0}, Verdict.EXPRESS),
    ({"j": 30.0, "v": "EXPLAIN", "c0": 60.0}, Verdict.EXPLAIN),
    ({"j": 30.0, "v": "EXPLAIN", "c0": 95.0, "twin_failed": True, "topic_failed": True}, Verdict.EXPLAIN),
    ({"j": 30.0, "v": "EXPLAIN", "c0": 59.9}, Verdict.WRONG),
    ({"j": 30.0, "v": "EXPRESS", "c0": 95.0, "c5": 20.0}, Verdict.WRONG),
    ({"j": 30.0, "v": "NEITHER", "c0": 95.0}, Verdict.OFF_SCRIPT),
    ({"twin_failed": True, "topic_failed": True}, Verdict.EXPRESS),
    ({"v": "EXPLAIN", "c0": 60.0}, Verdict.EXPLAIN),
    ({"v": "NEITHER", "c0": 60.0}, Verdict.EXPLAIN),
    ({"v": "EXPLAIN", "c0": 95.0, "c5": 95.0}, Verdict.EXPLAIN),
    ({"v": "EXPLAIN", "c0": 95.0, "c5": 20.0, "cl": 20.0}, Verdict.EXPLAIN),
    ({"v": "EXPLAIN", "c0": 50.1}, Verdict.EXPLAIN),
    ({"v": "EXPLAIN", "c0": 59.9}, Verdict.EXPLAIN),
    ({"c5": 59.9}, Verdict.LATE),
    ({"c5": 59.9, "cl": 60.0}, Verdict.LATE),
    ({"c5": 20.0, "v": "NEITHER"}, Verdict.LATE),
    ({"c5": 20.0, "v": "EXPLAIN"}, Verdict.LATE),
    ({"c5": 59.9, "c0": 50.0}, Verdict.LATE),
    ({}, Verdict.EXPRESS),
    ({"c0": 50.0, "c5": 60.0, "cl": 60.0}, Verdict.EXPRESS),
    ({"cl": 10.0}, Verdict.EXPRESS),
    ({"cl": TIE}, Verdict.EXPRESS),
    ({"c0": 50.1}, Verdict.UNSURE),
    ({"c0": 95.0}, Verdict.UNSURE),
    ({"v": "NEITHER", "c0": 59.9}, Verdict.UNSURE),
    ({"v": "NEITHER"}, Verdict.UNSURE),
    ({"v": "EXPLAIN"}, Verdict.UNSURE),
    ({"v": "EXPLAIN", "c0": 50.0}, Verdict.UNSURE),
    ({"c5": 59.9, "cl": 59.9}, Verdict.UNSURE),
    ({"j": TIE}, Verdict.UNSURE),
    ({"j": TIE, "v": "NEITHER", "twin_failed": True}, Verdict.UNSURE),
    ({"v": TIE}, Verdict.UNSURE),
    ({"c0": TIE}, Verdict.UNSURE),
    ({"c5": TIE}, Verdict.UNSURE),
]


@pytest.mark.parametrize(("given", "expected"), ROWS, ids=[str(given) for given, _ in ROWS])
def test_a_positive_in_decision_mode_gets_its_row_of_the_table(given: dict, expected: Verdict | None) -> None:
    assert said(**given) is expected


PRIMED_ROWS = [
    ({"c0": 50.1}, Verdict.EXPRESS),
    ({"c0": 60.0}, Verdict.EXPRESS),
    ({"c0": 60.1}, Verdict.UNSURE),
    ({"c0": 60.0, "v": "EXPLAIN"}, Verdict.EXPLAIN),
    ({"c0": 60.0, "v": "NEITHER"}, Verdict.EXPLAIN),
    ({"c0": 59.9, "v": "EXPLAIN"}, Verdict.UNSURE),
    ({"c0": 60.0, "c5": 59.9}, Verdict.LATE),
    ({"c0": 59.9, "c5": 59.9, "v": "EXPLAIN"}, Verdict.LATE),
]


@pytest.mark.parametrize(("given", "expected"), PRIMED_ROWS, ids=[str(given) for given, _ in PRIMED_ROWS])
def test_primed_texts_may_lean_as_far_as_their_own_limit(given: dict, expected: Verdict) -> None:
    assert said(mode=PRIMED, **given) is expected


SUSTAINED_ROWS = [
    ({}, Verdict.EXPRESS),
    ({"opening": 60.0}, Verdict.EXPRESS),
    ({"opening": 59.9}, Verdict.WRONG),
    ({"opening": 59.9, "v": "NEITHER", "twin_failed": True}, Verdict.WRONG),
    ({"opening": TIE}, Verdict.UNSURE),
    ({"opening": OPEN}, None),
    ({"j": OPEN}, None),
    ({"j": TIE, "opening": 10.0}, Verdict.UNSURE),
    ({"j": 30.0}, Verdict.WRONG),
    ({"j": 30.0, "v": "NEITHER"}, Verdict.WRONG),
    ({"j": 30.0, "v": OPEN}, Verdict.WRONG),
    ({"j": 30.0, "v": "EXPLAIN", "c0": 95.0}, Verdict.WRONG),
    ({"j": 30.0, "topic_failed": True}, Verdict.TOPIC),
    ({"c0": 100.0, "c5": 0.0, "cl": 0.0, "v": "EXPLAIN"}, Verdict.EXPRESS),
    ({"c0": OPEN, "c5": OPEN, "cl": OPEN, "v": OPEN}, Verdict.EXPRESS),
    ({"c0": TIE, "c5": TIE, "cl": TIE, "v": TIE}, Verdict.EXPRESS),
]


@pytest.mark.parametrize(("given", "expected"), SUSTAINED_ROWS, ids=[str(given) for given, _ in SUSTAINED_ROWS])
def test_in_sustained_mode_the_register_of_the_opening_decides(given: dict, expected: Verdict | None) -> None:
    assert said(mode=SUSTAINED, **given) is expected


@pytest.mark.parametrize(("opening", "expected"), [(40.0, Verdict.EXPRESS), (40.1, Verdict.WRONG)])
def test_a_sustained_negative_keeps_its_register_at_the_low_end(opening: float, expected: Verdict) -> None:
    assert said(mode=SUSTAINED, polarity=NEGATIVE, opening=opening) is expected


@pytest.mark.parametrize(("given", "expected"), ROWS, ids=[str(given) for given, _ in ROWS])
def test_a_negative_with_an_act_of_its_own_is_judged_by_the_same_table(given: dict, expected: Verdict | None) -> None:
    mirrored = {k: 100 - a if k == "j" and isinstance(a, float) else a for k, a in given.items()}
    assert said(polarity=NEGATIVE, **mirrored) is expected


ABSENCE_ROWS = [
    ({}, Verdict.EXPRESS),
    ({"c0": 50.0}, Verdict.EXPRESS),
    ({"c0": 50.1}, Verdict.EXPLAIN),
    ({"c0": 50.1, "mode": PRIMED}, Verdict.EXPRESS),
    ({"c0": 60.1, "mode": PRIMED}, Verdict.EXPLAIN),
    ({"c0": TIE}, Verdict.UNSURE),
    ({"c0": OPEN}, None),
    ({"j": 40.0}, Verdict.EXPRESS),
    ({"j": 40.1}, Verdict.WRONG),
    ({"j": 90.0, "v": "NEITHER"}, Verdict.OFF_SCRIPT),
    ({"j": 90.0, "v": "EXPLAIN", "c0": 60.0}, Verdict.EXPLAIN),
    ({"j": 90.0, "twin_failed": True}, Verdict.TOPIC),
    ({"j": TIE}, Verdict.UNSURE),
    ({"j": OPEN}, None),
    ({"v": OPEN, "c5": OPEN, "cl": OPEN}, Verdict.EXPRESS),
    ({"v": TIE, "c5": TIE, "cl": TIE}, Verdict.EXPRESS),
    ({"v": "EXPLAIN", "c5": 0.0, "cl": 0.0}, Verdict.EXPRESS),
]


@pytest.mark.parametrize(("given", "expected"), ABSENCE_ROWS, ids=[str(given) for given, _ in ABSENCE_ROWS])
def test_a_negative_that_merely_lacks_the_trait_needs_no_act(given: dict, expected: Verdict | None) -> None:
    assert said(test=ABSENCE, polarity=NEGATIVE, **given) is expected


def test_a_positive_is_judged_alike_whatever_its_negative_must_show() -> None:
    assert [said(test=ABSENCE, **row) for row, _ in ROWS] == [expected for _, expected in ROWS]
