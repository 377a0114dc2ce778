"""Where the CPU of one call goes: seconds of each thread by its own clock, and the event loop's by module."""

import cProfile
import pstats
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from agent.llm import concurrency

# The first part that a file's path contains names the place; what is built in counts where it is called from.
PLACES = (
    ("agent/record", "ledger"),
    ("sqlite3", "ledger"),
    ("agent/models/calls", "building the body and its key"),
    ("agent/schema", "building the body and its key"),
    ("json/encoder", "building the body and its key"),
    ("agent/models/replies", "parsing and scoring"),
    ("agent/models/scores", "parsing and scoring"),
    ("agent/models/objects", "parsing and scoring"),
    ("agent/models", "asking: pace, budget, retries"),
    ("tenacity", "asking: pace, budget, retries"),
    ("json", "parsing and scoring"),
    ("pydantic", "parsing and scoring"),
    ("openai/_vendor", "transport: httpx2 to aiohttp"),
    ("openai", "transport: openai"),
    ("httpx2", "transport: httpx2"),
    ("httpcore2", "transport: httpx2"),
    ("anyio", "transport: httpx2"),
    ("aiohttp", "transport: aiohttp"),
    ("yarl", "transport: aiohttp"),
    ("multidict", "transport: aiohttp"),
    ("asyncio", "asyncio"),
    ("selectors", "asyncio"),
)
REST = "rest"
_IDLE = "<method 'poll' of 'select.epoll' objects>"

_Function = tuple[str, int, str]


class Spending(NamedTuple):
    """Milliseconds per call: CPU by thread, and the event loop's thread by place (both slowed by the profiler)."""

    threads: dict[str, float]
    places: dict[str, float]

    def table(self) -> str:
        """Two columns of figures."""
        lines = ["CPU ms per call by thread (under the profiler)"]
        lines += [f"  {name:<32}{spent:8.3f}" for name, spent in self.threads.items()]
        total = sum(self.places.values())
        lines.append("the event loop's thread by module: ms under the profiler, share")
        ranked = sorted(self.places.items(), key=lambda item: -item[1])
        lines += [f"  {name:<32}{spent:8.3f}{100 * spent / total:7.1f}%" for name, spent in ranked]
        return "\n".join(lines)


def profiled(work: Callable[[], None], calls: int) -> Spending:
    """Do the work with the event loop's thread under the profiler."""
    profiler = cProfile.Profile()

    async def switch(on: bool) -> None:
        (profiler.enable if on else profiler.disable)()

    concurrency.run(switch(on=True))
    before = _clocks()
    work()
    after = _clocks()
    concurrency.run(switch(on=False))
    threads = {name: 1000 * (spent - before.get(name, 0.0)) / calls for name, spent in after.items()}
    return Spending(threads, _places(pstats.Stats(profiler), calls))


def _clocks() -> dict[str, float]:
    """Seconds of CPU that each living thread has used."""
    return {
        thread.name: time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
        for thread in threading.enumerate()
        if thread.ident is not None
    }


def _places(stats: pstats.Stats, calls: int) -> dict[str, float]:
    spent: defaultdict[str, float] = defaultdict(float)
    entries: dict[_Function, tuple[int, int, float, float, dict[_Function, tuple[int, int, float, float]]]]
    entries = stats.stats  # type: ignore[attr-defined]
    for function, (_, _, own, _, callers) in entries.items():
        if function[0] != "~":
            spent[_place(function)] += own
            continue
        if function[2] == _IDLE:
            continue
        for caller, figures in callers.items():
            spent[_place(caller if caller[0] != "~" else function)] += figures[2]
    return {place: 1000 * seconds / calls for place, seconds in spent.items()}


def _place(function: _Function) -> str:
    text = f"{function[0]} {function[2]}".partition("site-packages/")[2] or f"{function[0]} {function[2]}"
    return next((place for part, place in PLACES if part in text), REST)
