"""A run that only looks alive: when nothing is achieved for long, it is written down, asked again once, and ended."""

import asyncio
import faulthandler
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agent.llm import concurrency
from agent.schema import EXIT_CODES, Ending
from agent.storage.durable import write_atomically
from agent.supervision.progress import Progress, ProgressSnapshot
from agent.text import safe_text

LIMIT = 600.0  # seconds

_ANSWER = 1.0  # seconds in which a healthy event loop lists its tasks
_WRITING = 10.0  # seconds in which a healthy disk takes the dump
_SHOW_CURSOR = "\x1b[?25h"


@dataclass(frozen=True)
class WatchdogTiming:
    """After how many seconds without a step a run is stalled, by which clock, and how often that is checked."""

    limit: float = LIMIT
    clock: Callable[[], float] = time.monotonic
    poll: float = 1.0


class Watchdog:
    """Armed as soon as it is entered; `limit` seconds without a step, and without a pause, are a stall.

    `waits` says whether an endpoint has asked for a pause.

    The first stall is dumped into stall.txt of each folder, and `retry` is called to have the stage asked again. The
    second in a row is dumped too, and ends the process by `leave`. Neither waits for what may be stuck: `retry`, the
    event loop, the disk and the terminal are met in threads of their own.
    """

    def __init__(
        self,
        progress: Progress,
        folders: Sequence[Path],
        retry: Callable[[], None],
        is_waiting: Callable[[], bool] = lambda: False,
        exit_process: Callable[[int], object] = os._exit,
        timing: WatchdogTiming = WatchdogTiming(),
    ) -> None:
        self._progress, self._folders, self._retry = progress, tuple(folders), retry
        self._is_waiting, self._exit_process = is_waiting, exit_process
        self._limit, self._clock, self._poll = timing.limit, timing.clock, timing.poll
        self._over = threading.Event()
        self._moved = progress.snapshot().moved
        self._quiet_since = self._clock()
        self._retried = False

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(self._poll):
            self.check()

    def check(self) -> None:
        """One look at the run. It compares what it sees from look to look, so that a clock set anew is no stall."""
        now, checked_at = self._progress.snapshot(), self._clock()
        if now.moved != self._moved:
            self._moved, self._quiet_since, self._retried = now.moved, checked_at, False
        elif now.held or self._is_waiting():
            self._quiet_since = checked_at
        elif checked_at - self._quiet_since >= self._limit:
            self._quiet_since = checked_at
            self._on_stall(now)

    def _on_stall(self, now: ProgressSnapshot) -> None:
        what = f"Stalled: no step for {self._limit:g} seconds ({_stages(now)})."
        where = self._dumped(f"{what}\n")
        if not self._retried:
            self._retried = True
            self._progress.error(f"{what} {where} What is in flight is asked again.")
            within(0, self._asked_again)
            return
        told = f"{what} Retrying did not help. {where} Bought answers are stored; the same command goes on."
        within(_ANSWER, lambda: os.write(2, f"\n{_cursor()}{safe_text(told)}\n".encode()))
        self._over.set()
        self._exit_process(EXIT_CODES[Ending.STALLED])

    def _asked_again(self) -> None:
        try:
            self._retry()
        except Exception as error:  # noqa: BLE001 - whatever it is, the second stall still ends the run
            self._progress.error(f"What is in flight could not be asked again: {type(error).__name__}: {error}")

    def _dumped(self, heading: str) -> str:
        """Write the dump beside each ledger; where it is, or that it is nowhere, as a sentence."""
        files = [folder / "stall.txt" for folder in self._folders]
        written: list[Path] = []

        def write() -> None:
            content = f"{heading}\n{tasks_in_flight()}\n{stacks()}".encode(errors="backslashreplace")
            for file in files:
                write_atomically(file, content)
                written.append(file)

        within(_ANSWER + _WRITING, write)
        if not written:
            return "What is in flight could not be written down."
        return f"What is in flight is in {written[0]}" + (f" and {len(written) - 1} more." if written[1:] else ".")


def _stages(now: ProgressSnapshot) -> str:
    return "; ".join(f"{trait}: {safe_text(found.stage)}" for trait, found in now.traits.items())


def _cursor() -> str:
    """A live view hides the cursor of its terminal."""
    return _SHOW_CURSOR if os.isatty(2) else ""


def within(seconds: float, work: Callable[[], object]) -> None:
    """Let a thread do some work and wait for it no longer than this. An OSError of its own ends it."""

    def tried() -> None:
        try:
            work()
        except OSError:
            return  # whoever waits sees that nothing has come of it

    thread = threading.Thread(target=tried, daemon=True)
    thread.start()
    thread.join(seconds)


def tasks_in_flight() -> str:
    """Where each task of the background event loop waits, if the loop still answers."""
    found: list[str] = []
    within(_ANSWER, lambda: found.append(concurrency.run(_tasks())))
    return found[0] if found else f"The event loop did not answer within {_ANSWER:g} second: it is blocked."


async def _tasks() -> str:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    lines = [f"{task.get_name()}: {' > '.join(_waits(task.get_coro()))}" for task in others]
    return "\n".join([f"{len(lines)} tasks of the event loop:", *sorted(lines)]) + "\n"


def _waits(coroutine: Any) -> Iterator[str]:
    """From a coroutine to the innermost one that it awaits: function, file and line. No text of anybody's."""
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        yield f"{frame.f_code.co_qualname} ({Path(frame.f_code.co_filename).name}:{frame.f_lineno})"
        coroutine = coroutine.cr_await


def stacks() -> str:
    """Where every thread of the process is, by faulthandler, and the threads' names."""
    with tempfile.TemporaryFile() as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        names = [f"{thread.ident:#018x} is {thread.name}" for thread in threading.enumerate()]
        return "\n".join([file.read().decode(errors="replace"), *names]) + "\n"
