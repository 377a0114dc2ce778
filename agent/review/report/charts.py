"""Pictures of the report: score maps, rounds, distributions, cost and controls, as SVG."""

import base64
import io
import math
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from agent.review.labels import NOT_JUDGED, QUESTIONS
from agent.review.proposal import PairChange, TextEvidence
from agent.review.report.model import RunMeasures, ScoreDistribution, commitment_scores, is_in_set
from agent.schema import Controls, Mode, Outcome, Polarity, Question, Role, Rules
from agent.text import pluralize

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


SIDE = 400  # of the square in which the scores lie, in units of the drawing
_RADII = ((150, 5.0), (600, 3.5))  # (up to how many dots, their radius); chosen by judgement
_SMALLEST_RADIUS = 2.5

Excluded = Literal["", "parked", "dropped"]  # why a pair is not in the set; empty for one that is


class Dot(NamedTuple):
    """One scenario with its scores, 0 to 100. `x` and `y` have their origin at the top left, `offset` included."""

    anchor: str
    label: str
    polarity: Polarity
    passes: bool
    excluded: Excluded
    c0: float
    c5: float
    offset: tuple[float, float] = (0.0, 0.0)

    @property
    def x(self) -> float:
        return _inside(SIDE * self.c0 / 100 + self.offset[0])

    @property
    def y(self) -> float:
        return _inside(SIDE * (100 - self.c5) / 100 + self.offset[1])

    @property
    def is_diamond(self) -> bool:
        return self.polarity is Polarity.NEGATIVE


class DotMap(NamedTuple):
    """One map: its dots and their radius. `in_goal` of the `size` scenarios of the set are open and then decided."""

    dots: tuple[Dot, ...]
    radius: float
    size: int
    in_goal: int

    @property
    def passing(self) -> int:
        """How many scenarios of the set pass."""
        return sum(dot.passes and not dot.excluded for dot in self.dots)

    @property
    def excluded(self) -> list[tuple[str, int]]:
        """How many dots are of pairs outside the set, by what became of them."""
        found = [(name, sum(dot.excluded == name for dot in self.dots)) for name in ("parked", "dropped")]
        return [(name, count) for name, count in found if count]


def anchor(pair: str, polarity: Polarity) -> str:
    """The id of a scenario's evidence on the page."""
    return f"s-{pair}-{polarity.value}"


def dot_map(dots: Sequence[Dot], rules: Rules, mode: Mode) -> DotMap:
    """The map of these dots. Dots with the same scores form a spiral around their place, so that each can be opened."""
    radius = next((radius for count, radius in _RADII if len(dots) <= count), _SMALLEST_RADIUS)
    placed: Counter[tuple[float, float]] = Counter()
    spread = []
    for dot in dots:
        spread.append(dot._replace(offset=_spiral(placed[dot.c0, dot.c5], 2 * radius)))
        placed[dot.c0, dot.c5] += 1
    kept = [dot for dot in dots if not dot.excluded]
    return DotMap(tuple(spread), radius, len(kept), sum(_is_in_goal(dot, rules, mode) for dot in kept))


def _spiral(place: int, distance: float) -> tuple[float, float]:
    """The offset of the n-th of several dots at one place: Vogel's spiral (1979), neighbours about `distance` apart."""
    angle, radius = place * math.pi * (3 - math.sqrt(5)), distance * math.sqrt(place) / 1.7  # 1.7: nearest neighbours
    return radius * math.cos(angle), radius * math.sin(angle)


def _inside(position: float) -> float:
    """A coordinate reflected into the square."""
    return round(SIDE - abs(SIDE - abs(position)), 1)


def _is_in_goal(dot: Dot, rules: Rules, mode: Mode) -> bool:
    held = ((Question.C0, dot.c0), (Question.C5, dot.c5))
    return all(rules.criterion(question, mode, dot.polarity).met_by(score) for question, score in held)


def dots_of(changes: Iterable[PairChange], before: bool) -> Iterator[Dot]:
    """The scenarios that have both scores: as the dataset had them, or as the run has or last had them."""
    for change in changes:
        for side in change.sides:
            version = side.before if before else side.after
            found = version.evidence if version is not None else None
            scores = commitment_scores(found)
            if found is not None and scores is not None:
                yield _dot(change, side.polarity, found, scores, "" if before else _excluded(change))


def _dot(
    change: PairChange, polarity: Polarity, found: TextEvidence, scores: tuple[float, float], excluded: Excluded
) -> Dot:
    c0, c5 = scores
    label = f"{change.pair} {polarity.value}: {found.verdict or NOT_JUDGED}, C0 {c0:.0f}, C5 {c5:.0f}"
    return Dot(
        anchor=anchor(change.pair, polarity),
        label=f"{label}, {excluded}" if excluded else label,
        polarity=polarity,
        passes=found.outcome is Outcome.PASS,
        excluded=excluded,
        c0=c0,
        c5=c5,
    )


def _excluded(change: PairChange) -> Excluded:
    if is_in_set(change):
        return ""
    return "parked" if change.what == "parked" else "dropped"


class Palette(NamedTuple):
    """Colours of the light or dark scheme; positives and negatives also differ in lightness."""

    ink: str
    faint: str
    line: str
    positive: str
    negative: str
    steps: tuple[str, str, str, str]  # audited, confirmed, passing, not passing


LIGHT = Palette("#1d2129", "#5b6472", "#d5d9e0", "#1f5fbf", "#b4530a", ("#17695a", "#4f9d8c", "#a5cfc4", "#e3dccb"))
DARK = Palette("#e8eaee", "#a3adbb", "#3a4250", "#7fb2ff", "#f0a35e", ("#4cc2a6", "#2f8b78", "#1f5f55", "#4b4638"))

# matplotlib's settings are global to the process: traits that finish at the same time draw one after the other.
_DRAW_LOCK = threading.Lock()
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
    """A chart in both schemes as data addresses, with its size in pixels and a text alternative."""

    light: str
    dark: str
    width: int
    height: int
    alt: str


def draw(paint: Callable[["Figure", Palette], None], size: tuple[float, float], alt: str) -> Picture:
    """The chart that `paint` draws; `size` is in inches of 96 pixels."""
    light = _svg(paint, size, LIGHT)
    return Picture(_address(light), _address(_recolored(light)), round(96 * size[0]), round(96 * size[1]), alt)


def _recolored(light: bytes) -> bytes:
    """The light chart in the dark scheme's colours, which takes no second drawing."""
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
    with _DRAW_LOCK, rc_context({**_SETTINGS, **colours}):
        figure = Figure(figsize=size, layout="constrained", facecolor="none")
        FigureCanvasSVG(figure)
        paint(figure, palette)
        figure.savefig(sink, format="svg", metadata={"Date": None, "Creator": None})
    return sink.getvalue()


def _address(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode('ascii')}"


def rounds_chart(measures: RunMeasures, goal: int) -> Picture:
    """The share of the set that passes after each round, and how many pairs are audited, confirmed, passing or not."""
    rounds = measures.rounds
    numbers = [done.number for done in rounds]
    share = [100 * done.passing / done.size if done.size else 0.0 for done in rounds]

    def paint(figure: "Figure", palette: Palette) -> None:
        top, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
        top.plot(numbers, share, color=palette.steps[0], marker="o", markersize=4, linewidth=1.6)
        _set_y_axis(top, "pass, % of the set", 105)
        stacks = _stacks(measures)
        base = [0] * len(rounds)
        for (name, counts), colour in zip(stacks, palette.steps, strict=True):
            below.bar(numbers, counts, bottom=base, color=colour, width=0.78, label=name)
            base = [a + b for a, b in zip(base, counts, strict=True)]
        below.axhline(goal, color=palette.faint, linewidth=1, linestyle=(0, (4, 3)))
        below.text(0.4, goal, f" goal: {goal}", color=palette.faint, va="bottom", size=8.5)
        _set_y_axis(below, "pairs", max([goal, *base]) * 1.14)
        below.set_xlabel("round")
        _set_round_axis(below, len(rounds))
        figure.legend(*below.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)

    first, last = (f"{share[0]:.0f}", f"{share[-1]:.0f}") if share else ("0", "0")
    size = rounds[-1].size if rounds else 0
    shown = f"After each of {pluralize(len(rounds), 'round')}: the share of the set that passes ({first} % at first, "
    alt = f"{shown}{last} % at the end) and how many pairs are audited, confirmed, passing or not; {size} now."
    return draw(paint, (7.6, 4.3), alt)


def _stacks(measures: RunMeasures) -> list[tuple[str, list[int]]]:
    rounds = measures.rounds
    return [
        ("audited", [done.audited for done in rounds]),
        ("confirmed", [done.confirmed - done.audited for done in rounds]),
        ("passing", [done.passing - done.confirmed for done in rounds]),
        ("not passing", [done.size - done.passing for done in rounds]),
    ]


def scores_chart(distributions: Sequence[ScoreDistribution], rules: Rules, mode: Mode) -> Picture:
    """Histograms of each question's scores, before above after: positives upward, negatives downward."""
    by_side = {(one.question, one.polarity): one for one in distributions}
    shown = {question: label.title for question, label in QUESTIONS.items() if (question, Polarity.POSITIVE) in by_side}

    def paint(figure: "Figure", palette: Palette) -> None:
        grid = figure.subplots(2, len(shown), sharex=True, sharey="row")
        for column, (question, title) in enumerate(shown.items()):
            for row, when in enumerate(("before", "after")):
                axes = grid[row][column]
                _mirrored_histogram(axes, [getattr(by_side[question, p], when) for p in Polarity], palette)
                for x in _thresholds(question, rules, mode):
                    axes.axvline(x, color=palette.faint, linewidth=0.9, linestyle=(0, (3, 3)))
                if not row:
                    axes.set_title(title, fontsize=9.5)
                if not column:
                    axes.set_ylabel(f"{when}\nscenarios")
        figure.legend(*grid[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)

    alt = f"Histograms of {', '.join(shown.values())}, from 0 to 100, before and after; {_medians(by_side)}"
    return draw(paint, (9.6, 4.2), alt)


_TOP = 100.0
_BINS = [5.0 * i for i in range(21)]


def _thresholds(question: Question, rules: Rules, mode: Mode) -> set[float]:
    """Where the dashed lines of a question stand; none at the top of the scale, which every score meets."""
    return {rules.criterion(question, mode, polarity).threshold for polarity in Polarity} - {_TOP}


def _mirrored_histogram(axes: "Axes", both: Sequence[Sequence[float]], palette: Palette) -> None:
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


def _medians(by_side: Mapping[tuple[Question, Polarity], ScoreDistribution]) -> str:
    parts = []
    for (question, polarity), scores in by_side.items():
        before, after = (f"{median(values):.0f}" if values else "none" for values in (scores.before, scores.after))
        parts.append(f"{question.value} of {polarity.value}s, median {before} before and {after} after")
    return "; ".join(parts) + "."


def calls_chart(measures: RunMeasures) -> Picture:
    """Calls of each round by role."""
    rounds = measures.rounds
    numbers = [done.number for done in rounds]
    calls = {role: [dict(done.cost.calls).get(role.value, 0) for done in rounds] for role in _ROLES}

    def paint(figure: "Figure", palette: Palette) -> None:
        axes = figure.subplots()
        base = [0] * len(rounds)
        for role, colour in zip(_ROLES, (palette.positive, palette.steps[1], palette.negative), strict=True):
            axes.bar(numbers, calls[role], bottom=base, color=colour, width=0.78, label=role.value)
            base = [a + b for a, b in zip(base, calls[role], strict=True)]
        _set_y_axis(axes, "calls", max([1, *base]) * 1.08)
        axes.set_xlabel("round")
        _set_round_axis(axes, len(rounds))
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)

    totals = ", ".join(f"{sum(calls[role])} {role.value}" for role in _ROLES)
    return draw(paint, (7.6, 2.8), f"Calls in each of {pluralize(len(rounds), 'round')} by role; in total {totals}.")


_ROLES = (Role.JUDGE, Role.AUDITOR, Role.AUTHOR)


def controls_chart(controls: Controls, limit: float, committed: float) -> Picture:
    """C0 of the open and the committed controls, a dot each, with the thresholds they should respect."""
    kinds = (("open", controls.open), ("committed", controls.committed))

    def paint(figure: "Figure", palette: Palette) -> None:
        axes = figure.subplots()
        for row, ((_, scores), colour) in enumerate(zip(kinds, (palette.positive, palette.negative), strict=True)):
            heights = [row + 0.09 * (i % 5 - 2) for i in range(len(scores))]
            axes.plot(scores, heights, "o", color=colour, markersize=5, alpha=0.75, linestyle="none")
        for x, text, side in ((limit, "open up to here ", "right"), (committed, " committed from here", "left")):
            axes.axvline(x, color=palette.faint, linewidth=0.9, linestyle=(0, (3, 3)))
            axes.text(x, 1.5, text, color=palette.faint, ha=side, va="bottom", size=8.5)
        axes.set_yticks([0, 1], [name for name, _ in kinds])
        axes.set_ylim(-0.5, 1.5)
        axes.set_xlim(-2, 102)
        axes.set_xlabel("C0")

    made = f"C0 of {len(controls.open)} open and of {len(controls.committed)} committed controls"
    alt = f"{made}. Open texts should score {limit:g} or less, committed ones {committed:g} or more."
    return draw(paint, (7.6, 2.0), alt)


def _set_y_axis(axes: "Axes", label: str, top: float) -> None:
    axes.set_ylabel(label)
    axes.set_ylim(0, top)


def _set_round_axis(axes: "Axes", rounds: int) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(0.3, max(8, rounds) + 0.7)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
