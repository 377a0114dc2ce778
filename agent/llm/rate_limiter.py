"""Adaptive rate limiter: the calls in flight to one endpoint, and the rate at which they start."""

import asyncio
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from types import TracebackType

from agent.llm.concurrency import Alarm, Clock, FairQueue


@dataclass(frozen=True)
class RateLimiterConfig:
    """Tunables of the rate limiter; times in seconds.

    Tuned by hand, and held since, against simulated servers in virtual time (tests/llm/test_rate_limiter.py): token
    buckets and fixed windows of 20 calls a second, a server that slows down, one that limits calls at a time. There 400
    of 400 calls succeed in at most 1.05 times the ideal time, and over 4,000 calls at most 2 % are rate limited. The
    docstring of each value says what it trades off; none was measured against a commercial API.
    """

    initial_limit: int = 4
    """Calls in flight to begin with. The limit doubles per round trip, so 4 reach 100 after five of them; more would
    make the first contact with a strict server a burst."""

    limit_cut: float = 0.75
    """Share of the limit left after a rate-limit answer. Milder than TCP's 0.5, since the learned rate does the fine
    work; higher would need several bursts of refusals for a limit on calls at a time."""

    headroom: float = 1.5
    """The limit grows at once to this multiple of rate times latency. At 1 any slow answer would hold up the rate."""

    window: float = 2.0
    """Time over which successes are counted. Shorter is noise at low rates; longer lags behind a server that slows."""

    window_fewest: int = 10
    """Successes that count however old they are, so that rates under 5 a second are measured too."""

    window_shortest: float = 0.1
    """Shortest time that a rate is computed over: a burst of first answers says nothing about a rate."""

    lowest_rate: float = 0.1
    """Starts a second that are always allowed: at this rate `window_fewest` successes take 100 s already."""

    proven_after: int = 8
    """Successes after which a refused rate counts as nearly right. Fewer could be one burst of a full bucket."""

    step_near: float = 0.05
    """Share of the ceiling to restart under it once it is known. The cost of each probe of the ceiling: 5 % at most."""

    step_far: float = 0.25
    """The same while the ceiling is sought: steps large enough to come down from a rate far too high in seconds."""

    unproven_cut: float = 0.8
    """Share of a rate that was refused before it was proven, where calls were queued. With `step_far` below it the
    next rate is 0.6 of the last: a search by halves, nearly."""

    trust_steady: float = 0.7
    """Least share of a proven rate kept when the measured one is lower. Low, since the measurement can be trusted."""

    trust_rising: float = 0.85
    """The same while the rate rises above its ceiling: the measurement lags behind, so it is trusted less far."""

    climb_near: tuple[float, float, float] = (5.0, 10.0, 10.0)
    """Time until a known ceiling is reached again: at least the first figure, the second in latencies, the third in
    starts. Long against the window, so that the next refusal is measured at a steady rate."""

    climb_far: tuple[float, float, float] = (1.0, 3.0, 4.0)
    """The same while the ceiling is sought."""

    climb_per_wait: float = 10.0
    """Added to `climb_near` per second of Retry-After: a refusal that costs a long wait is provoked less often, so that
    waits take about a tenth of the time."""

    idle: float = 2.0
    """Time without calls after which counted successes are forgotten. As `window`."""

    on_time: float = 0.02
    """Lateness of a timer that does not delay the next start: an event loop under load is late by milliseconds."""

    first_cooldown: float = 0.1
    """Cooldown after a second refusal without a success between, where the server names none; doubled each time."""

    longest_cooldown: float = 10.0
    """Longest such cooldown: what a server that recovers has to wait for the next call at most."""

    latency_step: float = 1.1
    """Factor by which each answer moves the latency estimate up or down. It settles near the median, so one call that
    hangs for an hour hardly moves it."""


CONFIG = RateLimiterConfig()


@dataclass(frozen=True)
class LearnedRate:
    """A start rate as a cubic of time: from below a ceiling, flat around it, then ever faster above it.

    The curve is that of TCP CUBIC's window (RFC 9438), applied to a rate.
    """

    ceiling: float  # starts a second
    step: float  # the share of the ceiling to begin under it
    climb: float  # seconds until the ceiling is reached

    def rate(self, age: float) -> float:
        """Starts a second, after `age` seconds without a refusal."""
        return self.ceiling * (1 + self.step * (age / self.climb - 1) ** 3)


@dataclass(frozen=True)
class RateEvidence:
    """What the limiter knew when the endpoint refused a call."""

    measured: float  # successes a second within the window
    proven: int  # successes at the present learned rate
    saturated: bool  # calls were queued, so the measured rate is the endpoint's and not the caller's
    latency: float  # seconds of a usual call
    wait: float  # seconds of Retry-After


def after_rate_limit(
    learned: LearnedRate | None, age: float, evidence: RateEvidence, config: RateLimiterConfig = CONFIG
) -> LearnedRate:
    """The rate to go on with after a refusal: just under the measured one if the last was proven, else well under."""
    if learned is None:
        return _searching(evidence.measured, evidence, config)
    rate = learned.rate(age)
    if evidence.proven < config.proven_after:
        return _searching(config.unproven_cut * rate if evidence.saturated else rate, evidence, config)
    floor = (config.trust_rising if age > learned.climb else config.trust_steady) * rate
    ceiling = min(rate, max(evidence.measured, floor)) if evidence.saturated else rate
    ceiling = max(config.lowest_rate, ceiling)
    climb = _climb(config.climb_near, ceiling, evidence.latency) + config.climb_per_wait * evidence.wait
    return LearnedRate(ceiling, config.step_near, climb)


def _searching(ceiling: float, evidence: RateEvidence, config: RateLimiterConfig) -> LearnedRate:
    ceiling = max(config.lowest_rate, ceiling)
    return LearnedRate(ceiling, config.step_far, _climb(config.climb_far, ceiling, evidence.latency))


def _climb(least: tuple[float, float, float], ceiling: float, latency: float) -> float:
    seconds, latencies, starts = least
    return max(seconds, latencies * latency, starts / ceiling)


class Cooldown:
    """The time until which no call starts, and accounting of the time lost to it. All in seconds."""

    def __init__(self) -> None:
        self.until = 0.0
        self._lost = 0.0

    def extend(self, now: float, seconds: float) -> None:
        """Cool down for so long from now, or until the present end if that is later."""
        more = now + seconds - max(now, self.until)
        if more > 0:
            self._lost += more
            self.until = now + seconds

    def remaining(self, now: float) -> float:
        """Seconds until it is over."""
        return max(0.0, self.until - now)

    def active_time(self, now: float) -> float:
        """The time without cooldowns."""
        return now - self._lost + self.remaining(now) if self._lost else now

    def half_active_time(self, now: float) -> float:
        """The time with half of each cooldown: a fixed window goes on meanwhile, a full token bucket does not."""
        return (now + self.active_time(now)) / 2


class SuccessWindow:
    """Sliding window of the times of successes."""

    def __init__(self, config: RateLimiterConfig = CONFIG) -> None:
        self._config = config
        self._times: deque[float] = deque()
        self._begin = 0.0

    def clear(self) -> None:
        """Forget all successes, after a time without calls."""
        self._times.clear()

    def add(self, now: float) -> None:
        """Count a success."""
        if not self._times:
            self._begin = now
        self._times.append(now)
        self._drop(now)

    def rate(self, now: float) -> float:
        """Successes a second over the window; 1.0 where there are none."""
        self._drop(now)
        if not self._times:
            return 1.0
        start = now - self._config.window
        begin = max(self._begin, start) if self._times[0] >= start else self._begin
        return len(self._times) / max(now - begin, self._config.window_shortest)

    def _drop(self, now: float) -> None:
        while len(self._times) > self._config.window_fewest and self._times[0] < now - self._config.window:
            self._begin = self._times.popleft()


class Permit:
    """Permission for one call, held from entering to leaving the context. The holder reports the outcome once.

    A permit that is left without a report only frees its place.
    """

    __slots__ = ("_lane", "_limiter", "cuts", "started")

    def __init__(self, limiter: "AdaptiveLimiter", lane: Hashable) -> None:
        self._limiter = limiter
        self._lane = lane
        self.started = 0.0
        self.cuts = 0

    async def __aenter__(self) -> "Permit":
        await self._limiter._enter(self._lane)
        self.started = self._limiter._clock.now()
        self._limiter._held.add(self)
        self.cuts = self._limiter._cuts
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._limiter._held.discard(self)
        self._limiter._leave()

    def on_success(self) -> None:
        """Report that the endpoint answered."""
        self._limiter._on_success(self)

    def on_rate_limit(self, wait: float | None) -> None:
        """Report a rate-limit answer: nothing starts for `wait` seconds."""
        self._limiter._on_rate_limit(self, wait)

    def on_failure(self) -> None:
        """Report any other failure: takes back what one success adds to the limit."""
        self._limiter._on_failure()


class AdaptiveLimiter:
    """Adaptive limiter of one endpoint: a limit on calls in flight, and a learned start rate.

    The limit doubles while it is used up and calls succeed. The first rate-limit answer ends that: the limit is cut,
    then grows by single places or at once to what the rate needs, and starts are spaced by a rate learned from
    successes. Queued calls are admitted from lanes in rotation, and in order within a lane. Used on one event loop
    only, except `slowest`.
    """

    def __init__(self, most: int, clock: Clock, config: RateLimiterConfig = CONFIG) -> None:
        """At most `most` calls in flight. Raises ValueError if that is less than one."""
        if most < 1:
            raise ValueError(f"A limiter needs room for at least one call, not {most}.")
        self._most = most
        self._clock = clock
        self._config = config
        self._alarm = Alarm(clock, self._admit)
        self._queue = FairQueue()
        self._limit = float(min(config.initial_limit, most))
        self._in_flight = 0
        self._held: set[Permit] = set()
        self._idle_since = clock.now()
        self._latency = 0.0
        self._cooldown = Cooldown()
        self._successes = SuccessWindow(config)
        self._learned: LearnedRate | None = None
        self._age = 0.0  # seconds in which the learned rate was used up without a refusal
        self._aged_until = 0.0
        self._next_start = 0.0
        self._cuts = 0
        self._proven = 0  # successes among the calls sent after the last cut
        self._refusals = 0  # consecutive refusals without such a success

    @property
    def limit(self) -> int:
        """Calls that may be in flight."""
        return int(self._limit)

    @property
    def in_flight(self) -> int:
        """Permits held."""
        return self._in_flight

    @property
    def slowest(self) -> float:
        """Age in seconds of the oldest permit held; any thread may ask."""
        return max((self._clock.now() - permit.started for permit in tuple(self._held)), default=0.0)

    @property
    def queued(self) -> int:
        """Calls waiting for a permit."""
        return len(self._queue)

    @property
    def rate(self) -> float | None:
        """Starts a second; None until the first rate-limit answer."""
        return self._learned.rate(self._age) if self._learned else None

    @property
    def cooldown(self) -> float:
        """Seconds until any call may start."""
        return self._cooldown.remaining(self._clock.now())

    def pause(self, seconds: float) -> None:
        """Start nothing for so long, as the endpoint asked in answer to something else than a call."""
        self._cool_down(self._clock.now(), seconds)

    def permit(self, lane: Hashable = None) -> Permit:
        """A permit to acquire with `async with`. Lanes share evenly, however many calls wait in each."""
        return Permit(self, lane)

    async def _enter(self, lane: Hashable) -> None:
        now = self._clock.now()
        if not self._queue and self._has_room() and self._due() <= now:
            self._start(now)
            return
        waiter = asyncio.get_running_loop().create_future()
        self._queue.add(lane, waiter)
        self._admit()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                self._queue.remove(lane, waiter)
            else:  # admitted in the same moment: the place goes to the next one
                self._leave()
            raise

    def _has_room(self) -> bool:
        return self._in_flight < int(self._limit)

    def _due(self) -> float:
        return max(self._cooldown.until, self._next_start)

    def _admit(self) -> None:
        while self._queue and self._has_room():
            now = self._clock.now()
            due = self._due()
            if due > now:
                self._alarm.set(due)
                return
            waiter = self._queue.pop()
            if waiter is not None:
                self._start(now)
                waiter.set_result(None)

    def _start(self, now: float) -> None:
        if not self._in_flight and now - self._idle_since > self._config.idle:
            self._successes.clear()
        self._in_flight += 1
        if self._learned is not None:
            is_on_time = now - self._next_start <= self._config.on_time
            self._next_start = (self._next_start if is_on_time else now) + 1 / self._learned.rate(self._age)

    def _leave(self) -> None:
        self._in_flight -= 1
        if not self._in_flight:
            self._idle_since = self._clock.now()
        self._admit()

    def _on_success(self, permit: Permit) -> None:
        now = self._clock.now()
        self._successes.add(self._cooldown.half_active_time(now))
        self._measure(now - permit.started)
        if permit.cuts == self._cuts:
            self._proven += 1
            self._refusals = 0
            self._grow_older(now)
        if not self._has_room():
            self._limit = min(float(self._most), max(self._limit + self._growth(), self._needed()))

    def _measure(self, seconds: float) -> None:
        step = self._config.latency_step
        self._latency = self._latency * (step if seconds > self._latency else 1 / step) if self._latency else seconds

    def _grow_older(self, now: float) -> None:
        """Let the learned rate rise by the time in which it was used up without a refusal."""
        active = self._cooldown.active_time(now)
        if self._learned is not None and self._is_saturated():
            self._age += min(active - self._aged_until, self._learned.climb / 4)
        self._aged_until = active

    def _is_saturated(self) -> bool:
        return bool(self._queue) or not self._has_room()

    def _growth(self) -> float:
        return 1.0 if self._learned is None else 1 / self._limit

    def _needed(self) -> float:
        """Calls in flight that the learned rate needs (Little's law), with headroom."""
        return 0.0 if self._learned is None else self._config.headroom * self._learned.rate(self._age) * self._latency

    def _on_failure(self) -> None:
        if self._limit > self._config.initial_limit:
            self._limit -= self._growth()

    def _on_rate_limit(self, permit: Permit, wait: float | None) -> None:
        now = self._clock.now()
        self._cool_down(now, wait or 0.0)
        if permit.cuts < self._cuts:  # sent before the last cut: part of the same burst
            return
        self._cuts += 1
        if self._learned is not None and not self._proven:
            self._refusals += 1
            seconds = 2**self._refusals * max(self._config.first_cooldown, 1 / self._learned.rate(self._age))
            self._cool_down(now, min(self._config.longest_cooldown, seconds))
        else:
            self._cut(now, wait or 0.0)

    def _cool_down(self, now: float, seconds: float) -> None:
        self._cooldown.extend(now, seconds)
        self._next_start = max(self._next_start, self._cooldown.until)

    def _cut(self, now: float, wait: float) -> None:
        measured = self._successes.rate(self._cooldown.half_active_time(now))
        evidence = RateEvidence(measured, self._proven, self._is_saturated(), self._latency, wait)
        self._learned = after_rate_limit(self._learned, self._age, evidence, self._config)
        self._age = 0.0
        self._proven = 0
        self._aged_until = self._cooldown.active_time(now)
        self._limit = max(1.0, self._limit * self._config.limit_cut)
        self._next_start = max(self._next_start, now + 1 / self._learned.rate(0.0))
