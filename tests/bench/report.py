"""One table of all benchmarks, and lines about their progress."""

import sys
from typing import Literal, NamedTuple

Verdict = Literal["yes", "no", "not reached"]
HEADINGS = ("id", "what", "plain, same run", "ours", "wanted", "n", "verdict")


class Row(NamedTuple):
    """One figure. `verdict`: the wanted figure is met, is missed, or was not measured in this run."""

    id: str
    what: str
    plain: str
    ours: str
    wanted: str
    n: str
    verdict: Verdict


def met(is_met: bool) -> Verdict:
    """The verdict on what was measured."""
    return "yes" if is_met else "no"


def table(rows: list[Row]) -> str:
    """All rows under their headings, each column as wide as its widest cell."""
    cells = [HEADINGS, *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def tell(what: str) -> None:
    """A line of progress, on standard error."""
    sys.stderr.write(f"{what}\n")
    sys.stderr.flush()
