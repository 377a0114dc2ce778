"""Charts: the same numbers give the same bytes, in both colour schemes, with nothing in them but shapes and words."""

import base64
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from xml.etree import ElementTree

import pytest

from agent.review.report import charts
from agent.schema import Mode, Rules
from tests.review.report.examples import controls, example, sustained

pytestmark = pytest.mark.usefixtures("real_pictures")


def draw_all() -> list[charts.Picture]:
    report = example()
    return [
        charts.rounds_chart(report.measured, 4),
        charts.scores_chart(report.spreads, Rules(), Mode.DECISION),
        charts.calls_chart(report.measured),
        charts.controls_chart(controls(0.95), 50.0, 60.0),
    ]


drawn = cache(draw_all)


def svg(address: str) -> str:
    head, _, body = address.partition(",")
    assert head == "data:image/svg+xml;base64"
    return base64.b64decode(body).decode()


def test_the_same_numbers_give_the_same_bytes_also_in_two_threads() -> None:
    with ThreadPoolExecutor(2) as pool:
        both = [done.result() for done in [pool.submit(draw_all) for _ in range(2)]]
    assert both == [drawn(), drawn()]


def test_the_dark_scheme_has_other_colours_and_neither_holds_a_date_or_a_script() -> None:
    for picture in drawn():
        assert picture.light != picture.dark
        for address in (picture.light, picture.dark):
            root = ElementTree.fromstring(svg(address))  # noqa: S314 - our own picture
            names = {element.tag.rpartition("}")[2] for element in root.iter()}
            assert not names & {"script", "foreignObject", "date", "image"}


def test_each_chart_has_its_numbers_in_its_text_alternative() -> None:
    rounds, scores, calls, checked = (picture.alt for picture in drawn())
    assert "25 % at first, 100 % at the end" in rounds
    assert "c0 of positives, median 8 before and 8 after" in scores
    assert "720 judge" in calls
    assert "3 open and of 3 committed controls" in checked
    assert "Open texts should score 50 or less, committed ones 60 or more." in checked


def test_a_score_of_a_hundred_is_in_the_last_bar() -> None:
    def with_score(score: float) -> str:
        scores = [one.model_copy(update={"after": (score,)}) for one in example().spreads]
        return charts.scores_chart(scores, Rules(), Mode.DECISION).light

    assert with_score(100.0) == with_score(95.0) != with_score(94.9)


def test_a_sustained_trait_shows_the_first_tokens_instead_of_c5() -> None:
    decision, tone = (charts.scores_chart(r.spreads, Rules(), r.asked.trait.mode) for r in (example(), sustained()))
    assert "(C5)" in decision.alt
    assert "first tokens alone (J5)" not in decision.alt
    assert "first tokens alone (J5)" in svg(tone.light)
    assert "(C5)" not in svg(tone.light)
