"""A stall is seen from the first moment on, written down, asked again once, and ended; a pause is none."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from agent.llm import concurrency
from agent.supervision.progress import LOADING, Progress
from agent.supervision.watchdog import Watchdog, WatchdogTiming, stacks, tasks_in_flight
from tests.cli.test_live import Clock, until

TRAITS = ("toy/one", "toy/two")


class Night:
    """A run of two traits under a watchdog with a limit of ten minutes, and what the watchdog did."""

    def __init__(self, root: Path, retry: Callable[[], None] = lambda: None) -> None:
        self.clock = Clock()
        self.progress = Progress(TRAITS, self.clock)
        self.folders = [root / trait / "refinement" for trait in TRAITS]
        self.retried, self.left = 0, list[int]()
        self.asked_to_wait = False
        self._retry = retry
        self.watchdog = Watchdog(
            self.progress,
            self.folders,
            self._again,
            lambda: self.asked_to_wait,
            self.left.append,
            WatchdogTiming(clock=self.clock, poll=0.002),
        )

    def _again(self) -> None:
        self.retried += 1
        self._retry()

    def pass_time(self, minutes: float, looks: int = 10) -> None:
        """Let time pass; the watchdog looks every so often."""
        for _ in range(looks):
            self.clock.time += minutes * 60 / looks
            self.watchdog.check()

    @property
    def dumps(self) -> list[str]:
        return [(folder / "stall.txt").read_text() for folder in self.folders if (folder / "stall.txt").exists()]


def test_ten_minutes_without_a_step_are_written_down_and_asked_again_once(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.progress.stage("toy/two", "asks 12 \x1b questions")
    night.pass_time(9.9)
    assert (night.dumps, night.retried) == ([], 0)
    night.pass_time(0.2)
    until(lambda: night.retried == 1)
    assert len(night.dumps) == 2
    assert "toy/two: asks 12 ␛ questions" in night.dumps[0]
    assert "tasks of the event loop" in night.dumps[0]
    assert "test_watchdog.py" in night.dumps[0]
    assert "MainThread" in night.dumps[0]
    assert "stall.txt and 1 more. What is in flight is asked again." in night.progress.snapshot().errors[-1]
    assert night.left == []


def test_another_ten_minutes_end_the_run_with_five(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.pass_time(10)
    night.progress.stage("toy/one", "asks 12 questions")
    night.pass_time(9.9)
    assert night.left == []
    night.pass_time(0.2)
    assert night.left == [5]
    assert night.retried == 1


def test_a_step_after_the_retry_makes_the_next_stall_a_first_one(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.pass_time(10)
    night.progress.step("toy/one", "answers")
    night.pass_time(11.2)
    until(lambda: night.retried == 2)
    assert night.left == []


def test_any_step_of_any_trait_is_progress(tmp_path: Path) -> None:
    night = Night(tmp_path)
    for trait in TRAITS * 5:
        night.pass_time(9)
        night.progress.step(trait, "batches")
    assert (night.dumps, night.retried, night.left) == ([], 0, [])


def test_a_pause_is_never_a_stall_and_the_ten_minutes_begin_when_it_is_over(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.pass_time(9)
    night.progress.pause("judge", "the judge is out")
    night.pass_time(60 * 24)
    night.progress.pause("judge", None)
    night.pass_time(9.9)
    assert (night.dumps, night.retried, night.left) == ([], 0, [])
    night.pass_time(1.2)
    until(lambda: night.retried == 1)


def test_a_trait_that_is_held_up_keeps_no_watch_from_the_others(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.progress.pause("toy/one", "a PAUSE file")
    night.pass_time(10.1)
    until(lambda: night.retried == 1)
    night.progress.pause("toy/two", "a PAUSE file")
    night.pass_time(60)
    night.progress.pause("toy/two", None)
    night.progress.finish("toy/two", "ready")
    night.pass_time(60)
    assert (night.retried, night.left) == (1, [])


def test_an_endpoint_that_asks_for_a_quarter_of_an_hour_is_no_stall(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.asked_to_wait = True
    night.pass_time(15)
    assert night.retried == 0
    night.asked_to_wait = False
    night.pass_time(10.1)
    until(lambda: night.retried == 1)


def test_a_pause_between_two_stalls_ends_nothing(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.pass_time(10)
    night.progress.pause("judge", "the judge is out")
    night.pass_time(600)
    assert night.left == []


def test_it_is_armed_before_anything_has_been_done(tmp_path: Path) -> None:
    night = Night(tmp_path)
    with night.watchdog:
        night.clock.time += 600
        until(lambda: night.retried == 1)
        night.clock.time += 600
        until(lambda: night.left == [5])


def test_loading_counts_when_it_begins_and_when_it_is_done_and_not_while_it_lasts(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.pass_time(9)
    night.progress.stage("toy/one", LOADING)
    night.pass_time(9)
    night.progress.stage("toy/one", "waiting")
    night.pass_time(9)
    assert night.dumps == []
    night.progress.stage("toy/one", LOADING)
    night.pass_time(5)
    night.progress.stage("toy/one", LOADING)
    night.pass_time(5.5)
    assert len(night.dumps) == 2


def test_a_time_of_day_that_jumps_is_no_stall(tmp_path: Path) -> None:
    time_of_day, left = Clock(), list[int]()
    watchdog = Watchdog(
        Progress(TRAITS, time_of_day),
        [tmp_path],
        lambda: None,
        timing=WatchdogTiming(limit=5.0),
        exit_process=left.append,
    )
    for _ in range(3):
        time_of_day.time += 3600
        watchdog.check()
    assert (left, list(tmp_path.iterdir())) == ([], [])


def test_a_retry_that_fails_is_told_and_one_that_hangs_delays_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        raise RuntimeError("nothing to cancel")

    failing, hanging = Night(tmp_path, fail), Night(tmp_path, threading.Event().wait)  # type: ignore[arg-type]
    failing.pass_time(10)
    until(lambda: "nothing to cancel" in failing.progress.snapshot().errors[-1])
    hanging.pass_time(20)
    assert hanging.left == [5]


def test_a_folder_that_cannot_be_written_in_keeps_nobody_alive(tmp_path: Path) -> None:
    (tmp_path / "toy").write_text("a file, where a folder should be")
    night = Night(tmp_path)
    night.pass_time(20)
    assert night.left == [5]
    assert "could not be written down" in night.progress.snapshot().errors[0]


def test_the_dump_names_what_each_task_awaits_and_each_thread() -> None:
    import asyncio

    begun = threading.Event()

    async def inner() -> None:
        begun.set()
        await asyncio.sleep(60)

    async def outer() -> None:
        await inner()

    waiting = threading.Thread(target=lambda: concurrency.run(asyncio.wait_for(outer(), 2)), daemon=True, name="asker")
    threading.excepthook, before = lambda _: None, threading.excepthook
    waiting.start()
    begun.wait(10)
    try:
        told = tasks_in_flight()
        assert ".outer (test_watchdog.py:" in told
        assert ".inner (test_watchdog.py:" in told
        assert "is asker" in stacks()
    finally:
        waiting.join(10)
        threading.excepthook = before


_BLOCKED = """
import sys, threading, time
from pathlib import Path
from agent.supervision.progress import Progress
from agent.supervision.watchdog import Watchdog, WatchdogTiming
from agent.llm import concurrency

async def hang() -> None:
    time.sleep(600)

def again() -> None:
    print("asked again", flush=True)
    concurrency.run(hang())

progress = Progress(("toy/one",))
progress.stage("toy/one", "asks 12 questions")
with Watchdog(progress, [Path(sys.argv[1])], again, timing=WatchdogTiming(limit=0.5, poll=0.02)):
    concurrency.run(hang())
"""


def test_a_blocked_event_loop_and_a_main_thread_that_waits_for_it_end_with_five(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _BLOCKED, tmp_path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 5
    assert done.stdout == "asked again\n"
    assert "Stalled: no step for 0.5 seconds (toy/one: asks 12 questions)." in done.stderr
    assert str(tmp_path / "stall.txt") in done.stderr
    assert "the same command goes on" in done.stderr
    dump = (tmp_path / "stall.txt").read_text()
    assert "The event loop did not answer within 1 second: it is blocked." in dump
    assert "in hang" in dump
    assert "llm-loop" in dump
