"""Markdown summary of a report, about one screen long (summary.md)."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby

from agent.review.proposal import PairChange, Proposal, SideChange
from agent.review.report.advice import advice as advice_of
from agent.review.report.advice import headline, model_warning, reliability_warning
from agent.review.report.model import Report, RoundFacts, RunMeasures, flags_of, is_in_set, twin_note
from agent.review.text_diff import ending_of
from agent.schema import Outcome
from agent.text import safe_text

_FIRST_ROUNDS, _LAST_ROUNDS = 2, 6
_PAIRS = 5
_END = 72  # characters of a text that are shown
_REASON = 320  # characters of a reason that are shown
_MARKUP = re.compile(r"[\\\[\]<&*]")


def summary(report: Report) -> str:
    """The state of the set, the last rounds, and the pairs to look at first, as Markdown."""
    heading = f"# {report.asked.trait.id}: {report.stop.ending.value if report.stop else 'not finished'}"
    warning, step = reliability_warning(report), advice_of(report, "in report.html")[0]
    lines = [
        heading,
        *([f"**{warning}**"] if warning else []),
        f"{markdown_text(headline(report))} {_state(report)}.",
        f"* Dropped or parked: {markdown_text(dropped_and_parked(report))}.\n"
        f"* Confidence: {confidence(report.measured)}.\n* Next: {step}"
        + (f"\n* Models: {markdown_text(others)}" if (others := model_warning(report)) else ""),
        _rounds(report.measured.rounds),
        *_sections(_kinds(report)),
        "All pairs with their evidence: report.html.",
    ]
    return "\n\n".join(lines) + "\n"


def _kinds(report: Report) -> dict[str, tuple[PairChange, ...]]:
    """The pairs to look at, the most urgent kind first; some are of two kinds."""
    kept = [change for change in report.changes if is_in_set(change)]
    unjudged = [change for change in kept if change.outcome is Outcome.UNJUDGED]
    examined = [change for change in unjudged if all(side.after.evidence for side in change.sides)]
    return {
        "Parked: your decision": report.those("parked"),
        "Failing": tuple(change for change in kept if change.outcome is Outcome.FAIL),
        "Not judged": tuple(examined),
        "Not examined": tuple(change for change in unjudged if change not in examined),
        "Changed": report.those("changed"),
        "Flagged": tuple(change for change in kept if flags_of(change)),
    }


def _state(report: Report) -> str:
    latest, kinds = report.latest, Counter(change.what for change in report.changes)
    return (
        f"{latest.confirmed} of {latest.size} pairs are confirmed, {latest.audited} audited; "
        f"against the dataset: {kinds['unchanged']} unchanged, {kinds['changed']} changed, {kinds['added']} added"
    )


def _rounds(rounds: tuple[RoundFacts, ...]) -> str:
    """A table of the first and the last rounds."""
    rows = ["| round | move | pairs | pass | confirmed | parked | calls |", "|--:|---|--:|--:|--:|--:|---|"]
    hidden = len(rounds) - _FIRST_ROUNDS - _LAST_ROUNDS
    if hidden <= 1:
        return "\n".join([*rows, *map(_row, rounds)])
    between = f"| … | {hidden} more | | | | | |"
    return "\n".join([*rows, *map(_row, rounds[:_FIRST_ROUNDS]), between, *map(_row, rounds[-_LAST_ROUNDS:])])


def _row(done: RoundFacts) -> str:
    calls = ", ".join(f"{n} {role}" for role, n in done.cost.calls) or "none"
    made = ", ".join(f"{n} {what}" for what, n in done.made)
    what = f"{done.move} ({made})" if made else done.move
    return f"| {done.number} | {what} | {done.size} | {done.passing} | {done.confirmed} | {done.parked} | {calls} |"


def _sections(pairs: Mapping[str, tuple[PairChange, ...]]) -> Iterator[str]:
    """The first pairs of each kind, about as many as fit on one screen."""
    found = {title: changes for title, changes in pairs.items() if changes}
    for title, changes in found.items():
        limit = max(1, _PAIRS // len(found))
        shown = f", first {limit} shown" if len(changes) > limit else ""
        yield "\n\n".join([f"**{title}** ({len(changes)}{shown})", "\n".join(map(_item, changes[:limit]))])


def _item(change: PairChange) -> str:
    """A pair with the ends of its texts, in code spans, so that no model output is read as Markdown."""
    flags = f"; flags: {', '.join(sorted(flags_of(change)))}" if flags_of(change) else ""
    return "\n".join(
        [
            f"* {change.pair}{f': {markdown_text(change.why)}' if change.why else ''}{flags}",
            *(_side(change, side) for side in change.sides),
        ]
    )


def _side(change: PairChange, side: SideChange) -> str:
    old, found = side.before, side.after.evidence
    verdict = f" ({found.verdict})" if found and found.verdict else ""
    twin = twin_note(change, side)
    rungs = f" by {', '.join(rung for rung, _ in groupby(side.rungs))}" if side.rungs else f", {twin}" if twin else ""
    was = f"{code_span(ending_of(old.text, _END))} → " if old is not None and old.key != side.after.key else ""
    return f"  * {side.polarity}{verdict}{rungs}: {was}{code_span(ending_of(side.after.text, _END))}"


def markdown_text(text: str) -> str:
    """A reason, which may quote a model or a server, on one line and with all Markdown and HTML escaped."""
    cut = text if len(text) <= _REASON else f"{text[:_REASON]}…"
    return _MARKUP.sub(r"\\\g<0>", safe_text(cut))


def code_span(text: str) -> str:
    """A text as a Markdown code span that it cannot close."""
    shown = safe_text(text)
    longest = max((len(list(run)) for char, run in groupby(shown) if char == "`"), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {shown} {fence}"


def dropped_and_parked(of: Proposal | Report) -> str:
    """Dropped and parked pairs, counted by reason."""
    parts = []
    for what in ("dropped", "parked"):
        gone = [change for change in of.changes if change.what == what]
        reasons = Counter(change.why for change in gone)
        if gone:
            parts.append(f"{len(gone)} {what} ({'; '.join(f'{n} x {why}' for why, n in reasons.most_common(3))})")
    return ", ".join(parts) or "no pair was dropped or parked"


def confidence(of: RunMeasures) -> str:
    """The audit rate and the flap rates, each with its 95 % interval."""
    flaps = [f"{question.value} {rate}" for question, rate in of.flaps]
    return f"audit {of.audit}; flap rates: {', '.join(flaps) or 'not measured'}"
