"""Stalls: detected from the start, dumped, retried once, then the end of the process; a pause is no stall."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from agent.llm import concurrency
from agent.supervision.progress import LOADING, Progress
from agent.supervision.watchdog import Watchdog, WatchdogTiming, stacks, tasks_in_flight
from agent.text import RESUME
from tests.supervision.worker import ManualClock, wait_until

TRAITS = ("toy/one", "toy/two")


class WatchedRun:
    """A run of two traits under a watchdog with a limit of ten minutes, and what the watchdog did."""

    def __init__(self, root: Path, retry: Callable[[], None] = lambda: None) -> None:
        self.clock = ManualClock(1000.0)
        self.progress = Progress(TRAITS, self.clock)
        self.folders = [root / trait / "refinement" for trait in TRAITS]
        self.retried, self.exit_codes = 0, list[int]()
        self.endpoint_waits = False
        self._retry = retry
        self.watchdog = Watchdog(
            self.progress,
            self.folders,
            self._on_retry,
            lambda: self.endpoint_waits,
            self.exit_codes.append,
            WatchdogTiming(clock=self.clock, poll=0.002),
        )

    def _on_retry(self) -> None:
        self.retried += 1
        self._retry()

    def pass_time(self, minutes: float, checks: int = 10) -> None:
        """Let time pass, with a check every so often."""
        for _ in range(checks):
            self.clock.now += minutes * 60 / checks
            self.watchdog.check()

    @property
    def dumps(self) -> list[str]:
        return [(folder / "stall.txt").read_text() for folder in self.folders if (folder / "stall.txt").exists()]


def test_ten_minutes_without_a_step_are_dumped_and_retried_once(tmp_path: Path) -> None:
    run = WatchedRun(tmp_path)
    run.progress.stage("toy/two", "asks 12 \x1b questions")
    run.pass_time(9.9)
    assert (run.dumps, run.retried) == ([], 0)
    run.pass_time(0.2)
    wait_until(lambda: run.retried == 1)
    assert len(run.dumps) == 2
    assert "toy/two: asks 12 ␛ questions" in run.dumps[0]
    assert "tasks of the event loop" in run.dumps[0]
    assert "test_watchdog.py" in run.dumps[0]
    assert "MainThread" in run.dumps[0]
    assert "stall.txt and 1 more. Retrying the calls in flight." in run.progress.snapshot().errors[-1]
    assert run.exit_codes == []


def test_another_ten_minutes_end_the_run_with_exit_code_five(tmp_path: Path) -> None:
    run = WatchedRun(tmp_path)
    run.pass_time(10)
    run.progress.stage("toy/one", "asks 12 questions")
    run.pass_time(9.9)
    assert run.exit_codes == []
    run.pass_time(0.2)
    assert run.exit_codes == [5]
    assert run.retried == 1


def test_a_step_after_the_retry_makes_the_next_stall_a_first_one(tmp_path: Path) -> None:
    run = WatchedRun(tmp_path)
    run.pass_time(10)
    run.progress.step("toy/one", "answers")
    run.pass_time(11.2)
    wait_until(lambda: run.retried == 2)
    assert run.exit_codes == []


def test_any_step_of_any_trait_is_progress(tmp_path: Path) -> None:
    run = WatchedRun(tmp_path)
    for trait in TRAITS * 5:
        run.pass_time(9)
        run.progress.step(trait, "batches")
    assert (run.dumps, run.retried, run.exit_codes) == ([], 0, [])


def test_a_pause_is_no_stall_and_the_ten_minutes_begin_after_it(tmp_path: Path) -> None:
    run = WatchedRun(tmp_path)
    run.pass_time(9)
    run.progress.pause("judge", "the judge is out")
    run.pass_time(60 * 24)
    run.progress.pause("judge", None)
    run.pass_time(9.9)
    assert (run.dumps, run.retried, run.exit_codes) == ([], 0, [])
    run.pass_time(1.2)
    wait_until(lambda: run.retried == 1)


def test_while_one_trait_is_paused_the_others_are_watched(tmp_path: Path) -> None:
    run = WatchedRun(tmp_path)
    run.progress.pause("toy/one", "a PAUSE file")
    run.pass_time(10.1)
    wait_until(lambda: run.retried == 1)
    run.progress.pause("toy/two", "a PAUSE file")
    run.pass_time(60)
    run.progress.pause("toy/two", None)
    run.progress.finish("toy/two", "ready")
    run.pass_time(60)
    assert (run.retried, run.exit_codes) == (1, [])


def test_an_endpoint_that_asks_to_wait_is_no_stall(tmp_path: Path) -> None:
    run = WatchedRun(tmp_path)
    run.endpoint_waits = True
    run.pass_time(15)
    assert run.retried == 0
    run.endpoint_waits = False
    run.pass_time(10.1)
    wait_until(lambda: run.retried == 1)


def test_a_pause_after_a_stall_is_no_second_stall(tmp_path: Path) -> None:
    run = WatchedRun(tmp_path)
    run.pass_time(10)
    run.progress.pause("judge", "the judge is out")
    run.pass_time(600)
    assert run.exit_codes == []


def test_it_watches_before_the_first_step(tmp_path: Path) -> None:
    run = WatchedRun(tmp_path)
    with run.watchdog:
        run.clock.now += 600
        wait_until(lambda: run.retried == 1)
        run.clock.now += 600
        wait_until(lambda: run.exit_codes == [5])


def test_the_begin_and_the_end_of_loading_are_steps(tmp_path: Path) -> None:
    run = WatchedRun(tmp_path)
    run.pass_time(9)
    run.progress.stage("toy/one", LOADING)
    run.pass_time(9)
    run.progress.stage("toy/one", "waiting")
    run.pass_time(9)
    assert run.dumps == []
    run.progress.stage("toy/one", LOADING)
    run.pass_time(5)
    run.progress.stage("toy/one", LOADING)
    run.pass_time(5.5)
    assert len(run.dumps) == 2


def test_a_change_of_the_system_time_is_no_stall(tmp_path: Path) -> None:
    time_of_day, exit_codes = ManualClock(1000.0), list[int]()
    watchdog = Watchdog(
        Progress(TRAITS, time_of_day),
        [tmp_path],
        lambda: None,
        timing=WatchdogTiming(limit=5.0),
        exit_process=exit_codes.append,
    )
    for _ in range(3):
        time_of_day.now += 3600
        watchdog.check()
    assert (exit_codes, list(tmp_path.iterdir())) == ([], [])


def test_a_retry_that_fails_is_an_error_and_one_that_hangs_delays_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        raise RuntimeError("nothing to cancel")

    failing, hanging = WatchedRun(tmp_path, fail), WatchedRun(tmp_path, threading.Event().wait)  # type: ignore[arg-type]
    failing.pass_time(10)
    wait_until(lambda: "nothing to cancel" in failing.progress.snapshot().errors[-1])
    hanging.pass_time(20)
    assert hanging.exit_codes == [5]


def test_a_dump_that_cannot_be_written_does_not_prevent_the_exit(tmp_path: Path) -> None:
    (tmp_path / "toy").write_text("a file, where a folder should be")
    run = WatchedRun(tmp_path)
    run.pass_time(20)
    assert run.exit_codes == [5]
    assert "No dump could be written" in run.progress.snapshot().errors[0]


def test_the_dump_shows_what_each_task_awaits_and_each_thread() -> None:
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
        tasks = tasks_in_flight()
        assert ".outer (test_watchdog.py:" in tasks
        assert ".inner (test_watchdog.py:" in tasks
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

def retry() -> None:
    print("retried", flush=True)
    concurrency.run(hang())

progress = Progress(("toy/one",))
progress.stage("toy/one", "asks 12 questions")
with Watchdog(progress, [Path(sys.argv[1])], retry, timing=WatchdogTiming(limit=0.5, poll=0.02)):
    concurrency.run(hang())
"""


def test_a_blocked_event_loop_that_the_main_thread_waits_for_ends_with_exit_code_five(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _BLOCKED, tmp_path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 5
    assert done.stdout == "retried\n"
    assert "Stalled: no step for 0.5 seconds (toy/one: asks 12 questions)." in done.stderr
    assert f"Retrying did not help. The calls in flight are listed in {tmp_path / 'stall.txt'}. {RESUME}" in done.stderr
    dump = (tmp_path / "stall.txt").read_text()
    assert "The event loop did not answer within 1 second: it is blocked." in dump
    assert "in hang" in dump
    assert "llm-loop" in dump
