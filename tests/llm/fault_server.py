"""A raw HTTP server on loopback that answers from a script, and raises when the script runs out."""

import asyncio
import json
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


class ScriptRanOut(AssertionError):
    """The server was asked more often than its script has answers."""


@dataclass(frozen=True)
class Answering:
    """One reply on the wire. `missing` bytes are announced, never sent; `deed` is reset, reset-amid, hang or drip."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)
    delay: float = 0.0
    missing: int = 0
    deed: str = ""


@dataclass
class Asked:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


HEALTH_CHECK = "Say 1."  # the prompt of a client's health check
Answerer = Callable[[Asked], Answering]


def tops(*tokens: tuple[str, dict[str, float]]) -> dict[str, Any]:
    """The logprobs part of a choice from (sampled token, {alternative: probability}) of each position."""

    def log(value: float) -> float:
        return math.log(value) if value > 0 else -9999.0

    return {
        "content": [
            {
                "token": token,
                "logprob": log(top.get(token, 0.0)),
                "top_logprobs": [{"token": text, "logprob": log(value)} for text, value in top.items()],
            }
            for token, top in tokens
        ]
    }


def chat_body(content: str | None, logprobs: Any = None, finish: str = "stop", **more: Any) -> dict[str, Any]:
    """A valid chat completion; `more` replaces fields of it."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": finish}
    if logprobs is not None:
        choice["logprobs"] = logprobs
    usage = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
    return {"id": "c", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage} | more


def chat(content: str | None, logprobs: Any = None, finish: str = "stop", **more: Any) -> Answering:
    return Answering(body=json.dumps(chat_body(content, logprobs, finish, **more)).encode())


def number(value: int) -> Answering:
    """A valid scored answer."""
    return chat(str(value), tops((str(value), {str(value): 0.9, "x": 0.1})))


def failing(
    status: int, message: str = "trouble", code: Any = None, headers: Sequence[tuple[str, str]] = ()
) -> Answering:
    error = {"error": {"message": message, "code": code, "type": None, "param": None}}
    return Answering(status, json.dumps(error).encode(), (("content-type", "application/json"), *headers))


@dataclass
class FaultServer:
    """Answers from a list, once each, or by a function of the request. `asked` holds what arrived, in order.

    Health checks are answered too and not kept, unless `answers_health_checks` is off.
    """

    script: Iterable[Answering] | Answerer
    asked: list[Asked] = field(default_factory=list)
    ran_out: bool = False
    answers_health_checks: bool = True
    in_flight: int = 0
    peak: int = 0
    url: str = ""

    def __post_init__(self) -> None:
        self._left: Iterator[Answering] | None = None if callable(self.script) else iter(self.script)

    @property
    def unused(self) -> int:
        return len(list(self._left or ()))

    def _next(self, asked: Asked) -> Answering:
        if self._left is None:
            assert callable(self.script)
            return self.script(asked)
        found = next(self._left, None)
        if found is None:
            self.ran_out = True
            return Answering(status=418, body=b'{"error": {"message": "the script ran out"}}')
        return found

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (asked := await _read(reader)) is not None:
                if self.answers_health_checks and asked.body["messages"][0]["content"] == HEALTH_CHECK:
                    await _write(writer, number(1))
                    continue
                self.asked.append(asked)
                self.in_flight += 1
                self.peak = max(self.peak, self.in_flight)
                try:
                    keep = await _write(writer, self._next(asked))
                finally:
                    self.in_flight -= 1
                if not keep:
                    break
        except (ConnectionError, asyncio.CancelledError):  # the client left
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(first.split()[1], headers, json.loads(body))


async def _write(writer: asyncio.StreamWriter, answer: Answering) -> bool:
    await asyncio.sleep(answer.delay)
    if answer.deed == "reset":
        writer.transport.abort()
        return False
    if answer.deed == "hang":
        await asyncio.sleep(3600)
    length = len(answer.body) + answer.missing
    head = f"HTTP/1.1 {answer.status} X\r\ncontent-length: {length}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in answer.headers)
    writer.write(head.encode() + b"\r\n")
    if answer.deed == "reset-amid":
        writer.write(answer.body[: length // 2])
        await writer.drain()
        writer.transport.abort()
        return False
    for piece in (bytes([byte]) for byte in answer.body) if answer.deed == "drip" else [answer.body]:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.05 if answer.deed == "drip" else 0)
    return not answer.missing


@contextmanager
def serving(script: Iterable[Answering] | Answerer) -> Iterator[FaultServer]:
    """A running server. Leaving it raises ScriptRanOut if it was asked too often."""
    server = FaultServer(script)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    listening = asyncio.run_coroutine_threadsafe(asyncio.start_server(server.serve, "127.0.0.1", 0), loop).result(5)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(_shut(listening), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
    if server.ran_out:
        raise ScriptRanOut(f"the script ran out: {len(server.asked)} requests came")


async def _shut(listening: asyncio.Server) -> None:
    listening.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
