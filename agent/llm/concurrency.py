"""The clock by which all waits are waited, so that two minutes of outage cost a test no time."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from agent.llm.errors import Cancelled

_LATE = 1e-6  # seconds: timers may fire a clock's tick early, and a ring before its time would wait once more


@dataclass(frozen=True)
class Clock:
    """`now` in seconds, never going back; `sleep` for so many seconds of it."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Alarm:
    """Calls `ring` once, at the time it was last set to or just after. It holds a task only while it is set."""

    def __init__(self, clock: Clock, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._due: float | None = None
        self._task: asyncio.Task[None] | None = None

    def set(self, due: float) -> None:
        """Ring at `due`, and no more at any time set before."""
        if due == self._due and self._task is not None and not self._task.done():
            return
        self.off()
        self._due = due
        self._task = asyncio.create_task(self._wait(due))

    def off(self) -> None:
        """Do not ring."""
        if self._task is not None:
            self._task.cancel()
        self._due = self._task = None

    async def _wait(self, due: float) -> None:
        await self._clock.sleep(max(0.0, due - self._clock.now()) + _LATE)
        self._due = self._task = None
        self._ring()


T = TypeVar("T")

_PATIENCE = 5.0  # seconds granted to cancelled work for closing its connections
_lock = threading.Lock()
_loops: list[asyncio.AbstractEventLoop] = []


def _loop() -> asyncio.AbstractEventLoop:
    with _lock:
        if not _loops:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="llm-loop", daemon=True).start()
            _loops.append(loop)
        return _loops[0]


def call(work: Callable[[], object]) -> None:
    """Have something done on the process's loop soon; nobody waits for it."""
    _loop().call_soon_threadsafe(work)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the process's loop and wait for it. An interrupt cancels it, lets it wind up, and goes on."""
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
            done.wait(_PATIENCE)
        raise


K = TypeVar("K", bound=Hashable)


class SingleFlight(Generic[K, T]):
    """At most one running purchase per key. Used from one event loop only."""

    def __init__(self) -> None:
        self._tasks: dict[K, asyncio.Task[T]] = {}
        self._waiting: dict[K, int] = {}
        self._abandoned: set[K] = set()

    async def join(self, key: K, buy: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of the purchase under way for the key, else of a new one.

        A purchase is cancelled only when nobody waits for it any more.
        """
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(buy())
            task.add_done_callback(lambda _: self._tasks.pop(key, None))
        self._waiting[key] = self._waiting.get(key, 0) + 1
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if key in self._abandoned and task.done():
                raise Cancelled("It was not sent: a stop was asked for.") from None
            if self._waiting[key] == 1:
                task.cancel()
                await asyncio.wait([task])
            raise
        finally:
            self._leave(key)

    def abandon(self, which: Callable[[K], bool]) -> None:
        """Give up the purchases of these keys: whoever waits for them gets Halted."""
        for key in [key for key in self._tasks if which(key)]:
            self._abandoned.add(key)
            self._tasks[key].cancel()

    def _leave(self, key: K) -> None:
        self._waiting[key] -= 1
        if not self._waiting[key]:
            del self._waiting[key]
            self._abandoned.discard(key)
