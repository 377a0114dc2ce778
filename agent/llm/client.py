"""LLM client of all roles: answers from the ledger, or by calls that are limited, budgeted, recorded and retried."""

import asyncio
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from agent.llm import concurrency
from agent.llm.admission import AdmissionController, EndpointStatus
from agent.llm.budget import Amount, BudgetTracker, charged, micro_usd, reservation
from agent.llm.calls import NO_LOGPROBS, Call, RequestRunner
from agent.llm.capability import UNKNOWN, Questions, health_check_body, no_questions
from agent.llm.circuit_breaker import EndpointUnavailable
from agent.llm.concurrency import SingleFlight
from agent.llm.endpoint import Capability, Endpoint, ScaleName
from agent.llm.errors import (
    STOP_REQUESTED,
    Cancelled,
    LLMError,
    Malformed,
    StillThinking,
    TokenUsage,
    Truncated,
)
from agent.llm.probe import POLL_SECONDS, ProbeError, Prober, ProbeTarget
from agent.llm.response import ChatCompletion, pack
from agent.llm.retry import RetryPolicy, RetryState, retry
from agent.llm.transport import Transport
from agent.schema import Reply, Request, Role
from agent.storage.ledger import Ledger
from agent.storage.ledger_database import Answer

OnWait = Callable[[str, str | None], None]  # who waits, and why; None when it goes on
OnReply = Callable[[Request, Reply], None]
Flights = SingleFlight[tuple[Hashable, str], Answer]  # by ledger and call

_REJECTED = "It was stored as an answer by an earlier version and is asked anew."
_PROBE_FIRST = "Configure the role and call probe() first."
NOT_SENT = Reply(error=Cancelled(STOP_REQUESTED).named)


class EndpointClient:
    """Client of one endpoint: `reply` to a request, `buy` the answer to a call, make one `attempt` at it.

    `role` is the first role that uses the endpoint; `probed` is what a probe found, None until then. Used on the event
    loop only.
    """

    def __init__(
        self,
        role: Role,
        endpoint: Endpoint,
        policy: RetryPolicy,
        budget: BudgetTracker,
        flights: Flights,
        on_wait: OnWait,
    ) -> None:
        policy = policy.for_timeout(endpoint.timeout)
        self.role = role
        self.endpoint = endpoint
        self.probed: Capability | None = None
        self.transport = Transport(endpoint, policy)
        self.name = f"{role} at {endpoint.base_url}"
        self.admission = AdmissionController(
            endpoint,
            policy,
            self.check_health,
            lambda why: on_wait(self.name, why and f"{self.name} is {why}"),
        )
        self.sending: set[tuple[Hashable, str]] = set()  # attempts in flight, by ledger and call
        self._thinks = False  # whether an answer came only with headroom that the probe had not found
        self._policy = policy
        self._budget = budget
        self._flights = flights

    @property
    def capability(self) -> Capability:
        """What the endpoint can do. Raises ProbeError where that is not known yet."""
        if self.probed is None:
            raise ProbeError(f"{self.role}: its endpoint has not been probed. {_PROBE_FIRST}")
        return self.probed

    def status(self) -> EndpointStatus:
        """The endpoint's present state, with the questions of a probe and health checks among those in flight."""
        status, (count, age) = self.admission.status(), self.transport.unrecorded
        if not count:
            return status
        return replace(status, in_flight=status.in_flight + count, slowest=max(status.slowest, age))

    async def check_health(self) -> ChatCompletion:
        """Send the smallest request there is. Raises LLMError."""
        return await self.transport.send_unrecorded(health_check_body(self.endpoint.model, self.probed or UNKNOWN))

    async def reply(self, request: Request, ledger: Ledger) -> Reply:
        """The reply to a request, by as many calls as it takes; an LLMError becomes the reply's error."""
        return await RequestRunner(self.endpoint, self.capability, partial(self.buy, ledger=ledger)).reply(request)

    async def buy(self, call: Call, ledger: Ledger) -> Answer:
        """The answer to a call: from the ledger, from a purchase in flight, or from a new one. Raises LLMError."""
        stored = ledger.answer(call.key)
        flaw = call.flaw(stored) if stored is not None else None
        if stored is not None and flaw is None:
            return stored
        return await self._flights.join((ledger.identity, call.key), partial(self._purchase, call, ledger, flaw))

    async def _purchase(self, call: Call, ledger: Ledger, flaw: LLMError | None = None) -> Answer:
        """Buy an answer. `flaw` is why the stored one, if there is one, does not count."""
        if flaw is not None:
            await ledger.reject_answer_async(call.key, flaw.kind, f"{flaw.sentence} {_REJECTED}")
        call = call.with_headroom() if self._thinks and not call.headroom else call
        try:
            return await self._retried(call, ledger)
        except Truncated as error:
            if not call.gains_by_headroom(error):
                raise
            answer = await self._retried(call.with_headroom(), ledger)
            self._thinks = self._thinks or isinstance(error, StillThinking)
            return answer

    async def _retried(self, call: Call, ledger: Ledger) -> Answer:
        jitter = int(call.key[:8], 16) / 2**32
        available = self.admission.for_call(partial(self._check_options, call))
        try:
            return await retry(partial(self.attempt, call, ledger), RetryState(self._policy, jitter, available))
        except EndpointUnavailable as error:
            raise EndpointUnavailable(f"{self.name}: {error.sentence}") from error

    async def _check_options(self, call: Call) -> None:
        """Ask a small question with the options of a call. Raises the LLMError that is not its prompt's fault."""
        completion = await self.transport.send_unrecorded(call.small)
        if call.needs_logprobs and not completion.positions:
            raise Malformed(NO_LOGPROBS)

    async def attempt(self, call: Call, ledger: Ledger, timeouts: int) -> Answer:
        """One attempt: permit, budget, record of the intent, send, settlement. Raises LLMError once it is recorded.

        Cancelled, the attempt stays open in the ledger: it may be billed, and is counted as if it was.
        """
        usage = reservation(call)
        reserved = Amount(micro_usd(self.endpoint, usage), 1, *usage)
        async with self.admission.acquire(ledger.identity) as permit:
            await self._budget.reserve(ledger.identity, call.role, reserved)
            spent = reserved
            self.sending.add((ledger.identity, call.key))
            try:
                attempt = await ledger.begin_attempt_async(call.key, call.role, call.purpose, reserved.micro_usd)
                began = self._policy.clock.now()
                try:
                    completion = await self.transport.send(call.body, self.admission.timeout(timeouts))
                    content = call.accept(completion)
                except LLMError as error:
                    tokens = charged(call, error)
                    spent = Amount(micro_usd(self.endpoint, tokens), 1, *tokens)
                    self.admission.on_failure(permit, error)
                    await ledger.record_failure_async(attempt, error.kind, error.sentence, spent.micro_usd, tokens)
                    raise
                answer = answer_of(call, self.endpoint, completion, content, completion.usage or usage)
                spent = Amount(answer.micro_usd, 1, answer.tokens_in, answer.tokens_out)
                self.admission.on_success(permit, self._policy.clock.now() - began)
            finally:
                self._budget.settle(ledger.identity, call.role, reserved, spent)
                self.sending.discard((ledger.identity, call.key))
        return await ledger.record_answer_async(attempt, answer)  # cancelled here, it is stored all the same

    async def close(self) -> None:
        """Stop health checks and close the connections."""
        self.admission.breaker.shut_down()
        await self.transport.close()


def answer_of(call: Call, endpoint: Endpoint, completion: ChatCompletion, content: str, usage: TokenUsage) -> Answer:
    """The ledger's record of an accepted completion; `usage` is what it is charged for."""
    return Answer(
        key=call.key,
        role=call.role,
        prompt_id=call.prompt_id,
        sample=call.sample,
        content=content,
        evidence=pack(completion.positions) if call.needs_logprobs else "",
        finish_reason=completion.finish_reason,
        tokens_in=usage[0],
        tokens_out=usage[1],
        micro_usd=micro_usd(endpoint, usage),
        model=completion.model,
    )


class LLMClient:
    """Client of all roles. Threads may share it: all calls are made on one event loop in the background.

    Roles with equal endpoints share one EndpointClient. `known` are capabilities of endpoints that need no probe.
    `on_wait` receives who waits for an endpoint and why, and None when it goes on.
    """

    def __init__(
        self,
        endpoints: Mapping[Role, Endpoint],
        policy: RetryPolicy | None = None,
        known: Mapping[Role, Capability] | None = None,
        budget: BudgetTracker | None = None,
        on_wait: OnWait = lambda who, why: None,
    ) -> None:
        self._policy = policy or RetryPolicy()
        self.budget = budget or BudgetTracker()
        self._on_wait = on_wait
        self._flights: Flights = SingleFlight()
        clients: dict[Endpoint, EndpointClient] = {}
        for role, endpoint in endpoints.items():
            if endpoint not in clients:
                clients[endpoint] = EndpointClient(role, endpoint, self._policy, self.budget, self._flights, on_wait)
            clients[endpoint].probed = (known or {}).get(role, clients[endpoint].probed)
        self._clients = {role: clients[endpoint] for role, endpoint in endpoints.items()}

    def probe(
        self,
        resumed: Collection[Role] = (),
        should_stop: Callable[[], bool] = lambda: False,
        questions: Questions = no_questions,
    ) -> Mapping[Role, Capability]:
        """Ask each endpoint what it can do; nothing is recorded. Raises ProbeError with role, endpoint and remedy.

        Each endpoint is also asked the `questions` of its roles, and fails the probe if its answers cannot be read.

        Endpoints of the `resumed` roles have answered before: while they are down or rate limited they are waited for,
        and EndpointUnavailable is raised after the longest pause. Raises Cancelled once `should_stop` says so while an
        endpoint fails.
        """
        clients = list(dict.fromkeys(self._clients.values()))
        waited_for = {self._clients[role] for role in resumed}
        targets = [
            ProbeTarget(c.role, c.transport, c.admission, c in waited_for, partial(self._of_endpoint, c, questions))
            for c in clients
        ]
        prober = Prober(self._policy, partial(self._on_wait, "the probe"))
        found = dict(zip(clients, concurrency.run(prober.run(targets, should_stop)), strict=True))
        for client, capability in found.items():
            client.probed = capability
        return {role: found[client] for role, client in self._clients.items()}

    def _of_endpoint(self, client: EndpointClient, questions: Questions, scale: ScaleName) -> list[Request]:
        """The questions of the roles that this client serves, each prompt once."""
        mine = (request for request in questions(scale) if self._clients.get(request.role) is client)
        return list({request.prompt: request for request in mine}.values())

    def ask_all(
        self,
        requests: Sequence[Request],
        ledger: Ledger,
        should_stop: Callable[[], bool] = lambda: False,
        on_reply: OnReply = lambda request, reply: None,
    ) -> list[Reply]:
        """One reply per request, in order. Answers in the ledger are not bought again; new ones are stored there.

        Once `should_stop` says so, calls in flight are finished and the other requests get an error of kind "stopped".
        `on_reply` receives each reply as it comes, on the event loop. Raises LedgerError, and ProbeError for a role
        that was not probed; an LLMError becomes the error of its reply.
        """
        clients = {role: self._client(role) for role in {request.role for request in requests}}
        if not requests:
            return []
        return concurrency.run(self._run_workers(requests, clients, ledger, should_stop, on_reply))

    async def _run_workers(
        self,
        requests: Sequence[Request],
        clients: Mapping[Role, EndpointClient],
        ledger: Ledger,
        should_stop: Callable[[], bool],
        on_reply: OnReply,
    ) -> list[Reply]:
        """Answer the requests by a few workers per role: a task for each request would cost memory and time."""
        replies: dict[int, Reply] = {}
        stopping = asyncio.create_task(self._abandon_on_stop(ledger, should_stop))

        async def work(client: EndpointClient, numbers: list[int]) -> None:
            while numbers:
                number = numbers.pop()
                replies[number] = NOT_SENT if stopping.done() else await client.reply(requests[number], ledger)
                on_reply(requests[number], replies[number])

        workers = []
        for role, client in clients.items():
            numbers = [number for number in reversed(range(len(requests))) if requests[number].role is role]
            count = min(len(numbers), client.endpoint.concurrency)
            workers += [asyncio.create_task(work(client, numbers)) for _ in range(count)]
        try:
            await asyncio.gather(*workers)
        finally:
            for task in (*workers, stopping):
                task.cancel()
            await asyncio.wait((*workers, stopping))
        return [replies[number] for number in range(len(requests))]

    async def _abandon_on_stop(self, ledger: Ledger, should_stop: Callable[[], bool]) -> None:
        """Once a stop is requested, drop this ledger's purchases that are not in flight."""
        while not should_stop():
            await asyncio.sleep(POLL_SECONDS)
        sending = set().union(*(client.sending for client in self._clients.values()))
        self._flights.abandon(lambda key: key[0] is ledger.identity and key not in sending)

    def _client(self, role: Role) -> EndpointClient:
        if role not in self._clients:
            raise ProbeError(f"{role}: no endpoint is configured. {_PROBE_FIRST}")
        return self._clients[role]

    def scale(self, role: Role) -> ScaleName:
        """The scale that prompts for this role ask for."""
        return self._client(role).capability.scale

    def signature(self, role: Role) -> str:
        """Model, endpoint and scoring method. Verdicts count only under the signature they were given under."""
        return f"{self.address(role)} by {self._client(role).capability.method}"

    def address(self, role: Role) -> str:
        """Model and endpoint: the beginning of the signature, known before the probe."""
        endpoint = self._client(role).endpoint
        return f"{endpoint.model} at {endpoint.base_url}"

    def give_up(self) -> None:
        """Cancel all calls: their requests get an error of kind "stopped", their attempts stay open in the ledger."""
        concurrency.call_soon(lambda: self._flights.abandon(lambda key: True))

    def statuses(self) -> dict[str, EndpointStatus]:
        """The present state of each endpoint, by the names of its roles."""
        roles: dict[EndpointClient, list[str]] = {}
        for role, client in self._clients.items():
            roles.setdefault(client, []).append(role.value)
        return {" and ".join(names): client.status() for client, names in roles.items()}

    def close(self) -> None:
        """Close the connections. The client is not used afterwards."""
        concurrency.run(self._close())

    async def _close(self) -> None:
        for client in dict.fromkeys(self._clients.values()):
            await client.close()
