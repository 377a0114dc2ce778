"""Judge by files: requests and answers as lines of the OpenAI Batch API, or as plain prompts and texts."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agent.errors import UserError
from agent.llm import concurrency
from agent.llm.budget import reservation
from agent.llm.calls import Call, RequestRunner, call_for
from agent.llm.client import answer_of
from agent.llm.endpoint import Capability, Endpoint
from agent.llm.errors import LLMError, Malformed, classify, error_body, error_text, truncate
from agent.llm.response import ChatCompletion, clean, read_reply
from agent.llm.scoring import sampled_choice, sampled_score
from agent.schema import ErrorKind, FrozenModel, Reply, Request, Role, Shape
from agent.storage.durable import write_atomically
from agent.storage.json_lines import json_lines
from agent.storage.ledger import Ledger
from agent.storage.ledger_database import Answer

URL = "/v1/chat/completions"
_FORMS = (
    'Write {"custom_id", "text"}, or a line of a batch result: {"custom_id", "response": {"status_code", "body"}, '
    '"error"}.'
)


class BatchFileError(UserError):
    """A file of answers that cannot be read; the message says which and why."""


class AnswerLine(FrozenModel):
    """One line of a file of answers: an HTTP reply (`status` and `body`), a bare `text`, or the batch's `error`.

    `where` is file and line number.
    """

    where: str
    custom_id: str
    status: int | None = None
    body: bytes = b""
    text: str | None = None
    error: str | None = None


def write_batch(path: Path, bodies: Mapping[str, bytes]) -> None:
    """Write one request per line, by custom id, in the form of the OpenAI Batch API."""
    _write(path, bodies, lambda body: {"method": "POST", "url": URL, "body": json.loads(body)})


def write_prompts(path: Path, bodies: Mapping[str, bytes]) -> None:
    """Write one prompt per line, by custom id, for a judge that is asked by hand."""
    _write(path, bodies, lambda body: {"prompt": _prompt(body)})


def _prompt(body: bytes) -> str:
    return "\n\n".join(message["content"] for message in json.loads(body)["messages"])


def _write(path: Path, bodies: Mapping[str, bytes], fields_of: Callable[[bytes], dict[str, Any]]) -> None:
    """Write lines in the order of their ids. These are hashes, so two endings of one text are not neighbours."""
    lines = [json.dumps({"custom_id": key, **fields_of(body)}) + "\n" for key, body in sorted(bodies.items())]
    write_atomically(path, "".join(lines).encode("ascii"))


def read_answers(path: Path) -> tuple[tuple[AnswerLine, ...], tuple[str, ...]]:
    """All readable lines, in order, and one sentence for each unreadable line: a cut file keeps its complete lines.

    Raises BatchFileError if the file cannot be read.
    """
    try:
        lines = json_lines(path.read_bytes())
    except UnicodeDecodeError as error:
        raise BatchFileError(f"{path} is not {error.encoding.upper()}. Save the file as UTF-8.") from error
    except OSError as error:
        raise BatchFileError(
            f"{path} cannot be read ({error.strerror}). Name a file of answers, one JSON per line."
        ) from error
    rows, problems = [], []
    for number, line in lines:
        try:
            rows.append(_answer_line(f"{path.name}:{number}", line))
        except ValueError as error:
            problems.append(f"{path.name}:{number}: {error}")
    return tuple(rows), tuple(problems)


def _answer_line(where: str, line: bytes) -> AnswerLine:
    """One line, parsed. Raises ValueError with a sentence."""
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"Not complete JSON ({str(error)[:80]}). The line was skipped; the file may have been cut."
        ) from error
    custom_id = row.get("custom_id") if isinstance(row, dict) else None
    if not isinstance(custom_id, str):
        raise ValueError(f"No custom_id. {_FORMS}")
    text = row.get("text")
    if isinstance(text, str | int | dict):  # a number or an object counts as its text
        return AnswerLine(where=where, custom_id=custom_id, text=text if isinstance(text, str) else json.dumps(text))
    response, failure = row.get("response"), row.get("error")
    if isinstance(response, dict):
        status = response.get("status_code", 200)
        number = status if type(status) is int else 0
        return AnswerLine(where=where, custom_id=custom_id, status=number, body=_body(response.get("body")))
    if failure:
        return AnswerLine(where=where, custom_id=custom_id, error=json.dumps(failure)[:500])
    raise ValueError(f"No text, response or error. {_FORMS}")


def _body(body: object) -> bytes:
    """The HTTP body as bytes; a proxy's error page arrives as a string."""
    return body.encode("utf-8", "replace") if isinstance(body, str) else json.dumps(body).encode("ascii")


PLAIN = Capability(logprobs=False, scale="percent", structured="plain", seed=False)
_BY_HAND = "by hand"


class Unanswered(LLMError):
    """No answer to this request has been imported yet."""

    kind = ErrorKind.UNANSWERED


@dataclass
class ImportReport:
    """Counts of imported answers, and one sentence for each line that a person should look at."""

    stored: int = 0
    repeated: int = 0
    conflicting: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


class BatchJudge:
    """Judge that is asked by files instead of HTTP. Answers are stored in the ledger under the usual keys.

    `asked` are the calls requested so far, by key and in order; `missing` those without an answer. With `single`, one
    plain text answers a request: the method is "samples" with n = 1.
    """

    def __init__(
        self, endpoints: Mapping[Role, Endpoint], known: Mapping[Role, Capability], ledger: Ledger, single: bool = False
    ) -> None:
        self._endpoints = endpoints
        self.known = known
        self._ledger = ledger
        self._single = single
        self.asked: dict[str, Call] = {}

    @classmethod
    def by_hand(cls, name: str, ledger: Ledger) -> "BatchJudge":
        """A judge that only answers in plain text, such as a chat. Answers are stored under its name."""
        endpoint = Endpoint(model=name, base_url=_BY_HAND)
        return cls(dict.fromkeys(Role, endpoint), dict.fromkeys(Role, PLAIN), ledger, single=True)

    @property
    def missing(self) -> dict[str, Call]:
        return {key: call for key, call in self.asked.items() if self._answer(call) is None}

    def _answer(self, call: Call) -> Answer | None:
        """The stored answer to a call, if it counts."""
        stored = self._ledger.answer(call.key)
        return stored if stored is not None and call.flaw(stored) is None else None

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply per request, in order; without an answer it has an error of kind "unanswered"."""
        if self._single:
            return [self._one(request) for request in requests]
        return concurrency.run(self._all(requests))

    async def _all(self, requests: Sequence[Request]) -> list[Reply]:
        runners = {
            role: RequestRunner(self._endpoints[role], self.known[role], self._stored) for role in self._endpoints
        }
        return [await runners[request.role].reply(request) for request in requests]

    async def _stored(self, call: Call) -> Answer:
        return self._look_up(call)

    def _look_up(self, call: Call) -> Answer:
        self.asked.setdefault(call.key, call)
        stored = self._answer(call)
        if stored is None:
            raise Unanswered("No answer to this request has been imported yet.")
        return stored

    def _one(self, request: Request) -> Reply:
        endpoint = self._endpoints[request.role]
        call = call_for(request, endpoint.model, endpoint.base_url, self.known[request.role])
        try:
            answer = self._look_up(call)
            return _reply(request, answer)
        except LLMError as error:
            return Reply(error=error.named)

    def import_answers(self, rows: Sequence[AnswerLine], report: ImportReport) -> list[AnswerLine]:
        """Store answers to the calls asked, each checked like a live reply. Returns the lines that answer none of them.

        The first complete answer to a call counts; later ones are reported if they differ. A failed answer is reported
        and not recorded in the ledger, so importing a file twice changes nothing.
        """
        unmatched = []
        for row in rows:
            if row.custom_id in self.asked:
                self._import(row, self.asked[row.custom_id], report)
            else:
                unmatched.append(row)
        return unmatched

    def _import(self, row: AnswerLine, call: Call, report: ImportReport) -> None:
        endpoint = self._endpoints[call.role]
        try:
            completion = _completion(row, call)
            content = call.accept(completion)
        except LLMError as error:
            report.failed.append(f"{row.where}: {error.named}")
            return
        stored = self._answer(call)
        if stored is not None:
            report.repeated += 1
            if stored.content != content:
                report.conflicting.append(
                    f"{row.where}: {truncate(content, 60)!r}, where {truncate(stored.content, 60)!r} counts"
                )
            return
        usage = (0, 0) if row.text is not None else completion.usage or reservation(call)
        completion = replace(completion, model=completion.model or endpoint.model)
        answer = answer_of(call, endpoint, completion, content, usage)
        self._ledger.reject_answer(call.key, ErrorKind.UNSCORED, "It could not be read.")
        self._ledger.record_answer(self._ledger.begin_attempt(call.key, call.role, "import"), answer)
        report.stored += 1


def _reply(request: Request, answer: Answer) -> Reply:
    """The reply for a single plain text. Raises Unscored."""
    keys = (answer.key,)
    match request.shape:
        case Shape.NUMBER:
            return Reply(score=sampled_score([answer.content], request.thresholds), answers=keys)
        case Shape.CHOICE:
            return Reply(choice=sampled_choice([answer.content], request.options), answers=keys)
        case Shape.JSON:
            return Reply(data=answer.content, answers=keys)
        case Shape.TEXT:
            return Reply(text=answer.content, answers=keys)


def _completion(row: AnswerLine, call: Call) -> ChatCompletion:
    """The completion in a line. Raises the LLMError that the same reply would have raised live."""
    if row.text is not None:
        if call.needs_logprobs:
            raise Malformed("A bare text has no log-probabilities. Name the judge that wrote it with --plain.")
        if not row.text.strip():
            raise Malformed("The text is empty.")
        return ChatCompletion(clean(row.text).strip(), "stop", "", None, ())
    if row.error is not None:
        raise classify(500, truncate(clean(row.error)), source="Batch error")
    if row.status != 200:
        raise classify(row.status or 500, error_text(error_body(row.body)))
    return read_reply(row.body)
