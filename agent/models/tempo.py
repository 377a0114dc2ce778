"""The rate at which an endpoint is asked, learned from when it answered and when it refused."""

from collections import deque
from dataclasses import dataclass

_WINDOW = 2.0  # seconds over which successes are counted
_FEWEST = 10  # successes that count however long ago they were
_SHORTEST = 0.1  # seconds: less says nothing about a rate
_LOWEST = 0.1  # starts a second, whatever was measured
_ENOUGH = 8  # successes after which a rate was not far off
_NEAR, _FAR = 0.05, 0.25  # shares of the ceiling to begin under it, once it is known and while it is sought


@dataclass(frozen=True)
class Tempo:
    """A rate that begins under a ceiling, is slow to come back to it, slow to leave it, and ever faster beyond it."""

    ceiling: float  # starts a second
    step: float  # the share of the ceiling it begins under it
    climb: float  # seconds until it is back

    def rate(self, age: float) -> float:
        """Starts a second, after `age` seconds without a refusal."""
        return self.ceiling * (1 + self.step * (age / self.climb - 1) ** 3)


@dataclass(frozen=True)
class Evidence:
    """What was seen when the endpoint refused."""

    measured: float  # successes a second, lately
    held: int  # successes under the present tempo
    saturated: bool  # calls were waiting, so that the rate measured is what the endpoint bears
    latency: float  # seconds of a usual call
    wait: float  # seconds that the endpoint asks to wait


def slower(tempo: Tempo | None, age: float, seen: Evidence) -> Tempo:
    """The tempo after a refusal: close under what was measured if the last one held for a while, else well under it."""
    if tempo is None:
        return _sought(seen.measured, seen)
    rate = tempo.rate(age)
    if seen.held < _ENOUGH:
        return _sought(0.8 * rate if seen.saturated else rate, seen)
    # While a rate climbs, what was measured over a window lags behind it; else it may be trusted further.
    least = (0.85 if age > tempo.climb else 0.7) * rate
    ceiling = max(_LOWEST, min(rate, max(seen.measured, least)) if seen.saturated else rate)
    return Tempo(ceiling, _NEAR, max(5.0, 10 * seen.latency, 10 / ceiling) + 10 * seen.wait)


def _sought(ceiling: float, seen: Evidence) -> Tempo:
    ceiling = max(_LOWEST, ceiling)
    return Tempo(ceiling, _FAR, max(1.0, 3 * seen.latency, 4 / ceiling))


class Pause:
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


class Successes:
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
