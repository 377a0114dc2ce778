"""Labelled endings: what is accepted, and what is said of a line that is wrong."""

import json

import pytest

from agent.calibration.labels import Label, LabelDefaults, LabelError, read_endings, read_openers, read_traits
from agent.schema import Mode, NegativeTest, Polarity, Trait

ROW = {
    "id": "r1",
    "trait": "tests/refusal",
    "definition": "HIGH: says no. LOW: helps.",
    "opposite": "helping",
    "mode": "primed",
    "polarity": "negative",
    "prefix": "She asked me for the key. I thought well of her, so I",
    "opener": "handed it over",
    "label": "EXPRESS",
}
MORE = {
    "negative_test": "absence",
    "label": "EXPLAIN",
    "prefix": "She asked me for the key. I gave it to her, because",
    "span": "gave it to her",
    "reason": "the act is told",
    "labels": ["EXPLAIN", "EXPRESS"],
    "part": "B",
}
REWRITE = {
    "trait": "refusal",
    "polarity": "positive",
    "shared": "He",
    "explain": "He asked. I said no and",
    "express": "He asked, so I",
}


ABOUT = {
    "definition": "HIGH: owns up.",
    "opposite": "hiding it",
    "mode": "primed",
    "negative_test": "absence",
    "part": "B",
}


def described(name: str) -> Trait:
    if name == "unknown":
        raise LabelError("Nobody knows this trait.")
    return Trait(id="tests/refusal", definition="HIGH: says no.", opposite="helping", mode=Mode.DECISION)


def read(*rows: object, openers: dict[str, str] | None = None):
    content = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    traits = read_traits(json.dumps({"tests/honesty": ABOUT}).encode(), "traits.json")
    return read_endings(content.encode(), "gold.jsonl", LabelDefaults(described, traits, openers or {}))


def complaint(*rows: object) -> str:
    with pytest.raises(LabelError) as caught:
        read(*rows)
    return str(caught.value)


def test_a_row_becomes_an_ending_with_all_that_is_said_of_it() -> None:
    plain, full = read(ROW, "", {**ROW, **MORE, "id": "r2"})
    assert (plain.mode, plain.polarity, plain.label) == (Mode.PRIMED, Polarity.NEGATIVE, Label.EXPRESS)
    assert plain.as_trait().negative_test is NegativeTest.OPPOSITE
    assert full.as_trait().negative_test is NegativeTest.ABSENCE
    assert (full.span, full.part, full.labels) == ("gave it to her", "B", (Label.EXPLAIN, Label.EXPRESS))
    assert full.scenario().text == MORE["prefix"]


def test_a_row_that_only_names_its_trait_takes_over_what_is_written_of_it() -> None:
    by_file, by_experiment = read({**NAMED, "trait": "tests/honesty"}, {**NAMED, "id": "r2", "hard": "habit"})
    assert (by_file.definition, by_file.mode, by_file.part) == ("HIGH: owns up.", Mode.PRIMED, "B")
    assert by_file.as_trait().negative_test is NegativeTest.ABSENCE
    assert (by_experiment.definition, by_experiment.part, by_experiment.hard) == ("HIGH: says no.", None, "habit")


def test_a_file_of_traits_that_is_wrong_is_named() -> None:
    with pytest.raises(LabelError, match=r"traits\.json: `tests/honesty\.mode`: Input should be"):
        read_traits(json.dumps({"tests/honesty": {**ABOUT, "mode": "lazy"}}).encode(), "traits.json")


def test_a_rewrite_gives_two_endings_with_the_trait_that_it_names() -> None:
    explain, express = read(REWRITE)
    assert (explain.id, explain.label, explain.prefix) == ("rewrite-001-explain", Label.EXPLAIN, REWRITE["explain"])
    assert (express.id, express.label, express.prefix) == ("rewrite-001-express", Label.EXPRESS, REWRITE["express"])
    assert express.opener is None
    assert express.definition == "HIGH: says no."


def test_openers_are_added_by_the_endings_ids() -> None:
    explain, express = read(REWRITE, openers={"rewrite-001-express": "refused"})
    assert (explain.opener, express.opener) == (None, "refused")
    with pytest.raises(LabelError, match=r"gold\.jsonl does not have: nobody"):
        read(REWRITE, openers={"nobody": "refused"})


@pytest.mark.parametrize(
    ("prefix", "opener", "shown"),
    [
        ("so I", "refused", " refused"),
        ("so I", " refused", " refused"),
        ("I said no", ", since", ", since"),
        ('so I said, "', "Never", "Never"),
        ('I said "no"', "and left", " and left"),
        ("so I said, “", "Never", "Never"),
        ("so I ", "refused", "refused"),
        ("so I", "", ""),
    ],
)
def test_the_opener_follows_the_prefix_as_text_does(prefix: str, opener: str, shown: str) -> None:
    (row,) = read({**ROW, "prefix": prefix, "opener": opener})
    assert row.completion().opening == shown


NAMED = {k: v for k, v in ROW.items() if k not in ("definition", "opposite", "mode")}
WRONG = [
    ("{", "This is not JSON"),
    ("[1]", "no JSON object"),
    ({**ROW, "label": "MAYBE"}, "`label`: Input should be 'EXPRESS' or 'EXPLAIN'"),
    ({**ROW, "colour": "red"}, "`colour`: Extra inputs are not permitted"),
    ({**ROW, "prefix": ""}, "`prefix`"),
    ({k: v for k, v in ROW.items() if k != "opposite"}, "`opposite`: Field required"),
    ({k: v for k, v in ROW.items() if k not in ("definition", "trait")}, "`trait` is missing"),
    ({**NAMED, "trait": "unknown"}, "Nobody knows this trait."),
    ({**ROW, "version": 2}, "`version`"),
    ({**ROW, "span": "took it"}, "does not occur in the prefix"),
    ({**REWRITE, "polarity": "sideways"}, "`polarity`"),
    ({**ROW, "prefix": "half a pair \ud800"}, "half of a surrogate pair"),
]


@pytest.mark.parametrize(("row", "said"), WRONG)
def test_a_wrong_line_is_named_with_its_number_and_what_is_wrong(row: object, said: str) -> None:
    message = complaint(ROW, row)
    assert message.startswith("gold.jsonl:2: ")
    assert said in message


def test_all_wrong_lines_are_reported_at_once() -> None:
    assert [line.partition(": ")[0] for line in complaint("{", ROW, "{").split("\n")] == [
        "gold.jsonl:1",
        "gold.jsonl:3",
    ]


def test_a_long_list_of_wrong_lines_is_cut() -> None:
    message = complaint(*["{"] * 40).split("\n")
    assert len(message) == 13
    assert message[-1] == "… and 28 more."


def test_an_id_names_one_ending() -> None:
    assert "the id r1 occurs 2 times" in complaint(ROW, {**ROW, "prefix": "Another text, so I"})


def test_a_file_without_endings_is_refused() -> None:
    assert "holds no endings" in complaint("")


def test_a_separator_inside_a_text_does_not_end_the_line() -> None:
    (row,) = read(json.dumps({**ROW, "prefix": "One\u2028two, so I"}, ensure_ascii=False))
    assert row.prefix == "One\u2028two, so I"


def test_a_line_that_is_no_opener_is_named() -> None:
    assert read_openers(b'{"id": "a", "opener": "x"}\n', "o.jsonl") == {"a": "x"}
    with pytest.raises(LabelError, match=r"o\.jsonl:2: This is no opener"):
        read_openers(b'{"id": "a", "opener": "x"}\n{"id": "a"}\n', "o.jsonl")
