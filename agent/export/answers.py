"""Answers that people gave in Label Studio or Argilla: those that were submitted, and why others are left out.

Forms: Label Studio's export as JSON (a task has annotations and drafts); Argilla's `to_json` (responses by question),
its flat form (`act.responses`), which has their status too, and that of its server (responses by user).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

BINDING = ("trait", "campaign", "pair", "key", "proposed", "base")  # which texts of which proposal were shown
FIELDS = ("act", "positive", "negative", "note")
_FLAT = ".responses"


@dataclass(frozen=True)
class ToolAnswer:
    """One person's answer about one pair. `status`: submitted, another word for why it does not count, or None."""

    who: str
    values: Mapping[str, str]
    when: str | None = None
    status: str | None = "submitted"


@dataclass(frozen=True)
class ToolRow:
    """A task or a record: which texts it showed, as it was exported by this program, and the answers."""

    tool: str
    about: Mapping[str, Any]
    answers: tuple[ToolAnswer, ...]


def tool_row(row: Mapping[str, Any]) -> ToolRow | None:
    """A task of Label Studio or a record of Argilla; None if it is neither, or not from this program.

    Raises AttributeError, KeyError or TypeError where the answers have another form.
    """
    if _is_about(row.get("data")):
        return ToolRow("Label Studio", row["data"], tuple(_label_studio_answers(row)))
    if _is_about(row.get("metadata")):
        return ToolRow("Argilla", row["metadata"], tuple(_argilla_answers(row, row.get("responses") or {})))
    if is_flat_record(row):
        return ToolRow("Argilla", row, tuple(_argilla_answers(row, _unflattened(row))))
    return None


def _is_about(content: object) -> bool:
    return isinstance(content, dict) and set(BINDING) <= content.keys()


def is_flat_record(row: Mapping[str, Any]) -> bool:
    """Whether this is a record of Argilla with all its parts on one level."""
    return _is_about(row) and any(key.endswith((_FLAT, ".suggestion")) for key in row)


def is_json_min(row: Mapping[str, Any]) -> bool:
    """Whether this is a task of Label Studio's export as JSON-MIN, which has no annotations."""
    return _is_about(row) and "heading" in row and not is_flat_record(row)


def _label_studio_answers(task: Mapping[str, Any]) -> Iterator[ToolAnswer]:
    for annotation in task.get("annotations") or ():
        values = {item["from_name"]: _first(item["value"]) for item in annotation.get("result") or ()}
        by, when = annotation.get("completed_by"), annotation.get("updated_at") or annotation.get("created_at")
        status = "skipped" if annotation.get("was_cancelled") else "submitted"
        yield ToolAnswer(f"Label Studio {_person(by)}", values, when, status)
    for draft in task.get("drafts") or ():
        if not isinstance(draft, dict) or draft.get("result"):
            by = draft.get("user") if isinstance(draft, dict) else None
            yield ToolAnswer(f"Label Studio {_person(by)}", {}, None, "a draft")


def _first(value: Mapping[str, Any]) -> str:
    found = value.get("choices") or value.get("text") or [""]
    return str(found if isinstance(found, str) else found[0])


def _person(by: object) -> object:
    return by.get("email") or by.get("id") if isinstance(by, dict) else by


def _argilla_answers(record: Mapping[str, Any], responses: Any) -> Iterator[ToolAnswer]:
    if isinstance(responses, list):
        yield from (_of_server(response) for response in responses)
        return
    by_user: dict[tuple[str, str | None], dict[str, str]] = {}
    for question, given in responses.items():
        for response in given or ():
            person = str(response.get("user_id")), _status(response.get("status"), record)
            by_user.setdefault(person, {})[question] = response["value"]
    for (user, status), values in by_user.items():
        yield ToolAnswer(f"Argilla {user}", values, None, status)


def _of_server(response: Mapping[str, Any]) -> ToolAnswer:
    values = {question: value["value"] for question, value in (response.get("values") or {}).items()}
    when = response.get("updated_at") or response.get("inserted_at")
    return ToolAnswer(f"Argilla {response.get('user_id')}", values, when, _status(response.get("status"), {}))


def _status(given: object, record: Mapping[str, Any]) -> str | None:
    """A response's status; that of its record where it has none and the record was put aside."""
    if given is not None:
        return str(given).rpartition(".")[2]
    whole = record.get("status")
    return whole if whole in ("draft", "discarded") else None


def _unflattened(row: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The responses of a flat record by question."""
    found = {}
    for question in (key.removesuffix(_FLAT) for key in row if key.endswith(_FLAT)):
        values = row[f"{question}{_FLAT}"] or []
        users, statuses = (row.get(f"{question}{_FLAT}.{part}") or [None] * len(values) for part in ("users", "status"))
        found[question] = [
            {"value": value, "user_id": user, "status": status}
            for value, user, status in zip(values, users, statuses, strict=True)
        ]
    return found
