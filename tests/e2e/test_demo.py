"""The demo as a user runs it: three flawed traits, no key, no network."""

import hashlib
import re
from pathlib import Path

import pytest

from agent.loop.state import Status, replay
from agent.schema import Draft
from tests.bench.seeds import failed_first
from tests.e2e.demo_run import TRAITS, DemoRun, copy_demo, needlessly_edited, run, sides, truth

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    return run(copy_demo(repository, tmp_path_factory.mktemp("run") / "demo"), pictures=True)


def fingerprint(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_demo_ends_ready_or_ready_with_parked_pairs(demo: DemoRun) -> None:
    assert demo.exit_code in (0, 2), demo.output
    assert "Traceback" not in demo.output


def test_no_dataset_is_touched_since_nothing_was_approved(demo: DemoRun, repository: Path) -> None:
    assert fingerprint(demo.folder / "datasets") == fingerprint(repository / "experiments" / "demo" / "datasets")


@pytest.mark.parametrize("trait", TRAITS)
def test_at_least_half_of_the_starting_scenarios_fail_at_first(demo: DemoRun, trait: str) -> None:
    failed, started = failed_first(demo.history(trait))
    assert failed >= started / 2


@pytest.mark.parametrize("trait", TRAITS)
def test_the_whole_pilot_is_confirmed_before_the_set_grows(demo: DemoRun, trait: str) -> None:
    history = demo.history(trait)
    for i, done in enumerate(history):
        if isinstance(done.move, Draft) and done.move.goal > 16:
            before = replay(history[:i])
            assert len(before.items) >= 16
            assert set(before.at(Status.CONFIRMED, Status.AUDITED)) == set(before.items)


@pytest.mark.parametrize("trait", TRAITS)
def test_the_set_reaches_its_target_with_every_pair_audited(demo: DemoRun, trait: str) -> None:
    now = demo.state(trait)
    assert len(now.at(Status.AUDITED)) == len(now.items) == 48


@pytest.mark.parametrize("trait", TRAITS)
def test_the_summary_states_the_audits_interval_and_the_flap_rates(demo: DemoRun, trait: str) -> None:
    summary = (demo.refinement(trait) / "summary.md").read_text()
    assert re.search(r"audit \d+/\d+ = [\d.]+% \[", summary)
    assert "flap rates: " in summary


def test_at_least_99_percent_of_the_final_scenarios_are_truly_good(demo: DemoRun) -> None:
    good = [flag for trait in TRAITS for flag in truth(trait, sides(demo.state(trait).pairs))]
    assert sum(good) >= 0.99 * len(good), f"{sum(good)} of {len(good)}"


def test_at_most_2_percent_of_the_good_starting_pairs_are_needlessly_edited(demo: DemoRun) -> None:
    counts = [needlessly_edited(demo, trait) for trait in TRAITS]
    edited, good = sum(k for k, _ in counts), sum(n for _, n in counts)
    assert good >= 12, "too few good starting pairs to say anything"
    assert edited <= 0.02 * good, f"{edited} of {good}"
