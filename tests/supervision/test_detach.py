"""A run that outlives its terminal."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.storage.experiment import heartbeat_file, run_log
from agent.supervision.detach import detach
from agent.supervision.heartbeat import Heartbeat
from agent.supervision.progress import Progress
from tests.cli.scripted import experiment
from tests.supervision.test_heartbeat import beat_of, until

# Stands in for a run: it reports what it was given, passes its pre-flight where it is told to, and stays a while.
_CHILD = """
import os, sys, time
from pathlib import Path
from agent.supervision.heartbeat import Heartbeat, HeartbeatTiming
from agent.supervision.progress import Progress
from agent.storage.experiment import heartbeat_file
print("given", sys.argv[1:], repr(sys.stdin.read()), flush=True)
progress = Progress(())
time_of_day = (lambda: time.time() - 3600) if "set back" in sys.argv else time.time
with Heartbeat(heartbeat_file(Path(sys.argv[2]), os.getpid()), progress, timing=HeartbeatTiming(time_of_day)) as heart:
    if "stuck" in sys.argv:
        time.sleep(60)
    if "killed" in sys.argv:
        os.kill(os.getpid(), 9)
    if "waits" in sys.argv:
        progress.pause("judge", "it is out")
        time.sleep(60)
    heart.preflight_passed()
    time.sleep(0 if "brief" in sys.argv else 60)
"""
CHILD = (sys.executable, "-c", _CHILD)
_ANY_END = (os.P_ALL, 0, os.WEXITED | os.WNOWAIT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return experiment(tmp_path)


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    """The one line of JSON that was printed."""
    line, nothing = capsys.readouterr().out.split("\n")
    assert nothing == ""
    found: dict[str, object] = json.loads(line)
    return found


def end(pid: object) -> None:
    assert isinstance(pid, int)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@pytest.fixture
def typed_ahead() -> Iterator[None]:
    """Something waits on standard input, which is the terminal's and not the run's."""
    ours, typed, before = *os.pipe(), os.dup(0)
    os.write(typed, b"typed ahead")
    os.close(typed)
    os.dup2(ours, 0)
    yield
    os.dup2(before, 0)
    os.close(ours)
    os.close(before)


def test_once_its_preflight_is_passed_one_line_says_where_to_find_the_run(
    folder: Path, capsys: pytest.CaptureFixture[str], typed_ahead: None
) -> None:
    argv = ["run", str(folder), "--detach", "--target", "5"]
    assert detach(argv, folder, CHILD) == 0
    line = printed(capsys)
    pid = line["pid"]
    assert isinstance(pid, int)
    assert os.getsid(pid) == pid != os.getsid(0)
    assert line == {
        "pid": pid,
        "experiment": str(folder),
        "log": str(run_log(folder)),
        "heartbeat": str(heartbeat_file(folder, pid)),
        "status": f"cliffhanger status -e {folder}",
    }
    assert beat_of(heartbeat_file(folder, pid)).checked is not None
    assert run_log(folder).read_text() == f"given {['run', str(folder), '--target', '5']} ''\n"
    end(pid)


def test_its_status_is_asked_of_the_program_as_it_was_called(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.argv", ["my tools/cliffhanger", "run", "--detach"])
    assert detach(["run", str(folder)], folder, CHILD) == 0
    line = printed(capsys)
    assert line["status"] == f"'my tools/cliffhanger' status -e {folder}"
    end(line["pid"])


def test_settings_that_cannot_be_used_are_told_in_the_line_with_the_code(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "refine.toml").write_text("version = 1\ntraits = 7\n")
    run_log(folder).write_text("what an earlier run had said\n")
    assert detach(["run", "--detach", "-e", str(folder)], folder) == 64
    line = printed(capsys)
    assert line["code"] == 64
    assert "`traits`" in str(line["error"])
    assert "earlier run" not in str(line["error"])
    assert run_log(folder).read_text().startswith("what an earlier run had said\ncliffhanger: ")


def test_a_folder_that_is_not_there_is_told_and_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert detach(["run"], tmp_path / "none", CHILD) == 64
    assert printed(capsys) == {"error": f"There is no folder {tmp_path / 'none'}.", "code": 64}
    assert not (tmp_path / "none").exists()


def test_a_run_that_is_over_already_had_passed_all_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert detach(["run", str(folder), "brief"], folder, CHILD, sleep=lambda seconds: os.waitid(*_ANY_END)) == 0
    assert "pid" in printed(capsys)


def test_a_run_that_is_killed_in_its_preflight_failed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert detach(["run", str(folder), "killed"], folder, CHILD) == 137
    assert "given" in str(printed(capsys)["error"])


def test_a_long_preflight_is_left_to_itself(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waits: list[float] = []
    assert detach(["run", str(folder), "stuck"], folder, CHILD, sleep=waits.append) == 0
    assert sum(waits) == pytest.approx(300, abs=1)
    end(printed(capsys)["pid"])


def for_a_minute(why: str) -> Callable[[float], None]:
    """A sleep that does not go on for longer; `why` says what should have ended it."""
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        time.sleep(seconds)
        assert sum(waits) < 60, why

    return wait


def test_a_clock_that_is_set_back_by_an_hour_meanwhile_keeps_nobody_waiting(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        detach(["run", str(folder), "set back"], folder, CHILD, for_a_minute("the pre-flight was passed long ago")) == 0
    )
    line = printed(capsys)
    assert beat_of(Path(str(line["heartbeat"]))).checked is not None
    end(line["pid"])


def test_a_preflight_that_waits_for_an_endpoint_is_left_to_itself_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert detach(["run", str(folder), "waits"], folder, CHILD, for_a_minute("it was paused long ago")) == 0
    end(printed(capsys)["pid"])


def test_ctrl_c_before_the_line_ends_the_run_too(folder: Path) -> None:
    def interrupted(seconds: float) -> None:
        if list(folder.glob("heartbeat-*.json")):
            raise KeyboardInterrupt
        until(lambda: bool(list(folder.glob("heartbeat-*.json"))))

    with pytest.raises(KeyboardInterrupt):
        detach(["run", str(folder), "stuck"], folder, CHILD, sleep=interrupted)
    (path,) = folder.glob("heartbeat-*.json")
    assert os.waitstatus_to_exitcode(os.waitpid(beat_of(path).pid, 0)[1]) == -signal.SIGTERM


def test_what_an_old_run_left_under_the_same_pid_is_no_sign(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with Heartbeat(tmp_path / "old.json", Progress(())) as heart:
        heart.preflight_passed()
    old = (tmp_path / "old.json").read_bytes()
    with subprocess.Popen([sys.executable, "-c", ""]) as probe:
        last = probe.pid
    planted = [heartbeat_file(folder, pid) for pid in range(last + 1, last + 2000)]  # the next process is one of them
    for path in planted:
        path.write_bytes(old)
    report = "import os, sys; print(os.getpid()); sys.exit(5)"
    assert detach(["run"], folder, (sys.executable, "-c", report)) == 5
    assert heartbeat_file(folder, int(str(printed(capsys)["error"]))) in planted
