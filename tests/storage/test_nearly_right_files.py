"""Dataset files that other programs left nearly right are named, with the line and the remedy, before a run."""

import json
from pathlib import Path

import pytest

from agent.storage.dataset import DatasetError, load_dataset, read_definition
from agent.storage.lookalikes import is_lookalike
from tests.storage.test_dataset import OPENINGS, TRAIT, codes, dataset, lines, refusal

POSITIVE = "".join(f"{opening}\n" for opening in OPENINGS)
NEGATIVE = POSITIVE.replace(" I\n", " we\n")

NO_TEXT = {
    "line ends of old Macs": (POSITIVE.replace("\n", "\r"), "positive.txt:1: error: contains 5 carriage returns"),
    "one line of an old Mac": ("The ferry left, so I\rShe put it down, so I", "positive.txt:1: error: contains 1 carr"),
    "line ends converted twice": (POSITIVE.replace("\n", "\r\r\n"), "positive.txt:1: error: contains 5 carriage"),
    "UTF-16 with its mark": (POSITIVE.encode("utf-16"), "positive.txt: error: is not UTF-8 but UTF-16. Save the file"),
    "UTF-16 without its mark": (POSITIVE.encode("utf-16-le"), "positive.txt:1: error: contains NUL characters"),
    "control characters on two lines": (
        POSITIVE.replace("ledger", "led\x0bger").replace("strike", "str\x1b[31mike"),
        "positive.txt:2: error: contains control characters, which are no text: remove them. The same on line 3.",
    ),
    "an office document": (b"PK\x03\x04\x14\x00", "positive.txt: error: is a ZIP archive or an office document"),
    "a web page": ("<!DOCTYPE html>\n<html>", "positive.txt: error: is a web page"),
    "a pointer of Git LFS": (
        "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n",
        "positive.txt: error: is a pointer of Git LFS: fetch the text with `git lfs pull`.",
    ),
    "a pointer of git-annex": ("/annex/objects/SHA256E-s12--4d7a.txt\n", "fetch the text with `git annex get`"),
    "an unfinished merge": (
        f"{lines('said', 2)}<<<<<<< HEAD\nThe one, so I\n=======\nThe other, so I\n>>>>>>> theirs\n",
        "positive.txt:3: error: is the mark of an unfinished merge",
    ),
    "JSON lines": ('{"prompt": "The ferry left, so I"}\n' * 2, "positive.txt: error: contains JSON lines: rename it"),
    "one JSON list": (json.dumps(["The ferry left, so I", "She left, so I"], indent=1), "is one JSON list"),
    "two columns": (
        "".join(f"{one}\t{other}\n" for one, other in zip(POSITIVE.split("\n"), NEGATIVE.split("\n"), strict=True)),
        "positive.txt:1: error: contains several columns: write one text a line, each side in its own file.",
    ),
    "CSV": ('"The ferry left, so I","The bus had left, so I"\n' * 2, "positive.txt:1: error: contains several columns"),
}


@pytest.mark.parametrize(("content", "said"), NO_TEXT.values(), ids=NO_TEXT.keys())
def test_a_file_that_is_no_list_of_texts_is_an_error_with_its_remedy(
    tmp_path: Path, content: str | bytes, said: str
) -> None:
    assert said in str(refusal(dataset(tmp_path, content, NEGATIVE)))


def test_text_under_the_name_of_json_lines_is_one_error(tmp_path: Path) -> None:
    said = str(refusal(dataset(tmp_path, POSITIVE, NEGATIVE, "jsonl")))
    assert said.count("error") == 2
    assert "positive.jsonl: error: contains plain text: rename it to positive.txt." in said
    rows = json.dumps([{"prompt": "The ferry left, so I"}])
    assert "is one JSON list" in str(refusal(dataset(tmp_path / "list", rows, rows, "jsonl")))


def test_two_copies_of_one_file_are_one_error(tmp_path: Path) -> None:
    said = str(refusal(dataset(tmp_path, POSITIVE, POSITIVE.replace("\n", "\r\n"))))
    assert said.count("error") == 1
    assert "positive.txt: error: contains the same texts as negative.txt: one of them is a copy." in said
    longer = f"{POSITIVE}One more came at last, so I\n"
    swapped = "".join(reversed(longer.splitlines(keepends=True)))
    assert "contains the same texts" in str(refusal(dataset(tmp_path / "swapped", longer, swapped)))


TRACES = {
    "marks of a spreadsheet": ('"He said ""I know"" and I"', "quoted"),
    "an item of a Python list": ("'The ferry left, so I',", "quoted"),
    "a number": ("2. The ferry left, so I", "list-mark"),
    "a number in brackets": ("(12) The ferry left, so I", "list-mark"),
    "an id of a table": ("17,The ferry left, so I", "list-mark"),
    "a dash": ("- The ferry left, so I", "list-mark"),
    "a bullet": ("• The ferry left, so I", "list-mark"),
    "a mark of a reply": ("> The ferry left, so I", "list-mark"),
    "a zero-width space": ("The ferry\u200b left, so I", "invisible"),
    "a byte order mark amid the text": ("The ferry \ufeffleft, so I", "invisible"),
    "a soft hyphen": ("The fer\u00adry left, so I", "invisible"),
    "a mark of direction": ("The ferry\u200e left, so I", "invisible"),
    "a joiner between Latin letters": ("The fer\u200dry left, so I", "invisible"),
    "a colour of a terminal": ("\x1b[31mThe ferry left, so I", "invisible"),
    "a line separator": ("The ferry\u2028left, so I", "invisible"),
    "a filler": ("The ferry\u3164left, so I", "invisible"),
    "an entity": ("He said &quot;no&quot; so I", "markup"),
    "a tag": ("The ferry<br/>left, so I", "markup"),
    "escapes of a program": ('He said \\"no\\" so I', "escapes"),
    "UTF-8 read as Windows-1252": ("The ferryâ€™s captain left, so I", "mojibake"),
    "an accent read as Windows-1252": ("The cafÃ© was shut, so I", "mojibake"),
    "Japanese read as Windows-1252": ("The ã‚Œã‚‹ ferry left, so I", "mojibake"),
    "characters that were lost": ("The caf\ufffd was shut, so I", "lost-characters"),
    "a no-break space": ("The\u00a0ferry left, so I", "no-break-space"),
    "a tab": ("The ferry left, so I\tyes", "tab"),
    "a task": ("TODO write this one", "placeholder"),
    "an empty cell": ("#N/A", "placeholder"),
    "a heading": ("positive", "placeholder"),
    "a heading of two columns": ("prompt,label", "placeholder"),
    "a fence of Markdown": ("```text", "placeholder"),
    "marks of JSON": ('"He said \\"I know\\" and I"', "quoted"),
    "a label before": ("Positive: The ferry left, so I", "label"),
    "a numbered label": ("Scenario 12: The ferry left, so I", "label"),
    "a label behind": ("The ferry left and so did I,1", "label"),
    "separate accents": ("The cafe\u0301 was shut, so I", "decomposed"),
    "a form": ("[insert the scenario]", "placeholder"),
}
ALSO = {'"He said \\"I know\\" and I"': ("escapes",)}
USUAL = ("first-word", "short", "complete")


@pytest.mark.parametrize(("text", "code"), TRACES.values(), ids=TRACES.keys())
def test_a_trace_of_another_program_is_a_warning_with_its_line(tmp_path: Path, text: str, code: str) -> None:
    rows = POSITIVE.splitlines(keepends=True)
    folder = dataset(tmp_path, "".join([*rows[:2], f"{text}\n", *rows[3:]]), NEGATIVE)
    found = {place for place in codes(load_dataset(folder, TRAIT)) if place[2] not in (*USUAL, *ALSO.get(text, ()))}
    assert found == {("positive.txt", 3, code)}


CLEAN = {
    "speech": '"Leave it," he said, "and go." So I',
    "one line of speech": '"Will you tell him"',
    "an open quotation": '"He said no and I',
    "a year": "1984, the year it all began, was when I",
    "an amount": "1,000 people came, so I",
    "an initial": "A. Smith came back, so I",
    "a dash of dialogue": "— Non, dit-il, et je",
    "Persian": "او می\u200cخواهد که من",
    "Hindi": "वह क्\u200dष लिखता है और मैं",
    "Malayalam": "അവന്\u200d പറഞ്ഞു, ഞാന്",
    "Thai with breaks": "เขา\u200bบอก\u200bว่า ฉัน",
    "an emoji family": "The family 👨\u200d👩\u200d👧 waited and I",
    "an emoji of a person": "The astronaut 👩🏽\u200d🚀 waited and I",
    "a flag spelt by tags": "Under 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f we met and I",
    "French": "« Où étiez-vous\u00a0? » «\u00a0Là\u00a0» dit-il, et je",
    "French accents before a quotation mark": "C’était l’été\u00a0» dit-il, et je",
    "German": "Er sagte „Spaß“ und „MENÜ“, also habe ich",
    "ampersands": "Marks & Spencer closed at 5&6, AT&T too, so I",
    "less than": "It was < 5 and a<b so I",
    "a null of prose": "Null and void, he said, so I",
    "Arabic numbers": "\u0660\u0661 is what he wrote and I",
}


@pytest.mark.parametrize("text", CLEAN.values(), ids=CLEAN.keys())
def test_what_prose_of_any_script_needs_is_no_trace(tmp_path: Path, text: str) -> None:
    folder = dataset(tmp_path, f"{text}\n", f"{text} not\n")
    assert [code for _, _, code in codes(load_dataset(folder, TRAIT)) if code not in USUAL] == []


def test_one_issue_names_all_lines_of_a_trace(tmp_path: Path) -> None:
    marked = "".join(f"{i}. {row}\n" for i, row in enumerate(lines("said").splitlines() * 2, 1))
    issues = load_dataset(dataset(tmp_path, marked, lines("told") * 2), TRAIT).issues
    (found,) = [issue for issue in issues if issue.code == "list-mark"]
    assert str(found).startswith("positive.txt:1: warning: begins with the mark of a list: remove it.")
    assert found.message.endswith("The same on lines 2, 3, 4, 5, 6, 7 and 3 more.")


def test_most_lines_in_quotation_marks_are_an_export_even_without_marks_inside(tmp_path: Path) -> None:
    quoted = "".join(f'"{row}"\n' for row in lines("said").splitlines())
    issues = load_dataset(dataset(tmp_path, quoted, NEGATIVE), TRAIT).issues
    assert [(i.line, i.file) for i in issues if i.code == "quoted"] == [(1, "positive.txt")]


# Line i belongs to line i


def test_an_empty_line_takes_its_partner_along_and_nothing_shifts(tmp_path: Path) -> None:
    positive, negative = POSITIVE.split("\n"), NEGATIVE.split("\n")
    positive[1], negative[3] = "", "   "
    loaded = load_dataset(dataset(tmp_path, "\n".join(positive), "\n".join(negative)), TRAIT)
    assert loaded.places == ((1, 1), (3, 3), (5, 5))
    assert [pair.line for pair in loaded.pairs] == [0, 2, 4]
    assert all(p.positive.text.removesuffix("I") == p.negative.text.removesuffix("we") for p in loaded.pairs)
    assert [str(issue) for issue in loaded.issues if issue.code != "no-final-newline"] == [
        "positive.txt:2: warning: is empty and is left out with its partner.",
        "positive.txt:4: warning: is left out, because its partner negative.txt:4 is empty.",
        "negative.txt:2: warning: is left out, because its partner positive.txt:2 is empty.",
        "negative.txt:4: warning: is empty and is left out with its partner.",
    ]


def test_an_empty_line_in_both_files_leaves_no_partner(tmp_path: Path) -> None:
    loaded = load_dataset(dataset(tmp_path, POSITIVE.replace("\n", "\n\n"), NEGATIVE.replace("\n", "\n\n")), TRAIT)
    assert loaded.places == tuple((i, i) for i in range(1, 10, 2))
    assert {code for _, _, code in codes(loaded)} == {"empty"}


def test_an_empty_line_too_many_is_an_error_that_names_the_lines(tmp_path: Path) -> None:
    said = str(refusal(dataset(tmp_path, POSITIVE.replace("\n", "\n\n", 1), NEGATIVE)))
    assert (
        "positive.txt:6: error: has 6 lines and negative.txt 5: line 6 is without a partner. positive.txt:2 is empty."
        in said
    )
    loaded = load_dataset(tmp_path, TRAIT, pair_by_similarity=True)
    assert loaded.places == ((1, 1), (3, 2), (4, 3), (5, 4), (6, 5))


def test_empty_lines_at_the_end_have_no_partner_to_lose(tmp_path: Path) -> None:
    loaded = load_dataset(dataset(tmp_path, f"{POSITIVE}\n\n", NEGATIVE), TRAIT)
    assert len(loaded.pairs) == 5
    assert codes(loaded) == [("positive.txt", 6, "empty"), ("positive.txt", 7, "empty")]


def test_a_line_of_blanks_of_any_script_or_the_end_mark_of_dos_is_empty(tmp_path: Path) -> None:
    negative = f"{NEGATIVE}\x1a"
    loaded = load_dataset(dataset(tmp_path, f"{POSITIVE}\u00a0\u3000\n", negative), TRAIT)
    assert len(loaded.pairs) == 5
    assert [place for place in codes(loaded) if place[2] != "no-final-newline"] == [
        ("positive.txt", 6, "empty"),
        ("negative.txt", 6, "empty"),
    ]


# Names


NEAR = """positive.txt.txt Positive.txt positives.txt positive.TXT positive~.txt positive.text postive.txt possitive.txt
positive_final.txt refusal_positive.txt pos.txt positive.txt.bak positive positive.md POSITIVE.TXT""".split()  # noqa: SIM905 - a table


@pytest.mark.parametrize("name", [*NEAR, "positive (1).txt", "positive - Copy.txt", "positive .txt", "ｐositive.txt"])  # noqa: RUF001 - a wide letter is meant
def test_a_name_nearly_right_beside_a_missing_file_is_an_error_that_names_both(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "refusal"
    dataset(folder, POSITIVE, NEGATIVE)
    (folder / "positive.txt").rename(folder / name)
    said = str(refusal(folder))
    assert f"{name}: error: is not read, and there is no positive.txt: rename it to positive.txt" in said
    assert "without a partner" not in said


@pytest.mark.parametrize(
    "name", ["negative.txt", "notes.txt", "positive_notes.md", "impositive_idea.txt", ".positive.txt.swp"]
)
def test_other_names_are_no_lookalikes(name: str) -> None:
    assert not is_lookalike(name, "positive", "refusal")


REMEDIES = {
    "positive.txt.dvc": "dvc pull",
    "positive.txt.gz": "unpack it",
    "positive.csv": "write one scenario a line in positive.txt",
    "positive.jsonl.txt": "rename it to positive.jsonl",
}


@pytest.mark.parametrize(("name", "remedy"), REMEDIES.items())
def test_the_remedy_fits_the_file(tmp_path: Path, name: str, remedy: str) -> None:
    (tmp_path / name).write_text(POSITIVE)
    assert remedy in str(refusal(tmp_path))


def test_a_link_that_leads_nowhere_and_a_folder_in_place_of_a_file_are_errors(tmp_path: Path) -> None:
    (tmp_path / "positive.txt").symlink_to("../.git/annex/objects/x")
    (tmp_path / "negative.txt").mkdir()
    said = str(refusal(tmp_path))
    assert "positive.txt: error: is a link to ../.git/annex/objects/x, which is not there: fetch its content" in said
    assert "negative.txt: error: is not read, and there is no negative.txt: it is a folder." in said


def test_a_dead_link_to_json_lines_is_an_error_even_beside_text(tmp_path: Path) -> None:
    dataset(tmp_path, POSITIVE, NEGATIVE)
    (tmp_path / "positive.jsonl").symlink_to("gone")
    assert "positive.jsonl: error: is a link to gone, which is not there" in str(refusal(tmp_path))


def test_other_data_beside_missing_files_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "definition.txt").write_text("HIGH: refuses\n")
    (tmp_path / "pairs.csv").write_text("a,b\n")
    assert codes(load_dataset(tmp_path, TRAIT)) == [("pairs.csv", None, "not-read")]


def test_a_definition_nearly_right_is_named(tmp_path: Path) -> None:
    (tmp_path / "Definition.txt.txt").write_text("HIGH: refuses\n")
    with pytest.raises(DatasetError, match=r"Definition\.txt\.txt: error: .*rename it to definition\.txt"):
        read_definition(tmp_path)
    (tmp_path / "definition.txt").write_bytes("HIGH: refuses\n".encode("utf-16"))
    with pytest.raises(DatasetError, match="is not UTF-8 but UTF-16"):
        read_definition(tmp_path)
    (tmp_path / "definition.txt").write_bytes(b"HIGH: refuses\rLOW: complies\r")
    assert read_definition(tmp_path) == "HIGH: refuses\nLOW: complies"


@pytest.mark.parametrize("made", ["toy/Refusal", "toy/refusals", "toy/refussal", "Toy/refusal"])
def test_a_trait_folder_with_nearly_the_right_name_is_named(tmp_path: Path, made: str) -> None:
    (tmp_path / made).mkdir(parents=True)
    with pytest.raises(DatasetError, match=rf"There is no folder .*toy/refusal, but .*{made}: give trait and folder"):
        read_definition(tmp_path / "toy/refusal")


def test_a_trait_folder_that_resembles_none_is_missing(tmp_path: Path) -> None:
    (tmp_path / "toy" / "gloom").mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"There is no definition\.txt in .*toy/refusal\. Write one"):
        read_definition(tmp_path / "toy/refusal")
