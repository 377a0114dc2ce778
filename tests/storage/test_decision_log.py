"""The decision log keeps every line, with several writers and wherever a crash cuts a line short."""

import multiprocessing
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from filelock import FileLock
from pydantic import ValidationError

from agent.schema import Act, Decision
from agent.storage import durable
from agent.storage.decision_log import DecisionError, DecisionLog, in_force, line_of, next_moment

COUNT = 200


def decision(pair: str = "d0000", who: str = "ann", **more: object) -> Decision:
    about = {"trait": "toy/refusal", "campaign": 1, "pair": pair, "act": Act.APPROVE, "key": "k", "proposed": "k"}
    moment = {"base": None, "who": who, "when": "2026-01-02T03:04:05.000006+00:00"}
    return Decision.model_validate(about | moment | more)


@pytest.fixture
def log(tmp_path: Path) -> DecisionLog:
    return DecisionLog(tmp_path / "refinement" / "decisions.jsonl")


def append_many(path: Path, who: str) -> None:
    log = DecisionLog(path)
    for number in range(COUNT):
        log.append(decision(f"d{number:04}", who, note="two\nlines \u2028 and more " * (number % 9)))


def test_what_was_appended_is_read_in_order_and_nothing_is_nothing(log: DecisionLog) -> None:
    assert log.read().decisions == ()
    made = [decision(f"d{i:04}", note="a\u2028b\x85c\nd") for i in range(5)]
    log.append(*made[:3])
    log.append()
    log.append(*made[3:])
    assert log.read().decisions == tuple(made)
    assert log.read().torn == ()


def test_two_reviewers_at_once_lose_nothing_and_tear_nothing(log: DecisionLog) -> None:
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=append_many, args=(log.path, who)) for who in ("ann", "bob")]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    recorded = log.read()
    assert recorded.torn == ()
    for who in ("ann", "bob"):
        assert [d.pair for d in recorded.decisions if d.who == who] == [f"d{i:04}" for i in range(COUNT)]


@pytest.mark.parametrize("kept", [1, 30, -3])
def test_a_line_that_a_crash_cut_short_is_reported_and_the_next_one_is_whole(log: DecisionLog, kept: int) -> None:
    log.append(decision("d0000"))
    whole = log.path.read_bytes()
    torn = line_of(decision("d0001", note="ä" * 20))[:kept]
    log.path.write_bytes(whole + torn)
    assert [d.pair for d in log.read().decisions] == ["d0000"]
    assert log.read().torn == (f"{log.path}:2",)
    assert log.path.read_bytes() == whole + torn
    log.append(decision("d0002"))
    assert [d.pair for d in log.read().decisions] == ["d0000", "d0002"]
    assert log.read().torn == (f"{log.path}:2",)
    assert log.path.read_bytes().startswith(whole + torn)


def test_a_whole_line_without_its_line_feed_counts(log: DecisionLog) -> None:
    log.append(decision("d0000"))
    log.path.write_bytes(log.path.read_bytes().removesuffix(b"\n"))
    assert [d.pair for d in log.read().decisions] == ["d0000"]
    log.append(decision("d0001"))
    assert [d.pair for d in log.read().decisions] == ["d0000", "d0001"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line.replace(b'"version":1', b'"version":2'),
        lambda line: line.replace(b'"note":""', b'"note":"","more":1'),
        lambda line: line[:50] + b"\n",
        lambda line: line.replace(b"approve", b"applaud"),
    ],
)
def test_a_damaged_line_is_an_error_that_names_file_and_line(
    log: DecisionLog, damage: Callable[[bytes], bytes]
) -> None:
    log.append(decision("d0000"), decision("d0001"), decision("d0002"))
    rows = log.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(rows[0] + damage(rows[1]) + rows[2])
    with pytest.raises(DecisionError, match=r"decisions\.jsonl:2 is not a decision"):
        log.read()


@pytest.mark.parametrize("where", ["decision", "decision-written", "decision-done"])
def test_killed_while_it_stores_a_line_the_log_holds_it_whole_or_not_at_all(log: DecisionLog, where: str) -> None:
    log.append(decision("d0000"))
    pid = os.fork()
    if pid == 0:
        os.environ[durable.VARIABLE] = f"{where}:1"
        log.append(decision("d0001"))
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status)
    stored = [] if where == "decision" else ["d0001"]
    assert [d.pair for d in log.read().decisions] == ["d0000", *stored]
    log.append(decision("d0002"))
    assert log.read().torn == ()
    assert log.read().decisions[-1].pair == "d0002"


def test_nothing_is_written_while_another_holds_the_lock(log: DecisionLog) -> None:
    log.append(decision("d0000"))
    hurried = DecisionLog(log.path, lock_wait=0.05)
    with FileLock(f"{log.path}.lock"), pytest.raises(DecisionError, match="locked by another process"):
        hurried.append(decision("d0001"))
    assert [d.pair for d in log.read().decisions] == ["d0000"]


def test_what_was_taken_back_is_not_in_force_and_the_latest_comes_last() -> None:
    early = decision("d0000")
    late = decision("d0001", when="2026-01-03T00:00:00.000000+00:00")
    wrong = decision("d0002")
    undo = decision("d0002", act=Act.UNDO, undone=wrong.id)
    assert in_force([late, wrong, undo, early, early]) == (early, late)


def test_a_later_decision_has_a_later_moment_even_when_the_clock_goes_back() -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    assert next_moment([], now) == "2026-01-02T00:00:00.000000+00:00"
    assert next_moment([decision()], now) == "2026-01-02T03:04:05.000007+00:00"


@pytest.mark.parametrize(
    "more",
    [{"act": Act.EDIT}, {"positive": "a"}, {"act": Act.UNDO}, {"act": Act.RECHECK}, {"when": "yesterday"}],
)
def test_half_a_decision_is_none(more: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        decision(**more)
