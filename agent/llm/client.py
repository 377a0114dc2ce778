"""One attempt at one call: its turn, its reservation, its intent on disk before the send and its outcome after."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from agent.llm import concurrency
from agent.llm.budget import Amount, BudgetTracker, charged, micro_usd, reservation
from agent.llm.calls import Call, RequestRunner
from agent.llm.circuit_breaker import AdmissionController, EndpointStatus, EndpointUnavailable
from agent.llm.concurrency import Clock, SingleFlight
from agent.llm.endpoint import Capability, Endpoint, ScaleName
from agent.llm.errors import RETRYABLE, Cancelled, LLMError, RateLimited, TokenUsage, Unreachable
from agent.llm.probe import UNKNOWN, ProbeError, ProbeWaitReporter, health_check_body, probed
from agent.llm.response import ChatCompletion, pack
from agent.llm.retry import RetryPolicy, RetryState
from agent.llm.transport import Transport
from agent.schema import Reply, Request, Role
from agent.storage.ledger import Ledger
from agent.storage.ledger_database import Answer

if TYPE_CHECKING:
    import tenacity


SendAttempt = Callable[[bytes, float], Awaitable[ChatCompletion]]  # a body and the seconds it may take


@dataclass(frozen=True, eq=False)
class AttemptRunner:
    """Where the calls to one endpoint are paid."""

    endpoint: Endpoint
    gate: AdmissionController
    treasury: BudgetTracker
    send: SendAttempt
    clock: Clock
    sending: set[str] = field(default_factory=set)  # keys of calls that are on their way

    async def attempt(self, call: Call, ledger: Ledger, timeouts: int) -> Answer:
        """One send. Raises an LlmError without secrets, once the ledger has it.

        Cancelled, the attempt stays open in the ledger: it may have been paid, and counts as if it was.
        """
        await self.gate.admit()
        usage = reservation(call)
        most = Amount(micro_usd(self.endpoint, usage), 1, *usage)
        lane = id(ledger)
        async with self.gate.turn(lane) as turn:
            await self.gate.admit()  # whoever queued before an outage began must not go out into it
            await self.treasury.reserve(lane, call.role, most)
            spent = most
            self.sending.add(call.key)
            try:
                attempt = await ledger.intended(call.key, call.role, call.purpose, most.micro_usd)
                began = self.clock.now()
                try:
                    said = await self.send(call.body, self.gate.timeout(timeouts))
                    content = call.accept(said)
                except LLMError as error:
                    cost = charged(self.endpoint, call, error)
                    spent = Amount(cost, 1, *(error.usage or (0, 0)))
                    self.gate.failed(turn, error)
                    await ledger.failed(attempt, error.kind, error.sentence, cost)
                    raise
                answer = answer_of(call, self.endpoint, said, content, said.usage or reservation(call))
                spent = Amount(answer.micro_usd, 1, answer.tokens_in, answer.tokens_out)
                self.gate.succeeded(turn, self.clock.now() - began)
            finally:
                self.treasury.settle(lane, call.role, most, spent)
                self.sending.discard(call.key)
        return await ledger.settled(attempt, answer)  # cancelled here, it is stored all the same


def answer_of(call: Call, endpoint: Endpoint, said: ChatCompletion, content: str, usage: TokenUsage) -> Answer:
    """What the ledger keeps of a reply that was accepted; `usage` is what it is charged for."""
    return Answer(
        key=call.key,
        role=call.role,
        prompt_id=call.prompt_id,
        sample=call.sample,
        content=content,
        evidence=pack(said.positions) if call.needs_logprobs else "",
        finish_reason=said.finish_reason,
        tokens_in=usage[0],
        tokens_out=usage[1],
        micro_usd=micro_usd(endpoint, usage),
        model=said.model,
    )


POLL_SECONDS = 0.2  # seconds between looks for a stop
UNASKED = Reply(error=Cancelled("It was not sent: a stop was asked for.").named)


@dataclass(frozen=True)
class Callbacks:
    """What the work listens to: once `halted` says so, `abandon` is called and nothing more is begun.

    `heard` gets each reply when it is there.
    """

    halted: Callable[[], bool]
    abandon: Callable[[], None]
    heard: Callable[[Reply], None]


async def run_workers(requests: Sequence[Request], desks: Mapping[Role, RequestRunner], ears: Callbacks) -> list[Reply]:
    """One reply per request, in order."""
    replies: dict[int, Reply] = {}
    halt = asyncio.create_task(_watch(ears))

    async def work(desk: RequestRunner, numbers: "list[int]") -> None:
        while numbers:
            number = numbers.pop()
            replies[number] = UNASKED if halt.done() else await desk.reply(requests[number])
            ears.heard(replies[number])

    tasks = []
    for role, desk in desks.items():
        numbers = [number for number in reversed(range(len(requests))) if requests[number].role is role]
        workers = min(len(numbers), desk.endpoint.concurrency)
        tasks += [asyncio.create_task(work(desk, numbers)) for _ in range(workers)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in (*tasks, halt):
            task.cancel()
        await asyncio.wait((*tasks, halt))
    return [replies[number] for number in range(len(requests))]


async def _watch(ears: Callbacks) -> None:
    while not ears.halted():
        await asyncio.sleep(POLL_SECONDS)
    ears.abandon()


T = TypeVar("T")
OnWait = Callable[[str, str | None], None]  # who waits, and why; None when it goes on
OnRetry = Callable[[LLMError, float], None]  # what has failed, and the seconds until the next attempt


class LLMClient:
    """The client of all roles. Threads may share it; calls wait for their turn on one background event loop."""

    def __init__(
        self,
        endpoints: Mapping[Role, Endpoint],
        manners: RetryPolicy | None = None,
        known: Mapping[Role, Capability] | None = None,
        treasury: BudgetTracker | None = None,
        told: OnWait = lambda who, why: None,
    ) -> None:
        self._manners = manners or RetryPolicy()
        self._known = dict(known or {})
        self.treasury = treasury or BudgetTracker()
        self._told = told
        lines = {endpoint: Transport(endpoint, self._manners) for endpoint in endpoints.values()}
        self._lines = {role: lines[endpoint] for role, endpoint in endpoints.items()}
        tills = {line: self._till(role, line) for role, line in reversed(self._lines.items())}
        self._tills = {role: tills[line] for role, line in self._lines.items()}
        self._flights: SingleFlight[tuple[int, str], Answer] = SingleFlight()

    def _till(self, role: Role, line: Transport) -> AttemptRunner:
        async def canary() -> ChatCompletion:
            return await line.small(health_check_body(line.endpoint.model, self._known.get(role, UNKNOWN)))

        def told(why: str | None) -> None:
            self._told(f"{role} at {line.endpoint.base_url}", why)

        gate = AdmissionController(line.endpoint.concurrency, self._manners, canary, told)
        return AttemptRunner(line.endpoint, gate, self.treasury, line.send, self._manners.clock)

    def probe(
        self, waited_for: Collection[Role] = (), halted: Callable[[], bool] = lambda: False
    ) -> Mapping[Role, Capability]:
        """Ask each endpoint what it can do. Raises ProbeError with role, endpoint and remedy; records no answer.

        An endpoint of a role in `waited_for` may be out or too busy, as amid a run: raises Out when that takes too
        long. Raises Halted once `halted` says so while an endpoint does not answer.
        """
        holdup = ProbeWaitReporter(self._manners.clock, lambda why: self._told("the probe", why))
        probing = self._probe_all(waited_for, holdup)
        self._known = concurrency.run(self._unless(lambda: holdup.is_on and halted(), probing))
        return dict(self._known)

    async def _unless(self, halted: Callable[[], bool], work: Coroutine[Any, Any, T]) -> T:
        """What the work brings. Raises Halted."""
        working = asyncio.create_task(work)
        try:
            while not (await asyncio.wait([working], timeout=POLL_SECONDS))[0]:
                if halted():
                    raise Cancelled("An endpoint was waited for when a stop was asked for.")
            return working.result()
        finally:
            working.cancel()
            await asyncio.wait([working])

    async def _probe_all(self, waited_for: Collection[Role], holdup: ProbeWaitReporter) -> dict[Role, Capability]:
        patient = {self._lines[role] for role in waited_for}
        found: dict[Transport, Capability] = {}
        for role, line in self._lines.items():
            if line not in found:
                found[line] = await self._probe(role, line, line in patient, holdup)
        return {role: found[line] for role, line in self._lines.items()}

    async def _probe(self, role: Role, line: Transport, is_patient: bool, holdup: ProbeWaitReporter) -> Capability:
        waits = partial(holdup.waits, f"{role} at {line.endpoint.base_url}")

        async def send(body: bytes) -> ChatCompletion:
            with holdup.question():
                if is_patient:
                    return await self._outlast(line, self._tills[role].gate, body, waits)
                patience = RetryState(self._manners.at_first(), paced=False)
                return await self._persist(lambda _: line.small(body), patience, hopeless=Unreachable, waits=waits)

        return await probed(send, role, line.endpoint)

    async def _outlast(self, line: Transport, gate: AdmissionController, body: bytes, waits: OnRetry) -> ChatCompletion:
        """The reply to a small question, once the endpoint is neither out nor too busy. Raises Out."""
        patience = RetryState(self._manners.as_before(), paused=lambda: gate.outage.paused, paced=False)
        try:
            return await self._persist(
                lambda _: gate.outage.outlast(lambda: line.small(body)), patience, gate, waits=waits
            )
        except RateLimited as error:
            raise EndpointUnavailable(
                f"It asks for more patience than the run may have; the last it said: {error.sentence}"
            ) from error

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
        return concurrency.run(run_workers(requests, desks, Callbacks(halted, lambda: self._abandon(ledger), heard)))

    def _abandon(self, ledger: Ledger) -> None:
        """Whoever waits to be sent for this ledger is sent no more; what is on its way is finished."""
        sending = set().union(*(till.sending for till in self._tills.values()))
        self._flights.abandon(lambda key: key[0] == id(ledger) and key[1] not in sending)

    def _desk(self, role: Role, ledger: Ledger) -> RequestRunner:
        known, till = self._capability(role), self._tills[role]

        async def buy(call: Call) -> Answer:
            stored = ledger.answer(call.key)
            if stored is not None:
                return stored
            return await self._flights.join((id(ledger), call.key), lambda: self._buy(call, till, ledger))

        return RequestRunner(till.endpoint, known, buy)

    async def _buy(self, call: Call, till: AttemptRunner, ledger: Ledger) -> Answer:
        spread = int(call.key[:8], 16) / 2**32
        patience = RetryState(self._manners, spread, lambda: till.gate.outage.paused)
        return await self._persist(lambda timeouts: till.attempt(call, ledger, timeouts), patience, till.gate)

    async def _persist(
        self,
        once: Callable[[int], Awaitable[T]],
        patience: RetryState,
        gate: AdmissionController | None = None,
        hopeless: type[LLMError] | None = None,
        waits: OnRetry = lambda error, seconds: None,
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
        concurrency.call(lambda: self._flights.abandon(lambda key: True))

    def gates(self) -> dict[str, EndpointStatus]:
        """How each endpoint is being asked just now, by the roles that it plays."""
        names: dict[AttemptRunner, list[str]] = {}
        for role, till in self._tills.items():
            names.setdefault(till, []).append(role.value)
        return {" and ".join(roles): till.gate.now() for till, roles in names.items()}

    def close(self) -> None:
        """Close the connections. The client is not used afterwards."""
        concurrency.run(self._close())

    async def _close(self) -> None:
        for till in self._tills.values():
            till.gate.outage.close()
        for line in set(self._lines.values()):
            await line.close()


def _error(state: "tenacity.RetryCallState") -> LLMError:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, LLMError), "only named errors are retried"  # noqa: S101
    return error
