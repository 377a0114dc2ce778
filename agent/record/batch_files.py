"""Requests and answers as files: lines of the OpenAI Batch API, or plain prompts and texts for a chat."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agent.record.files import write_atomically
from agent.schema import Noun

URL = "/v1/chat/completions"
_FORMS = (
    'Write {"custom_id", "text"}, or a line of a batch result: {"custom_id", "response": {"status_code", "body"}, '
    '"error"}.'
)


class BatchFileError(Exception):
    """A file of answers that cannot be read at all; the message says which and why."""


class Returned(Noun):
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
