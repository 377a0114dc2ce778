"""Word diff of two texts, and texts cut into marked pieces."""

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from agent.schema import UNSPACED

_WORD = re.compile(rf"\s+|[{UNSPACED}]|[^\W{UNSPACED}]+|[^\w\s]")
_MAX_WORDS = 1500  # beyond this a word diff takes seconds; the differing middle is then shown as replaced

Span = tuple[int, int]  # from character, to character


class Piece(NamedTuple):
    """A piece of text: `edited` if the edit removed or inserted it, `committed` if it is in the committed span."""

    text: str
    edited: bool
    committed: bool


def compare(before: str, after: str) -> tuple[list[Span], list[Span]]:
    """What was removed from `before` and what was inserted into `after`, as spans of whole words."""
    old, new = _WORD.findall(before), _WORD.findall(after)
    deleted, inserted = [], []
    for i, j, k, m in _edits(old, new):
        deleted.append((i, j))
        inserted.append((k, m))
    return _spans(old, deleted), _spans(new, inserted)


def _edits(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int, int, int]]:
    """(from, to) in the old and (from, to) in the new text, counted in words, of every edit."""
    start = _shared(old, new)
    end = _shared(old[start:][::-1], new[start:][::-1])
    a, b = old[start : len(old) - end], new[start : len(new) - end]
    if max(len(a), len(b)) > _MAX_WORDS:
        return [(start, start + len(a), start, start + len(b))]
    found = difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
    return _merged([(start + i, start + j, start + k, start + m) for tag, i, j, k, m in found if tag != "equal"], old)


def _merged(edits: Iterable[tuple[int, int, int, int]], old: Sequence[str]) -> list[tuple[int, int, int, int]]:
    """Edits with only white space between them become one: phrases are replaced, not single words."""
    merged: list[tuple[int, int, int, int]] = []
    for i, j, k, m in edits:
        if merged and all(word.isspace() for word in old[merged[-1][1] : i]):
            first, _, second, _ = merged.pop()
            i, k = first, second
        merged.append((i, j, k, m))
    return merged


def _shared(a: Sequence[str], b: Sequence[str]) -> int:
    """How many words both have in common at their beginning."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _spans(words: Sequence[str], ranges: Iterable[Span]) -> list[Span]:
    offsets = [0]
    for word in words:
        offsets.append(offsets[-1] + len(word))
    return [(offsets[i], offsets[j]) for i, j in ranges if i < j]


def pieces(text: str, edited: Sequence[Span] = (), committed: str | None = None) -> list[Piece]:
    """The text cut wherever a mark begins or ends. The committed span is marked at its last occurrence."""
    at = text.rfind(committed) if committed else -1
    span = (at, at + len(committed)) if committed and at >= 0 else (0, 0)
    cuts = sorted({0, len(text), *span, *(edge for pair in edited for edge in pair)})
    return [
        Piece(text[i:j], any(a <= i < b for a, b in edited), span[0] <= i < span[1])
        for i, j in zip(cuts, cuts[1:], strict=False)
        if i < j
    ]


def ending_of(text: str, limit: int) -> str:
    """The last words of a text, at most `limit` characters, after an ellipsis if something was cut."""
    if len(text) <= limit:
        return text
    tail = text[-limit:]
    cut = tail.find(" ")
    return "…" + (tail[cut:] if 0 <= cut < limit // 2 else tail)


SegmentKind = Literal["same", "deleted", "inserted"]


class DiffSegment(NamedTuple):
    """A segment of a merged diff."""

    text: str
    kind: SegmentKind


def merged(before: str, after: str) -> list[DiffSegment]:
    """Both texts in one. Without the removed segments it reads `after`, without the inserted ones `before`."""
    return [segment for segment in _merged_segments(before, after) if segment.text]


def _merged_segments(before: str, after: str) -> Iterator[DiffSegment]:
    deleted, inserted = compare(before, after)
    spans: list[tuple[int, SegmentKind, int, int]] = [*_located(deleted, "deleted"), *_located(inserted, "inserted")]
    at = shared = 0  # position in `before`; characters that both texts had in common so far
    for common, kind, start, end in sorted(spans):
        yield DiffSegment(before[at : at + common - shared], "same")
        at, shared = at + common - shared, common
        yield DiffSegment((before if kind == "deleted" else after)[start:end], kind)
        at = end if kind == "deleted" else at
    yield DiffSegment(before[at:], "same")


def _located(spans: Sequence[Span], kind: SegmentKind) -> Iterator[tuple[int, SegmentKind, int, int]]:
    """Each span with the number of characters before it that both texts have in common."""
    edited = 0
    for start, end in spans:
        yield start - edited, kind, start, end
        edited += end - start
