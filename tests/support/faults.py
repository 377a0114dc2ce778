"""An LLM endpoint with faults, as ASGI middleware and as a server: `python -m tests.support.faults --help`."""

import argparse
import asyncio
import json
import socket
import struct
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

import uvicorn
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from agent.toyworld.protocol import fraction
from agent.toyworld.server import ToySettings, create_app
from tests.support.fault_kinds import FAULTS, UNAVAILABLE, Answered, Faults, Outage, RateCap, corrupted, rejection

_GRACE = 1.0  # seconds for answers in flight when the server stops


class BreakableConnection(H11Protocol):
    """Serves the app, with a function in its scope that resets the connection. Closes soon after the server stops."""

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
        """Stop, without waiting for answers that never come."""
        super().shutdown()
        self.loop.call_later(_GRACE, self.transport.abort)

    def _reset(self) -> None:
        """Close with a TCP reset instead of a regular end."""
        connection = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


RESET = "toyworld.reset"  # the scope extension with the function that resets the connection
_HARMLESS = {"", "drip", "no-usage", "model", "content-type"}

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class Counts:
    """Counters: requests posted, different bodies among them, complete usable answers, calls in flight.

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
    """The app with faults. Seed, body and how often a body came decide which fault a request gets."""
    return FaultMiddleware(app, faults, clock, sleep)


class FaultMiddleware:
    """ASGI middleware with faults. GET /v1/faults gives the counters; POST /v1/faults/reset restarts everything."""

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
        """Restart counters, draws, quota, rate cap and the clock of the outages."""
        self._start = self._clock()
        self._requests = self._answers = self._admitted = 0
        self._peak = self._in_flight
        self._unique: set[bytes] = set()
        self._draws: Counter[bytes] = Counter()
        self._by_fault: Counter[str] = Counter()
        self._bucket = _Bucket(self._faults.rate_cap, self._start) if self._faults.rate_cap else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = (scope.get("method"), scope.get("path")) if scope["type"] == "http" else None
        if request == ("GET", "/v1/faults"):
            await JSONResponse(asdict(self.counts))(scope, receive, send)
        elif request == ("POST", "/v1/faults/reset"):
            self.reset()
            await JSONResponse(asdict(self.counts))(scope, receive, send)
        elif request and request[0] == "POST":
            await self._post(scope, receive, send)
        elif request and self._is_unavailable():
            await _whole(UNAVAILABLE)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _post(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read_body(receive)
        disconnected = asyncio.create_task(_disconnect(receive))
        self._requests += 1
        self._in_flight += 1
        self._peak = max(self._peak, self._in_flight)
        try:
            await self._answer(_Exchange(scope, body, receive, send, disconnected))
        finally:
            self._in_flight -= 1
            disconnected.cancel()

    async def _answer(self, exchange: "_Exchange") -> None:
        fault, place = self._decide(exchange.body)
        if fault:
            self._by_fault[fault] += 1
        wait = self._faults.latency + self._faults.spread * place
        if wait:
            await self._sleep(wait)
        if fault == "hang":
            await exchange.disconnected
        elif fault == "reset":
            await exchange.reset()
        else:
            answer = rejection(fault, place, self._faults.retry_after) or corrupted(
                fault, await exchange.answer_of(self._app)
            )
            await self._send(fault, answer, exchange)

    async def _send(self, fault: str, answer: Answered, exchange: "_Exchange") -> None:
        if fault == "reset-amid":
            await exchange.start(answer)
            await exchange.write(answer.body[: len(answer.body) // 2])
            await exchange.reset()
            return
        if fault == "drip":
            await exchange.start(answer)
            for n in range(len(answer.body) - 1):
                await exchange.write(answer.body[n : n + 1])
                await self._sleep(self._faults.drip)
                if exchange.disconnected.done():
                    return
        self._answers += fault in _HARMLESS and answer.status == 200 and not exchange.disconnected.done()
        if fault == "drip":
            await exchange.write(answer.body[-1:], last=True)
        else:
            await _whole(answer)(exchange.scope, exchange.receive, exchange.send)

    def _decide(self, body: bytes) -> tuple[str, float]:
        """The fault of a request ("" for none), and a number in [0, 1) that chooses its variant."""
        identity = sha256(body).digest()
        self._unique.add(identity)
        draw = ("fault", str(self._faults.seed), identity.hex(), str(self._draws[identity]))
        rejected = self._rejected(body)
        if not rejected:  # a rejected request uses up no draw, so that draws do not depend on time
            self._draws[identity] += 1
        return rejected or _drawn(self._faults.rates, fraction(*draw)), fraction("place", *draw)

    def _rejected(self, body: bytes) -> str:
        """Why a request is rejected before any draw; "" where it is admitted."""
        if self._is_unavailable():
            return "outage"
        if self._faults.quota_after is not None and self._admitted >= self._faults.quota_after:
            return "quota"
        if self._bucket and not self._bucket.take(self._clock()):
            return "rate-cap"
        self._admitted += 1
        if self._faults.poison:
            prompt = "\n".join(_texts(body))
            if any(text in prompt for text in self._faults.poison):
                return "poison"
        return ""

    def _is_unavailable(self) -> bool:
        second = self._clock() - self._start
        return any(outage.covers(second) for outage in self._faults.outages)


@dataclass(frozen=True)
class _Exchange:
    """One request and the connection to its client; `disconnected` is done when the client has left."""

    scope: Scope
    body: bytes
    receive: Receive
    send: Send
    disconnected: "asyncio.Task[None]"

    async def answer_of(self, app: ASGIApp) -> Answered:
        """The whole answer of the app."""
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

    async def start(self, answer: Answered) -> None:
        await self.send({"type": "http.response.start", "status": answer.status, "headers": _whole(answer).raw_headers})

    async def write(self, piece: bytes, last: bool = False) -> None:
        await self.send({"type": "http.response.body", "body": piece, "more_body": not last})

    async def reset(self) -> None:
        """Reset the connection where the server can; elsewhere raise ConnectionResetError, which ends it too."""
        reset_connection = (self.scope.get("extensions") or {}).get(RESET)
        if reset_connection is None:
            raise ConnectionResetError("The endpoint resets this connection on purpose.")
        reset_connection()
        await self.disconnected


class _Bucket:
    """A token bucket, full at the start."""

    def __init__(self, cap: RateCap, now: float) -> None:
        self._cap = cap
        self._level = cap.burst
        self._filled = now

    def take(self, now: float) -> bool:
        self._level = min(self._cap.burst, self._level + (now - self._filled) * self._cap.per_second)
        self._filled = now
        if self._level < 1:
            return False
        self._level -= 1
        return True


def _drawn(rates: Mapping[str, float], place: float) -> str:
    for name in FAULTS:  # in this order, whatever the order of the settings
        place -= rates.get(name, 0.0)
        if place < 0:
            return name
    return ""


def _whole(answer: Answered) -> Response:
    return Response(answer.body, answer.status, dict(answer.headers))


async def _read_body(receive: Receive) -> bytes:
    parts = []
    while (message := await receive())["type"] == "http.request":
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    return b"".join(parts)


async def _disconnect(receive: Receive) -> None:
    """Wait until the client has left or has its whole answer."""
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve the toy endpoint with faults on 127.0.0.1 until the process is stopped."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.faults", description=main.__doc__)
    add = parser.add_argument
    add("--port", type=int, required=True)
    add("--fault", type=_rate, action="append", default=[], metavar="NAME=RATE", help=", ".join(FAULTS))
    add("--outage", type=_outage, action="append", default=[], metavar="START:LENGTH[:EVERY]", help="in seconds")
    add("--rate-cap", type=_rate_cap, metavar="RATE:BURST", help="requests per second : requests at once")
    add("--retry-after", type=float, default=1.0, help="seconds that the fault 429 asks for")
    given = parser.parse_args(arguments)
    faults = Faults(dict(given.fault), (), tuple(given.outage), given.rate_cap, retry_after=given.retry_after)
    app = with_faults(create_app(ToySettings()), faults)
    uvicorn.run(app, port=given.port, log_level="warning", access_log=False, http=BreakableConnection)


def _rate(text: str) -> tuple[str, float]:
    name, _, rate = text.partition("=")
    return name, float(rate)


def _outage(text: str) -> Outage:
    return Outage(*map(float, text.split(":")))


def _rate_cap(text: str) -> RateCap:
    rate, burst = map(float, text.split(":"))
    return RateCap(rate, burst)


if __name__ == "__main__":
    main()
