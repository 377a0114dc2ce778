"""The rate at which an endpoint is asked, learned from when it answered and when it refused."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Hashable
from dataclasses import dataclass
from types import TracebackType

from agent.llm.concurrency import Alarm, Clock

_WINDOW = 2.0  # seconds over which successes are counted
_FEWEST = 10  # successes that count however long ago they were
_SHORTEST = 0.1  # seconds: less says nothing about a rate
_LOWEST = 0.1  # starts a second, whatever was measured
_ENOUGH = 8  # successes after which a rate was not far off
_NEAR, _FAR = 0.05, 0.25  # shares of the ceiling to begin under it, once it is known and while it is sought


@dataclass(frozen=True)
class LearnedRate:
    """A rate that begins under a ceiling, is slow to come back to it, slow to leave it, and ever faster beyond it."""

    ceiling: float  # starts a second
    step: float  # the share of the ceiling it begins under it
    climb: float  # seconds until it is back

    def rate(self, age: float) -> float:
        """Starts a second, after `age` seconds without a refusal."""
        return self.ceiling * (1 + self.step * (age / self.climb - 1) ** 3)


@dataclass(frozen=True)
class RateEvidence:
    """What was seen when the endpoint refused."""

    measured: float  # successes a second, lately
    held: int  # successes under the present tempo
    saturated: bool  # calls were waiting, so that the rate measured is what the endpoint bears
    latency: float  # seconds of a usual call
    wait: float  # seconds that the endpoint asks to wait


def slower(tempo: LearnedRate | None, age: float, seen: RateEvidence) -> LearnedRate:
    """The tempo after a refusal: close under what was measured if the last one held for a while, else well under it."""
    if tempo is None:
        return _sought(seen.measured, seen)
    rate = tempo.rate(age)
    if seen.held < _ENOUGH:
        return _sought(0.8 * rate if seen.saturated else rate, seen)
    # While a rate climbs, what was measured over a window lags behind it; else it may be trusted further.
    least = (0.85 if age > tempo.climb else 0.7) * rate
    ceiling = max(_LOWEST, min(rate, max(seen.measured, least)) if seen.saturated else rate)
    return LearnedRate(ceiling, _NEAR, max(5.0, 10 * seen.latency, 10 / ceiling) + 10 * seen.wait)


def _sought(ceiling: float, seen: RateEvidence) -> LearnedRate:
    ceiling = max(_LOWEST, ceiling)
    return LearnedRate(ceiling, _FAR, max(1.0, 3 * seen.latency, 4 / ceiling))


class Cooldown:
    """Until when nobody starts, and how time is counted that was lost to it. Times and waits in seconds."""

    def __init__(self) -> None:
        self.until = 0.0
        self._lost = 0.0

    def extend(self, now: float, seconds: float) -> None:
        """Pause for so long from now. Of two pauses the later end counts."""
        more = now + seconds - max(now, self.until)
        if more > 0:
            self._lost += more
            self.until = now + seconds

    def left(self, now: float) -> float:
        """Seconds until it is over."""
        return max(0.0, self.until - now)

    def uncounted(self, now: float) -> float:
        """The time without pauses."""
        return now - self._lost + self.left(now) if self._lost else now

    def half_counted(self, now: float) -> float:
        """The time with half of each pause: limits by the clock go on meanwhile, a bucket that is full does not."""
        return (now + self.uncounted(now)) / 2


class SuccessWindow:
    """When calls succeeded lately."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()
        self._begin = 0.0

    def forget(self) -> None:
        """Nothing was asked for a while: what was seen before says nothing about what comes."""
        self._times.clear()

    def add(self, now: float) -> None:
        """A call succeeded."""
        if not self._times:
            self._begin = now
        self._times.append(now)
        self._drop(now)

    def rate(self, now: float) -> float:
        """Successes a second over the window. None at all counts as one."""
        self._drop(now)
        if not self._times:
            return 1.0
        within = self._times[0] >= now - _WINDOW
        begin = max(self._begin, now - _WINDOW) if within else self._begin
        return len(self._times) / max(now - begin, _SHORTEST)

    def _drop(self, now: float) -> None:
        while len(self._times) > _FEWEST and self._times[0] < now - _WINDOW:
            self._begin = self._times.popleft()


_FIRST = 4  # calls in flight to begin with
_CUT = 0.75  # of the limit is left after a rate-limit answer
_ROOM = 1.5  # times what the learned rate keeps in flight is allowed as soon as it is wanted
_IDLE = 2.0  # seconds without any call, after which what was measured is out of date
_ON_TIME = 0.02  # seconds by which a timer may be late without the next start being later for it
_FIRST_PAUSE = 0.1  # seconds, where the server names none
_LONGEST_PAUSE = 10.0  # seconds, where the server names none


class Permit:
    """One call's turn: it begins on entering and ends on leaving. Before that it says, once, how the call went.

    A turn left without a word changes nothing but frees its place.
    """

    __slots__ = ("_lane", "_pace", "cuts", "started")

    def __init__(self, pace: "AdaptiveLimiter", lane: Hashable) -> None:
        self._pace = pace
        self._lane = lane
        self.started = 0.0
        self.cuts = 0

    async def __aenter__(self) -> "Permit":
        await self._pace._enter(self._lane)
        self.started = self._pace._clock.now()
        self._pace._taken.add(self)
        self.cuts = self._pace._cuts
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pace._taken.discard(self)
        self._pace._leave()

    def succeeded(self) -> None:
        """The endpoint answered."""
        self._pace._succeeded(self)

    def limited(self, wait: float | None) -> None:
        """The endpoint asks for a slower pace: nobody starts for `wait` seconds."""
        self._pace._limited(self, wait)

    def failed(self) -> None:
        """Trouble other than a rate limit: takes back what one success adds to the limit."""
        self._pace._failed()


class AdaptiveLimiter:
    """The limit on calls in flight to one endpoint under one key, and the rate at which they start.

    The limit doubles while it is used up and calls succeed. The first rate-limit answer ends that: the limit is cut,
    grows by single places or at once to what the rate needs, and starts are spaced by a rate learned from successes.
    Who waits gets a turn by lanes in rotation, and within a lane in order. Used on one event loop only.
    """

    def __init__(self, most: int, clock: Clock) -> None:
        """At most `most` calls in flight. Raises ValueError if that is none."""
        if most < 1:
            raise ValueError(f"A pace needs room for at least one call, not {most}.")
        self._most = most
        self._clock = clock
        self._alarm = Alarm(clock, self._serve)
        self._lanes = FairQueue()
        self._limit = float(min(_FIRST, most))
        self._in_flight = 0
        self._taken: set[Permit] = set()
        self._idle_since = clock.now()
        self._latency = 0.0
        self._pause = Cooldown()
        self._successes = SuccessWindow()
        self._tempo: LearnedRate | None = None
        self._age = 0.0  # seconds of proof for the tempo
        self._proven = 0.0
        self._next_start = 0.0
        self._cuts = 0
        self._held = 0  # successes among the calls sent after the last cut
        self._refused = 0  # cuts in a row without one

    @property
    def limit(self) -> int:
        """Calls that may be in flight."""
        return int(self._limit)

    @property
    def in_flight(self) -> int:
        """Turns taken and not yet left."""
        return self._in_flight

    @property
    def oldest(self) -> float:
        """Seconds since the turn began that has lasted longest; any thread may ask."""
        return max((self._clock.now() - turn.started for turn in tuple(self._taken)), default=0.0)

    @property
    def waiting(self) -> int:
        """Calls without a turn."""
        return len(self._lanes)

    @property
    def rate(self) -> float | None:
        """Starts a second; None while the server has not asked for a slower pace."""
        return self._tempo.rate(self._age) if self._tempo else None

    @property
    def paused_for(self) -> float:
        """Seconds until anybody may start."""
        return self._pause.left(self._clock.now())

    def turn(self, lane: Hashable = None) -> Permit:
        """A turn to enter with `async with`. Lanes share evenly, however many wait in each."""
        return Permit(self, lane)

    async def _enter(self, lane: Hashable) -> None:
        now = self._clock.now()
        if not self._lanes and self._has_room() and self._due() <= now:
            self._start(now)
            return
        waiter = asyncio.get_running_loop().create_future()
        self._lanes.add(lane, waiter)
        self._serve()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                self._lanes.remove(lane, waiter)
            else:  # its turn had come in the same moment: somebody else takes it
                self._leave()
            raise

    def _has_room(self) -> bool:
        return self._in_flight < int(self._limit)

    def _due(self) -> float:
        return max(self._pause.until, self._next_start)

    def _serve(self) -> None:
        while self._lanes and self._has_room():
            now = self._clock.now()
            due = self._due()
            if due > now:
                self._alarm.set(due)
                return
            waiter = self._lanes.next()
            if waiter is not None:
                self._start(now)
                waiter.set_result(None)

    def _start(self, now: float) -> None:
        if not self._in_flight and now - self._idle_since > _IDLE:
            self._successes.forget()
        self._in_flight += 1
        if self._tempo is not None:
            on_time = now - self._next_start <= _ON_TIME
            self._next_start = (self._next_start if on_time else now) + 1 / self._tempo.rate(self._age)

    def _leave(self) -> None:
        self._in_flight -= 1
        if not self._in_flight:
            self._idle_since = self._clock.now()
        self._serve()

    def _succeeded(self, turn: Permit) -> None:
        now = self._clock.now()
        self._successes.add(self._pause.half_counted(now))
        took = now - turn.started
        # Near the median, so that one call held up for hours does not move it.
        self._latency = self._latency * (1.1 if took > self._latency else 1 / 1.1) if self._latency else took
        if turn.cuts == self._cuts:
            self._held += 1
            self._refused = 0
            self._prove(now)
        if not self._has_room():
            self._limit = min(float(self._most), max(self._limit + self._growth(), self._needed()))

    def _prove(self, now: float) -> None:
        """Time in which the tempo was in use and did no harm lets it rise."""
        proven = self._pause.uncounted(now)
        if self._tempo is not None and self._is_saturated():
            self._age += min(proven - self._proven, self._tempo.climb / 4)
        self._proven = proven

    def _is_saturated(self) -> bool:
        return bool(self._lanes) or not self._has_room()

    def _growth(self) -> float:
        return 1.0 if self._tempo is None else 1 / self._limit

    def _needed(self) -> float:
        return 0.0 if self._tempo is None else _ROOM * self._tempo.rate(self._age) * self._latency

    def _failed(self) -> None:
        if self._limit > _FIRST:
            self._limit -= self._growth()

    def _limited(self, turn: Permit, wait: float | None) -> None:
        now = self._clock.now()
        self._halt(now, wait or 0.0)
        if turn.cuts < self._cuts:  # sent before the last cut: the same burst
            return
        self._cuts += 1
        if self._tempo is not None and not self._held:
            self._refused += 1
            pause = 2**self._refused * max(_FIRST_PAUSE, 1 / self._tempo.rate(self._age))
            self._halt(now, min(_LONGEST_PAUSE, pause))
        else:
            self._cut(now, wait or 0.0)

    def _halt(self, now: float, seconds: float) -> None:
        self._pause.extend(now, seconds)
        self._next_start = max(self._next_start, self._pause.until)

    def _cut(self, now: float, wait: float) -> None:
        measured = self._successes.rate(self._pause.half_counted(now))
        seen = RateEvidence(measured, self._held, self._is_saturated(), self._latency, wait)
        self._tempo = slower(self._tempo, self._age, seen)
        self._age = 0.0
        self._held = 0
        self._proven = self._pause.uncounted(now)
        self._limit = max(1.0, self._limit * _CUT)
        self._next_start = max(self._next_start, now + 1 / self._tempo.rate(0.0))


_Waiter = asyncio.Future[None]


class FairQueue:
    """Who waits for a turn."""

    def __init__(self) -> None:
        self._lanes: OrderedDict[Hashable, OrderedDict[_Waiter, None]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, lane: Hashable, waiter: _Waiter) -> None:
        self._lanes.setdefault(lane, OrderedDict())[waiter] = None
        self._count += 1

    def remove(self, lane: Hashable, waiter: _Waiter) -> None:
        waiters = self._lanes.get(lane, OrderedDict())
        if waiter in waiters:
            del waiters[waiter]
            self._count -= 1
            if not waiters:
                del self._lanes[lane]

    def next(self) -> _Waiter | None:
        """Take out whose turn it is; None if that one has given up."""
        lane, waiters = self._lanes.popitem(last=False)
        waiter, _ = waiters.popitem(last=False)
        self._count -= 1
        if waiters:
            self._lanes[lane] = waiters
        return None if waiter.done() else waiter
