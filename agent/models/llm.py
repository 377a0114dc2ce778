"""The LLM roles over any OpenAI-compatible endpoint: many requests in, one reply per request out, in order."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from agent.models import background
from agent.models.asking import Desk
from agent.models.budget import Treasury
from agent.models.calls import Call
from agent.models.capability import UNKNOWN, ProbeError, greeting, probed
from agent.models.crew import LOOK, Ears, work_off
from agent.models.endpoint import Capability, Endpoint, ScaleName
from agent.models.failures import (
    RETRYABLE,
    Halted,
    LlmError,
    RateLimited,
    Unreachable,
)
from agent.models.flights import Flights
from agent.models.gate import Gate, GateNow
from agent.models.holdup import Holdup
from agent.models.line import Line
from agent.models.manners import Manners, Patience
from agent.models.outage import Out
from agent.models.replies import Said
from agent.models.till import Till
from agent.record.ledger import Answer, Ledger
from agent.schema import Reply, Request, Role

if TYPE_CHECKING:
    import tenacity


__all__ = ["Capability", "Endpoint", "Llm", "Manners", "ProbeError"]

T = TypeVar("T")
Told = Callable[[str, str | None], None]  # who waits, and why; None when it goes on
Waits = Callable[[LlmError, float], None]  # what has failed, and the seconds until the next attempt


class Llm:
    """The client of all roles. Threads may share it; calls wait for their turn on one background event loop."""

    def __init__(
        self,
        endpoints: Mapping[Role, Endpoint],
        manners: Manners | None = None,
        known: Mapping[Role, Capability] | None = None,
        treasury: Treasury | None = None,
        told: Told = lambda who, why: None,
    ) -> None:
        self._manners = manners or Manners()
        self._known = dict(known or {})
        self.treasury = treasury or Treasury()
        self._told = told
        lines = {endpoint: Line(endpoint, self._manners) for endpoint in endpoints.values()}
        self._lines = {role: lines[endpoint] for role, endpoint in endpoints.items()}
        tills = {line: self._till(role, line) for role, line in reversed(self._lines.items())}
        self._tills = {role: tills[line] for role, line in self._lines.items()}
        self._flights: Flights[tuple[int, str], Answer] = Flights()

    def _till(self, role: Role, line: Line) -> Till:
        async def canary() -> Said:
            return await line.small(greeting(line.endpoint.model, self._known.get(role, UNKNOWN)))

        def told(why: str | None) -> None:
            self._told(f"{role} at {line.endpoint.base_url}", why)

        gate = Gate(line.endpoint.concurrency, self._manners, canary, told)
        return Till(line.endpoint, gate, self.treasury, line.send, self._manners.clock)

    def probe(
        self, waited_for: Collection[Role] = (), halted: Callable[[], bool] = lambda: False
    ) -> Mapping[Role, Capability]:
        """Ask each endpoint what it can do. Raises ProbeError with role, endpoint and remedy; records no answer.

        An endpoint of a role in `waited_for` may be out or too busy, as amid a run: raises Out when that takes too
        long. Raises Halted once `halted` says so while an endpoint does not answer.
        """
        holdup = Holdup(self._manners.clock, lambda why: self._told("the probe", why))
        probing = self._probe_all(waited_for, holdup)
        self._known = background.run(self._unless(lambda: holdup.is_on and halted(), probing))
        return dict(self._known)

    async def _unless(self, halted: Callable[[], bool], work: Coroutine[Any, Any, T]) -> T:
        """What the work brings. Raises Halted."""
        working = asyncio.create_task(work)
        try:
            while not (await asyncio.wait([working], timeout=LOOK))[0]:
                if halted():
                    raise Halted("An endpoint was waited for when a stop was asked for.")
            return working.result()
        finally:
            working.cancel()
            await asyncio.wait([working])

    async def _probe_all(self, waited_for: Collection[Role], holdup: Holdup) -> dict[Role, Capability]:
        patient = {self._lines[role] for role in waited_for}
        found: dict[Line, Capability] = {}
        for role, line in self._lines.items():
            if line not in found:
                found[line] = await self._probe(role, line, line in patient, holdup)
        return {role: found[line] for role, line in self._lines.items()}

    async def _probe(self, role: Role, line: Line, is_patient: bool, holdup: Holdup) -> Capability:
        waits = partial(holdup.waits, f"{role} at {line.endpoint.base_url}")

        async def send(body: bytes) -> Said:
            with holdup.question():
                if is_patient:
                    return await self._outlast(line, self._tills[role].gate, body, waits)
                patience = Patience(self._manners.at_first(), paced=False)
                return await self._persist(lambda _: line.small(body), patience, hopeless=Unreachable, waits=waits)

        return await probed(send, role, line.endpoint)

    async def _outlast(self, line: Line, gate: Gate, body: bytes, waits: Waits) -> Said:
        """The reply to a small question, once the endpoint is neither out nor too busy. Raises Out."""
        patience = Patience(self._manners.as_before(), paused=lambda: gate.outage.paused, paced=False)
        try:
            return await self._persist(
                lambda _: gate.outage.outlast(lambda: line.small(body)), patience, gate, waits=waits
            )
        except RateLimited as error:
            raise Out(f"It asks for more patience than the run may have; the last it said: {error.sentence}") from error

    def ask_all(
        self,
        requests: Sequence[Request],
        ledger: Ledger,
        halted: Callable[[], bool] = lambda: False,
        heard: Callable[[Reply], None] = lambda reply: None,
    ) -> list[Reply]:
        """One reply per request, in order. What the ledger holds is not asked again; every new answer is in it.

        Once `halted` says so, what is on its way is finished and the rest gets an error of kind "stopped". Raises what
        the ledger raises; trouble with a call is that reply's error. `heard` gets each reply when it is there, on the
        event loop. Call `probe` first.
        """
        desks = {role: self._desk(role, ledger) for role in {request.role for request in requests}}
        if not requests:
            return []
        return background.run(work_off(requests, desks, Ears(halted, lambda: self._abandon(ledger), heard)))

    def _abandon(self, ledger: Ledger) -> None:
        """Whoever waits to be sent for this ledger is sent no more; what is on its way is finished."""
        sending = set().union(*(till.sending for till in self._tills.values()))
        self._flights.abandon(lambda key: key[0] == id(ledger) and key[1] not in sending)

    def _desk(self, role: Role, ledger: Ledger) -> Desk:
        known, till = self._capability(role), self._tills[role]

        async def buy(call: Call) -> Answer:
            stored = ledger.answer(call.key)
            if stored is not None:
                return stored
            return await self._flights.join((id(ledger), call.key), lambda: self._buy(call, till, ledger))

        return Desk(till.endpoint, known, buy)

    async def _buy(self, call: Call, till: Till, ledger: Ledger) -> Answer:
        spread = int(call.key[:8], 16) / 2**32
        patience = Patience(self._manners, spread, lambda: till.gate.outage.paused)
        return await self._persist(lambda timeouts: till.attempt(call, ledger, timeouts), patience, till.gate)

    async def _persist(
        self,
        once: Callable[[int], Awaitable[T]],
        patience: Patience,
        gate: Gate | None = None,
        hopeless: type[LlmError] | None = None,
        waits: Waits = lambda error, seconds: None,
    ) -> T:
        """Try until it succeeds, the error is not worth a retry, or patience is over; then the last error rises.

        `once` is given how many of its attempts have timed out. What fails while its endpoint is out starts anew.
        `waits` hears of each failure, and how long is waited for the next attempt.
        """
        try:
            return await once(0)
        except RETRYABLE as error:
            failed = [error]  # most calls succeed: only what failed comes under the library's bookkeeping
        import tenacity

        async def stop(state: "tenacity.RetryCallState") -> bool:
            error = _error(state)
            if not patience.ends_with(error):
                return False
            if gate is None or not await gate.is_out(error):
                return True
            patience.begin_again()
            return False

        retrying = tenacity.AsyncRetrying(
            sleep=self._manners.clock.sleep,
            stop=stop,  # type: ignore[arg-type]  # it is awaited, which the stubs do not know
            wait=lambda state: patience.pause(_error(state), state.attempt_number),
            before_sleep=lambda state: waits(_error(state), state.upcoming_sleep),
            retry=tenacity.retry_if_exception(
                lambda error: isinstance(error, RETRYABLE) and type(error) is not hopeless
            ),
            reraise=True,
        )

        async def attempt() -> T:  # tenacity awaits only what is declared async
            if failed:
                raise failed.pop()
            return await once(patience.timeouts)

        return await retrying(attempt)

    def _capability(self, role: Role) -> Capability:
        if role not in self._known:
            raise ProbeError(f"{role}: its endpoint has not been probed. Configure the role and call probe() first.")
        return self._known[role]

    def scale(self, role: Role) -> ScaleName:
        """The scale that prompts for this role ask for."""
        return self._capability(role).scale

    def signature(self, role: Role) -> str:
        """Model, endpoint and method of scoring: verdicts count only under the signature they were given under."""
        return f"{self.address(role)} by {self._capability(role).method}"

    def address(self, role: Role) -> str:
        """Model and endpoint: what a signature begins with, known before anything is asked."""
        endpoint = self._lines[role].endpoint
        return f"{endpoint.model} at {endpoint.base_url}"

    def give_up(self) -> None:
        """Take all that is on its way as lost: its requests get an error of kind "stopped", its attempts stay open."""
        background.call(lambda: self._flights.abandon(lambda key: True))

    def gates(self) -> dict[str, GateNow]:
        """How each endpoint is being asked just now, by the roles that it plays."""
        names: dict[Till, list[str]] = {}
        for role, till in self._tills.items():
            names.setdefault(till, []).append(role.value)
        return {" and ".join(roles): till.gate.now() for till, roles in names.items()}

    def close(self) -> None:
        """Close the connections. The client is not used afterwards."""
        background.run(self._close())

    async def _close(self) -> None:
        for till in self._tills.values():
            till.gate.outage.close()
        for line in set(self._lines.values()):
            await line.close()


def _error(state: "tenacity.RetryCallState") -> LlmError:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, LlmError), "only named errors are retried"  # noqa: S101
    return error
