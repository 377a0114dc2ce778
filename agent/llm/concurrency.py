"""Concurrency of LLM calls: an injectable clock, the event loop in its own thread, single flight, a fair queue."""

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from agent.llm.errors import STOP_REQUESTED, Cancelled

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

_TIMER_SLACK = 1e-6  # seconds: a timer may fire one clock tick early, and would then have to be set again
_CLEANUP_SECONDS = 5.0  # granted to cancelled work for closing its connections; chosen by judgement


@dataclass(frozen=True)
class Clock:
    """Time source: `now` in seconds, never going back, and `sleep`. Tests pass one that does not wait."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Alarm:
    """A timer that calls `callback` once, at the time it was last set to. It holds a task only while it is set."""

    def __init__(self, clock: Clock, callback: Callable[[], None]) -> None:
        self._clock = clock
        self._callback = callback
        self._due: float | None = None
        self._task: asyncio.Task[None] | None = None

    def set(self, due: float) -> None:
        """Call back at `due` instead of any time set before."""
        if due == self._due and self._task is not None and not self._task.done():
            return
        self.cancel()
        self._due = due
        self._task = asyncio.create_task(self._wait(due))

    def cancel(self) -> None:
        """Do not call back."""
        if self._task is not None:
            self._task.cancel()
        self._due = self._task = None

    async def _wait(self, due: float) -> None:
        await self._clock.sleep(max(0.0, due - self._clock.now()) + _TIMER_SLACK)
        self._due = self._task = None
        self._callback()


_lock = threading.Lock()
_loops: list[asyncio.AbstractEventLoop] = []


def _loop() -> asyncio.AbstractEventLoop:
    """The process's event loop, started on first use in a daemon thread.

    Not `anyio.from_thread.start_blocking_portal`: its cancellation is repeated at every await until the work ends, so
    cancelled work could not wait for its own connections and ledger writes to be closed.
    """
    with _lock:
        if not _loops:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="llm-loop", daemon=True).start()
            _loops.append(loop)
        return _loops[0]


def call_soon(function: Callable[[], object]) -> None:
    """Schedule a function on the event loop, and return at once."""
    _loop().call_soon_threadsafe(function)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the event loop and wait for it.

    An interrupt cancels it, waits for its cleanup and is raised again.
    """
    done = threading.Event()

    async def tracked() -> T:
        try:
            return await work
        finally:
            done.set()

    future = asyncio.run_coroutine_threadsafe(tracked(), _loop())
    try:
        return future.result()
    except BaseException:
        if future.cancel():
            done.wait(_CLEANUP_SECONDS)
        raise


class SingleFlight(Generic[K, T]):
    """Deduplicates concurrent work: at most one task per key. Used from one event loop only."""

    def __init__(self) -> None:
        self._tasks: dict[K, asyncio.Task[T]] = {}
        self._waiting: dict[K, int] = {}
        self._abandoned: set[K] = set()

    async def join(self, key: K, start: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of the task running for the key, else of a new one.

        The task is cancelled when the last caller waiting for it is cancelled. Raises Cancelled after `abandon`.
        """
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(start())
            task.add_done_callback(lambda _: self._tasks.pop(key, None))
        self._waiting[key] = self._waiting.get(key, 0) + 1
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if key in self._abandoned and task.done():
                raise Cancelled(STOP_REQUESTED) from None
            if self._waiting[key] == 1:
                task.cancel()
                await asyncio.wait([task])
            raise
        finally:
            self._leave(key)

    def abandon(self, selects: Callable[[K], bool]) -> None:
        """Cancel the tasks of the selected keys: their callers get Cancelled."""
        for key in [key for key in self._tasks if selects(key)]:
            self._abandoned.add(key)
            self._tasks[key].cancel()

    def _leave(self, key: K) -> None:
        self._waiting[key] -= 1
        if not self._waiting[key]:
            del self._waiting[key]
            self._abandoned.discard(key)


_Waiter = asyncio.Future[None]


class FairQueue:
    """Queue of waiting calls: round robin over lanes, first in first out within a lane."""

    def __init__(self) -> None:
        self._lanes: OrderedDict[Hashable, OrderedDict[_Waiter, None]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, lane: Hashable, waiter: _Waiter) -> None:
        """Append a call to its lane."""
        self._lanes.setdefault(lane, OrderedDict())[waiter] = None
        self._count += 1

    def remove(self, lane: Hashable, waiter: _Waiter) -> None:
        """Take out a cancelled call, if it still waits."""
        waiters = self._lanes.get(lane, OrderedDict())
        if waiter in waiters:
            del waiters[waiter]
            self._count -= 1
            if not waiters:
                del self._lanes[lane]

    def pop(self) -> _Waiter | None:
        """Take out the next call; None if it was cancelled."""
        lane, waiters = self._lanes.popitem(last=False)
        waiter, _ = waiters.popitem(last=False)
        self._count -= 1
        if waiters:
            self._lanes[lane] = waiters
        return None if waiter.done() else waiter
