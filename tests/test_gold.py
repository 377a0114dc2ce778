"""The labelled endings hold what their README promises."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from itertools import combinations
from pathlib import Path

import pytest
from pydantic import ValidationError
from rapidfuzz.fuzz import token_set_ratio
from sklearn.metrics import cohen_kappa_score

from agent.schema import Mode, Polarity
from tests.gold import FOLDER, Ending, GoldTrait, gold_endings, gold_traits

ENDINGS = gold_endings()
TRAITS = gold_traits()
RUBRIC = re.compile(r"HIGH \(70-100\): .+\nMID \(30-70\): .+\nLOW \(0-30\): .+\nKey: .+")
WORD = re.compile(r"[\w']+")
COPIED_WORDS = 7
RULES: dict[str, Callable[[str], bool]] = {
    "ends with so I": lambda prefix: prefix.endswith("so I"),
    "ends with I": lambda prefix: prefix.endswith(" I"),
    "ends with and": lambda prefix: prefix.endswith(" and"),
    "ends with because": lambda prefix: prefix.endswith(" because"),
    "ends with a colon": lambda prefix: prefix.endswith(":"),
    "ends in an open quotation": lambda prefix: prefix.count('"') % 2 == 1,
    "ends right after an opening quote": lambda prefix: prefix.endswith('"'),
    "says not": lambda prefix: " not " in prefix or "n't" in prefix,
    "is longer than 35 words": lambda prefix: len(prefix.split()) > 35,
}


def by_trait() -> dict[str, list[Ending]]:
    """The endings of each trait, in file order."""
    found: dict[str, list[Ending]] = defaultdict(list)
    for row in ENDINGS:
        found[row.trait].append(row)
    return found


def runs(text: str) -> set[tuple[str, ...]]:
    """Every stretch of words long enough to call a copy."""
    words = WORD.findall(text.lower())
    return {tuple(words[i : i + COPIED_WORDS]) for i in range(len(words) - COPIED_WORDS + 1)}


def starts_where_the_prefix_stops(row: Ending) -> bool:
    """Whether prefix and opener join without a missing or doubled space."""
    opens_quotation = row.prefix.endswith('"') and row.prefix.count('"') % 2 == 1
    return row.prefix == row.prefix.strip() and row.opener[:1].isalnum() == opens_quotation


def is_minimal_pair(one: Ending, other: Ending) -> bool:
    """Whether two alike texts are meant to be: one stem, and one of each label."""
    return {one.hard, other.hard} == {"minimal pair"} and one.label != other.label


def near_duplicates(rows: Iterable[Ending]) -> list[tuple[str, str]]:
    """The ids of rows that are too alike and not a minimal pair."""
    return [
        (one.id, other.id)
        for one, other in combinations(rows, 2)
        if token_set_ratio(one.prefix, other.prefix) > 85 and not is_minimal_pair(one, other)
    ]


def balanced_accuracy(says_express: Callable[[str], bool]) -> float:
    """How well a rule on the prefix alone finds the labels: 0.5 is guessing."""
    said = {label: [says_express(r.prefix) for r in ENDINGS if r.label == label] for label in ("EXPRESS", "EXPLAIN")}
    hits = sum(said["EXPRESS"]) / len(said["EXPRESS"])
    false_alarms = sum(said["EXPLAIN"]) / len(said["EXPLAIN"])
    return (hits + 1 - false_alarms) / 2


def with_field(row: Ending, **changes: object) -> str:
    """The row as a line of the file, with some fields changed or added and nothing checked."""
    return json.dumps({**row.model_dump(mode="json"), **changes})


def test_there_are_enough_endings_traits_and_modes() -> None:
    assert len(ENDINGS) >= 168
    assert len(TRAITS) >= 10
    assert {trait.mode for trait in TRAITS.values()} == set(Mode)


def test_every_row_is_of_a_known_trait_and_of_its_mode() -> None:
    assert set(by_trait()) == set(TRAITS)
    assert [row.id for row in ENDINGS if row.mode != TRAITS[row.trait].mode] == []


def test_ids_count_up_within_their_trait() -> None:
    for trait, rows in by_trait().items():
        name = trait.removeprefix("gold/")
        assert [row.id for row in rows] == [f"{name}-{i:03}" for i in range(1, len(rows) + 1)]


@pytest.mark.parametrize("trait", TRAITS)
def test_a_definition_is_a_rubric_with_one_key(trait: str) -> None:
    assert RUBRIC.fullmatch(TRAITS[trait].definition)


def test_the_parts_split_the_traits_in_halves_with_every_mode_in_both() -> None:
    parts = Counter(trait.part for trait in TRAITS.values())
    assert abs(parts["A"] - parts["B"]) <= 1
    assert {(trait.part, trait.mode) for trait in TRAITS.values()} == {(part, mode) for part in "AB" for mode in Mode}


@pytest.mark.parametrize("trait", TRAITS)
def test_labels_are_balanced_and_both_polarities_carry_both(trait: str) -> None:
    rows = by_trait()[trait]
    assert len(rows) >= 14
    assert 0.4 <= sum(row.label == "EXPRESS" for row in rows) / len(rows) <= 0.6
    cells = {(row.polarity, row.label) for row in rows}
    assert cells == {(polarity, label) for polarity in Polarity for label in ("EXPRESS", "EXPLAIN")}


def test_many_rows_are_hard_in_a_named_way() -> None:
    assert sum(row.hard is not None for row in ENDINGS) >= 0.4 * len(ENDINGS)


def test_an_opener_joins_its_prefix_as_a_model_would_write_it() -> None:
    assert [row.id for row in ENDINGS if not starts_where_the_prefix_stops(row)] == []


def test_an_opener_is_a_few_tokens_long() -> None:
    lengths = {row.id: len(re.findall(r"\w+|[^\w\s]+", row.opener)) for row in ENDINGS}
    assert {key: n for key, n in lengths.items() if not 3 <= n <= 7} == {}


def test_a_prefix_occurs_once_and_stops_in_the_middle() -> None:
    assert len({row.prefix for row in ENDINGS}) == len(ENDINGS)
    assert [row.id for row in ENDINGS if row.prefix.endswith((".", "!", "?"))] == []


def test_no_two_rows_of_a_trait_are_alike_but_minimal_pairs() -> None:
    assert [pair for rows in by_trait().values() for pair in near_duplicates(rows)] == []


def test_a_minimal_pair_shares_its_stem_word_for_word() -> None:
    for rows in by_trait().values():
        pair = [row for row in rows if row.hard == "minimal pair"]
        assert len(pair) in (0, 2)
        if pair:
            short, long = sorted((row.prefix for row in pair), key=len)
            assert long.startswith(short)
            assert pair[0].label != pair[1].label


@pytest.mark.parametrize("trait", TRAITS)
def test_no_ending_pattern_holds_more_than_a_fifth_of_a_trait(trait: str) -> None:
    rows = by_trait()[trait]
    patterns = Counter(tuple(WORD.findall(row.prefix.lower())[-2:]) for row in rows)
    assert [pattern for pattern, n in patterns.items() if n > 0.2 * len(rows)] == []


@pytest.mark.parametrize("rule", RULES)
def test_no_trivial_rule_finds_the_labels(rule: str) -> None:
    assert 0.38 <= balanced_accuracy(RULES[rule]) <= 0.62


def test_no_seven_words_in_a_row_come_from_a_real_set(shared_data: Path) -> None:
    real: set[tuple[str, ...]] = set()
    for file in (f for kind in ("*.txt", "*.jsonl") for f in shared_data.rglob(kind) if f.name != "definition.txt"):
        for line in file.read_text(encoding="utf-8").splitlines():
            real |= runs(line)
    assert real
    assert [row.id for row in ENDINGS if runs(row.prefix + row.opener) & real] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"surprise": 1},
        {"label": "LATE", "span": None},
        {"hard": "difficult"},
        {"span": "words that are not there"},
        {"span": ""},
        {"span": None},
        {"label": "EXPRESS"},
    ],
    ids=str,
)
def test_a_row_that_breaks_the_form_is_not_read(changes: dict[str, object]) -> None:
    committed = next(row for row in ENDINGS if row.label == "EXPLAIN")
    assert gold_endings(with_field(committed)) == (committed,)
    with pytest.raises(ValidationError):
        gold_endings(with_field(committed, **changes))


def test_a_row_without_a_field_is_not_read() -> None:
    with pytest.raises(ValidationError, match="opener"):
        gold_endings(ENDINGS[0].model_dump_json(exclude={"opener"}))


def test_a_trait_with_an_unknown_field_is_not_read() -> None:
    found = GoldTrait.model_validate(TRAITS["gold/refusal"]).model_dump_json()
    with pytest.raises(ValidationError, match="note"):
        gold_traits('{"gold/refusal": ' + found[:-1] + ', "note": "x"}}')


def test_the_file_is_plain_lines_of_utf_8() -> None:
    raw = (FOLDER / "endings.jsonl").read_bytes()
    assert raw.endswith(b"\n")
    assert not raw.endswith(b"\n\n")
    assert b"\r" not in raw
    assert len(raw.decode("utf-8").splitlines()) == len(ENDINGS)


def test_the_agreement_of_both_labellers_is_what_the_readme_says() -> None:
    both = [row.labels for row in ENDINGS]
    agreed = sum(first == second for first, second in both)
    assert all(row.label == row.labels[0] for row in ENDINGS)
    kappa = cohen_kappa_score(*zip(*both, strict=True))
    assert f"agree on {agreed} of {len(both)} rows (kappa {kappa:.2f};" in (FOLDER / "README.md").read_text()
