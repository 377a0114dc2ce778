"""Watchdog of a run: a stall is dumped to a file and retried once; a second one ends the process."""

import asyncio
import faulthandler
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agent.llm import concurrency
from agent.schema import EXIT_CODES, Ending
from agent.storage.durable import write_atomically
from agent.supervision.progress import Progress, ProgressSnapshot
from agent.text import RESUME, safe_text

LIMIT = 600.0  # seconds without a step; chosen by judgement

_LOOP_TIMEOUT = 1.0  # seconds in which a healthy event loop lists its tasks; chosen by judgement
_DISK_TIMEOUT = 10.0  # seconds in which a healthy disk stores the dump; chosen by judgement
_SHOW_CURSOR = "\x1b[?25h"


@dataclass(frozen=True)
class WatchdogTiming:
    """Seconds without a step that are a stall, the clock they are measured by, and seconds between two checks."""

    limit: float = LIMIT
    clock: Callable[[], float] = time.monotonic
    poll: float = 1.0


class Watchdog:
    """Detects stalls while open: `timing.limit` seconds without a step or a pause, and with `is_waiting` false.

    `is_waiting` says whether an endpoint has asked for a pause. The first stall writes stall.txt into each folder and
    calls `retry`, which cancels the calls in flight. A second one in a row writes it again and calls `exit_process`
    with the exit code. What may be stuck (`retry`, the event loop, the disk, the terminal) runs in threads of its own.
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
        self._closed = threading.Event()
        self._moved = progress.snapshot().moved
        self._quiet_since = self._clock()
        self._retried = False

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()

    def _watch(self) -> None:
        while not self._closed.wait(self._poll):
            self.check()

    def check(self) -> None:
        """Check for a stall. Compares with the check before, so that a change of the system time is no stall."""
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
        where = self._dump(f"{what}\n")
        if not self._retried:
            self._retried = True
            self._progress.error(f"{what} {where} Retrying the calls in flight.")
            run_with_timeout(0, self._try_retry)
            return
        message = f"{what} Retrying did not help. {where} {RESUME}"
        run_with_timeout(_LOOP_TIMEOUT, lambda: os.write(2, f"\n{_cursor()}{safe_text(message)}\n".encode()))
        self._closed.set()
        self._exit_process(EXIT_CODES[Ending.STALLED])

    def _try_retry(self) -> None:
        try:
            self._retry()
        except Exception as error:  # noqa: BLE001 - whatever it is, the second stall still ends the run
            self._progress.error(f"The calls in flight could not be retried: {type(error).__name__}: {error}")

    def _dump(self, heading: str) -> str:
        """Write the dump beside each ledger; returns a sentence that says where."""
        files = [folder / "stall.txt" for folder in self._folders]
        written: list[Path] = []

        def write() -> None:
            content = f"{heading}\n{tasks_in_flight()}\n{stacks()}".encode(errors="backslashreplace")
            for file in files:
                write_atomically(file, content)
                written.append(file)

        run_with_timeout(_LOOP_TIMEOUT + _DISK_TIMEOUT, write)
        if not written:
            return "No dump could be written."
        return f"The calls in flight are listed in {written[0]}" + (
            f" and {len(written) - 1} more." if written[1:] else "."
        )


def _stages(now: ProgressSnapshot) -> str:
    return "; ".join(f"{trait}: {safe_text(found.stage)}" for trait, found in now.traits.items())


def _cursor() -> str:
    """The escape code that shows the cursor again, which a live view hides; empty where there is no terminal."""
    return _SHOW_CURSOR if os.isatty(2) else ""


def run_with_timeout(seconds: float, work: Callable[[], object]) -> None:
    """Run `work` in a thread and wait at most so long. An OSError ends the thread; the caller sees no result."""

    def run() -> None:
        with suppress(OSError):
            work()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)


def tasks_in_flight() -> str:
    """Stacks of the tasks of the background event loop, or a sentence that it is blocked."""
    found: list[str] = []
    run_with_timeout(_LOOP_TIMEOUT, lambda: found.append(concurrency.run(_list_tasks())))
    return found[0] if found else f"The event loop did not answer within {_LOOP_TIMEOUT:g} second: it is blocked."


async def _list_tasks() -> str:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    lines = [f"{task.get_name()}: {' > '.join(_awaited(task.get_coro()))}" for task in others]
    return "\n".join([f"{len(lines)} tasks of the event loop:", *sorted(lines)]) + "\n"


def _awaited(coroutine: Any) -> Iterator[str]:
    """From a coroutine to the innermost one that it awaits: function, file and line, without any data."""
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        yield f"{frame.f_code.co_qualname} ({Path(frame.f_code.co_filename).name}:{frame.f_lineno})"
        coroutine = coroutine.cr_await


def stacks() -> str:
    """Stacks of all threads of the process, by faulthandler, and the threads' names."""
    with tempfile.TemporaryFile() as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        names = [f"{thread.ident:#018x} is {thread.name}" for thread in threading.enumerate()]
        return "\n".join([file.read().decode(errors="replace"), *names]) + "\n"
