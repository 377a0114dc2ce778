"""How an endpoint is treated: how long a call may take, when it is tried again, and when it is given up."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from agent.models.failures import LlmError, Malformed


@dataclass(frozen=True)
class Manners:
    """Seconds and counts, and the clock by which all waits are waited."""

    attempt_timeout: float = 60.0
    identical: int = 6  # consecutive failures of one kind after which a request is given up
    unreadable: int = 3  # the same for malformed replies, which are paid for
    attempts: int = 12
    first_wait: float = 0.5
    longest_wait: float = 120.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    time_of_day: Callable[[], float] = time.time


class Patience:
    """The failures of one request so far. `spread` (0–1) keeps apart the waits of requests that failed together."""

    def __init__(self, manners: Manners, spread: float) -> None:
        self._manners = manners
        self._spread = spread
        self._kind = ""
        self._streak = 0
        self._failures = 0

    def ends_with(self, error: LlmError) -> bool:
        """Count a failure; whether it was the last one to be borne."""
        self._failures += 1
        self._streak = self._streak + 1 if error.kind == self._kind else 1
        self._kind = error.kind
        limit = self._manners.unreadable if isinstance(error, Malformed) else self._manners.identical
        asks_too_much = (error.wait or 0.0) > self._manners.longest_wait
        return self._streak >= limit or self._failures >= self._manners.attempts or asks_too_much

    def pause(self, error: LlmError, failures: int) -> float:
        """Seconds to wait after so many failures: what the server asked for, else twice as long each time."""
        if error.wait is not None:
            return error.wait + self._spread * self._manners.first_wait
        doubled = self._manners.first_wait * 2.0 ** min(failures - 1, 6)
        return min(doubled, self._manners.longest_wait) * (0.5 + self._spread)
