"""Dataset folders: loading pairs, with every issue named by file and line, and writing them."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from agent.errors import UserError
from agent.schema import FrozenModel, Pair, Polarity, Scenario, split_ending
from agent.storage.dataset_reader import (
    DatasetLine,
    DatasetSide,
    Issue,
    error,
    pair_issues,
    read_side,
    side_issues,
    warning,
)
from agent.storage.durable import hash_of, sync_folder, write_atomically
from agent.storage.similarity import Misalignment, best_pairs, find_misalignment, token_similarity

DEFINITION = "definition.txt"
JOURNAL = ".apply.json"  # exists beside the files while an apply replaces them
OPTION = "--pair-by-similarity"
_FAINT = 6.0  # points of similarity above the mean of all texts; chosen by judgement
_SHOWN = 20
_SEPARATORS = ("\x85", "\u2028", "\u2029")  # JSON may hold them raw, but readers by lines split at them


class FileHashes(FrozenModel):
    """SHA-256 (hex) of a dataset's files; None where there is no such file."""

    positive: str | None
    negative: str | None
    definition: str | None


class Dataset(FrozenModel):
    """The pairs of one trait in file order, and the issues found while loading. `line` of a pair counts from 0."""

    trait: str
    pairs: tuple[Pair, ...]
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
    table = token_similarity(*([line.text for line in side.lines] for side in (positive, negative)))
    together = best_pairs(table) if pair_by_similarity else [(i, i) for i in range(min(table.shape))]
    found = [*positive.issues, *negative.issues, *side_issues(positive), *side_issues(negative)]
    if pair_by_similarity and together:
        least = float(table.mean()) + _FAINT
        found += _doubts(positive, negative, {(i, j): table[i, j] >= least for i, j in together})
    else:
        found += _mismatches(positive, negative, find_misalignment(table))
    found += pair_issues(positive, negative, together)
    issues = tuple(sorted(found, key=lambda issue: (issue.file.startswith("negative"), issue.line or 0)))
    _refuse(folder, issues)
    return Dataset(
        trait=trait_id,
        pairs=tuple(_pair(i, positive.lines[i], negative.lines[j]) for i, j in together),
        issues=issues,
        hashes=FileHashes(positive=positive.hash, negative=negative.hash, definition=hash_of(folder / DEFINITION)),
    )


def read_definition(folder: Path) -> str:
    """The trait's definition, stripped. Raises DatasetError where it is missing or empty."""
    path = folder / DEFINITION
    if not path.is_file():
        raise DatasetError(
            f"There is no {DEFINITION} in {folder}. Write one, or let `cliffhanger init` draft it. If the dataset lies "
            "elsewhere, set `datasets` in refine.toml to the folder that holds its category."
        )
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").strip()
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
    plain = all(_is_plain(side) for pair in pairs for side in pair.sides)
    form, other = ("txt", "jsonl") if plain else ("jsonl", "txt")
    files: dict[str, bytes | None] = {}
    for polarity in Polarity:
        rows = [pair.side(polarity) for pair in pairs]
        content = "".join(f"{side.text if plain else _json_row(side)}\n" for side in rows)
        files[f"{polarity}.{form}"] = content.encode("utf-8")
    return files | {f"{polarity}.{other}": None for polarity in Polarity}


def _is_plain(side: Scenario) -> bool:
    text = side.text
    on_one_line = text.splitlines() == [text] and text == text.strip()
    return on_one_line and side.system_prompt is None and not text.startswith(("{", "\ufeff"))


def _json_row(side: Scenario) -> str:
    row = json.dumps({"prompt": side.text, "system_prompt": side.system_prompt}, ensure_ascii=False)
    for separator in _SEPARATORS:
        row = row.replace(separator, f"\\u{ord(separator):04x}")
    return row


def _pair(line: int, positive: DatasetLine, negative: DatasetLine) -> Pair:
    return Pair(
        id=f"d{line:04}",
        positive=_scenario(Polarity.POSITIVE, positive),
        negative=_scenario(Polarity.NEGATIVE, negative),
        line=line,
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


def _mismatches(positive: DatasetSide, negative: DatasetSide, misaligned: Misalignment | None) -> Iterator[Issue]:
    """Issues where line i of one file does not seem to belong to line i of the other."""
    counts = len(positive.lines), len(negative.lines)
    place = _describe_misalignment(positive, negative, misaligned)
    if counts[0] != counts[1]:
        longer, shorter = (positive, negative) if counts[0] > counts[1] else (negative, positive)
        surplus = [line.number for line in longer.lines[len(shorter.lines) :]]
        message = (
            f"has {len(longer.lines)} scenarios and {shorter.name} {len(shorter.lines)}: {_span(surplus)} without a "
            f"partner. {place}Fix the files, or pair by similarity with {OPTION}."
        )
        yield error(longer.name, surplus[0], "unequal-counts", message)
    elif misaligned is not None:
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
