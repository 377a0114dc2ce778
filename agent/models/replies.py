"""Reading a chat-completions reply: everything is checked before anything is used."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.models.failures import (
    LlmError,
    Malformed,
    Refused,
    Truncated,
    Usage,
    classify_body,
    clip,
)
from agent.models.scores import Position, probability

MAX_BODY = 8_000_000  # bytes; an honest reply is a thousandth of it
MAX_POSITIONS = 8
_COMPACT = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))
_NEGLIGIBLE = -16.0  # a ten-millionth: alternatives below it are not kept


@dataclass(frozen=True)
class Said:
    """What a model said: cleaned text and, where given, log-probabilities and token counts."""

    content: str
    finish_reason: str
    model: str
    usage: Usage | None
    positions: tuple[Position, ...]


def clean(text: str) -> str:
    """The text with surrogate pairs joined and lone surrogates replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def read_reply(body: bytes) -> Said:
    """The reply in an HTTP body that came with status 200.

    Raises Malformed, Refused, Truncated (cut before any text) or the error that the body itself reports.
    """
    data = _load(body)
    usage = _usage(data.get("usage"))
    try:
        return _read(data, usage)
    except LlmError as error:
        error.usage = usage
        raise


def _load(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_BODY:
        raise Malformed(f"The reply has {len(body)} bytes; more than {MAX_BODY} are not read.")
    if body.lstrip()[:1] == b"<":
        raise Malformed("The reply is an HTML page, not JSON: is base_url the address of the API (often …/v1)?")
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"The reply is not whole JSON ({clip(str(error), 80)}).") from error
    if not isinstance(data, dict):
        raise Malformed(f"The reply is JSON but not an object: {clip(str(data), 80)}")
    return data


def _usage(value: Any) -> Usage | None:
    """(input, output) tokens; None unless both are whole numbers from 0."""
    counts = [value.get(name) if isinstance(value, dict) else None for name in ("prompt_tokens", "completion_tokens")]
    whole = [count for count in counts if type(count) is int and 0 <= count < 2**31]
    return (whole[0], whole[1]) if len(whole) == 2 else None


def _read(data: dict[str, Any], usage: Usage | None) -> Said:
    choice = _first_choice(data)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise Malformed("The reply's first choice has no message.")
    finish = clean(str(choice.get("finish_reason") or ""))
    _check_refusal(message, finish)
    content = _content(message.get("content"))
    if not content.strip():
        if finish == "length":
            raise Truncated("The model used up its tokens before it wrote an answer.")
        raise Malformed("The reply's text is empty.")
    model = clean(str(data.get("model") or ""))
    return Said(content, finish, model, usage, _positions(choice.get("logprobs")))


def _first_choice(data: dict[str, Any]) -> dict[str, Any]:
    choices = data.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return choices[0]
    if data.get("error"):
        raise classify_body(data["error"])
    raise Malformed("The reply has no choices.")


def _check_refusal(message: Mapping[str, Any], finish: str) -> None:
    refusal = message.get("refusal")
    if refusal:
        raise Refused(f"The model declined: {clip(clean(str(refusal)))}")
    if finish == "content_filter":
        raise Refused("The provider's content filter withheld the answer.")


def _content(value: Any) -> str:
    """The text of a message; some servers send it as a list of parts."""
    if isinstance(value, list):
        value = "".join(str(part.get("text") or "") for part in value if isinstance(part, dict))
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Malformed("The reply's text is not a text.")
    return clean(value)


def _positions(logprobs: Any) -> tuple[Position, ...]:
    """The first positions' log-probabilities; empty where the endpoint sent none."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(content, list):
        return ()
    try:
        return tuple(_position(entry) for entry in content[:MAX_POSITIONS])
    except (TypeError, KeyError, AttributeError) as error:
        raise Malformed("The reply's log-probabilities do not have the form that the API documents.") from error


def _position(entry: Mapping[str, Any]) -> Position:
    top = {clean(str(item["token"])): _logprob(item["logprob"]) for item in reversed(entry.get("top_logprobs") or ())}
    token = clean(str(entry["token"]))
    top.setdefault(token, _logprob(entry["logprob"]))
    if sum(map(probability, top.values())) > 1.05:
        raise Malformed("The reply's probabilities add up to more than one.")
    ranked = sorted(top.items(), key=lambda item: -item[1])
    return Position(token, tuple((text, value) for text, value in ranked if value > _NEGLIGIBLE))


def _logprob(value: Any) -> float:
    """A number, or minus infinity for what is not one: a missing probability counts as none."""
    if type(value) is float and math.isfinite(value):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("a log-probability is a number")
    return float(value) if math.isfinite(value) else -math.inf


def pack(positions: Sequence[Position]) -> str:
    """The evidence of an answer as it is stored."""
    return _COMPACT.encode(positions) if positions else ""


def unpack(evidence: str) -> tuple[Position, ...]:
    """The log-probabilities behind a stored answer."""
    stored = json.loads(evidence) if evidence else []
    return tuple(Position(token, tuple((text, value) for text, value in top)) for token, top in stored)
