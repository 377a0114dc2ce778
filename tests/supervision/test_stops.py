"""How a person stops a run."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from agent.errors import UserError
from agent.supervision.progress import Progress, ProgressSnapshot
from agent.supervision.stop_control import StopSignals, deadline
from tests.cli.scripted import ReadingSubject, cliffhanger, experiment, status_of, tree

_TWICE = """
import os, signal
from agent.supervision.stop_control import StopSignals
with StopSignals():
    os.kill(os.getpid(), signal.SIGTERM)
    print("goes on", flush=True)
    os.kill(os.getpid(), signal.SIGINT)
    print("never said", flush=True)
"""

_THREADS = """
import threading, time
from pathlib import Path
from agent.supervision.stop_control import StopSignals
with StopSignals() as stops:
    def trait():
        while stops.stop_reason(Path("no such file")) is None:
            time.sleep(0.01)
        print("one drains:", stops.asked, flush=True)
        time.sleep(60)
    one = threading.Thread(target=trait)
    one.start()
    print("ready", flush=True)
    one.join()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_a_request_and_its_handler_goes_with_the_run(
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
    assert done.stdout == "goes on\n"
    assert "Once more stops now" in done.stderr
    assert "the same command goes on" in done.stderr


def test_a_stop_file_is_seen_when_it_appears_and_named(tmp_path: Path) -> None:
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


def test_traits_in_threads_learn_of_a_signal_and_a_second_one_ends_them_all() -> None:
    command = [sys.executable, "-c", _THREADS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "one drains: SIGTERM\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 6


@pytest.fixture
def local_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clocks as in Berlin, where they were put forward at two in the night to 29 March 2026."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


EVENING = "2026-03-28T22:00:00+01:00"


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
    now = datetime.fromisoformat(EVENING).timestamp()
    assert deadline(text, now) == datetime.fromisoformat(when).timestamp()


@pytest.mark.parametrize("text", ["", "7", "24:00", "07:60", "07:00pm", "tomorrow", "2026-03-30", "2026-02-30T07:00"])
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UserError, match="such as 07:00"):
        deadline(text, 0.0)


def test_a_deadline_that_is_over_is_refused(local_time: None) -> None:
    with pytest.raises(UserError, match="is over already: it is 2026-03-28 22:00 now"):
        deadline("2026-03-28T21:59", datetime.fromisoformat(EVENING).timestamp())


def test_a_stop_at_the_deadline_names_it_as_it_was_given(tmp_path: Path) -> None:
    now = time.time()
    assert StopSignals(until=deadline("07:00", now)).stop_reason(tmp_path / "STOP") is None
    late = StopSignals(until=deadline("07:00", now), time_of_day=lambda: now + 86_400)
    assert late.stop_reason(tmp_path / "STOP") == "the deadline 07:00 (--until)"


class Wait:
    """A sleep that takes no time and does something on the way: `after` seconds, then `do`."""

    def __init__(self, after: float, do: Callable[[], object]) -> None:
        self.slept, self._after, self._do = 0.0, after, do

    def __call__(self, seconds: float) -> None:
        assert self.slept < self._after, "it waited on"
        self.slept += seconds
        if self.slept >= self._after:
            self._do()


def test_a_pause_holds_the_trait_and_is_told_until_its_file_is_gone(tmp_path: Path) -> None:
    file, progress = tmp_path / "PAUSE", Progress(("toy/a", "toy/b"))
    told: list[ProgressSnapshot] = []

    def resume() -> None:
        told.append(progress.snapshot())
        file.unlink()

    file.touch()
    wait = Wait(30.0, resume)
    StopSignals(sleep=wait).wait_while_paused("toy/a", file, tmp_path / "STOP", progress)
    assert wait.slept == 30.0
    (during,) = told
    assert during.paused == f"the file {file}; `cliffhanger resume` goes on"
    assert (during.traits["toy/a"].paused, during.traits["toy/b"].paused) == (during.paused, None)
    assert progress.snapshot().paused is None
    assert progress.snapshot().moved > during.moved  # a pause is no stall


def test_a_stop_ends_a_pause_although_its_file_stays(tmp_path: Path) -> None:
    file, stop_file, progress = tmp_path / "PAUSE", tmp_path / "STOP", Progress(("toy/a",))
    file.touch()
    wait = Wait(3.0, stop_file.touch)
    StopSignals(sleep=wait).wait_while_paused("toy/a", file, stop_file, progress)
    assert wait.slept == 3.0
    assert file.exists()
    assert progress.snapshot().paused is None


def test_without_its_file_nobody_waits(tmp_path: Path) -> None:
    stops = StopSignals(sleep=Wait(0.0, lambda: None))
    stops.wait_while_paused("toy/a", tmp_path / "PAUSE", tmp_path / "STOP", Progress(("toy/a",)))


def test_a_signal_in_the_middle_of_a_round_starts_nothing_more_and_the_next_run_ends_the_same(tmp_path: Path) -> None:
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
