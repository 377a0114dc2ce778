"""An endpoint that is out: nobody asks it any more but one small question now and then, until it answers again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from agent.models.clock import Clock
from agent.models.failures import AttemptTimeout, LlmError, Transient

T = TypeVar("T")

SILENCE = 120.0  # seconds of failures without a success …
FAILURES = 8  # … and so many of them, after which an endpoint counts as out
FIRST_PROBE, LONGEST_PROBE = 30.0, 600.0  # seconds between the small questions: doubled each time


class Out(LlmError):
    """The endpoint was out, or too busy, for longer than the run may wait."""

    kind = "outage"


class Outage:
    """Whether one endpoint is out. `canary` asks it something small and raises an LlmError while it is.

    `told` hears why nothing moves, and None when it goes on. Used on one event loop only.
    """

    def __init__(
        self,
        clock: Clock,
        max_pause: float,
        canary: Callable[[], Awaitable[object]],
        told: Callable[[str | None], None] = lambda why: None,
    ) -> None:
        self._clock = clock
        self._max_pause = max_pause
        self._canary = canary
        self._told = told
        self._failures = 0
        self._trouble_since = 0.0
        self._since: float | None = None
        self._over = asyncio.Event()
        self._probing: asyncio.Task[None] | None = None
        self._checking: asyncio.Task[bool] | None = None
        self._last: LlmError | None = None
        self._paused = 0.0
        self.successes = 0

    @property
    def is_on(self) -> bool:
        return self._since is not None

    @property
    def paused(self) -> float:
        """Seconds of outage so far, all together."""
        return self._paused + (self._clock.now() - self._since if self._since is not None else 0.0)

    def succeeded(self) -> None:
        """A whole reply has come."""
        self._failures = 0
        self.successes += 1
        if self._since is not None:
            self._end()

    def failed(self, error: LlmError) -> None:
        """A call failed by the endpoint's trouble or the way's; a slow-down it asked for is none."""
        if not self._failures:
            self._trouble_since = self._clock.now()
        self._failures += 1
        self._last = error
        silent = self._clock.now() - self._trouble_since
        if self._since is None and self._failures >= FAILURES and silent >= SILENCE:
            self._begin()

    async def is_out(self, error: LlmError) -> bool:
        """After a call failed as often as may be: whether the endpoint is to blame. If so, the outage has begun."""
        if self._since is None:
            if self._checking is None:
                self._checking = asyncio.create_task(self._check(error))
                self._checking.add_done_callback(self._checked)
            return await asyncio.shield(self._checking)
        return True

    async def admit(self) -> None:
        """Wait while the endpoint is out. Raises Out when that takes too long."""
        while self._since is not None:
            await self._over.wait()
            if self._since is not None:
                minutes = (self._clock.now() - self._since) / 60
                raise Out(
                    f"It has been out for {minutes:.0f} minutes; the last it said: "
                    f"{self._last.sentence if self._last else 'nothing'}"
                )

    async def outlast(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What `ask` brings, once the endpoint is not out; its trouble counts. Raises Out, and what `ask` does."""
        await self.admit()
        try:
            found = await ask()
        except (Transient, AttemptTimeout) as trouble:
            self.failed(trouble)
            raise
        self.succeeded()
        return found

    async def _check(self, error: LlmError) -> bool:
        trouble = await self._ask()
        if trouble is not None and self._since is None:
            self._last = error
            self._begin()
        return trouble is not None

    async def _ask(self) -> LlmError | None:
        """The endpoint's trouble with the small question; an answer of any kind shows that it is there."""
        try:
            await self._canary()
        except (Transient, AttemptTimeout) as trouble:
            return trouble
        except LlmError:
            return None
        return None

    def _checked(self, task: "asyncio.Task[bool]") -> None:
        self._checking = None

    def _begin(self) -> None:
        self._since = self._clock.now()
        self._over = asyncio.Event()
        last = f". The last it said: {self._last.sentence}" if self._last else ""
        self._told(f"no whole answer to {self._failures} attempts in a row{last}")
        self._probing = asyncio.create_task(self._probe(self._over))

    def _end(self) -> None:
        if self._since is not None:
            self._paused += self._clock.now() - self._since
        self._since = None
        self._over.set()
        self._told(None)
        if self._probing is not None and self._probing is not asyncio.current_task():
            self._probing.cancel()

    async def _probe(self, over: asyncio.Event) -> None:
        """Ask something small after 30 s, 60 s and so on; an answer ends the outage, too long a silence the run."""
        wait, began = FIRST_PROBE, self._clock.now()
        while self._clock.now() - began < self._max_pause:
            left = self._max_pause - (self._clock.now() - began)
            await self._clock.sleep(min(wait, left))
            trouble = await self._ask()
            if trouble is None:
                self.succeeded()
                return
            self._last = trouble
            wait = min(2 * wait, LONGEST_PROBE)
        over.set()

    def close(self) -> None:
        """Stop asking."""
        for task in (self._probing, self._checking):
            if task is not None:
                task.cancel()
