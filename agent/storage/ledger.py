"""The ledger of a trait: every paid answer, attempt, completion and round of every campaign, in one SQLite file."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agent.schema import CampaignBasis, Completion, History, Role, Round, Usage, add_costs, canonical_lines
from agent.storage.ledger_database import (
    ANSWERED,
    DUPLICATE_ANSWER,
    MOUNTS,
    PENDING,
    WITHDRAWN,
    Answer,
    Attempt,
    CampaignRecord,
    Database,
    LedgerError,
    RoundRef,
    Spent,
    int_of,
    model_from_row,
    parse_stored,
)
from agent.storage.ledger_schema import CURRENT, LedgerSchema
from agent.storage.ledger_writer import (
    SELECT_ANSWER,
    AttemptCost,
    AttemptStore,
    BeginAttempt,
    GroupCommitWriter,
    Operation,
    RecordAnswer,
    RecordFailure,
    RejectAnswer,
    TouchSession,
)

_SUBJECT = "subject"
_FREE = AttemptCost()

_ATTEMPT = (
    "SELECT id, key, role, purpose, campaign, round, begun, ended, outcome, detail, charged, reserved FROM attempts"
)
_SELECT_PENDING = f"{_ATTEMPT} WHERE outcome IS NULL ORDER BY id"
_SELECT_FAILURES = f"{_ATTEMPT} WHERE outcome IS NOT NULL AND outcome NOT IN (?, ?, ?) ORDER BY id DESC LIMIT ?"
_COUNT_ANSWERED = "SELECT count(*) FROM attempts WHERE outcome IN (?, ?) AND ended > ?"
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
_SUM_ROLES = """
    SELECT role, sum(calls), sum(tokens_in), sum(tokens_out), sum(paid) + sum(possibly), sum(open), sum(possibly) FROM (
        SELECT role, 0 AS calls, tokens_in, tokens_out, micro_usd AS paid, 0 AS open, 0 AS possibly FROM answers
        UNION ALL
        SELECT role, outcome IS NOT ?1, tokens_in, tokens_out, charged, outcome IS NULL,
            iif(outcome IS NULL, reserved, 0) FROM attempts
    ) GROUP BY role ORDER BY role
"""
_SUM_FAILED = """
    SELECT role, count(*), sum(tokens_in), sum(tokens_out), sum(charged)
    FROM attempts WHERE outcome IS NOT NULL AND outcome NOT IN (?, ?) GROUP BY role
"""
_COUNT_COMPLETIONS = "SELECT count(*) FROM completions WHERE ?1 IS NULL OR (campaign = ?1 AND round = ?2)"


class Ledger:
    """The single writer of a trait's SQLite file, or (`Ledger.read`) one of its readers. Threads may share it.

    Data is on disk when a method returns. Every failure is a LedgerError that says what to do. Methods that end in
    `_async` are for callers on an event loop: concurrent ones share a commit. `clock` gives seconds since 1970.
    """

    def __init__(
        self,
        path: Path,
        mounts: Path = MOUNTS,
        reading: bool = False,
        clock: Callable[[], float] = time.time,
        schema: LedgerSchema = CURRENT,
    ) -> None:
        self._db = Database.read(path, schema) if reading else Database.write(path, mounts, schema)
        self._attempts = AttemptStore(self._db)
        if not reading:
            self._attempts.load()
        self._writer = GroupCommitWriter(self._attempts.store, self._withdraw)
        self._clock = clock
        self._round: RoundRef = (None, None)
        self.identity = object()  # names this open ledger as a key in dictionaries; unlike id(), it is never reused
        self._sessions: dict[int, float] = {}  # when those of this process began

    @classmethod
    def read(cls, path: Path, schema: LedgerSchema = CURRENT) -> "Ledger":
        """A reader, also of an older version's file. Raises LedgerError where there is no ledger, or a newer one."""
        return cls(path, reading=True, schema=schema)

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
        """Store pending writes, then release the lock. Closing twice is harmless."""
        self._writer.close()
        self._db.close()

    # Answers and attempts

    def answer(self, key: str) -> Answer | None:
        """The stored answer to exactly this request, deployment and sample. Never waits for a commit."""
        if not self._attempts.may_have(key):
            return None
        rows = self._db.rows(SELECT_ANSWER, key)
        return model_from_row(Answer, rows[0]) if rows else None

    def begin_attempt(self, key: str, role: Role, purpose: str, reserved: int = 0) -> int:
        """Record, before the send, that a call may cost up to `reserved` millionths of a dollar. Returns its id."""
        return self._writer.wait(self._begin(key, role, purpose, reserved))

    async def begin_attempt_async(self, key: str, role: Role, purpose: str, reserved: int = 0) -> int:
        """The same on an event loop. If cancelled, the call is not sent and its attempt is closed as withdrawn."""
        return await self._writer.wait_async(self._begin(key, role, purpose, reserved))

    def record_answer(self, attempt: int, answer: Answer) -> Answer:
        """Store the answer and close its attempt in one commit. Returns the one that counts: the first of its key."""
        return self._writer.wait(RecordAnswer(attempt, answer, self._round, self._clock()))

    async def record_answer_async(self, attempt: int, answer: Answer) -> Answer:
        """The same on an event loop. If cancelled, the answer is still stored."""
        return await self._writer.wait_async(RecordAnswer(attempt, answer, self._round, self._clock()))

    def record_failure(
        self, attempt: int, error_class: str, detail: str, charged: int = 0, tokens: tuple[int, int] = (0, 0)
    ) -> None:
        """Close an attempt without an answer.

        `charged` (millionths of a dollar) and (input, output) `tokens` are what it still cost.
        """
        self._writer.wait(self._failure(attempt, error_class, detail, AttemptCost(charged, *tokens)))

    async def record_failure_async(
        self, attempt: int, error_class: str, detail: str, charged: int = 0, tokens: tuple[int, int] = (0, 0)
    ) -> None:
        """The same on an event loop. If cancelled, the attempt is still closed."""
        await self._writer.wait_async(self._failure(attempt, error_class, detail, AttemptCost(charged, *tokens)))

    def reject_answer(self, key: str, error_class: str, detail: str) -> None:
        """Turn a stored answer, if there is one, into a failed attempt that cost the same."""
        self._writer.wait(RejectAnswer(key, error_class, _storable(detail)))

    async def reject_answer_async(self, key: str, error_class: str, detail: str) -> None:
        """The same on an event loop."""
        await self._writer.wait_async(RejectAnswer(key, error_class, _storable(detail)))

    def _begin(self, key: str, role: Role, purpose: str, reserved: int) -> BeginAttempt:
        return BeginAttempt(key, role, _storable(purpose), self._round, self._clock(), reserved)

    def _failure(self, attempt: int, error_class: str, detail: str, cost: AttemptCost = _FREE) -> RecordFailure:
        if error_class in ("", ANSWERED, DUPLICATE_ANSWER, PENDING):
            raise ValueError(f"{error_class!r} is no class of error")
        return RecordFailure(attempt, error_class, _storable(detail), cost, self._clock())

    def _withdraw(self, operation: Operation[Any], result: object) -> None:
        """Close an attempt whose caller was cancelled before it sent anything: it cost nothing."""
        if isinstance(operation, BeginAttempt):
            with suppress(LedgerError):  # the ledger is closed by now: the attempt stays listed as possibly paid
                self._writer.post(self._failure(int_of(result), WITHDRAWN, "Cancelled before it was sent."))

    def pending(self) -> tuple[Attempt, ...]:
        """Attempts without an outcome, oldest first: in flight, or possibly paid when a run was killed."""
        return tuple(model_from_row(Attempt, row) for row in self._db.rows(_SELECT_PENDING))

    def attempt_counts(self, campaign: int | None = None) -> dict[str, int]:
        """The number of attempts per outcome ("pending" without one), in one campaign or in all."""
        rows = self._db.rows(_COUNT_ATTEMPTS, PENDING, campaign)
        return {str(outcome): int_of(count) for outcome, count in rows}

    def last_failures(self, count: int) -> tuple[Attempt, ...]:
        """The last `count` attempts that ended in an error, latest first; withdrawn ones are not errors."""
        rows = self._db.rows(_SELECT_FAILURES, ANSWERED, DUPLICATE_ANSWER, WITHDRAWN, count)
        return tuple(model_from_row(Attempt, row) for row in rows)

    def answered_since(self, when: float) -> int:
        """How many attempts brought an answer after a moment (seconds since 1970)."""
        return int_of(self._db.rows(_COUNT_ANSWERED, ANSWERED, DUPLICATE_ANSWER, when)[0][0])

    # Completions

    def completion(self, key: str) -> Completion | None:
        """The completion stored under this key."""
        return self.completions([key]).get(key)

    def completions(self, keys: Iterable[str]) -> dict[str, Completion]:
        """The stored completions among these keys, in the order of the keys."""
        wanted = list(dict.fromkeys(keys))
        bodies = {str(key): body for key, body in self._db.rows(_SELECT_COMPLETIONS, json.dumps(wanted))}
        what = f"{self.path}: completion"
        return {key: parse_stored(Completion, bodies[key], f"{what} {key}") for key in wanted if key in bodies}

    def store_completions(self, completions: Mapping[str, Completion]) -> None:
        """Store a batch in one commit. A completion that exists already is kept."""
        if not completions:
            return
        with self._db.durable("completions") as db:
            rows = [(key, made.model_dump_json(), *self._round) for key, made in completions.items()]
            db.executemany(_INSERT_COMPLETION, rows)

    # Campaigns and rounds

    def campaign(self, basis: CampaignBasis, new: bool = False) -> int:
        """The latest campaign on this basis, or (if there is none, or `new`) another one. It becomes current."""
        latest = self._db.rows("SELECT max(id) FROM campaigns WHERE key = ?", basis.key)[0][0]
        found = self._new_campaign(basis) if new or latest is None else int_of(latest)
        self._round = (found, None)
        return found

    def _new_campaign(self, basis: CampaignBasis) -> int:
        text = json.dumps(basis.items, ensure_ascii=False, sort_keys=True)
        with self._db.durable("campaign") as db:
            made = db.execute(
                "INSERT INTO campaigns (key, about, created) VALUES (?, ?, ?)", (basis.key, text, self._clock())
            )
            return int_of(made.lastrowid)

    def campaigns(self) -> tuple[CampaignRecord, ...]:
        """All campaigns, oldest first; `about` is a JSON object."""
        return tuple(model_from_row(CampaignRecord, row) for row in self._db.rows(_SELECT_CAMPAIGNS))

    def start_round(self, campaign: int, number: int) -> None:
        """Attribute new answers and completions to this round from now on."""
        self._round = (campaign, number)

    def history(self, campaign: int) -> History:
        """All rounds of a campaign, first to last."""
        rows = self._db.rows("SELECT number, body FROM rounds WHERE campaign = ? ORDER BY number", campaign)
        what = f"of campaign {campaign} in {self.path}"
        return tuple(parse_stored(Round, body, f"Round {number} {what}") for number, body in rows)

    def now(self) -> float:
        """The time by the clock that rounds are recorded by, in seconds since 1970."""
        return self._clock()

    def recorded(self, campaign: int) -> tuple[float, ...]:
        """When each round of a campaign was recorded (seconds since 1970), first to last."""
        rows = self._db.rows("SELECT recorded FROM rounds WHERE campaign = ? ORDER BY number", campaign)
        return tuple(float(str(recorded)) for (recorded,) in rows)

    def append(self, campaign: int, done: Round) -> None:
        """Add a finished round. Raises LedgerError unless it is the next one."""
        with self._db.durable("round") as db:
            count = db.execute("SELECT count(*) FROM rounds WHERE campaign = ?", (campaign,)).fetchone()[0]
            if done.number != count + 1:
                raise LedgerError(
                    f"{self.path}: round {done.number} cannot follow round {count} of campaign {campaign}. "
                    "Read the history again before going on."
                )
            values = (campaign, done.number, done.model_dump_json(), self._clock())
            db.execute("INSERT INTO rounds (campaign, number, body, recorded) VALUES (?, ?, ?, ?)", values)

    def canonical(self, campaign: int) -> bytes:
        """The history as bytes that are equal for equal runs: without times, attempts and rechecks."""
        return canonical_lines(self.history(campaign))

    # Costs

    def cost(self, campaign: int, number: int) -> Usage:
        """The usage of a round: answers and completions it was the first to need, in whatever order they came."""
        return self._usage(campaign, number)

    def total_usage(self) -> Usage:
        """The usage of all campaigns, including the calls, tokens and dollars of failed and repeated attempts."""
        rows = self._db.rows(_SUM_FAILED, ANSWERED, WITHDRAWN)
        failed = [_role_usage(str(role), *map(int_of, sums)) for role, *sums in rows]
        return add_costs(self._usage(None, None), *failed)

    def spent_by_role(self) -> tuple[Spent, ...]:
        """What each role has cost so far, by name. A budget starts from this after a restart."""
        return tuple(model_from_row(Spent, row) for row in self._db.rows(_SUM_ROLES, WITHDRAWN))

    def models(self, campaign: int) -> tuple[tuple[str, str, int], ...]:
        """(role, model as its replies name it, answers) of a campaign, the most frequent of each role first."""
        rows = self._db.rows(
            "SELECT role, model, count(*) FROM answers WHERE campaign = ? AND model != '' "
            "GROUP BY role, model ORDER BY role, count(*) DESC, model",
            campaign,
        )
        return tuple((str(role), str(model), int_of(count)) for role, model, count in rows)

    # Sessions

    def begin_session(self) -> int:
        """Record that a run has started on this trait. Returns the session's id."""
        now = self._clock()
        with self._db.durable("session") as db:
            session = int_of(db.execute("INSERT INTO sessions (begun, seen) VALUES (?, ?)", (now, now)).lastrowid)
        self._sessions[session] = now
        return session

    def touch_session(self, session: int, seconds: float) -> None:
        """Record that a session begun here has run for `seconds` (of a monotonic clock). Does not wait for the disk."""
        self._writer.post(TouchSession(session, self._sessions.get(session, 0.0) + seconds))

    def minutes(self) -> float:
        """The running time of all sessions together, in minutes, as far as it was recorded."""
        total = self._db.rows("SELECT CAST(1000 * coalesce(sum(seen - begun), 0) AS INTEGER) FROM sessions")
        return int_of(total[0][0]) / 60_000

    def _usage(self, campaign: int | None, number: int | None) -> Usage:
        rows = self._db.rows(_SUM_ANSWERS, campaign, number)
        answered = [_role_usage(str(role), *map(int_of, sums)) for role, *sums in rows]
        made = int_of(self._db.rows(_COUNT_COMPLETIONS, campaign, number)[0][0])
        return add_costs(*answered, Usage(calls=((_SUBJECT, made),) if made else ()))


def _role_usage(role: str, calls: int, tokens_in: int, tokens_out: int, micro_usd: int) -> Usage:
    return Usage(calls=((role, calls),), tokens_in=tokens_in, tokens_out=tokens_out, micro_usd=micro_usd)


def _storable(text: str) -> str:
    """The text with lone surrogates escaped, so that a strange error message can be recorded."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
