"""Requests and answers as files: lines of the OpenAI Batch API, or plain prompts and texts for a chat."""

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
from agent.llm.errors import LLMError, Malformed, Unscored, classify, error_body, error_text, truncate
from agent.llm.response import ChatCompletion, clean, read_reply
from agent.llm.scoring import number_in, option_in, sampled_choice, sampled_score
from agent.schema import ErrorKind, FrozenModel, Reply, Request, Role, Shape
from agent.storage.durable import write_atomically
from agent.storage.ledger import Ledger
from agent.storage.ledger_database import Answer

URL = "/v1/chat/completions"
_FORMS = (
    'Write {"custom_id", "text"}, or a line of a batch result: {"custom_id", "response": {"status_code", "body"}, '
    '"error"}.'
)


class BatchFileError(UserError):
    """A file of answers that cannot be read at all; the message says which and why."""


class Returned(FrozenModel):
    """One line of answers. `status` is that of the HTTP reply with `body`; a chat's answer is a bare `text`.

    `error`: why there is neither.
    """

    where: str
    custom_id: str
    status: int | None = None
    body: bytes = b""
    text: str | None = None
    error: str | None = None


def write_batch(path: Path, bodies: Mapping[str, bytes]) -> None:
    """One request per line, by custom id, as the Batch API takes them."""
    _write(path, bodies, lambda body: {"method": "POST", "url": URL, "body": json.loads(body)})


def write_prompts(path: Path, bodies: Mapping[str, bytes]) -> None:
    """Only what a model is to read, by custom id: for a judge that is reached by hand."""
    _write(path, bodies, lambda body: {"prompt": _prompt(body)})


def _prompt(body: bytes) -> str:
    return "\n\n".join(message["content"] for message in json.loads(body)["messages"])


def _write(path: Path, bodies: Mapping[str, bytes], told: Callable[[bytes], dict[str, Any]]) -> None:
    """Lines in the order of their ids, which are hashes: two endings of one text do not stand together."""
    lines = [json.dumps({"custom_id": key, **told(body)}) + "\n" for key, body in sorted(bodies.items())]
    write_atomically(path, "".join(lines).encode("ascii"))


def read_answers(path: Path) -> tuple[tuple[Returned, ...], tuple[str, ...]]:
    """All lines that can be read, in order, and a sentence for each that cannot: a cut file keeps its whole lines.

    Raises BatchFileError where there is no such file.
    """
    try:
        content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise BatchFileError(
            f"{path} cannot be read ({error.strerror}). Name a file of answers, one JSON per line."
        ) from error
    rows, problems = [], []
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append(_returned(f"{path.name}:{number}", line))
        except ValueError as error:
            problems.append(f"{path.name}:{number}: {error}")
    return tuple(rows), tuple(problems)


def _returned(where: str, line: bytes) -> Returned:
    """One line. Raises ValueError with a sentence."""
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"This is not whole JSON ({str(error)[:80]}): was the file cut? The line is passed over."
        ) from error
    custom_id = row.get("custom_id") if isinstance(row, dict) else None
    if not isinstance(custom_id, str):
        raise ValueError(f"This line has no custom_id. {_FORMS}")
    text = row.get("text")
    if isinstance(text, str | int | dict):  # a number or an object is as good as its text
        return Returned(where=where, custom_id=custom_id, text=text if isinstance(text, str) else json.dumps(text))
    response, trouble = row.get("response"), row.get("error")
    if isinstance(response, dict):
        status = response.get("status_code", 200)
        number = status if type(status) is int else 0
        return Returned(where=where, custom_id=custom_id, status=number, body=_body(response.get("body")))
    if trouble:
        return Returned(where=where, custom_id=custom_id, error=json.dumps(trouble)[:500])
    raise ValueError(f"This line has neither a text, nor a response, nor an error. {_FORMS}")


def _body(body: object) -> bytes:
    """The HTTP body as it may have come: a proxy's page arrives as a text."""
    return body.encode("utf-8", "replace") if isinstance(body, str) else json.dumps(body).encode("ascii")


PLAIN = Capability(logprobs=False, scale="percent", structured="plain", seed=False)
_BY_HAND = "by hand"


class Unanswered(LLMError):
    """Nobody has answered this request yet."""

    kind = ErrorKind.UNANSWERED


@dataclass
class ImportReport:
    """What became of a file of answers. Lines are told as sentences where a human should look at them."""

    stored: int = 0
    repeated: int = 0
    differing: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


class BatchJudge:
    """A judge that is asked by files. `asked` are the calls wanted so far by key, in order; `missing` those unanswered.

    With `single`, one plain text is a request's whole answer: the method is "samples" with n = 1.
    """

    def __init__(
        self, endpoints: Mapping[Role, Endpoint], known: Mapping[Role, Capability], ledger: Ledger, single: bool = False
    ) -> None:
        self._endpoints = endpoints
        self.known = known
        self._ledger = ledger
        self._single = single
        self.asked: dict[str, Call] = {}
        self._options: dict[str, tuple[str, ...]] = {}

    @classmethod
    def by_hand(cls, name: str, ledger: Ledger) -> "BatchJudge":
        """A judge that only answers in plain text, such as a chat; answers are kept under its name."""
        endpoint = Endpoint(model=name, base_url=_BY_HAND)
        return cls(dict.fromkeys(Role, endpoint), dict.fromkeys(Role, PLAIN), ledger, single=True)

    @property
    def missing(self) -> dict[str, Call]:
        return {key: call for key, call in self.asked.items() if self._ledger.answer(key) is None}

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply per request, in order; what nobody has answered has an error of kind "unanswered"."""
        if self._single:
            return [self._one(request) for request in requests]
        return concurrency.run(self._all(requests))

    async def _all(self, requests: Sequence[Request]) -> list[Reply]:
        desks = {role: RequestRunner(self._endpoints[role], self.known[role], self._stored) for role in self._endpoints}
        return [await desks[request.role].reply(request) for request in requests]

    async def _stored(self, call: Call) -> Answer:
        return self._look_up(call)

    def _look_up(self, call: Call) -> Answer:
        self.asked.setdefault(call.key, call)
        stored = self._ledger.answer(call.key)
        if stored is None:
            raise Unanswered("No answer to this request has been read in yet.")
        return stored

    def _one(self, request: Request) -> Reply:
        endpoint = self._endpoints[request.role]
        call = call_for(request, endpoint.model, endpoint.base_url, self.known[request.role])
        self._options[call.key] = request.options
        try:
            answer = self._look_up(call)
            return _reply(request, answer)
        except LLMError as error:
            return Reply(error=error.named)

    def receive(self, rows: Sequence[Returned], into: ImportReport) -> list[Returned]:
        """Store the answers to what was asked, each checked as a live reply is. Returns the rows nobody asked for.

        The first whole answer to a request counts; later ones are told where they differ. What failed is told and
        leaves its request unanswered; the ledger hears nothing of it, so that reading a file twice changes nothing.
        """
        left = []
        for row in rows:
            if row.custom_id in self.asked:
                self._take(row, self.asked[row.custom_id], into)
            else:
                left.append(row)
        return left

    def _take(self, row: Returned, call: Call, into: ImportReport) -> None:
        endpoint = self._endpoints[call.role]
        try:
            said = _said(row, call)
            content = call.accept(said)
            if self._single:
                self._check_readable(call, content)
        except LLMError as error:
            into.failed.append(f"{row.where}: {error.named}")
            return
        before = self._ledger.answer(call.key)
        if before is not None:
            into.repeated += 1
            if before.content != content:
                into.differing.append(
                    f"{row.where}: {truncate(content, 60)!r}, where {truncate(before.content, 60)!r} counts"
                )
            return
        usage = (0, 0) if row.text is not None else said.usage or reservation(call)
        named = replace(said, model=said.model or endpoint.model)
        answer = answer_of(call, endpoint, named, content, usage)
        self._ledger.settle(self._ledger.intend(call.key, call.role, "import"), answer)
        into.stored += 1

    def _check_readable(self, call: Call, content: str) -> None:
        """A text that is no answer is asked for again: there is no second sample that could outvote it."""
        if call.shape is Shape.NUMBER and number_in(content) is None:
            raise Unscored(f"The answer is not one whole number from 0 to 100 but {truncate(content, 60)!r}.")
        options = self._options.get(call.key, ())
        if call.shape is Shape.CHOICE and option_in(content, options) is None:
            raise Unscored(f"The answer is not one of {', '.join(options)} but {truncate(content, 60)!r}.")


def _reply(request: Request, answer: Answer) -> Reply:
    """The reply that a single plain text stands for. Raises Unscored."""
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


def _said(row: Returned, call: Call) -> ChatCompletion:
    """What the line says. Raises the named error that a live reply of this kind would have met."""
    if row.text is not None:
        if call.needs_logprobs:
            raise Malformed("A bare text has no log-probabilities: name the judge that wrote it with --plain.")
        if not row.text.strip():
            raise Malformed("The text is empty.")
        return ChatCompletion(clean(row.text).strip(), "stop", "", None, ())
    if row.error is not None:
        raise classify(500, truncate(clean(row.error)))
    if row.status != 200:
        raise classify(row.status or 500, error_text(error_body(row.body)))
    return read_reply(row.body)
