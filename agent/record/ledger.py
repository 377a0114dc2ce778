"""A trait's durable record: every answer bought, every attempt, every completion, every round of every campaign."""

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from agent.record.canonical import add_costs, canonical_lines
from agent.record.database import Database
from agent.record.ledger_rows import (
    ANSWERED,
    PENDING,
    REPEATED,
    Answer,
    Attempt,
    Campaign,
    LedgerBusy,
    LedgerError,
    int_of,
    noun_of,
    parsed,
)
from agent.record.mounts import MOUNTS
from agent.schema import Completion, Cost, History, Role, Round

__all__ = ["Answer", "Attempt", "Campaign", "Ledger", "LedgerBusy", "LedgerError"]

_SUBJECT = "subject"

_SELECT_ANSWER = """
    SELECT key, role, prompt_id, sample, content, evidence, finish_reason, tokens_in, tokens_out, micro_usd, model
    FROM answers WHERE key = ?
"""
_INSERT_ANSWER = """
    INSERT INTO answers VALUES (
        :key, :role, :prompt_id, :sample, :content, :evidence, :finish_reason, :tokens_in, :tokens_out, :micro_usd,
        :model, :campaign, :round
    ) ON CONFLICT (key) DO NOTHING
"""
_BEGIN_ATTEMPT = "INSERT INTO attempts (key, role, purpose, campaign, round, begun) VALUES (?, ?, ?, ?, ?, ?)"
_END_ATTEMPT = "UPDATE attempts SET ended = ?, outcome = ?, detail = ?, charged = ? WHERE id = ? AND outcome IS NULL"
_SELECT_PENDING = """
    SELECT id, key, role, purpose, campaign, round, begun, ended, outcome, detail, charged
    FROM attempts WHERE outcome IS NULL ORDER BY id
"""
_COUNT_ATTEMPTS = """
    SELECT coalesce(outcome, ?1), count(*) FROM attempts WHERE ?2 IS NULL OR campaign = ?2 GROUP BY 1 ORDER BY 1
"""
_SELECT_COMPLETIONS = "SELECT key, body FROM completions WHERE key IN (SELECT value FROM json_each(?))"
_INSERT_COMPLETION = (
    "INSERT INTO completions (key, body, campaign, round) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO NOTHING"
)
_SELECT_CAMPAIGNS = """
    SELECT id, key, about, created, (SELECT count(*) FROM rounds WHERE campaign = campaigns.id)
    FROM campaigns ORDER BY id
"""
_SUM_ANSWERS = """
    SELECT role, count(*), sum(tokens_in), sum(tokens_out), sum(micro_usd)
    FROM answers WHERE ?1 IS NULL OR (campaign = ?1 AND round = ?2) GROUP BY role
"""
_COUNT_COMPLETIONS = "SELECT count(*) FROM completions WHERE ?1 IS NULL OR (campaign = ?1 AND round = ?2)"


class Ledger:
    """The one writer of a trait's SQLite file, or (by `Ledger.read`) one of its readers. Safe to share among threads.

    What is stored has reached the disk when a method returns. Any failure is a LedgerError that says what to do.
    """

    def __init__(self, path: Path, mounts: Path = MOUNTS, reading: bool = False) -> None:
        self._db = Database.read(path) if reading else Database.write(path, mounts)
        self._place: tuple[int | None, int | None] = (None, None)

    @classmethod
    def read(cls, path: Path) -> "Ledger":
        """A reader; raises LedgerError where there is no ledger, or one of another version."""
        return cls(path, reading=True)

    @property
    def path(self) -> Path:
        return self._db.path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    # Answers and attempts

    def answer(self, key: str) -> Answer | None:
        """The stored answer to exactly this request, deployment and sample."""
        rows = self._db.rows(_SELECT_ANSWER, key)
        return noun_of(Answer, rows[0]) if rows else None

    def intend(self, key: str, role: Role, purpose: str) -> int:
        """Record, before the send, that a call may be paid for. Returns the attempt's id."""
        with self._db.durable("intent") as db:
            begun = db.execute(_BEGIN_ATTEMPT, (key, role, _storable(purpose), *self._place, time.time()))
            return int_of(begun.lastrowid)

    def settle(self, attempt: int, answer: Answer) -> Answer:
        """Store the answer and close its attempt in one commit. Returns the one that counts: the first of its key."""
        campaign, number = self._place
        values = {**answer.model_dump(mode="json"), "campaign": campaign, "round": number}
        with self._db.durable("answer") as db:
            _require_key(db, attempt, answer.key)
            is_first = db.execute(_INSERT_ANSWER, values).rowcount == 1
            outcome, charged = (ANSWERED, 0) if is_first else (REPEATED, answer.micro_usd)
            _end(db, attempt, outcome, "", charged)
            return noun_of(Answer, db.execute(_SELECT_ANSWER, (answer.key,)).fetchone())

    def fail(self, attempt: int, error_class: str, detail: str, charged: int = 0) -> None:
        """Close an attempt that brought no answer; `charged` is what it cost all the same (millionths of a dollar)."""
        if error_class in ("", ANSWERED, REPEATED, PENDING):
            raise ValueError(f"{error_class!r} is no class of error")
        with self._db.durable("fail") as db:
            _end(db, attempt, error_class, _storable(detail), charged)

    def pending(self) -> tuple[Attempt, ...]:
        """Attempts begun and not ended, oldest first: in flight, or possibly paid when a run was killed."""
        return tuple(noun_of(Attempt, row) for row in self._db.rows(_SELECT_PENDING))

    def attempts(self, campaign: int | None = None) -> dict[str, int]:
        """How many attempts ended how ("pending" while unknown), in one campaign or in all."""
        rows = self._db.rows(_COUNT_ATTEMPTS, PENDING, campaign)
        return {str(outcome): int_of(count) for outcome, count in rows}

    # Completions

    def completion(self, key: str) -> Completion | None:
        """The completion stored under this key."""
        return self.completions([key]).get(key)

    def completions(self, keys: Iterable[str]) -> dict[str, Completion]:
        """Those of the keys that are stored, in the order asked for."""
        wanted = list(dict.fromkeys(keys))
        bodies = {str(key): body for key, body in self._db.rows(_SELECT_COMPLETIONS, json.dumps(wanted))}
        what = f"{self.path}: completion"
        return {key: parsed(Completion, bodies[key], f"{what} {key}") for key in wanted if key in bodies}

    def store_completions(self, completions: Mapping[str, Completion]) -> None:
        """Store a batch in one commit. A completion that is already there stays as it was first made."""
        if not completions:
            return
        with self._db.durable("completions") as db:
            rows = [(key, made.model_dump_json(), *self._place) for key, made in completions.items()]
            db.executemany(_INSERT_COMPLETION, rows)

    # Campaigns and rounds

    def campaign(self, key: str, about: Mapping[str, str], new: bool = False) -> int:
        """The latest campaign with this key, or (if there is none, or `new`) another one. It becomes current."""
        latest = self._db.rows("SELECT max(id) FROM campaigns WHERE key = ?", key)[0][0]
        found = self._new_campaign(key, about) if new or latest is None else int_of(latest)
        self._place = (found, None)
        return found

    def _new_campaign(self, key: str, about: Mapping[str, str]) -> int:
        text = json.dumps(dict(about), ensure_ascii=False, sort_keys=True)
        with self._db.durable("campaign") as db:
            made = db.execute("INSERT INTO campaigns (key, about, created) VALUES (?, ?, ?)", (key, text, time.time()))
            return int_of(made.lastrowid)

    def campaigns(self) -> tuple[Campaign, ...]:
        """All campaigns, oldest first; `about` is a JSON object."""
        return tuple(noun_of(Campaign, row) for row in self._db.rows(_SELECT_CAMPAIGNS))

    def start_round(self, campaign: int, number: int) -> None:
        """From now on new answers and completions count as bought by this round."""
        self._place = (campaign, number)

    def history(self, campaign: int) -> History:
        """All rounds of a campaign, first to last."""
        rows = self._db.rows("SELECT number, body FROM rounds WHERE campaign = ? ORDER BY number", campaign)
        what = f"of campaign {campaign} in {self.path}"
        return tuple(parsed(Round, body, f"Round {number} {what}") for number, body in rows)

    def append(self, campaign: int, done: Round) -> None:
        """Add a finished round. Raises LedgerError unless it is the next one."""
        with self._db.durable("round") as db:
            count = db.execute("SELECT count(*) FROM rounds WHERE campaign = ?", (campaign,)).fetchone()[0]
            if done.number != count + 1:
                raise LedgerError(
                    f"{self.path}: round {done.number} cannot follow round {count} of campaign {campaign}. "
                    "Read the history again before going on."
                )
            values = (campaign, done.number, done.model_dump_json(), time.time())
            db.execute("INSERT INTO rounds (campaign, number, body, recorded) VALUES (?, ?, ?, ?)", values)

    def canonical(self, campaign: int) -> bytes:
        """The history as bytes that two identical runs share: without times, attempts and rechecks."""
        return canonical_lines(self.history(campaign))

    # Costs

    def cost(self, campaign: int, number: int) -> Cost:
        """What this round was the first to buy. The same whatever the order in which answers came."""
        return self._cost(campaign, number)

    def spend(self) -> Cost:
        """All that the ledger has bought, and what failed and repeated attempts cost besides."""
        charged = self._db.rows("SELECT coalesce(sum(charged), 0) FROM attempts")[0][0]
        return add_costs(self._cost(None, None), Cost(micro_usd=int_of(charged)))

    def _cost(self, campaign: int | None, number: int | None) -> Cost:
        rows = self._db.rows(_SUM_ANSWERS, campaign, number)
        bought = [_role_cost(str(role), *map(int_of, sums)) for role, *sums in rows]
        made = int_of(self._db.rows(_COUNT_COMPLETIONS, campaign, number)[0][0])
        return add_costs(*bought, Cost(calls=((_SUBJECT, made),) if made else ()))


def _role_cost(role: str, calls: int, tokens_in: int, tokens_out: int, micro_usd: int) -> Cost:
    return Cost(calls=((role, calls),), tokens_in=tokens_in, tokens_out=tokens_out, micro_usd=micro_usd)


def _require_key(db: sqlite3.Connection, attempt: int, key: str) -> None:
    found = db.execute("SELECT key FROM attempts WHERE id = ?", (attempt,)).fetchone()
    if found is None or found[0] != key:
        raise LedgerError(f"Attempt {attempt} was not begun for the request that its answer is for.")


def _end(db: sqlite3.Connection, attempt: int, outcome: str, detail: str, charged: int) -> None:
    """Close an open attempt, or raise LedgerError."""
    if db.execute(_END_ATTEMPT, (time.time(), outcome, detail, charged, attempt)).rowcount != 1:
        raise LedgerError(f"Attempt {attempt} is not open: it was never begun, or its outcome is already recorded.")


def _storable(text: str) -> str:
    """The text with lone surrogates spelt out: a strange error message must not keep the error from being recorded."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
