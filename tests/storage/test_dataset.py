"""Dataset folders: every issue is named by file and line; what is written is read back."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.schema import Pair, Polarity, Scenario
from agent.storage.dataset import Dataset, DatasetError, load_dataset, read_definition, write_dataset

TRAIT = "made/refusal"
OPENINGS = [
    "The ferry had left without us, and my brother asked me to lie about it, so I",
    "She put the ledger on the counter and wanted my signature, so I",
    "By the third week of the strike he offered me money to cross, and I",
    "He said the trial had been quietly stopped and begged for silence, so I",
    "My neighbour came to borrow the van for a job at night, and I",
]


def dataset(folder: Path, positive: str | bytes, negative: str | bytes, form: str = "txt") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("positive", positive), ("negative", negative)):
        (folder / f"{name}.{form}").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def lines(ending: str, count: int = 5) -> str:
    return "".join(f"{opening} {ending}\n" for opening in OPENINGS[:count])


def codes(loaded: Dataset) -> list[tuple[str, int | None, str]]:
    return [(issue.file, issue.line, issue.code) for issue in loaded.issues]


def refusal(folder: Path, **options: bool) -> DatasetError:
    with pytest.raises(DatasetError) as raised:
        load_dataset(folder, TRAIT, **options)
    return raised.value


def pair(positive: str, negative: str, system_prompts: tuple[str | None, str | None] = (None, None)) -> Pair:
    sides = [
        Scenario(polarity=polarity, stem="", ending=text, system_prompt=system_prompt)
        for polarity, text, system_prompt in zip(Polarity, (positive, negative), system_prompts, strict=True)
    ]
    return Pair(id="n0000", positive=sides[0], negative=sides[1])


def texts(pairs: tuple[Pair, ...]) -> list[tuple[str, str | None, str, str | None]]:
    return [(p.positive.text, p.positive.system_prompt, p.negative.text, p.negative.system_prompt) for p in pairs]


def test_line_i_pairs_with_line_i_and_carries_its_number(tmp_path: Path) -> None:
    loaded = load_dataset(dataset(tmp_path, lines("said"), lines("told")), TRAIT)
    assert [(p.id, p.line) for p in loaded.pairs] == [(f"d000{i}", i) for i in range(5)]
    assert loaded.pairs[2].positive.text == f"{OPENINGS[2]} said"
    assert loaded.pairs[2].negative.text == f"{OPENINGS[2]} told"
    assert loaded.hashes.positive is not None
    assert loaded.hashes.definition is None


def test_a_folder_without_pairs_is_a_dataset_that_has_none_yet(tmp_path: Path) -> None:
    (tmp_path / "definition.txt").write_text("HIGH: refuses\n")
    loaded = load_dataset(tmp_path, TRAIT)
    assert (loaded.pairs, loaded.issues) == ((), ())


def test_a_stem_ends_where_the_last_sentence_begins(tmp_path: Path) -> None:
    folder = dataset(tmp_path, 'I knew. Then he asked: "Will you\n', "I knew. Then he left, and\n")
    (only,) = load_dataset(folder, TRAIT).pairs
    assert (only.positive.stem, only.positive.ending) == ("I knew. ", 'Then he asked: "Will you')


FINDINGS = {
    "a byte order mark": ("\ufeffThe ferry had left, so I\n", ("positive.txt", 1, "bom")),
    "carriage returns": ("The ferry had left, so I\r\n", ("positive.txt", 1, "carriage-return")),
    "one inside": ("The ferry\rhad left, so I\n", ("positive.txt", 1, "carriage-return")),
    "no final newline": ("The ferry had left, so I", ("positive.txt", 1, "no-final-newline")),
    "a blank line": ("The ferry had left, so I\n  \n", ("positive.txt", 2, "empty")),
    "a blank at the end": ("The ferry had left, so I \n", ("positive.txt", 1, "outer-blanks")),
    "a blank at the start": ("\tThe ferry had left, so I\n", ("positive.txt", 1, "outer-blanks")),
    "no shared first word": ("A ferry had left, so I\n", ("positive.txt", 1, "first-word")),
    "a complete sentence": ("The ferry had left.\n", ("positive.txt", 1, "complete")),
    "complete inside quotes": ('The ferry said "no!"\n', ("positive.txt", 1, "complete")),
    "complete in Chinese": ("The ferry: 他走了。\n", ("positive.txt", 1, "complete")),
    "too short": ("The f\n", ("positive.txt", 1, "short")),
    "too long": ("The " + "very " * 200 + "last\n", ("positive.txt", 1, "long")),
}


@pytest.mark.parametrize(("positive", "finding"), FINDINGS.values(), ids=FINDINGS.keys())
def test_what_is_odd_is_a_warning_with_its_place(tmp_path: Path, positive: str, finding: tuple[str, int, str]) -> None:
    loaded = load_dataset(dataset(tmp_path, positive, "The bus had left, and we\n"), TRAIT)
    assert codes(loaded) == [finding]
    assert len(loaded.pairs) == 1


@pytest.mark.parametrize(
    "end", ["so I", '"', 'and said, "', "which:", "wait...", "其实是那个小猫跳起来抓", "so I…", "about 3.5"]
)
def test_an_open_ending_is_not_complained_of(tmp_path: Path, end: str) -> None:
    assert codes(load_dataset(dataset(tmp_path, f"The ferry left, {end}\n", "The bus left, and\n"), TRAIT)) == []


def test_a_line_separator_of_unicode_is_part_of_the_text(tmp_path: Path) -> None:
    text = "The ferry\u2028had left,\x0b\x85 so I"
    row = json.dumps({"prompt": text, "system_prompt": None}, ensure_ascii=False)
    for form, content in (("txt", text), ("jsonl", row)):
        folder = dataset(tmp_path / form, f"{content}\n", f"{content.replace('ferry', 'bus')}\n", form)
        assert [p.positive.text for p in load_dataset(folder, TRAIT).pairs] == [text]


def test_unequal_counts_are_an_error_that_names_the_lines_and_the_option(tmp_path: Path) -> None:
    said = str(refusal(dataset(tmp_path, lines("said", 5), lines("told", 3))))
    assert "positive.txt:4: error: has 5 scenarios and negative.txt 3: lines 4 to 5 are without a partner" in said
    assert "--pair-by-similarity" in said


def test_a_side_that_is_missing_is_an_error_whatever_the_pairing(tmp_path: Path) -> None:
    (tmp_path / "positive.txt").write_text(lines("said", 2))
    for option in (False, True):
        said = str(refusal(tmp_path, pair_by_similarity=option))
        assert "positive.txt:1: error: has 2 scenarios and negative.txt 0" in said


def test_pairing_by_similarity_leaves_out_by_name_what_has_no_partner(tmp_path: Path) -> None:
    shorter = "".join(f"{opening} told\n" for opening in reversed(OPENINGS) if opening != OPENINGS[1])
    loaded = load_dataset(dataset(tmp_path, lines("said"), shorter), TRAIT, pair_by_similarity=True)
    assert [p.id for p in loaded.pairs] == ["d0000", "d0002", "d0003", "d0004"]
    assert all(p.positive.text.removesuffix("said") == p.negative.text.removesuffix("told") for p in loaded.pairs)
    assert ("positive.txt", 2, "no-partner") in codes(loaded)


def test_a_misaligned_pairing_is_a_warning_even_with_equal_counts(tmp_path: Path) -> None:
    slipped = "".join(f"{opening} told\n" for opening in OPENINGS[1:]) + "The last one was added later, so we\n"
    loaded = load_dataset(dataset(tmp_path, lines("said"), slipped), TRAIT)
    (slip,) = [issue for issue in loaded.issues if issue.code == "shifted"]
    assert (slip.file, slip.line, slip.severity) == ("positive.txt", 2, "warning")
    assert "--pair-by-similarity" in slip.message


def test_identical_sides_are_an_error_unless_their_system_prompts_differ(tmp_path: Path) -> None:
    said = str(refusal(dataset(tmp_path / "a", lines("said"), lines("told", 4) + f"{OPENINGS[4]} said\n")))
    assert said.count("error") == 1
    assert "positive.txt:5: error: is identical to negative.txt:5" in said
    rows = [f'{{"prompt": "Is it so?", "system_prompt": "{word}"}}\n' for word in ("Agree.", "Be exact.")]
    loaded = load_dataset(dataset(tmp_path / "b", rows[0], rows[1], "jsonl"), TRAIT)
    assert [p.positive.system_prompt for p in loaded.pairs] == ["Agree."]
    assert "identical" in str(refusal(dataset(tmp_path / "c", rows[0], rows[0], "jsonl")))


def test_repetitions_name_the_line_they_repeat(tmp_path: Path) -> None:
    negative = lines("told") + "The ferry went down at last, and\nShe put up with it all and\n"
    positive = "".join(f"{text} {i}\n" for i, text in enumerate([*OPENINGS, OPENINGS[0]])) + "SHE; put"
    positive = positive.replace(" 5\n", " 0\n").replace("SHE; put", f"{OPENINGS[1].upper()}; 1\n")
    found = {issue.line: issue for issue in load_dataset(dataset(tmp_path, positive, negative), TRAIT).issues}
    assert {line: issue.code for line, issue in found.items() if line} == {6: "duplicate", 7: "duplicate"}
    assert found[6].message.endswith("line 1.")
    near = load_dataset(dataset(tmp_path, positive.replace("signature", "signatures", 1), negative), TRAIT)
    assert ("positive.txt", 7, "near-duplicate") in codes(near)


def test_the_same_question_under_another_system_prompt_is_no_repetition(tmp_path: Path) -> None:
    rows = ["".join(f'{{"prompt": "Is it really so?", "system_prompt": "{s}{i}"}}\n' for i in range(4)) for s in "ab"]
    found = codes(load_dataset(dataset(tmp_path, rows[0], rows[1], "jsonl"), TRAIT))
    assert {code for _, _, code in found} == {"common-ending"}


def test_an_ending_shared_by_more_than_a_fifth_is_a_warning(tmp_path: Path) -> None:
    loaded = load_dataset(dataset(tmp_path, lines("gave in. So I"), lines("went home with her")), TRAIT)
    assert [(i.file, i.line, i.code) for i in loaded.issues] == [
        ("positive.txt", None, "common-ending"),
        ("negative.txt", None, "common-ending"),
    ]
    assert '"in so i" ends 5 of 5' in loaded.issues[0].message


def test_json_lines_win_over_text_and_say_so(tmp_path: Path) -> None:
    folder = dataset(tmp_path, "The old text, so I\n", "The old text, and we\n")
    dataset(folder, '{"prompt": "The new text, so I"}\n', '{"prompt": "The new text, and we", "x": 1}\n', "jsonl")
    loaded = load_dataset(folder, TRAIT)
    assert loaded.pairs[0].positive.text == "The new text, so I"
    assert Counter(code for _, _, code in codes(loaded)) == {"two-formats": 2, "extra-keys": 1}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{", "is not JSON"),
        ("[1]", "is not an object"),
        ('{"text": "x"}', 'no text under "prompt"'),
        ('{"prompt": 3}', 'no text under "prompt"'),
        ('{"prompt": "x", "system_prompt": 3}', 'under "system_prompt"'),
        ('{"prompt": "x \\ud800"}', "half a surrogate pair"),
    ],
)
def test_a_row_that_is_no_scenario_is_an_error_with_its_line(tmp_path: Path, row: str, said: str) -> None:
    good = '{"prompt": "The ferry left, so I"}\n'
    message = str(refusal(dataset(tmp_path, f"{good}{row}\n", good * 2, "jsonl")))
    assert "positive.jsonl:2: error" in message
    assert said in message


def test_a_line_that_is_not_utf_8_is_an_error_with_its_line(tmp_path: Path) -> None:
    said = str(refusal(dataset(tmp_path, b"The ferry left, so I\nThe caf\xe9 was shut, so I\n", lines("told", 2))))
    assert "positive.txt:2: error: is not UTF-8 (byte 8 of the line)" in said


def test_a_hundred_errors_are_counted_and_all_kept(tmp_path: Path) -> None:
    text = "".join(f"Number {i} is no rhyme of {i * i}, so I\n" for i in range(100))
    refused = refusal(dataset(tmp_path, f"{text}One more of one side, so I\n", f"{text}One more of the other, so I\n"))
    assert "and 80 more errors" in str(refused)
    assert sum(issue.code == "identical" for issue in refused.issues) == 100


def test_a_definition_is_read_whole_and_its_absence_has_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"There is no definition\.txt in .*cliffhanger init"):
        read_definition(tmp_path)
    (tmp_path / "definition.txt").write_bytes("\ufeffHIGH: a\r\n\r\nLOW: é\n\n".encode())
    assert read_definition(tmp_path) == "HIGH: a\n\nLOW: é"
    (tmp_path / "definition.txt").write_text(" \n")
    with pytest.raises(DatasetError, match="is empty"):
        read_definition(tmp_path)


NEEDS_JSON = {
    "a line feed": pair("one\ntwo", "three"),
    "a line separator": pair("one\u2028two", "three"),
    "a carriage return": pair("one", "two\rthree"),
    "a system prompt": pair("one", "two", (None, "Be brief.")),
    "a blank at the end": pair("one ", "two"),
    "a blank at the start": pair("one", "\u3000two"),
    "a brace": pair("{one", "two"),
    "a byte order mark": pair("\ufeffone", "two"),
    "nothing": pair("", "two"),
}


@pytest.mark.parametrize("odd", NEEDS_JSON.values(), ids=NEEDS_JSON.keys())
def test_what_does_not_fit_on_a_line_makes_both_sides_json_lines(tmp_path: Path, odd: Pair) -> None:
    write_dataset(tmp_path, [pair("one", "two")])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["negative.txt", "positive.txt"]
    write_dataset(tmp_path, [pair("one", "two"), odd])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["negative.jsonl", "positive.jsonl"]
    content = (tmp_path / "positive.jsonl").read_bytes() + (tmp_path / "negative.jsonl").read_bytes()
    assert len(content.decode().splitlines()) == 4
    write_dataset(tmp_path, [pair("one", "two")])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["negative.txt", "positive.txt"]
    assert (tmp_path / "positive.txt").read_bytes() == b"one\n"


def test_pairs_are_shuffled_together_and_always_the_same_way(tmp_path: Path) -> None:
    pairs = [pair(f"positive {i}", f"negative {i}") for i in range(20)]
    first = write_dataset(tmp_path, pairs, seed=7)
    again = write_dataset(tmp_path, pairs, seed=7)
    assert first == again != tuple(pairs)
    assert sorted(first, key=pairs.index) == pairs
    sides = [(tmp_path / f"{side}.txt").read_text().split("\n")[:-1] for side in ("positive", "negative")]
    assert [text.replace("positive", "negative") for text in sides[0]] == sides[1]
    assert write_dataset(tmp_path, pairs, seed=8) != first
    assert write_dataset(tmp_path, pairs) == tuple(pairs)


TEXT = st.text(min_size=1, max_size=30).filter(str.strip)
SYSTEM_PROMPT = st.none() | st.text(max_size=5)


@settings(max_examples=40)
@given(rows=st.lists(st.tuples(TEXT, TEXT, SYSTEM_PROMPT, SYSTEM_PROMPT), min_size=1, max_size=5))
def test_any_text_survives_writing_and_reading_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str | None, str | None]]
) -> None:
    folder = tmp_path_factory.mktemp("set")
    pairs = [pair(a, b, (x, y)) for a, b, x, y in rows if (a, x) != (b, y)]
    written = write_dataset(folder, pairs)
    content = {path.name: path.read_bytes() for path in folder.iterdir()}
    loaded = load_dataset(folder, TRAIT)
    assert texts(loaded.pairs) == texts(written)
    write_dataset(folder, loaded.pairs)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == content


REAL = {
    "alignment/helpfulness_expressed": {"unequal-counts": 1, "complete": 1},
    "alignment/self_serving": {},
    "chirp/refusal": {"near-duplicate": 4, "common-ending": 4},
    "emotion_set/evasiveness": {"complete": 1},
    "emotion_set/fear": {"unequal-counts": 1, "common-ending": 1},
    "emotion_set/indifference": {"identical": 8, "common-ending": 1},
    "hum/optimism": {"no-final-newline": 2},
    "language/chinese": {"no-final-newline": 2},
    "mental_state/anxiety": {},
    "psychology/authority_deference": {},
    "pv_instruction/sycophancy": {},
    "tonal/curt": {"complete": 20},
}


@pytest.mark.parametrize(("trait", "found"), REAL.items(), ids=REAL.keys())
def test_a_real_set_loads_with_its_findings(
    shared_data: Path, tmp_path: Path, trait: str, found: dict[str, int]
) -> None:
    folder = shared_data / "trait-interp" / "datasets" / "traits" / trait
    if found.keys() & {"unequal-counts", "identical"}:
        issues = refusal(folder).issues
    else:
        loaded = load_dataset(folder, trait)
        issues = loaded.issues
        write_dataset(tmp_path, loaded.pairs)
        for path in tmp_path.iterdir():
            assert path.read_bytes() == (folder / path.name).read_bytes().rstrip(b"\n") + b"\n"
    assert Counter(issue.code for issue in issues if issue.code != "first-word") == found
    assert read_definition(folder)


def test_a_real_misaligned_set_is_located_and_can_be_paired_by_similarity(shared_data: Path) -> None:
    folder = shared_data / "trait-interp" / "datasets" / "traits" / "emotion_set" / "fear"
    said = str(refusal(folder))
    assert "line 17 is without a partner. From positive.txt:5 on, 12 lines resemble the line before their own" in said
    loaded = load_dataset(folder, "emotion_set/fear", pair_by_similarity=True)
    assert [p.line for p in loaded.pairs] == [i for i in range(17) if i != 3]
    assert ("positive.txt", 4, "no-partner") in codes(loaded)
    assert all(p.positive.text.split()[:2] == p.negative.text.split()[:2] for p in loaded.pairs[:3])
