"""The map: every scenario with both scores is a dot, none hides another, none crosses a border."""

from itertools import combinations
from math import hypot

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.review.report.charts import SIDE, Borders, DotMap, Spot, dot_map, spots
from tests.loop.histories import POSITIVE
from tests.review.report.examples import example

BORDERS = Borders(50.0, 60.0)
SCORES = st.tuples(st.floats(0, 100), st.floats(0, 100))


def spot(c0: float, c5: float) -> Spot:
    return Spot(anchor="s", label="", polarity=POSITIVE, passes=True, apart="", c0=c0, c5=c5)


def drawn(*scores: tuple[float, float]) -> DotMap:
    return dot_map([spot(*both) for both in scores], BORDERS)


def test_open_at_the_left_and_expressed_above() -> None:
    (one, other) = drawn((0, 100), (100, 0)).dots
    assert (one.x, one.y) == (0, 0)
    assert (other.x, other.y) == (pytest.approx(SIDE, abs=10), pytest.approx(SIDE, abs=10))


def test_forty_scenarios_with_the_same_scores_are_forty_dots() -> None:
    found = drawn(*[(8.0, 95.0)] * 40)
    nearest = min(hypot(a.x - b.x, a.y - b.y) for a, b in combinations(found.dots, 2))
    assert nearest >= 2 * found.radius
    assert max(hypot(d.x - 0.08 * SIDE, d.y - 0.05 * SIDE) for d in found.dots) < 0.2 * SIDE


def test_neighbours_do_not_hide_each_other() -> None:
    found = drawn(*[(c0, 90.0) for c0 in (20.0, 20.9, 21.8, 22.7, 23.6)] * 4)
    nearest = min(hypot(a.x - b.x, a.y - b.y) for a, b in combinations(found.dots, 2))
    assert nearest >= 2 * found.radius


@given(st.lists(SCORES, max_size=60).map(lambda scores: scores * 3))
def test_no_dot_is_moved_across_a_border_or_out_of_the_map(scores: list[tuple[float, float]]) -> None:
    for dot in drawn(*scores).dots:
        at = BORDERS.zone(100 * dot.x / SIDE, 100 - 100 * dot.y / SIDE)
        near_a_border = abs(dot.spot.c0 - 50) < 0.1 or abs(dot.spot.c5 - 60) < 0.1
        assert near_a_border or at == BORDERS.zone(dot.spot.c0, dot.spot.c5)
        assert 0 <= dot.x <= SIDE
        assert 0 <= dot.y <= SIDE


def test_the_wanted_corner_is_counted_by_scores_and_not_by_places() -> None:
    assert drawn((50, 60), (50.1, 99), (0, 59.9), (0, 100)).wanted == 2


def test_the_map_before_shows_the_dataset_and_the_map_after_everything_examined() -> None:
    changes = example().changes
    before, after = (list(spots(changes, before=which)) for which in (True, False))
    assert {one.anchor.rsplit("-", 1)[0] for one in before} == {"s-d0000", "s-d0001", "s-d0002", "s-d0003"}
    assert {one.anchor.rsplit("-", 1)[0] for one in after} >= {"s-d0001", "s-n0000", "s-n0001"}
    (old,) = [one for one in before if one.anchor == "s-d0001-positive"]
    (new,) = [one for one in after if one.anchor == "s-d0001-positive"]
    assert (old.c0, old.passes, new.c0, new.passes) == (94.0, False, 8.0, True)
    assert old.label == "d0001 positive: EXPLAIN, C0 94, C5 96"
    assert [(one.anchor, one.apart) for one in after if one.apart] == [
        (f"s-{pair}-{side}", apart)
        for pair, apart in (("d0002", "dropped"), ("d0003", "parked"))
        for side in ("positive", "negative")
    ]


def test_parked_and_dropped_scenarios_are_drawn_and_named_but_not_counted_with_the_set() -> None:
    found = list(spots(example().changes, before=False))
    made = dot_map(found, BORDERS)
    assert (len(made.dots), made.size, made.apart) == (12, 8, [("parked", 2), ("dropped", 2)])
    assert made.wanted == sum(BORDERS.zone(one.c0, one.c5) == (True, True) for one in found if not one.apart)
    assert [one.label for one in found if one.apart == "parked"] == [
        f"d0003 {side}: EXPRESS, C0 8, C5 95, parked" for side in ("positive", "negative")
    ]
    assert [one.apart for one in spots(example().changes, before=True) if one.apart] == []


def test_what_passes_is_counted_in_the_set_only() -> None:
    made = dot_map([*spots(example().changes, before=False)], BORDERS)
    kept = [dot.spot for dot in made.dots if not dot.spot.apart]
    assert made.passing == sum(one.passes for one in kept) == 7
