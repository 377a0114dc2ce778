"""Decisions travel to colleagues and tools and back; only what was decided on these very texts is taken in."""

import json
from pathlib import Path

import pytest

from agent.review.cards import CardState
from agent.schema import Act
from tests.cli.finished_run import TRAIT, cliffhanger, copied, session_of

GOOD = "He asked me to burn the absence note. This crossed a line, so I"


def decide(folder: Path, who: str, act: Act, name: str) -> None:
    session = session_of(folder, who)
    session.decide(name, act, session.card(name).version_token)


def exported(folder: Path, to: Path, *options: str) -> Path:
    done = cliffhanger("decisions export", folder, "--traits", TRAIT, "--to", str(to), *options)
    assert done.exit_code == 0, done.output
    return to


def imported(folder: Path, source: Path, code: int = 0) -> str:
    done = cliffhanger("decisions import", folder, "--traits", TRAIT, "--from", str(source))
    assert done.exit_code == code, done.output
    return " ".join(done.output.split())


def test_a_colleagues_decisions_are_taken_in_once_and_their_edit_with_its_evidence(
    folder: Path, finished_run: Path, tmp_path: Path
) -> None:
    bobs = copied(finished_run, tmp_path / "bob")
    decide(bobs, "bob", Act.REJECT, "n0001")
    session = session_of(bobs, "bob")
    card = session.edit("n0000", GOOD, session.card("n0000").ours.negative.text, session.card("n0000").version_token)
    session.decide("n0000", Act.APPROVE, card.version_token)
    file = exported(bobs, tmp_path / "bob.jsonl")
    assert "4 imported, 0 already known, 0 left out" in imported(folder, file)
    assert "0 imported, 4 already known, 0 left out" in imported(folder, file)
    cards = {card.pair: card for card in session_of(folder).cards()}
    assert cards["n0001"].state is CardState.REJECTED
    assert (cards["n0000"].effect, cards["n0000"].ours.positive.text) == ("append", GOOD)


def test_an_export_says_how_many_pairs_are_decided(folder: Path, tmp_path: Path) -> None:
    def said() -> str:
        return cliffhanger("decisions export", folder, "--traits", TRAIT, "--to", str(tmp_path / "out.jsonl")).output

    decide(folder, "ann", Act.APPROVE, "n0000")
    assert said().startswith(f"{TRAIT}: 1 pair decided in ")
    decide(folder, "ann", Act.REJECT, "n0000")
    decide(folder, "ann", Act.REJECT, "n0001")
    decide(folder, "ann", Act.APPROVE, "d0003")
    session_of(folder, "ann").undo()
    assert said().startswith(f"{TRAIT}: 2 pairs decided (5 lines with edits and undos) in ")


def test_where_two_disagree_the_later_stands_and_both_are_named(
    folder: Path, finished_run: Path, tmp_path: Path
) -> None:
    decide(folder, "ann", Act.APPROVE, "n0000")
    bobs = copied(finished_run, tmp_path / "bob")
    decide(bobs, "bob", Act.REJECT, "n0000")
    said = imported(folder, exported(bobs, tmp_path / "bob.jsonl"))
    assert "disagreement: n0000: ann says approve, bob says reject; the latest stands." in said
    assert session_of(folder).card("n0000").state is CardState.REJECTED


def test_what_was_decided_on_another_text_trait_or_pair_is_left_out_with_a_sentence(
    folder: Path, finished_run: Path, tmp_path: Path
) -> None:
    bobs = copied(finished_run, tmp_path / "bob")
    decide(bobs, "bob", Act.APPROVE, "n0000")
    row = json.loads(exported(bobs, tmp_path / "bob.jsonl").read_text())
    wrong = (
        {**row, "proposed": "0" * 64},
        {**row, "trait": "toy/gloom"},
        {**row, "pair": "n0077"},
        {**row, "base": "1" * 64},
        {**row, "act": "edit", "positive": "another", "negative": "text"},
        {**row, "act": "undo", "undone": "2" * 64},
    )
    (tmp_path / "wrong.jsonl").write_text("".join(json.dumps(line) + "\n" for line in wrong))
    said = imported(folder, tmp_path / "wrong.jsonl", code=2)
    assert "0 imported, 0 already known, 6 left out" in said
    for sentence in (
        "another proposal's text",
        "about toy/gloom",
        "no such pair",
        "not in the dataset, nor was",
        "does not match its texts",
    ):
        assert sentence in said
    assert session_of(folder).card("n0000").state is CardState.OPEN


def test_a_row_that_is_left_out_is_printed_and_ends_with_2_and_a_file_of_questions_with_64(
    folder: Path, finished_run: Path, tmp_path: Path
) -> None:
    bobs = copied(finished_run, tmp_path / "bob")
    decide(bobs, "bob", Act.APPROVE, "n0000")
    decide(bobs, "bob", Act.REJECT, "n0001")
    file = exported(bobs, tmp_path / "bob.jsonl")
    file.write_bytes(file.read_bytes()[:-30])
    said = imported(folder, file, code=2)
    assert "1 imported, 0 already known, 1 left out" in said
    assert "bob.jsonl:2 is cut short" in said
    questions = exported(folder, tmp_path / "tasks.json", "--format", "label-studio")
    assert "contains tasks without any answer" in imported(folder, questions, code=64)


def test_answers_given_in_label_studio_come_back_as_decisions(folder: Path, tmp_path: Path) -> None:
    file = exported(folder, tmp_path / "tasks.json", "--format", "label-studio")
    view = file.with_suffix(".xml").read_text()
    tasks = json.loads(file.read_text())
    assert all(f'value="${name}"' in view for name in ("before", "after", "heading", "positive", "negative"))
    assert len(tasks) == 6
    by_pair = {task["data"]["pair"]: task for task in tasks}
    answer(by_pair["n0000"], act="approve")
    answer(by_pair["n0001"], act="reject", note="too close")
    answer(by_pair["d0003"], act="approve", positive=GOOD)
    file.write_text(json.dumps(tasks))
    assert "3 imported" in imported(folder, file)
    assert "0 imported, 3 already known" in imported(folder, file)
    cards = {card.pair: card for card in session_of(folder).cards()}
    assert [cards[name].state.value for name in ("n0000", "n0001", "d0003")] == ["approved", "rejected", "edited"]
    assert cards["d0003"].ours.positive.text == GOOD
    decision = cards["n0001"].decision
    assert decision is not None
    assert (decision.who, decision.note, decision.when[:16]) == ("Label Studio 7", "too close", "2030-01-02T03:04")


def answer(task: dict[str, object], **said: str) -> None:
    """What Label Studio adds to a task when somebody submits it."""
    result = [
        {"from_name": name, "to_name": "after", "type": "choices", "value": {"choices": [value]}}
        if name == "act"
        else {"from_name": name, "to_name": "after", "type": "textarea", "value": {"text": [value]}}
        for name, value in said.items()
    ]
    task["annotations"] = [{"result": result, "completed_by": 7, "updated_at": "2030-01-02T03:04:05.678901Z"}]


def test_answers_given_in_argilla_come_back_as_decisions(folder: Path, tmp_path: Path) -> None:
    file = exported(folder, tmp_path / "records.json", "--format", "argilla")
    records = json.loads(file.read_text())
    assert {"id", "status", "fields", "metadata", "suggestions", "responses", "vectors"} == records[0].keys()
    for record in records:
        if record["metadata"]["pair"] == "n0000":
            record["responses"] = {"act": [{"value": "approve", "user_id": "u1"}]}
    file.write_text(json.dumps(records))
    assert "1 imported" in imported(folder, file)
    assert "0 imported, 1 already known" in imported(folder, file)
    assert session_of(folder).card("n0000").state is CardState.APPROVED


@pytest.mark.parametrize(
    "content",
    ["[1]", '[{"data": {}}]', '[{"data": 3}]', "[{}]", '["', "[" * 100_000, '{"version": 1}\n{}\n'],
)
def test_a_file_of_something_else_is_refused_with_a_sentence(folder: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    said = imported(folder, tmp_path / "x.json", code=64)
    assert "Traceback" not in said
    assert "x.json" in said


def test_a_decision_that_stands_goes_along_as_a_prediction(folder: Path, tmp_path: Path) -> None:
    decide(folder, "ann", Act.REJECT, "n0000")
    tasks = json.loads(exported(folder, tmp_path / "t.json", "--format", "label-studio").read_text())
    (said,) = [task["predictions"] for task in tasks if task["predictions"]]
    assert said[0]["result"][0]["value"] == {"choices": ["reject"]}
