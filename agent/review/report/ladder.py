"""The ladder measured: what each rung offered, what of it held, and how many words it changed."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from statistics import median

from agent.review.report.nouns import Drift, RungYield
from agent.schema import Change, Finding, History, Polarity, Question, Rung

NOT_PASSED = "does not pass"  # what a candidate that was tried and judged is refused for
_FEWEST = 8  # changed texts from which on a drift is spoken of
_T95 = 2.0  # standard errors; Student's quantile is 2.36 at the fewest and 1.96 at many


def yields(history: History) -> tuple[RungYield, ...]:
    """One row per rung that was ever tried, in the ladder's order."""
    changes = [change for done in history for change in done.changes if change.what == "repair"]
    found = ((rung, _of_rung(rung, changes)) for rung in Rung)
    return tuple(row for _, row in found if row.reached)


def _of_rung(rung: Rung, changes: Sequence[Change]) -> RungYield:
    offered = [candidate for change in changes for candidate in change.candidates if candidate.rung is rung]
    fit = [candidate for candidate in offered if candidate.refused in (None, NOT_PASSED)]
    words = [count for change in changes for count in _words_changed(change, rung)]
    return RungYield(
        rung=rung,
        reached=sum(any(own is rung for _, own in change.rungs) for change in changes),
        offered=len(offered),
        fit=len(fit),
        passing=sum(candidate.refused is None for candidate in fit),
        taken=len(words),
        words=median(words) if words else None,
    )


def _words_changed(change: Change, rung: Rung) -> Iterator[int]:
    """For each side that a candidate of this rung replaced, how many words were taken out or put in."""
    if change.before is None or change.after is None:
        return
    texts = {candidate.text for candidate in change.candidates if candidate.rung is rung}
    for polarity in Polarity:
        old, new = change.before.side(polarity).text, change.after.side(polarity).text
        if old != new and new in texts:
            yield words_between(old, new)


def words_between(old: str, new: str) -> int:
    """How many words are taken out and put in on the way from one text to the other."""
    a, b = old.split(), new.split()
    blocks = SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    return len(a) + len(b) - 2 * sum(block.size for block in blocks)


def drift(history: History) -> Drift | None:
    """Whether edits buy better scores with texts that commit themselves: forecast and C0 of first and last version.

    Gains of the forecast are counted towards the text's own side. None where too few texts were edited to tell.
    """
    first: dict[tuple[str, Polarity], Finding] = {}
    last: dict[tuple[str, Polarity], Finding] = {}
    for finding in (finding for done in history for finding in done.findings):
        first.setdefault((finding.pair, finding.polarity), finding)
        last[finding.pair, finding.polarity] = finding
    edited = [(first[side], last[side]) for side in first if first[side].key != last[side].key]
    gains = [gain for one, other in edited if (gain := _gain(one, other)) is not None]
    if len(gains) < _FEWEST:
        return None
    forecast, commitment = (_mean([gain[i] for gain in gains]) for i in (0, 1))
    return Drift(n=len(gains), forecast=forecast, commitment=commitment)


def _gain(first: Finding, last: Finding) -> tuple[float, float] | None:
    forecasts = first.score(Question.FORECAST), last.score(Question.FORECAST)
    commitments = first.score(Question.C0), last.score(Question.C0)
    if None in (*forecasts, *commitments):
        return None
    towards = 1 if first.polarity is Polarity.POSITIVE else -1
    return towards * _difference(forecasts), _difference(commitments)


def _difference(scores: tuple[float | None, float | None]) -> float:
    return (scores[1] or 0.0) - (scores[0] or 0.0)


def _mean(values: Sequence[float]) -> tuple[float, float, float]:
    """(mean, low, high) with twice its standard error to either side."""
    mean = sum(values) / len(values)
    error = (sum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values)) ** 0.5
    return round(mean, 2), round(mean - _T95 * error, 2), round(mean + _T95 * error, 2)
