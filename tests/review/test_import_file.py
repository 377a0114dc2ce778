"""What colleagues and tools hand back is read row by row: only submitted decisions, and each row left out is told."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.export.annotation import argilla_records, label_studio_tasks
from agent.export.import_file import ExchangeError, ImportedFile, read_import
from agent.review.cards import Card
from agent.review.exchange import merge_decisions
from agent.schema import Act, Decision
from agent.storage.decision_log import line_of
from tests.review.example import BETTER, TRAIT, ReviewExample, change, pair, proposal, review_example

Rows = list[dict[str, Any]]
LINE = 1  # of d0001 among the cards


class Exchange:
    """A proposal as exported, and what comes back of it."""

    def __init__(self, made: ReviewExample) -> None:
        self.made = made
        self.cards: Sequence[Card] = made.session().cards()

    def tasks(self, *annotations: Mapping[str, Any], drafts: Sequence[Any] = ()) -> Rows:
        rows = json.loads(json.dumps(label_studio_tasks(self.made.proposal, self.cards)))
        rows[LINE] |= {"annotations": list(annotations), "drafts": list(drafts)}
        return rows

    def records(self, responses: Any, status: str = "completed") -> Rows:
        rows = json.loads(json.dumps(argilla_records(self.made.proposal, self.cards)))
        rows[LINE] |= {"responses": responses, "status": status}
        return rows

    def lines(self) -> list[bytes]:
        """Two decisions of a colleague, as their log holds them."""
        session = self.made.session("bob")
        for name in ("d0001", "n0000"):
            session.decide(name, Act.APPROVE, session.card(name).version_token)
        return [line_of(decision) for decision in self.made.log.read().decisions]

    def read(self, content: bytes | Rows | dict[str, Any]) -> ImportedFile:
        encoded = content if isinstance(content, bytes) else json.dumps(content).encode()
        return read_import(encoded, "x.json", self.cards)


@pytest.fixture
def exchange(tmp_path: Path) -> Exchange:
    return Exchange(review_example(tmp_path))


def decided(found: ImportedFile) -> list[tuple[str, Act]]:
    return [(one.decision.pair, one.decision.act) for one in found.offered]


def only(found: ImportedFile) -> Decision:
    (one,) = found.offered
    return one.decision


def choice(act: str) -> dict[str, Any]:
    return {"from_name": "act", "value": {"choices": [act]}}


def area(side: str, text: str) -> dict[str, Any]:
    return {"from_name": side, "value": {"text": [text]}}


def annotation(*result: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"completed_by": 7, "updated_at": "2030-01-02T03:04:05Z", "result": list(result), **more}


APPROVED = annotation(choice("approve"))
BYTES: Mapping[str, Callable[[bytes], bytes]] = {
    "as exported": lambda content: content,
    "a byte order mark": lambda content: b"\xef\xbb\xbf" + content,
    "UTF-16 of a Windows shell": lambda content: content.decode().encode("utf-16"),
    "UTF-16 without a mark": lambda content: content.decode().encode("utf-16-le"),
    "Windows line ends": lambda content: content.replace(b"\n", b"\r\n"),
    "line ends of old Macs": lambda content: content.replace(b"\n", b"\r"),
    "blank lines around": lambda content: b"\n \n" + content + b"\n\n",
}


@pytest.mark.parametrize("altered", BYTES.values(), ids=BYTES.keys())
def test_the_same_decisions_are_read_from_any_encoding_and_line_end(
    exchange: Exchange, altered: Callable[[bytes], bytes]
) -> None:
    tasks = json.dumps(exchange.tasks(APPROVED), indent=1).encode()
    assert decided(exchange.read(altered(tasks))) == [("d0001", Act.APPROVE)]
    found = exchange.read(altered(b"".join(exchange.lines())))
    assert (decided(found), found.left_out) == ([("d0001", Act.APPROVE), ("n0000", Act.APPROVE)], ())


def test_lines_of_a_colleague_that_are_cut_short_or_damaged_are_left_out_by_their_number(exchange: Exchange) -> None:
    first, second = exchange.lines()
    found = exchange.read(first + second[:-40])
    assert decided(found) == [("d0001", Act.APPROVE)]
    assert found.left_out == ("x.json:2 is cut short: the file ends in the middle of it. Copy or export it again.",)
    found = exchange.read(b"{half\n" + first + second.replace(b'"act":"approve"', b'"act":"maybe"') + b"[3]\n")
    assert decided(found) == [("d0001", Act.APPROVE)]
    assert [sentence[:24] for sentence in found.left_out] == [
        "x.json:1 is not JSON (Ex",
        "x.json:3 is not a decisi",
        "x.json:4 is not from thi",
    ]
    assert exchange.read(first + second.rstrip(b"\n")).left_out == ()


def test_a_line_that_a_crash_cut_short_in_their_log_is_told(exchange: Exchange) -> None:
    first, second = exchange.lines()
    found = exchange.read(first[:50] + b"\x18\n" + second)
    assert (decided(found), found.left_out) == ([("n0000", Act.APPROVE)], ("x.json:1 was cut short by a crash.",))


def test_decisions_may_come_as_one_list_or_one_object(exchange: Exchange) -> None:
    rows = [json.loads(line) for line in exchange.lines()]
    assert len(exchange.read(rows).offered) == 2
    assert decided(exchange.read(rows[0])) == [("d0001", Act.APPROVE)]


def test_what_does_not_fit_is_named_with_its_line(exchange: Exchange) -> None:
    rows = [json.loads(line) for line in exchange.lines()]
    found = exchange.read([rows[0], {**rows[1], "pair": "n0077"}])
    merged = merge_decisions(TRAIT, exchange.cards, (), found.offered)
    assert merged.refused == ("x.json, row 2, n0077, approve by bob: the proposal has no such pair.",)


STATUSES = {
    "by question": lambda status: {"act": [{"value": "approve", "user_id": "u1", "status": status}]},
    "by user": lambda status: [{"values": {"act": {"value": "approve"}}, "user_id": "u1", "status": status}],
}


@pytest.mark.parametrize("form", STATUSES.values(), ids=STATUSES.keys())
def test_only_submitted_responses_of_argilla_count(exchange: Exchange, form: Callable[[str], Any]) -> None:
    assert decided(exchange.read(exchange.records(form("submitted")))) == [("d0001", Act.APPROVE)]
    assert decided(exchange.read(exchange.records(form("ResponseStatus.submitted")))) == [("d0001", Act.APPROVE)]
    for status in ("draft", "discarded"):
        found = exchange.read(exchange.records(form(status)))
        assert found.offered == ()
        assert found.left_out == (f"x.json, row 2, d0001 by Argilla u1 is {status}: only submitted answers count.",)


def test_responses_without_a_status_are_taken_in_with_a_note_unless_their_record_was_discarded(
    exchange: Exchange,
) -> None:
    responses = {"act": [{"value": "approve", "user_id": "u1"}]}
    found = exchange.read(exchange.records(responses))
    assert decided(found) == [("d0001", Act.APPROVE)]
    assert found.notes[0].startswith("1 response without a status: drafts and discarded ones are taken in too.")
    assert exchange.read(exchange.records(responses, status="discarded")).offered == ()


def test_flat_records_of_argilla_are_read_with_their_status(exchange: Exchange) -> None:
    rows: Rows = []
    for record in exchange.records({}):
        metadata, fields = record.pop("metadata"), record.pop("fields")
        suggestions = {f"{name}.suggestion": value["value"] for name, value in record.pop("suggestions").items()}
        answers = {"act.responses": None, "act.responses.users": None, "act.responses.status": None}
        rows.append({"id": record["id"], "status": "pending", **fields, **metadata, **suggestions, **answers})
    rows[LINE] |= {
        "act.responses": ["approve", "reject"],
        "act.responses.users": ["u1", "u2"],
        "act.responses.status": ["submitted", "draft"],
    }
    found = exchange.read(rows)
    assert decided(found) == [("d0001", Act.APPROVE)]
    assert found.left_out == ("x.json, row 2, d0001 by Argilla u2 is draft: only submitted answers count.",)
    assert decided(exchange.read(b"".join(json.dumps(row).encode() + b"\n" for row in rows))) == decided(found)


def test_skipped_tasks_and_drafts_of_label_studio_are_told(exchange: Exchange) -> None:
    skipped = annotation(choice("approve"), was_cancelled=True)
    draft = {"user": "ann@example.org", "result": [choice("approve")]}
    found = exchange.read(exchange.tasks(skipped, drafts=[draft, {"user": "bob", "result": []}]))
    assert found.offered == ()
    assert found.left_out == (
        "x.json, row 2, d0001 by Label Studio 7 is skipped: only submitted answers count.",
        "x.json, row 2, d0001 by Label Studio ann@example.org is a draft: only submitted answers count.",
    )


def test_one_unreadable_answer_does_not_take_the_others_along(exchange: Exchange) -> None:
    tasks = exchange.tasks(annotation(choice("maybe")), annotation(), APPROVED)
    tasks[2]["annotations"] = [31]
    tasks[3]["annotations"] = [annotation(choice("drop"), updated_at="yesterday")]
    found = exchange.read([*tasks, {"data": {"text": "another project"}}, 3])  # type: ignore[list-item]
    assert decided(found) == [("d0001", Act.APPROVE)]
    assert [sentence.removeprefix("x.json, row ") for sentence in found.left_out] == [
        '2, d0001 by Label Studio 7 has the choice "maybe": it must be approve, reject or drop.',
        "2, d0001 by Label Studio 7 has neither a choice nor another text.",
        "3 has answers that cannot be read (AttributeError).",
        "4, d0003 by Label Studio 7 cannot be read (ValueError).",
        "8 is not from this program: export the proposal with `cliffhanger decisions export`.",
        "9 is not from this program: export the proposal with `cliffhanger decisions export`.",
    ]


SHOWN = BETTER.positive.text


@pytest.mark.parametrize("typed", [f"{SHOWN}\n", f"  {SHOWN}\r\n\n", f"\u00a0{SHOWN}\t", "", " \n"])
def test_blanks_and_line_ends_at_the_edges_are_no_edit(exchange: Exchange, typed: str) -> None:
    tasks = exchange.tasks(annotation(choice("approve"), area("positive", typed), area("negative", typed[:0])))
    assert decided(exchange.read(tasks)) == [("d0001", Act.APPROVE)]


def test_a_blank_at_the_end_that_a_tool_stripped_is_no_edit_and_stays_behind_one(tmp_path: Path) -> None:
    made = review_example(tmp_path)
    made.proposal = proposal([change("added", None, pair("n0000", "Open her letter, so I ", "Open mine, so I"))] * 2)
    exchange = Exchange(made)
    stripped = annotation(choice("approve"), area("positive", "Open her letter, so I"))
    assert decided(exchange.read(exchange.tasks(stripped))) == [("n0000", Act.APPROVE)]
    edited = annotation(choice("approve"), area("positive", "Open his letter, so I "))
    assert only(exchange.read(exchange.tasks(edited))).positive == "Open his letter, so I "


def test_an_edit_is_the_text_without_what_was_typed_around_it(exchange: Exchange) -> None:
    tasks = exchange.tasks(annotation(choice("approve"), area("positive", " She asked today.\r\nAgain, so I\n\n")))
    decision = only(exchange.read(tasks))
    assert (decision.act, decision.positive) == (Act.EDIT, "She asked today.\nAgain, so I")


NO_DECISIONS = {
    "nothing": (b"", "x.json is empty: it contains no decision"),
    "blanks": (b"\xef\xbb\xbf \r\n", "x.json is empty"),
    "an empty list": (b"[]", "is not from this program"),
    "a table": (
        b"id,pair,key,proposed,act\n1,d0001,abc,abc,approve\n",
        r"x.json is a table \(CSV or TSV\).*export JSON",
    ),
    "a table with tabs": (b"pair\tkey\tbase\nd0001\tabc\tabc\n", "is a table"),
    "an archive": (b"PK\x03\x04...", "is a ZIP archive: unpack it"),
    "prose": (b"Dear all, I approve.\n", "is neither JSON nor JSON lines"),
    "a list cut short": (b'[\n {"data": 1},\n {"da', "breaks off, or is damaged: .*line 3.*Nothing was taken in"),
    "a list on one line cut short": (b'[{"data": 1}, {"da', "breaks off, or is damaged"),
    "half of a line": (b'{"version": 1, "tra', "breaks off, or is damaged"),
    "Windows-1252": (b'[{"data": "caf\xe9"}]', "x.json:1 is not UTF-8. Save the file as UTF-8"),
    "a number": (b"3", "is not from this program"),
}


@pytest.mark.parametrize(("content", "said"), NO_DECISIONS.values(), ids=NO_DECISIONS.keys())
def test_a_file_without_a_decision_is_refused_with_the_export_to_choose(
    exchange: Exchange, content: bytes, said: str
) -> None:
    with pytest.raises(ExchangeError, match=f"(?s){said}"):
        exchange.read(content)


def test_json_min_and_questions_without_answers_say_which_export_to_choose(exchange: Exchange) -> None:
    minimal = [{**task["data"], "id": i, "act": "approve", "annotator": 1} for i, task in enumerate(exchange.tasks())]
    for rows in (minimal, minimal[:1]):
        with pytest.raises(ExchangeError, match="JSON-MIN leaves out annotations .* choose the export JSON"):
            exchange.read(rows)
    with pytest.raises(ExchangeError, match="contains tasks without any answer"):
        exchange.read(exchange.tasks())
    with pytest.raises(ExchangeError, match="contains records without any answer.*with_responses=True"):
        exchange.read(exchange.records({}))


def test_a_page_of_a_servers_answer_and_a_single_task_are_read(exchange: Exchange) -> None:
    tasks = exchange.tasks(APPROVED)
    assert decided(exchange.read({"tasks": tasks, "total": 7})) == [("d0001", Act.APPROVE)]
    assert decided(exchange.read(tasks[LINE])) == [("d0001", Act.APPROVE)]
    records = exchange.records(STATUSES["by question"]("submitted"))
    assert decided(exchange.read({record["id"]: record for record in records})) == [("d0001", Act.APPROVE)]
