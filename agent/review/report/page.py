"""The page: one file that asks nothing of any network, runs no script, and shows every text as text."""

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
from agent.review.proposal import PairChange, SideChange, TextEvidence, Version
from agent.review.report import advice, charts
from agent.review.report.model import Report, flags_of, is_kept, with_twin
from agent.schema import Outcome, Role
from agent.text import pluralize, safe_text, with_period

_TEMPLATES = Path(__file__).parent / "templates"
_TEASER = 84  # characters of an ending in the line of a closed pair
_BLANKS = re.compile(r"\s*\n\s*")


class ReportText(NamedTuple):
    """One version of a side as shown: marked text, the first tokens, the rest of the completion."""

    pieces: list[text_diff.Piece]
    opening: str
    rest: str
    version: Version


class ReportSide(NamedTuple):
    """One side of a pair; `before` only where the text was another."""

    change: SideChange
    anchor: str
    before: ReportText | None
    after: ReportText
    scores: list[tuple[str, float | None, float | None]]
    with_twin: str


class PairGroup(NamedTuple):
    """Pairs of one kind, with what the kind means."""

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
            meaning=labels.verdict_meanings(report.asked.trait.mode),
            style=Markup(style),  # noqa: S704 - our own file, and the hash below is of these very bytes
            style_hash=digest,
            maps=_maps(report),
            pictures=_pictures(report),
            groups=list(_groups(report)),
        )
    )


@cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "advice": advice.advice,
        "headline": advice.headline,
        "warning": advice.warning,
        "flap_meaning": advice.flap_meaning,
        "noise_meaning": advice.noise_meaning,
        "controls_meaning": advice.controls_meaning,
        "labels": labels,
        "sides": sides,
        "flags_of": flags_of,
        "verdicts": verdicts,
        "limit": lambda report: report.asked.plan.rules.limit(report.asked.trait.mode),
        "roles": tuple(role.value for role in Role),
        "map_side": charts.SIDE,
    }
    made.filters |= {
        "percent": _percent,
        "usd": _usd,
        "thousands": _thousands,
        "counted": pluralize,
        "ended": with_period,
        "score": _score,
        "teaser": _teaser,
        "commands": _commands,
    }
    return made


def _harmless(value: object) -> object:
    """Whatever is put into the page, made visible line by line; our own mark-up is left alone. Escaping comes after."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "\n".join(safe_text(line) for line in value.split("\n"))


def _commands(sentence: str) -> Markup:
    """The sentence, with what stands between backticks set as what one types."""
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
        with_twin=with_twin(change, side),
    )


def _text(version: Version, edited: Sequence[text_diff.Span]) -> ReportText:
    found = version.evidence
    completion, opening = (found.completion or "", found.opening or "") if found else ("", "")
    if not completion.startswith(opening):
        opening = ""
    cut = text_diff.pieces(version.text, edited, found.span if found else None)
    return ReportText(cut, opening, completion[len(opening) :], version)


def _scores(before: Version | None, after: Version) -> Iterator[tuple[str, float | None, float | None]]:
    for question, label in labels.QUESTIONS.items():
        old, new = (v.evidence.score(question) if v and v.evidence else None for v in (before, after))
        if old is not None or new is not None:
            yield label.symbol, old, new


def verdicts(change: PairChange) -> list[str]:
    """The last verdict on each side that did not pass; empty where both passed."""
    found = [side.after.evidence for side in change.sides]
    return list(dict.fromkeys(_verdict(f) for f in found if f is None or f.outcome is not Outcome.PASS))


def _verdict(found: TextEvidence | None) -> str:
    if found is None:
        return "not examined"
    return found.verdict or "unjudged"


def _maps(report: Report) -> list[tuple[str, str, charts.DotMap]]:
    rules = report.asked.plan.rules
    committed = 0.0 if report.is_sustained else rules.committed  # where nothing divides the map, a dot may lie anywhere
    borders = charts.Borders(rules.limit(report.asked.trait.mode), committed)
    found = [list(charts.spots(report.changes, before=before)) for before in (True, False)]
    titles = (("before", "The dataset as it was"), ("after", "The set as it stands"))
    return [
        (name, title, charts.dot_map(spots, borders))
        for (name, title), spots in zip(titles, found, strict=True)
        if spots
    ]


def _pictures(report: Report) -> dict[str, charts.Picture]:
    rules, measured = report.asked.plan.rules, report.measured
    limit = rules.limit(report.asked.trait.mode)
    pictures = {}
    if measured.rounds:
        pictures["rounds"] = charts.rounds_picture(measured, report.asked.plan.goal)
        pictures["costs"] = charts.costs_picture(measured)
    if any(spread.before for spread in report.spreads):
        pictures["spreads"] = charts.spreads_picture(report.spreads, rules, limit)
    if report.controls is not None:
        pictures["controls"] = charts.controls_picture(report.controls, limit, rules.committed)
    return pictures


_GROUPS = (
    ("parked", "Parked: yours to decide", "Out of the set; nobody but you can say whether they belong in it."),
    ("changed", "Changed", "Pairs of your dataset with another text. Struck out: gone. Underlined: new."),
    ("added", "Added", "New pairs, drafted in this campaign."),
    ("unchanged", "Unchanged", "Pairs of your dataset that stay as they were."),
    ("dropped", "Dropped", "Replaced after repairs that came to nothing. They are on record, not in the set."),
)


def _groups(report: Report) -> Iterator[PairGroup]:
    """Pairs that still fail come first, whatever else happened to them."""
    failing = tuple(c for c in report.changes if is_kept(c) and not c.passes)
    if failing:
        yield PairGroup("failing", "Not passing yet", "In the set, but failing or not judged so far.", failing)
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


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _teaser(text: str) -> str:
    return text_diff.ending_of(_BLANKS.sub(" ", text), _TEASER)
