"""Calls of a request: the bodies to send, the ledger keys of their answers, and how a reply is read from them."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from agent.llm.endpoint import Capability, Endpoint, ScaleName
from agent.llm.errors import InvalidJSON, LLMError, Malformed, Refused, StillThinking, Truncated, Unscored, quoted
from agent.llm.response import ChatCompletion, canonical, check_finish, is_cut, strict_schema, unpack
from agent.llm.scoring import (
    DRAW,
    MOST,
    TokenLogprobs,
    choice_probabilities,
    expected_score,
    has_majority,
    is_clear,
    number_in,
    option_in,
    sampled_choice,
    sampled_score,
)
from agent.schema import Reply, Request, Role, Shape, digest
from agent.storage.ledger_database import Answer

NO_LOGPROBS = "The reply lacks the log-probabilities that this endpoint gave before."
THINKING = 2048  # tokens granted to a model that thinks before it answers; by judgement: a short prompt needs fewer
SMALL_PROMPT = "Say 1."  # the question of a health check
_LARGEST_START = 10  # another digit could make 1 to 10 a greater number of the scale

_CANONICAL = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))
_FORM = "\n\nAnswer with one JSON object that fits this JSON schema, and nothing else:\n"
_REPAIR = "That was not the JSON asked for. Return only valid JSON for this schema, without any other words:\n"


@dataclass(frozen=True)
class Call:
    """One HTTP call: its body and what its reply must contain. Calls with equal keys share one answer.

    `max_tokens` limits the answer, `limit` all that the model may write, `headroom` the part of it for reasoning.
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
    headroom: int = 0
    scale: ScaleName = "percent"
    options: tuple[str, ...] = ()
    schema: str | None = None
    purpose: str = "ask"

    def accept(self, completion: ChatCompletion) -> str:
        """The text to store. Raises LLMError for a completion that is unfinished or not of the requested shape."""
        try:
            if self.needs_logprobs and not completion.positions:
                raise Malformed(NO_LOGPROBS)
            return self._readable(completion.content, completion.positions, completion.finish_reason)
        except LLMError as error:
            error.usage = completion.usage
            raise

    def flaw(self, answer: Answer) -> LLMError | None:
        """Why a stored answer, perhaps of an earlier version, does not count; None for a good one."""
        try:
            self._readable(answer.content, unpack(answer.evidence), answer.finish_reason)
        except LLMError as error:
            return error
        return None

    def _readable(self, content: str, positions: Sequence[TokenLogprobs], finish: str) -> str:
        """The text of a reply that is finished and of the requested shape. Raises LLMError.

        A reply that may lack its end counts where the rest could not change what is read.
        """
        check_finish(finish)
        try:
            return self._read(content, positions, is_cut(finish))
        except (Unscored, InvalidJSON, Refused) as error:
            if not is_cut(finish):
                raise
            raise self._truncated(content, finish) from error

    def _read(self, content: str, positions: Sequence[TokenLogprobs], cut: bool) -> str:
        match self.shape:
            case Shape.NUMBER if self.needs_logprobs:
                expected_score(positions, content, self.scale)
            case Shape.CHOICE if self.needs_logprobs:
                choice_probabilities(positions, self.options)
            case Shape.NUMBER:
                check_sampled_number(content, cut)
            case Shape.CHOICE:
                check_sampled_option(content, self.options)
            case Shape.JSON:
                return canonical(content, self.schema)
            case Shape.TEXT if cut:
                raise Unscored("A text without its end.")
        return content

    def _truncated(self, content: str, finish: str) -> Truncated:
        if not finish:
            return Truncated(f"The reply does not say that it is complete (no finish_reason): {quoted(content)}")
        what = "JSON" if self.shape is Shape.JSON else "reply"
        read = "" if self.shape in (Shape.JSON, Shape.TEXT) else f", before it could be read: {quoted(content)}"
        return Truncated(f"The {what} was cut at {self.max_tokens} tokens{read}.", content=content)

    @property
    def small(self) -> bytes:
        """The body of the smallest question with the options of this call: whether these are refused in themselves."""
        body = json.loads(self.body)
        body["messages"] = [{"role": "user", "content": SMALL_PROMPT}]
        if body.get("response_format", {}).get("type") == "json_object":  # refused where no message says "JSON"
            del body["response_format"]
        return canonical_json(body)

    def gains_by_headroom(self, error: Truncated) -> bool:
        """Whether more tokens may bring the answer that was cut: its beginning is missing, or it is a word."""
        is_word = self.shape in (Shape.NUMBER, Shape.CHOICE)
        return not self.headroom and (is_word or isinstance(error, StillThinking))

    def with_headroom(self) -> "Call":
        """The call under the same key with tokens for reasoning before the answer."""
        body = json.loads(self.body)
        name = next(name for name in ("max_tokens", "max_completion_tokens") if name in body)
        limit = self.limit + THINKING
        sent = canonical_json({**body, name: limit})
        return replace(self, body=sent, limit=limit, headroom=THINKING, purpose="headroom")

    def repaired(self, invalid: str) -> "Call":
        """The call under the same key that shows the model its invalid text and asks for the JSON alone."""
        body = json.loads(self.body)
        body["messages"] += [
            {"role": "assistant", "content": invalid},
            {"role": "user", "content": _REPAIR + (self.schema or '{"type":"object"}')},
        ]
        return replace(self, body=canonical_json(body), purpose="repair")


def check_sampled_number(content: str, cut: bool) -> None:
    """Raise Unscored for a sample that is no number, or may be the first digits of one."""
    value = number_in(content)
    if value is None or (cut and 1 <= value <= _LARGEST_START):
        raise Unscored(f"The answer is not one whole number from 0 to 100 but {quoted(content)}.")


def check_sampled_option(content: str, options: Sequence[str]) -> None:
    """Raise Unscored for a sample that does not begin with an option."""
    if option_in(content, options) is None:
        raise Unscored(f"The answer is not one of {', '.join(options)} but {quoted(content)}.")


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
        capability.max_tokens_name: token_limit(capability, request.max_tokens),
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
        limit=token_limit(capability, request.max_tokens),
        headroom=capability.headroom,
        scale=capability.scale,
        options=request.options,
        schema=request.json_schema,
    )


def token_limit(capability: Capability, max_tokens: int) -> int:
    """The limit to send for an answer of at most `max_tokens`."""
    return max(capability.min_tokens, max_tokens) + capability.headroom


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
        drawn = await self._draw(request, lambda contents: is_clear(contents, request.thresholds))
        with drawn.reasons():
            return Reply(score=sampled_score(drawn.contents, request.thresholds), answers=drawn.keys)

    async def _choice(self, request: Request) -> Reply:
        if self.capability.logprobs:
            answer = await self.buy(self._call(request))
            return Reply(choice=choice_probabilities(unpack(answer.evidence), request.options), answers=(answer.key,))
        drawn = await self._draw(request, lambda contents: has_majority(contents, request.options))
        with drawn.reasons():
            return Reply(choice=sampled_choice(drawn.contents, request.options), answers=drawn.keys)

    async def _draw(self, request: Request, is_enough: Callable[[Sequence[str]], bool]) -> "Samples":
        """Samples in order, DRAW at a time, until `is_enough` or MOST. An unreadable one counts as a sample."""
        samples: list[Answer | LLMError] = []
        while len(samples) < MOST and not (samples and is_enough(Samples(samples).contents)):
            calls = [self._call(request, len(samples) + ahead) for ahead in range(DRAW)]
            # All are awaited, also when one fails: no call outlives its request.
            results = await asyncio.gather(*map(self.buy, calls), return_exceptions=True)
            samples += [_sample(result) for result in results]
        return Samples(samples)

    async def _object(self, request: Request) -> Answer:
        """JSON by one call, or by a second one that shows the model its invalid text."""
        call = self._call(request)
        try:
            return await self.buy(call)
        except InvalidJSON as error:
            return await self.buy(call.repaired(error.content))

    def _call(self, request: Request, draw: int | None = None) -> Call:
        return call_for(request, self.endpoint.model, self.endpoint.base_url, self.capability, draw)


@dataclass(frozen=True)
class Samples:
    """Samples in order: answers, and errors in place of those that could not be read."""

    drawn: Sequence[Answer | LLMError]

    @property
    def contents(self) -> list[str]:
        """The text of each sample, empty where it could not be read."""
        return [one.content if isinstance(one, Answer) else "" for one in self.drawn]

    @property
    def keys(self) -> tuple[str, ...]:
        """The ledger keys of the answers."""
        return tuple(one.key for one in self.drawn if isinstance(one, Answer))

    @contextmanager
    def reasons(self) -> Iterator[None]:
        """Where too few samples could be read, add the commonest reason."""
        try:
            yield
        except Unscored as error:
            errors = [one for one in self.drawn if isinstance(one, LLMError)]
            if not errors:
                raise
            common = Counter(type(one) for one in errors).most_common(1)[0][0]
            first = next(one for one in errors if type(one) is common)
            raise common(f"{error.sentence} {first.sentence}", content=first.content) from error


def _sample(result: Answer | BaseException) -> Answer | LLMError:
    """A sample, or the error of one that the model did not make readable. Any other error is raised."""
    if isinstance(result, Answer | Unscored | Truncated | Refused):
        return result
    raise result
