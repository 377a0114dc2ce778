"""Admission of calls to one endpoint: rate limiter, circuit breaker, adaptive timeout and errors that end all calls."""

from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from agent.llm.circuit_breaker import (
    OUTAGES,
    REFUSALS,
    AdaptiveTimeout,
    CircuitBreaker,
    EndpointUnavailable,
    HealthCheck,
)
from agent.llm.endpoint import Endpoint
from agent.llm.errors import Auth, LLMError, Quota, RateLimited
from agent.llm.rate_limiter import CONFIG, AdaptiveLimiter, Permit
from agent.llm.retry import RetryPolicy
from agent.text import pluralize

LONG_PAUSE = 30.0  # seconds of Retry-After that are reported to the user; by judgement
_SLOW = 20.0  # seconds without an answer that a live view shows; the shortest adaptive timeout


@dataclass(frozen=True)
class CallAvailability:
    """What the retries of one call need to know of its endpoint."""

    admission: "AdmissionController"
    check: HealthCheck
    checks_refusals: bool = True

    @property
    def downtime(self) -> float:
        return self.admission.downtime

    async def is_down(self, error: LLMError) -> bool:
        return await self.admission.is_down(error, self.check)


@dataclass(frozen=True)
class EndpointStatus:
    """Snapshot of one endpoint for a live view.

    `limit`, `in_flight` and `queued` count calls; `rate` is in starts per second, None while unlimited; `paused` says
    why nothing is sent; `slowest` is the age in seconds of the oldest call in flight; `patience` is how old it may
    become by the settings, None where that is learned.
    """

    limit: int
    in_flight: int
    queued: int
    rate: float | None
    paused: str | None
    slowest: float = 0.0
    patience: float | None = None

    @property
    def waits(self) -> bool:
        """Whether it is no stall that nothing comes: the endpoint is paused, or its answers may take so long."""
        is_awaited = self.patience is not None and self.in_flight > 0 and self.slowest <= self.patience + _SLOW
        return self.paused is not None or is_awaited

    def summary(self) -> str:
        """The status in a few words."""
        queued = f", {self.queued} queued" if self.queued else ""
        rate = f", {self.rate:.1f}/s" if self.rate else ""
        return self.paused or f"{self._in_flight}{queued}{rate}"

    @property
    def _in_flight(self) -> str:
        if self.slowest < _SLOW:
            return f"{self.in_flight}/{self.limit} in flight"
        return f"{pluralize(self.in_flight, 'question')} in flight, oldest for {_age(self.slowest)}"


def _age(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = int(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


class AdmissionController:
    """Decides when a call may be sent to one endpoint, and learns from its outcome.

    Joins the rate limiter, the circuit breaker, the adaptive timeout, and the errors that only a person can fix.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        policy: RetryPolicy,
        health_check: HealthCheck,
        on_wait: Callable[[str | None], None],
    ) -> None:
        self._policy = policy
        self._patience = endpoint.timeout
        self._timeout = AdaptiveTimeout()
        most = endpoint.concurrency
        config = replace(CONFIG, initial_limit=most) if endpoint.starts_full else CONFIG
        self._limiter = AdaptiveLimiter(most, policy.clock, config)
        self.breaker = CircuitBreaker(policy.clock, policy.max_pause, partial(self._heeding, health_check), on_wait)
        self._fatal: LLMError | None = None
        self._credit_due: float | None = None  # when an account without credit asked to be asked again

    checks_refusals = False

    @property
    def downtime(self) -> float:
        """Seconds so far during which the endpoint was down."""
        return self.breaker.downtime

    async def _wait_until_available(self) -> None:
        if self._fatal is not None:
            raise self._fatal
        if self.breaker.is_open:
            await self.breaker.wait_until_closed()

    @asynccontextmanager
    async def acquire(self, lane: Hashable) -> AsyncIterator[Permit]:
        """A permit for one call, once the endpoint is up and the limiter has room. Lanes share evenly.

        Raises EndpointUnavailable, or the Auth or Quota error that ended all calls to this endpoint.
        """
        await self._wait_until_available()
        async with self._limiter.permit(lane) as permit:
            await self._wait_until_available()  # the endpoint may have gone down while the call was queued
            yield permit

    def timeout(self, timeouts: int) -> float:
        """Seconds for the next attempt of a call of which so many attempts have timed out."""
        fixed = self._policy.attempt_timeout
        return self._timeout.timeout(timeouts) if fixed is None else fixed

    def on_success(self, permit: Permit, seconds: float) -> None:
        """Count a complete reply that took this long."""
        self._credit_due = None
        permit.on_success()
        self._timeout.record(seconds)
        self.breaker.on_success()

    def on_failure(self, permit: Permit, error: LLMError) -> None:
        """Count a failed attempt. A Retry-After beyond the longest pause ends all calls, queued ones included."""
        if (error.retry_after or 0.0) > self._policy.max_pause:
            self._fatal = EndpointUnavailable(f"Asked to wait longer than --max-pause allows. {error.sentence}")
            return
        if isinstance(error, RateLimited) or self._is_worth_waiting(permit, error):
            permit.on_rate_limit(error.retry_after)
            return
        if isinstance(error, Quota | Auth):
            self._fatal = error
        if isinstance(error, OUTAGES):
            permit.on_rate_limit(error.retry_after) if error.retry_after else permit.on_failure()
            self.breaker.on_failure(error)
        elif not isinstance(error, REFUSALS):  # they say nothing about the endpoint yet
            self.breaker.on_success()  # the endpoint answers, if not with what was requested

    def _is_worth_waiting(self, permit: Permit, error: LLMError) -> bool:
        """Whether an account without credit asks to wait, for the first time since it last answered."""
        if not isinstance(error, Quota) or not error.retry_after:
            return False
        if self._credit_due is None:
            self._credit_due = self._policy.clock.now() + error.retry_after
        return permit.started < self._credit_due

    async def _heeding(self, check: HealthCheck) -> object:
        """The result of a health check; a wait that its error asks for holds for all calls."""
        try:
            return await check()
        except LLMError as error:
            if error.retry_after:
                self._limiter.pause(min(error.retry_after, self._policy.max_pause))
            raise

    async def is_down(self, error: LLMError, check: HealthCheck | None = None) -> bool:
        """Whether a request that used up its retries failed because the endpoint is down, or refuses every request.

        The second needs `check`, a small question with the options of that request.
        """
        matters = isinstance(error, OUTAGES) or (check is not None and isinstance(error, REFUSALS))
        return matters and await self.breaker.is_down(error, check and partial(self._heeding, check))

    def for_call(self, check: HealthCheck) -> "CallAvailability":
        """The availability of this endpoint to one call; `check` asks a small question with the call's options."""
        return CallAvailability(self, check)

    def status(self) -> EndpointStatus:
        """The present state, for a live view."""
        limiter, paused = self._limiter, None
        if self.breaker.is_open:
            paused = "unavailable"
        elif limiter.cooldown > LONG_PAUSE:
            paused = f"rate limited for {limiter.cooldown:.0f} s more"
        return EndpointStatus(
            limiter.limit,
            limiter.in_flight,
            limiter.queued,
            limiter.rate,
            paused,
            limiter.slowest,
            self._patience,
        )
