"""One attempt at one call: its turn, its reservation, its intent on disk before the send and its outcome after."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from agent.models.budget import Amount, Treasury
from agent.models.calls import Call
from agent.models.clock import Clock
from agent.models.endpoint import Endpoint
from agent.models.failures import LlmError, Usage
from agent.models.gate import Gate
from agent.models.prices import charged, micro_usd, reservation
from agent.models.replies import Said, pack
from agent.record.ledger import Answer, Ledger

Send = Callable[[bytes, float], Awaitable[Said]]  # a body and the seconds it may take


@dataclass(frozen=True, eq=False)
class Till:
    """Where the calls to one endpoint are paid."""

    endpoint: Endpoint
    gate: Gate
    treasury: Treasury
    send: Send
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
                except LlmError as error:
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


def answer_of(call: Call, endpoint: Endpoint, said: Said, content: str, usage: Usage) -> Answer:
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
