"""Kinds of faults of an LLM endpoint: how often and when they happen, and the replies they make."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

# Drawn per request, by name. "drip", "content-type", "no-usage" and "model" still give a whole answer.
FAULTS: Mapping[str, str] = {
    "429": "rate limit, with Retry-After",
    "429-bare": "rate limit, without Retry-After",
    "quota": "a 429 whose code is insufficient_quota",
    "5xx": "500, 502, 503, 504, 520 or 529",
    "hang": "never answers",
    "drip": "answers byte by byte",
    "reset": "resets the connection before the answer",
    "reset-amid": "resets the connection amid the answer",
    "cut": "JSON that ends too early",
    "malformed": "almost JSON",
    "html": "a sign-in page with status 200",
    "error-200": "an error object with status 200",
    "no-choices": "an empty list of choices",
    "refusal": "the model declines",
    "filtered": "a content filter withholds the answer",
    "no-logprobs": "log-probabilities left out",
    "no-usage": "token counts left out",
    "model": "another model's name echoed",
    "content-type": "the right answer as text/plain",
    "huge": "20 MB",
}


@dataclass(frozen=True)
class Outage:
    """An interval, in seconds since the start, in which every request gets a 503; `every` repeats it."""

    start: float
    length: float
    every: float | None = None

    def __post_init__(self) -> None:
        if not (0 <= self.start < math.inf and 0 < self.length < math.inf):
            raise ValueError("An outage starts at second 0 or later and lasts longer than 0 seconds.")
        if self.every is not None and not self.length < self.every < math.inf:
            raise ValueError("A repeated outage needs more seconds from start to start than it lasts.")

    def covers(self, second: float) -> bool:
        since = second - self.start
        if since < 0:
            return False
        return (since % self.every if self.every is not None else since) < self.length


@dataclass(frozen=True)
class RateCap:
    """A token bucket: `burst` requests at once, refilled by `per_second`. With it empty, requests get a bare 429."""

    per_second: float
    burst: float

    def __post_init__(self) -> None:
        if not (0 < self.per_second < math.inf and 1 <= self.burst < math.inf):
            raise ValueError("A cap admits more than 0 requests per second, and at least 1 at once.")


@dataclass(frozen=True)
class Faults:
    """The faults of an endpoint. Waits in seconds; `rates` gives the share of requests for each name in FAULTS.

    `poison` are texts: a request that contains one always gets a 500. After `quota_after` requests the account
    is out of credit. Every reply takes `latency` seconds and up to `spread` more; a dripping one takes `drip` per byte.
    """

    rates: Mapping[str, float] = field(default_factory=dict)
    poison: tuple[str, ...] = ()
    outages: tuple[Outage, ...] = ()
    rate_cap: RateCap | None = None
    quota_after: int | None = None
    latency: float = 0.0
    spread: float = 0.0
    drip: float = 1.0
    retry_after: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, rate in self.rates.items():
            if name not in FAULTS:
                raise ValueError(f"There is no fault {name!r}. There are {', '.join(FAULTS)}.")
            if not 0 <= rate <= 1:
                raise ValueError(f"The rate of {name}, {rate:g}, must lie from 0 to 1: 0.05 is one request in twenty.")
        total = math.fsum(self.rates.values())
        if total > 1 + 1e-9:
            raise ValueError(f"The rates add up to {total:g}: a request has one fault, so they may reach 1 together.")
        for name in ("latency", "spread", "drip", "retry_after", "quota_after"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise ValueError(f"{name.replace('_', '-')} {value:g}: write a finite number from 0 on.")
        if not all(self.poison):
            raise ValueError("poison: an empty text is in every prompt; give a text that only some prompts contain.")


Headers = tuple[tuple[str, str], ...]
JSON: Headers = (("content-type", "application/json"),)
_SERVER_ERRORS = (500, 502, 503, 504, 520, 529)
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


UNAVAILABLE = failing(503, "The service is down.", "service_unavailable")


def rejection(fault: str, place: float, retry_after: float) -> Answered | None:
    """The error in place of an answer; None for faults that corrupt one. `place` in [0, 1) chooses a status."""
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
                _SERVER_ERRORS[int(place * len(_SERVER_ERRORS))], "The server had an error. Try again.", "server_error"
            )
        case "outage":
            return UNAVAILABLE
        case "poison":
            return failing(500, "The server had an error while processing this request.", "server_error")
    return None


def corrupted(fault: str, answer: Answered) -> Answered:
    """The answer after the fault; unchanged where it is an error already, or the fault corrupts no answer."""
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


def _as_repr(answer: Answered) -> Answered:
    """The reply as Python prints it: almost JSON."""
    return answer._replace(body=repr(json.loads(answer.body)).encode())


_WHOLE: Mapping[str, Callable[[Answered], Answered]] = {
    "html": lambda _: Answered(200, (("content-type", "text/html; charset=utf-8"),), _PAGE),
    "error-200": _error_200,
    "cut": lambda answer: answer._replace(body=answer.body[: len(answer.body) // 2]),
    "malformed": _as_repr,
    "content-type": lambda answer: answer._replace(headers=(("content-type", "text/plain"),)),
}


def _with_choice(reply: dict[str, Any], **parts: Any) -> dict[str, Any]:
    """The reply with parts of its first choice replaced, and without its log-probabilities."""
    first = {name: value for name, value in reply["choices"][0].items() if name != "logprobs"}
    return reply | {"choices": [first | parts]}


def _message(content: str | None, refusal: str | None = None) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "refusal": refusal}


_PARTS: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "no-choices": lambda reply: reply | {"choices": []},
    "refusal": lambda reply: _with_choice(reply, message=_message(None, "I'm sorry, but I can't help with that.")),
    "filtered": lambda reply: _with_choice(reply, message=_message(""), finish_reason="content_filter"),
    "no-logprobs": _with_choice,
    "no-usage": lambda reply: {name: value for name, value in reply.items() if name != "usage"},
    "model": lambda reply: reply | {"model": "another-model-entirely"},
    "huge": lambda reply: _with_choice(reply, message=_message("so " * (_HUGE // 3))),
}
