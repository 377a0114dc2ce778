"""Single flight: whoever asks for what is already being bought waits for that purchase."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from agent.models.failures import Halted

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Flights(Generic[K, T]):
    """At most one running purchase per key. Used from one event loop only."""

    def __init__(self) -> None:
        self._tasks: dict[K, asyncio.Task[T]] = {}
        self._waiting: dict[K, int] = {}
        self._abandoned: set[K] = set()

    async def join(self, key: K, buy: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of the purchase under way for the key, else of a new one.

        A purchase is cancelled only when nobody waits for it any more.
        """
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(buy())
            task.add_done_callback(lambda _: self._tasks.pop(key, None))
        self._waiting[key] = self._waiting.get(key, 0) + 1
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if key in self._abandoned and task.done():
                raise Halted("It was not sent: a stop was asked for.") from None
            if self._waiting[key] == 1:
                task.cancel()
                await asyncio.wait([task])
            raise
        finally:
            self._leave(key)

    def abandon(self, which: Callable[[K], bool]) -> None:
        """Give up the purchases of these keys: whoever waits for them gets Halted."""
        for key in [key for key in self._tasks if which(key)]:
            self._abandoned.add(key)
            self._tasks[key].cancel()

    def _leave(self, key: K) -> None:
        self._waiting[key] -= 1
        if not self._waiting[key]:
            del self._waiting[key]
            self._abandoned.discard(key)
