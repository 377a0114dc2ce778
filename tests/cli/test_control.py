"""`stop`, `pause` and `resume`: the files they write, what they print, and that a run obeys."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.app.control import end_process
from agent.cli.main import app
from agent.storage.experiment import ExperimentFolder, heartbeat_file
from agent.storage.ledger import Ledger
from agent.supervision.heartbeat import Heartbeat
from agent.supervision.progress import Progress
from tests.cli.scripted import experiment, tree
from tests.supervision.worker import TRAIT, read_heartbeat, running_worker, wait_until

_IGNORES_SIGNALS = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""


def output(*command: str) -> str:
    done = CliRunner().invoke(app, [*command])
    assert done.exit_code == 0, done.output
    return done.output


def state(root: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(output("status", "-e", str(root), "--json"))[0]
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return experiment(tmp_path)


@pytest.fixture
def folder(root: Path) -> ExperimentFolder:
    return ExperimentFolder(root, TRAIT)


@pytest.fixture
def run(root: Path) -> Iterator[None]:
    """A run of the trait, in this process."""
    with Heartbeat(heartbeat_file(root, os.getpid()), Progress((TRAIT,))):
        yield


@pytest.fixture
def variant_run(root: Path) -> Iterator[None]:
    """A run of the trait under the variant "big", in this process."""
    with Heartbeat(heartbeat_file(root, os.getpid()), Progress((TRAIT,)), variant="big"):
        yield


def test_a_run_pauses_continues_pauses_again_and_stops_with_six(root: Path, folder: ExperimentFolder) -> None:
    with running_worker(root) as process:
        path = heartbeat_file(root, process.pid)
        assert f"process {process.pid} pauses after the calls in flight" in output("pause", "-e", str(root))
        wait_until(lambda: read_heartbeat(path).now.paused is not None)
        assert str(folder.pause_file) in str(read_heartbeat(path).now.paused)
        assert state(root)["how"] == "paused"
        paused = read_heartbeat(path)
        wait_until(lambda: read_heartbeat(path).written > paused.written)
        assert read_heartbeat(path).now.traits == paused.now.traits
        assert f"Process {process.pid} continues within a second" in output("resume", "-e", str(root))
        wait_until(lambda: read_heartbeat(path).now.traits != paused.now.traits)
        assert (read_heartbeat(path).now.paused, process.poll()) == (None, None)
        output("pause", "-e", str(root))
        wait_until(lambda: read_heartbeat(path).now.paused is not None)
        output("stop", "-e", str(root))
        assert process.wait(60) == 6
    assert folder.stop_file.exists()
    assert "PAUSE and STOP removed. No run is active" in output("resume", "-e", str(root))
    assert not folder.stop_file.exists()


def test_a_paused_run_shows_its_pause_once(root: Path, folder: ExperimentFolder) -> None:
    progress = Progress((TRAIT,))
    progress.pause(TRAIT, f"the file {folder.pause_file}; `cliffhanger resume` removes it")
    with Heartbeat(heartbeat_file(root, os.getpid()), progress):
        output("pause", "-e", str(root))
        shown = output("status", "-e", str(root))
    assert shown.count("cliffhanger resume") == 1
    assert "requested: pause" in output("status", "-e", str(root))  # nothing runs now, but the request is there


def test_stop_names_the_request_that_the_next_run_would_find(root: Path, folder: ExperimentFolder, run: None) -> None:
    printed = output("stop", "-e", str(root))
    assert f"process {os.getpid()} stops after the calls in flight, with exit code 6." in printed
    assert f"remove the request: `cliffhanger resume --experiment {root}" in printed
    assert folder.stop_file.is_file()


@pytest.mark.parametrize("command", [["stop"], ["stop", "--now"], ["pause"]])
def test_without_a_run_nothing_is_written_that_a_later_run_would_find(root: Path, command: list[str]) -> None:
    with Heartbeat(heartbeat_file(root, os.getpid()), Progress((TRAIT,))):
        pass
    before = tree(root)
    assert output(*command, "-e", str(root)) == "No run is active; nothing changed.\n"
    assert tree(root) == before


def test_resume_without_a_request_says_so(root: Path) -> None:
    assert "no request to pause or to stop; nothing changed" in output("resume", "-e", str(root))


def test_now_ends_a_run_that_ignores_requests_and_never_another_process_with_its_pid(root: Path) -> None:
    with running_worker(root, TRAIT, "deaf") as process:
        assert f"Process {process.pid} has ended" in output("stop", "-e", str(root), "--now")
        assert process.wait(60) == 6
    assert state(root)["how"] == "died"
    path = heartbeat_file(root, process.pid)
    path.write_text(read_heartbeat(path).model_copy(update={"pid": os.getpid()}).model_dump_json())
    assert "No run is active" in output("stop", "-e", str(root), "--now")


def test_a_process_that_ignores_all_signals_is_reported() -> None:
    waits: list[float] = []
    with subprocess.Popen([sys.executable, "-c", _IGNORES_SIGNALS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert not end_process(process.pid, lambda: process.poll() is None, waits.append)
        process.kill()
    assert sum(waits) == pytest.approx(10.0)
    assert end_process(process.pid, lambda: True, waits.append)  # gone before a signal could be sent


def test_only_the_trait_that_runs_is_stopped(root: Path, folder: ExperimentFolder, run: None) -> None:
    settings = root / "refine.toml"
    settings.write_text(settings.read_text().replace('["toy/refusal"]', '["toy/refusal", "toy/gloom"]'))
    output("stop", "-e", str(root))
    assert folder.stop_file.exists()
    assert not ExperimentFolder(root, "toy/gloom").stop_file.exists()


def test_a_run_under_a_variant_is_paused_resumed_and_stopped_without_naming_it(
    root: Path, folder: ExperimentFolder, variant_run: None
) -> None:
    big = ExperimentFolder(root, TRAIT, "big")
    printed = output("pause", "-e", str(root))
    assert "toy/refusal (variant big): process" in printed
    assert f"resume --experiment {root} --traits {TRAIT} --model-variant big" in printed
    assert big.pause_file.exists()
    assert "toy/refusal (variant big): PAUSE removed" in output("resume", "-e", str(root))
    assert not big.pause_file.exists()
    output("stop", "-e", str(root))
    assert (big.stop_file.exists(), folder.stop_file.exists()) == (True, False)


def test_a_named_variant_leaves_runs_under_others_alone(root: Path, variant_run: None) -> None:
    assert "No run is active" in output("stop", "-e", str(root), "--model-variant", "small")
    assert not ExperimentFolder(root, TRAIT, "big").stop_file.exists()


def test_plain_status_names_a_run_under_a_variant(root: Path, variant_run: None) -> None:
    printed = output("status", "-e", str(root))
    assert printed.startswith(f"toy/refusal runs under variant big: `cliffhanger status --experiment {root}")
    assert "--model-variant big`\n" in printed
    assert "under variant" not in output("status", "-e", str(root), "--model-variant", "big")
    assert isinstance(state(root), dict)


def test_a_command_without_a_heartbeat_is_named_and_not_stopped(root: Path, folder: ExperimentFolder) -> None:
    with Ledger(folder.ledger_path):
        assert "another command without a heartbeat uses its ledger" in output("stop", "-e", str(root))
    assert not folder.stop_file.exists()
