"""A full disk, at whichever write: the run stops and says so, and ends as undisturbed once there is room again."""

import random

import pytest

from tests.e2e.killing import Kill, PlanResult, results

SMALL = (1, 2)  # pairs to begin with, and pairs wanted
SAMPLED = 12  # writes that find no room, for each way of being full; besides the first and the last few
EDGES = 6
SEED = 5
SENTENCES = ("disk is full", "No space left on device")
WAYS = {"once": "", "from then on": "+"}


@pytest.fixture(scope="module")
def undisturbed() -> PlanResult:
    """A run with room enough, and the same command again, which finds nothing to do."""
    (result,) = results(["full1000000000"], *SMALL)
    assert (result.kills[0].code, result.code) == (0, 0), result.log
    return result


def writes(undisturbed: PlanResult) -> list[int]:
    """Some of the writes of a run, the first and the last few always among them."""
    count = undisturbed.kills[0].written
    inner = range(EDGES + 1, count - EDGES)
    return [*range(1, EDGES + 1), *sorted(random.Random(SEED).sample(inner, SAMPLED)), *range(count - EDGES, count + 1)]


@pytest.fixture(scope="module")
def all_full(undisturbed: PlanResult) -> list[PlanResult]:
    return results([f"full{number}{way}" for number in writes(undisturbed) for way in WAYS.values()], *SMALL)


@pytest.fixture(params=WAYS)
def full(request: pytest.FixtureRequest, all_full: list[PlanResult]) -> list[PlanResult]:
    return [result for result in all_full if result.plan.endswith("+") == (request.param == "from then on")]


def stops(full: list[PlanResult]) -> list[tuple[PlanResult, Kill]]:
    """The runs that ended because of the disk, each with its result."""
    return [(result, result.kills[0]) for result in full if result.kills[0].code != 0]


def test_a_full_disk_ends_the_run_in_a_sentence_and_with_a_code_that_is_no_bug(full: list[PlanResult]) -> None:
    for result, stop in stops(full):
        assert any(sentence in stop.log for sentence in SENTENCES), f"{result.plan}: {stop.code}: {stop.log}"
        assert stop.code in (3, 64), f"{result.plan}: {stop.code}: {stop.log}"
        assert stop.code == 3 or "round 1, draft" not in stop.log, "64 means that nothing was run"
        assert "Traceback" not in stop.log, f"{result.plan}: {stop.log}"


def test_a_run_that_ends_well_all_the_same_could_not_write_a_heartbeat_and_has_done_everything(
    full: list[PlanResult], undisturbed: PlanResult
) -> None:
    known = set(undisturbed.billed) - set(undisturbed.prices)
    well = [result for result in full if result.kills[0].code == 0]
    assert len(well) < len(full)  # how many depends on how often a heartbeat fell due
    for result in well:
        assert "ready: all 2 pairs are confirmed and audited" in result.kills[0].log, result.plan
        assert set(result.billed[result.kills[0].billed :]) <= known, result.plan


def test_when_there_is_room_again_the_same_command_ends_with_the_same_set_and_history(
    full: list[PlanResult], undisturbed: PlanResult
) -> None:
    for result in full:
        assert (result.code, result.files) == (undisturbed.code, undisturbed.files), f"{result.plan}: {result.log}"


def test_no_answer_that_was_stored_is_bought_again_and_every_other_is_listed(
    full: list[PlanResult], undisturbed: PlanResult
) -> None:
    known = set(undisturbed.billed) - set(undisturbed.prices)
    for result in full:
        (stop,) = result.kills
        assert not set(stop.stored) & set(result.billed[stop.billed :]), result.plan
        assert set(result.billed[: stop.billed]) - known - set(stop.stored) <= set(stop.listed), result.plan
        assert stop.listed_exactly, result.plan
        assert result.spent == undisturbed.spent, result.plan
