"""Bugs that can be planted in this process, so that the tests of killed runs are seen to catch them."""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from typing import Any

from agent.app import composition
from agent.config.settings import EndpointSettings
from agent.llm.endpoint import Endpoint
from agent.schema import History, Role, Round
from agent.storage.ledger import Ledger
from agent.storage.ledger_database import Answer, Database
from agent.storage.ledger_writer import AttemptStore, RecordAnswer

LATE = 0.02  # seconds


def late_answer() -> None:
    """The caller gets its answer before the answer is on disk."""

    async def record_answer_async(self: Ledger, attempt: int, answer: Answer) -> Answer:
        record = RecordAnswer(attempt, answer, self._round, self._clock())
        asyncio.get_running_loop().call_later(LATE, self._writer.post, record)
        return answer

    Ledger.record_answer_async = record_answer_async  # type: ignore[method-assign]


def late_intent() -> None:
    """A call is sent before its attempt is on disk."""
    numbers: dict[int, Any] = {}

    async def begin_attempt_async(self: Ledger, key: str, role: Role, purpose: str, reserved: int = 0) -> int:
        number = next(numbers.setdefault(id(self), itertools.count(self._attempts._last + 1)))
        asyncio.get_running_loop().call_later(LATE, self._writer.post, self._begin(key, role, purpose, reserved))
        return int(number)

    original = Ledger.record_answer_async

    async def record_answer_async(self: Ledger, attempt: int, answer: Answer) -> Answer:
        await asyncio.sleep(2 * LATE)
        return await original(self, attempt, answer)

    Ledger.begin_attempt_async = begin_attempt_async  # type: ignore[method-assign]
    Ledger.record_answer_async = record_answer_async  # type: ignore[method-assign]


def early_round() -> None:
    """A round is recorded first, and its findings in a second step."""
    original = Ledger.append

    def append(self: Ledger, campaign: int, done: Round) -> None:
        original(self, campaign, done.model_copy(update={"findings": ()}))
        with self._db.durable("findings") as db:
            where = (done.model_dump_json(), campaign, done.number)
            db.execute("UPDATE rounds SET body = ? WHERE campaign = ? AND number = ?", where)

    Ledger.append = append  # type: ignore[method-assign]


def forgotten_history() -> None:
    """A run starts without reading the history of earlier ones."""
    original = Ledger.history
    own: set[int] = set()

    def history(self: Ledger, campaign: int) -> History:
        return original(self, campaign) if id(self) in own else ()

    append = Ledger.append

    def appended(self: Ledger, campaign: int, done: Round) -> None:
        append(self, campaign, done)
        own.add(id(self))

    Ledger.history = history  # type: ignore[method-assign]
    Ledger.append = appended  # type: ignore[method-assign]


def forgotten_answers() -> None:
    """A run does not look up the answers it has already."""
    Ledger.answer = lambda self, key: None  # type: ignore[method-assign]


def counted_twice() -> None:
    """The cost of an answer is charged to its attempt too."""
    original = AttemptStore._end

    def end(self: AttemptStore, plan: Any, attempt: int, *how: Any) -> None:
        ended, outcome, detail, charged = how
        costs = [record.answer.micro_usd for record in plan.answers.values()]
        original(self, plan, attempt, ended, outcome, detail, charged or (costs[-1] if costs else 0))

    AttemptStore._end = end  # type: ignore[method-assign]


def tidied_attempts() -> None:
    """Attempts left open by a killed run are closed as failed by the next one."""
    original = Database.write.__func__  # type: ignore[attr-defined]

    def write(cls: type[Database], *where: Any) -> Database:
        made: Database = original(cls, *where)
        with made.durable() as db:
            db.execute("UPDATE attempts SET outcome = 'lost' WHERE outcome IS NULL")
        return made

    Database.write = classmethod(write)  # type: ignore[method-assign, assignment]


def unlimited() -> None:
    """The limit on calls in flight is not kept."""
    original = composition.endpoint_of

    def endpoint_of(about: EndpointSettings, app: object = None) -> Endpoint:
        return original(about, app).model_copy(update={"concurrency": 64})

    composition.endpoint_of = endpoint_of


BUGS: Mapping[str, Callable[[], None]] = {
    plant.__name__.replace("_", "-"): plant
    for plant in (
        late_answer,
        late_intent,
        early_round,
        forgotten_history,
        forgotten_answers,
        counted_twice,
        tidied_attempts,
        unlimited,
    )
}
