"""From a request to the bytes that are sent, and the key under which their answer is kept."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from agent.models.endpoint import Capability
from agent.models.failures import LlmError, Malformed, Truncated
from agent.models.objects import canonical, strict_schema
from agent.models.replies import Said
from agent.models.scores import MOST
from agent.schema import Request, Role, Shape, digest

_CANONICAL = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))
_FORM = "\n\nAnswer with one JSON object that fits this JSON schema, and nothing else:\n"
_REPAIR = "That was not the JSON asked for. Return only valid JSON for this schema, without any other words:\n"


@dataclass(frozen=True)
class Call:
    """One physical call: what is sent, and what its reply must hold. Two calls with one key are the same purchase.

    `max_tokens` is what the answer may take, `limit` what the model may write in all, thinking included.
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

    def accept(self, said: Said) -> str:
        """The text to keep. Raises what is wrong with the reply; only whole answers pass."""
        if self.needs_logprobs and not said.positions:
            raise Malformed("The reply lacks the log-probabilities that this endpoint gave before.", usage=said.usage)
        if self.shape is Shape.JSON:
            return self._accept_object(said)
        if self.shape is Shape.TEXT and said.finish_reason == "length":
            raise Truncated(f"The reply was cut at {self.max_tokens} tokens.", usage=said.usage)
        return said.content

    def _accept_object(self, said: Said) -> str:
        try:
            return canonical(said.content, self.schema)
        except LlmError as error:
            error.usage = said.usage
            if said.finish_reason != "length":
                raise
        raise Truncated(f"The JSON was cut at {self.max_tokens} tokens.", usage=said.usage)

    def repaired(self, garbled: str) -> "Call":
        """The same purchase by another body: the useless text is shown and only the JSON is asked for."""
        body = json.loads(self.body)
        body["messages"] += [
            {"role": "assistant", "content": garbled},
            {"role": "user", "content": _REPAIR + (self.schema or '{"type":"object"}')},
        ]
        return replace(self, body=canonical_json(body), purpose="repair")


def canonical_json(value: Any) -> bytes:
    """The one form of a body, which is sent as it is and hashed for the key."""
    return _CANONICAL.encode(value).encode()


def call_for(request: Request, model: str, base_url: str, capability: Capability, draw: int | None = None) -> Call:
    """The physical call of a request. With `draw` it is one of several samples at temperature 1."""
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
    """The optional parts of a body, as far as the endpoint takes them."""
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
    """The response format that holds a model to a schema."""
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": strict_schema(schema)}}
