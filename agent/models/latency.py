"""How long an attempt may take: four times what nearly all answers need."""

from bisect import bisect_left, insort
from collections import deque
from math import ceil

_UNKNOWN = 60.0  # seconds, until enough has been measured
_ENOUGH = 20  # answers
_REMEMBERED = 200  # answers
_SHARE = 0.95  # of the answers came within the time that counts
_TIMES = 4  # that time
_SHORTEST, _LONGEST = 20.0, 180.0  # seconds


class Latency:
    """The attempt timeout of one endpoint, learned from its last 200 answers."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []

    def succeeded(self, seconds: float) -> None:
        """A whole answer took so long."""
        if len(self._recent) == _REMEMBERED:
            del self._sorted[bisect_left(self._sorted, self._recent.popleft())]
        self._recent.append(seconds)
        insort(self._sorted, seconds)

    def timeout(self, timeouts: int = 0) -> float:
        """Seconds for the next attempt of a request, twice as many for each attempt of it that timed out; 20 to 180."""
        learned = _UNKNOWN
        if len(self._sorted) >= _ENOUGH:
            learned = _TIMES * self._sorted[ceil(_SHARE * len(self._sorted)) - 1]
        return min(_LONGEST, max(_SHORTEST, learned) * 2.0 ** min(timeouts, 8))
