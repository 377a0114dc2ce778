"""Determinism and resumption of the program with the real subject: the same inputs give the same bytes."""

import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.demo_run import copy_demo
from tests.e2e.forking import NEVER
from tests.e2e.killing import TRAIT, PlanResult, follow, real

pytestmark = pytest.mark.slow


class Undisturbed(NamedTuple):
    """A run to its end: its folder, its result and the seconds it took."""

    folder: Path
    result: PlanResult
    seconds: float


@pytest.fixture(scope="module")
def undisturbed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder, began = copy_demo(repository, tmp_path_factory.mktemp("first") / "demo"), time.monotonic()
    result = follow("", folder, real)
    assert result.code in (0, 2), result.log
    return Undisturbed(folder, result, time.monotonic() - began)


ROUNDS = 5  # of the demo, up to its first confirmation: only then the subject is sampled


def first_rounds(folder: Path) -> list[str]:
    history = (folder / "extraction" / TRAIT / "refinement" / "history.jsonl").read_text(encoding="utf-8")
    return history.splitlines()[:ROUNDS]


def test_the_same_seed_gives_the_same_set_and_history_byte_for_byte(
    undisturbed: Undisturbed, repository: Path, tmp_path: Path
) -> None:
    again = follow("", copy_demo(repository, tmp_path / "demo"), real)
    assert (again.code, again.files) == (undisturbed.result.code, undisturbed.result.files)


@pytest.mark.parametrize("seed", [0, 5])
def test_another_seed_gives_other_first_rounds(
    undisturbed: Undisturbed, repository: Path, tmp_path: Path, seed: int
) -> None:
    folder = copy_demo(repository, tmp_path / "demo", seed=seed)
    real(folder, NEVER, ("--max-rounds", str(ROUNDS)))
    assert (first_rounds(folder) == first_rounds(undisturbed.folder)) == (seed == 0)


@pytest.mark.parametrize("kills", ["completions-done:3", "{half:.1f}s intent-done:200"], ids=["once", "twice"])
def test_a_killed_run_ends_with_the_same_set_and_history_byte_for_byte(
    undisturbed: Undisturbed, repository: Path, tmp_path: Path, kills: str
) -> None:
    plan = kills.format(half=undisturbed.seconds / 2)
    result = follow(plan, copy_demo(repository, tmp_path / "demo"), real)
    assert len(result.kills) == len(plan.split()), f"a kill never came: {result.log}"
    assert (result.code, result.files) == (undisturbed.result.code, undisturbed.result.files), result.log
    assert result.attempts <= undisturbed.result.attempts + len(result.listed)
    for kill in result.kills:
        assert kill.listed_exactly
        assert not set(kill.stored) & set(result.billed[kill.billed :])
