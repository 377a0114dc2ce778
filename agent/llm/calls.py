"""Calls of a request: the bodies to send, the ledger keys of their answers, and how a reply is read from them."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent.llm.endpoint import Capability, Endpoint
from agent.llm.errors import InvalidJSON, LLMError, Malformed, Truncated
from agent.llm.response import ChatCompletion, canonical, strict_schema, unpack
from agent.llm.scoring import (
    DRAW,
    MOST,
    choice_probabilities,
    expected_score,
    has_majority,
    is_clear,
    sampled_choice,
    sampled_score,
)
from agent.schema import Reply, Request, Role, Shape, digest
from agent.storage.ledger_database import Answer

_CANONICAL = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))
_FORM = "\n\nAnswer with one JSON object that fits this JSON schema, and nothing else:\n"
_REPAIR = "That was not the JSON asked for. Return only valid JSON for this schema, without any other words:\n"


@dataclass(frozen=True)
class Call:
    """One HTTP call: its body and what its reply must contain. Calls with equal keys share one answer.

    `max_tokens` limits the answer, `limit` all that the model may write, its reasoning included.
    """

    role: Role
    prompt_id: str
    sample: int
    body: bytes
    key: str
    shape: Shape
    needs_logprobs: bool
    max_tokens: int
    limit: int
    schema: str | None = None
    purpose: str = "ask"

    def accept(self, completion: ChatCompletion) -> str:
        """The text to store. Raises LLMError for an incomplete or unusable completion."""
        if self.needs_logprobs and not completion.positions:
            raise Malformed(
                "The reply lacks the log-probabilities that this endpoint gave before.", usage=completion.usage
            )
        if self.shape is Shape.JSON:
            return self._accept_object(completion)
        if self.shape is Shape.TEXT and completion.finish_reason == "length":
            raise Truncated(f"The reply was cut at {self.max_tokens} tokens.", usage=completion.usage)
        return completion.content

    def _accept_object(self, completion: ChatCompletion) -> str:
        try:
            return canonical(completion.content, self.schema)
        except LLMError as error:
            error.usage = completion.usage
            if completion.finish_reason != "length":
                raise
        raise Truncated(f"The JSON was cut at {self.max_tokens} tokens.", usage=completion.usage)

    def repaired(self, invalid: str) -> "Call":
        """The call under the same key that shows the model its invalid text and asks for the JSON alone."""
        body = json.loads(self.body)
        body["messages"] += [
            {"role": "assistant", "content": invalid},
            {"role": "user", "content": _REPAIR + (self.schema or '{"type":"object"}')},
        ]
        return replace(self, body=canonical_json(body), purpose="repair")


def canonical_json(value: Any) -> bytes:
    """The canonical form of a body, which is sent and hashed for the key."""
    return _CANONICAL.encode(value).encode()


def call_for(request: Request, model: str, base_url: str, capability: Capability, draw: int | None = None) -> Call:
    """The call of a request. With `draw` it is one of several samples at temperature 1."""
    sample = request.sample if draw is None else request.sample * MOST + draw
    needs_logprobs = capability.logprobs and request.shape in (Shape.NUMBER, Shape.CHOICE)
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": _prompt(request, capability)}],
        capability.max_tokens_name: request.max_tokens + capability.headroom,
        **options(capability, request.temperature if draw is None else 1.0, sample, needs_logprobs),
        **_response_format(request, capability),
    }
    content = canonical_json(body)
    return Call(
        role=request.role,
        prompt_id=request.prompt_id,
        sample=sample,
        body=content,
        key=digest(content.decode(), base_url, str(sample)),
        shape=request.shape,
        needs_logprobs=needs_logprobs,
        max_tokens=request.max_tokens,
        limit=request.max_tokens + capability.headroom,
        schema=request.json_schema,
    )


def options(capability: Capability, temperature: float, seed: int, logprobs: bool) -> dict[str, Any]:
    """The optional fields of a body, as far as the endpoint supports them."""
    parts: dict[str, Any] = {}
    if capability.temperature:
        parts["temperature"] = temperature
    if capability.seed:
        parts["seed"] = seed
    if logprobs:
        parts |= {"logprobs": True, "top_logprobs": capability.top_logprobs}
    return parts


def _prompt(request: Request, capability: Capability) -> str:
    if request.shape is Shape.JSON and request.json_schema and capability.structured != "json_schema":
        return request.prompt + _FORM + request.json_schema
    return request.prompt


def _response_format(request: Request, capability: Capability) -> Mapping[str, Any]:
    if request.shape is not Shape.JSON or capability.structured == "plain":
        return {}
    if capability.structured == "json_object" or not request.json_schema:
        return {"response_format": {"type": "json_object"}}
    return {"response_format": schema_format(json.loads(request.json_schema))}


def schema_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The response_format that enforces a JSON schema."""
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": strict_schema(schema)}}


@dataclass(frozen=True)
class RequestRunner:
    """Answers a request by one or more calls, depending on its shape and the endpoint's capability.

    `buy` returns the answer to one call, or raises LLMError.
    """

    endpoint: Endpoint
    capability: Capability
    buy: Callable[[Call], Awaitable[Answer]]

    async def reply(self, request: Request) -> Reply:
        """The reply to a request, with the ledger keys of its answers; an LLMError becomes the reply's error."""
        try:
            return await self._reply(request)
        except LLMError as error:
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
            score = expected_score(unpack(answer.evidence), answer.content, self.capability.scale)
            return Reply(score=score, answers=(answer.key,))
        answers = await self._draw(request, lambda contents: is_clear(contents, request.thresholds))
        score = sampled_score([answer.content for answer in answers], request.thresholds)
        return Reply(score=score, answers=_keys(answers))

    async def _choice(self, request: Request) -> Reply:
        if self.capability.logprobs:
            answer = await self.buy(self._call(request))
            return Reply(choice=choice_probabilities(unpack(answer.evidence), request.options), answers=(answer.key,))
        answers = await self._draw(request, lambda contents: has_majority(contents, request.options))
        choice = sampled_choice([answer.content for answer in answers], request.options)
        return Reply(choice=choice, answers=_keys(answers))

    async def _draw(self, request: Request, is_enough: Callable[[Sequence[str]], bool]) -> list[Answer]:
        """Samples in order, DRAW at a time, until `is_enough` or MOST."""
        answers: list[Answer] = []
        while len(answers) < MOST and not (answers and is_enough([answer.content for answer in answers])):
            calls = [self._call(request, len(answers) + ahead) for ahead in range(DRAW)]
            # All are awaited, also when one fails: no call outlives its request.
            results = await asyncio.gather(*map(self.buy, calls), return_exceptions=True)
            answers += [_or_raise(result) for result in results]
        return answers

    async def _object(self, request: Request) -> Answer:
        """JSON by one call, or by a second one that shows the model its invalid text."""
        call = self._call(request)
        try:
            return await self.buy(call)
        except InvalidJSON as error:
            return await self.buy(call.repaired(error.content))

    def _call(self, request: Request, draw: int | None = None) -> Call:
        return call_for(request, self.endpoint.model, self.endpoint.base_url, self.capability, draw)


def _or_raise(result: Answer | BaseException) -> Answer:
    if isinstance(result, BaseException):
        raise result
    return result


def _keys(answers: Sequence[Answer]) -> tuple[str, ...]:
    return tuple(answer.key for answer in answers)
