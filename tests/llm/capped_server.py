"""Rate-limited servers and clients that ask them, in virtual time and without a network."""

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Protocol

from agent.llm.rate_limiter import AdaptiveLimiter
from tests.llm.virtual_clock import VirtualClock

ATTEMPTS = 6  # rate-limit answers in a row after which a client loses its call


class Server(Protocol):
    def wait(self, now: float) -> float | None:
        """None for an admitted call, else the seconds until the next one would be admitted."""


@dataclass
class Bucket:
    """A token bucket: `rate` requests a second, and a burst; `rate` may change while it runs."""

    rate: float
    burst: float = 10.0
    level: float = 1e9
    at: float = 0.0

    def wait(self, now: float) -> float | None:
        self.level = min(self.burst, self.level + (now - self.at) * self.rate)
        self.at = now
        if self.level >= 1:
            self.level -= 1
            return None
        return (1 - self.level) / self.rate


@dataclass
class Window:
    """A fixed window: `many` requests in each second of the clock."""

    many: int
    offset: float = 0.0
    taken: Counter[int] = field(default_factory=Counter)

    def wait(self, now: float) -> float | None:
        second = int(now + self.offset)
        self.taken[second] += 1
        return None if self.taken[second] <= self.many else second + 1 - self.offset - now


@dataclass
class Concurrency:
    """A limit on concurrent requests."""

    most: int
    inside: Callable[[], int] = lambda: 0

    def wait(self, now: float) -> float | None:
        return None if self.inside() <= self.most else 1.0


def silent(wait: float) -> float | None:
    return None


def exact(wait: float) -> float | None:
    return wait


def whole_second(wait: float) -> float | None:
    return 1.0


@dataclass
class Clients:
    """Clients that ask again at once after a rate-limit answer, up to ATTEMPTS times."""

    time: VirtualClock
    limiter: AdaptiveLimiter
    server: Server
    retry_after: Callable[[float], float | None] = silent
    latency: float = 0.05
    done: list[tuple[float, Hashable]] = field(default_factory=list)
    limited: int = 0
    lost: int = 0

    async def call(self, lane: Hashable = None) -> None:
        for _ in range(ATTEMPTS):
            if await self.attempt(lane):
                return
        self.lost += 1

    async def attempt(self, lane: Hashable) -> bool:
        async with self.limiter.permit(lane) as permit:
            wait = self.server.wait(self.time.now())
            await self.time.sleep(self.latency)
            if wait is None:
                permit.on_success()
                self.done.append((self.time.now(), lane))
            else:
                permit.on_rate_limit(self.retry_after(wait))
                self.limited += 1
        return wait is None

    def ask(self, calls: int, at_once: int) -> float:
        """Make so many calls by so many tasks; the seconds it took."""
        start = self.time.now()
        numbers = iter(range(calls))

        async def work() -> None:
            for _ in numbers:
                await self.call()

        async def all_work() -> None:
            await asyncio.gather(*[work() for _ in range(at_once)])

        self.time.run(all_work())
        return self.time.now() - start

    def rate(self, begin: float, end: float) -> float:
        """Successes a second between two times."""
        return sum(begin <= moment < end for moment, _ in self.done) / (end - begin)
