"""Storms over loopback in real time: a cap of 20 requests a second (T4), requests that never answer (T7)."""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import openai

from agent.llm.client import LLMClient
from agent.llm.endpoint import Capability, Endpoint
from agent.llm.retry import RetryPolicy
from agent.schema import Request, Role
from agent.storage.ledger import Ledger
from agent.toyworld.server import create_app
from tests.bench.report import Row, met, tell
from tests.bench.throughput import questions
from tests.e2e.rehearsal import EXACT
from tests.support.fault_kinds import Faults, RateCap
from tests.support.faults import FaultMiddleware, with_faults
from tests.support.test_faults_served import served

IN_FLIGHT = 100
CAP = RateCap(per_second=20, burst=20)
ABLE = Capability(logprobs=True, scale="percent", structured="json_schema")


class Asked(NamedTuple):
    """What came of many calls: how many were lost, and the seconds it took."""

    lost: int
    seconds: float


def troubled(faults: Faults) -> FaultMiddleware:
    return with_faults(create_app(EXACT), faults)


def ours(port: int, requests: Sequence[Request], policy: RetryPolicy | None = None) -> Asked:
    """The whole path: `ask_all` with a ledger on disk."""
    endpoint = Endpoint(model="toyworld", base_url=f"http://127.0.0.1:{port}/v1", concurrency=IN_FLIGHT)
    llm = LLMClient({Role.JUDGE: endpoint}, policy, {Role.JUDGE: ABLE})
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "ledger.sqlite") as ledger:
        began = time.monotonic()
        replies = llm.ask_all(requests, ledger)
        seconds = time.monotonic() - began
    llm.close()
    return Asked(sum(reply.error is not None for reply in replies), seconds)


def plain(port: int, requests: Sequence[Request]) -> Asked:
    """The client as its manual shows it: gather over create with its own retries, held to the same number in flight."""

    async def all_of() -> int:
        slots = asyncio.Semaphore(IN_FLIGHT)
        async with openai.AsyncOpenAI(api_key="none", base_url=f"http://127.0.0.1:{port}/v1") as client:

            async def one(prompt: str) -> None:
                async with slots:
                    messages = [{"role": "user", "content": prompt}]
                    await client.chat.completions.create(model="toyworld", messages=messages, max_tokens=4)

            done = await asyncio.gather(*(one(r.prompt) for r in requests), return_exceptions=True)
        return sum(isinstance(reply, openai.APIError) for reply in done)

    began = time.monotonic()
    lost = asyncio.run(all_of())
    return Asked(lost, time.monotonic() - began)


def rate_cap(quick: bool) -> Row:
    """T4: as many calls as the cap lets through in twenty seconds, by both clients, each with a full bucket."""
    calls = 200 if quick else 400
    requests, ideal = questions(calls), (calls - CAP.burst) / CAP.per_second
    tell(f"T4: {calls} calls under 20 a second, the plain client")
    with served(troubled(Faults(rate_cap=CAP))) as port:
        theirs = plain(port, requests)
    tell(f"T4: the same by the whole path; ideal are {ideal:.0f} s")
    app = troubled(Faults(rate_cap=CAP))
    with served(app) as port:
        mine = ours(port, requests)
    ratio, refused = mine.seconds / ideal, app.counts.faults.get("rate-cap", 0)
    return Row(
        "T4",
        f"{calls} calls under 20 a second, {IN_FLIGHT} in flight",
        f"{theirs.lost} lost in {theirs.seconds:.1f} s",
        f"{mine.lost} lost in {mine.seconds:.1f} s = {ratio:.2f} x ideal, {refused} refused",
        "0 lost, <= 1.2 x ideal",
        "1 run each",
        met(mine.lost == 0 and ratio <= 1.2),
    )


def hangs(quick: bool) -> list[Row]:
    """T7: two in a hundred requests never answer. Once at a provider's usual latency, once at next to none."""
    slow = _hang("T7", 400 if quick else 2000, 1.0, 2.0)
    return [slow] if quick else [slow, _hang("T7b", 2000, 0.05, 0.0)]


def _hang(name: str, calls: int, latency: float, spread: float) -> Row:
    requests, asked = questions(calls), []
    for share in (0.0, 0.02):
        tell(f"{name}: {calls} calls of {latency:g} to {latency + spread:g} s, {share:.0%} never answer")
        with served(troubled(Faults(rates={"hang": share}, latency=latency, spread=spread))) as port:
            asked.append(ours(port, requests))
    ratio = asked[1].seconds / asked[0].seconds
    return Row(
        name,
        f"{calls} calls of {latency:g}-{latency + spread:g} s, 2% never answer",
        "600 s per try (its default; not run)",
        f"{asked[1].seconds:.1f} s, fault-free {asked[0].seconds:.1f} s = {ratio:.2f} x, {asked[1].lost} lost; "
        "attempt timeout learned, at least 20 s",
        "<= 3 x fault-free",
        "1 run each",
        met(ratio <= 3 and asked[1].lost == 0),
    )
