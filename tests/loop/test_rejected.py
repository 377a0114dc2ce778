"""What a human refused is neither drafted nor proposed again, and new drafts take no old one's number."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.loop.act import act
from agent.schema import Draft, Pair
from agent.steps.repair import SetContext, repair
from agent.steps.screening import rejected_side
from tests.loop.test_act import tools
from tests.steps.repair_tasks import CUTS, CUTTING, LONG, LONGEST, ONE
from tests.steps.repair_tasks import world as ailing_world
from tests.steps.scripted import Facts, World, wrote
from tests.steps.test_draft import batch, told


def drafted(tmp_path: Path, rejected: tuple[str, ...], first_draft: int = 0) -> list[tuple[str, str]]:
    """(id, positive text) of what comes of an order for two, where the author offers three."""
    answering = World({}, [batch(0, 1, 2), *[wrote(pairs=[])] * 20])
    work = replace(tools(answering, tmp_path, dataset=()), rejected=rejected, first_draft=first_draft)
    done = act(Draft(goal=4, count=2), (), work)
    return [(c.pair, c.after.positive.text) for c in done.changes if c.after is not None]


def text_of(number: int) -> str:
    side = told(number)["positive"]
    return f"{side['stem']} {side['ending']}"


def test_a_rejected_draft_is_refused_when_it_comes_again_nearly_the_same(tmp_path: Path) -> None:
    assert [text for _, text in drafted(tmp_path / "a", ())] == [text_of(0), text_of(1)]
    again = text_of(0).replace("the frozen well", "a frozen well")
    assert [text for _, text in drafted(tmp_path / "b", (again,))] == [text_of(1), text_of(2)]


def test_drafts_are_numbered_on_from_those_of_earlier_campaigns(tmp_path: Path) -> None:
    assert [name for name, _ in drafted(tmp_path, (), first_draft=7)] == ["n0007", "n0008"]


def test_a_rejected_edit_is_not_taken_but_a_neighbour_of_it_is() -> None:
    def taken(rejected: tuple[str, ...]) -> Pair | None:
        answering = ailing_world(dict.fromkeys(CUTS, Facts()))
        (change,) = repair(answering.context(), [CUTTING], SetContext((ONE,), 48, rejected))
        return change.after

    first, second = taken(()), taken((LONGEST.upper(),))
    assert first is not None
    assert second is not None
    assert (first.positive.text, second.positive.text) == (LONGEST, LONG)


@pytest.mark.parametrize(("same", "refused"), [(93.0, True), (100.0, False)])
def test_how_near_counts_as_the_same_is_up_to_who_asks(same: float, refused: bool) -> None:
    near = (ONE.positive.text + " then",)
    assert bool(rejected_side(ONE.sides, near, same)) is refused
    assert rejected_side(ONE.sides, (), same) is None
