"""New bytes of a dataset's files in which every line that nobody changed is as it was, with its line end.

Byte order mark, line ends, unknown keys of JSON lines and a missing last line end stay too. Lines move only where they
must: by a shuffle, by a pairing that is not by line, and where a text needs JSON lines.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from agent.review.file_transaction import NAMES, FileContents, Name
from agent.schema import Pair, Polarity
from agent.storage.dataset import dataset_files, is_plain, json_row
from agent.storage.file_content import BOM, content_error, is_blank
from agent.text import pluralize, verb_for

_NAMES: Mapping[Polarity, tuple[Name, Name]] = {
    Polarity.POSITIVE: ("positive.jsonl", "positive.txt"),
    Polarity.NEGATIVE: ("negative.jsonl", "negative.txt"),
}


@dataclass(frozen=True)
class PlacedPair:
    """A pair of the new set. `place`: the lines of its sides, from 1; None if it is added. `now`: the pair there."""

    pair: Pair
    place: tuple[int, int] | None = None
    now: Pair | None = None

    def is_changed(self, side: int) -> bool:
        """Whether a side (0: positive) is not what its line holds now."""
        return self.now is None or self.now.sides[side].key != self.pair.sides[side].key


@dataclass(frozen=True)
class EditedFiles:
    """The new bytes by file name, and sentences about lines that change without having been approved."""

    contents: FileContents
    notes: tuple[str, ...] = ()


def names_in_use(files: Mapping[Name, bytes | None]) -> tuple[Name, ...]:
    """The files that a dataset is read from: JSON lines where they exist, else text."""
    found = ((jsonl if files[jsonl] is not None else txt) for jsonl, txt in _NAMES.values())
    return tuple(name for name in found if files[name] is not None)


def edited_files(before: FileContents, pairs: Sequence[PlacedPair], places: Sequence[tuple[int, int]]) -> EditedFiles:
    """The files with these pairs, in this order. `places` are the lines of all pairs that the dataset has now."""
    names = names_in_use(before)
    if len(names) < len(_NAMES):
        whole = dataset_files([placed.pair for placed in pairs])
        return EditedFiles({name: whole[name] for name in NAMES})
    files = [_File(name, before[name] or b"") for name in names]
    if any(file.is_text and not _fits(placed, side) for side, file in enumerate(files) for placed in pairs):
        return _as_json(before, files, pairs)
    aligned = all(one == other for one, other in places)
    contents = dict(before)
    lost = 0
    for side, file in enumerate(files):
        taken = [place[side] for place in places]
        others = file.others(taken)
        bodies = [file.body(placed, side) for placed in pairs]
        slots = sorted(placed.place[side] for placed in pairs if placed.place)
        contents[file.name] = file.content(bodies, slots, others if aligned else frozenset(), max(taken, default=0))
        lost += 0 if aligned else file.texts_on(others)
    if any(content_error(file.name, contents[file.name] or b"") for file in files if file.is_text):
        return _as_json(before, files, pairs)
    return EditedFiles(contents, () if aligned else _moved(lost))


def _moved(lost: int) -> tuple[str, ...]:
    left = f", and {pluralize(lost, 'line')} without a partner {verb_for(lost, 'leaves', 'leave')}" if lost else ""
    return (f"lines move to stand beside their partners{left}",)


def _fits(placed: PlacedPair, side: int) -> bool:
    return not placed.is_changed(side) or is_plain(placed.pair.sides[side])


def _as_json(before: FileContents, files: Sequence["_File"], pairs: Sequence[PlacedPair]) -> EditedFiles:
    contents = dict(before)
    for side, (file, (jsonl, _)) in enumerate(zip(files, _NAMES.values(), strict=True)):
        bodies = [json_row(placed.pair.sides[side], file.row(placed, side)).encode() for placed in pairs]
        contents |= {file.name: None, jsonl: b"".join(body + b"\n" for body in bodies)}
    return EditedFiles(contents, ("all lines become JSON, because an approved text does not fit on a line of text",))


class _File:
    """The lines of one file: bodies and line ends apart, so that together they are exactly its bytes."""

    def __init__(self, name: Name, content: bytes) -> None:
        self.name = name
        self.is_text = name.endswith(".txt")
        self._mark = BOM if content.startswith(BOM) else b""
        self._rows = rows = _rows(content.removeprefix(BOM))
        self._end = b"\r\n" if 2 * sum(end == b"\r\n" for _, end in rows) > len(rows) else b"\n"

    def others(self, numbers: Collection[int]) -> frozenset[int]:
        """The lines that belong to no pair."""
        return frozenset(range(1, len(self._rows) + 1)) - frozenset(numbers)

    def texts_on(self, numbers: Collection[int]) -> int:
        """How many of these lines are not blank."""
        return sum(not is_blank(self._rows[number - 1][0]) for number in numbers)

    def body(self, placed: PlacedPair, side: int) -> bytes:
        """The line of one pair, without its end; its own bytes if it was not changed."""
        scenario = placed.pair.sides[side]
        if placed.place and not placed.is_changed(side):
            return self._rows[placed.place[side] - 1][0]
        return (scenario.text if self.is_text else json_row(scenario, self.row(placed, side))).encode()

    def row(self, placed: PlacedPair, side: int) -> dict[str, object] | None:
        """A pair's line as JSON, with the keys of another program; None where there is none."""
        if self.is_text or placed.place is None:
            return None
        row: dict[str, object] = json.loads(self._rows[placed.place[side] - 1][0])
        return row

    def content(self, bodies: Sequence[bytes], slots: Sequence[int], kept: Collection[int], last: int) -> bytes:
        """The file with these bodies on these lines, the rest of them behind line `last`, and the kept lines."""
        at = dict(zip(slots, bodies, strict=False))
        added = [(body, self._end) for body in bodies[len(slots) :]]
        rows = [] if last else [*added]
        for number, (body, end) in enumerate(self._rows, 1):
            if number in at or number in kept:
                rows.append((at.get(number, body), end))
            if number == last:
                rows += added
        return self._mark + self._joined(rows)

    def _joined(self, rows: Sequence[tuple[bytes, bytes]]) -> bytes:
        """Rows as bytes. Only the last one may lack an end, and lacks it where more were added behind one without."""
        whole = [body + (end or self._end) for body, end in rows[:-1]]
        if rows:
            body, end = rows[-1]
            was_open = any(not end for _, end in rows)
            whole.append(body if was_open else body + end)
        return b"".join(whole)


def _rows(content: bytes) -> list[tuple[bytes, bytes]]:
    """(body, end) of each line."""
    *whole, last = content.split(b"\n")
    rows = [(row.removesuffix(b"\r"), b"\r\n" if row.endswith(b"\r") else b"\n") for row in whole]
    return [*rows, (last, b"")] if last else rows
