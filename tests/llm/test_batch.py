"""Judge by files: answers are checked like live replies, the first complete one counts; the forms of the files."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.llm.batch import (
    AnswerLine,
    BatchFileError,
    BatchJudge,
    ImportReport,
    read_answers,
    write_batch,
    write_prompts,
)
from agent.llm.endpoint import Capability, Endpoint
from agent.schema import Request, Role, Shape
from agent.storage.ledger import Ledger

ENDPOINT = Endpoint(model="m", base_url="http://judge/v1", input_price=1.0, output_price=2.0)
KNOWN = Capability(logprobs=True, scale="percent", structured="json_schema")
SAMPLED = KNOWN.model_copy(update={"logprobs": False})
NUMBER = Request(role=Role.JUDGE, shape=Shape.NUMBER, prompt="How far?", prompt_id="commitment.a@1", thresholds=(50.0,))
CHOICE = Request(role=Role.JUDGE, shape=Shape.CHOICE, prompt="Which?", prompt_id="verdict.a@1", options=("YES", "NO"))
SPAN = Request(
    role=Role.JUDGE,
    shape=Shape.JSON,
    prompt="Quote it.",
    prompt_id="span@1",
    json_schema='{"type":"object","properties":{"span":{"type":"string"}},"required":["span"]}',
)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def judge_by_file(ledger: Ledger, known: Capability = KNOWN) -> BatchJudge:
    return BatchJudge({Role.JUDGE: ENDPOINT}, {Role.JUDGE: known}, ledger)


def reply_body(text: str, logprobs: bool = True, **more: object) -> dict[str, object]:
    """The body of a valid reply."""
    position = {"token": text, "logprob": -0.01, "top_logprobs": [{"token": text, "logprob": -0.01}]}
    choice = {
        "message": {"role": "assistant", "content": text},
        "finish_reason": "stop",
        "logprobs": {"content": [position]} if logprobs else None,
    }
    return {"model": "m-1", "choices": [{**choice, **more}], "usage": {"prompt_tokens": 10, "completion_tokens": 1}}


def row(key: str, body: object = None, status: int = 200, **more: object) -> AnswerLine:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return AnswerLine(**{"where": "r.jsonl:1", "custom_id": key, "status": status, "body": content, **more})


def text(key: str, content: str) -> AnswerLine:
    return AnswerLine(where="r.jsonl:1", custom_id=key, text=content)


def key_of(judge: BatchJudge, request: Request) -> str:
    """The key under which a request waits for its answer."""
    before = set(judge.asked)
    (reply,) = judge.ask([request])
    assert reply.error.startswith("unanswered: ")
    (key,) = [key for key in judge.asked if key not in before]
    return key


def test_an_unanswered_request_is_listed_under_its_ledger_key_with_the_body_to_send(ledger: Ledger) -> None:
    judge = judge_by_file(ledger)
    key = key_of(judge, NUMBER)
    body = json.loads(judge.missing[key].body)
    assert body["messages"] == [{"role": "user", "content": "How far?"}]
    assert (body["model"], body["logprobs"], body["temperature"]) == ("m", True, 0.0)


def test_an_imported_answer_is_scored_like_a_live_one_and_no_longer_missing(ledger: Ledger) -> None:
    judge, report = judge_by_file(ledger), ImportReport()
    key = key_of(judge, NUMBER)
    assert judge.import_answers([row(key, reply_body("85"))], report) == []
    (reply,) = judge.ask([NUMBER])
    assert (reply.score.value, reply.score.method, reply.answers) == (85.0, "logprobs", (key,))
    assert judge.missing == {}
    assert report.stored == 1
    stored = ledger.answer(key)
    assert (stored.model, stored.prompt_id, stored.micro_usd) == ("m-1", "commitment.a@1", 12)
    assert ledger.pending() == ()


BAD = [
    (b"<html>Bad gateway</html>", 200, "malformed: "),
    (b'{"choices": [{"mess', 200, "malformed: "),
    ({"error": {"message": "busy"}}, 200, "transient: "),
    ({"choices": []}, 200, "malformed: "),
    (reply_body("", finish_reason="length"), 200, "truncated: "),
    (reply_body("85", logprobs=False), 200, "malformed: The reply lacks the log-probabilities"),
    (reply_body("no", message={"content": None, "refusal": "I would rather not."}), 200, "refusal: "),
    ({"error": {"message": "insufficient_quota"}}, 429, "quota: "),
    ({"error": {"message": "no such model"}}, 404, "deterministic: "),
    (b"busy", 503, "transient: "),
]


@pytest.mark.parametrize(("body", "status", "error"), BAD)
def test_a_reply_that_would_fail_live_fails_from_a_file(ledger: Ledger, body: object, status: int, error: str) -> None:
    judge, report = judge_by_file(ledger), ImportReport()
    key = key_of(judge, NUMBER)
    judge.import_answers([row(key, body, status)], report)
    assert list(judge.missing) == [key]
    assert report.failed[0].startswith(f"r.jsonl:1: {error}")
    assert ledger.attempt_counts() == {}


def test_a_request_that_failed_in_the_batch_stays_missing_until_another_line_answers_it(ledger: Ledger) -> None:
    judge, report = judge_by_file(ledger), ImportReport()
    key = key_of(judge, NUMBER)
    expired = AnswerLine(where="r.jsonl:1", custom_id=key, error='{"code": "batch_expired"}')
    judge.import_answers([expired, row(key, reply_body("85"))], report)
    assert (len(report.failed), report.stored) == (1, 1)
    assert judge.missing == {}


def test_of_two_complete_answers_the_first_counts_and_a_difference_is_reported(ledger: Ledger) -> None:
    judge, report = judge_by_file(ledger), ImportReport()
    key = key_of(judge, NUMBER)
    judge.import_answers([row(key, reply_body("85")), row(key, reply_body("85")), row(key, reply_body("20"))], report)
    assert (report.stored, report.repeated) == (1, 2)
    assert report.conflicting == ["r.jsonl:1: '20', where '85' counts"]
    assert judge.ask([NUMBER])[0].score.value == 85.0


def test_a_line_that_answers_no_request_is_returned(ledger: Ledger) -> None:
    judge, report = judge_by_file(ledger), ImportReport()
    stray = row("unknown", reply_body("85"))
    assert judge.import_answers([stray], report) == [stray]
    assert report.stored == 0


def test_a_bare_text_is_no_answer_with_log_probabilities(ledger: Ledger) -> None:
    judge, report = judge_by_file(ledger), ImportReport()
    judge.import_answers([text(key_of(judge, NUMBER), "85")], report)
    assert "--plain" in report.failed[0]


def test_a_judge_without_log_probabilities_is_sampled_four_calls_at_a_time(ledger: Ledger) -> None:
    judge, report = judge_by_file(ledger, SAMPLED), ImportReport()
    judge.ask([NUMBER])
    assert len(judge.missing) == 4
    judge.import_answers([text(key, "85") for key in judge.missing], report)
    (reply,) = judge.ask([NUMBER])
    assert (reply.score.value, reply.score.method) == (85.0, "samples")


def test_one_plain_text_answers_a_request_to_a_judge_by_hand(ledger: Ledger) -> None:
    judge, report = BatchJudge.by_hand("a chat", ledger), ImportReport()
    keys = [key_of(judge, request) for request in (NUMBER, CHOICE, SPAN)]
    judge.import_answers(
        [text(keys[0], " **85**\n"), text(keys[1], "No."), text(keys[2], 'Here: {"span": "went"}')], report
    )
    number, choice, span = judge.ask([NUMBER, CHOICE, SPAN])
    assert (number.score.value, number.score.method) == (85.0, "samples")
    assert max(choice.choice, key=lambda option: option[1]) == ("NO", 1.0)
    assert json.loads(span.data) == {"span": "went"}
    assert report.failed == []


@pytest.mark.parametrize(
    ("request_", "content"),
    [(NUMBER, "I think 85"), (NUMBER, "101"), (NUMBER, ""), (NUMBER, "8.5"), (CHOICE, "MAYBE"), (SPAN, "went")],
)
def test_an_unreadable_plain_text_leaves_the_request_missing(ledger: Ledger, request_: Request, content: str) -> None:
    judge, report = BatchJudge.by_hand("a chat", ledger), ImportReport()
    key = key_of(judge, request_)
    judge.import_answers([text(key, content)], report)
    assert list(judge.missing) == [key]
    assert len(report.failed) == 1


def test_two_chats_are_two_judges(ledger: Ledger) -> None:
    first, second = BatchJudge.by_hand("a chat", ledger), BatchJudge.by_hand("another", ledger)
    key = key_of(first, NUMBER)
    first.import_answers([text(key, "85")], ImportReport())
    assert key_of(second, NUMBER) != key


BODIES = {
    key: json.dumps(
        {"model": "m", "messages": [{"role": "user", "content": f"Is {key} so?"}], "max_tokens": 4}
    ).encode()
    for key in ("bb", "aa")
}


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def read(tmp_path: Path, *lines: object) -> tuple[tuple[AnswerLine, ...], tuple[str, ...]]:
    path = tmp_path / "results.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return read_answers(path)


def test_a_batch_file_has_one_request_per_line_in_the_form_of_the_api(tmp_path: Path) -> None:
    write_batch(tmp_path / "batch.jsonl", BODIES)
    found = lines_of(tmp_path / "batch.jsonl")
    assert [row["custom_id"] for row in found] == ["aa", "bb"]
    assert found[0] == {
        "custom_id": "aa",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": json.loads(BODIES["aa"]),
    }


def test_a_file_of_prompts_has_ids_and_prompts_only(tmp_path: Path) -> None:
    write_prompts(tmp_path / "prompts.jsonl", BODIES)
    assert lines_of(tmp_path / "prompts.jsonl") == [
        {"custom_id": "aa", "prompt": "Is aa so?"},
        {"custom_id": "bb", "prompt": "Is bb so?"},
    ]


def test_the_three_kinds_of_line_are_read(tmp_path: Path) -> None:
    reply = {"status_code": 200, "request_id": "x", "body": {"choices": []}}
    found, problems = read(
        tmp_path,
        {"custom_id": "aa", "text": "85"},
        {"custom_id": "ab", "text": 85},
        {"custom_id": "ac", "text": {"span": "went"}},
        {"id": "batch_1", "custom_id": "bb", "response": reply, "error": None},
        {
            "id": "batch_2",
            "custom_id": "cc",
            "response": None,
            "error": {"code": "batch_expired", "message": "too late"},
        },
    )
    assert problems == ()
    assert (found[0].text, found[0].where) == ("85", "results.jsonl:1")
    assert (found[1].text, found[2].text) == ("85", '{"span": "went"}')
    assert (found[3].status, json.loads(found[3].body)) == (200, {"choices": []})
    assert "batch_expired" in str(found[4].error)


def test_an_html_page_in_place_of_json_is_kept_as_bytes(tmp_path: Path) -> None:
    (found,), _ = read(tmp_path, {"custom_id": "aa", "response": {"status_code": 200, "body": "<html>busy</html>"}})
    assert found.body == b"<html>busy</html>"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"custom_id": "aa", "te', "Not complete JSON"),
        ("[]", "No custom_id"),
        ({"text": "85"}, "No custom_id"),
        ({"custom_id": 7, "text": "85"}, "No custom_id"),
        ({"custom_id": "aa"}, "No text, response or error"),
        ({"custom_id": "aa", "text": None}, "No text"),
    ],
)
def test_an_unreadable_line_is_reported_and_the_others_count(tmp_path: Path, line: object, problem: str) -> None:
    found, problems = read(tmp_path, {"custom_id": "aa", "text": "1"}, line, {"custom_id": "bb", "text": "2"})
    assert [row.custom_id for row in found] == ["aa", "bb"]
    assert problems[0].startswith("results.jsonl:2: ")
    assert problem in problems[0]


def test_line_separators_and_lone_surrogates_in_texts_are_read(tmp_path: Path) -> None:
    found, problems = read(
        tmp_path, '{"custom_id": "aa", "text": "one\u2028two"}', '{"custom_id": "bb", "text": "\\ud800"}'
    )
    assert [row.custom_id for row in found] == ["aa", "bb"]
    assert problems == ()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BatchFileError, match=r"nowhere\.jsonl cannot be read"):
        read_answers(tmp_path / "nowhere.jsonl")
