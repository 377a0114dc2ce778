"""How the toy endpoint misbehaves: which faults, how often and when. Read from Python or from command-line texts."""

import asyncio
import json
import math
import socket
import struct
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from agent.toyworld.protocol import fraction

# Drawn per request, by name. "drip", "content-type", "no-usage" and "model" still bring a whole answer.
FAULTS: Mapping[str, str] = {
    "429": "slow down, with Retry-After",
    "429-bare": "slow down, without a word on how long",
    "quota": "a 429 whose code is insufficient_quota",
    "5xx": "500, 502, 503, 504, 520 or 529",
    "hang": "never answers",
    "drip": "answers a byte at a time",
    "reset": "breaks the connection before the answer",
    "reset-amid": "breaks the connection amid the answer",
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
    """Seconds since the start in which every request is answered 503; `every` repeats it, which makes bursts."""

    start: float
    length: float
    every: float | None = None

    def __post_init__(self) -> None:
        if not (0 <= self.start < math.inf and 0 < self.length < math.inf):
            raise ValueError("An outage starts at second 0 or later and lasts longer than 0 seconds.")
        if self.every is not None and not self.length < self.every < math.inf:
            raise ValueError("What repeats needs more seconds from start to start than it lasts.")

    def covers(self, second: float) -> bool:
        since = second - self.start
        if since < 0:
            return False
        return (since % self.every if self.every is not None else since) < self.length


@dataclass(frozen=True)
class RateCap:
    """A token bucket: `burst` requests at once, refilled by `per_second`. What finds it empty gets a bare 429."""

    per_second: float
    burst: float

    def __post_init__(self) -> None:
        if not (0 < self.per_second < math.inf and 1 <= self.burst < math.inf):
            raise ValueError("A cap lets in more than 0 requests per second, and at least 1 at once.")


@dataclass(frozen=True)
class Faults:
    """What goes wrong. Waits in seconds; `rates` gives the share of requests for each name in FAULTS.

    `poison` are texts: a request that contains one is answered 500 for ever. After `quota_after` requests the account
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


def rates_from(texts: Sequence[str]) -> dict[str, float]:
    """The rates in texts such as "429=0.05". Raises ValueError that names the option and the remedy."""
    rates: dict[str, float] = {}
    for text in texts:
        name, _, rate = text.partition("=")
        try:
            if name in rates:
                raise ValueError(f"{name} has a rate already.")
            rates[name] = _numbers(rate, 1, 1)[0]
            Faults(rates=rates)
        except ValueError as error:
            raise ValueError(f"--fault {text}: {error} Write NAME=RATE, for example --fault 429=0.05.") from error
    return rates


def outages_from(texts: Sequence[str]) -> tuple[Outage, ...]:
    """The outages in texts such as "120:180" or "60:5:60". Raises ValueError that names the option and the remedy."""
    return tuple(map(_outage, texts))


def _outage(text: str) -> Outage:
    try:
        return Outage(*_numbers(text, 2, 3))
    except ValueError as error:
        remedy = "Write START:LENGTH or START:LENGTH:EVERY in seconds, for example --outage 120:180."
        raise ValueError(f"--outage {text}: {error} {remedy}") from error


def rate_cap_from(text: str) -> RateCap:
    """The cap in a text such as "20" or "20:5". Raises ValueError that names the option and the remedy."""
    try:
        rate, *burst = _numbers(text, 1, 2)
        return RateCap(rate, burst[0] if burst else max(1.0, rate))
    except ValueError as error:
        remedy = "Write RATE or RATE:BURST, in requests per second and requests at once, for example --rate-cap 20:5."
        raise ValueError(f"--rate-cap {text}: {error} {remedy}") from error


def latency_from(text: str) -> tuple[float, float]:
    """(fixed, spread) in a text such as "0.3" or "0.3:0.5". Raises ValueError that names the option and the remedy."""
    try:
        fixed, *more = _numbers(text, 1, 2)
        spread = more[0] if more else 0.0
        Faults(latency=fixed, spread=spread)
    except ValueError as error:
        remedy = "Write SECONDS, or SECONDS:SPREAD for up to that much more, for example --latency 0.3:0.5."
        raise ValueError(f"--latency {text}: {error} {remedy}") from error
    return fixed, spread


def _numbers(text: str, least: int, most: int) -> list[float]:
    parts = text.split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError as error:
        raise ValueError(f"{text!r} is not made of numbers.") from error
    if not least <= len(numbers) <= most:
        raise ValueError(f"{text!r} has too {'few' if len(numbers) < least else 'many'} numbers.")
    return numbers


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


def corrupted(fault: str, answer: Answered) -> Answered:
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

_FAREWELL = 1.0  # seconds for the answers that do come


class BreakableConnection(H11Protocol):
    """Serves the app as usual, and hands it a function that resets this connection. Ends soon after the server."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        served = self.app

        async def app(scope: Any, receive: Any, send: Any) -> None:
            extensions = {**(scope.get("extensions") or {}), RESET: self._reset}
            await served({**scope, "extensions": extensions}, receive, send)

        self.app = app

    def shutdown(self) -> None:
        """End, and do not let the answers that never come hold up the end."""
        super().shutdown()
        self.loop.call_later(_FAREWELL, self.transport.abort)

    def _reset(self) -> None:
        """Close without the farewell of TCP: the client sees a reset, not an end."""
        connection = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


RESET = "toyworld.reset"  # the extension under which a server hands over a function that breaks the connection
_HARMLESS = {"", "drip", "no-usage", "model", "content-type"}

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class Counts:
    """What came and went: requests posted, different bodies among them, whole usable answers, calls in flight.

    `faults` counts by the name of the fault, with outage, rate-cap, quota and poison beside the drawn ones.
    """

    requests: int
    unique: int
    answers: int
    in_flight: int
    peak: int
    faults: Mapping[str, int]


def with_faults(
    app: ASGIApp, faults: Faults, clock: Clock = time.monotonic, sleep: Sleep = asyncio.sleep
) -> "FaultMiddleware":
    """The app with faults. Which request gets which drawn fault depends on the seed, its body and how often it came."""
    return FaultMiddleware(app, faults, clock, sleep)


class FaultMiddleware:
    """An ASGI app around another. GET /v1/faults tells the counts; POST /v1/faults/reset starts everything anew."""

    def __init__(self, app: ASGIApp, faults: Faults, clock: Clock, sleep: Sleep) -> None:
        self._app = app
        self._faults = faults
        self._clock = clock
        self._sleep = sleep
        self._in_flight = 0
        self.reset()

    @property
    def counts(self) -> Counts:
        """The counts since the start or the last reset."""
        return Counts(
            requests=self._requests,
            unique=len(self._unique),
            answers=self._answers,
            in_flight=self._in_flight,
            peak=self._peak,
            faults=dict(sorted(self._by_fault.items())),
        )

    def reset(self) -> None:
        """Begin the rehearsal anew: counts, draws, quota, cap and the clock of the outages."""
        self._start = self._clock()
        self._requests = self._answers = self._let_in = 0
        self._peak = self._in_flight
        self._unique: set[bytes] = set()
        self._seen: Counter[bytes] = Counter()
        self._by_fault: Counter[str] = Counter()
        self._bucket = _Bucket(self._faults.rate_cap, self._start) if self._faults.rate_cap else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = (scope.get("method"), scope.get("path")) if scope["type"] == "http" else None
        if asked == ("GET", "/v1/faults"):
            await JSONResponse(asdict(self.counts))(scope, receive, send)
        elif asked == ("POST", "/v1/faults/reset"):
            self.reset()
            await JSONResponse(asdict(self.counts))(scope, receive, send)
        elif asked and asked[0] == "POST":
            await self._post(scope, receive, send)
        elif asked and self._is_out():
            await _whole(OUT)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _post(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        gone = asyncio.create_task(_gone(receive))
        self._requests += 1
        self._in_flight += 1
        self._peak = max(self._peak, self._in_flight)
        try:
            await self._answer(_Visit(scope, body, receive, send, gone))
        finally:
            self._in_flight -= 1
            gone.cancel()

    async def _answer(self, visit: "_Visit") -> None:
        fault, place = self._decide(visit.body)
        if fault:
            self._by_fault[fault] += 1
        wait = self._faults.latency + self._faults.spread * place
        if wait:
            await self._sleep(wait)
        if fault == "hang":
            await visit.gone
        elif fault == "reset":
            await visit.break_off()
        else:
            answer = rejection(fault, place, self._faults.retry_after) or corrupted(
                fault, await visit.asked_of(self._app)
            )
            await self._send(fault, answer, visit)

    async def _send(self, fault: str, answer: Answered, visit: "_Visit") -> None:
        if fault == "reset-amid":
            await visit.begin(answer)
            await visit.go_on(answer.body[: len(answer.body) // 2])
            await visit.break_off()
            return
        if fault == "drip":
            await visit.begin(answer)
            for n in range(len(answer.body) - 1):
                await visit.go_on(answer.body[n : n + 1])
                await self._sleep(self._faults.drip)
                if visit.gone.done():
                    return
        self._answers += fault in _HARMLESS and answer.status == 200 and not visit.gone.done()
        if fault == "drip":
            await visit.go_on(answer.body[-1:], last=True)
        else:
            await _whole(answer)(visit.scope, visit.receive, visit.send)

    def _decide(self, body: bytes) -> tuple[str, float]:
        """The fault of a request ("" for none), and a place in [0, 1) that chooses within it."""
        identity = sha256(body).digest()
        self._unique.add(identity)
        draw = ("fault", str(self._faults.seed), identity.hex(), str(self._seen[identity]))
        refused = self._refused(body)
        if not refused:  # what is turned away uses up no draw, so that draws do not depend on the time
            self._seen[identity] += 1
        return refused or _drawn(self._faults.rates, fraction(*draw)), fraction("place", *draw)

    def _refused(self, body: bytes) -> str:
        """Why a request is turned away, whatever is drawn for it; "" if it is let in."""
        if self._is_out():
            return "outage"
        if self._faults.quota_after is not None and self._let_in >= self._faults.quota_after:
            return "quota"
        if self._bucket and not self._bucket.takes(self._clock()):
            return "rate-cap"
        self._let_in += 1
        if self._faults.poison:
            prompt = "\n".join(_texts(body))
            if any(text in prompt for text in self._faults.poison):
                return "poison"
        return ""

    def _is_out(self) -> bool:
        second = self._clock() - self._start
        return any(outage.covers(second) for outage in self._faults.outages)


@dataclass(frozen=True)
class _Visit:
    """One request with the way back to its client; `gone` is done when the client has left."""

    scope: Scope
    body: bytes
    receive: Receive
    send: Send
    gone: "asyncio.Task[None]"

    async def asked_of(self, app: ASGIApp) -> Answered:
        """What the app answers, held back."""
        start: Message = {}
        parts: list[bytes] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": self.body, "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                parts.append(message.get("body", b""))

        await app(self.scope, receive, send)
        headers = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"])
        kept = tuple((name, value) for name, value in headers if name != "content-length")
        return Answered(start["status"], kept, b"".join(parts))

    async def begin(self, answer: Answered) -> None:
        await self.send({"type": "http.response.start", "status": answer.status, "headers": _whole(answer).raw_headers})

    async def go_on(self, piece: bytes, last: bool = False) -> None:
        await self.send({"type": "http.response.body", "body": piece, "more_body": not last})

    async def break_off(self) -> None:
        """Reset the connection where the server can; elsewhere an error, which ends it too or rises to the caller."""
        reset = (self.scope.get("extensions") or {}).get(RESET)
        if reset is None:
            raise ConnectionResetError("The toy endpoint breaks this connection on purpose.")
        reset()
        await self.gone


class _Bucket:
    """A token bucket, full at the start."""

    def __init__(self, cap: RateCap, now: float) -> None:
        self._cap = cap
        self._level = cap.burst
        self._filled = now

    def takes(self, now: float) -> bool:
        self._level = min(self._cap.burst, self._level + (now - self._filled) * self._cap.per_second)
        self._filled = now
        if self._level < 1:
            return False
        self._level -= 1
        return True


def _drawn(rates: Mapping[str, float], place: float) -> str:
    for name in FAULTS:  # in this order, however the settings were written
        place -= rates.get(name, 0.0)
        if place < 0:
            return name
    return ""


def _whole(answer: Answered) -> Response:
    return Response(answer.body, answer.status, dict(answer.headers))


async def _body(receive: Receive) -> bytes:
    parts = []
    while (message := await receive())["type"] == "http.request":
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    return b"".join(parts)


async def _gone(receive: Receive) -> None:
    """Wait until the client has left, or has its whole answer."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _texts(body: bytes) -> Iterator[str]:
    """Every text in a request's JSON: the prompt is among them."""
    try:
        waiting = [json.loads(body)]
    except ValueError:  # no JSON, no prompt
        return
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, list | dict):
            waiting.extend(value.values() if isinstance(value, dict) else value)
