"""Retry policy: which failed calls are tried again, after how long, and when to give up. The only user of tenacity."""

import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from agent.llm.concurrency import Clock
from agent.llm.errors import (
    RETRYABLE,
    LLMError,
    Loading,
    Malformed,
    NotReady,
    PermanentError,
    Quota,
    RateLimited,
    TooLong,
)
from agent.schema import ErrorKind

if TYPE_CHECKING:
    import tenacity

T = TypeVar("T")
_ATTEMPTS_IN_TIME = 4  # attempts that a call's deadline has room for, as RetryPolicy.deadline has
_LOADING_POLL = 5.0  # longest time between two questions to a server that is loading; by judgement
OnRetry = Callable[[LLMError, float], None]  # the error, and the seconds until the next attempt


@dataclass(frozen=True)
class RetryPolicy:
    """Limits on the attempts of one request. The clock is used for every wait; times are in seconds."""

    attempt_timeout: float | None = None
    """Time limit of one attempt. None: learned from recent response times (see AdaptiveTimeout)."""

    max_same_kind: int = 6
    """Consecutive failures of one kind before giving up. Chosen by judgement: with the doubling backoff they span at
    least 8 s, which outlasts a restarting proxy; what lasts longer is the circuit breaker's business."""

    max_malformed: int = 3
    """The same for malformed replies. Lower because each of them is paid for. Chosen by judgement."""

    max_refusals: int = 2
    """Times that a request is refused while the endpoint answers a small question. The second try is for an endpoint
    that recovered between the refusal and that question."""

    max_failures: int = 12
    """Failures of any kind, rate limits excepted. Twice `max_same_kind`, so that errors of alternating kinds end."""

    max_rate_limits: int = 60
    """Rate-limit answers before giving up. Chosen by judgement: the limiter already spaces the attempts, so this only
    ends requests to a server that never admits anything."""

    deadline: float = 1200.0
    """Total time for one call with all its attempts, the endpoint's downtime excluded. Chosen by judgement: four
    attempts at the longest adaptive timeout (180 s) and their backoff fit."""

    max_pause: float = 7200.0
    """Longest downtime of an endpoint, and longest Retry-After, to wait for. Users set it with `--max-pause`."""

    first_backoff: float = 0.5
    """Wait after the first failure; doubled after each further one, up to 64 times. The OpenAI client begins with the
    same value."""

    max_first_contact_pause: float = 120.0
    """Longest Retry-After to wait for at an endpoint that has never answered. Chosen by judgement: `base_url` may be
    wrong, so a person should hear of it within minutes."""

    max_loading: float = 0.0
    """Time to wait for a server that says that it is loading."""

    max_not_ready: float = 0.0
    """Time to wait for a gateway whose server does not answer yet."""

    clock: Clock = Clock()
    time_of_day: Callable[[], float] = time.time

    def for_timeout(self, seconds: float | None) -> "RetryPolicy":
        """The policy for an endpoint whose answers may take so long; None changes nothing."""
        if seconds is None:
            return self
        return replace(self, attempt_timeout=seconds, deadline=max(self.deadline, _ATTEMPTS_IN_TIME * seconds))

    def for_first_contact(self) -> "RetryPolicy":
        """The policy for an endpoint that has never answered: it may be the wrong one, so it is given up early."""
        short = min(self.max_pause, self.max_first_contact_pause)
        return replace(
            self,
            max_rate_limits=self.max_same_kind,
            max_pause=short,
            max_loading=self.max_pause,
            max_not_ready=short,
        )

    def patience(self, error: LLMError) -> float:
        """Seconds to wait for an endpoint that is not ready yet."""
        if isinstance(error, Loading):
            return self.max_loading
        return self.max_not_ready if isinstance(error, NotReady) else 0.0

    def for_resume(self) -> "RetryPolicy":
        """The policy for an endpoint that has answered before: rate limits are waited for as long as downtime is."""
        return replace(self, max_rate_limits=sys.maxsize, deadline=max(self.deadline, self.max_pause))


class Availability(Protocol):
    """What a retry needs to know of the endpoint."""

    @property
    def downtime(self) -> float:
        """Seconds so far during which the endpoint was down."""

    @property
    def checks_refusals(self) -> bool:
        """Whether `is_down` tells a refusal of this request from one of every request."""

    async def is_down(self, error: LLMError) -> bool:
        """Whether this last failure is the endpoint's fault and not the request's."""


class RetryState:
    """The failures of one request so far.

    `jitter` (0 to 1) spreads the backoff of requests that failed together. With `limited` a rate limiter delays the
    next attempt after a rate-limit answer; without it the request waits by itself, in all at most `max_pause`.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        jitter: float = 0.0,
        availability: Availability | None = None,
        limited: bool = True,
    ) -> None:
        self.policy = policy
        self.availability = availability
        self._limited = limited
        self._jitter = jitter
        self._kind: ErrorKind | None = None
        self._streak = 0
        self._failures = 0
        self._rate_limits = 0
        self._refusals = 0
        self._credit_waits = 0
        self.timeouts = 0
        self._began = self._uptime()

    def _uptime(self) -> float:
        """The time by the clock without the endpoint's downtime."""
        return self.policy.clock.now() - (self.availability.downtime if self.availability else 0.0)

    def should_give_up(self, error: LLMError) -> bool:
        """Count a failure, and say whether it was the last one allowed."""
        policy, took, retry_after = self.policy, self._uptime() - self._began, error.retry_after or 0.0
        is_late = took > policy.deadline
        if isinstance(error, RateLimited):
            self._rate_limits += 1
            waited = 0.0 if self._limited else took
            return is_late or self._rate_limits >= policy.max_rate_limits or waited + retry_after > policy.max_pause
        if took + max(retry_after, _LOADING_POLL) <= policy.patience(error):
            return False
        self._failures += 1
        self._streak = self._streak + 1 if error.kind is self._kind else 1
        self._kind = error.kind
        self.timeouts += error.kind is ErrorKind.TIMEOUT
        longest_streak = policy.max_malformed if isinstance(error, Malformed) else policy.max_same_kind
        is_failed = self._streak >= longest_streak or self._failures >= policy.max_failures
        return is_late or is_failed or retry_after > policy.max_pause

    def reset(self) -> None:
        """Forget the failures: they were the endpoint's fault. Rate-limit answers still count."""
        self._kind, self._streak, self._failures, self._refusals, self.timeouts = None, 0, 0, 0, 0
        self._began = self._uptime()

    def backoff(self, error: LLMError, failures: int) -> float:
        """Seconds to wait after this many failures: exponential, and at least the server's Retry-After."""
        if self._limited and (isinstance(error, RateLimited) or error.retry_after is not None):
            return 0.0  # the rate limiter delays the next attempt
        exponential = self.policy.first_backoff * 2.0 ** min(failures - 1, 6) * (0.5 + self._jitter)
        longest = _LOADING_POLL if self.policy.patience(error) else exponential
        return max(min(exponential, longest), error.retry_after or 0.0)

    async def should_retry(self, error: BaseException | None) -> bool:
        """Count a failure, and say whether to try again. The count is reset if the endpoint was down."""
        if isinstance(error, PermanentError):
            return not isinstance(error, TooLong) and await self._should_repeat(error)
        if isinstance(error, Quota):
            return self._should_wait_for_credit(error)
        if not isinstance(error, RETRYABLE):
            return False
        if isinstance(error, Malformed):
            return await self._should_ask_once_more(error)
        return not self.should_give_up(error) or await self._is_down(error)

    async def _should_ask_once_more(self, error: Malformed) -> bool:
        """Whether to send a request with malformed replies again. The endpoint is checked before the last attempt."""
        if self.should_give_up(error):
            return False
        if self._streak == self.policy.max_malformed - 1:
            await self._is_down(error)  # then it is sent again when the endpoint is back
        return True

    async def _should_repeat(self, error: PermanentError) -> bool:
        """Whether to send a refused request again: every request is refused, or was when this one was."""
        if self.availability is None or not self.availability.checks_refusals:
            return False
        self._refusals += 1
        if self._refusals >= self.policy.max_refusals:
            return False
        await self._is_down(error)  # then it is sent again when the endpoint is back
        return True

    def _should_wait_for_credit(self, error: Quota) -> bool:
        """Whether an account without credit is asked once more, after the wait that it asks for."""
        wait, self._credit_waits = error.retry_after, self._credit_waits + 1
        return wait is not None and 0 < wait <= self.policy.max_pause and self._credit_waits <= 1

    async def _is_down(self, error: LLMError) -> bool:
        if self.availability is None or not await self.availability.is_down(error):
            return False
        self.reset()
        return True


async def retry(
    attempt: Callable[[int], Awaitable[T]],
    state: RetryState,
    final: tuple[type[LLMError], ...] = (),
    on_retry: OnRetry = lambda error, seconds: None,
) -> T:
    """Call `attempt` until it succeeds, or raise its last error once `state` gives up.

    `attempt` receives how many of its attempts have timed out. Errors of exactly the classes in `final` are not
    retried. `on_retry` is called before each wait.
    """
    try:
        return await attempt(0)
    except (*RETRYABLE, PermanentError, Quota) as error:
        failed = [error]  # most calls succeed at once, and tenacity costs more than they do
    import tenacity

    async def should_retry(call: "tenacity.RetryCallState") -> bool:
        error = call.outcome.exception() if call.outcome else None
        return type(error) not in final and await state.should_retry(error)

    async def again() -> T:
        if failed:
            raise failed.pop()
        return await attempt(state.timeouts)

    retrying = tenacity.AsyncRetrying(
        sleep=state.policy.clock.sleep,
        wait=lambda call: state.backoff(_error(call), call.attempt_number),
        before_sleep=lambda call: on_retry(_error(call), call.upcoming_sleep),
        retry=should_retry,
    )
    return await retrying(again)


def _error(call: "tenacity.RetryCallState") -> LLMError:
    error = call.outcome.exception() if call.outcome else None
    assert isinstance(error, LLMError), "only LLMErrors are retried"  # noqa: S101
    return error
