"""The first-token map: each scenario as a dot between C0 (left to right) and C5 (bottom to top)."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from agent.review.labels import NOT_JUDGED
from agent.review.proposal import PairChange, TextEvidence
from agent.review.report.model import commitment_scores, is_in_set
from agent.schema import Mode, Outcome, Polarity, Question, Rules

SIDE = 400  # of the square in which the scores lie, in units of the drawing
_RADII = ((150, 5.0), (600, 3.5))  # (up to how many dots, their radius); chosen by judgement
_SMALLEST_RADIUS = 2.5

Excluded = Literal["", "parked", "dropped"]  # why a pair is not in the set; empty for one that is


class Dot(NamedTuple):
    """One scenario with its scores, 0 to 100. `x` and `y` have their origin at the top left."""

    anchor: str
    label: str
    polarity: Polarity
    passes: bool
    excluded: Excluded
    c0: float
    c5: float

    @property
    def x(self) -> float:
        return round(SIDE * self.c0 / 100, 1)

    @property
    def y(self) -> float:
        return round(SIDE * (100 - self.c5) / 100, 1)

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
    """The map of these dots. Dots with the same scores cover each other; they are drawn translucent."""
    radius = next((radius for count, radius in _RADII if len(dots) <= count), _SMALLEST_RADIUS)
    kept = [dot for dot in dots if not dot.excluded]
    return DotMap(tuple(dots), radius, len(kept), sum(_is_in_goal(dot, rules, mode) for dot in kept))


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
