"""From a request to its reply: which calls it takes on this endpoint, and how their answers are read."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from agent.models.calls import Call, call_for
from agent.models.endpoint import Capability, Endpoint
from agent.models.failures import Garbled, LlmError
from agent.models.replies import unpack
from agent.models.scores import (
    DRAW,
    MOST,
    choose,
    has_majority,
    is_clear,
    sampled_choice,
    sampled_score,
    weigh,
)
from agent.record.ledger import Answer
from agent.schema import Reply, Request, Shape


@dataclass(frozen=True)
class Desk:
    """Where a request is answered: an endpoint, what it can do, and how one call is bought there."""

    endpoint: Endpoint
    capability: Capability
    buy: Callable[[Call], Awaitable[Answer]]

    async def reply(self, request: Request) -> Reply:
        """The reply to a request; whatever goes wrong with the call becomes the reply's error. `answers` are keys."""
        try:
            return await self._reply(request)
        except LlmError as error:
            return Reply(error=error.named)

    async def _reply(self, request: Request) -> Reply:
        match request.shape:
            case Shape.NUMBER:
                return await self._number(request)
            case Shape.CHOICE:
                return await self._choice(request)
            case Shape.JSON:
                answer = await self._object(request)
                return Reply(data=answer.content, answers=(answer.key,))
            case Shape.TEXT:
                answer = await self.buy(self._call(request))
                return Reply(text=answer.content, answers=(answer.key,))

    async def _number(self, request: Request) -> Reply:
        if self.capability.logprobs:
            answer = await self.buy(self._call(request))
            score = weigh(unpack(answer.evidence), answer.content, self.capability.scale)
            return Reply(score=score, answers=(answer.key,))
        answers = await self._draw(request, lambda contents: is_clear(contents, request.thresholds))
        score = sampled_score([answer.content for answer in answers], request.thresholds)
        return Reply(score=score, answers=_keys(answers))

    async def _choice(self, request: Request) -> Reply:
        if self.capability.logprobs:
            answer = await self.buy(self._call(request))
            return Reply(choice=choose(unpack(answer.evidence), request.options), answers=(answer.key,))
        answers = await self._draw(request, lambda contents: has_majority(contents, request.options))
        choice = sampled_choice([answer.content for answer in answers], request.options)
        return Reply(choice=choice, answers=_keys(answers))

    async def _draw(self, request: Request, is_enough: Callable[[Sequence[str]], bool]) -> list[Answer]:
        """Samples in order, a few at a time, until they are enough or the most allowed."""
        answers: list[Answer] = []
        while len(answers) < MOST and not (answers and is_enough([answer.content for answer in answers])):
            calls = [self._call(request, len(answers) + ahead) for ahead in range(DRAW)]
            # All are awaited, also when one fails: no purchase outlives the question it was made for.
            results = await asyncio.gather(*map(self.buy, calls), return_exceptions=True)
            answers += [_or_raise(result) for result in results]
        return answers

    async def _object(self, request: Request) -> Answer:
        """JSON by one call, or by a second one that shows the model what it wrote instead."""
        call = self._call(request)
        try:
            return await self.buy(call)
        except Garbled as error:
            return await self.buy(call.repaired(error.content))

    def _call(self, request: Request, draw: int | None = None) -> Call:
        return call_for(request, self.endpoint.model, self.endpoint.base_url, self.capability, draw)


def _or_raise(result: Answer | BaseException) -> Answer:
    if isinstance(result, BaseException):
        raise result
    return result


def _keys(answers: Sequence[Answer]) -> tuple[str, ...]:
    return tuple(answer.key for answer in answers)
