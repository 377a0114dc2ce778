"""The clock by which all waits are waited, so that two minutes of outage cost a test no time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

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
