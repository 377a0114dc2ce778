"""Word for a running run: stop, pause, resume."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.cli.main import app
from agent.cli.run import end_now
from agent.storage.experiment import ExperimentFolder, heartbeat_file
from agent.storage.ledger import Ledger
from tests.cli.scripted import experiment, tree
from tests.supervision.test_heartbeat import TRAIT, beat_of, until, worker

_UNMOVED = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""


def said(*command: str) -> str:
    done = CliRunner().invoke(app, [*command])
    assert done.exit_code == 0, done.output
    return done.output


def state(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(said("status", "-e", str(folder), "--json"))[0]
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return experiment(tmp_path)


@pytest.fixture
def place(folder: Path) -> ExperimentFolder:
    return ExperimentFolder(folder, TRAIT)


def test_a_stopped_run_ends_with_six_and_its_stop_file_stays_until_resume(
    folder: Path, place: ExperimentFolder
) -> None:
    with worker(folder) as process:
        told = said("stop", "-e", str(folder))
        assert process.wait(20) == 6
    assert f"process {process.pid} finishes and stores what is in flight" in told
    assert place.stop_file.is_file()
    assert "`cliffhanger resume --experiment" in told
    assert "STOP removed; nothing runs." in said("resume", "-e", str(folder))
    assert not place.stop_file.exists()


def test_a_paused_run_does_no_step_until_resume(folder: Path, place: ExperimentFolder) -> None:
    with worker(folder) as process:
        path = heartbeat_file(folder, process.pid)
        assert "then begins nothing more until" in said("pause", "-e", str(folder))
        until(lambda: beat_of(path).now.paused is not None)
        assert str(place.pause_file) in str(beat_of(path).now.paused)
        assert state(folder)["how"] == "paused"
        before = beat_of(path)
        until(lambda: beat_of(path).written > before.written + 0.2)
        assert beat_of(path).now.traits == before.now.traits
        assert "goes on within a second" in said("resume", "-e", str(folder))
        until(lambda: beat_of(path).now.traits != before.now.traits)
        assert beat_of(path).now.paused is None
        assert process.poll() is None


def test_a_stop_reaches_a_paused_run(folder: Path) -> None:
    with worker(folder) as process:
        said("pause", "-e", str(folder))
        until(lambda: beat_of(heartbeat_file(folder, process.pid)).now.paused is not None)
        said("stop", "-e", str(folder))
        assert process.wait(20) == 6


@pytest.mark.parametrize("command", [["stop"], ["stop", "--now"], ["pause"]])
def test_where_nothing_runs_nothing_is_written_for_a_later_run_to_find(folder: Path, command: list[str]) -> None:
    with worker(folder) as process:
        process.kill()
        process.wait()
    before = tree(folder)
    assert "Nothing runs there: nothing was changed." in said(*command, "-e", str(folder))
    assert tree(folder) == before


def test_resume_where_nothing_was_asked_says_so(folder: Path) -> None:
    assert "nothing to take back" in said("resume", "-e", str(folder))


def test_now_ends_even_a_run_that_looks_for_no_word(folder: Path) -> None:
    with worker(folder, TRAIT, "deaf") as process:
        told = said("stop", "-e", str(folder), "--now")
        assert f"process {process.pid} has ended" in told
        assert process.wait(20) == 6
    assert state(folder)["how"] == "died"


def test_now_never_signals_a_process_that_only_has_the_pid_of_a_dead_run(folder: Path) -> None:
    with worker(folder) as process:
        pass
    process.wait()
    path = heartbeat_file(folder, process.pid)
    path.write_text(beat_of(path).model_copy(update={"pid": os.getpid()}).model_dump_json())
    assert "Nothing runs there" in said("stop", "-e", str(folder), "--now")


def test_a_process_that_outlives_all_signals_is_given_up() -> None:
    waits: list[float] = []
    with subprocess.Popen([sys.executable, "-c", _UNMOVED], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert not end_now(process.pid, lambda: process.poll() is None, waits.append)
        process.kill()
    assert sum(waits) == pytest.approx(10.0)
    assert end_now(process.pid, lambda: True, waits.append)  # gone before a signal could be sent


def test_only_the_trait_that_runs_is_stopped(folder: Path, place: ExperimentFolder) -> None:
    settings = folder / "refine.toml"
    settings.write_text(settings.read_text().replace('["toy/refusal"]', '["toy/refusal", "toy/gloom"]'))
    with worker(folder, "toy/gloom") as process:
        said("stop", "-e", str(folder))
        assert process.wait(20) == 6
    assert not place.stop_file.exists()
    assert ExperimentFolder(folder, "toy/gloom").stop_file.exists()


@pytest.fixture
def big(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """A run of the trait under the model variant "big"."""
    with worker(folder, TRAIT, "--model-variant", "big") as process:
        yield process


def test_a_run_under_a_variant_is_held_up_let_go_and_stopped_without_naming_it(
    folder: Path, place: ExperimentFolder, big: "subprocess.Popen[str]"
) -> None:
    there = ExperimentFolder(folder, TRAIT, "big")
    told = said("pause", "-e", str(folder))
    assert "toy/refusal (variant big): process" in told
    assert f"resume --experiment {folder} --traits {TRAIT} --model-variant big" in told
    assert there.pause_file.exists()
    assert "toy/refusal (variant big): PAUSE removed" in said("resume", "-e", str(folder))
    assert not there.pause_file.exists()
    said("stop", "-e", str(folder))
    assert big.wait(20) == 6
    assert not place.stop_file.exists()
    assert "toy/refusal (variant big): STOP removed; nothing runs" in said("resume", "-e", str(folder))


def test_a_variant_that_is_named_leaves_the_runs_of_others_alone(folder: Path, big: "subprocess.Popen[str]") -> None:
    assert "Nothing runs there" in said("stop", "-e", str(folder), "--model-variant", "small")
    assert big.poll() is None


def test_plain_status_points_to_a_run_under_a_variant(folder: Path, big: "subprocess.Popen[str]") -> None:
    told = said("status", "-e", str(folder))
    assert told.startswith(f"toy/refusal runs under variant big: `cliffhanger status --experiment {folder}")
    assert "--model-variant big`\n" in told
    assert "under variant" not in said("status", "-e", str(folder), "--model-variant", "big")
    assert isinstance(state(folder), dict)


def test_a_command_without_a_heartbeat_is_named_and_not_asked(folder: Path, place: ExperimentFolder) -> None:
    with Ledger(place.ledger_path):
        told = said("stop", "-e", str(folder))
    assert "a command without a heartbeat holds its ledger" in told
    assert not place.stop_file.exists()


def test_what_a_person_asked_of_the_run_is_told(folder: Path, place: ExperimentFolder) -> None:
    place.refinement.mkdir(parents=True)
    place.stop_file.touch()
    place.pause_file.touch()
    assert "asked to stop and pause, until `cliffhanger resume`" in said("status", "-e", str(folder))
