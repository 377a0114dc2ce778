"""Requests and answers as files: what is written can be sent, what comes back is read line by line."""

import json
from pathlib import Path

import pytest

from agent.llm.batch import AnswerLine, BatchFileError, read_answers, write_batch, write_prompts

BODIES = {
    key: json.dumps(
        {"model": "m", "messages": [{"role": "user", "content": f"Is {key} so?"}], "max_tokens": 4}
    ).encode()
    for key in ("bb", "aa")
}


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def read(tmp_path: Path, *lines: object) -> tuple[tuple[AnswerLine, ...], tuple[str, ...]]:
    path = tmp_path / "results.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return read_answers(path)


def test_a_batch_holds_one_request_per_line_as_the_api_takes_it(tmp_path: Path) -> None:
    write_batch(tmp_path / "batch.jsonl", BODIES)
    found = rows(tmp_path / "batch.jsonl")
    assert [row["custom_id"] for row in found] == ["aa", "bb"]
    assert found[0] == {
        "custom_id": "aa",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": json.loads(BODIES["aa"]),
    }


def test_prompts_hold_nothing_but_what_is_to_be_read(tmp_path: Path) -> None:
    write_prompts(tmp_path / "prompts.jsonl", BODIES)
    assert rows(tmp_path / "prompts.jsonl") == [
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


def test_a_page_in_place_of_json_is_kept_as_it_came(tmp_path: Path) -> None:
    (found,), _ = read(tmp_path, {"custom_id": "aa", "response": {"status_code": 200, "body": "<html>busy</html>"}})
    assert found.body == b"<html>busy</html>"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"custom_id": "aa", "te', "Not complete JSON"),
        ("[]", "No custom_id"),
        ({"text": "85"}, "No custom_id"),
        ({"custom_id": 7, "text": "85"}, "No custom_id"),
        ({"custom_id": "aa"}, "No text, response or error"),
        ({"custom_id": "aa", "text": None}, "No text"),
    ],
)
def test_a_line_that_cannot_be_read_is_told_and_the_others_count(tmp_path: Path, line: object, said: str) -> None:
    found, problems = read(tmp_path, {"custom_id": "aa", "text": "1"}, line, {"custom_id": "bb", "text": "2"})
    assert [row.custom_id for row in found] == ["aa", "bb"]
    assert problems[0].startswith("results.jsonl:2: ")
    assert said in problems[0]


def test_a_separator_or_half_a_surrogate_pair_does_not_stop_the_reading(tmp_path: Path) -> None:
    found, problems = read(
        tmp_path, '{"custom_id": "aa", "text": "one\u2028two"}', '{"custom_id": "bb", "text": "\\ud800"}'
    )
    assert [row.custom_id for row in found] == ["aa", "bb"]
    assert problems == ()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BatchFileError, match=r"nowhere\.jsonl cannot be read"):
        read_answers(tmp_path / "nowhere.jsonl")
