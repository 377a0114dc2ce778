"""Single flight: whoever asks for what is already being bought waits for that purchase."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Flights(Generic[T]):
    """At most one running purchase per key. Used from one event loop only."""

    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Task[T]] = {}
        self._waiting: dict[Hashable, int] = {}

    async def join(self, key: Hashable, buy: Callable[[], Coroutine[Any, Any, T]]) -> T:
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
            if self._waiting[key] == 1:
                task.cancel()
                await asyncio.wait([task])
            raise
        finally:
            self._leave(key)

    def _leave(self, key: Hashable) -> None:
        self._waiting[key] -= 1
        if not self._waiting[key]:
            del self._waiting[key]
