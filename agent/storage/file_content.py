"""What a dataset file holds instead of lines of text: another encoding, another format, a pointer, other line ends."""

import json
import re
from collections.abc import Iterator
from pathlib import PurePath

from agent.storage.issues import Issue, also_on, error

BOM = b"\xef\xbb\xbf"
_ENCODINGS = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_FORMATS = {
    b"PK\x03\x04": "is a ZIP archive or an office document: export the texts as plain text.",
    b"%PDF-": "is a PDF file: export the texts as plain text.",
    b"{\\rtf": "is an RTF document: save it as plain text.",
    b"\x1f\x8b": "is compressed with gzip: unpack it.",
    b"\xd0\xcf\x11\xe0": "is an office document: export the texts as plain text.",
    b"<!doctype html": "is a web page: save the file itself.",
    b"<html": "is a web page: save the file itself.",
    b"version https://git-lfs.github.com/spec/": "is a pointer of Git LFS: fetch the text with `git lfs pull`.",
    b"/annex/objects/": "is a pointer of git-annex: fetch the text with `git annex get`.",
}
_LONE_RETURN = re.compile(rb"\r(?!\n)")
# C0 without tab, line feed and carriage return; DEL; C1 as UTF-8.
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]")
_MERGE_MARK = re.compile(rb"(?:<{7}|>{7})(?: |$)|\|{7} ")


def is_blank(line: bytes) -> bool:
    """Whether a line holds nothing but whitespace, or the end mark of DOS files (Ctrl-Z)."""
    return line == b"\x1a" or not line.decode("utf-8", "replace").strip()


def content_error(file: str, content: bytes) -> Issue | None:
    """The first reason why a file's bytes are not lines of scenarios; None where they may be."""
    found = _format(content) or _encoding(content)
    if found:
        return error(file, None, "not-text", found)
    body = content.removeprefix(BOM)
    return next((issue for check in _CHECKS for issue in check(file, body)), None)


def prose_error(content: bytes) -> str | None:
    """Why bytes are no text at all, as the rest of a sentence about their file; None where they may be."""
    if (found := _format(content) or _encoding(content)) is not None:
        return found
    if content.count(0) * 4 > len(content):
        return "is not UTF-8: it contains NUL characters, as UTF-16 does. Save the file as UTF-8."
    return None


def _format(content: bytes) -> str | None:
    start = content.removeprefix(BOM).lstrip()[:64].lower()
    return next((said for magic, said in _FORMATS.items() if start.startswith(magic.lower())), None)


def _encoding(content: bytes) -> str | None:
    name = next((name for mark, name in _ENCODINGS.items() if content.startswith(mark)), None)
    return f"is not UTF-8 but {name}. Save the file as UTF-8." if name else None


def _nul(file: str, content: bytes) -> Iterator[Issue]:
    if (place := content.find(b"\0")) >= 0:
        message = "contains NUL characters: it is UTF-16 without its mark, or no text at all. Save the file as UTF-8."
        yield error(file, _line_of(content, place), "control-characters", message)


def _returns(file: str, content: bytes) -> Iterator[Issue]:
    """Line ends of carriage returns alone. One amid a text is a matter of its line."""
    places = [match.start() for match in _LONE_RETURN.finditer(content)]
    if len(places) > 1 or (places and b"\n" not in content and places[0] < len(content) - 1):
        message = (
            f"contains {len(places)} carriage returns without a line feed, as old Mac programs end lines: where a "
            "scenario ends is unclear. Save the file with Unix line ends."
        )
        yield error(file, _line_of(content, places[0]), "carriage-return", message)


def _controls(file: str, content: bytes) -> Iterator[Issue]:
    lines = [number for number, row in enumerate(content.split(b"\n"), 1) if _CONTROL.search(row)]
    if len(lines) > 1:
        message = f"contains control characters, which are no text: remove them.{also_on(lines[1:])}"
        yield error(file, lines[0], "control-characters", message)


def _merge(file: str, content: bytes) -> Iterator[Issue]:
    for number, row in enumerate(content.split(b"\n"), 1):
        if _MERGE_MARK.match(row.rstrip(b"\r")):
            yield error(file, number, "merge-mark", "is the mark of an unfinished merge: resolve the conflict.")
            return


def _json(file: str, content: bytes) -> Iterator[Issue]:
    """JSON under the name of text, text under the name of JSON, and JSON that is not one object a line."""
    path, rows = PurePath(file), [row for row in content.split(b"\n") if row.strip()]
    whole = _parsed(content) if len(rows) != 1 or path.suffix == ".txt" or content.lstrip()[:1] == b"[" else None
    jsonl = path.with_suffix(".jsonl").name
    if isinstance(whole, list) and any(isinstance(item, dict | str) for item in whole):
        yield error(file, None, "json-list", f"is one JSON list: write one object a line, in {jsonl}.")
    elif path.suffix == ".txt" and rows and all(isinstance(_parsed(row), dict) for row in rows):
        yield error(file, None, "json-lines", f"contains JSON lines: rename it to {jsonl}.")
    elif isinstance(whole, dict) and len(rows) > 1:
        yield error(file, None, "json-object", f"is one JSON object: write one object a line, in {jsonl}.")
    elif path.suffix == ".jsonl" and len(rows) > 1 and not any(row.lstrip()[:1] in b"{[" for row in rows):
        yield error(file, None, "not-json", f"contains plain text: rename it to {path.with_suffix('.txt').name}.")


def _parsed(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


_CHECKS = (_nul, _returns, _controls, _merge, _json)


def _line_of(content: bytes, place: int) -> int:
    return content.count(b"\n", 0, place) + 1
