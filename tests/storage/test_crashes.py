"""Killed at the N-th failpoint, for every N: the files are whole, and the same work ends the same."""

import asyncio
import json
import os
import signal
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from agent.schema import Completion, Confirm, Role, Round
from agent.storage.durable import VARIABLE, failpoint
from agent.storage.ledger import Ledger
from agent.storage.ledger_database import Answer
from tests.support.bases import basis

ROUNDS = 2
CALLS = 4
POINTS_OF_ONE_RUN = 2 * (2 + ROUNDS * (2 * CALLS + 1 + 1))


def provider(folder: Path, key: str) -> str:
    """A paid endpoint: each call is on its own bill before the reply leaves."""
    with (folder / "bill").open("a") as bill:
        bill.write(f"{key}\n")
        bill.flush()
        os.fsync(bill.fileno())
    return f"answer to {key}"


def bought(folder: Path, key: str) -> Answer:
    return Answer(
        key=key,
        role=Role.JUDGE,
        prompt_id="p",
        sample=0,
        content=provider(folder, key),
        evidence="[]",
        finish_reason="stop",
        tokens_in=10,
        tokens_out=1,
        micro_usd=7,
        model="m",
    )


def one_by_one(ledger: Ledger, folder: Path, keys: list[str]) -> None:
    for key in keys:
        ledger.record_answer(ledger.begin_attempt(key, Role.JUDGE, f"question {key}"), bought(folder, key))


def side_by_side(ledger: Ledger, folder: Path, keys: list[str]) -> None:
    async def call(key: str) -> None:
        attempt = await ledger.begin_attempt_async(key, Role.JUDGE, f"question {key}")
        await ledger.record_answer_async(attempt, bought(folder, key))

    async def call_all() -> None:
        await asyncio.gather(*map(call, keys))

    asyncio.run(call_all())


Buy = Callable[[Ledger, Path, list[str]], None]


def campaign(folder: Path, buy: Buy = one_by_one) -> None:
    """A small campaign whose only state is its ledger."""
    with Ledger(folder / "ledger.sqlite") as ledger:
        number = ledger.campaign(basis())
        for n in range(len(ledger.history(number)) + 1, ROUNDS + 1):
            ledger.start_round(number, n)
            buy(ledger, folder, [key for key in (f"{n}-{i}" for i in range(CALLS)) if ledger.answer(key) is None])
            made = {f"{n}-c{i}": Completion(text=f" {i}", token_ids=(i,), opening="") for i in range(3)}
            if len(ledger.completions(made)) < len(made):
                ledger.store_completions(made)
            ledger.append(number, Round(number=n, move=Confirm(pairs=(f"d{n}",)), cost=ledger.cost(number, n)))


def in_child(work: Callable[[Path], None], folder: Path, plan: str) -> bool:
    """Do the work in a child of its own, under a plan of where to be killed. Whether it was."""
    child = os.fork()
    if child == 0:
        os.environ[VARIABLE] = plan
        try:
            work(folder)
            os._exit(0)
        finally:
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    assert killed or os.waitstatus_to_exitcode(status) == 0
    return killed


def bill(folder: Path) -> list[str]:
    return (folder / "bill").read_text().split() if (folder / "bill").exists() else []


def new_folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


def undisturbed(tmp_path: Path) -> bytes:
    folder = new_folder(tmp_path, "undisturbed")
    campaign(folder)
    with Ledger.read(folder / "ledger.sqlite") as ledger:
        assert len(bill(folder)) == ROUNDS * CALLS
        return ledger.canonical(1)


@pytest.mark.parametrize(("buy", "in_flight"), [(one_by_one, 1), (side_by_side, CALLS)])
def test_a_kill_at_any_point_loses_no_answer_and_repeats_only_calls_that_were_listed(
    buy: Buy, in_flight: int, tmp_path: Path
) -> None:
    work = partial(campaign, buy=buy)
    wanted = undisturbed(tmp_path)
    assert json.loads(wanted.split(b"\n")[0])["cost"]["calls"] == [["judge", CALLS], ["subject", 3]]
    for n in range(1, POINTS_OF_ONE_RUN + 1):
        folder = new_folder(tmp_path, str(n))
        assert in_child(work, folder, str(n)), f"point {n} was never reached"
        listed: set[str] = set()
        if (folder / "ledger.sqlite").exists() and n > 1:
            with Ledger.read(folder / "ledger.sqlite") as ledger:
                listed = {attempt.key for attempt in ledger.pending()}
                paid = set(bill(folder))
                assert {key for key in paid if ledger.answer(key) is None} <= listed
                assert len(listed) <= in_flight
        assert not in_child(work, folder, "1000000")
        with Ledger.read(folder / "ledger.sqlite") as ledger:
            assert ledger.canonical(1) == wanted, f"killed at point {n}"
            assert {a.key for a in ledger.pending()} == listed
        billed = bill(folder)
        repeated = {key for key in billed if billed.count(key) > 1}
        assert repeated <= listed
        assert len(billed) == ROUNDS * CALLS + len(repeated)
    assert not in_child(work, new_folder(tmp_path, "last"), str(POINTS_OF_ONE_RUN + 1))


# Side by side, three times as many points as calls in flight are passed before the first answers are committed.
@pytest.mark.parametrize(
    ("buy", "every"),
    [(one_by_one, 4), (one_by_one, 7), (one_by_one, 11), (side_by_side, 3 * CALLS + 1), (side_by_side, 17)],
)
def test_kills_during_the_resumption_change_nothing_either(buy: Buy, every: int, tmp_path: Path) -> None:
    wanted = undisturbed(tmp_path)
    folder = new_folder(tmp_path, "killed again and again")
    kills = 0
    while in_child(partial(campaign, buy=buy), folder, str(every)):
        kills += 1
        assert kills < 50, "no run came any further"
    with Ledger.read(folder / "ledger.sqlite") as ledger:
        assert ledger.canonical(1) == wanted
        assert kills >= 2
        assert len(bill(folder)) <= ROUNDS * CALLS + len(ledger.pending())


def pass_points(folder: Path) -> None:
    for n in range(6):
        failpoint("a" if n % 2 else "b")
        (folder / "reached").write_text(str(n))


@pytest.mark.parametrize(("plan", "last"), [("2", "0"), ("a:1", "0"), ("a:2", "2"), ("b:3", "3")])
def test_a_plan_names_the_point_at_which_to_die(tmp_path: Path, plan: str, last: str) -> None:
    assert in_child(pass_points, tmp_path, plan)
    assert (tmp_path / "reached").read_text() == last


@pytest.mark.parametrize("plan", ["", "a", "a:", "0", "a:0", "-1", "a:b"])
def test_a_plan_that_cannot_be_read_is_an_error_and_not_a_test_that_passes(
    plan: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, plan)
    with pytest.raises(ValueError, match=VARIABLE):
        failpoint("a")


def test_without_a_plan_a_point_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    failpoint("a")
