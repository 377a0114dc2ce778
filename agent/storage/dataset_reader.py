"""Reading one side of a dataset, and the issues of its lines by file and line."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from agent.schema import FrozenModel, Polarity, is_complete
from agent.storage.file_content import BOM, content_error, is_blank
from agent.storage.issues import Issue, error, warning
from agent.storage.lookalikes import dead_links, lookalike_errors
from agent.storage.similarity import character_similarity, words
from agent.storage.text_marks import DatasetLine, trace_issues
from agent.text import is_text, pluralize


class DatasetSide(FrozenModel):
    """The scenarios of one polarity in file order. `file` and `hash` are None where there is no file.

    `size` counts the lines up to the last one with a text; `empty` are the numbers of those without any.
    """

    polarity: Polarity
    file: str | None
    hash: str | None
    lines: tuple[DatasetLine, ...]
    issues: tuple[Issue, ...]
    size: int = 0
    empty: frozenset[int] = frozenset()

    @property
    def name(self) -> str:
        return self.file or f"{self.polarity}.txt"

    @property
    def numbers(self) -> frozenset[int]:
        """The line numbers of the scenarios."""
        return frozenset(line.number for line in self.lines)

    def only(self, numbers: Collection[int]) -> "DatasetSide":
        """This side with the scenarios on these lines alone."""
        return self.model_copy(update={"lines": tuple(line for line in self.lines if line.number in numbers)})


def read_side(folder: Path, polarity: Polarity) -> DatasetSide:
    """Read {polarity}.jsonl, else {polarity}.txt. Everything invalid becomes an issue, never an exception."""
    jsonl, txt = folder / f"{polarity}.jsonl", folder / f"{polarity}.txt"
    path = jsonl if jsonl.is_file() else txt
    dead = dead_links(folder, polarity)
    if dead or not path.is_file():
        missing = dead or tuple(lookalike_errors(folder, polarity))
        return DatasetSide(polarity=polarity, file=None, hash=None, lines=(), issues=missing)
    side = DatasetSide(polarity=polarity, file=path.name, hash=None, lines=(), issues=())
    try:
        content = path.read_bytes()
    except OSError as problem:
        unreadable = error(
            path.name, None, "unreadable", f"cannot be read ({problem.strerror}). Correct its permissions."
        )
        return side.model_copy(update={"issues": (unreadable,)})
    side = side.model_copy(update={"hash": sha256(content).hexdigest()})
    if (broken := content_error(path.name, content)) is not None:
        return side.model_copy(update={"issues": (broken,)})
    issues: list[Issue] = []
    if jsonl.is_file() and txt.is_file():
        issues.append(warning(txt.name, None, "two-formats", f"is ignored, because {jsonl.name} exists too."))
    rows = list(_raw_lines(path.name, content, issues))
    parse = _parse_json if path == jsonl else _parse_text
    found = [line for number, raw in rows for line in parse(path.name, number, raw, issues)]
    lines = [line for line in found if line.text.strip()]
    for line in lines:
        issues += _edge_issues(path.name, line)
    return side.model_copy(
        update={
            "lines": tuple(lines),
            "issues": tuple(issues),
            "size": max((number for number, raw in rows if not is_blank(raw)), default=0),
            "empty": frozenset(line.number for line in found if not line.text.strip()),
        }
    )


def _raw_lines(file: str, content: bytes, issues: list[Issue]) -> Iterator[tuple[int, bytes]]:
    """(number, bytes) of each line. Split at line feeds only: U+2028 and the like are part of the text."""
    if content.startswith(BOM):
        issues.append(warning(file, 1, "bom", "begins with a byte order mark, which is ignored."))
        content = content.removeprefix(BOM)
    rows = content.split(b"\n")
    if rows[-1]:
        issues.append(warning(file, len(rows), "no-final-newline", "does not end with a line feed."))
    else:
        rows.pop()
    returns = [number for number, row in enumerate(rows, 1) if row.endswith(b"\r")]
    if returns:
        message = f"{pluralize(len(returns), 'line')} with a carriage return, which counts as part of the line end."
        issues.append(warning(file, returns[0], "carriage-return", message))
    yield from ((number, row.removesuffix(b"\r")) for number, row in enumerate(rows, 1))


def _parse_text(file: str, number: int, raw: bytes, issues: list[Issue]) -> Iterator[DatasetLine]:
    try:
        yield DatasetLine(number=number, text="" if is_blank(raw) else raw.decode("utf-8"))
    except UnicodeDecodeError as problem:
        where = f"byte {problem.start + 1} of the line"
        issues.append(error(file, number, "not-utf-8", f"is not UTF-8 ({where}). Save the file as UTF-8."))


def _parse_json(file: str, number: int, raw: bytes, issues: list[Issue]) -> Iterator[DatasetLine]:
    if is_blank(raw):
        yield DatasetLine(number=number, text="")
        return
    try:
        row = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as problem:  # covers bytes that are not UTF-8
        issues.append(error(file, number, "not-json", f"is not JSON ({problem})."))
        return
    problems = [*_json_problems(row)]
    issues += [error(file, number, "not-a-scenario", problem) for problem in problems]
    if problems:
        return
    if extra := sorted(row.keys() - {"prompt", "system_prompt"}):
        issues.append(warning(file, number, "extra-keys", f"has unknown keys, which are ignored: {', '.join(extra)}."))
    yield DatasetLine(number=number, text=row["prompt"], system_prompt=row.get("system_prompt"))


def _json_problems(row: object) -> Iterator[str]:
    if not isinstance(row, dict):
        yield 'is not an object such as {"prompt": "…", "system_prompt": null}.'
        return
    prompt, system_prompt = row.get("prompt"), row.get("system_prompt")
    if not isinstance(prompt, str):
        yield 'has no text under "prompt".'
    if not isinstance(system_prompt, str | None):
        yield 'has something other than a text or null under "system_prompt".'
    if any(isinstance(text, str) and not is_text(text) for text in (prompt, system_prompt)):
        yield "contains half a surrogate pair, which is not a character."


def _edge_issues(file: str, line: DatasetLine) -> Iterator[Issue]:
    if line.text != line.text.strip():
        message = "begins or ends with whitespace, which is kept: at the end it changes the first token."
        yield warning(file, line.number, "outer-blanks", message)
    if "\r" in line.text.strip():
        message = "contains a carriage return inside the text, which other programs take for a line end."
        yield warning(file, line.number, "carriage-return", message)


# All chosen by judgement.
SHORT, LONG = 10, 900  # characters
MAX_ENDING_SHARE = 0.2  # of the scenarios, with the same last words
_ENDING_WORDS = 3
_FEWEST_ALIKE = 3  # scenarios with the same ending
_LEAST_COPY = 6  # texts, from which on the same ones in another order are a copy
_NEAR = 90.0  # percent of characters in common


def side_issues(side: DatasetSide) -> Iterator[Issue]:
    """Issues of one file by itself."""
    for line in side.lines:
        yield from _text_issues(side.name, line)
    yield from trace_issues(side.name, side.lines)
    yield from _repetitions(side)
    yield from _common_endings(side)


def _text_issues(file: str, line: DatasetLine) -> Iterator[Issue]:
    length = len(line.text)
    if length < SHORT:
        yield warning(file, line.number, "short", f"has only {length} characters: probably too short.")
    if length > LONG:
        yield warning(file, line.number, "long", f"has {length} characters: long text may hide the ending.")
    if line.system_prompt is None and is_complete(line.text.rstrip()):
        message = "ends with a complete sentence: nothing is left open for the first tokens."
        yield warning(file, line.number, "complete", message)


def _repetitions(side: DatasetSide) -> Iterator[Issue]:
    by_system_prompt: dict[str | None, list[DatasetLine]] = defaultdict(list)
    for line in side.lines:
        by_system_prompt[line.system_prompt].append(line)
    for lines in by_system_prompt.values():
        yield from _repeated(side.name, lines)


def _repeated(file: str, lines: Sequence[DatasetLine]) -> Iterator[Issue]:
    table = character_similarity([line.text for line in lines])
    for i, line in enumerate(lines):
        alike = [j for j in range(i) if table[i, j] >= _NEAR]
        if alike:
            same = words(lines[alike[0]].text) == words(line.text)
            degree, code = ("the same", "duplicate") if same else ("nearly the same", "near-duplicate")
            yield warning(file, line.number, code, f"says {degree} as line {lines[alike[0]].number}.")


def _common_endings(side: DatasetSide) -> Iterator[Issue]:
    ends = Counter(" ".join(words(line.text)[-_ENDING_WORDS:]) for line in side.lines)
    for ending, count in ends.most_common():
        if count >= _FEWEST_ALIKE and count > MAX_ENDING_SHARE * len(side.lines):
            share = f"{count} of {len(side.lines)} scenarios"
            yield warning(side.name, None, "common-ending", f'"{ending}" ends {share}: the vector may learn the words.')


def _is_copy(sides: Sequence[Sequence[tuple[str, str | None]]]) -> bool:
    """Whether both sides hold the same texts, in the same order or, if they are many, in any."""
    if not sides or len(sides[0]) < 2:  # noqa: PLR2004 - one pair says of itself that it is identical
        return False
    one, other = sides
    return list(one) == list(other) or (len(one) >= _LEAST_COPY and Counter(one) == Counter(other))


def pair_issues(positive: DatasetSide, negative: DatasetSide, pairs: Sequence[tuple[int, int]]) -> Iterator[Issue]:
    """Issues of pairs; `pairs` holds positions in the two sides."""
    together = [(positive.lines[i], negative.lines[j]) for i, j in pairs]
    if _is_copy([[(line.text, line.system_prompt) for line in side] for side in zip(*together, strict=True)]):
        message = f"contains the same texts as {negative.name}: one of them is a copy. Write the other side."
        yield error(positive.name, None, "same-file", message)
        return
    for one, other in together:
        if (one.text, one.system_prompt) == (other.text, other.system_prompt):
            twin = f"{negative.name}:{other.number}"
            message = f"is identical to {twin}: the sides of a pair must differ. Rewrite one."
            yield error(positive.name, one.number, "identical", message)
        if words(one.text)[:1] != words(other.text)[:1]:
            message = f"shares no first word with {negative.name}:{other.number}."
            yield warning(positive.name, one.number, "first-word", message)
