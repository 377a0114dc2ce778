"""The first-token map: where each scenario lies between C0 and C5, as dots that do not cover each other."""

import base64
import io
import math
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from agent.review.labels import QUESTIONS
from agent.review.proposal import PairChange, TextEvidence
from agent.review.report.model import RunMeasures, ScoreDistribution, is_kept, ordinal_of
from agent.schema import Controls, Outcome, Polarity, Question, Rules
from agent.text import pluralize

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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


class DotMap(NamedTuple):
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
            at = ordinal_of(found)
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


def _label(pair: str, polarity: Polarity, found: TextEvidence) -> str:
    at = ordinal_of(found) or (0.0, 0.0)
    verdict = found.verdict.value if found.verdict else "unjudged"
    return f"{pair} {polarity.value}: {verdict}, C0 {at[0]:.0f}, C5 {at[1]:.0f}"


class Borders(NamedTuple):
    """Up to which C0 a text is open, and from which C5 on its first tokens show the behaviour."""

    limit: float
    committed: float

    def zone(self, c0: float, c5: float) -> tuple[bool, bool]:
        return c0 <= self.limit, c5 >= self.committed


def dot_map(found: Sequence[Spot], borders: Borders) -> DotMap:
    """All dots, each at its scores or, where another is already, as near as its zone has room."""
    radius = 5.0 if len(found) <= _MANY else 3.5 if len(found) <= _VERY_MANY else 2.5
    cells = _Cells(2.1 * radius, borders)
    dots = [Dot(spot, *cells.place(spot)) for spot in found]
    kept = [spot for spot in found if not spot.apart]
    return DotMap(tuple(dots), radius, len(kept), sum(all(borders.zone(spot.c0, spot.c5)) for spot in kept))


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


class Palette(NamedTuple):
    """The colours of one scheme; positives and negatives differ in lightness too."""

    ink: str
    faint: str
    line: str
    positive: str
    negative: str
    steps: tuple[str, str, str, str]  # audited, confirmed, passing, not passing


LIGHT = Palette("#1d2129", "#5b6472", "#d5d9e0", "#1f5fbf", "#b4530a", ("#17695a", "#4f9d8c", "#a5cfc4", "#e3dccb"))
DARK = Palette("#e8eaee", "#a3adbb", "#3a4250", "#7fb2ff", "#f0a35e", ("#4cc2a6", "#2f8b78", "#1f5f55", "#4b4638"))

# matplotlib's settings are those of the process: traits that end side by side draw one after the other.
_DRAWING = threading.Lock()
_SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "cliffhanger",
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "path.simplify": False,
}


class Picture(NamedTuple):
    """A picture in both schemes, as addresses that hold it, with its size in pixels and what it shows in words."""

    light: str
    dark: str
    width: int
    height: int
    alt: str


def draw(paint: Callable[["Figure", Palette], None], size: tuple[float, float], alt: str) -> Picture:
    """The picture that `paint` makes; `size` is in inches of 96 pixels."""
    light = _svg(paint, size, LIGHT)
    return Picture(_address(light), _address(_darkened(light)), round(96 * size[0]), round(96 * size[1]), alt)


def _darkened(light: bytes) -> bytes:
    """The same picture in the other scheme's colours: to draw it again would take as long once more."""
    pairs = zip((*LIGHT[:-1], *LIGHT.steps), (*DARK[:-1], *DARK.steps), strict=True)
    colours = {old.encode(): new.encode() for old, new in pairs}
    return re.sub(rb"#[0-9a-f]{6}", lambda found: colours.get(found[0], found[0]), light)


def _svg(paint: Callable[["Figure", Palette], None], size: tuple[float, float], palette: Palette) -> bytes:
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    colours: dict[Any, Any] = {
        "text.color": palette.ink,
        "axes.labelcolor": palette.faint,
        "axes.edgecolor": palette.line,
        "xtick.color": palette.faint,
        "ytick.color": palette.faint,
        "axes.facecolor": "none",
    }
    sink = io.BytesIO()
    with _DRAWING, rc_context({**_SETTINGS, **colours}):
        figure = Figure(figsize=size, layout="constrained", facecolor="none")
        FigureCanvasSVG(figure)
        paint(figure, palette)
        figure.savefig(sink, format="svg", metadata={"Date": None, "Creator": None})
    return sink.getvalue()


def _address(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode('ascii')}"


def rounds_picture(measured: RunMeasures, goal: int) -> Picture:
    """How many pairs stood where after each round, and which share of the set passed."""
    rounds = measured.rounds
    numbers = [done.number for done in rounds]
    share = [100 * done.passing / done.size if done.size else 0.0 for done in rounds]

    def paint(figure: "Figure", palette: Palette) -> None:
        top, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
        top.plot(numbers, share, color=palette.steps[0], marker="o", markersize=4, linewidth=1.6)
        _scale(top, "pass, % of the set", 105)
        stacks = _stacks(measured)
        floor = [0] * len(rounds)
        for (name, counts), colour in zip(stacks, palette.steps, strict=True):
            below.bar(numbers, counts, bottom=floor, color=colour, width=0.78, label=name)
            floor = [a + b for a, b in zip(floor, counts, strict=True)]
        below.axhline(goal, color=palette.faint, linewidth=1, linestyle=(0, (4, 3)))
        below.text(0.4, goal, f" wanted: {goal}", color=palette.faint, va="bottom", size=8.5)
        _scale(below, "pairs", max([goal, *floor]) * 1.14)
        below.set_xlabel("round")
        _whole(below, len(rounds))
        figure.legend(*below.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)

    first, last = (f"{share[0]:.0f}", f"{share[-1]:.0f}") if share else ("0", "0")
    size = rounds[-1].size if rounds else 0
    shown = f"After each of {pluralize(len(rounds), 'round')}: the share of the set that passes ({first} % at first, "
    alt = f"{shown}{last} % at the end) and how many pairs are audited, confirmed, passing or not; {size} now."
    return draw(paint, (7.6, 4.3), alt)


def _stacks(measured: RunMeasures) -> list[tuple[str, list[int]]]:
    rounds = measured.rounds
    return [
        ("audited", [done.audited for done in rounds]),
        ("confirmed", [done.confirmed - done.audited for done in rounds]),
        ("passing", [done.passing - done.confirmed for done in rounds]),
        ("not passing", [done.size - done.passing for done in rounds]),
    ]


def spreads_picture(spreads: Sequence[ScoreDistribution], rules: Rules, limit: float) -> Picture:
    """Histograms: positives upward, negatives downward; before above, after below."""
    by_place = {(s.question, s.polarity): s for s in spreads}
    limits = {
        Question.FORECAST: (rules.neg_threshold, rules.pos_threshold),
        Question.RESPONSE: (rules.neg_threshold, rules.pos_threshold),
        Question.OPENING: (rules.neg_threshold, rules.pos_threshold),
        Question.C0: (limit,) if limit < _TOP else (),
        Question.C5: (rules.committed,),
    }
    shown = {q: label.title for q, label in QUESTIONS.items() if (q, Polarity.POSITIVE) in by_place}

    def paint(figure: "Figure", palette: Palette) -> None:
        grid = figure.subplots(2, len(shown), sharex=True, sharey="row")
        for column, (question, title) in enumerate(shown.items()):
            for row, when in enumerate(("before", "after")):
                axes = grid[row][column]
                both = [getattr(by_place[question, polarity], when) for polarity in Polarity]
                _mirrored(axes, both, palette)
                for x in limits[question]:
                    axes.axvline(x, color=palette.faint, linewidth=0.9, linestyle=(0, (3, 3)))
                if not row:
                    axes.set_title(title, fontsize=9.5)
                if not column:
                    axes.set_ylabel(f"{when}\nscenarios")
        figure.legend(*grid[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)

    alt = f"Histograms of {', '.join(shown.values())}, from 0 to 100, before and after; {_medians(by_place)}"
    return draw(paint, (9.6, 4.2), alt)


_TOP = 100.0
_BINS = [5.0 * i for i in range(21)]


def _mirrored(axes: "Axes", both: Sequence[Sequence[float]], palette: Palette) -> None:
    highest = 1
    for values, sign, colour, name in zip(
        both, (1, -1), (palette.positive, palette.negative), ("positives, upward", "negatives, downward"), strict=True
    ):
        counts = [
            sum(a <= v < b or (b == _TOP and v == b) for v in values) for a, b in zip(_BINS, _BINS[1:], strict=False)
        ]
        axes.bar(_BINS[:-1], [sign * c for c in counts], width=4.6, align="edge", color=colour, label=name)
        highest = max(highest, *counts)
    axes.axhline(0, color=palette.line, linewidth=0.8)
    axes.set_xlim(0, _TOP)
    axes.set_xticks([0, 50, 100])
    axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):.0f}")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -1.1 * highest), max(high, 1.1 * highest))


def _medians(by_place: dict[tuple[Question, Polarity], ScoreDistribution]) -> str:
    said = []
    for (question, polarity), spread in by_place.items():
        numbers = [_median(values) for values in (spread.before, spread.after)]
        said.append(f"{question.value} of {polarity.value}s, median {numbers[0]} before and {numbers[1]} after")
    return "; ".join(said) + "."


def _median(values: Sequence[float]) -> str:
    return f"{sorted(values)[len(values) // 2]:.0f}" if values else "none"


def costs_picture(measured: RunMeasures) -> Picture:
    """Calls of each round by role."""
    rounds = measured.rounds
    numbers = [done.number for done in rounds]
    roles = ("judge", "auditor", "author")
    calls = {role: [dict(done.cost.calls).get(role, 0) for done in rounds] for role in roles}

    def paint(figure: "Figure", palette: Palette) -> None:
        axes = figure.subplots()
        floor = [0] * len(rounds)
        for role, colour in zip(roles, (palette.positive, palette.steps[1], palette.negative), strict=True):
            axes.bar(numbers, calls[role], bottom=floor, color=colour, width=0.78, label=role)
            floor = [a + b for a, b in zip(floor, calls[role], strict=True)]
        _scale(axes, "calls", max([1, *floor]) * 1.08)
        axes.set_xlabel("round")
        _whole(axes, len(rounds))
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)

    totals = ", ".join(f"{sum(calls[role])} {role}" for role in roles)
    return draw(
        paint, (7.6, 2.8), f"Calls bought by each of {pluralize(len(rounds), 'round')}, by role; together {totals}."
    )


def controls_picture(controls: Controls, limit: float, committed: float) -> Picture:
    """C0 of the two kinds of control, a dot each, with the lines on whose sides they belong."""
    kinds = (("open", controls.open), ("committed", controls.committed))

    def paint(figure: "Figure", palette: Palette) -> None:
        axes = figure.subplots()
        for row, ((_, scores), colour) in enumerate(zip(kinds, (palette.positive, palette.negative), strict=True)):
            spread = [row + 0.09 * (i % 5 - 2) for i in range(len(scores))]
            axes.plot(scores, spread, "o", color=colour, markersize=5, alpha=0.75, linestyle="none")
        for x, said, side in ((limit, "open up to here ", "right"), (committed, " committed from here", "left")):
            axes.axvline(x, color=palette.faint, linewidth=0.9, linestyle=(0, (3, 3)))
            axes.text(x, 1.5, said, color=palette.faint, ha=side, va="bottom", size=8.5)
        axes.set_yticks([0, 1], [name for name, _ in kinds])
        axes.set_ylim(-0.5, 1.5)
        axes.set_xlim(-2, 102)
        axes.set_xlabel("C0")

    made = f"C0 of {len(controls.open)} texts left open and of {len(controls.committed)} texts made committed"
    alt = f"{made}. The first belong at {limit:g} or left of it, the others at {committed:g} or right of it."
    return draw(paint, (7.6, 2.0), alt)


def _scale(axes: "Axes", label: str, top: float) -> None:
    axes.set_ylabel(label)
    axes.set_ylim(0, top)


def _whole(axes: "Axes", rounds: int) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(0.3, max(8, rounds) + 0.7)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
