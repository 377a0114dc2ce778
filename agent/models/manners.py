"""How an endpoint is treated: how long a call may take, when it is tried again, and when it is given up."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from agent.models.clock import Clock
from agent.models.failures import LlmError, Malformed, RateLimited


@dataclass(frozen=True)
class Manners:
    """Seconds and counts, and the clock by which all waits are waited. `attempt_timeout` None is learned."""

    attempt_timeout: float | None = None
    identical: int = 6  # consecutive failures of one kind after which a request is given up
    unreadable: int = 3  # the same for malformed replies, which are paid for
    attempts: int = 12  # failures in all
    slowed: int = 60  # times that a request may be asked to slow down, which is no failure
    deadline: float = 1200.0  # for one call with all its attempts, an endpoint's outages aside
    max_pause: float = 7200.0  # the longest outage, and the longest wait a server may ask for
    first_wait: float = 0.5
    longest_wait: float = 120.0
    clock: Clock = Clock()
    time_of_day: Callable[[], float] = time.time


class Patience:
    """The failures of one request so far. `spread` (0-1) keeps apart the waits of requests that failed together.

    What is not `paced` has nobody else to hold it up when the endpoint asks to wait, and soon gives up being slowed.
    """

    def __init__(
        self, manners: Manners, spread: float = 0.0, paused: Callable[[], float] = lambda: 0.0, paced: bool = True
    ) -> None:
        self._manners = manners
        self._paced = paced
        self._spread = spread
        self._paused = paused
        self._kind = ""
        self._began = manners.clock.now() - paused()
        self._streak = 0
        self._failures = 0
        self._slowed = 0
        self.timeouts = 0

    def ends_with(self, error: LlmError) -> bool:
        """Count a failure; whether it was the last one to be borne."""
        late = self._manners.clock.now() - self._paused() - self._began > self._manners.deadline
        if isinstance(error, RateLimited):
            self._slowed += 1
            too_often = self._slowed >= (self._manners.slowed if self._paced else self._manners.identical)
            return late or too_often or (error.wait or 0.0) > self._manners.max_pause
        self._failures += 1
        self._streak = self._streak + 1 if error.kind == self._kind else 1
        self._kind = error.kind
        self.timeouts += error.kind == "timeout"
        limit = self._manners.unreadable if isinstance(error, Malformed) else self._manners.identical
        asks_too_much = (error.wait or 0.0) > self._manners.max_pause
        return late or self._streak >= limit or self._failures >= self._manners.attempts or asks_too_much

    def begin_again(self) -> None:
        """What has failed so far was not this request's fault."""
        self._kind, self._streak, self._failures, self.timeouts = "", 0, 0, 0
        self._began = self._manners.clock.now() - self._paused()

    def pause(self, error: LlmError, failures: int) -> float:
        """Seconds to wait after so many failures: what the server asked for, else twice as long each time."""
        if self._paced and (isinstance(error, RateLimited) or error.wait is not None):
            return 0.0  # the endpoint's pace says when
        doubled = self._manners.first_wait * 2.0 ** min(failures - 1, 6) * (0.5 + self._spread)
        return min(max(doubled, error.wait or 0.0), self._manners.longest_wait)
