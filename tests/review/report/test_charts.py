"""The pictures: the same numbers give the same bytes, in both schemes, with nothing in them but shapes and words."""

import base64
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree

import pytest

from agent.review.report import charts
from tests.review.report.examples import controls, example, sustained

pytestmark = pytest.mark.usefixtures("real_pictures")


def pictures() -> list[charts.Picture]:
    told = example()
    rules = told.asked.plan.rules
    return [
        charts.rounds_picture(told.measured, 4),
        charts.spreads_picture(told.spreads, rules, 50.0),
        charts.costs_picture(told.measured),
        charts.controls_picture(controls(0.95), 50.0, 60.0),
    ]


def svg(address: str) -> str:
    head, _, body = address.partition(",")
    assert head == "data:image/svg+xml;base64"
    return base64.b64decode(body).decode()


def test_the_same_numbers_give_the_same_bytes_even_side_by_side() -> None:
    with ThreadPoolExecutor(4) as pool:
        drawn = [done.result() for done in [pool.submit(pictures) for _ in range(4)]]
    assert all(some == drawn[0] for some in drawn)


def test_a_picture_is_another_one_in_the_dark_and_holds_no_date_and_no_script() -> None:
    for picture in pictures():
        assert picture.light != picture.dark
        for address in (picture.light, picture.dark):
            root = ElementTree.fromstring(svg(address))  # noqa: S314 - our own picture
            names = {element.tag.rpartition("}")[2] for element in root.iter()}
            assert not names & {"script", "foreignObject", "date", "image"}


def test_each_picture_says_its_numbers_in_words() -> None:
    night, spread, costs, checked = (picture.alt for picture in pictures())
    assert "25 % at first, 100 % at the end" in night
    assert "c0 of positives, median 8 before and 8 after" in spread
    assert "720 judge" in costs
    assert "3 texts left open and of 3 texts made committed" in checked
    assert "belong at 50 or left of it, the others at 60 or right of it" in checked


def test_a_score_of_a_hundred_is_in_the_last_bar() -> None:
    told = example()

    def drawn(score: float) -> str:
        full = [spread.model_copy(update={"after": (score,)}) for spread in told.spreads]
        return charts.spreads_picture(full, told.asked.plan.rules, 50.0).light

    assert drawn(100.0) == drawn(95.0) != drawn(94.9)


def test_of_a_sustained_trait_the_first_tokens_are_shown_where_others_show_c5() -> None:
    rules = example().asked.plan.rules
    others, toned = (charts.spreads_picture(told.spreads, rules, 50.0) for told in (example(), sustained()))
    assert "(C5)" in others.alt
    assert "first tokens alone (J5)" not in others.alt
    assert "first tokens alone (J5)" in svg(toned.light)
    assert "(C5)" not in svg(toned.light)
