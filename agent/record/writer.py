"""Group commit: one thread takes all that waits, has it stored in one transaction, and only then tells each caller."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from agent.record.ledger_rows import LedgerError

T = TypeVar("T")


class Operation(Generic[T]):
    """Something to be stored. T is what its caller learns when it has reached the disk."""


@dataclass(frozen=True)
class Failed:
    """The outcome of an operation that was not stored."""

    error: BaseException


Store = Callable[[Sequence[Operation[Any]]], Sequence[object]]
_Loop = asyncio.AbstractEventLoop


@dataclass(frozen=True)
class _Ticket:
    operation: Operation[Any]
    blocked: "Future[Any] | None" = None
    awaited: "asyncio.Future[Any] | None" = None


class Writer:
    """The thread, started by the first operation. `store` gives each operation's result or Failed, in order.

    `abandoned` is told, on the event loop, of operations that were stored when their caller had been cancelled.
    """

    def __init__(self, store: Store, abandoned: Callable[[Operation[Any], object], None]) -> None:
        self._store = store
        self._abandoned = abandoned
        self._queue: SimpleQueue[_Ticket | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self._lock = threading.Lock()

    def wait(self, operation: Operation[T]) -> T:
        """Block until the operation is on disk. Raises what kept it from getting there."""
        future: Future[T] = Future()
        self._put(_Ticket(operation, blocked=future))
        return future.result()

    async def wait_async(self, operation: Operation[T]) -> T:
        """The same without blocking the event loop. When cancelled, the operation is stored all the same."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._put(_Ticket(operation, awaited=future))
        return await future

    def post(self, operation: Operation[Any]) -> None:
        """Have it stored soon; nobody waits, and nobody hears of a failure."""
        self._put(_Ticket(operation))

    def close(self) -> None:
        """Store what waits, then end the thread. Closing twice is harmless."""
        with self._lock:
            self._is_closed = True
            thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join()

    def _put(self, ticket: _Ticket) -> None:
        with self._lock:
            if self._is_closed:
                raise LedgerError("The ledger was used after it had been closed.")
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
                self._thread.start()
            self._queue.put(ticket)

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            waiting = [first, *(self._queue.get() for _ in range(self._queue.qsize()))]
            group = [ticket for ticket in waiting if ticket is not None]
            self._tell(group, self._stored(group))
            if len(group) < len(waiting):
                return  # what closes the queue is its last entry

    def _stored(self, group: Sequence[_Ticket]) -> Sequence[object]:
        try:
            return self._store([ticket.operation for ticket in group])
        except BaseException as error:  # noqa: BLE001 - it rises in each caller; here it would leave them waiting
            return [Failed(error) for _ in group]

    def _tell(self, group: Sequence[_Ticket], outcomes: Sequence[object]) -> None:
        """Blocked callers at once; those of an event loop by one wake-up of that loop."""
        loops: dict[_Loop, list[tuple[_Ticket, object]]] = {}
        for ticket, outcome in zip(group, outcomes, strict=True):
            if ticket.awaited is not None:
                loops.setdefault(ticket.awaited.get_loop(), []).append((ticket, outcome))
            elif ticket.blocked is not None:
                _resolve(ticket.blocked, outcome)
        for loop, pairs in loops.items():
            with suppress(RuntimeError):  # the loop is closed: nobody waits there any more
                loop.call_soon_threadsafe(self._tell_loop, pairs)

    def _tell_loop(self, pairs: Sequence[tuple[_Ticket, object]]) -> None:
        for ticket, outcome in pairs:
            if ticket.awaited is None:
                continue
            if not ticket.awaited.cancelled():
                _resolve(ticket.awaited, outcome)
            elif not isinstance(outcome, Failed):
                self._abandoned(ticket.operation, outcome)


def _resolve(future: "Future[Any] | asyncio.Future[Any]", outcome: object) -> None:
    if isinstance(outcome, Failed):
        future.set_exception(outcome.error)
    else:
        future.set_result(outcome)
