"""Determinism and resumption of the real program: the same inputs give the same bytes, also over a kill."""

from pathlib import Path

import pytest

from tests.e2e.demo_run import DemoRun, copy_demo, run

pytestmark = pytest.mark.slow

TRAIT = "toy/refusal"
SMALL = ("--traits", TRAIT, "--pilot", "6", "--batch", "4", "--target", "8")


def final_bytes(night: DemoRun) -> dict[str, bytes]:
    """The final set and the canonical history."""
    folder = night.refinement(TRAIT)
    found = {str(p.relative_to(folder)): p.read_bytes() for p in sorted((folder / "final").iterdir())}
    return {**found, "history": (folder / "history.jsonl").read_bytes()}


@pytest.fixture(scope="module")
def undisturbed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    return run(copy_demo(repository, tmp_path_factory.mktemp("first") / "demo"), *SMALL)


def test_the_same_seed_gives_the_same_sets_and_histories_byte_for_byte(
    undisturbed: DemoRun, repository: Path, tmp_path: Path
) -> None:
    again = run(copy_demo(repository, tmp_path / "demo"), *SMALL)
    assert final_bytes(again) == final_bytes(undisturbed)


def test_another_seed_gives_another_history(undisturbed: DemoRun, repository: Path, tmp_path: Path) -> None:
    other = run(copy_demo(repository, tmp_path / "demo", seed=5), *SMALL)
    assert final_bytes(other) != final_bytes(undisturbed)


@pytest.mark.parametrize("crash", ["intent-done:700", "completions-done:3"])  # every point: tests/e2e/test_kills.py
def test_a_killed_run_goes_on_with_the_same_command_and_ends_identically(
    undisturbed: DemoRun, repository: Path, tmp_path: Path, crash: str
) -> None:
    folder = copy_demo(repository, tmp_path / "demo")
    killed = run(folder, *SMALL, crash=crash)
    assert killed.exit_code == -9, killed.output
    assert final_bytes(run(folder, *SMALL)) == final_bytes(undisturbed)
