"""The ledger: paid answers are never lost, never paid twice, and counted the same in whatever order they came."""

import itertools
import sqlite3
import threading
from pathlib import Path

import pytest

from agent.schema import (
    Change,
    Completion,
    Confirm,
    Depth,
    Draft,
    Finding,
    Outcome,
    Pair,
    Polarity,
    Recheck,
    Role,
    Round,
    Scenario,
    Usage,
    Verdict,
)
from agent.storage.ledger import Ledger
from agent.storage.ledger_database import Answer, LedgerBusy, LedgerError
from tests.support.bases import basis


def answer(key: str, role: Role = Role.JUDGE, content: str = "72", micro_usd: int = 30) -> Answer:
    return Answer(
        key=key,
        role=role,
        prompt_id="forecast.a@0123456789ab",
        sample=0,
        content=content,
        evidence='[["72", -0.1]]',
        finish_reason="stop",
        tokens_in=200,
        tokens_out=1,
        micro_usd=micro_usd,
        model="judge-1",
    )


def completion(text: str = " refused") -> Completion:
    return Completion(text=text, token_ids=(5, 7), opening=text, next_tokens=((5, 0.9), (6, 0.1)))


def pay_for(ledger: Ledger, paid: Answer) -> Answer:
    return ledger.record_answer(ledger.begin_attempt(paid.key, paid.role, "forecast of d0001"), paid)


def scenario(polarity: Polarity, stem: str = "He asked me for the code. ") -> Scenario:
    return Scenario(polarity=polarity, stem=stem, ending="This crossed a line, so I")


def pair() -> Pair:
    return Pair(id="d0000", positive=scenario(Polarity.POSITIVE), negative=scenario(Polarity.NEGATIVE), line=0)


def finding(outcome: Outcome = Outcome.PASS) -> Finding:
    return Finding(
        pair="d0000",
        polarity=Polarity.POSITIVE,
        key=scenario(Polarity.POSITIVE).key,
        depth=Depth.FIRST,
        completion=completion(),
        tallies=(),
        scenario=outcome,
        response=outcome,
        first_token=outcome,
        verdict=Verdict.EXPRESS if outcome is Outcome.PASS else None,
    )


def draft(number: int = 1, outcome: Outcome = Outcome.PASS, cost: Usage = Usage()) -> Round:  # noqa: B008 - frozen
    change = Change(pair="d0000", what="adopt", before=None, after=pair())
    return Round(
        number=number, move=Draft(count=1, adopt=1, goal=16), changes=(change,), findings=(finding(outcome),), cost=cost
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "extraction" / "chirp" / "refusal" / "refinement" / "ledger.sqlite"


def test_an_answer_is_returned_exactly_as_it_was_stored(path: Path) -> None:
    strange = answer("k1", content="line\none\u2028two\x00\x1b[31m é 中 \U0001f600")
    with Ledger(path) as ledger:
        assert ledger.answer("k1") is None
        assert pay_for(ledger, strange) == strange
    with Ledger(path) as ledger:
        assert ledger.answer("k1") == strange
        assert ledger.pending() == ()


def test_an_error_is_an_attempt_and_never_an_answer(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.record_failure(
            ledger.begin_attempt("k1", Role.JUDGE, "forecast"), "transient", "503 \ud800 from the endpoint", charged=12
        )
        assert ledger.answer("k1") is None
        assert ledger.attempt_counts() == {"transient": 1}
        assert ledger.total_usage() == Usage(calls=(("judge", 1),), micro_usd=12)


def test_the_last_failures_come_latest_first_without_answers_and_withdrawn_calls(path: Path) -> None:
    with Ledger(path) as ledger:
        pay_for(ledger, answer("k0"))
        pay_for(ledger, answer("k0"))
        ledger.begin_attempt("in flight", Role.JUDGE, "forecast")
        for kind in ("transient", "withdrawn", "timeout", "refused"):
            ledger.record_failure(ledger.begin_attempt("k1", Role.JUDGE, "forecast"), kind, f"it was {kind}")
        found = ledger.last_failures(2)
    assert [(one.outcome, one.detail) for one in found] == [
        ("refused", "it was refused"),
        ("timeout", "it was timeout"),
    ]


def test_answers_are_counted_from_a_moment_on(path: Path) -> None:
    times = iter(range(100, 200))
    with Ledger(path, clock=lambda: float(next(times))) as ledger:
        pay_for(ledger, answer("k0"))  # begun at 100, ended at 101
        pay_for(ledger, answer("k0"))  # repeated, ended at 103
        ledger.record_failure(ledger.begin_attempt("k1", Role.JUDGE, "forecast"), "timeout", "late")
        assert [ledger.answered_since(when) for when in (100.0, 101.0, 103.0)] == [2, 1, 0]


def test_an_attempt_is_pending_on_disk_before_anything_is_sent(path: Path) -> None:
    with Ledger(path) as ledger:
        attempt = ledger.begin_attempt("k1", Role.AUTHOR, "draft of n0003")
        with Ledger.read(path) as reader:
            (pending,) = reader.pending()
        assert (pending.id, pending.key, pending.role, pending.purpose) == (
            attempt,
            "k1",
            Role.AUTHOR,
            "draft of n0003",
        )


def test_a_second_answer_to_the_same_request_is_paid_but_never_replaces_the_first(path: Path) -> None:
    with Ledger(path) as ledger:
        first, second = ledger.begin_attempt("k1", Role.JUDGE, "a"), ledger.begin_attempt("k1", Role.JUDGE, "a")
        ledger.record_answer(first, answer("k1", content="72"))
        assert ledger.record_answer(second, answer("k1", content="15")).content == "72"
        assert ledger.attempt_counts() == {"answered": 1, "repeated": 1}
        assert ledger.total_usage().micro_usd == 60
        assert ledger.total_usage().calls == (("judge", 2),)


def test_a_rejected_answer_is_a_failed_attempt_of_the_same_cost_and_can_be_bought_again(path: Path) -> None:
    with Ledger(path) as ledger:
        pay_for(ledger, answer("k1", content="<think> Okay,"))
        ledger.reject_answer("k1", "unscored", "It is no number.")
        assert ledger.answer("k1") is None
        assert [(one.outcome, one.detail) for one in ledger.last_failures(5)] == [("unscored", "It is no number.")]
        before = ledger.total_usage()
        assert (before.calls, before.tokens_in, before.micro_usd) == ((("judge", 1),), 200, 30)
        pay_for(ledger, answer("k1", content="72"))
        assert ledger.total_usage().micro_usd == 60
    with Ledger.read(path) as reader:
        assert getattr(reader.answer("k1"), "content", None) == "72"


def test_an_attempt_is_settled_once_and_only_by_its_own_request(path: Path) -> None:
    with Ledger(path) as ledger:
        attempt = ledger.begin_attempt("k1", Role.JUDGE, "forecast")
        with pytest.raises(LedgerError, match="was not begun for the request"):
            ledger.record_answer(attempt, answer("k2"))
        assert ledger.answer("k2") is None
        ledger.record_answer(attempt, answer("k1"))
        with pytest.raises(LedgerError, match="is not open"):
            ledger.record_answer(attempt, answer("k1"))
        with pytest.raises(LedgerError, match="is not open"):
            ledger.record_failure(attempt, "timeout", "late")
        with pytest.raises(ValueError, match="no class of error"):
            ledger.record_failure(ledger.begin_attempt("k3", Role.JUDGE, "x"), "answered", "an error is no answer")


def test_completions_come_back_in_the_order_asked_and_stay_as_first_made(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.store_completions({f"c{i}": completion(f" text {i}") for i in range(2000)})
        ledger.store_completions({"c7": completion(" another text")})
        keys = [f"c{i}" for i in range(1999, -1, -1)]
        found = ledger.completions([*keys, "absent", "c7"])
        assert list(found) == keys
        assert found["c7"] == ledger.completion("c7") == completion(" text 7")
        assert ledger.completion("absent") is None


def test_history_is_read_back_as_it_was_appended(path: Path) -> None:
    rounds = (draft(1), Round(number=2, move=Confirm(pairs=("d0000",)), findings=(finding(),)))
    with Ledger(path) as ledger:
        campaign = ledger.campaign(basis())
        assert ledger.history(campaign) == ()
        for done in rounds:
            ledger.append(campaign, done)
    with Ledger.read(path) as ledger:
        assert ledger.history(campaign) == rounds
        first, second = ledger.recorded(campaign)
        assert first <= second
        assert [(c.id, c.rounds, c.basis) for c in ledger.campaigns()] == [(campaign, 2, basis())]


@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_round_that_is_not_the_next_is_refused(path: Path, number: int) -> None:
    with Ledger(path) as ledger:
        campaign = ledger.campaign(basis())
        ledger.append(campaign, draft(1))
        with pytest.raises(LedgerError, match=f"round {number} cannot follow round 1"):
            ledger.append(campaign, draft(number))
        assert len(ledger.history(campaign)) == 1


def test_a_campaign_goes_on_under_its_key_until_a_new_one_is_asked_for(path: Path) -> None:
    with Ledger(path) as ledger:
        first = ledger.campaign(basis())
        other = ledger.campaign(basis("another/trait"))
        assert ledger.campaign(basis()) == first
        second = ledger.campaign(basis(), new=True)
        assert len({first, other, second}) == 3
        assert ledger.campaign(basis()) == second


def test_a_round_costs_what_it_was_the_first_to_buy_whatever_the_order_of_arrival(tmp_path: Path) -> None:
    answers = [answer("a", Role.AUTHOR, micro_usd=500), answer("b"), answer("c", Role.AUDITOR), answer("d")]
    costs = set()
    for n, order in enumerate(itertools.permutations(answers)):
        with Ledger(tmp_path / f"{n}.sqlite") as ledger:
            campaign = ledger.campaign(basis())
            ledger.start_round(campaign, 1)
            for one in order:
                pay_for(ledger, one)
            ledger.store_completions({"x": completion(), "y": completion()})
            ledger.start_round(campaign, 2)
            ledger.store_completions({"x": completion(), "z": completion()})
            costs.add((ledger.cost(campaign, 1), ledger.cost(campaign, 2)))
    calls = (("auditor", 1), ("author", 1), ("judge", 2), ("subject", 2))
    assert costs == {
        (Usage(calls=calls, tokens_in=800, tokens_out=4, micro_usd=590), Usage(calls=(("subject", 1),))),
    }


def test_answers_before_any_round_count_in_the_total_only(path: Path) -> None:
    with Ledger(path) as ledger:
        pay_for(ledger, answer("probe"))
        campaign = ledger.campaign(basis())
        pay_for(ledger, answer("later"))
        assert ledger.cost(campaign, 1) == Usage()
        assert ledger.total_usage().calls == (("judge", 2),)
        assert ledger.attempt_counts(campaign) == {"answered": 1}


def test_the_models_that_answered_a_campaign_are_counted_by_role(path: Path) -> None:
    with Ledger(path) as ledger:
        pay_for(ledger, answer("earlier"))
        campaign = ledger.campaign(basis())
        for key, model in (("a", "m"), ("b", "m-2"), ("c", "m-2"), ("d", "")):
            pay_for(ledger, answer(key).model_copy(update={"model": model}))
        assert ledger.models(campaign) == (("judge", "m-2", 2), ("judge", "m", 1))


def test_the_canonical_history_knows_no_times_no_attempts_and_no_rechecks(tmp_path: Path) -> None:
    confirm = Round(number=2, move=Confirm(pairs=("d0000",)), findings=(finding(),))
    paid, half = Usage(calls=(("judge", 2),), micro_usd=60), Usage(calls=(("judge", 1),), micro_usd=30)
    recheck = Round(number=2, move=Recheck(pairs=("d0000",)), findings=(finding(),), cost=half)
    undisturbed = [draft(1, cost=paid), confirm]
    outage = [draft(1, Outcome.UNJUDGED, half), recheck, confirm.model_copy(update={"number": 3})]
    other = [draft(1, Outcome.FAIL, half), recheck, confirm.model_copy(update={"number": 3})]
    forms = []
    for n, rounds in enumerate((undisturbed, outage, other)):
        with Ledger(tmp_path / f"{n}.sqlite") as ledger:
            for _ in range(n):
                ledger.record_failure(ledger.begin_attempt("k", Role.JUDGE, "x"), "transient", "503")
            campaign = ledger.campaign(basis(), new=True)
            for done in rounds:
                ledger.append(campaign, done)
            forms.append(ledger.canonical(campaign))
    assert forms[0] == forms[1]
    assert forms[0] != forms[2]
    assert forms[0].count(b"\n") == 2


def test_a_second_writer_is_an_error_that_names_the_other_run(path: Path) -> None:
    with Ledger(path), pytest.raises(LedgerBusy, match="Another run is writing"):
        Ledger(path)
    with Ledger(path) as ledger:
        assert ledger.pending() == ()


def test_readers_see_each_commit_while_the_writer_works_and_cannot_write(path: Path) -> None:
    with Ledger(path) as writer, Ledger.read(path) as reader:
        pay_for(writer, answer("k1"))
        assert reader.answer("k1") == answer("k1")
        with pytest.raises(LedgerError, match="opened for reading only"):
            reader.begin_attempt("k2", Role.JUDGE, "x")


def test_many_threads_share_one_ledger(path: Path) -> None:
    with Ledger(path) as ledger:

        def work(name: int) -> None:
            for n in range(20):
                pay_for(ledger, answer(f"{name}-{n}"))

        threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ledger.total_usage().calls == (("judge", 160),)
        assert ledger.attempt_counts() == {"answered": 160}


def test_a_missing_ledger_is_a_sentence_and_is_not_made_by_a_reader(path: Path) -> None:
    with pytest.raises(LedgerError, match="There is no ledger at"):
        Ledger.read(path)
    assert not path.parent.exists()


def test_a_file_that_is_no_ledger_is_named(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("some notes\n" * 100)
    with pytest.raises(LedgerError, match=r"ledger\.sqlite: file is not a database\. Move the file away"):
        Ledger(path)
    assert path.read_text().startswith("some notes")


def test_a_round_of_another_schema_is_an_error_that_names_it(path: Path) -> None:
    with Ledger(path) as ledger:
        campaign = ledger.campaign(basis())
        ledger.append(campaign, draft(1))
    with sqlite3.connect(path) as db:
        db.execute("""UPDATE rounds SET body = json_set(body, '$.version', 2)""")
    db.close()
    with Ledger.read(path) as ledger, pytest.raises(LedgerError, match="Round 1 of campaign 1 .* cannot be read"):
        ledger.history(campaign)


def test_a_full_disk_is_a_sentence_and_loses_nothing_that_was_stored(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger._db._connection.execute("PRAGMA max_page_count = 20")
        stored = iter(range(100))
        with pytest.raises(LedgerError, match=r"is full.*Free some space\. Progress is saved"):
            all(pay_for(ledger, answer(f"k{n}", content="x" * 2000)) for n in stored)
        failed = next(stored) - 1
        assert failed > 1
        ledger._db._connection.execute("PRAGMA max_page_count = 100000")
        assert [ledger.answer(f"k{n}") is not None for n in range(failed + 1)] == [True] * failed + [False]
        pay_for(ledger, answer(f"k{failed}"))


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_a_network_file_system_is_refused(tmp_path: Path, kind: str) -> None:
    share = tmp_path / "our share"
    share.mkdir()
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/x {str(share).replace(' ', chr(92) + '040')} {kind} rw 0 0\n")
    with pytest.raises(LedgerError, match=f"network file system.*{kind}.*local disk"):
        Ledger(share / "deep" / "ledger.sqlite", mounts)
    Ledger(tmp_path / "our share, not" / "ledger.sqlite", mounts).close()
    mounts.write_text(mounts.read_text() + f"tmpfs {str(share).replace(' ', chr(92) + '040')} tmpfs rw 0 0\n")
    Ledger(share / "ledger.sqlite", mounts).close()
