"""HTML report: one file without scripts or network requests; every text is escaped."""

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import jinja2
from markupsafe import Markup, escape

from agent.review import labels, text_diff
from agent.review.html import environment
from agent.review.proposal import PairChange, SideChange, TextEvidence, Version
from agent.review.report import advice, charts
from agent.review.report.model import Report, flags_of, is_in_set, twin_note
from agent.schema import Outcome
from agent.text import safe_text

_TEMPLATES = Path(__file__).parent / "templates"
_TEASER = 84  # characters of an ending in the line of a closed pair
_BLANKS = re.compile(r"\s*\n\s*")


class ReportText(NamedTuple):
    """One version of a side: marked text, the first tokens, the rest of the completion."""

    pieces: list[text_diff.Piece]
    opening: str
    rest: str
    version: Version


class ReportSide(NamedTuple):
    """One side of a pair; `before` only if the text was changed."""

    change: SideChange
    anchor: str
    before: ReportText | None
    after: ReportText
    scores: list[tuple[str, float | None, float | None]]
    twin_note: str


class PairGroup(NamedTuple):
    """Pairs of one kind, with its meaning."""

    name: str
    title: str
    meaning: str
    changes: tuple[PairChange, ...]


def page(report: Report) -> str:
    """The report as HTML. The same report gives the same text."""
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            verdict_meanings=labels.verdict_meanings(report.asked.trait.mode),
            style=Markup(style),  # noqa: S704 - our own file, and the hash below is of these very bytes
            style_hash=digest,
            maps=_maps(report),
            charts=_charts(report),
            groups=list(_groups(report)),
        )
    )


@cache
def _environment() -> jinja2.Environment:
    made = environment(_TEMPLATES)
    made.globals |= {
        "advice": advice.advice,
        "headline": advice.headline,
        "reliability_warning": advice.reliability_warning,
        "flap_note": advice.flap_note,
        "noise_note": advice.noise_note,
        "controls_note": advice.controls_note,
        "labels": labels,
        "sides": sides,
        "flags_of": flags_of,
        "failing_verdicts": failing_verdicts,
        "limit": lambda report: report.asked.plan.rules.limit(report.asked.trait.mode),
        "map_side": charts.SIDE,
    }
    made.filters |= {
        "percent": _percent,
        "usd": _usd,
        "thousands": _thousands,
        "teaser": _teaser,
        "commands": _commands,
    }
    return made


def _commands(sentence: str) -> Markup:
    """The sentence, with the parts between backticks set as code."""
    parts = [escape(safe_text(part)) for part in sentence.split("`")]
    return Markup().join(Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(parts))


def sides(change: PairChange) -> list[ReportSide]:
    """Both sides of a pair, with what changed marked."""
    return [_side(change, side) for side in change.sides]


def _side(change: PairChange, side: SideChange) -> ReportSide:
    before, after = side.before, side.after
    changed = before is not None and before.key != after.key
    gone, added = text_diff.compare(before.text, after.text) if before is not None and changed else ([], [])
    return ReportSide(
        change=side,
        anchor=charts.anchor(change.pair, side.polarity),
        before=_text(before, gone) if before is not None and changed else None,
        after=_text(after, added),
        scores=list(_scores(before if changed else None, after)),
        twin_note=twin_note(change, side),
    )


def _text(version: Version, edited: Sequence[text_diff.Span]) -> ReportText:
    found = version.evidence
    completion, opening = (found.completion or "", found.opening or "") if found else ("", "")
    if not completion.startswith(opening):
        opening = ""
    marked = text_diff.pieces(version.text, edited, found.span if found else None)
    return ReportText(marked, opening, completion[len(opening) :], version)


def _scores(before: Version | None, after: Version) -> Iterator[tuple[str, float | None, float | None]]:
    for question, label in labels.QUESTIONS.items():
        old, new = (v.evidence.score(question) if v and v.evidence else None for v in (before, after))
        if old is not None or new is not None:
            yield label.symbol, old, new


def failing_verdicts(change: PairChange) -> list[str]:
    """The latest verdict on each side that did not pass; empty if both passed."""
    found = [side.after.evidence for side in change.sides]
    return list(dict.fromkeys(_verdict(f) for f in found if f is None or f.outcome is not Outcome.PASS))


def _verdict(found: TextEvidence | None) -> str:
    if found is None:
        return labels.NOT_EXAMINED
    return found.verdict or labels.NOT_JUDGED


def _maps(report: Report) -> list[tuple[str, str, charts.DotMap]]:
    """(id, title, map) before and after the run, as far as there are dots."""
    rules, mode = report.asked.plan.rules, report.asked.trait.mode
    found = [list(charts.dots_of(report.changes, before=before)) for before in (True, False)]
    titles = (("before", "The original dataset"), ("after", "The current set"))
    return [
        (name, title, charts.dot_map(dots, rules, mode))
        for (name, title), dots in zip(titles, found, strict=True)
        if dots
    ]


def _charts(report: Report) -> dict[str, charts.Picture]:
    rules, mode, measures = report.asked.plan.rules, report.asked.trait.mode, report.measured
    drawn = {}
    if measures.rounds:
        drawn["rounds"] = charts.rounds_chart(measures, report.asked.plan.goal)
        drawn["calls"] = charts.calls_chart(measures)
    if any(scores.before for scores in report.spreads):
        drawn["scores"] = charts.scores_chart(report.spreads, rules, mode)
    if report.controls is not None:
        drawn["controls"] = charts.controls_chart(report.controls, rules.limit(mode), rules.committed)
    return drawn


_GROUPS = (
    ("parked", "Parked: your decision", "Not in the set, because the judge could not decide."),
    ("changed", "Changed", "Pairs of your dataset with another text. Struck out: removed. Underlined: new."),
    ("added", "Added", "New pairs, drafted in this campaign."),
    ("unchanged", "Unchanged", "Pairs of your dataset that stay as they were."),
    ("dropped", "Dropped", "Replaced after unsuccessful repairs. Recorded, but not in the set."),
)


def _groups(report: Report) -> Iterator[PairGroup]:
    """All pairs by kind. Those of the set that do not pass come first, as a group of their own."""
    failing = tuple(c for c in report.changes if is_in_set(c) and not c.passes)
    if failing:
        yield PairGroup("failing", "Not passing yet", "In the set, but failing or not judged yet.", failing)
    for name, title, meaning in _GROUPS:
        those = tuple(change for change in report.those(name) if change not in failing)
        if those:
            yield PairGroup(name, title, meaning, those)


def _percent(rate: float) -> str:
    return f"{100 * rate:.0f} %" if rate in (0, 1) or round(100 * rate) not in (0, 100) else f"{100 * rate:.1f} %"


def _usd(micro: int) -> str:
    return f"{micro / 1e6:,.2f} USD"


def _thousands(count: int) -> str:
    return f"{count:,}"


def _teaser(text: str) -> str:
    return text_diff.ending_of(_BLANKS.sub(" ", text), _TEASER)
