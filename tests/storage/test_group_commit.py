"""Group commit: concurrent operations share a commit, and no caller is resolved before it is on disk."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.schema import Role, Usage
from agent.storage.ledger import Ledger
from agent.storage.ledger_database import LedgerError
from tests.storage.test_ledger import answer

MANY = 50


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger(path) as opened:
        yield opened


@contextmanager
def busy_writing(ledger: Ledger) -> Iterator[None]:
    """Another thread is in the middle of a commit for as long as the block lasts."""
    begun, done = threading.Event(), threading.Event()

    def commit() -> None:
        with ledger._db.durable("round"):
            begun.set()
            done.wait()

    thread = threading.Thread(target=commit)
    thread.start()
    begun.wait()
    try:
        yield
    finally:
        done.set()
        thread.join()


def together(ledger: Ledger, *asked: Callable[[], Coroutine[Any, Any, Any]]) -> list[Any]:
    """The results (or errors) of operations that all wait when the writer comes to take them: they make one group."""

    async def ask() -> list[Any]:
        with busy_writing(ledger):
            ledger.touch_session(0, 0.0)  # the writer takes it alone, and waits for the commit that is under way
            await until(lambda: not ledger._writer._queue.qsize())
            tasks = [asyncio.create_task(one()) for one in asked]
            await until(lambda: ledger._writer._queue.qsize() == len(asked))
            assert not any(task.done() for task in tasks)
        return await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(ask())


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.001)


def begin(ledger: Ledger, keys: Sequence[str]) -> list[int]:
    return [ledger.begin_attempt(key, Role.JUDGE, "forecast") for key in keys]


def statements(connection: sqlite3.Connection, work: Callable[[], object]) -> list[str]:
    """The first words of the SQL that ran on a connection meanwhile."""
    ran: list[str] = []
    connection.set_trace_callback(ran.append)
    work()
    connection.set_trace_callback(None)
    return [sql.split()[0] for sql in ran]


def test_what_waits_at_one_time_is_committed_once(ledger: Ledger) -> None:
    keys = [f"k{n}" for n in range(MANY)]
    asked = [lambda key=key: ledger.begin_attempt_async(key, Role.JUDGE, "forecast") for key in keys]
    ids: list[int] = []
    ran = statements(ledger._db._connection, lambda: ids.extend(together(ledger, *asked)))
    assert ids == list(range(1, MANY + 1))
    assert [attempt.key for attempt in ledger.pending()] == keys
    assert ran.count("COMMIT") == 3  # of the thread in the way, of what the writer held, of all the others


def test_callers_on_a_loop_are_resolved_by_one_wake_up_per_group(ledger: Ledger) -> None:
    woken: list[object] = []

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        wake = loop.call_soon_threadsafe

        def counted(*told: Any) -> asyncio.Handle:
            woken.append(told)
            return wake(*told)

        loop.call_soon_threadsafe = counted  # type: ignore[assignment]
        with busy_writing(ledger):
            tasks = [
                asyncio.create_task(ledger.begin_attempt_async(f"k{n}", Role.JUDGE, "forecast")) for n in range(MANY)
            ]
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)

    asyncio.run(ask())
    assert len(woken) <= 2


def test_a_caller_hears_of_an_intent_when_another_process_could_read_it(ledger: Ledger, path: Path) -> None:
    async def call(key: str) -> None:
        attempt = await ledger.begin_attempt_async(key, Role.JUDGE, "forecast", reserved=9)
        with Ledger.read(path) as reader:
            assert (attempt, key, 9) in {(one.id, one.key, one.reserved) for one in reader.pending()}
        bought = await ledger.record_answer_async(attempt, answer(key))
        with Ledger.read(path) as reader:
            assert reader.answer(key) == bought == answer(key)
            assert attempt not in {one.id for one in reader.pending()}

    async def all_of() -> None:
        await asyncio.gather(*(call(f"k{n}") for n in range(20)))

    asyncio.run(all_of())
    assert ledger.attempt_counts() == {"answered": 20}


def test_within_a_group_only_what_is_wrong_fails(ledger: Ledger) -> None:
    first, second, third, fourth, fifth = begin(ledger, ["a", "b", "c", "d", "e"])
    results = together(
        ledger,
        lambda: ledger.record_answer_async(first, answer("a")),
        lambda: ledger.record_answer_async(77, answer("a")),
        lambda: ledger.record_answer_async(second, answer("c")),
        lambda: ledger.record_answer_async(third, answer("c", content="\ud800")),
        lambda: ledger.record_failure_async(fourth, "transient", "503", charged=4),
        lambda: ledger.record_failure_async(fourth, "transient", "503 again"),
        lambda: ledger.record_answer_async(fifth, answer("e", micro_usd=2**63)),
        lambda: ledger.begin_attempt_async("f", Role.AUTHOR, "draft"),
    )
    assert results[0] == answer("a")
    assert [type(result) for result in results[1:]] == [
        LedgerError,
        LedgerError,
        LedgerError,
        type(None),
        LedgerError,
        OverflowError,
        int,
    ]
    assert "is not open" in str(results[1])
    assert "was not begun for the request" in str(results[2])
    assert "half a surrogate pair" in str(results[3])
    assert "is not open" in str(results[5])
    assert ledger.attempt_counts() == {"answered": 1, "pending": 4, "transient": 1}
    assert [attempt.key for attempt in ledger.pending()] == ["b", "c", "e", "f"]
    assert ledger.record_answer(third, answer("c")) == answer("c")


def test_of_two_answers_in_one_group_the_first_counts(ledger: Ledger) -> None:
    first, second = begin(ledger, ["k", "k"])
    results = together(
        ledger,
        lambda: ledger.record_answer_async(first, answer("k", content="72")),
        lambda: ledger.record_answer_async(second, answer("k", content="15")),
    )
    assert [result.content for result in results] == ["72", "72"]
    assert ledger.attempt_counts() == {"answered": 1, "repeated": 1}
    assert ledger.total_usage().micro_usd == 60


def test_an_attempt_is_closed_once_also_within_one_group(ledger: Ledger) -> None:
    (attempt,) = begin(ledger, ["k"])
    results = together(
        ledger,
        lambda: ledger.record_failure_async(attempt, "timeout", "late", charged=7),
        lambda: ledger.record_answer_async(attempt, answer("k")),
    )
    assert results[0] is None
    assert "is not open" in str(results[1])
    assert ledger.attempt_counts() == {"timeout": 1}
    assert ledger.answer("k") is None


def test_a_group_larger_than_one_statement_is_stored_whole_and_in_order(ledger: Ledger) -> None:
    keys = [f"k{n}" for n in range(203)]
    ids = together(ledger, *(lambda key=key: ledger.begin_attempt_async(key, Role.JUDGE, "x") for key in keys))
    pairs = list(zip(ids, keys, strict=True))
    settled = together(
        ledger, *(lambda i=i, key=key: ledger.record_answer_async(i, answer(key, content=key)) for i, key in pairs)
    )
    assert [one.content for one in settled] == keys
    assert [(ledger.answer(key) or answer("")).content for key in keys] == keys
    assert ledger.attempt_counts() == {"answered": 203}


class FailingDisk:
    """A connection one of whose commits fails, as on a disk that breaks, after so many that succeed."""

    def __init__(self, connection: sqlite3.Connection, good: int) -> None:
        self._connection = connection
        self.left = good

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql == "COMMIT":
            self.left -= 1
            if self.left == -1:
                raise sqlite3.OperationalError("disk I/O error")
        return self._connection.execute(sql, *values)

    def close(self) -> None:
        self._connection.close()


def test_a_failed_commit_fails_the_whole_group_and_leaves_no_trace_of_it(ledger: Ledger) -> None:
    (attempt,) = begin(ledger, ["a"])
    asked = [
        lambda: ledger.record_answer_async(attempt, answer("a")),
        lambda: ledger.begin_attempt_async("b", Role.JUDGE, "x"),
    ]
    disk = FailingDisk(ledger._db._connection, good=2)  # of the thread in the way, and of what the writer held
    ledger._db._connection = disk  # type: ignore[assignment]
    results = together(ledger, *asked)
    assert [str(result).partition(": ")[2] for result in results] == [
        "disk I/O error. Check the disk. Progress is saved; rerun the command to resume."
    ] * 2
    assert disk.left == -1  # nothing was tried again
    assert ledger.answer("a") is None
    assert [one.key for one in ledger.pending()] == ["a"]
    assert together(ledger, *asked) == [answer("a"), attempt + 1]


def test_an_answer_whose_caller_is_cancelled_is_stored_all_the_same(ledger: Ledger) -> None:
    (attempt,) = begin(ledger, ["a"])

    async def ask() -> None:
        with busy_writing(ledger):
            task = asyncio.create_task(ledger.record_answer_async(attempt, answer("a")))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await ledger.begin_attempt_async("b", Role.JUDGE, "x")

    asyncio.run(ask())
    assert ledger.answer("a") == answer("a")


def test_an_attempt_cancelled_before_it_was_sent_is_not_listed_as_possibly_paid(ledger: Ledger) -> None:
    async def ask() -> None:
        with busy_writing(ledger):
            tasks = [asyncio.create_task(ledger.begin_attempt_async(key, Role.JUDGE, "x", reserved=5)) for key in "ab"]
            await asyncio.sleep(0)
            tasks[0].cancel()
            await asyncio.wait(tasks[:1])
        await tasks[1]
        await until(lambda: "withdrawn" in ledger.attempt_counts())

    asyncio.run(ask())
    assert [one.key for one in ledger.pending()] == ["b"]
    assert ledger.total_usage() == Usage()
