"""Fixtures: a ledger on disk, clients over loopback, and a clock whose waits take no time."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from agent.llm.client import LLMClient
from agent.llm.concurrency import Clock as RealClock
from agent.llm.endpoint import Capability, Endpoint
from agent.llm.retry import RetryPolicy
from agent.schema import Role
from agent.storage.ledger import Ledger

ABLE = Capability(logprobs=True, scale="percent", structured="json_schema")
KEY = "canary-key-1f9b7c"  # searched for in all output


class Clock:
    """A clock whose waits take no time and are recorded, in seconds."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def now(self) -> float:
        return time.monotonic() + sum(self.waits)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    @property
    def real(self) -> RealClock:
        return RealClock(self.now, self.sleep)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


Connect = Callable[..., LLMClient]


@pytest.fixture
def connect(clock: Clock) -> Iterator[Connect]:
    """connect(url, capability, …) is a client whose judge is behind the URL and need not be probed."""
    opened: list[LLMClient] = []

    def make(
        url: str, known: Capability = ABLE, timeout: float = 5.0, role: Role = Role.JUDGE, model: str = "m"
    ) -> LLMClient:
        endpoint = Endpoint(
            model=model, base_url=url, key=SecretStr(KEY), concurrency=16, input_price=2.0, output_price=8.0
        )
        llm = LLMClient({role: endpoint}, RetryPolicy(attempt_timeout=timeout, clock=clock.real), {role: known})
        opened.append(llm)
        return llm

    yield make
    for llm in opened:
        llm.close()
