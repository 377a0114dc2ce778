"""What stands before one endpoint: its pace, its outages, how long an attempt may take, and errors nobody can mend."""

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass

from agent.models.failures import AttemptTimeout, Auth, LlmError, Quota, RateLimited, Transient
from agent.models.latency import Latency
from agent.models.manners import Manners
from agent.models.outage import Outage
from agent.models.pace import Pace, Turn

LONG = 30.0  # seconds of pause that a user should hear of
_SLOW = 20.0  # seconds without an answer to a call that a user should hear of


@dataclass(frozen=True)
class GateNow:
    """What a live view shows of one endpoint. `rate` is in calls a second; `paused` says why nothing is sent.

    `oldest` is for how many seconds the call has waited that has been in flight longest.
    """

    limit: int
    in_flight: int
    waiting: int
    rate: float | None
    paused: str | None
    oldest: float = 0.0

    def told(self) -> str:
        """The limiter in a few words."""
        rate = f", {self.rate:.1f}/s" if self.rate else ""
        queue = f", {self.waiting} wait" if self.waiting else ""
        slow = f", one without an answer for {self.oldest:.0f} s" if self.oldest >= _SLOW else ""
        return self.paused or f"{self.in_flight} of {self.limit} in flight{slow}{queue}{rate}"


class Gate:
    """Everything that decides when a call may go to an endpoint, and what its outcome means for the next."""

    def __init__(
        self,
        most: int,
        manners: Manners,
        canary: Callable[[], Awaitable[object]],
        told: Callable[[str | None], None],
    ) -> None:
        self._manners = manners
        self._latency = Latency()
        self.pace = Pace(most, manners.clock)
        self.outage = Outage(manners.clock, manners.max_pause, canary, told)
        self._hopeless: LlmError | None = None

    async def admit(self) -> None:
        """Wait until the endpoint may be asked at all. Raises what only a human can mend, and Out."""
        if self._hopeless is not None:
            raise self._hopeless
        if self.outage.is_on:
            await self.outage.admit()

    def turn(self, lane: Hashable) -> Turn:
        """A place among the calls in flight."""
        return self.pace.turn(lane)

    def timeout(self, timeouts: int) -> float:
        """Seconds for the next attempt of a call of which so many have timed out."""
        fixed = self._manners.attempt_timeout
        return self._latency.timeout(timeouts) if fixed is None else fixed

    def succeeded(self, turn: Turn, seconds: float) -> None:
        """A whole reply came after so many seconds."""
        turn.succeeded()
        self._latency.succeeded(seconds)
        self.outage.succeeded()

    def failed(self, turn: Turn, error: LlmError) -> None:
        """An attempt failed: the endpoint is slower, troubled, or has refused this one request."""
        if isinstance(error, RateLimited):
            turn.limited(error.wait)
            return
        if isinstance(error, Quota | Auth):
            self._hopeless = error
        if isinstance(error, Transient | AttemptTimeout):
            turn.limited(error.wait) if error.wait else turn.failed()
            self.outage.failed(error)
        else:
            self.outage.succeeded()  # it answers, though not as it should

    async def is_out(self, error: LlmError) -> bool:
        """Whether a call that failed as often as may be failed by the endpoint, and not by what it asked."""
        return isinstance(error, Transient | AttemptTimeout) and await self.outage.is_out(error)

    def now(self) -> GateNow:
        """The present state."""
        pace, paused = self.pace, None
        if self.outage.is_on:
            paused = "the endpoint is out"
        elif pace.paused_for > LONG:
            paused = f"asked to wait {pace.paused_for:.0f} s more"
        return GateNow(pace.limit, pace.in_flight, pace.waiting, pace.rate, paused, pace.oldest)
