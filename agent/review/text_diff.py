"""Texts with marks on them: what an edit took and gave, word by word, and the words that had committed."""

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_MOST_WORDS = 1500  # beyond, a comparison word by word takes seconds: the whole middle is shown as replaced

Span = tuple[int, int]  # from character, to character


class Piece(NamedTuple):
    """A stretch of text: `edited` where the edit took or gave it, `committed` inside the committed span."""

    text: str
    edited: bool
    committed: bool


def compare(before: str, after: str) -> tuple[list[Span], list[Span]]:
    """What of `before` is gone and what of `after` is new, as spans of whole words."""
    old, new = _WORD.findall(before), _WORD.findall(after)
    gone, added = [], []
    for i, j, k, m in _edits(old, new):
        gone.append((i, j))
        added.append((k, m))
    return _spans(old, gone), _spans(new, added)


def _edits(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int, int, int]]:
    """(from, to) in words of the old, (from, to) of the new, of every stretch that differs."""
    start = _shared(old, new)
    end = _shared(old[start:][::-1], new[start:][::-1])
    a, b = old[start : len(old) - end], new[start : len(new) - end]
    if max(len(a), len(b)) > _MOST_WORDS:
        return [(start, start + len(a), start, start + len(b))]
    found = difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
    return _merged([(start + i, start + j, start + k, start + m) for tag, i, j, k, m in found if tag != "equal"], old)


def _merged(edits: Iterable[tuple[int, int, int, int]], old: Sequence[str]) -> list[tuple[int, int, int, int]]:
    """Edits with nothing but blanks between them as one: a phrase for a phrase, not a word for a word."""
    merged: list[tuple[int, int, int, int]] = []
    for i, j, k, m in edits:
        if merged and all(word.isspace() for word in old[merged[-1][1] : i]):
            first, _, second, _ = merged.pop()
            i, k = first, second
        merged.append((i, j, k, m))
    return merged


def _shared(a: Sequence[str], b: Sequence[str]) -> int:
    """How many words both begin with."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _spans(words: Sequence[str], stretches: Iterable[Span]) -> list[Span]:
    offsets = [0]
    for word in words:
        offsets.append(offsets[-1] + len(word))
    return [(offsets[i], offsets[j]) for i, j in stretches if i < j]


def pieces(text: str, edited: Sequence[Span] = (), committed: str | None = None) -> list[Piece]:
    """The text cut where a mark begins or ends. The span that had committed is marked where it stands last."""
    at = text.rfind(committed) if committed else -1
    span = (at, at + len(committed)) if committed and at >= 0 else (0, 0)
    cuts = sorted({0, len(text), *span, *(edge for pair in edited for edge in pair)})
    return [
        Piece(text[i:j], any(a <= i < b for a, b in edited), span[0] <= i < span[1])
        for i, j in zip(cuts, cuts[1:], strict=False)
        if i < j
    ]


def ending_of(text: str, most: int) -> str:
    """The last words of a text, at most so many characters, with … where something was left out."""
    if len(text) <= most:
        return text
    tail = text[-most:]
    cut = tail.find(" ")
    return "…" + (tail[cut:] if 0 <= cut < most // 2 else tail)


SegmentKind = Literal["same", "gone", "new"]


class DiffSegment(NamedTuple):
    """A stretch of the merged text."""

    text: str
    how: SegmentKind


def merged(before: str, after: str) -> list[DiffSegment]:
    """Both texts in one. Without what is gone it reads `after`, without what is new `before`."""
    return [stretch for stretch in _merged_segments(before, after) if stretch.text]


def _merged_segments(before: str, after: str) -> Iterator[DiffSegment]:
    gone, new = compare(before, after)
    at = shared = 0  # where `before` is read on; how many characters both texts have had in common
    for common, how, start, end in sorted((*_placed(gone, "gone"), *_placed(new, "new"))):
        yield DiffSegment(before[at : at + common - shared], "same")
        at, shared = at + common - shared, common
        yield DiffSegment((before if how == "gone" else after)[start:end], how)
        at = end if how == "gone" else at
    yield DiffSegment(before[at:], "same")


def _placed(spans: Sequence[Span], how: SegmentKind) -> Iterator[tuple[int, SegmentKind, int, int]]:
    """Each span with the number of characters before it that both texts have."""
    marked = 0
    for start, end in spans:
        yield start - marked, how, start, end
        marked += end - start
