"""A run in one process: the real command and client, the toy judge and author, a scripted subject, a quick clock."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import dropwhile
from pathlib import Path
from typing import Any

import httpx2
from starlette.types import ASGIApp, Receive, Scope, Send
from typer.testing import CliRunner, Result

from agent.app.composition import PLAIN_TEXT
from agent.cli.main import app
from agent.llm.concurrency import Clock
from agent.llm.retry import RetryPolicy
from agent.toyworld.server import ToySettings, create_app
from tests.cli.scripted import SETTINGS, experiment, scripted, tree
from tests.support.fault_kinds import Answered

PLACE = "extraction/toy/refusal/refinement"
CANARY = "Say 1."
TIMES = 100  # seconds of the quick clock in one real second
EXACT = ToySettings(flips=0.0, systematic=0.0, weak=0.0)


def quick_now() -> float:
    """Seconds of a clock that runs a hundred times as fast: three minutes of outage cost a test two seconds."""
    return time.monotonic() * TIMES


async def quick_sleep(seconds: float) -> None:
    await asyncio.sleep(seconds / TIMES)


QUICK = Clock(quick_now, quick_sleep)


@dataclass(eq=False)
class Gatekeeper:
    """An ASGI app before another: notes every prompt with its time, and answers itself where `instead` says so.

    What an app in process raises for a reset connection arrives as the error of a network.
    """

    app: ASGIApp
    instead: Callable[[str], Answered | None] = lambda prompt: None
    prompts: list[str] = field(default_factory=list)
    bodies: Counter[bytes] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    tokens: Counter[str] = field(default_factory=Counter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive())["body"]
        prompt = json.loads(body)["messages"][0]["content"]
        self.prompts.append(prompt)
        self.bodies[body] += 1
        self.times.append(quick_now())
        own = self.instead(prompt)
        if own is not None:
            self.refused.append(prompt)
            await send({"type": "http.response.start", "status": own.status, "headers": _raw(own)})
            await send({"type": "http.response.body", "body": own.body})
            return
        try:
            await self.app(scope, _again(body, receive), send if is_of_probe(prompt) else self._counted(send))
        except ConnectionResetError as error:
            raise httpx2.ReadError("the connection was reset") from error

    def _counted(self, send: Send) -> Send:
        async def counting(message: Any) -> None:
            if b'"usage":' in message.get("body", b""):
                usage = json.loads(message["body"])["usage"]
                self.tokens.update({name: usage[f"{name}_tokens"] for name in ("prompt", "completion")})
            await send(message)

        return counting

    @property
    def questions(self) -> list[str]:
        """The prompts of the work itself, without those of the probes, of which the first also asks for openers."""
        after = dropwhile(lambda prompt: is_of_probe(prompt) or title(prompt) == "# Write openers", self.prompts)
        return [prompt for prompt in after if not is_of_probe(prompt)]


def is_of_probe(prompt: str) -> bool:
    """Whether a prompt names no task in its first line, or is about the text of the probe's questions."""
    return not prompt.startswith("#") or PLAIN_TEXT in prompt


def _raw(answer: Answered) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in answer.headers]


def _again(body: bytes, receive: Receive) -> Receive:
    """The request's body once more, then whatever comes."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def first() -> Any:
        return waiting.pop() if waiting else await receive()

    return first


def rehearse(folder: Path, *options: str, before: ASGIApp | None = None, **retry: Any) -> Result:
    """One run to its end, on the quick clock; `before` stands before the toy endpoint, `retry` is of its policy."""
    backends = scripted(toy_app=lambda settings: before or create_app(EXACT), retry=RetryPolicy(clock=QUICK, **retry))
    return CliRunner().invoke(app, ["run", "--experiment", str(folder), *options], obj=backends)


def larger(root: Path, target: int, more: str = "") -> Path:
    """The scripted experiment with another goal, and with more settings."""
    settings = SETTINGS.replace("batch = 2\ntarget = 6", f"batch = 8\ntarget = {target}")
    return experiment(root, settings + more)


def outcome(folder: Path) -> dict[str, bytes]:
    """The final set and the canonical history."""
    files = tree(folder / PLACE)
    return {name: files[name] for name in ("final/positive.txt", "final/negative.txt", "history.jsonl")}


def title(prompt: str) -> str:
    """The task that a prompt names in its first line."""
    return prompt.partition("\n")[0]
