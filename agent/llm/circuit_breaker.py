"""How long an attempt may take: four times what nearly all answers need."""

import asyncio
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from math import ceil
from typing import TypeVar

from agent.llm.concurrency import Clock
from agent.llm.errors import AttemptTimeout, Auth, LLMError, Quota, RateLimited, Transient
from agent.llm.rate_limiter import AdaptiveLimiter, Permit
from agent.llm.retry import RetryPolicy
from agent.schema import ErrorKind

_UNKNOWN = 60.0  # seconds, until enough has been measured
_ENOUGH = 20  # answers
_REMEMBERED = 200  # answers
_SHARE = 0.95  # of the answers came within the time that counts
_TIMES = 4  # that time
_SHORTEST, _LONGEST = 20.0, 180.0  # seconds


class AdaptiveTimeout:
    """The attempt timeout of one endpoint, learned from its last 200 answers."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []

    def succeeded(self, seconds: float) -> None:
        """A whole answer took so long."""
        if len(self._recent) == _REMEMBERED:
            del self._sorted[bisect_left(self._sorted, self._recent.popleft())]
        self._recent.append(seconds)
        insort(self._sorted, seconds)

    def timeout(self, timeouts: int = 0) -> float:
        """Seconds for the next attempt of a request, twice as many for each attempt of it that timed out; 20 to 180."""
        learned = _UNKNOWN
        if len(self._sorted) >= _ENOUGH:
            learned = _TIMES * self._sorted[ceil(_SHARE * len(self._sorted)) - 1]
        return min(_LONGEST, max(_SHORTEST, learned) * 2.0 ** min(timeouts, 8))


T = TypeVar("T")

SILENCE = 120.0  # seconds of failures without a success …
FAILURES = 8  # … and so many of them, after which an endpoint counts as out
FIRST_PROBE, LONGEST_PROBE = 30.0, 600.0  # seconds between the small questions: doubled each time


class EndpointUnavailable(LLMError):
    """The endpoint was out, or too busy, for longer than the run may wait."""

    kind = ErrorKind.OUTAGE


class CircuitBreaker:
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
        self._last: LLMError | None = None
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

    def failed(self, error: LLMError) -> None:
        """A call failed by the endpoint's trouble or the way's; a slow-down it asked for is none."""
        if not self._failures:
            self._trouble_since = self._clock.now()
        self._failures += 1
        self._last = error
        silent = self._clock.now() - self._trouble_since
        if self._since is None and self._failures >= FAILURES and silent >= SILENCE:
            self._begin()

    async def is_out(self, error: LLMError) -> bool:
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
                raise EndpointUnavailable(
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

    async def _check(self, error: LLMError) -> bool:
        trouble = await self._ask()
        if trouble is not None and self._since is None:
            self._last = error
            self._begin()
        return trouble is not None

    async def _ask(self) -> LLMError | None:
        """The endpoint's trouble with the small question; an answer of any kind shows that it is there."""
        try:
            await self._canary()
        except (Transient, AttemptTimeout) as trouble:
            return trouble
        except LLMError:
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


LONG = 30.0  # seconds of pause that a user should hear of
_SLOW = 20.0  # seconds without an answer to a call that a user should hear of


@dataclass(frozen=True)
class EndpointStatus:
    """What a live view shows of one endpoint. `rate` is in calls a second; `paused` says why nothing is sent.

    `oldest` is for how many seconds the call has waited that has been in flight longest.
    """

    limit: int
    in_flight: int
    waiting: int
    rate: float | None
    paused: str | None
    oldest: float = 0.0

    def told(self) -> str:
        """The limiter in a few words."""
        rate = f", {self.rate:.1f}/s" if self.rate else ""
        queue = f", {self.waiting} wait" if self.waiting else ""
        slow = f", one without an answer for {self.oldest:.0f} s" if self.oldest >= _SLOW else ""
        return self.paused or f"{self.in_flight} of {self.limit} in flight{slow}{queue}{rate}"


class AdmissionController:
    """Everything that decides when a call may go to an endpoint, and what its outcome means for the next."""

    def __init__(
        self,
        most: int,
        manners: RetryPolicy,
        canary: Callable[[], Awaitable[object]],
        told: Callable[[str | None], None],
    ) -> None:
        self._manners = manners
        self._latency = AdaptiveTimeout()
        self.pace = AdaptiveLimiter(most, manners.clock)
        self.outage = CircuitBreaker(manners.clock, manners.max_pause, canary, told)
        self._hopeless: LLMError | None = None

    async def admit(self) -> None:
        """Wait until the endpoint may be asked at all. Raises what only a human can mend, and Out."""
        if self._hopeless is not None:
            raise self._hopeless
        if self.outage.is_on:
            await self.outage.admit()

    def turn(self, lane: Hashable) -> Permit:
        """A place among the calls in flight."""
        return self.pace.turn(lane)

    def timeout(self, timeouts: int) -> float:
        """Seconds for the next attempt of a call of which so many have timed out."""
        fixed = self._manners.attempt_timeout
        return self._latency.timeout(timeouts) if fixed is None else fixed

    def succeeded(self, turn: Permit, seconds: float) -> None:
        """A whole reply came after so many seconds."""
        turn.succeeded()
        self._latency.succeeded(seconds)
        self.outage.succeeded()

    def failed(self, turn: Permit, error: LLMError) -> None:
        """An attempt failed: the endpoint is slower, troubled, or has refused this one request."""
        if isinstance(error, RateLimited):
            turn.limited(error.wait)
            return
        if isinstance(error, Quota | Auth):
            self._hopeless = error
        if isinstance(error, Transient | AttemptTimeout):
            turn.limited(error.wait) if error.wait else turn.failed()
            self.outage.failed(error)
        else:
            self.outage.succeeded()  # it answers, though not as it should

    async def is_out(self, error: LLMError) -> bool:
        """Whether a call that failed as often as may be failed by the endpoint, and not by what it asked."""
        return isinstance(error, Transient | AttemptTimeout) and await self.outage.is_out(error)

    def now(self) -> EndpointStatus:
        """The present state."""
        pace, paused = self.pace, None
        if self.outage.is_on:
            paused = "the endpoint is out"
        elif pace.paused_for > LONG:
            paused = f"asked to wait {pace.paused_for:.0f} s more"
        return EndpointStatus(pace.limit, pace.in_flight, pace.waiting, pace.rate, paused, pace.oldest)
