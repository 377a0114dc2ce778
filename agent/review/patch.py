"""The change of a dataset as a patch that `git apply` takes, byte for byte."""

import difflib
import os
from pathlib import PurePosixPath

from agent.review.file_transaction import NAMES, FileContents

_ABSENT = b"/dev/null"
_UNFINISHED = b"\n\\ No newline at end of file\n"
_ESCAPES = {0x22: b'\\"', 0x5C: b"\\\\", 0x09: b"\\t", 0x0A: b"\\n", 0x0D: b"\\r"}


def patch_of(place: PurePosixPath, before: FileContents, after: FileContents) -> bytes:
    """The differences of all files; `place` is the dataset's folder as seen from where the patch is applied."""
    return b"".join(_file_patch(place / name, before[name], after[name]) for name in NAMES)


def _file_patch(path: PurePosixPath, before: bytes | None, after: bytes | None) -> bytes:
    if before == after:
        return b""
    old, new = _name(b"a/", path), _name(b"b/", path)
    head = b"diff --git " + old + b" " + new + b"\n"
    if before is None:
        head += b"new file mode 100644\n"
    if after is None:
        head += b"deleted file mode 100644\n"
    hunks = b"".join(map(_ended, _hunks(before or b"", after or b"")))
    if not hunks:  # an empty file comes or goes: git wants no more than its mode
        return head
    sides = (_ABSENT if before is None else old, _ABSENT if after is None else new)
    return head + b"--- " + _headed(sides[0]) + b"+++ " + _headed(sides[1]) + hunks


def _hunks(before: bytes, after: bytes) -> list[bytes]:
    rows = list(difflib.diff_bytes(difflib.unified_diff, _lines(before), _lines(after)))
    return rows[2:]


def _lines(content: bytes) -> list[bytes]:
    """Lines with their line feeds. Other line ends belong to the text."""
    *whole, rest = content.split(b"\n")
    return [line + b"\n" for line in whole] + ([rest] if rest else [])


def _ended(row: bytes) -> bytes:
    return row if row.endswith(b"\n") else row + _UNFINISHED


def _headed(name: bytes) -> bytes:
    """A name in a --- or +++ line; git ends one that holds a blank with a tab."""
    return name + (b"\t\n" if b" " in name else b"\n")


def _name(side: bytes, path: PurePosixPath) -> bytes:
    """A path as git writes it: quoted, as in C, where it holds more than plain characters."""
    raw = side + os.fsencode(path)
    if all(0x20 <= byte < 0x7F and byte not in _ESCAPES for byte in raw):
        return raw
    return b'"' + b"".join(map(_escaped, raw)) + b'"'


def _escaped(byte: int) -> bytes:
    if byte in _ESCAPES:
        return _ESCAPES[byte]
    return bytes([byte]) if 0x20 <= byte < 0x7F else b"\\%03o" % byte
