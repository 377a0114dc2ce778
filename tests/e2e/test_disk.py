"""A full disk, wherever it is met: a stop that says so, and the same end as ever once there is room again."""

import random

import pytest

from tests.e2e.killing import Kill, Story, stories

SMALL = (1, 2)  # pairs to begin with, and pairs wanted
SAMPLED = 12  # writes that find no room, for each way of being full; besides the first and the last few
EDGES = 6
SEED = 5
SENTENCES = ("disk is full", "No space left on device")
ONCE, FROM_THEN_ON = "", "+"


@pytest.fixture(scope="module")
def undisturbed() -> Story:
    """A run with room enough, and once more the same command, which finds nothing to do."""
    (story,) = stories(["full1000000000"], *SMALL)
    assert (story.kills[0].code, story.code) == (0, 0), story.log
    return story


def writes(undisturbed: Story) -> list[int]:
    """Some of the writes of a run, the first and the last few always among them."""
    count = undisturbed.kills[0].written
    inner = range(EDGES + 1, count - EDGES)
    return [*range(1, EDGES + 1), *sorted(random.Random(SEED).sample(inner, SAMPLED)), *range(count - EDGES, count + 1)]


@pytest.fixture(scope="module", params=[ONCE, FROM_THEN_ON], ids=["once", "from then on"])
def full(request: pytest.FixtureRequest, undisturbed: Story) -> list[Story]:
    return stories([f"full{number}{request.param}" for number in writes(undisturbed)], *SMALL)


def stops(full: list[Story]) -> list[tuple[Story, Kill]]:
    """The runs that ended because of the disk, each with its story."""
    return [(story, story.kills[0]) for story in full if story.kills[0].code != 0]


def test_a_full_disk_ends_the_run_in_a_sentence_and_with_a_code_that_is_no_bug(full: list[Story]) -> None:
    for story, stop in stops(full):
        assert any(sentence in stop.log for sentence in SENTENCES), f"{story.plan}: {stop.code}: {stop.log}"
        assert stop.code == 64, f"{story.plan}: {stop.code}: {stop.log}"
        assert "Traceback" not in stop.log, f"{story.plan}: {stop.log}"


def test_a_run_that_ends_well_all_the_same_could_not_write_a_heartbeat_and_has_done_everything(
    full: list[Story], undisturbed: Story
) -> None:
    known = set(undisturbed.billed) - set(undisturbed.prices)
    well = [story for story in full if story.kills[0].code == 0]
    assert len(well) < len(full)  # how many depends on how often a heartbeat fell due
    for story in well:
        assert "ready: all 2 pairs are confirmed and audited" in story.kills[0].log, story.plan
        assert set(story.billed[story.kills[0].billed :]) <= known, story.plan


def test_when_there_is_room_again_the_same_command_ends_with_the_same_set_and_history(
    full: list[Story], undisturbed: Story
) -> None:
    for story in full:
        assert (story.code, story.files) == (undisturbed.code, undisturbed.files), f"{story.plan}: {story.log}"


def test_no_answer_that_was_stored_is_bought_again_and_every_other_is_listed(
    full: list[Story], undisturbed: Story
) -> None:
    known = set(undisturbed.billed) - set(undisturbed.prices)
    for story in full:
        (stop,) = story.kills
        assert not set(stop.stored) & set(story.billed[stop.billed :]), story.plan
        assert set(story.billed[: stop.billed]) - known - set(stop.stored) <= set(stop.listed), story.plan
        assert stop.told, story.plan
        assert story.spent == undisturbed.spent, story.plan
