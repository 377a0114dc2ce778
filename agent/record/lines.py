"""One side of a dataset as it lies on disk: scenarios line by line, nothing stripped beyond the line end."""

import json
from collections.abc import Iterator
from pathlib import Path

from agent.record.files import hash_of
from agent.record.issues import Issue, error, warning
from agent.schema import Noun, Polarity
from agent.schema.visible import is_text

_BOM = b"\xef\xbb\xbf"


class Line(Noun):
    """One scenario and where it stands; `number` counts from 1 as editors do."""

    number: int
    text: str
    system_prompt: str | None = None


class Side(Noun):
    """The scenarios of one polarity in file order. `file` and `hash` are None where there is no file."""

    polarity: Polarity
    file: str | None
    hash: str | None
    lines: tuple[Line, ...]
    issues: tuple[Issue, ...]

    @property
    def name(self) -> str:
        return self.file or f"{self.polarity}.txt"


def read_side(folder: Path, polarity: Polarity) -> Side:
    """Read {polarity}.jsonl, else {polarity}.txt. What is odd or broken becomes an issue, never an exception."""
    jsonl, txt = folder / f"{polarity}.jsonl", folder / f"{polarity}.txt"
    path = jsonl if jsonl.is_file() else txt
    if not path.is_file():
        return Side(polarity=polarity, file=None, hash=None, lines=(), issues=())
    issues: list[Issue] = []
    if jsonl.is_file() and txt.is_file():
        issues.append(warning(txt.name, None, "two-formats", f"is not read, because {jsonl.name} stands beside it."))
    parse = _parse_json if path == jsonl else _parse_text
    lines = [
        line
        for number, raw in _raw_lines(path, issues)
        for line in parse(path.name, number, raw, issues)
        if _is_scenario(path.name, line, issues)
    ]
    return Side(polarity=polarity, file=path.name, hash=hash_of(path), lines=tuple(lines), issues=tuple(issues))


def _raw_lines(path: Path, issues: list[Issue]) -> Iterator[tuple[int, bytes]]:
    """(number, bytes) of each line. Split at line feeds only: U+2028 and its like belong to the text."""
    content = path.read_bytes()
    if content.startswith(_BOM):
        issues.append(warning(path.name, 1, "bom", "begins with a byte order mark, which is passed over."))
        content = content.removeprefix(_BOM)
    rows = content.split(b"\n")
    if rows[-1]:
        issues.append(warning(path.name, len(rows), "no-final-newline", "does not end with a line feed."))
    else:
        rows.pop()
    returns = [number for number, row in enumerate(rows, 1) if row.endswith(b"\r")]
    if returns:
        message = f"{len(returns)} lines end in a carriage return, which is taken as part of the line end."
        issues.append(warning(path.name, returns[0], "carriage-return", message))
    yield from ((number, row.removesuffix(b"\r")) for number, row in enumerate(rows, 1))


def _parse_text(file: str, number: int, raw: bytes, issues: list[Issue]) -> Iterator[Line]:
    try:
        yield Line(number=number, text=raw.decode("utf-8"))
    except UnicodeDecodeError as problem:
        where = f"byte {problem.start + 1} of the line"
        issues.append(error(file, number, "not-utf-8", f"is not UTF-8 ({where}). Save the file as UTF-8."))


def _parse_json(file: str, number: int, raw: bytes, issues: list[Issue]) -> Iterator[Line]:
    if not raw.strip():
        yield Line(number=number, text="")
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
        issues.append(warning(file, number, "extra-keys", f"has keys that are not read: {', '.join(extra)}."))
    yield Line(number=number, text=row["prompt"], system_prompt=row.get("system_prompt"))


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
        yield "holds half of a surrogate pair, which is no character."


def _is_scenario(file: str, line: Line, issues: list[Issue]) -> bool:
    """Whether there is a text; notes what is odd about its edges."""
    if not line.text.strip():
        issues.append(warning(file, line.number, "empty", "is empty and is passed over."))
        return False
    if line.text != line.text.strip():
        message = "begins or ends with a blank, which is kept: a blank at the end changes the first token."
        issues.append(warning(file, line.number, "outer-blanks", message))
    if "\r" in line.text.strip():
        message = "holds a carriage return inside the text, which other readers take for a line end."
        issues.append(warning(file, line.number, "carriage-return", message))
    return True
