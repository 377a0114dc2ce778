"""The toy endpoint misbehaves, so that a night can be rehearsed: faults drawn, faults by the clock, and counts."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.toyworld.endpoint_faults_replies import OUT, Answered, rejection, spoilt
from agent.toyworld.endpoint_faults_settings import FAULTS, Faults, Outage, RateCap
from agent.toyworld.endpoint_request import fraction

__all__ = ["FAULTS", "RESET", "Counts", "Faults", "Misbehaving", "Outage", "RateCap", "misbehaving"]

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


def misbehaving(
    app: ASGIApp, faults: Faults, clock: Clock = time.monotonic, sleep: Sleep = asyncio.sleep
) -> "Misbehaving":
    """The app with faults. Which request gets which drawn fault depends on the seed, its body and how often it came."""
    return Misbehaving(app, faults, clock, sleep)


class Misbehaving:
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
            answer = rejection(fault, place, self._faults.retry_after) or spoilt(fault, await visit.asked_of(self._app))
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
