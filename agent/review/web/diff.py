"""Two texts as one: what stays, what is gone, what is new, word by word."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from agent.review.report.marks import Span, compare

How = Literal["same", "gone", "new"]


class Stretch(NamedTuple):
    """A stretch of the merged text."""

    text: str
    how: How


def merged(before: str, after: str) -> list[Stretch]:
    """Both texts in one. Without what is gone it reads `after`, without what is new `before`."""
    return [stretch for stretch in _merged(before, after) if stretch.text]


def _merged(before: str, after: str) -> Iterator[Stretch]:
    gone, new = compare(before, after)
    at = shared = 0  # where `before` is read on; how many characters both texts have had in common
    for common, how, start, end in sorted((*_placed(gone, "gone"), *_placed(new, "new"))):
        yield Stretch(before[at : at + common - shared], "same")
        at, shared = at + common - shared, common
        yield Stretch((before if how == "gone" else after)[start:end], how)
        at = end if how == "gone" else at
    yield Stretch(before[at:], "same")


def _placed(spans: Sequence[Span], how: How) -> Iterator[tuple[int, How, int, int]]:
    """Each span with the number of characters before it that both texts have."""
    marked = 0
    for start, end in spans:
        yield start - marked, how, start, end
        marked += end - start
