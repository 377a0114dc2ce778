"""The first-token map: where each scenario lies between C0 and C5, as dots that do not cover each other."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from agent.review.proposal import Evidence, PairChange
from agent.review.report.nouns import is_kept, place
from agent.schema import Outcome, Polarity

SIDE = 400  # of the square in which the scores lie, in units of the drawing
_MANY, _VERY_MANY = 150, 600
Apart = Literal["", "parked", "dropped"]  # why a pair is not in the set; empty for one that is

_ASIDE = 44.0  # how far a dot may be moved; past that it covers others


class Spot(NamedTuple):
    """One scenario with its scores."""

    anchor: str
    label: str
    polarity: Polarity
    passes: bool
    apart: Apart
    c0: float
    c5: float


class Dot(NamedTuple):
    """A spot with its centre in the drawing, whose origin is at the top left."""

    spot: Spot
    x: float
    y: float

    @property
    def diamond(self) -> bool:
        return self.spot.polarity is Polarity.NEGATIVE


class Map(NamedTuple):
    """One map: its dots and their radius. `wanted` of the `size` scenarios of the set lie where they should."""

    dots: tuple[Dot, ...]
    radius: float
    size: int
    wanted: int

    @property
    def passing(self) -> int:
        """How many scenarios of the set pass."""
        return sum(dot.spot.passes and not dot.spot.apart for dot in self.dots)

    @property
    def apart(self) -> list[tuple[str, int]]:
        """How many dots are of pairs outside the set, by what became of them."""
        found = [(name, sum(dot.spot.apart == name for dot in self.dots)) for name in ("parked", "dropped")]
        return [(name, count) for name, count in found if count]


def anchor(pair: str, polarity: Polarity) -> str:
    """The name of a scenario's place on the page."""
    return f"s-{pair}-{polarity.value}"


def spots(changes: Iterable[PairChange], before: bool) -> Iterator[Spot]:
    """The scenarios of all pairs: as the dataset had them, or as the run has or last had them."""
    for change in changes:
        for side in change.sides:
            version = side.before if before else side.after
            found = version.evidence if version is not None else None
            at = place(found)
            if found is not None and at is not None:
                apart = "" if before else _apart(change)
                label = _label(change.pair, side.polarity, found)
                yield Spot(
                    anchor=anchor(change.pair, side.polarity),
                    label=f"{label}, {apart}" if apart else label,
                    polarity=side.polarity,
                    passes=found.outcome is Outcome.PASS,
                    apart=apart,
                    c0=at[0],
                    c5=at[1],
                )


def _apart(change: PairChange) -> Apart:
    if is_kept(change):
        return ""
    return "parked" if change.what == "parked" else "dropped"


def _label(pair: str, polarity: Polarity, found: Evidence) -> str:
    at = place(found) or (0.0, 0.0)
    verdict = found.verdict.value if found.verdict else "unjudged"
    return f"{pair} {polarity.value}: {verdict}, C0 {at[0]:.0f}, C5 {at[1]:.0f}"


class Borders(NamedTuple):
    """Up to which C0 a text is open, and from which C5 on its first tokens show the behaviour."""

    limit: float
    committed: float

    def zone(self, c0: float, c5: float) -> tuple[bool, bool]:
        return c0 <= self.limit, c5 >= self.committed


def dot_map(found: Sequence[Spot], borders: Borders) -> Map:
    """All dots, each at its scores or, where another is already, as near as its zone has room."""
    radius = 5.0 if len(found) <= _MANY else 3.5 if len(found) <= _VERY_MANY else 2.5
    cells = _Cells(2.1 * radius, borders)
    dots = [Dot(spot, *cells.place(spot)) for spot in found]
    kept = [spot for spot in found if not spot.apart]
    return Map(tuple(dots), radius, len(kept), sum(all(borders.zone(spot.c0, spot.c5)) for spot in kept))


class _Cells:
    """The drawing cut into cells, each with room for one dot."""

    def __init__(self, step: float, borders: Borders) -> None:
        self._step, self._borders = step, borders
        reach = int(_ASIDE // step)
        around = [(i, j) for i in range(-reach, reach + 1) for j in range(-reach, reach + 1)]
        self._around = sorted(around, key=lambda ij: (math.hypot(*ij), ij))
        self._taken: set[tuple[int, int]] = set()
        self._nearest: dict[tuple[int, int, bool, bool], Iterator[tuple[int, int]]] = {}

    def place(self, spot: Spot) -> tuple[float, float]:
        """The centre of the nearest free cell in the spot's own zone; its very place where none is left."""
        at = SIDE * spot.c0 / 100, SIDE * (100 - spot.c5) / 100
        zone = self._borders.zone(spot.c0, spot.c5)
        origin = round(at[0] / self._step), round(at[1] / self._step)
        # A cell that is taken or in another zone stays so: spots of one origin go on where the last one stopped.
        nearest = self._nearest.setdefault((*origin, *zone), self._cells_of(origin, zone))
        cell = next((cell for cell in nearest if cell not in self._taken), None)
        if cell is None:
            return round(at[0], 1), round(at[1], 1)
        self._taken.add(cell)
        return round(cell[0] * self._step, 1), round(cell[1] * self._step, 1)

    def _cells_of(self, origin: tuple[int, int], zone: tuple[bool, bool]) -> Iterator[tuple[int, int]]:
        for i, j in self._around:
            cell = origin[0] + i, origin[1] + j
            x, y = cell[0] * self._step, cell[1] * self._step
            if 0 <= x <= SIDE and 0 <= y <= SIDE and self._borders.zone(100 * x / SIDE, 100 - 100 * y / SIDE) == zone:
                yield cell
