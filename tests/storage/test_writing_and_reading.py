"""The writer's thread lives as long as its ledger, and no reader waits for it."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.schema import Role
from agent.storage.ledger import Ledger
from agent.storage.ledger_database import LedgerError
from tests.storage.test_group_commit import MANY, begin, busy_writing, statements
from tests.storage.test_ledger import answer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger(path) as opened:
        yield opened


def test_closing_stores_what_waits(path: Path) -> None:
    async def ask() -> list[int]:
        ledger = Ledger(path)
        with busy_writing(ledger):
            tasks = [asyncio.create_task(ledger.begin_attempt_async(f"k{n}", Role.JUDGE, "x")) for n in range(MANY)]
            await asyncio.sleep(0)
            closing = threading.Thread(target=ledger.close)
            closing.start()
        closing.join()
        with pytest.raises(LedgerError, match="after it was closed"):
            await ledger.begin_attempt_async("late", Role.JUDGE, "x")
        ledger.close()
        return await asyncio.gather(*tasks)

    assert sorted(asyncio.run(ask())) == list(range(1, MANY + 1))
    with Ledger.read(path) as reader:
        assert len(reader.pending()) == MANY


def test_a_closed_ledger_leaves_no_thread_and_no_file_but_its_own(path: Path) -> None:
    before = set(threading.enumerate())
    with Ledger(path) as ledger:
        begin(ledger, ["a"])
        assert set(threading.enumerate()) > before
    assert set(threading.enumerate()) == before
    assert {file.name for file in path.parent.iterdir()} <= {"ledger.sqlite", "ledger.sqlite.lock"}


def test_reading_does_not_wait_for_a_commit(ledger: Ledger) -> None:
    (attempt,) = begin(ledger, ["a"])
    ledger.record_answer(attempt, answer("a"))
    with busy_writing(ledger):
        assert ledger.answer("a") == answer("a")
        assert ledger.answer("absent") is None
        assert ledger.attempt_counts() == {"answered": 1}


def test_a_key_that_is_known_to_be_absent_costs_no_query_not_even_after_a_restart(ledger: Ledger, path: Path) -> None:
    (attempt,) = begin(ledger, ["a"])
    ledger.record_answer(attempt, answer("a"))
    ledger.close()
    with Ledger(path) as again:
        ran = statements(again._db._reading, lambda: [again.answer(f"absent {n}") for n in range(9)])
        assert ran == []
        assert again.answer("a") == answer("a")


def test_a_reader_sees_answers_that_came_after_it_was_opened(ledger: Ledger, path: Path) -> None:
    with Ledger.read(path) as reader:
        assert reader.answer("a") is None
        (attempt,) = begin(ledger, ["a"])
        ledger.record_answer(attempt, answer("a"))
        assert reader.answer("a") == answer("a")


def test_an_attempt_of_an_earlier_run_can_be_closed_by_a_later_one(path: Path) -> None:
    with Ledger(path) as ledger:
        first, second = begin(ledger, ["a", "b"])
    with Ledger(path) as ledger:
        assert begin(ledger, ["c"]) == [second + 1]
        assert ledger.record_answer(first, answer("a")) == answer("a")
        with pytest.raises(LedgerError, match="was not begun for the request"):
            ledger.record_answer(second, answer("a"))
        ledger.record_failure(second, "lost", "the run was killed")
        assert [one.key for one in ledger.pending()] == ["c"]
