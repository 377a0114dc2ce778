"""Calibration report: a Markdown page, its metrics in JSON, and summary lines for the terminal."""

import html
from collections.abc import Iterator, Sequence
from pathlib import Path

from agent.calibration.metrics import BOTH, Calibration, HitRate, RowResult, Slice, Wording
from agent.schema import ErrorKind, digest, kind_of
from agent.storage.durable import write_atomically
from agent.text import safe_text

_SHOWN = 12
_METHODS = (
    "Intervals are 95 %: rates by Wilson (1927), balanced accuracy and Cohen's kappa (1960) by joining the labels' "
    "Wilson intervals (Newcombe 1998), AUC by Newcombe (2006). UNSURE counts as wrong. V's NEITHER is UNSURE. "
    "In mode sustained V and C0 do not gate a run; there C0 counts as EXPRESS up to 60."
)


def write_report(folder: Path, calibration: Calibration) -> Path:
    """Write both files, named after the endings' file, the part and the judge. Returns the path of the page."""
    name = f"{Path(calibration.file).stem}.{calibration.part}.{digest(calibration.judge)[:8]}"
    page = folder / f"{name}.md"
    write_atomically(folder / f"{name}.json", (calibration.model_dump_json(indent=1) + "\n").encode())
    write_atomically(page, ("\n".join(_page(calibration)) + "\n").encode())
    return page


def summary_lines(calibration: Calibration) -> Iterator[str]:
    """The lines for the terminal."""
    yield f"{calibration.n} endings of part {calibration.part}, judge: {calibration.judge}"
    for wording in calibration.wordings:
        yield f"wording {wording.wording}:" if wording.wording != "votes" else "put to the vote:"
        yield from (f"  {line}" for line in _wording_lines(wording))
    yield "trivial rules:"
    yield from (f"  {_accuracy(one)}" for one in calibration.trivial[0].measured)


def _wording_lines(wording: Wording) -> Iterator[str]:
    yield from (_accuracy(one) for one in wording.slices[0].measured if one.confusion.n or one.unjudged)
    short = [part for part in wording.slices[1:] if not part.name.startswith("trait ")]
    yield from (f"{part.name}: {_accuracy(one)}" for part in short for one in part.measured if one.predictor == BOTH)
    yield f"AUC of C0: {wording.auc[0][1]}"
    if wording.spans:
        yield f"quoted spans that overlap the labelled one: {wording.spans}"
    if wording.missed:
        shown = [f"{miss.id} ({miss.label}, taken for {miss.predicted})" for miss in wording.missed[:_SHOWN]]
        yield f"{len(wording.missed)} wrong: " + ", ".join(shown) + (" …" if len(wording.missed) > _SHOWN else "")
    if wording.unjudged:
        open_ones = sum(kind_of(miss.unjudged) is ErrorKind.UNANSWERED for miss in wording.unjudged)
        yield f"{len(wording.unjudged)} unjudged, {open_ones} of them because nobody has answered yet"


def _accuracy(one: HitRate) -> str:
    rest = f", {one.unjudged} unjudged" if one.unjudged else ""
    return (
        f"{one.predictor}: balanced accuracy {one.balanced_accuracy}, kappa {one.kappa} (n = {one.confusion.n}{rest})"
    )


def _page(calibration: Calibration) -> Iterator[str]:
    yield from (
        "# Calibration",
        "",
        f"- endings: {calibration.n} of part {calibration.part} in {_cell(calibration.file)}",
    )
    yield f"- judge: {_cell(calibration.judge)}"
    yield f"- prompts: {_cell(', '.join(calibration.prompts))}"
    if readers := calibration.readers:
        yield f"- agreement of the two readers who labelled them: kappa {readers} (n = {readers.n})"
    yield from ("", _METHODS)
    for wording in calibration.wordings:
        yield from _wording_section(wording)
    yield from ("", "## Trivial rules", "", "EXPRESS where the rule holds, EXPLAIN elsewhere.", "")
    yield from _slices(calibration.trivial)


def _wording_section(wording: Wording) -> Iterator[str]:
    yield from ("", f"## Wording {wording.wording}" if wording.wording != "votes" else "## Put to the vote", "")
    yield from _slices(wording.slices)
    for one in wording.slices[0].measured:
        yield from _confusion(one)
    yield from ("", "### AUC of C0", "", *_table(("rows", "AUC"), [(name, str(auc)) for name, auc in wording.auc]))
    cuts = [
        (f"{cut.threshold:g}", str(cut.express), str(cut.explain), str(cut.balanced_accuracy)) for cut in wording.sweep
    ]
    heading = ("EXPRESS up to", "EXPRESS found", "EXPLAIN found", "balanced accuracy")
    yield from ("", "### C0's threshold", "", *_table(heading, cuts))
    if wording.spans:
        yield from ("", f"Quoted spans that overlap the labelled one: {wording.spans}")
    yield from _missed("Wrong", wording.missed)
    yield from _missed("Unjudged", wording.unjudged)


def _slices(slices: Sequence[Slice]) -> Iterator[str]:
    rows = [
        (part.name, one.predictor, str(one.balanced_accuracy), str(one.kappa), str(one.confusion.n), str(one.unjudged))
        for part in slices
        for one in part.measured
        if one.confusion.n or one.unjudged
    ]
    yield from _table(("rows", "by", "balanced accuracy", "kappa", "n", "unjudged"), rows)


def _confusion(one: HitRate) -> Iterator[str]:
    table = one.confusion
    if table.n:
        rows = [(f"labelled {label}", *map(str, table.row(label)), str(table.recall(label))) for label in table.labels]
        heading = (one.predictor, *(f"said {what}" for what in table.predictions), "found")
        yield from ("", *_table(heading, rows))


def _missed(title: str, missed: Sequence[RowResult]) -> Iterator[str]:
    if missed:
        rows = [
            (m.id, m.label, m.unjudged or m.predicted or "", "" if m.c0 is None else f"{m.c0:g}", m.v or "")
            + (f"…{m.prefix[-90:]} ¦ {m.opener or ''}", m.hard or "", m.reason)
            for m in missed
        ]
        yield from ("", f"### {title}", "")
        yield from _table(("id", "label", "said", "C0", "V", "prefix ¦ opener", "trap", "why so labelled"), rows)


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in (heading, ["---"] * len(heading), *rows):
        yield f"| {' | '.join(map(_cell, row))} |"


def _cell(text: str) -> str:
    """The text escaped for a Markdown table, also after conversion to HTML."""
    plain = html.escape(safe_text(text), quote=False)
    return "".join(f"\\{char}" if char in "\\`*_[]|~" else char for char in plain)
