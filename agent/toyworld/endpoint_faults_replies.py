"""What a faulty answer looks like on the wire."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Headers = tuple[tuple[str, str], ...]
JSON: Headers = (("content-type", "application/json"),)
_TROUBLES = (500, 502, 503, 504, 520, 529)
_HUGE = 20_000_000
_PAGE = b"<!doctype html><html><title>Sign in</title><body>Please sign in to the network.</body></html>"


class Answered(NamedTuple):
    """A whole reply: status, headers without its length, body."""

    status: int
    headers: Headers
    body: bytes


def failing(status: int, message: str, code: str | None = None, headers: Headers = ()) -> Answered:
    """An error in the form of OpenAI's API."""
    about = {"message": message, "type": code or "toyworld_fault", "param": None, "code": code}
    return Answered(status, JSON + headers, json.dumps({"error": about}).encode())


OUT = failing(503, "The service is down.", "service_unavailable")


def rejection(fault: str, place: float, retry_after: float) -> Answered | None:
    """The error in place of an answer; None for a fault that spoils an answer. `place` in [0, 1) chooses a status."""
    match fault:
        case "429":
            wait = (("retry-after", f"{retry_after:g}"),)
            return failing(429, "Rate limit reached. Please slow down.", "rate_limit_exceeded", wait)
        case "429-bare" | "rate-cap":
            return failing(429, "Too many requests.", "rate_limit_exceeded")
        case "quota":
            return failing(429, "You exceeded your current quota, please check your plan.", "insufficient_quota")
        case "5xx":
            return failing(
                _TROUBLES[int(place * len(_TROUBLES))], "The server had an error. Try again.", "server_error"
            )
        case "outage":
            return OUT
        case "poison":
            return failing(500, "The server had an error while processing this request.", "server_error")
    return None


def spoilt(fault: str, answer: Answered) -> Answered:
    """The answer as the fault leaves it. What is no success already, and a fault that is none of these, stay as is."""
    if answer.status != 200:
        return answer
    if fault in _WHOLE:
        return _WHOLE[fault](answer)
    if fault in _PARTS:
        reply = json.loads(answer.body)
        return answer._replace(body=json.dumps(_PARTS[fault](reply), ensure_ascii=False).encode())
    return answer


def _error_200(_: Answered) -> Answered:
    return failing(200, "The upstream provider is overloaded.", "overloaded")


def _retold(answer: Answered) -> Answered:
    """The reply as Python would print it: near to JSON, and not JSON."""
    return answer._replace(body=repr(json.loads(answer.body)).encode())


_WHOLE: Mapping[str, Callable[[Answered], Answered]] = {
    "html": lambda _: Answered(200, (("content-type", "text/html; charset=utf-8"),), _PAGE),
    "error-200": _error_200,
    "cut": lambda answer: answer._replace(body=answer.body[: len(answer.body) // 2]),
    "malformed": _retold,
    "content-type": lambda answer: answer._replace(headers=(("content-type", "text/plain"),)),
}


def _with_choice(reply: dict[str, Any], **parts: Any) -> dict[str, Any]:
    """The reply with parts of its first choice replaced, and without its log-probabilities."""
    first = {name: value for name, value in reply["choices"][0].items() if name != "logprobs"}
    return reply | {"choices": [first | parts]}


def _saying(content: str | None, refusal: str | None = None) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "refusal": refusal}


_PARTS: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "no-choices": lambda reply: reply | {"choices": []},
    "refusal": lambda reply: _with_choice(reply, message=_saying(None, "I'm sorry, but I can't help with that.")),
    "filtered": lambda reply: _with_choice(reply, message=_saying(""), finish_reason="content_filter"),
    "no-logprobs": _with_choice,
    "no-usage": lambda reply: {name: value for name, value in reply.items() if name != "usage"},
    "model": lambda reply: reply | {"model": "another-model-entirely"},
    "huge": lambda reply: _with_choice(reply, message=_saying("so " * (_HUGE // 3))),
}
