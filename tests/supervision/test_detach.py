"""Detached runs: they outlive their terminal."""

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
from agent.supervision.heartbeat import Heartbeat, HeartbeatTiming
from agent.supervision.progress import Progress
from tests.cli.scripted import experiment
from tests.supervision.worker import read_heartbeat, wait_until

# Stands in for a run: it prints its arguments, passes its pre-flight unless an argument says otherwise, and stays.
# Its heartbeat is made from a record in the folder, so that it imports nothing of the program and starts quickly.
_CHILD = """
import json, os, sys, time
from pathlib import Path
print("given", sys.argv[1:], repr(sys.stdin.read()), flush=True)
root = Path(sys.argv[2])
record = json.loads((root / "record.json").read_text()) | {"pid": os.getpid()}
def write():
    (root / "new.json").write_text(json.dumps(record))
    (root / "new.json").replace(root / f"heartbeat-{os.getpid()}.json")
write()
if "stuck" in sys.argv:
    time.sleep(600)
if "killed" in sys.argv:
    os.kill(os.getpid(), 9)
if "waits" in sys.argv:
    record["now"]["paused"] = "it is out"
    write()
    time.sleep(600)
record["checked"] = record["written"]
write()
time.sleep(0 if "brief" in sys.argv else 600)
"""
CHILD = (sys.executable, "-c", _CHILD)
_ANY_END = (os.P_ALL, 0, os.WEXITED | os.WNOWAIT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = experiment(tmp_path)
    set_back = HeartbeatTiming(lambda: time.time() - 3600)  # as after a change of the system time: times prove nothing
    with Heartbeat(root / "record.json", Progress(()), timing=set_back):
        record = (root / "record.json").read_bytes()
    (root / "record.json").write_bytes(record)
    return root


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


def test_after_the_preflight_one_line_of_json_says_where_the_run_is(
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
    assert read_heartbeat(heartbeat_file(folder, pid)).checked is not None
    assert run_log(folder).read_text() == f"given {['run', str(folder), '--target', '5']} ''\n"
    end(pid)


def test_the_status_command_names_the_program_as_it_was_called(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.argv", ["my tools/cliffhanger", "run", "--detach"])
    assert detach(["run", str(folder)], folder, CHILD) == 0
    line = printed(capsys)
    assert line["status"] == f"'my tools/cliffhanger' status -e {folder}"
    end(line["pid"])


def test_invalid_settings_are_in_the_line_with_their_exit_code(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "refine.toml").write_text("version = 1\ntraits = 7\n")
    run_log(folder).write_text("what an earlier run had printed\n")
    assert detach(["run", "--detach", "-e", str(folder)], folder) == 64
    line = printed(capsys)
    assert line["code"] == 64
    assert "`traits`" in str(line["error"])
    assert "earlier run" not in str(line["error"])
    assert run_log(folder).read_text().startswith("what an earlier run had printed\ncliffhanger: ")


def test_a_missing_folder_is_an_error_and_is_not_created(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert detach(["run"], tmp_path / "none", CHILD) == 64
    assert printed(capsys) == {"error": f"There is no folder {tmp_path / 'none'}.", "code": 64}
    assert not (tmp_path / "none").exists()


def test_a_run_that_has_ended_already_counts_as_passed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert detach(["run", str(folder), "brief"], folder, CHILD, sleep=lambda seconds: os.waitid(*_ANY_END)) == 0
    assert "pid" in printed(capsys)


def test_a_run_that_is_killed_in_its_preflight_has_failed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert detach(["run", str(folder), "killed"], folder, CHILD) == 137
    assert "given" in str(printed(capsys)["error"])


def test_a_long_preflight_is_not_waited_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waits: list[float] = []
    assert detach(["run", str(folder), "stuck"], folder, CHILD, sleep=waits.append) == 0
    assert sum(waits) == pytest.approx(300, abs=1)
    end(printed(capsys)["pid"])


def at_most_a_minute(why: str) -> Callable[[float], None]:
    """A real sleep that fails after a minute in all; `why` says what should have ended it."""
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        time.sleep(seconds)
        assert sum(waits) < 60, why

    return wait


def test_a_preflight_that_waits_for_an_endpoint_is_not_waited_for(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert detach(["run", str(folder), "waits"], folder, CHILD, at_most_a_minute("it was paused long ago")) == 0
    end(printed(capsys)["pid"])


def test_ctrl_c_before_the_line_ends_the_run(folder: Path) -> None:
    def interrupted(seconds: float) -> None:
        if list(folder.glob("heartbeat-*.json")):
            raise KeyboardInterrupt
        wait_until(lambda: bool(list(folder.glob("heartbeat-*.json"))))

    with pytest.raises(KeyboardInterrupt):
        detach(["run", str(folder), "stuck"], folder, CHILD, sleep=interrupted)
    (path,) = folder.glob("heartbeat-*.json")
    assert os.waitstatus_to_exitcode(os.waitpid(read_heartbeat(path).pid, 0)[1]) == -signal.SIGTERM


def test_a_heartbeat_that_an_old_run_left_under_the_same_pid_is_ignored(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with Heartbeat(tmp_path / "old.json", Progress(())) as heartbeat:
        heartbeat.preflight_passed()
    old = (tmp_path / "old.json").read_bytes()
    with subprocess.Popen([sys.executable, "-c", ""]) as probe:
        last = probe.pid
    planted = [heartbeat_file(folder, pid) for pid in range(last + 1, last + 2000)]  # the next process is one of them
    for path in planted:
        path.write_bytes(old)
    report = "import os, sys; print(os.getpid()); sys.exit(5)"
    assert detach(["run"], folder, (sys.executable, "-c", report)) == 5
    assert heartbeat_file(folder, int(str(printed(capsys)["error"]))) in planted
