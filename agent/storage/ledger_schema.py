"""The ledger's tables, their version, and the numbered migrations from earlier versions."""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from agent.storage.durable import failpoint

_TABLES = """
CREATE TABLE campaigns (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, about TEXT NOT NULL, created REAL NOT NULL
) STRICT;
CREATE TABLE rounds (
    campaign INTEGER NOT NULL REFERENCES campaigns (id), number INTEGER NOT NULL, body TEXT NOT NULL,
    recorded REAL NOT NULL, PRIMARY KEY (campaign, number)
) STRICT;
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, role TEXT NOT NULL, purpose TEXT NOT NULL,
    campaign INTEGER, round INTEGER, begun REAL NOT NULL, ended REAL, outcome TEXT,
    detail TEXT NOT NULL DEFAULT '', charged INTEGER NOT NULL DEFAULT 0, reserved INTEGER NOT NULL DEFAULT 0,
    tokens_in INTEGER NOT NULL DEFAULT 0, tokens_out INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX open_attempts ON attempts (id) WHERE outcome IS NULL;
CREATE TABLE answers (
    key TEXT PRIMARY KEY, role TEXT NOT NULL, prompt_id TEXT NOT NULL, sample INTEGER NOT NULL,
    content TEXT NOT NULL, evidence TEXT NOT NULL, finish_reason TEXT NOT NULL, tokens_in INTEGER NOT NULL,
    tokens_out INTEGER NOT NULL, micro_usd INTEGER NOT NULL, model TEXT NOT NULL,
    campaign INTEGER, round INTEGER
) STRICT;
CREATE INDEX answers_of_round ON answers (campaign, round);
CREATE TABLE completions (key TEXT PRIMARY KEY, body TEXT NOT NULL, campaign INTEGER, round INTEGER) STRICT;
CREATE INDEX completions_of_round ON completions (campaign, round);
CREATE TABLE sessions (id INTEGER PRIMARY KEY, begun REAL NOT NULL, seen REAL NOT NULL) STRICT;
"""

# Takes the tables, and the JSON in them, from version N to N+1. It runs inside a transaction: no `executescript`, which
# commits. Once released it is never edited.
Migration = Callable[[sqlite3.Connection], None]


class UnknownVersionError(Exception):
    """A file whose version this program cannot read; the message says why and what to do, without naming the file."""


@dataclass(frozen=True)
class LedgerSchema:
    """The tables of a new file, and how an older file gets them.

    `version` counts changes of the tables and of the models stored in them as JSON. `migrations` has, under N, the
    step from version N to N+1; the steps lead without a gap to `version`.
    """

    tables: str
    version: int
    migrations: Mapping[int, Migration] = field(default_factory=dict)

    def create(self, connection: sqlite3.Connection) -> None:
        """Make the tables in an empty file, in one transaction."""
        connection.executescript(f"BEGIN; {self.tables} PRAGMA user_version = {self.version}; COMMIT;")

    def needs_migration(self, connection: sqlite3.Connection) -> bool:
        """Whether the file is older than this schema. Raises UnknownVersionError where it cannot be migrated."""
        found = version_of(connection)
        if found == self.version:
            return False
        if found > self.version:
            raise UnknownVersionError(
                f"has version {found}, written by a newer version of the program (this one reads {self.version}). "
                "Use that version, or a newer one."
            )
        if not all(version in self.migrations for version in range(found, self.version)):
            raise UnknownVersionError(
                f"has version {found}, which this program cannot migrate to version {self.version}. "
                "Use the program that wrote it, or move the file away to start a new one."
            )
        return True

    def migrate(self, connection: sqlite3.Connection) -> None:
        """Bring an older file up to this version in one transaction: all steps are stored, or none."""
        failpoint("migrate")
        connection.execute("BEGIN IMMEDIATE")
        try:
            for version in range(version_of(connection), self.version):
                self.migrations[version](connection)
            connection.execute(f"PRAGMA user_version = {self.version}")
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        failpoint("migrate-done")


def version_of(connection: sqlite3.Connection) -> int:
    """The version that a file says it has."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _add_tokens_of_attempts(connection: sqlite3.Connection) -> None:
    """102 to 103: attempts without an answer keep the tokens that they used."""
    for name in ("tokens_in", "tokens_out"):
        connection.execute(f"ALTER TABLE attempts ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0")


CURRENT = LedgerSchema(tables=_TABLES, version=103, migrations={102: _add_tokens_of_attempts})
