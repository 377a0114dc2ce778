"""One corpus of hostile texts through datasets, completions, summaries and names of files.

What is kept comes back to the byte; what is told is told in words; no name leads outside.
"""

import re
from collections.abc import Sequence
from os.path import normpath
from pathlib import Path

import pytest

from agent.config.load import SettingsError, load_settings
from agent.config.settings import Settings
from agent.review.apply import plan_changes, undo, write
from agent.review.file_transaction import read_files
from agent.review.report.markdown import markdown_text
from agent.schema import Act, Completion, Decision, Pair
from agent.storage.dataset import FileHashes, load_dataset, read_definition, write_dataset
from agent.storage.experiment import ExperimentFolder, GenerationInfo, LayoutError, read_responses, write_responses
from agent.text import safe_text
from tests.cli.scripted import experiment
from tests.hostile import HALVES, TEXTS
from tests.loop.histories import NEGATIVE, POSITIVE
from tests.review.example import ReviewExample, change, pair, proposal

ABOUT = GenerationInfo(
    model="m",
    dtype="d",
    max_new_tokens=1,
    timestamp="t",
    hashes=FileHashes(positive=None, negative=None, definition=None),
)


def both(pairs: Sequence[Pair]) -> list[tuple[str, str, str | None]]:
    return [(one.positive.text, one.negative.text, one.positive.system_prompt) for one in pairs]


def hostile_pairs(first: str = "d") -> list[Pair]:
    """A pair for each text, with a system prompt where the text's number is odd."""
    found = [pair(f"{first}{i:04d}", text, f"{text} not", i if first == "d" else None) for i, text in enumerate(TEXTS)]
    return [with_system(one, one.positive.text) if i % 2 else one for i, one in enumerate(found)]


def with_system(of: Pair, system: str) -> Pair:
    sides = {side.polarity.value: side.model_copy(update={"system_prompt": system}) for side in of.sides}
    return of.model_copy(update=sides)


def test_a_dataset_gives_back_each_text_to_the_letter_alone_and_among_all(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    for text in TEXTS:
        alone = [pair("d0000", text, f"{text} not", 0)]
        write_dataset(folder, alone)
        assert both(load_dataset(folder, "toy/x").pairs) == both(alone)
    pairs = hostile_pairs()
    write_dataset(tmp_path, pairs)
    assert both(load_dataset(tmp_path, "toy/x").pairs) == both(pairs)
    (tmp_path / "definition.txt").write_text("\n".join(TEXTS), encoding="utf-8", newline="")
    assert read_definition(tmp_path) == "\n".join(TEXTS).replace("\r\n", "\n").strip()


def test_completions_in_the_users_own_format_come_back_to_the_letter(tmp_path: Path) -> None:
    place, pairs = ExperimentFolder(tmp_path, "toy/x"), hostile_pairs()
    made = {s.key: Completion(text=f" {s.text}", token_ids=(), opening="") for one in pairs for s in one.sides}
    write_responses(place, pairs, made, ABOUT)
    for polarity in (POSITIVE, NEGATIVE):
        found = read_responses(place.responses_of(polarity))
        sides = [one.side(polarity) for one in pairs]
        assert [(r.prompt, r.response, r.system_prompt) for r in found] == [
            (s.text, f" {s.text}", s.system_prompt) for s in sides
        ]


CALM = [pair(f"d{i:04d}", f"Calm {i}, so I", f"Quiet {i}, so I", i) for i in range(len(TEXTS))]
ON_ONE_LINE = [
    i for i, text in enumerate(TEXTS) if text.splitlines() == [text] == [text.strip()] and text[0] not in "{\ufeff"
]


def changed(root: Path, of: Sequence[int]) -> ReviewExample:
    """Calm pairs in a dataset, and a proposal that puts a hostile text in place of each and adds another."""
    example = ReviewExample(root)
    before = [CALM[i].model_copy(update={"id": f"d{n:04d}", "line": n}) for n, i in enumerate(of)]
    example.write(before)
    after = [pair(old.id, TEXTS[i], f"{TEXTS[i]} not", old.line) for i, old in zip(of, before, strict=True)]
    more = [pair(f"n{n:04d}", f"And {TEXTS[i]}", f"Nor {TEXTS[i]}") for n, i in enumerate(of)]
    changes = [change("changed", old, new) for old, new in zip(before, after, strict=True)]
    example.proposal = proposal([*changes, *(change("added", None, one) for one in more)])
    return example


def approve_all(example: ReviewExample) -> None:
    """A line of the log for each card, as the session would store it."""
    binding = {"trait": "toy/refusal", "campaign": 1, "act": Act.APPROVE, "who": "ann"}
    cards = enumerate(example.session().cards())
    times = {card.pair: f"2026-11-24T05:00:00.{n:06d}+00:00" for n, card in cards}
    example.log.append(
        *(
            Decision(**binding, pair=c.pair, key=c.key, proposed=c.proposed, base=c.base, when=times[c.pair])  # type: ignore[arg-type]
            for c in example.session().cards()
        )
    )


def wanted(of: Sequence[int]) -> list[tuple[str, str]]:
    return [(TEXTS[i], f"{TEXTS[i]} not") for i in of] + [(f"And {TEXTS[i]}", f"Nor {TEXTS[i]}") for i in of]


@pytest.mark.parametrize("of", [ON_ONE_LINE, range(len(TEXTS))], ids=["lines of text", "lines of JSON"])
def test_what_was_approved_is_applied_and_undone_to_the_byte(tmp_path: Path, of: Sequence[int]) -> None:
    example = changed(tmp_path / "here", of)
    example.refinement.mkdir()
    before = read_files(example.folder)
    approve_all(example)
    plan = plan_changes(example.folder, load_dataset(example.folder, "toy/refusal"), example.session().cards())
    write(plan, example.refinement)
    assert example.texts() == wanted(of)
    undo(example.folder, example.refinement)
    assert read_files(example.folder) == before


def test_each_reason_is_one_line_of_words_in_the_summary_and_no_markdown() -> None:
    for text in TEXTS:
        said = markdown_text(text)
        assert re.sub(r"\\([\\\[\]<&*])", r"\1", said).removesuffix("…") == safe_text(text[:320]).removesuffix("…")
        assert not set(re.sub(r"\\[\\\[\]<&*]", "", said)) & set("[]<&*\n")


def test_no_text_becomes_a_folder_outside_the_experiment(tmp_path: Path) -> None:
    root = experiment(tmp_path)
    taken = 0
    for text in (*TEXTS, *HALVES):
        for trait, variant in ((text, None), (f"toy/{text}", None), (f"{text}/toy", None), ("toy/refusal", text)):
            settings, place = settled(root, trait, variant), placed(root, trait, variant)
            assert place is None or Path(normpath(place.refinement)).is_relative_to(root / "extraction")
            if settings is not None:
                taken += 1
                assert place is not None
                folder = settings.datasets / settings.traits[0]
                assert Path(normpath(folder)).is_relative_to(settings.datasets)
                assert re.fullmatch(r"[\w.-]+/[\w.-]+(/[\w.-]+)?", "/".join(filter(None, (trait, variant))), re.ASCII)
    assert 20 < taken < 100


def settled(root: Path, trait: str, variant: str | None) -> Settings | None:
    """The settings with this trait, or None where they are refused with a sentence that does not repeat it."""
    try:
        return load_settings(root, {"traits": [trait], "variant": variant})
    except SettingsError as error:
        if "letters, digits" not in str(error):
            raise
        return None


def placed(root: Path, trait: str, variant: str | None) -> ExperimentFolder | None:
    try:
        return ExperimentFolder(root, trait, variant)
    except LayoutError:
        return None
