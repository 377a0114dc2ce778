"""The heartbeat file: whole at any moment, without secrets, and never taken for that of another process."""

import os
import signal
import socket
import threading
import time
from pathlib import Path
from queue import Queue

import pytest

from agent.errors import UserError
from agent.storage.experiment import heartbeat_file
from agent.supervision.heartbeat import (
    Heartbeat,
    HeartbeatTiming,
    process_record_of,
    process_records,
    without_secrets,
)
from agent.supervision.progress import Progress
from tests.supervision.worker import TRAIT, ManualClock, read_heartbeat, running_worker


class StepwiseTiming:
    """A clock at 1000 s, and a wait that ends when the test says so."""

    def __init__(self) -> None:
        self.clock = ManualClock(1000.0)
        self.timing = HeartbeatTiming(self.clock, self._wait)
        self._waits: Queue[float] = Queue()
        self._released: Queue[bool] = Queue()

    def _wait(self, closed: threading.Event, seconds: float) -> bool:
        self._waits.put(seconds)
        return self._released.get(timeout=60)

    def pass_interval(self) -> None:
        """Let one wait pass, and the heartbeat after it be written."""
        self.clock.now += self._waits.get(timeout=60)
        self._released.put(False)
        self._waits.put(self._waits.get(timeout=60))

    def close(self) -> None:
        """End the wait that goes on, as closing the heartbeat would."""
        self._released.put(True)


def test_a_heartbeat_is_written_at_once_every_five_seconds_and_at_the_end(tmp_path: Path) -> None:
    steps, path = StepwiseTiming(), tmp_path / "heartbeat-1.json"
    progress = Progress((TRAIT,), steps.clock)
    with Heartbeat(path, progress, limits=lambda: ["32 at once"], timing=steps.timing) as heartbeat:
        first = read_heartbeat(path)
        assert (first.written, first.ended, first.checked) == (1000.0, None, None)
        assert (first.pid, first.host, first.limits) == (os.getpid(), socket.gethostname(), ("32 at once",))
        progress.stage(TRAIT, "asks 12 questions")
        steps.pass_interval()
        second = read_heartbeat(path)
        assert second.written == 1005.0
        assert second.now.traits[TRAIT].stage == "asks 12 questions"
        heartbeat.preflight_passed()
        assert read_heartbeat(path).checked == 1005.0
        heartbeat.set_ending("ready")
        steps.close()
    last = read_heartbeat(path)
    assert (last.started, last.ended) == (1000.0, "ready")
    assert [name.name for name in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (ValueError("broken"), "ValueError: broken"),
        (UserError("The key sk-abcdefgh123 is refused.\nName another."), "The key [key] is refused. Name another."),
    ],
)
def test_an_error_that_ends_the_run_is_in_the_last_heartbeat(tmp_path: Path, error: Exception, ending: str) -> None:
    path = heartbeat_file(tmp_path, os.getpid())
    with pytest.raises(type(error)), Heartbeat(path, Progress((TRAIT,))):
        raise error
    assert read_heartbeat(path).ended == ending


def test_a_reader_finds_a_whole_heartbeat_at_every_moment(tmp_path: Path) -> None:
    path = tmp_path / "heartbeat-1.json"
    progress = Progress((TRAIT,))
    with Heartbeat(path, progress, timing=HeartbeatTiming(wait=lambda closed, seconds: closed.wait(0.0))):
        for number in range(300):
            progress.stage(TRAIT, "long " * number)
            assert read_heartbeat(path).pid == os.getpid()


def test_no_key_reaches_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "heartbeat-1.json"
    monkeypatch.setenv("THEIR_SPECIAL_KEY", "correct-horse-battery")
    progress = Progress((TRAIT,))
    progress.error("transient: the server repeats correct-horse-battery")
    command = ("run", "--key=sk-abcdefgh123", "https://me:hunter22@example.org/v1", "correct-horse-battery")
    with Heartbeat(path, progress, command=command, limits=lambda: ["pace of sk-abcdefgh123"]):
        written = path.read_text()
    for secret in ("correct-horse-battery", "sk-abcdefgh123", "hunter22"):
        assert secret not in written
    assert read_heartbeat(path).command == ("run", "--key=[key]", "https://[key]@example.org/v1", "[key]")


def test_values_that_only_resemble_secrets_are_kept() -> None:
    environment = {"KEYBOARD": "qwertyuiop", "API_KEY": "short", "OTHER_TOKEN": ""}
    assert without_secrets(["run -e qwertyuiop short"], environment) == ("run -e qwertyuiop short",)


def test_a_heartbeat_that_cannot_be_written_is_an_error_and_the_next_one_is_tried(tmp_path: Path) -> None:
    steps, folder = StepwiseTiming(), tmp_path / "folder"
    folder.mkdir()
    path = folder / "heartbeat-1.json"
    progress = Progress((TRAIT,), steps.clock)
    with Heartbeat(path, progress, timing=steps.timing):
        folder.rename(tmp_path / "away")
        folder.write_text("a file where the folder was")
        steps.pass_interval()
        (error,) = progress.snapshot().errors
        assert str(path) in error
        folder.unlink()
        (tmp_path / "away").rename(folder)
        steps.pass_interval()
        assert read_heartbeat(path).written == 1010.0
        steps.close()


def test_a_folder_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"), Heartbeat(tmp_path / "none" / "h.json", Progress(())):
        pass


def test_of_two_processes_the_one_at_work_is_reported_and_a_killed_one_is_dead_even_if_its_pid_is_in_use(
    tmp_path: Path,
) -> None:
    with running_worker(tmp_path) as process:
        (found,), problems = process_records(tmp_path, time.time())
        assert (found.heartbeat.pid, found.alive, found.works_on(TRAIT), problems) == (process.pid, True, True, [])
        with Heartbeat(heartbeat_file(tmp_path, 1), Progress((TRAIT,))):  # later, but still in its pre-flight
            chosen = process_record_of(process_records(tmp_path, time.time())[0], TRAIT, None)
            assert chosen is not None
            assert chosen.heartbeat.pid == process.pid
        both, _ = process_records(tmp_path, time.time())
        assert len(both) == 2
        assert process_record_of(both, TRAIT, None) == next(one for one in both if one.heartbeat.pid == process.pid)
        assert process_record_of(both, TRAIT, "small") is None
        assert process_record_of(both, "toy/gloom", None) is None
        heartbeat_file(tmp_path, 1).unlink()
        process.send_signal(signal.SIGKILL)
        process.wait()
    (found,), _ = process_records(tmp_path, time.time())
    assert (found.alive, found.heartbeat.ended) == (False, None)
    other = found.heartbeat.model_copy(update={"pid": os.getpid(), "written": time.time()})
    found.path.write_text(other.model_dump_json())
    (found,), _ = process_records(tmp_path, time.time())
    assert not found.alive


def test_a_new_run_removes_the_heartbeats_of_ended_runs_of_its_traits_only(tmp_path: Path) -> None:
    for pid, traits in ((1, (TRAIT,)), (2, ("toy/gloom",)), (3, (TRAIT, "toy/gloom"))):
        with Heartbeat(heartbeat_file(tmp_path, pid), Progress(traits), variant="v" if pid == 3 else None):
            pass
    both = Progress((TRAIT, "toy/concealment"))
    alive = Heartbeat(heartbeat_file(tmp_path, 5), Progress(("toy/concealment",)))
    with alive, Heartbeat(heartbeat_file(tmp_path, 4), both):
        left = {path.name for path in tmp_path.glob("heartbeat-*.json")}
    assert left == {f"heartbeat-{pid}.json" for pid in (2, 3, 4, 5)}


def test_the_heartbeat_of_another_host_counts_while_it_is_fresh(tmp_path: Path) -> None:
    path = heartbeat_file(tmp_path, 1)
    with Heartbeat(path, Progress((TRAIT,))):
        record = read_heartbeat(path).model_copy(update={"host": "elsewhere", "written": 500.0})
    path.write_text(record.model_dump_json())
    assert [process_records(tmp_path, now)[0][0].alive for now in (510.0, 540.0)] == [True, False]


def test_a_heartbeat_that_cannot_be_read_is_a_problem_and_the_others_are_read(tmp_path: Path) -> None:
    with Heartbeat(heartbeat_file(tmp_path, 1), Progress((TRAIT,))):
        pass
    heartbeat_file(tmp_path, 2).write_text('{"version": 1, "pid"')
    found, problems = process_records(tmp_path, time.time())
    assert [one.heartbeat.ended for one in found] == ["done"]
    assert len(problems) == 1
    assert "heartbeat-2.json cannot be read" in problems[0]
