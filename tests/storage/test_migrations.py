"""Ledgers of other versions: an older one is migrated, a newer one refused, and paid answers survive both."""

import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from agent.schema import Change, Draft, Pair, Polarity, Role, Round, Scenario
from agent.storage.ledger import Ledger
from agent.storage.ledger_database import Answer, LedgerError
from agent.storage.ledger_schema import CURRENT, LedgerSchema, Migration
from tests.support.bases import basis

# Rows of the refusal trait of experiments/demo, bought by version 0.1.0 at commit e2437c3: three rounds with the
# findings of one pair, and an attempt without an outcome, as a killed run leaves it.
MADE_BY_102 = Path(__file__).with_name("ledger_102.sqlite")

ANSWER = Answer(
    key="k1",
    role=Role.JUDGE,
    prompt_id="forecast.a@0123456789ab",
    sample=0,
    content="72",
    evidence="[]",
    finish_reason="stop",
    tokens_in=200,
    tokens_out=1,
    micro_usd=30,
    model="judge-1",
)


def scenario(polarity: Polarity) -> Scenario:
    return Scenario(polarity=polarity, stem="He asked me for the code. ", ending="This crossed a line, so I")


def next_round(number: int) -> Round:
    pair = Pair(id="d9", positive=scenario(Polarity.POSITIVE), negative=scenario(Polarity.NEGATIVE), line=9)
    change = Change(pair="d9", what="adopt", before=None, after=pair)
    return Round(number=number, move=Draft(count=1, adopt=1, goal=16), changes=(change,))


def add_reserved(connection: sqlite3.Connection) -> None:
    """101 to 102: attempts reserve part of the budget."""
    connection.execute("ALTER TABLE attempts ADD COLUMN reserved INTEGER NOT NULL DEFAULT 0")


def add_retries(connection: sqlite3.Connection) -> None:
    """103 to 104: attempts count their retries."""
    connection.execute("ALTER TABLE attempts ADD COLUMN retries INTEGER NOT NULL DEFAULT 0")
    connection.execute("UPDATE attempts SET retries = id")


def fail_halfway(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM answers")
    connection.execute("SELECT weather FROM attempts")


def planted(version: int, migrations: Mapping[int, Migration]) -> LedgerSchema:
    """A later program: today's tables in new files, and these migrations."""
    return LedgerSchema(tables=CURRENT.tables, version=version, migrations=migrations)


def run_sql(path: Path, *statements: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as db:
        rows = [row for statement in statements for row in db.execute(statement).fetchall()]
        db.commit()
    return rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger of version 101: one answer, and attempts without the column that came with 102."""
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.record_answer(ledger.begin_attempt("k1", Role.JUDGE, "forecast"), ANSWER)
        ledger.append(ledger.campaign(basis()), next_round(1))
    dropped = [f"ALTER TABLE attempts DROP COLUMN {name}" for name in ("reserved", "tokens_in", "tokens_out")]
    run_sql(path, *dropped, "PRAGMA user_version = 101", "PRAGMA journal_mode = WAL")
    return path


def version_of(path: Path) -> object:
    return run_sql(path, "PRAGMA user_version")[0][0]


def test_a_ledger_of_an_earlier_commit_is_read_and_continued(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    shutil.copy(MADE_BY_102, path)
    with Ledger.read(path) as ledger:
        (campaign,) = ledger.campaigns()
        history = ledger.history(campaign.id)
        assert campaign.basis.key == campaign.key
        assert [done.number for done in history] == [1, 2, 3]
        assert ledger.attempt_counts() == {"answered": 13, "pending": 1}
        assert dict(ledger.total_usage().calls) == {"auditor": 1, "author": 4, "judge": 8, "subject": 4}
        assert [(one.role, one.tokens_out) for one in ledger.spent_by_role()][0] == (Role.AUDITOR, 1)
    keys = [str(key) for (key,) in run_sql(path, "SELECT key FROM answers")]
    with Ledger(path) as ledger:
        assert ledger.campaign(campaign.basis) == campaign.id
        assert all(ledger.answer(key) is not None for key in keys)
        ledger.append(campaign.id, next_round(4))
        ledger.record_answer(ledger.begin_attempt("k1", Role.JUDGE, "forecast"), ANSWER)
    with Ledger.read(path) as ledger:
        assert ledger.history(campaign.id) == (*history, next_round(4))
        assert ledger.answer("k1") == ANSWER


def test_the_writer_migrates_an_older_file_step_by_step_and_keeps_what_was_paid(path: Path) -> None:
    later = planted(104, {101: add_reserved, **CURRENT.migrations, 103: add_retries})
    with Ledger(path, schema=later) as ledger:
        assert ledger.answer("k1") == ANSWER
        (campaign,) = ledger.campaigns()
        assert ledger.history(campaign.id) == (next_round(1),)
        ledger.begin_attempt("k2", Role.JUDGE, "forecast", reserved=40)
        assert [attempt.reserved for attempt in ledger.pending()] == [40]
    assert version_of(path) == 104
    assert run_sql(path, "SELECT reserved, retries FROM attempts ORDER BY id") == [(0, 1), (40, 0)]
    with Ledger(path, schema=later) as ledger:  # a migrated file is not migrated again
        assert len(ledger.pending()) == 1
    assert run_sql(path, "SELECT retries FROM attempts ORDER BY id") == [(1,), (0,)]


def test_a_reader_of_an_older_file_sees_the_current_tables_and_writes_nothing(path: Path) -> None:
    before = path.read_bytes()
    later = planted(103, {101: add_reserved, **CURRENT.migrations})
    with Ledger.read(path, later) as ledger:
        assert ledger.answer("k1") == ANSWER
        assert [one.reserved for one in ledger.last_failures(5)] == []
        assert [spent.calls for spent in ledger.spent_by_role()] == [1]
        with pytest.raises(LedgerError, match="opened for reading only"):
            ledger.begin_attempt("k2", Role.JUDGE, "forecast")
    assert path.read_bytes() == before
    assert version_of(path) == 101


def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    with pytest.raises(LedgerError, match="no such column: weather"):
        Ledger(path, schema=planted(103, {101: add_reserved, 102: fail_halfway}))
    assert version_of(path) == 101
    with Ledger(path, schema=planted(103, {101: add_reserved, **CURRENT.migrations})) as ledger:
        assert ledger.answer("k1") == ANSWER


def test_a_new_file_gets_the_latest_version_without_migrations(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    Ledger(path, schema=planted(104, {103: fail_halfway})).close()
    assert version_of(path) == 104


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        (CURRENT.version + 1, "has version 104, written by a newer version .* Use that version, or a newer one"),
        (101, "has version 101, which this program cannot migrate .* move the file away"),
        (0, "has version 0, which this program cannot migrate"),
    ],
)
def test_a_file_that_cannot_be_migrated_is_refused_and_left_alone(tmp_path: Path, version: int, sentence: str) -> None:
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    run_sql(path, f"PRAGMA user_version = {version}")
    before = path.read_bytes()
    for opened in (Ledger, Ledger.read):
        with pytest.raises(LedgerError, match=sentence):
            opened(path)
    assert path.read_bytes() == before


def test_the_migrations_lead_to_the_current_version_without_a_gap() -> None:
    first = min(CURRENT.migrations, default=CURRENT.version)
    assert sorted(CURRENT.migrations) == list(range(first, CURRENT.version))
