"""Availability of one endpoint: circuit breaker and adaptive timeout."""

import asyncio
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import ceil
from typing import TypeVar

from agent.llm.concurrency import Clock
from agent.llm.errors import AttemptTimeout, LLMError, Malformed, PermanentError, Transient
from agent.schema import ErrorKind

T = TypeVar("T")


@dataclass(frozen=True)
class TimeoutConfig:
    """Tunables of the adaptive timeout; times in seconds.

    `shortest` decides what hung calls cost: 2,000 calls with 2 % hangs took 24.0 s instead of 3.8 s at 50 ms latency,
    and 75.6 s instead of 49.6 s at 1 to 3 s latency (measured, LOG.md 2026-11-28).
    """

    initial: float = 60.0
    """Timeout until `fewest` answers have come. By judgement: a cold local server may load its model for so long."""

    fewest: int = 20
    """Answers needed for an estimate: the fewest of which the 95th percentile is not simply the slowest."""

    window: int = 200
    """Latest answers that count. By judgement: about the time in which a server's load changes."""

    percentile: float = 0.95
    """Share of the answers that came within the reference time; below 1, since one slow answer in 20 is normal."""

    factor: float = 4.0
    """Timeout as a multiple of the reference time. By judgement: a paid answer cut off costs more than waiting."""

    shortest: float = 20.0
    """Lower limit. By judgement: lower gives up slow answers after a burst of quick ones, higher waits longer for hangs
    (figures above)."""

    longest: float = 180.0
    """Upper limit. By judgement: long structured replies of slow servers fit."""


class AdaptiveTimeout:
    """The attempt timeout of one endpoint, learned from its latest response times."""

    def __init__(self, config: TimeoutConfig | None = None) -> None:
        self._config = config or TimeoutConfig()
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []

    def record(self, seconds: float) -> None:
        """Count the response time of one complete answer."""
        if len(self._recent) == self._config.window:
            del self._sorted[bisect_left(self._sorted, self._recent.popleft())]
        self._recent.append(seconds)
        insort(self._sorted, seconds)

    def timeout(self, timeouts: int = 0) -> float:
        """Seconds for the next attempt of a request, doubled for each attempt of it that has timed out."""
        config, learned = self._config, self._config.initial
        if len(self._sorted) >= config.fewest:
            learned = config.factor * self._sorted[ceil(config.percentile * len(self._sorted)) - 1]
        return min(config.longest, max(config.shortest, learned) * 2.0 ** min(timeouts, 8))


@dataclass(frozen=True)
class BreakerConfig:
    """Tunables of the circuit breaker; times in seconds. All chosen by judgement."""

    failures: int = 8
    """Consecutive failures to open: more than one request makes before its own retries end (RetryPolicy, 6), so that
    one bad request alone cannot open it."""

    silence: float = 120.0
    """Time without a success to open. Longer than a usual restart of a server, which retries alone bridge."""

    first_probe: float = 30.0
    """Time until the first health check; doubled after each further one."""

    first_probe_of_refusals: float = 2.0
    """The same where the endpoint answers, but refuses: a router or tunnel often recovers within seconds, and no
    request has been retried yet."""

    longest_probe: float = 600.0
    """Longest time between health checks: the most that a run idles after the endpoint is back."""


class EndpointUnavailable(LLMError):
    """The endpoint was down, or rate limited, for longer than the run may wait."""

    kind = ErrorKind.OUTAGE


HealthCheck = Callable[[], Awaitable[object]]
OUTAGES = (Transient, AttemptTimeout)  # errors that count against the endpoint
REFUSALS = (PermanentError, Malformed)  # errors of one request, or of the endpoint where a small question fails too


class CircuitBreaker:
    """Circuit breaker of one endpoint: opens when it is down, and closes at the first success.

    While it is open, `health_check` is called at growing intervals; it raises an LLMError while the endpoint is down.
    The check is a small request of its own and not the next caller's: a request that the server cannot stand would
    keep the breaker open for ever (LOG.md, 2026-11-23). `on_wait` receives why nothing is sent, and None when it goes
    on. Used on one event loop only.
    """

    def __init__(
        self,
        clock: Clock,
        max_pause: float,
        health_check: HealthCheck,
        on_wait: Callable[[str | None], None] = lambda why: None,
        config: BreakerConfig | None = None,
    ) -> None:
        self._clock = clock
        self._max_pause = max_pause
        self._health_check = health_check
        self._on_wait = on_wait
        self._config = config or BreakerConfig()
        self._failures = 0
        self._failing_since = 0.0
        self._open_since: float | None = None
        self._closed = asyncio.Event()
        self._probing: asyncio.Task[None] | None = None
        self._checking: asyncio.Task[bool] | None = None
        self._refused_by: HealthCheck | None = None  # the check that was refused, while that is why it is open
        self._last: LLMError | None = None
        self._downtime = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the endpoint is down."""
        return self._open_since is not None

    @property
    def downtime(self) -> float:
        """Seconds during which the breaker has been open, in all."""
        return self._downtime + (self._clock.now() - self._open_since if self._open_since is not None else 0.0)

    def on_success(self) -> None:
        """Count a complete reply: it closes the breaker."""
        self._failures = 0
        if self._open_since is not None:
            self._close()

    def on_failure(self, error: LLMError) -> None:
        """Count a failure of the server or the network. Rate limits do not count."""
        if not self._failures:
            self._failing_since = self._clock.now()
        self._failures += 1
        self._last = error
        silence = self._clock.now() - self._failing_since
        if self._open_since is None and self._failures >= self._config.failures and silence >= self._config.silence:
            self._open()

    async def is_down(self, error: LLMError, check: HealthCheck | None = None) -> bool:
        """Whether the endpoint is down, by a health check, after a request used up its retries. If so, it opens.

        With `check`, a small question with the options of that request, an endpoint that refuses it is down too.
        """
        if self._open_since is None:
            if self._checking is None:
                self._checking = asyncio.create_task(self._check(error, check))
                self._checking.add_done_callback(self._checked)
            return await asyncio.shield(self._checking)
        return True

    async def wait_until_closed(self) -> None:
        """Wait while the endpoint is down. Raises EndpointUnavailable after the longest pause."""
        while self._open_since is not None:
            await self._closed.wait()
            if self._open_since is not None:
                minutes = (self._clock.now() - self._open_since) / 60
                last = self._last.sentence if self._last else "none"
                raise EndpointUnavailable(f"Unavailable for {minutes:.0f} minutes. Last error: {last}")

    async def call(self, request: Callable[[], Awaitable[T]]) -> T:
        """The result of a request, sent while the breaker is closed, and counted. Raises EndpointUnavailable."""
        await self.wait_until_closed()
        try:
            result = await request()
        except OUTAGES as error:
            self.on_failure(error)
            raise
        self.on_success()
        return result

    async def _check(self, error: LLMError, check: HealthCheck | None) -> bool:
        failure = await self._health_failure(check)
        if failure is not None and self._open_since is None:
            self._last = error
            self._open(check if isinstance(failure, REFUSALS) else None, failure.retry_after or 0.0)
        return failure is not None

    async def _health_failure(self, check: HealthCheck | None) -> LLMError | None:
        """The error of `check`, or of the usual health check; None where the endpoint answers.

        A refusal of the usual health check is an answer: it may not fit this endpoint.
        """
        try:
            await (check or self._health_check)()
        except OUTAGES as error:
            return error
        except REFUSALS as error:
            return error if check is not None else None
        except LLMError:
            return None
        return None

    def _checked(self, task: "asyncio.Task[bool]") -> None:
        self._checking = None

    def _open(self, refused_by: HealthCheck | None = None, wait: float = 0.0) -> None:
        self._open_since = self._clock.now()
        self._refused_by = refused_by
        self._closed = asyncio.Event()
        what = "refusing every request, a small one too" if refused_by else self._failing()
        last = f". Last error: {self._last.sentence}" if self._last else ""
        self._on_wait(f"{what}{last}")
        first = self._config.first_probe_of_refusals if refused_by else self._config.first_probe
        self._probing = asyncio.create_task(self._probe(self._closed, max(first, wait)))

    def _failing(self) -> str:
        attempts = f" after {self._failures} failed attempts in a row" if self._failures else ""
        return f"unavailable{attempts}"

    def _close(self) -> None:
        if self._open_since is not None:
            self._downtime += self._clock.now() - self._open_since
        self._open_since = None
        self._closed.set()
        self._on_wait(None)
        if self._probing is not None and self._probing is not asyncio.current_task():
            self._probing.cancel()

    async def _probe(self, closed: asyncio.Event, wait: float) -> None:
        """Health checks at growing intervals, until one succeeds or the longest pause is over."""
        began = self._clock.now()
        while self._clock.now() - began < self._max_pause:
            left = self._max_pause - (self._clock.now() - began)
            await self._clock.sleep(min(wait, left))
            failure = await self._health_failure(self._refused_by)
            if failure is None:
                self.on_success()
                return
            self._last = failure
            wait = max(min(2 * wait, self._config.longest_probe), failure.retry_after or 0.0)
        closed.set()  # still open: who waits learns that it was given up

    def shut_down(self) -> None:
        """Cancel the health checks."""
        for task in (self._probing, self._checking):
            if task is not None:
                task.cancel()
