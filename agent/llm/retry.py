"""How an endpoint is treated: how long a call may take, when it is tried again, and when it is given up."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from agent.llm.concurrency import Clock
from agent.llm.errors import LLMError, Malformed, RateLimited
from agent.schema import ErrorKind


@dataclass(frozen=True)
class RetryPolicy:
    """Seconds and counts, and the clock by which all waits are waited. `attempt_timeout` None is learned."""

    attempt_timeout: float | None = None
    identical: int = 6  # consecutive failures of one kind after which a request is given up
    unreadable: int = 3  # the same for malformed replies, which are paid for
    attempts: int = 12  # failures in all
    slowed: int = 60  # times that a request may be asked to slow down, which is no failure
    deadline: float = 1200.0  # for one call with all its attempts, an endpoint's outages aside
    max_pause: float = 7200.0  # the longest outage, and the longest wait a server may ask for
    first_wait: float = 0.5
    max_first_pause: float = 120.0  # the longest wait that an endpoint may ask for which has never served
    clock: Clock = Clock()
    time_of_day: Callable[[], float] = time.time

    def at_first(self) -> "RetryPolicy":
        """Towards an endpoint that has never served: it may be the wrong one, so it is soon given up."""
        return replace(self, slowed=self.identical, max_pause=min(self.max_pause, self.max_first_pause))

    def as_before(self) -> "RetryPolicy":
        """Towards an endpoint that has served before: too busy, it is waited for as long as one that is out."""
        return replace(self, slowed=sys.maxsize, deadline=max(self.deadline, self.max_pause))


class RetryState:
    """The failures of one request so far. `spread` (0-1) keeps apart the waits of requests that failed together.

    What is not `paced` has nobody else to hold it up when the endpoint asks for a slower pace: it waits by itself, in
    all for no longer than the longest pause.
    """

    def __init__(
        self, manners: RetryPolicy, spread: float = 0.0, paused: Callable[[], float] = lambda: 0.0, paced: bool = True
    ) -> None:
        self._manners = manners
        self._paced = paced
        self._spread = spread
        self._paused = paused
        self._kind: ErrorKind | None = None
        self._began = manners.clock.now() - paused()
        self._streak = 0
        self._failures = 0
        self._slowed = 0
        self.timeouts = 0

    def ends_with(self, error: LLMError) -> bool:
        """Count a failure; whether it was the last one to be borne."""
        took = self._manners.clock.now() - self._paused() - self._began
        late, asked = took > self._manners.deadline, error.wait or 0.0
        if isinstance(error, RateLimited):
            self._slowed += 1
            waited = 0.0 if self._paced else took
            return late or self._slowed >= self._manners.slowed or waited + asked > self._manners.max_pause
        self._failures += 1
        self._streak = self._streak + 1 if error.kind == self._kind else 1
        self._kind = error.kind
        self.timeouts += error.kind is ErrorKind.TIMEOUT
        limit = self._manners.unreadable if isinstance(error, Malformed) else self._manners.identical
        asks_too_much = asked > self._manners.max_pause
        return late or asks_too_much or self._streak >= limit or self._failures >= self._manners.attempts

    def begin_again(self) -> None:
        """What has failed so far was not this request's fault."""
        self._kind, self._streak, self._failures, self.timeouts = None, 0, 0, 0
        self._began = self._manners.clock.now() - self._paused()

    def pause(self, error: LLMError, failures: int) -> float:
        """Seconds to wait after so many failures: what the server asked for, else twice as long each time."""
        if self._paced and (isinstance(error, RateLimited) or error.wait is not None):
            return 0.0  # the endpoint's pace says when
        doubled = self._manners.first_wait * 2.0 ** min(failures - 1, 6) * (0.5 + self._spread)
        return max(doubled, error.wait or 0.0)
