"""A file of decisions from elsewhere, read row by row: the decisions in it, and what is left out, with its place."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic import ValidationError

from agent.errors import UserError
from agent.export.answers import BINDING, ToolAnswer, ToolRow, is_json_min, tool_row
from agent.review.card_builder import edited_pair
from agent.review.cards import Card
from agent.review.exchange import Offered
from agent.schema import Act, Decision
from agent.storage.json_lines import as_utf8, json_lines
from agent.text import is_text, pluralize

ACTS = (Act.APPROVE, Act.REJECT, Act.DROP)
_TORN = "\x18"  # marks a line of a decision log that a crash cut short
_BINARY = {b"PK\x03\x04": "a ZIP archive: unpack it", b"\x1f\x8b": "compressed: unpack it", b"PAR1": "a Parquet file"}
_WANTED = (
    "In Label Studio choose the export JSON; in Argilla `dataset.records(with_responses=True).to_datasets()"
    ".to_json(…)`; a colleague uses `cliffhanger decisions export`."
)
_NOT_OURS = "is not from this program: export the proposal with `cliffhanger decisions export`."
_PAGES = ("tasks", "records", "items", "results")  # keys of a server's answer around its rows


class ExchangeError(UserError):
    """A file of which nothing can be taken in; the message says what it should be."""


@dataclass(frozen=True)
class ImportedFile:
    """What a file offers: decisions with their places, a sentence for each row left out, and notes about the rest."""

    offered: tuple[Offered, ...]
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class _Row(NamedTuple):
    """One row. `problem` says, as the rest of a sentence, why it cannot be read."""

    place: str
    content: Any = None
    problem: str = ""


def read_import(content: bytes, name: str, cards: Sequence[Card], now: datetime | None = None) -> ImportedFile:
    """The decisions in JSON lines of a colleague, or in an export of Label Studio or Argilla.

    `now` is the time of answers whose tool exports none. Raises ExchangeError where no row can be read.
    """
    reader = _RowReader({card.pair: card for card in cards}, now or datetime.now(UTC))
    for row in _rows(_decoded(content, name), name):
        reader.read(row)
    if not reader.is_ours:
        problems = reader.left_out[:1] or [f"{name} {_NOT_OURS}"]
        raise ExchangeError(f"{problems[0]} {_WANTED}")
    if not reader.offered and not reader.left_out:
        what = "tasks" if reader.tool == "Label Studio" else "records"
        raise ExchangeError(
            f"{name} contains {what} without any answer: they are the questions. Export them once they are answered. "
            f"{_WANTED}"
        )
    return ImportedFile(tuple(reader.offered), tuple(reader.left_out), tuple(reader.notes()))


def _decoded(content: bytes, name: str) -> str:
    """The text in whatever encoding of Unicode it is, without its mark."""
    if (what := next((what for magic, what in _BINARY.items() if content.startswith(magic)), None)) is not None:
        raise ExchangeError(f"{name} is {what}. {_WANTED}")
    if not content.strip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0"):
        raise ExchangeError(f"{name} is empty: it contains no decision. Export it again.")
    try:
        return as_utf8(content).decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ExchangeError(f"{name}:{line} is not {error.encoding.upper()}. Save the file as UTF-8.") from error


def _rows(text: str, name: str) -> Iterator[_Row]:
    try:
        whole = json.loads(text)
    except RecursionError as error:
        raise ExchangeError(f"{name} is nested too deeply to be from this program. {_WANTED}") from error
    except ValueError as error:
        yield from _line_rows(text, name, str(error))
        return
    for number, row in enumerate(_unpacked(whole), 1):
        yield _Row(f"{name}, row {number}", row)


def _unpacked(whole: object) -> list[Any]:
    """The rows of a JSON document: a list, a page of a server's answer, records by their id, or one row."""
    if not isinstance(whole, dict):
        return whole if isinstance(whole, list) else [whole]
    page = next((whole[key] for key in _PAGES if isinstance(whole.get(key), list)), None)
    by_id = [row for row in whole.values() if isinstance(row, dict) and "metadata" in row]
    if page is not None and "data" not in whole:
        return list(page)
    return by_id if by_id and len(by_id) == len(whole) else [whole]


def _line_rows(text: str, name: str, problem: str) -> Iterator[_Row]:
    """Rows of JSON lines."""
    lines = [(number, line.decode()) for number, line in json_lines(text.encode())]
    rows = [_line_row(f"{name}:{i}", line, i == lines[-1][0]) for i, line in lines]
    if not any(isinstance(row.content, dict) for row in rows) or (text.lstrip()[0] == "[" and rows[0].problem):
        raise ExchangeError(_why_no_lines(lines[0][1], name, problem))
    yield from rows


def _line_row(place: str, line: str, is_last: bool) -> _Row:
    if line.endswith(_TORN):
        return _Row(place, problem="was cut short by a crash.")
    try:
        return _Row(place, json.loads(line))
    except (ValueError, RecursionError) as error:
        if is_last:
            return _Row(place, problem="is cut short: the file ends in the middle of it. Copy or export it again.")
        return _Row(place, problem=f"is not JSON ({str(error)[:80]}).")


def _why_no_lines(first: str, name: str, problem: str) -> str:
    columns = {cell.strip().strip('"') for cell in re.split(r"[,;\t]", first)}
    if len(columns & set(BINDING)) > 1:
        return f"{name} is a table (CSV or TSV), which leaves out who decided. {_WANTED}"
    if first.lstrip()[0] in "[{":
        return f"{name} breaks off, or is damaged: {problem[:80]}. Nothing was taken in. Copy or export it again."
    return f"{name} is neither JSON nor JSON lines. {_WANTED}"


class _CannotRead(Exception):
    """A row or an answer that is left out; the message is the rest of a sentence."""


@dataclass
class _RowReader:
    """Reads rows one by one and keeps what they offer."""

    cards: Mapping[str, Card]
    now: datetime
    offered: list[Offered] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    is_ours: bool = False
    tool: str = ""
    _without_status: int = 0

    def read(self, row: _Row) -> None:
        """Take one row in. Raises ExchangeError for one that shows that the file is another kind of export."""
        try:
            if row.problem:
                raise _CannotRead(row.problem)
            self._take(row)
        except _CannotRead as problem:
            self.left_out.append(f"{row.place} {problem}")

    def notes(self) -> Iterator[str]:
        """What cannot be known of the answers that were read."""
        if self._without_status:
            yield (
                f"{pluralize(self._without_status, 'response')} without a status: drafts and discarded ones are taken "
                "in too. Argilla exports it with `dataset.records(with_responses=True).to_datasets().to_json(…)`."
            )

    def _take(self, row: _Row) -> None:
        if not isinstance(row.content, dict):
            raise _CannotRead(_NOT_OURS)
        if not is_text(json.dumps(row.content, ensure_ascii=False)):
            raise _CannotRead("contains half of a surrogate pair, which is not a character. Correct it there.")
        if is_json_min(row.content):
            raise ExchangeError(
                f"{row.place.rpartition(', ')[0] or row.place}: the export JSON-MIN leaves out annotations and who "
                f"made them. {_WANTED}"
            )
        if "act" in row.content and "who" in row.content:
            self.offered.append(Offered(row.place, _decision(row.content)))
            self.is_ours = True
        else:
            self._take_answers(row)

    def _take_answers(self, row: _Row) -> None:
        try:
            found = tool_row(row.content)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise _CannotRead(f"has answers that cannot be read ({type(error).__name__}).") from error
        if found is None:
            raise _CannotRead(_NOT_OURS)
        self.is_ours, self.tool = True, found.tool
        for answer in found.answers:
            try:
                self.offered.append(Offered(row.place, self._answered(found, answer)))
                self._without_status += answer.status is None
            except _CannotRead as problem:
                self.left_out.append(f"{row.place}, {found.about['pair']} by {answer.who} {problem}")

    def _answered(self, row: ToolRow, answer: ToolAnswer) -> Decision:
        """The decision in an answer: an edit if a text was changed, else the act. An edit is approved here, later."""
        if answer.status not in ("submitted", None):
            raise _CannotRead(f"is {answer.status}: only submitted answers count.")
        about = row.about
        card = self.cards.get(about["pair"])
        shown = [str(about.get(side) or "") for side in ("positive", "negative")]
        positive, negative = (
            _typed(answer.values.get("positive"), shown[0]),
            _typed(answer.values.get("negative"), shown[1]),
        )
        is_edit = [positive, negative] != shown
        try:
            bound = {name: about[name] for name in BINDING} | {"who": answer.who, "when": _utc(answer.when, self.now)}
            bound["note"] = answer.values.get("note") or ""
            act = answer.values.get("act") or None
            if act in (Act.APPROVE, None) and is_edit:
                key = edited_pair(card.change.after, positive, negative).key if card else about["key"]
                return Decision(**bound | {"act": Act.EDIT, "key": key, "positive": positive, "negative": negative})
            if act not in ACTS:
                raise _CannotRead(f'has the choice "{act}": it must be approve, reject or drop.' if act else _UNDECIDED)
            key = about["base"] if act == Act.DROP else about["key"]
            return Decision(**bound | {"act": Act(act), "key": key})
        except (ValidationError, AttributeError, TypeError, ValueError) as error:
            raise _CannotRead(f"cannot be read ({type(error).__name__}).") from error


_UNDECIDED = "has neither a choice nor another text."


def _decision(row: Mapping[str, Any]) -> Decision:
    try:
        return Decision.model_validate_json(json.dumps(row))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise _CannotRead(f"is not a decision ({f'{where}: ' if where else ''}{problem['msg']}).") from error


def _typed(text: str | None, shown: str) -> str:
    """The text that somebody meant: blanks and line ends at its edges and Windows line ends in it are no edit."""
    if text is None or not text.strip():
        return shown
    text = text if "\r" in shown else text.replace("\r\n", "\n")
    if text.strip() == shown.strip():
        return shown
    text = text if shown != shown.lstrip() else text.lstrip()
    return text if shown != shown.rstrip() else text.rstrip()


def _utc(when: str | None, now: datetime) -> str:
    moment = datetime.fromisoformat(when) if when else now
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
