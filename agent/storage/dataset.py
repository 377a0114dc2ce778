"""Dataset folders: loading pairs, with every issue named by file and line, and writing them."""

import json
import random
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import UserError
from agent.schema import FrozenModel, Pair, Polarity, Scenario, split_ending
from agent.storage.dataset_reader import DatasetSide, pair_issues, read_side, side_issues
from agent.storage.durable import hash_of, sync_folder, write_atomically
from agent.storage.file_content import content_error, prose_error
from agent.storage.issues import Issue, error, warning
from agent.storage.lookalikes import dead_links, lookalike_errors, near_folder, other_files
from agent.storage.similarity import Misalignment, best_pairs, find_misalignment, token_similarity
from agent.storage.text_marks import DatasetLine

if TYPE_CHECKING:
    from agent.storage.similarity import Matrix

DEFINITION = "definition.txt"
JOURNAL = ".apply.json"  # exists beside the files while an apply replaces them
OPTION = "--pair-by-similarity"
_FAINT = 6.0  # points of similarity above the mean of all texts; chosen by judgement
_SHOWN = 20
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_RAW = re.compile(r"[\x7f-\x9f\u2028\u2029]")  # JSON may hold them raw, but readers by lines split at some


class FileHashes(FrozenModel):
    """SHA-256 (hex) of a dataset's files; None where there is no such file."""

    positive: str | None
    negative: str | None
    definition: str | None


class Dataset(FrozenModel):
    """The pairs of one trait in file order, and the issues found while loading.

    `line` of a pair is that of its positive, counted from 0; `places` are the lines of both its sides, from 1, in
    `files`.
    """

    trait: str
    pairs: tuple[Pair, ...]
    places: tuple[tuple[int, int], ...] = ()
    files: tuple[str, str] = ("positive.txt", "negative.txt")
    issues: tuple[Issue, ...]
    hashes: FileHashes


class DatasetError(UserError):
    """A dataset that cannot be used. `issues` holds all issues; the message names the errors."""

    def __init__(self, message: str, issues: tuple[Issue, ...] = ()) -> None:
        super().__init__(message)
        self.issues = issues


def load_dataset(folder: Path, trait_id: str, pair_by_similarity: bool = False) -> Dataset:
    """Read one trait's pairs. A folder with neither side is a dataset without pairs.

    Raises DatasetError where an issue is an error, and while an apply is in progress or was interrupted: the two files
    may not match then. Warnings are in the dataset's `issues`.
    """
    if (folder / JOURNAL).exists():
        raise DatasetError(
            f"{folder}: an apply is in progress or was interrupted, so its files may not match. "
            "Rerun the same `cliffhanger apply` to complete it."
        )
    positive, negative = (read_side(folder, polarity) for polarity in (Polarity.POSITIVE, Polarity.NEGATIVE))
    found = [*positive.issues, *negative.issues]
    if positive.file is None and negative.file is None:
        found += [] if found else other_files(folder)
    elif pair_by_similarity:
        found += [*_empty(positive, ()), *_empty(negative, ())]
        found += _unequal(positive, negative) if not (positive.lines and negative.lines) else ()
    else:
        found += _unpaired(positive, negative)
        shared = positive.numbers & negative.numbers
        positive, negative = positive.only(shared), negative.only(shared)
    table = _similarity(positive, negative)
    together = best_pairs(table) if pair_by_similarity else [(i, i) for i in range(len(positive.lines))]
    found += [*side_issues(positive), *side_issues(negative)]
    if pair_by_similarity and together:
        least = float(table.mean()) + _FAINT
        found += _doubts(positive, negative, {(i, j): table[i, j] >= least for i, j in together})
    elif all(issue.code != "unequal-counts" for issue in found):
        found += _shifted(positive, negative, find_misalignment(table))
    found += pair_issues(positive, negative, together)
    issues = tuple(sorted(found, key=lambda issue: (issue.file.startswith("negative"), issue.line or 0)))
    _refuse(folder, issues)
    lines = [(positive.lines[i], negative.lines[j]) for i, j in together]
    return Dataset(
        trait=trait_id,
        pairs=tuple(_pair(i, *both) for (i, _), both in zip(together, lines, strict=True)),
        places=tuple((one.number, other.number) for one, other in lines),
        files=(positive.name, negative.name),
        issues=issues,
        hashes=FileHashes(positive=positive.hash, negative=negative.hash, definition=hash_of(folder / DEFINITION)),
    )


def definition_lookalikes(folder: Path) -> tuple[Issue, ...]:
    """An error for each file that was probably meant as the definition, which is missing."""
    return dead_links(folder, "definition") or tuple(lookalike_errors(folder, "definition"))


def read_definition(folder: Path) -> str:
    """The trait's definition, stripped. Raises DatasetError where it is missing or empty."""
    path = folder / DEFINITION
    if not path.is_file():
        if near := definition_lookalikes(folder):
            raise DatasetError("\n".join([f"There is no {DEFINITION} in {folder}.", *map(str, near)]), near)
        if (meant := near_folder(folder)) is not None:
            raise DatasetError(f"There is no folder {folder}, but {meant}: give trait and folder the same name.")
        raise DatasetError(
            f"There is no {DEFINITION} in {folder}. Write one, or let `cliffhanger init` draft it. If the dataset lies "
            "elsewhere, set `datasets` in refine.toml to the folder that holds its category."
        )
    try:
        content = path.read_bytes()
        if (problem := prose_error(content)) is not None:
            raise DatasetError(f"{path} {problem}")
        text = content.decode("utf-8-sig").replace("\r\n", "\n").strip()
        text = text if "\n" in text else text.replace("\r", "\n")
    except UnicodeDecodeError as problem:
        raise DatasetError(f"{path}: byte {problem.start + 1} is not UTF-8. Save the file as UTF-8.") from problem
    if not text:
        raise DatasetError(f"{path} is empty. Describe the trait: HIGH (70-100), MID, LOW and a Key.")
    return text


def write_dataset(folder: Path, pairs: Sequence[Pair], seed: int | None = None) -> tuple[Pair, ...]:
    """Write both sides, shuffled where a seed is given, and return the pairs in the order written.

    Lines of plain text where every text fits on one, else JSON lines; files of the other form are removed.
    """
    ordered = list(pairs)
    if seed is not None:
        random.Random(seed).shuffle(ordered)
    files = dataset_files(ordered)
    for name, content in files.items():
        if content is not None:
            write_atomically(folder / name, content)
    for name, content in files.items():
        if content is None:
            (folder / name).unlink(missing_ok=True)
    sync_folder(folder)
    return tuple(ordered)


def dataset_files(pairs: Sequence[Pair]) -> dict[str, bytes | None]:
    """The bytes of a dataset's files by name; None for those of the other form, which must not exist."""
    plain = all(is_plain(side) for pair in pairs for side in pair.sides)
    rows = {polarity: [pair.side(polarity) for pair in pairs] for polarity in Polarity}
    texts = {f"{polarity}.txt": _lines([side.text for side in sides]) for polarity, sides in rows.items()}
    if plain and not any(content_error(name, content) for name, content in texts.items()):
        return texts | {f"{polarity}.jsonl": None for polarity in Polarity}
    objects = {f"{polarity}.jsonl": _lines([json_row(side) for side in sides]) for polarity, sides in rows.items()}
    return objects | {f"{polarity}.txt": None for polarity in Polarity}


def _lines(rows: Sequence[str]) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode()


def is_plain(side: Scenario) -> bool:
    """Whether a scenario can stand on a line of text: without a line break, outer blanks or control characters."""
    text = side.text
    on_one_line = text.splitlines() == [text] and text == text.strip() and not _CONTROL.search(text)
    return on_one_line and side.system_prompt is None and not text.startswith(("{", "\ufeff"))


def json_row(side: Scenario, row: Mapping[str, object] | None = None) -> str:
    """A scenario as one line of JSON; in place of `row`, with the keys of another program that this has."""
    content = {"prompt": side.text, "system_prompt": None} if row is None else {**row, "prompt": side.text}
    if side.system_prompt is not None or "system_prompt" in content:
        content["system_prompt"] = side.system_prompt
    return _RAW.sub(lambda char: f"\\u{ord(char[0]):04x}", json.dumps(content, ensure_ascii=False))


def _pair(position: int, positive: DatasetLine, negative: DatasetLine) -> Pair:
    return Pair(
        id=f"d{position:04}",
        positive=_scenario(Polarity.POSITIVE, positive),
        negative=_scenario(Polarity.NEGATIVE, negative),
        line=positive.number - 1,
    )


def _scenario(polarity: Polarity, line: DatasetLine) -> Scenario:
    stem, ending = split_ending(line.text)
    return Scenario(polarity=polarity, stem=stem, ending=ending, system_prompt=line.system_prompt)


def _refuse(folder: Path, issues: tuple[Issue, ...]) -> None:
    errors = [issue for issue in issues if issue.severity == "error"]
    if not errors:
        return
    shown = [str(issue) for issue in errors[:_SHOWN]]
    more = [f"… and {len(errors) - _SHOWN} more errors"] if len(errors) > _SHOWN else []
    raise DatasetError("\n".join([f"The dataset in {folder} cannot be used:", *shown, *more]), issues)


def _similarity(positive: DatasetSide, negative: DatasetSide) -> "Matrix":
    return token_similarity(*([line.text for line in side.lines] for side in (positive, negative)))


def _unpaired(positive: DatasetSide, negative: DatasetSide) -> Iterator[Issue]:
    """Issues of lines without a partner on the same line of the other file. An empty line takes its partner along."""
    for side, other in ((positive, negative), (negative, positive)):
        alone = side.numbers & other.empty
        yield from _empty(side, other.numbers)
        for number in sorted(alone):
            message = f"is left out, because its partner {other.name}:{number} is empty."
            yield warning(side.name, number, "partner-empty", message)
    yield from _unequal(positive, negative)


def _empty(side: DatasetSide, partners: Collection[int]) -> Iterator[Issue]:
    for number in sorted(side.empty):
        partner = " with its partner" if number in partners else ""
        yield warning(side.name, number, "empty", f"is empty and is left out{partner}.")


def _unequal(positive: DatasetSide, negative: DatasetSide) -> Iterator[Issue]:
    """The error where one file goes on after the other's end."""
    longer, shorter = (positive, negative) if positive.size > negative.size else (negative, positive)
    surplus = [line.number for line in longer.lines if line.number > shorter.size]
    broken = any(issue.severity == "error" for side in (positive, negative) for issue in side.issues)
    if not surplus or broken:
        return
    place = _describe_misalignment(positive, negative, find_misalignment(_similarity(positive, negative)))
    what = "lines" if positive.empty or negative.empty else "scenarios"
    empty = sorted(number for number in longer.empty if number < longer.size)
    where = f"{longer.name}:{empty[0]} is empty. " if empty else ""
    message = (
        f"has {longer.size} {what} and {shorter.name} {shorter.size}: {_span(surplus)} without a partner. "
        f"{where}{place}Fix the files, or pair by similarity with {OPTION}."
    )
    yield error(longer.name, surplus[0], "unequal-counts", message)


def _shifted(positive: DatasetSide, negative: DatasetSide, misaligned: Misalignment | None) -> Iterator[Issue]:
    """The warning where line i of one file does not seem to belong to line i of the other."""
    if misaligned is not None:
        place = _describe_misalignment(positive, negative, misaligned)
        message = f"{place}Check there; then fix the files, or pair by similarity with {OPTION}."
        yield warning(positive.name, positive.lines[misaligned.start].number, "shifted", message)


def _describe_misalignment(positive: DatasetSide, negative: DatasetSide, misaligned: Misalignment | None) -> str:
    if misaligned is None:
        return ""
    start = positive.lines[misaligned.start].number
    where = "the line before" if misaligned.lag < 0 else "the line after"
    return f"From {positive.name}:{start} on, {misaligned.length} lines resemble {where} their own in {negative.name}. "


def _span(numbers: Sequence[int]) -> str:
    return f"line {numbers[0]} is" if len(numbers) == 1 else f"lines {numbers[0]} to {numbers[-1]} are"


def _doubts(positive: DatasetSide, negative: DatasetSide, alike: Mapping[tuple[int, int], bool]) -> Iterator[Issue]:
    """Issues of pairing by similarity. `alike`: whether a pair is clearly more similar than the average two texts."""
    for side, taken in ((positive, {i for i, _ in alike}), (negative, {j for _, j in alike})):
        for position, line in enumerate(side.lines):
            if position not in taken:
                yield warning(side.name, line.number, "no-partner", "has no partner and is left out.")
    for i, j in (pair for pair, clear in alike.items() if not clear):
        partner = f"{negative.name}:{negative.lines[j].number}"
        message = f"was paired with {partner}, but is no more similar to it than to other texts."
        yield warning(positive.name, positive.lines[i].number, "faint-pair", message)
