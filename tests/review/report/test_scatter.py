"""The first-token map: every scenario with both scores is a dot at its scores."""

from agent.review.report.charts import SIDE, Dot, DotMap, dot_map, dots_of
from agent.schema import Mode, Rules
from tests.loop.histories import POSITIVE
from tests.review.report.examples import example


def dot(c0: float, c5: float) -> Dot:
    return Dot(anchor="s", label="", polarity=POSITIVE, passes=True, excluded="", c0=c0, c5=c5)


def map_of(*dots: Dot) -> DotMap:
    return dot_map(dots, Rules(), Mode.DECISION)


def test_open_texts_lie_left_and_expressing_first_tokens_on_top() -> None:
    assert [(one.x, one.y) for one in map_of(dot(0, 100), dot(100, 0), dot(25, 50)).dots] == [
        (0, 0),
        (SIDE, SIDE),
        (SIDE / 4, SIDE / 2),
    ]


def test_dots_with_the_same_scores_are_beside_each_other_and_inside_the_square() -> None:
    dots = map_of(*[dot(0, 100)] * 40).dots
    assert (dots[0].x, dots[0].y) == (0, 0)
    places = {(one.x, one.y) for one in dots}
    assert len(places) == 40
    assert all(0 <= x <= SIDE and 0 <= y <= SIDE for x, y in places)


def test_many_dots_are_smaller() -> None:
    assert map_of(*[dot(8, 95)] * 700).radius < map_of(*[dot(8, 95)] * 200).radius < map_of(dot(8, 95)).radius


def test_the_goal_corner_includes_its_edges() -> None:
    assert map_of(dot(50, 60), dot(50.1, 99), dot(0, 59.9), dot(0, 100)).in_goal == 2


def test_the_map_before_shows_the_dataset_and_the_map_after_everything_examined() -> None:
    changes = example().changes
    before, after = (list(dots_of(changes, before=which)) for which in (True, False))
    assert {one.anchor.rsplit("-", 1)[0] for one in before} == {"s-d0000", "s-d0001", "s-d0002", "s-d0003"}
    assert {one.anchor.rsplit("-", 1)[0] for one in after} >= {"s-d0001", "s-n0000", "s-n0001"}
    (old,) = [one for one in before if one.anchor == "s-d0001-positive"]
    (new,) = [one for one in after if one.anchor == "s-d0001-positive"]
    assert (old.c0, old.passes, new.c0, new.passes) == (94.0, False, 8.0, True)
    assert old.label == "d0001 positive: EXPLAIN, C0 94, C5 96"
    assert [(one.anchor, one.excluded) for one in after if one.excluded] == [
        (f"s-{pair}-{side}", excluded)
        for pair, excluded in (("d0002", "dropped"), ("d0003", "parked"))
        for side in ("positive", "negative")
    ]


def test_parked_and_dropped_scenarios_are_drawn_and_labelled_but_not_counted_with_the_set() -> None:
    dots = list(dots_of(example().changes, before=False))
    made = map_of(*dots)
    assert (len(made.dots), made.size, made.excluded) == (12, 8, [("parked", 2), ("dropped", 2)])
    assert made.in_goal == 7  # of the set; the positive of n0001 is LATE
    assert [one.label for one in dots if one.excluded == "parked"] == [
        f"d0003 {side}: EXPRESS, C0 8, C5 95, parked" for side in ("positive", "negative")
    ]
    assert [one.excluded for one in dots_of(example().changes, before=True) if one.excluded] == []


def test_passing_scenarios_are_counted_in_the_set_only() -> None:
    made = map_of(*dots_of(example().changes, before=False))
    assert made.passing == sum(one.passes for one in made.dots if not one.excluded) == 7
