"""The LLM roles over any OpenAI-compatible endpoint: many requests in, one reply per request out, in order."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from agent.models import background
from agent.models.asking import Desk
from agent.models.budget import Treasury
from agent.models.calls import Call
from agent.models.capability import ProbeError, find_capability, greeting, remedy
from agent.models.crew import Ears, work_off
from agent.models.endpoint import Capability, Endpoint, ScaleName
from agent.models.failures import (
    RETRYABLE,
    AttemptTimeout,
    Broken,
    LlmError,
    Unreachable,
    classify,
    clip,
    error_body,
    error_text,
    scrub,
)
from agent.models.flights import Flights
from agent.models.gate import Gate, GateNow
from agent.models.manners import Manners, Patience
from agent.models.replies import Said, read_reply
from agent.models.server_waits import wait_asked
from agent.models.till import Till
from agent.record.ledger import Answer, Ledger
from agent.schema import Reply, Request, Role

if TYPE_CHECKING:
    import httpx2
    import tenacity

_CANARY_TIMEOUT = 60.0  # seconds for a small question

__all__ = ["Capability", "Endpoint", "Llm", "Manners", "ProbeError"]

T = TypeVar("T")
Told = Callable[[str, str | None], None]  # who waits, and why; None when it goes on


class Line:
    """The connection to one endpoint: its client, and its errors by name."""

    def __init__(self, endpoint: Endpoint, manners: Manners) -> None:
        self.endpoint = endpoint
        self.manners = manners
        self._key = endpoint.key.get_secret_value()

    @cached_property
    def _wire(self) -> tuple["httpx2.AsyncClient", "httpx2.URL", "httpx2.Headers"]:
        """The openai package's transport, its address and its headers.

        A request is built once, not for each call: that and its reply models are most of the package's CPU time.
        """
        import httpx2
        import openai

        many = self.endpoint.concurrency
        transport: httpx2.AsyncClient
        if self.endpoint.app is not None:
            transport = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=self.endpoint.app))
        else:
            pool = httpx2.Limits(max_connections=many, max_keepalive_connections=many)
            transport = openai.DefaultAioHttpClient(limits=pool)
        url = self.endpoint.base_url
        client = openai.AsyncOpenAI(
            api_key=self._key or "none",
            base_url=url if "://" in url else f"http://{url}/v1",
            max_retries=0,
            timeout=None,  # asyncio.timeout bounds each attempt: the client's own timeout starts anew at every byte
            http_client=transport,
        )
        named = {**client.default_headers, **client.auth_headers}
        headers = {name: value for name, value in named.items() if isinstance(value, str)}
        return transport, client.base_url.join("chat/completions"), httpx2.Headers(headers)

    async def send(self, body: bytes, seconds: float) -> Said:
        """One attempt of at most so many seconds, no retry. Raises an LlmError without secrets."""
        wire = self._wire  # made before the clock starts: the first import takes longer than many a call
        try:
            async with asyncio.timeout(seconds):
                raw = await self._post(*wire, body)
        except TimeoutError as error:
            raise AttemptTimeout(f"No whole reply within {seconds:g} seconds.") from error
        secret = self._key.encode()
        return read_reply(raw.replace(secret, b"[key]") if secret and secret in raw else raw)

    async def _post(
        self, transport: "httpx2.AsyncClient", url: "httpx2.URL", headers: "httpx2.Headers", body: bytes
    ) -> bytes:
        import aiohttp
        import httpx2
        import openai

        try:
            response = await transport.send(httpx2.Request("POST", url, headers=headers, content=body))
        except (openai.APIConnectionError, aiohttp.ClientError, httpx2.HTTPError) as error:
            raise self._unconnected(error) from None  # the cause would carry the request's headers along
        if response.status_code >= 400:
            raise self._named(response)
        return response.content

    def _named(self, response: "httpx2.Response") -> LlmError:
        wait = wait_asked(response.headers, self.manners.time_of_day())
        return classify(response.status_code, scrub(error_text(error_body(response.content)), self._key), wait)

    def _unconnected(self, error: BaseException) -> LlmError:
        import aiohttp
        import httpx2

        cause = error.__cause__ or error  # what aiohttp said: its translation calls a refused connection a timeout
        reason = scrub(clip(f"{type(cause).__name__}: {cause}"), self._key)
        if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.InvalidURL | httpx2.UnsupportedProtocol):
            return Unreachable(f"No connection to {self.endpoint.base_url} ({reason}).")
        return Broken(f"The connection to {self.endpoint.base_url} broke ({reason}).")

    async def close(self) -> None:
        if "_wire" in self.__dict__:
            await self._wire[0].aclose()


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
            body = greeting(line.endpoint.model, self._capability(role))
            return await line.send(body, self._manners.attempt_timeout or _CANARY_TIMEOUT)

        def told(why: str | None) -> None:
            self._told(f"{role} at {line.endpoint.base_url}", why)

        gate = Gate(line.endpoint.concurrency, self._manners, canary, told)
        return Till(line.endpoint, gate, self.treasury, line.send, self._manners.clock)

    def probe(self) -> Mapping[Role, Capability]:
        """Ask each endpoint what it can do. Raises ProbeError with role, endpoint and remedy; records no answer."""
        self._known = background.run(self._probe_all())
        return dict(self._known)

    async def _probe_all(self) -> dict[Role, Capability]:
        found: dict[Line, Capability] = {}
        for role, line in self._lines.items():
            if line not in found:
                found[line] = await self._probe(role, line)
        return {role: found[line] for role, line in self._lines.items()}

    async def _probe(self, role: Role, line: Line) -> Capability:
        model = line.endpoint.model

        async def send(body: bytes) -> Said:
            seconds = self._manners.attempt_timeout or _CANARY_TIMEOUT
            return await self._persist(lambda _: line.send(body, seconds), 0.0, hopeless=Unreachable)

        try:
            return await find_capability(send, model)
        except LlmError as error:
            where = f"{role}: the model {model} at {line.endpoint.base_url} cannot be used."
            raise ProbeError(f"{where} {error.sentence} {remedy(error, model)}") from error

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
        return await self._persist(lambda timeouts: till.attempt(call, ledger, timeouts), spread, till.gate)

    async def _persist(
        self,
        once: Callable[[int], Awaitable[T]],
        spread: float,
        gate: Gate | None = None,
        hopeless: type[LlmError] | None = None,
    ) -> T:
        """Try until it succeeds, the error is not worth a retry, or patience is over; then the last error rises.

        `once` is given how many of its attempts have timed out. What fails while its endpoint is out starts anew.
        """
        patience = Patience(self._manners, spread, (lambda: gate.outage.paused) if gate else lambda: 0.0)

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
        method = self._capability(role).method
        endpoint = self._lines[role].endpoint
        return f"{endpoint.model} at {endpoint.base_url} by {method}"

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
    if not isinstance(error, LlmError):
        raise TypeError("only named errors are retried")
    return error
