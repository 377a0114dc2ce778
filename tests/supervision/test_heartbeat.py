"""A run's pulse on disk: whole at any moment, without secrets, and never taken for that of another process."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

import pytest

from agent.errors import UserError
from agent.storage.experiment import heartbeat_file
from agent.supervision.heartbeat import (
    Heartbeat,
    HeartbeatRecord,
    HeartbeatTiming,
    process_record_of,
    process_records,
    without_secrets,
)
from agent.supervision.progress import Progress

TRAIT = "toy/refusal"

# A run as small as can be: it holds the ledger, counts its steps, and looks for word to stop or to pause.
_WORKER = """
import os, sys, time
from pathlib import Path
from agent.supervision.heartbeat import Heartbeat, HeartbeatTiming
from agent.supervision.progress import Progress
from agent.supervision.stop_control import StopSignals
from agent.storage.experiment import ExperimentFolder, heartbeat_file
from agent.storage.ledger import Ledger
root, trait, deaf = Path(sys.argv[1]), sys.argv[2], sys.argv[3:] == ["deaf"]
variant = sys.argv[4] if "--model-variant" in sys.argv else None
place, progress = ExperimentFolder(root, trait, variant), Progress((trait,))
often = lambda closed, seconds: closed.wait(0.05)
beats = heartbeat_file(root, os.getpid())
with StopSignals() as stops, Heartbeat(beats, progress, variant=variant, timing=HeartbeatTiming(wait=often)) as heart:
    heart.preflight_passed()
    with Ledger(place.ledger_path):
        print("ready", flush=True)
        while deaf or stops.stop_reason(place.stop_file) is None:
            progress.stage(trait, f"step {time.monotonic_ns()}")
            time.sleep(0.02)
            stops.wait_while_paused(trait, place.pause_file, place.stop_file, progress)
    progress.finish(trait, "stopped")
    heart.set_ending("stopped")
sys.exit(6)
"""


@contextmanager
def worker(root: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """A real process that works on a trait of an experiment until it is told otherwise."""
    command = [sys.executable, "-c", _WORKER, str(root), *(options or (TRAIT,))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.02)


def beat_of(path: Path) -> HeartbeatRecord:
    return HeartbeatRecord.model_validate_json(path.read_bytes())


class Clock:
    """A time of day that only the test moves, and a wait that ends when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked: Queue[float] = Queue()
        self.go: Queue[bool] = Queue()

    def time_of_day(self) -> float:
        return self.now

    def wait(self, closed: threading.Event, seconds: float) -> bool:
        self.asked.put(seconds)
        return self.go.get(timeout=20)

    def tick(self) -> None:
        """Let one wait pass, and the heartbeat after it be written."""
        self.now += self.asked.get(timeout=20)
        self.go.put(False)
        self.asked.put(self.asked.get(timeout=20))


def test_a_heartbeat_is_there_at_once_every_five_seconds_and_at_the_end(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "heartbeat-1.json"
    progress = Progress((TRAIT,), clock.time_of_day)
    pulse = Heartbeat(
        path, progress, timing=HeartbeatTiming(clock.time_of_day, clock.wait), limits=lambda: ["32 at once"]
    )
    with pulse:
        first = beat_of(path)
        assert (first.written, first.ended, first.checked) == (1000.0, None, None)
        assert (first.pid, first.host, first.limits) == (os.getpid(), socket.gethostname(), ("32 at once",))
        progress.stage(TRAIT, "asks 12 questions")
        clock.tick()
        second = beat_of(path)
        assert second.written == 1005.0
        assert second.now.traits[TRAIT].stage == "asks 12 questions"
        pulse.preflight_passed()
        assert beat_of(path).checked == 1005.0
        pulse.set_ending("ready")
        clock.go.put(True)
    last = beat_of(path)
    assert (last.started, last.ended) == (1000.0, "ready")
    assert [name.name for name in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("broken"), "ValueError: broken"),
        (UserError("The key sk-abcdefgh123 is refused.\nName another."), "The key [key] is refused. Name another."),
    ],
)
def test_an_error_that_ends_the_run_is_in_its_last_heartbeat(tmp_path: Path, error: Exception, told: str) -> None:
    path = heartbeat_file(tmp_path, os.getpid())
    with pytest.raises(type(error)), Heartbeat(path, Progress((TRAIT,))):
        raise error
    assert beat_of(path).ended == told


def test_a_reader_sees_a_whole_heartbeat_at_every_moment(tmp_path: Path) -> None:
    path = tmp_path / "heartbeat-1.json"
    progress = Progress((TRAIT,))
    with Heartbeat(path, progress, timing=HeartbeatTiming(wait=lambda closed, seconds: closed.wait(0.0))):
        for number in range(300):
            progress.stage(TRAIT, "long " * number)
            assert beat_of(path).pid == os.getpid()


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
    assert beat_of(path).command == ("run", "--key=[key]", "https://[key]@example.org/v1", "[key]")


def test_words_that_only_resemble_secrets_stay() -> None:
    environment = {"KEYBOARD": "qwertyuiop", "API_KEY": "short", "OTHER_TOKEN": ""}
    assert without_secrets(["run -e qwertyuiop short"], environment) == ("run -e qwertyuiop short",)


def test_a_heartbeat_that_cannot_be_written_is_told_and_the_next_one_is_tried(tmp_path: Path) -> None:
    clock, folder = Clock(), tmp_path / "folder"
    folder.mkdir()
    path = folder / "heartbeat-1.json"
    progress = Progress((TRAIT,), clock.time_of_day)
    with Heartbeat(path, progress, timing=HeartbeatTiming(clock.time_of_day, clock.wait)):
        folder.rename(tmp_path / "away")
        folder.write_text("a file where the folder was")
        clock.tick()
        (error,) = progress.snapshot().errors
        assert str(path) in error
        folder.unlink()
        (tmp_path / "away").rename(folder)
        clock.tick()
        assert beat_of(path).written == 1010.0
        clock.go.put(True)


def test_a_folder_that_cannot_be_written_in_is_a_sentence_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"), Heartbeat(tmp_path / "none" / "h.json", Progress(())):
        pass


def test_a_process_is_alive_until_it_dies_whatever_becomes_of_its_pid(tmp_path: Path) -> None:
    with worker(tmp_path) as process:
        (seen,), problems = process_records(tmp_path, time.time())
        assert (seen.beat.pid, seen.alive, seen.works_on(TRAIT), problems) == (process.pid, True, True, [])
        process.send_signal(signal.SIGKILL)
        process.wait()
    (seen,), _ = process_records(tmp_path, time.time())
    assert (seen.alive, seen.beat.ended) == (False, None)
    # The pid in the file may belong to somebody else by now: this process, say.
    other = seen.beat.model_copy(update={"pid": os.getpid(), "written": time.time()})
    seen.path.write_text(other.model_dump_json())
    (seen,), _ = process_records(tmp_path, time.time())
    assert not seen.alive


def test_a_new_run_takes_the_place_of_the_dead_ones_of_its_traits_and_of_no_others(tmp_path: Path) -> None:
    for pid, traits in ((1, (TRAIT,)), (2, ("toy/gloom",)), (3, (TRAIT, "toy/gloom"))):
        with Heartbeat(heartbeat_file(tmp_path, pid), Progress(traits), variant="v" if pid == 3 else None):
            pass
    with worker(tmp_path, "toy/concealment") as alive:
        both = Progress((TRAIT, "toy/concealment"))
        with Heartbeat(heartbeat_file(tmp_path, 4), both):
            left = {path.name for path in tmp_path.glob("heartbeat-*.json")}
    assert left == {f"heartbeat-{pid}.json" for pid in (2, 3, 4, alive.pid)}


def test_of_several_processes_the_one_at_work_tells_of_a_trait(tmp_path: Path) -> None:
    with worker(tmp_path) as process:
        late = Heartbeat(heartbeat_file(tmp_path, 1), Progress((TRAIT,)))
        with late:
            found, _ = process_records(tmp_path, time.time())
            chosen = process_record_of(found, TRAIT, None)
            assert chosen is not None
            assert chosen.beat.pid == process.pid  # the later one is in its pre-flight still
        found, _ = process_records(tmp_path, time.time())
        assert len(found) == 2
        assert process_record_of(found, TRAIT, None) == next(one for one in found if one.beat.pid == process.pid)
        assert process_record_of(found, TRAIT, "small") is None
        assert process_record_of(found, "toy/gloom", None) is None


def test_the_heartbeat_of_another_machine_counts_while_it_is_fresh(tmp_path: Path) -> None:
    path = heartbeat_file(tmp_path, 1)
    with Heartbeat(path, Progress((TRAIT,))):
        beat = beat_of(path).model_copy(update={"host": "elsewhere", "written": 500.0})
    path.write_text(beat.model_dump_json())
    assert [process_records(tmp_path, now)[0][0].alive for now in (510.0, 540.0)] == [True, False]


def test_a_torn_heartbeat_is_a_sentence_and_the_others_are_read(tmp_path: Path) -> None:
    with Heartbeat(heartbeat_file(tmp_path, 1), Progress((TRAIT,))):
        pass
    heartbeat_file(tmp_path, 2).write_text('{"version": 1, "pid"')
    found, problems = process_records(tmp_path, time.time())
    assert [one.beat.ended for one in found] == ["done"]
    assert len(problems) == 1
    assert "heartbeat-2.json cannot be read" in problems[0]
