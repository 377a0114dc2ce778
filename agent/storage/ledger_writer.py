"""Group commit: one thread stores all waiting operations in one transaction, then resolves their callers."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, Generic, NamedTuple, TypeVar

from agent.schema import Role
from agent.storage.ledger_database import (
    ANSWERED,
    DUPLICATE_ANSWER,
    Answer,
    Database,
    LedgerError,
    RoundRef,
    int_of,
    model_from_row,
)

T = TypeVar("T")


class Operation(Generic[T]):
    """A write to the ledger. T is the result its caller gets once it is on disk."""


@dataclass(frozen=True)
class Failed:
    """The result of an operation that was not stored."""

    error: BaseException


Store = Callable[[Sequence[Operation[Any]]], Sequence[object]]
_Loop = asyncio.AbstractEventLoop


@dataclass(frozen=True)
class _PendingWrite:
    operation: Operation[Any]
    blocked: "Future[Any] | None" = None
    awaited: "asyncio.Future[Any] | None" = None


class GroupCommitWriter:
    """A writer thread, started by the first operation. `store` returns each operation's result or Failed, in order.

    `on_abandoned` is called on the event loop for operations that were stored after their caller was cancelled.
    """

    def __init__(self, store: Store, on_abandoned: Callable[[Operation[Any], object], None]) -> None:
        self._store = store
        self._on_abandoned = on_abandoned
        self._queue: SimpleQueue[_PendingWrite | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self._lock = threading.Lock()

    def wait(self, operation: Operation[T]) -> T:
        """Block until the operation is on disk. Raises the error that prevented it."""
        future: Future[T] = Future()
        self._put(_PendingWrite(operation, blocked=future))
        return future.result()

    async def wait_async(self, operation: Operation[T]) -> T:
        """The same without blocking the event loop. If cancelled, the operation is still stored."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._put(_PendingWrite(operation, awaited=future))
        return await future

    def post(self, operation: Operation[Any]) -> None:
        """Store it soon, without waiting; a failure is not reported."""
        self._put(_PendingWrite(operation))

    def close(self) -> None:
        """Store pending operations, then end the thread. Closing twice is harmless."""
        with self._lock:
            self._is_closed = True
            thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join()

    def _put(self, write: _PendingWrite) -> None:
        with self._lock:
            if self._is_closed:
                raise LedgerError("The ledger was used after it was closed.")
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
                self._thread.start()
            self._queue.put(write)

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            waiting = [first, *(self._queue.get() for _ in range(self._queue.qsize()))]
            group = [write for write in waiting if write is not None]
            self._resolve_callers(group, self._stored(group))
            if len(group) < len(waiting):
                return  # the None of `close` is the last entry

    def _stored(self, group: Sequence[_PendingWrite]) -> Sequence[object]:
        try:
            return self._store([write.operation for write in group])
        except BaseException as error:  # noqa: BLE001 - it is raised in each caller, which would wait for ever otherwise
            return [Failed(error) for _ in group]

    def _resolve_callers(self, group: Sequence[_PendingWrite], outcomes: Sequence[object]) -> None:
        """Blocked callers directly; those of an event loop with one wake-up of that loop."""
        loops: dict[_Loop, list[tuple[_PendingWrite, object]]] = {}
        for write, outcome in zip(group, outcomes, strict=True):
            if write.awaited is not None:
                loops.setdefault(write.awaited.get_loop(), []).append((write, outcome))
            elif write.blocked is not None:
                _resolve(write.blocked, outcome)
        for loop, pairs in loops.items():
            with suppress(RuntimeError):  # the loop is closed: no caller is left
                loop.call_soon_threadsafe(self._resolve_on_loop, pairs)

    def _resolve_on_loop(self, pairs: Sequence[tuple[_PendingWrite, object]]) -> None:
        for write, outcome in pairs:
            if write.awaited is None:
                continue
            if not write.awaited.cancelled():
                _resolve(write.awaited, outcome)
            elif not isinstance(outcome, Failed):
                self._on_abandoned(write.operation, outcome)


def _resolve(future: "Future[Any] | asyncio.Future[Any]", outcome: object) -> None:
    if isinstance(outcome, Failed):
        future.set_exception(outcome.error)
    else:
        future.set_result(outcome)


SELECT_ANSWER = """
    SELECT key, role, prompt_id, sample, content, evidence, finish_reason, tokens_in, tokens_out, micro_usd, model
    FROM answers WHERE key = ?
"""
_BEGIN = "INSERT INTO attempts (id, key, role, purpose, campaign, round, begun, reserved) VALUES {}"
_END = """
    UPDATE attempts SET ended = new.column2, outcome = new.column3, detail = new.column4,
    charged = new.column5, tokens_in = new.column6, tokens_out = new.column7
    FROM (VALUES {}) AS new WHERE attempts.id = new.column1
"""
_ANSWER = "INSERT INTO answers VALUES {}"
_CLOSE_REJECTED = """
    UPDATE attempts SET outcome = ?2, detail = ?3, charged = answers.micro_usd, tokens_in = answers.tokens_in,
    tokens_out = answers.tokens_out FROM answers WHERE answers.key = ?1 AND attempts.id = (
        SELECT id FROM attempts WHERE key = ?1 AND outcome = ?4 ORDER BY id LIMIT 1
    )
"""
_DELETE_ANSWER = "DELETE FROM answers WHERE key = ?"
_TOUCH = "UPDATE sessions SET seen = max(seen, ?) WHERE id = ?"
_MOST_ROWS = 64  # per statement, by judgement: times 13 columns it is far below SQLite's limit of 32766 parameters

SqlRow = tuple[object, ...]


class AttemptCost(NamedTuple):
    """What an attempt without an answer cost: millionths of a dollar, and tokens."""

    charged: int = 0
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(frozen=True)
class BeginAttempt(Operation[int]):
    """An attempt is about to be sent, at `begun` (seconds since 1970). `reserved`: its maximum cost."""

    key: str
    role: Role
    purpose: str
    round_ref: RoundRef
    begun: float
    reserved: int


@dataclass(frozen=True)
class RecordAnswer(Operation[Answer]):
    """An attempt got an answer. The result is the answer that counts: the first of its key."""

    attempt: int
    answer: Answer
    round_ref: RoundRef
    ended: float


@dataclass(frozen=True)
class RecordFailure(Operation[None]):
    """An attempt got no answer; `cost` is what it still cost."""

    attempt: int
    error_class: str
    detail: str
    cost: AttemptCost
    ended: float


@dataclass(frozen=True)
class RejectAnswer(Operation[None]):
    """A stored answer turned out to be none: its attempt becomes a failure of this class that cost the same."""

    key: str
    error_class: str
    detail: str


@dataclass(frozen=True)
class TouchSession(Operation[None]):
    """A session was still running at `seen` (seconds since 1970)."""

    session: int
    seen: float


_FAILPOINTS = {BeginAttempt: "intent", RecordAnswer: "answer", RecordFailure: "fail"}


@dataclass
class _Plan:
    """The rows a group writes, and the state once they are committed."""

    begun: dict[int, BeginAttempt] = field(default_factory=dict)
    ended: dict[int, SqlRow] = field(default_factory=dict)
    answers: dict[str, RecordAnswer] = field(default_factory=dict)
    rejected: dict[str, RejectAnswer] = field(default_factory=dict)
    touched: list[TouchSession] = field(default_factory=list)


class AttemptStore:
    """Open attempts and known keys, in memory and on disk. One thread at a time stores."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: set[int] | None = None  # hashes of keys: half the memory; a collision costs one query
        self._open: dict[int, str] = {}
        self._last = 0

    def load(self) -> None:
        """Read the state from the file. From now on nothing else may write it."""
        self._known = {hash(key) for (key,) in self._db.rows("SELECT key FROM answers")}
        attempts = self._db.rows("SELECT id, key FROM attempts WHERE outcome IS NULL")
        self._open = {int_of(attempt): str(key) for attempt, key in attempts}
        self._last = int_of(self._db.rows("SELECT coalesce(max(id), 0) FROM attempts")[0][0])

    def may_have(self, key: str) -> bool:
        """False where no answer to this key is committed. A reader, which has loaded nothing, always says True."""
        return self._known is None or hash(key) in self._known

    def store(self, operations: Sequence[Operation[Any]]) -> list[object]:
        """Each operation's result or Failed, in order.

        An invalid operation fails alone; a failed commit fails all of them.
        """
        is_written = False
        plan = _Plan()
        try:
            with self._db.durable(*(_FAILPOINTS[type(one)] for one in operations if type(one) in _FAILPOINTS)) as db:
                results = [self._outcome(plan, one, db) for one in operations]
                _write(db, plan)
                is_written = True
        except (LedgerError, ValueError, OverflowError) as error:  # of SQLite, or a value that it cannot hold
            if not is_written and len(operations) > 1:
                return [result for one in operations for result in self.store([one])]
            return [Failed(error)] if len(operations) == 1 else [Failed(LedgerError(str(error))) for _ in operations]
        self._apply(plan)
        return results

    def _outcome(self, plan: _Plan, operation: Operation[Any], db: sqlite3.Connection) -> object:
        try:
            return self._plan(plan, operation, db)
        except LedgerError as error:
            return Failed(error)

    def _plan(self, plan: _Plan, operation: Operation[Any], db: sqlite3.Connection) -> object:
        match operation:
            case BeginAttempt():
                number = self._last + len(plan.begun) + 1
                plan.begun[number] = operation
                return number
            case RecordAnswer():
                return self._record_answer(plan, operation, db)
            case RecordFailure():
                how = (operation.ended, operation.error_class, operation.detail)
                self._end(plan, operation.attempt, *how, *operation.cost)
            case RejectAnswer():
                plan.rejected[operation.key] = operation
            case TouchSession():
                plan.touched.append(operation)
        return None

    def _record_answer(self, plan: _Plan, record: RecordAnswer, db: sqlite3.Connection) -> Answer:
        answer = record.answer
        if self._key_of(plan, record.attempt) != answer.key:
            raise LedgerError(f"Attempt {record.attempt} was not begun for the request that its answer is for.")
        first = self._first(plan, answer.key, db)
        if first is None:
            self._end(plan, record.attempt, record.ended, ANSWERED, "", *AttemptCost())
            plan.answers[answer.key] = record
            return answer
        cost = AttemptCost(answer.micro_usd, answer.tokens_in, answer.tokens_out)
        self._end(plan, record.attempt, record.ended, DUPLICATE_ANSWER, "", *cost)
        return first

    def _first(self, plan: _Plan, key: str, db: sqlite3.Connection) -> Answer | None:
        if key in plan.answers:
            return plan.answers[key].answer
        is_stored = self.may_have(key) and key not in plan.rejected
        row = db.execute(SELECT_ANSWER, (key,)).fetchone() if is_stored else None
        return model_from_row(Answer, row) if row else None

    def _key_of(self, plan: _Plan, attempt: int) -> str:
        """The key of an open attempt's request. Raises LedgerError where the attempt is not open."""
        key = plan.begun[attempt].key if attempt in plan.begun else self._open.get(attempt)
        if key is None or attempt in plan.ended:
            raise LedgerError(f"Attempt {attempt} is not open: it was never begun, or its outcome is already recorded.")
        return key

    def _end(self, plan: _Plan, attempt: int, *how: object) -> None:
        self._key_of(plan, attempt)
        plan.ended[attempt] = (attempt, *how)

    def _apply(self, plan: _Plan) -> None:
        self._last += len(plan.begun)
        self._open |= {number: begin.key for number, begin in plan.begun.items()}
        for attempt in plan.ended:
            del self._open[attempt]
        if self._known is not None:
            self._known.update(map(hash, plan.answers))


def _write(db: sqlite3.Connection, plan: _Plan) -> None:
    for key, rejected in plan.rejected.items():  # before new answers to the same keys
        db.execute(_CLOSE_REJECTED, (key, rejected.error_class, rejected.detail, ANSWERED))
        db.execute(_DELETE_ANSWER, (key,))
    _execute(db, _BEGIN, [_begin_row(number, begin) for number, begin in plan.begun.items()])
    _execute(db, _ANSWER, map(_answer_row, plan.answers.values()))
    _execute(db, _END, plan.ended.values())
    for touch in plan.touched:
        db.execute(_TOUCH, (touch.seen, touch.session))


def _begin_row(number: int, begin: BeginAttempt) -> SqlRow:
    return number, begin.key, begin.role.value, begin.purpose, *begin.round_ref, begin.begun, begin.reserved


def _answer_row(record: RecordAnswer) -> SqlRow:
    values = record.answer.__dict__ | {"role": record.answer.role.value}
    return *(values[name] for name in Answer.model_fields), *record.round_ref


def _execute(db: sqlite3.Connection, sql: str, rows: Iterable[SqlRow]) -> None:
    """Execute one statement for many rows, in powers of two so that few statements have to be prepared."""
    left = list(rows)
    while left:
        count = min(_MOST_ROWS, 1 << (len(left).bit_length() - 1))
        here, left = left[:count], left[count:]
        marks = f"({', '.join('?' * len(here[0]))})"
        db.execute(sql.format(", ".join([marks] * count)), [value for row in here for value in row])
