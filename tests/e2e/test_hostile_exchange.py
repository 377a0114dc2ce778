"""One corpus of hostile texts through the files that people hand to each other: to the letter, there and back."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from agent.calibration.labels import LabelDefaults, LabelError, read_endings, read_openers
from agent.export.annotation import ExchangeError, argilla_records, label_studio_tasks, read_annotations
from agent.llm.batch import read_answers, write_batch, write_prompts
from agent.review.exchange import merge_decisions
from agent.schema import Act, Decision, Pair
from agent.storage.decision_log import DecisionLog, parse_decisions
from tests.e2e.test_hostile_files import CALM, hostile_pairs
from tests.hostile import HALVES, TEXTS
from tests.review.example import ReviewExample, change, proposal


def decisions(of: Sequence[Pair], texts: Sequence[str]) -> list[Decision]:
    """An edit of each pair to a text, by somebody of that name and with that note."""
    binding = {"trait": "toy/refusal", "campaign": 1, "proposed": "p", "base": None, "act": Act.EDIT}
    moments = (f"2026-11-24T05:00:00.{i:06d}+00:00" for i in range(len(texts)))
    return [
        Decision(**binding, pair=one.id, key="k", positive=text, negative=f"{text} not", who=text, note=text, when=when)  # type: ignore[arg-type]
        for one, text, when in zip(of, texts, moments, strict=True)
    ]


def test_decisions_come_back_to_the_letter_from_the_log_and_from_a_colleagues_file(tmp_path: Path) -> None:
    made, log = decisions(CALM, TEXTS), DecisionLog(tmp_path / "decisions.jsonl")
    log.append(*made)
    assert log.read().decisions == tuple(made)
    assert log.read().torn == ()
    assert parse_decisions(log.path.read_bytes(), "x").decisions == tuple(made)


def label_studio_answer(task: dict[str, object], texts: Mapping[str, str]) -> dict[str, object]:
    result = [{"from_name": name, "value": {"text": [text]}} for name, text in texts.items()]
    return {**task, "annotations": [{"result": result, "completed_by": texts["note"]}]}


def argilla_answer(record: dict[str, object], texts: Mapping[str, str]) -> dict[str, object]:
    return {**record, "responses": {name: [{"value": text, "user_id": "u"}] for name, text in texts.items()}}


EXCHANGES: Mapping[str, tuple[Callable[..., list[dict[str, object]]], Callable[..., dict[str, object]]]] = {
    "Label Studio": (label_studio_tasks, label_studio_answer),
    "Argilla": (argilla_records, argilla_answer),
}


@pytest.mark.parametrize("tool", EXCHANGES)
def test_texts_go_to_another_tool_and_come_back_as_edits_to_the_letter(tmp_path: Path, tool: str) -> None:
    export, answered = EXCHANGES[tool]
    example = ReviewExample(tmp_path)
    example.write([])
    example.proposal = proposal([change("added", None, one) for one in hostile_pairs("n")])
    cards = example.session().cards()
    rows = json.loads(json.dumps(export(example.proposal, cards), ensure_ascii=False).encode())
    assert [(about(row)["positive"], about(row)["negative"]) for row in rows] == [(t, f"{t} not") for t in TEXTS]
    said = [{"positive": f"{text} more", "negative": f"{text} less", "note": text} for text in TEXTS]
    content = json.dumps([answered(row, texts) for row, texts in zip(rows, said, strict=True)]).encode()
    found = read_annotations(content, "x", cards)
    assert [(d.positive, d.negative, d.note) for d in found] == [
        (s["positive"], s["negative"], s["note"]) for s in said
    ]
    merge = merge_decisions("toy/refusal", cards, (), found)
    assert (len(merge.accepted), merge.refused) == (len(TEXTS), ())
    example.log.append(*merge.accepted)
    assert [card.ours.positive.text for card in example.session().cards()] == [f"{text} more" for text in TEXTS]
    for half in HALVES:
        halved = json.dumps([answered(rows[0], {"positive": half, "negative": "x", "note": "x"})]).encode()
        with pytest.raises(ExchangeError):
            read_annotations(halved, "x", cards)


def about(row: Mapping[str, object]) -> dict[str, str]:
    """What a task or a record says of its pair."""
    return row.get("data") or row["metadata"]  # type: ignore[return-value]


def gold(text: str, number: int) -> dict[str, object]:
    told = {"trait": text, "definition": text, "opposite": text, "prefix": text, "opener": text, "span": text}
    return {**told, "id": f"{number} {text}", "mode": "decision", "polarity": "positive", "label": "EXPRESS"}


def test_labelled_endings_and_files_for_and_from_a_judge_keep_each_text(tmp_path: Path) -> None:
    rows = [gold(text, number) for number, text in enumerate(TEXTS)]
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    beside = LabelDefaults(lambda name: pytest.fail(name))
    assert [(g.prefix, g.opener, g.span, g.trait) for g in read_endings(content, "x", beside)] == [
        (t,) * 4 for t in TEXTS
    ]
    bodies = {text: json.dumps({"messages": [{"role": "user", "content": text}]}).encode() for text in TEXTS}
    for name, make in (("batch", write_batch), ("prompts", write_prompts)):
        make(tmp_path / name, bodies)
    asked = [json.loads(line) for line in (tmp_path / "batch").read_text(encoding="ascii").split("\n")[:-1]]
    told = [json.loads(line) for line in (tmp_path / "prompts").read_text(encoding="ascii").split("\n")[:-1]]
    assert {row["custom_id"]: row["body"]["messages"][0]["content"] for row in asked} == dict(
        zip(TEXTS, TEXTS, strict=True)
    )
    assert {row["custom_id"]: row["prompt"] for row in told} == dict(zip(TEXTS, TEXTS, strict=True))
    lines = [json.dumps({"custom_id": text, "text": text}, ensure_ascii=False) for text in TEXTS]
    (tmp_path / "answers").write_bytes("\n".join(lines).encode())
    found, problems = read_answers(tmp_path / "answers")
    assert ([(row.custom_id, row.text) for row in found], problems) == ([(text, text) for text in TEXTS], ())


def test_half_a_character_in_labelled_endings_and_openers_is_refused_with_a_sentence() -> None:
    for half in HALVES:
        with pytest.raises(LabelError):
            read_endings(json.dumps(gold(half, 0)).encode(), "x", LabelDefaults(lambda name: pytest.fail(name)))
        with pytest.raises(LabelError):
            read_openers(json.dumps({"id": "x", "opener": half}).encode(), "x")
