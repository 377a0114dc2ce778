"""A virtual clock: time passes only when every task waits, so hours take milliseconds and runs repeat exactly."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from agent.llm.concurrency import Clock

T = TypeVar("T")


class StuckError(AssertionError):
    """Every task waits, and no timer is pending."""


class VirtualClock:
    """A clock whose seconds pass at once when nothing else can happen.

    `VirtualClock().run(coroutine)` runs it on a fresh event loop whose own time is this clock's: `sleep` here,
    `asyncio.sleep`, `asyncio.timeout` and `call_later` all end in their order, and none takes real time. `clock` is
    what the program is given. Several runs go on where the last one ended; between runs, `advance` lets time pass.
    If all tasks wait for each other, StuckError is raised instead of a hang.

    Work in threads or over sockets takes no time on this clock: a timer that is pending ends before it.
    """

    def __init__(self, start: float = 1000.0) -> None:
        self._now = start
        self.clock = Clock(self.now, self.sleep)

    def now(self) -> float:
        """Seconds since an arbitrary point."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait on the loop of `run`."""
        await asyncio.sleep(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass, without running anything."""
        self._now += max(0.0, seconds)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The coroutine's result, or what it raised. Raises StuckError."""
        with asyncio.Runner(loop_factory=lambda: _Loop(self)) as runner:
            return runner.run(work)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: VirtualClock) -> None:
        self._virtual = clock
        super().__init__(_Selector(clock))

    def time(self) -> float:
        return self._virtual.now()


class _Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Asked to wait for the next timer, it moves the clock there."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0 if timeout is not None else 1.0)  # real time is granted to threads alone
        if not ready and timeout is None:
            raise StuckError("Every task waits, and no timer is pending.")
        if not ready and timeout:
            self._clock.advance(timeout)
        return ready
