"""Stops and pauses: signals, STOP and PAUSE files, deadlines."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path

import pytest

from agent.errors import Interrupted, UserError
from agent.storage.experiment import ExperimentFolder
from agent.storage.ledger import Ledger
from agent.supervision.progress import Progress, ProgressSnapshot
from agent.supervision.stop_control import StopSignals, TraitControl, deadline
from agent.text import RESUME
from tests.cli.scripted import ReadingSubject, cliffhanger, experiment, status_of, tree

_TWICE = """
import os, signal
from agent.supervision.stop_control import StopSignals
with StopSignals():
    os.kill(os.getpid(), signal.SIGTERM)
    print("continues", flush=True)
    os.kill(os.getpid(), signal.SIGINT)
    print("never printed", flush=True)
"""

_THREADS = """
import threading, time
from pathlib import Path
from agent.supervision.stop_control import StopSignals
with StopSignals() as stops:
    def trait():
        while stops.stop_reason(Path("no such file")) is None:
            time.sleep(0.01)
        print("one stops:", stops.signal_name, flush=True)
        time.sleep(60)
    one = threading.Thread(target=trait)
    one.start()
    print("ready", flush=True)
    one.join()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_requests_a_stop_and_the_old_handler_is_restored(
    number: signal.Signals, tmp_path: Path
) -> None:
    before = signal.getsignal(number)
    with StopSignals() as stops:
        assert stops.stop_reason(tmp_path / "STOP") is None
        os.kill(os.getpid(), number)
        assert stops.stop_reason(tmp_path / "STOP") == number.name
    assert signal.getsignal(number) == before


def test_the_second_signal_ends_the_process_at_once_with_its_code() -> None:
    done = subprocess.run([sys.executable, "-c", _TWICE], capture_output=True, text=True, timeout=30)
    assert done.returncode == 6
    assert done.stdout == "continues\n"
    assert "Press Ctrl-C again to exit immediately." in done.stderr
    assert RESUME in done.stderr


def test_a_stop_file_is_noticed_when_it_appears(tmp_path: Path) -> None:
    with StopSignals() as stops:
        file = tmp_path / "STOP"
        assert stops.stop_reason(file) is None
        file.touch()
        assert str(file) in str(stops.stop_reason(file))


def test_a_signal_comes_before_a_file_and_a_file_before_the_deadline(tmp_path: Path) -> None:
    file = tmp_path / "STOP"
    clock = [999.0]
    with StopSignals(until=1000.0, time_of_day=lambda: clock[0]) as stops:
        assert stops.stop_reason(file) is None
        clock[0] = 1000.0
        assert "(--until)" in str(stops.stop_reason(file))
        file.touch()
        assert str(file) in str(stops.stop_reason(file))
        os.kill(os.getpid(), signal.SIGTERM)
        assert stops.stop_reason(file) == "SIGTERM"


def test_a_signal_stops_traits_in_threads_and_a_second_one_ends_them_all() -> None:
    command = [sys.executable, "-c", _THREADS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "one stops: SIGTERM\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 6


@pytest.fixture
def local_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Central European time, where daylight saving time began at 02:00 on 29 March 2026."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


NOW = "2026-03-28T22:00:00+01:00"


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("22:01", "2026-03-28T22:01:00+01:00"),
        ("22:00", "2026-03-29T22:00:00+02:00"),
        ("07:00", "2026-03-29T07:00:00+02:00"),
        (" 7:00 ", "2026-03-29T07:00:00+02:00"),
        ("00:00", "2026-03-29T00:00:00+01:00"),
        ("2026-03-30T07:00", "2026-03-30T07:00:00+02:00"),
        ("2026-03-30 07:00:30", "2026-03-30T07:00:30+02:00"),
        ("2026-03-29T07:00Z", "2026-03-29T07:00:00+00:00"),
    ],
)
def test_a_deadline_is_the_next_such_time_by_the_local_clock(text: str, when: str, local_time: None) -> None:
    now = datetime.fromisoformat(NOW).timestamp()
    assert deadline(text, now) == datetime.fromisoformat(when).timestamp()


@pytest.mark.parametrize("text", ["", "7", "24:00", "07:60", "07:00pm", "tomorrow", "2026-03-30", "2026-02-30T07:00"])
def test_text_that_is_not_a_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UserError, match="such as 07:00"):
        deadline(text, 0.0)


def test_a_deadline_in_the_past_is_refused(local_time: None) -> None:
    with pytest.raises(UserError, match="is in the past: it is 2026-03-28 22:00 now"):
        deadline("2026-03-28T21:59", datetime.fromisoformat(NOW).timestamp())


def test_a_stop_at_the_deadline_names_it_as_it_was_given(tmp_path: Path) -> None:
    now = time.time()
    assert StopSignals(until=deadline("07:00", now)).stop_reason(tmp_path / "STOP") is None
    late = StopSignals(until=deadline("07:00", now), time_of_day=lambda: now + 86_400)
    assert late.stop_reason(tmp_path / "STOP") == "the deadline 07:00 (--until)"


class FakeSleep:
    """A sleep that takes no time; after so many seconds it calls `do`."""

    def __init__(self, after: float, do: Callable[[], object]) -> None:
        self.slept, self._after, self._do = 0.0, after, do

    def __call__(self, seconds: float) -> None:
        assert self.slept < self._after, "it waited too long"
        self.slept += seconds
        if self.slept >= self._after:
            self._do()


def test_a_pause_blocks_the_trait_and_is_in_its_progress_until_its_file_is_gone(tmp_path: Path) -> None:
    file, progress = tmp_path / "PAUSE", Progress(("toy/a", "toy/b"))
    snapshots: list[ProgressSnapshot] = []

    def resume() -> None:
        snapshots.append(progress.snapshot())
        file.unlink()

    file.touch()
    sleep = FakeSleep(30.0, resume)
    StopSignals(sleep=sleep).wait_while_paused("toy/a", file, tmp_path / "STOP", progress)
    assert sleep.slept == 30.0
    (during,) = snapshots
    assert during.paused == f"the file {file}; `cliffhanger resume` removes it"
    assert (during.traits["toy/a"].paused, during.traits["toy/b"].paused) == (during.paused, None)
    assert progress.snapshot().paused is None
    assert progress.snapshot().moved > during.moved  # a pause is no stall


def test_a_stop_ends_a_pause_although_its_file_stays(tmp_path: Path) -> None:
    file, stop_file, progress = tmp_path / "PAUSE", tmp_path / "STOP", Progress(("toy/a",))
    file.touch()
    sleep = FakeSleep(3.0, stop_file.touch)
    StopSignals(sleep=sleep).wait_while_paused("toy/a", file, stop_file, progress)
    assert sleep.slept == 3.0
    assert file.exists()
    assert progress.snapshot().paused is None


@pytest.mark.parametrize(("requested_after", "slept"), [(None, 20.0), (3.0, 3.0)])
def test_a_wait_ends_when_its_time_is_over_or_a_stop_is_requested(
    tmp_path: Path, requested_after: float | None, slept: float
) -> None:
    folder = ExperimentFolder(tmp_path, "toy/a")
    folder.refinement.mkdir(parents=True)
    sleep = FakeSleep(requested_after or 60.0, folder.stop_file.touch)
    with Ledger(folder.ledger_path) as ledger:
        stops, progress = StopSignals(sleep=sleep), Progress(("toy/a",))
        control = TraitControl("toy/a", folder, ledger, stops, progress, clock=lambda: sleep.slept)
        with pytest.raises(Interrupted) if requested_after else nullcontext():
            control.wait(20.0)
    assert sleep.slept == slept


def test_without_a_pause_file_nothing_waits(tmp_path: Path) -> None:
    stops = StopSignals(sleep=FakeSleep(0.0, lambda: None))
    stops.wait_while_paused("toy/a", tmp_path / "PAUSE", tmp_path / "STOP", Progress(("toy/a",)))


def test_a_signal_in_a_round_makes_no_new_calls_and_the_next_run_ends_the_same(tmp_path: Path) -> None:
    whole, pieces = experiment(tmp_path / "whole"), experiment(tmp_path / "pieces")
    assert cliffhanger("run", whole).exit_code == 0

    def interrupt(continued: int) -> None:
        if continued == 12:  # the timed batch of four, then the first round's eight
            os.kill(os.getpid(), signal.SIGINT)

    stopped = cliffhanger("run", pieces, subject=ReadingSubject(interrupt))
    assert stopped.exit_code == 6
    assert "SIGINT" in stopped.output
    assert status_of(pieces)["rounds"] == 0
    assert cliffhanger("run", pieces).exit_code == 0
    history = "extraction/toy/refusal/refinement/history.jsonl"
    assert tree(pieces)[history] == tree(whole)[history]
