"""A soak (T13): many calls through the whole path over loopback; what memory and descriptors they leave behind."""

import gc
import os
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from agent.llm.client import LLMClient
from agent.llm.endpoint import Capability, Endpoint
from agent.schema import Role
from agent.storage.ledger import Ledger
from tests.bench.report import Row, met, tell
from tests.bench.throughput import IN_FLIGHT, MODEL, questions, serving

CHUNK = 1000  # calls asked for at a time, as a round of a large trait does
WARM = 10_000  # calls after which nothing may grow
ABLE = Capability(logprobs=True, scale="percent", structured="json_schema")


class Held(NamedTuple):
    """What this process holds: resident memory in megabytes, and open descriptors."""

    memory: float
    descriptors: int


def held() -> Held:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Held(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(list(Path("/proc/self/fd").iterdir())))


def soak(calls: int) -> Row:
    """T13: flat means no more than a tenth of memory and no more than four descriptors above those at 10,000 calls."""
    warm = min(WARM, calls // 2)
    seen: dict[int, Held] = {}
    texts, began = questions(CHUNK), time.monotonic()
    with serving() as url, tempfile.TemporaryDirectory() as folder:
        endpoint = Endpoint(model=MODEL, base_url=url, concurrency=IN_FLIGHT, input_price=0.15, output_price=0.6)
        llm = LLMClient({Role.JUDGE: endpoint}, known={Role.JUDGE: ABLE})
        with Ledger(Path(folder) / "ledger.sqlite") as ledger:
            for done in range(CHUNK, calls + 1, CHUNK):
                asked = [one.model_copy(update={"sample": done}) for one in texts]  # each is bought anew
                assert all(reply.score for reply in llm.ask_all(asked, ledger))
                if done % WARM == 0 or done in (warm, calls):
                    seen[done] = held()
                    tell(f"T13: {done} calls, {seen[done].memory:.0f} MB, {seen[done].descriptors} descriptors")
        llm.close()
    first, last = seen[warm], seen[calls]
    return Row(
        "T13",
        f"a soak of {calls} calls, 100 in flight",
        "-",
        f"{first.memory:.0f} MB and {first.descriptors} descriptors at {warm}; {last.memory:.0f} MB and "
        f"{last.descriptors} at the end, {calls / (time.monotonic() - began):.0f} calls/s",
        f"flat after {WARM}",
        f"{calls} calls",
        met(last.memory <= 1.1 * first.memory and last.descriptors <= first.descriptors + 4),
    )
