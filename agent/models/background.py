"""One event loop in one daemon thread, for the life of the process: connections outlive the call that opened them."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_PATIENCE = 5.0  # seconds granted to cancelled work for closing its connections
_lock = threading.Lock()
_loops: list[asyncio.AbstractEventLoop] = []


def _loop() -> asyncio.AbstractEventLoop:
    with _lock:
        if not _loops:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="llm-loop", daemon=True).start()
            _loops.append(loop)
        return _loops[0]


def call(work: Callable[[], object]) -> None:
    """Have something done on the process's loop soon; nobody waits for it."""
    _loop().call_soon_threadsafe(work)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the process's loop and wait for it. An interrupt cancels it, lets it wind up, and goes on."""
    done = threading.Event()

    async def tracked() -> T:
        try:
            return await work
        finally:
            done.set()

    future = asyncio.run_coroutine_threadsafe(tracked(), _loop())
    try:
        return future.result()
    except BaseException:
        if future.cancel():
            done.wait(_PATIENCE)
        raise
