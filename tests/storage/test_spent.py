"""Cost and running time over all sessions: the sums that a budget starts from after a restart."""

import threading
from pathlib import Path

import pytest

from agent.schema import Role, Usage
from agent.storage.ledger import Ledger
from agent.storage.ledger_database import Spent
from tests.storage.test_group_commit import busy_writing
from tests.storage.test_ledger import answer


class Clock:
    """Seconds since 1970, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def settled(ledger: Ledger) -> None:
    """Wait until what was handed in before is on disk: operations are stored in order."""
    ledger.record_failure(ledger.begin_attempt("wait", Role.JUDGE, "x"), "transient", "to wait for the writer")


def test_minutes_add_up_over_sessions_and_survive_a_restart(path: Path) -> None:
    clock = Clock()
    for minutes in (10, 30, 2.5):
        with Ledger(path, clock=clock) as ledger:
            session = ledger.begin_session()
            for half in (1, 2):
                ledger.touch_session(session, 30 * minutes * half)
        clock.now += 86_400.0
    with Ledger.read(path) as reader:
        assert reader.minutes() == 42.5


def test_a_session_counts_until_its_last_touch_and_a_changed_clock_does_not_matter(path: Path) -> None:
    clock = Clock()
    with Ledger(path, clock=clock) as ledger:
        session = ledger.begin_session()
        assert ledger.minutes() == 0.0
        clock.now -= 7200.0
        ledger.touch_session(session, 120.0)
        clock.now += 14_400.0
        ledger.touch_session(session, 119.0)
        settled(ledger)
        assert ledger.minutes() == 2.0
        ledger.begin_session()
        assert ledger.minutes() == 2.0


def test_touching_a_session_waits_for_no_commit(path: Path) -> None:
    clock = Clock()
    with Ledger(path, clock=clock) as ledger:
        session = ledger.begin_session()
        with busy_writing(ledger):
            touch = threading.Thread(target=ledger.touch_session, args=(session, 60.0), daemon=True)
            touch.start()
            touch.join(5.0)
            assert not touch.is_alive()
        settled(ledger)
        assert ledger.minutes() == 1.0


def test_what_is_spent_includes_failures_repeats_and_what_may_have_been_paid(path: Path) -> None:
    with Ledger(path) as ledger:
        for key in ("a", "b", "a"):
            ledger.record_answer(ledger.begin_attempt(key, Role.JUDGE, "x", reserved=100), answer(key))
        ledger.record_answer(ledger.begin_attempt("b", Role.JUDGE, "x"), answer("b", micro_usd=0))
        cut = ledger.begin_attempt("c", Role.JUDGE, "x", reserved=100)
        ledger.record_failure(cut, "truncated", "cut", charged=100, tokens=(7, 4))
        ledger.record_failure(ledger.begin_attempt("d", Role.JUDGE, "x", reserved=100), "rate", "429")
        ledger.begin_attempt("e", Role.JUDGE, "x", reserved=70)
        ledger.begin_attempt("f", Role.AUTHOR, "draft", reserved=900)
        ledger.begin_attempt("g", Role.AUTHOR, "draft")
    with Ledger.read(path) as reader:
        assert reader.spent_by_role() == (
            Spent(
                role=Role.AUTHOR,
                calls=2,
                tokens_in=0,
                tokens_out=0,
                micro_usd=900,
                open_calls=2,
                possibly_paid=900,
            ),
            Spent(
                role=Role.JUDGE,
                calls=7,  # 2 answers, 2 repeats (1 free), 2 failures (1 free), 1 never ended
                tokens_in=4 * 200 + 7,
                tokens_out=4 * 1 + 4,
                micro_usd=30 * 3 + 100 + 70,
                open_calls=1,
                possibly_paid=70,
            ),
        )
        assert [(one.key, one.reserved) for one in reader.pending()] == [("e", 70), ("f", 900), ("g", 0)]
        assert reader.total_usage() == Usage(  # without what is only possibly paid
            calls=(("judge", 6),), tokens_in=807, tokens_out=8, micro_usd=190
        )


def test_an_attempt_that_ends_frees_its_reservation(path: Path) -> None:
    with Ledger(path) as ledger:
        attempt = ledger.begin_attempt("a", Role.JUDGE, "x", reserved=70)
        assert [one.micro_usd for one in ledger.spent_by_role()] == [70]
        ledger.record_answer(attempt, answer("a"))
        assert [(one.micro_usd, one.possibly_paid) for one in ledger.spent_by_role()] == [(30, 0)]


def test_nothing_is_spent_in_a_new_ledger(path: Path) -> None:
    with Ledger(path) as ledger:
        assert ledger.spent_by_role() == ()
        assert ledger.minutes() == 0.0
