"""What the ledger's tables hold, as nouns, and the SQL that makes the tables."""

from collections.abc import Sequence
from typing import TypeVar

from pydantic import ValidationError

from agent.schema import SCHEMA_VERSION, Noun, Role

N = TypeVar("N", bound=Noun)

Place = tuple[int | None, int | None]  # the campaign and the round for which something is bought

VERSION = 100 * SCHEMA_VERSION + 2  # of what the tables hold, and of the tables themselves

TABLES = """
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
    detail TEXT NOT NULL DEFAULT '', charged INTEGER NOT NULL DEFAULT 0, reserved INTEGER NOT NULL DEFAULT 0
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

PENDING = "pending"
ANSWERED = "answered"
REPEATED = "repeated"
WITHDRAWN = "withdrawn"


class LedgerError(Exception):
    """A ledger that cannot be opened, read or written; the message says which and what to do."""


class LedgerMissing(LedgerError):
    """No run has begun this ledger yet."""


class LedgerBusy(LedgerError):
    """Another process writes this ledger."""


class Answer(Noun):
    """One reply that was bought: its raw text, the log-probabilities as received (JSON) and what it cost."""

    key: str
    role: Role
    prompt_id: str
    sample: int
    content: str
    evidence: str
    finish_reason: str
    tokens_in: int
    tokens_out: int
    micro_usd: int
    model: str


class Attempt(Noun):
    """One send: begun before it left (seconds since 1970). `outcome` is None while nobody knows what came of it.

    `reserved` is the most it can cost, `charged` what it did cost without bringing an answer that counts (millionths
    of a dollar).
    """

    id: int
    key: str
    role: Role
    purpose: str
    campaign: int | None
    round: int | None
    begun: float
    ended: float | None
    outcome: str | None
    detail: str
    charged: int
    reserved: int


class Spent(Noun):
    """What one role has cost: calls that were answered, charged or never ended; tokens of the answers kept.

    `micro_usd` (millionths of a dollar) includes failed and repeated attempts, and `possibly_paid`: the reservations
    of the `open_calls` attempts that never ended.
    """

    role: Role
    calls: int
    tokens_in: int
    tokens_out: int
    micro_usd: int
    open_calls: int
    possibly_paid: int


class Campaign(Noun):
    """One history of the loop: what it is keyed by, what that key was made of, and how many rounds it has."""

    id: int
    key: str
    about: str
    created: float
    rounds: int


def noun_of(noun: type[N], row: Sequence[object]) -> N:
    """A noun from a row whose columns are the noun's fields, in order."""
    return noun.model_validate(dict(zip(noun.model_fields, row, strict=True)), strict=False)


def parsed(noun: type[N], body: object, what: str) -> N:
    """A noun from its stored JSON. Raises LedgerError, which calls it `what`, when another version wrote it."""
    try:
        return noun.model_validate_json(str(body))
    except ValidationError as error:
        raise LedgerError(
            f"{what} cannot be read by this version of the program ({error.errors()[0]['msg']}). "
            "Use the version that wrote it, or begin again with `--new`."
        ) from error


def int_of(value: object) -> int:
    """A column that SQLite holds as an integer."""
    if not isinstance(value, int):
        raise LedgerError(f"The ledger holds {value!r} where a whole number belongs: the file is damaged.")
    return value
