"""Repair statistics: yield of each rung, repairs by verdict, the hardest pairs, and whether edits inflate scores."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from math import sqrt
from statistics import fmean, median, stdev

from agent.review.proposal import PairChange
from agent.review.report.model import Drift, RepairHistory, RungFacts, RungYield, Step
from agent.schema import Change, Finding, History, Outcome, Polarity, Question, Rung, Verdict, units
from agent.steps.candidates import JUDGED

_MIN_EDITED = 8  # edited texts below which no drift is reported; chosen by judgement
_T95 = 2.0  # standard errors; Student's quantile is 2.36 at the fewest texts and 1.96 at many
_SHOWN_HISTORIES = 6
_MIN_REPAIRS = 2  # repairs from which on a pair counts as hard

TextKey = tuple[str, Polarity, str]  # pair, side, key of the text


def rung_yields(history: History) -> tuple[RungYield, ...]:
    """One row per rung that was tried, in the ladder's order."""
    changes = [change for done in history for change in done.changes if change.what == "repair"]
    rows = (_yield_of(rung, changes) for rung in Rung)
    return tuple(row for row in rows if row.reached)


def _yield_of(rung: Rung, changes: Sequence[Change]) -> RungYield:
    offered = [candidate for change in changes for candidate in change.candidates if candidate.rung is rung]
    fit = [candidate for candidate in offered if candidate.refused in JUDGED]
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
    """For each side that a candidate of this rung replaced, how many words were removed or inserted."""
    if change.before is None or change.after is None:
        return
    texts = {candidate.text for candidate in change.candidates if candidate.rung is rung}
    for polarity in Polarity:
        old, new = change.before.side(polarity).text, change.after.side(polarity).text
        if old != new and new in texts:
            yield word_distance(old, new)


def word_distance(old: str, new: str) -> int:
    """How many words are removed and inserted on the way from one text to the other."""
    a, b = units(old), units(new)
    blocks = SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    return len(a) + len(b) - 2 * sum(block.size for block in blocks)


def score_drift(history: History) -> Drift | None:
    """Whether edits raise scores by giving the trait away: forecast and C0 of each text's first and last version.

    Gains of the forecast are counted towards the text's own side. None if too few texts were edited to tell.
    """
    first: dict[tuple[str, Polarity], Finding] = {}
    last: dict[tuple[str, Polarity], Finding] = {}
    for finding in (finding for done in history for finding in done.findings):
        first.setdefault((finding.pair, finding.polarity), finding)
        last[finding.pair, finding.polarity] = finding
    edited = [(first[side], last[side]) for side in first if first[side].key != last[side].key]
    gains = [gain for one, other in edited if (gain := _gain(one, other)) is not None]
    if len(gains) < _MIN_EDITED:
        return None
    forecast, commitment = (_mean_interval(values) for values in zip(*gains, strict=True))
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


def _mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """(mean, low, high): the mean with its approximate 95 % interval."""
    mean, error = fmean(values), stdev(values) / sqrt(len(values))
    return round(mean, 2), round(mean - _T95 * error, 2), round(mean + _T95 * error, 2)


def rungs_by_verdict(history: History) -> tuple[RungFacts, ...]:
    """Every rung that was tried, by the verdict that called for it."""
    tried, repaired = Counter[tuple[Verdict | None, Rung]](), Counter[tuple[Verdict | None, Rung]]()
    latest: dict[TextKey, Finding] = {}
    for done in history:
        passed = {text_key(f) for f in done.findings if f.outcome is Outcome.PASS}
        for change in done.changes:
            for polarity in Polarity if change.what == "repair" else ():
                rungs = [rung for side, rung in change.rungs if side is polarity]
                verdict = _failed_with(change, polarity, latest)
                tried.update((verdict, rung) for rung in rungs)
                taken = _rung_taken(change, polarity, rungs)
                if taken and change.after and (change.pair, polarity, change.after.side(polarity).key) in passed:
                    repaired[verdict, taken] += 1
        latest |= {text_key(finding): finding for finding in done.findings}
    order = sorted(tried, key=lambda pair: (_rank(pair[0]), list(Rung).index(pair[1])))
    return tuple(RungFacts(verdict=v, rung=r, tried=tried[v, r], mended=repaired[v, r]) for v, r in order)


def _rank(verdict: Verdict | None) -> int:
    return len(Verdict) if verdict is None else list(Verdict).index(verdict)


def text_key(finding: Finding) -> TextKey:
    """Which text a finding is about."""
    return finding.pair, finding.polarity, finding.key


def _failed_with(change: Change, polarity: Polarity, latest: dict[TextKey, Finding]) -> Verdict | None:
    """The verdict on a side before the change; None if it was not this side that failed."""
    if change.before is None:
        return None
    finding = latest.get((change.pair, polarity, change.before.side(polarity).key))
    return finding.verdict if finding is not None and finding.outcome is Outcome.FAIL else None


def _rung_taken(change: Change, polarity: Polarity, rungs: Sequence[Rung]) -> Rung | None:
    """The rung whose candidate became the side's text; None if the text stayed, or no rung was for this side."""
    if not rungs or change.before is None or change.after is None:
        return None
    text = change.after.side(polarity).text
    if text == change.before.side(polarity).text:
        return None
    return next((c.rung for c in change.candidates if c.text == text and c.rung in rungs), rungs[-1])


def hardest_pairs(history: History, changes: Iterable[PairChange]) -> tuple[RepairHistory, ...]:
    """The pairs with the most repairs, then the most candidates; ties in the order of the proposal."""
    hard = sorted((c for c in changes if c.repairs >= _MIN_REPAIRS), key=lambda c: (-c.repairs, -c.candidates))
    steps: dict[str, list[Step]] = {change.pair: [] for change in hard[:_SHOWN_HISTORIES]}
    latest: dict[TextKey, Finding] = {}
    for done in history:
        for change in done.changes:
            if change.what == "repair" and change.pair in steps:
                steps[change.pair].append(_step(done.number, change, latest))
        latest |= {text_key(finding): finding for finding in done.findings}
    return tuple(RepairHistory(pair=pair, steps=tuple(made)) for pair, made in steps.items())


def _step(number: int, change: Change, latest: dict[TextKey, Finding]) -> Step:
    before, after = change.before, change.after
    refused = Counter(candidate.refused for candidate in change.candidates if candidate.refused)
    edited = [p for p in Polarity if before and after and before.side(p).key != after.side(p).key]
    repaired = [p for p in Polarity if any(side is p for side, _ in change.rungs)]
    return Step(
        round=number,
        found=tuple((p, _failed_with(change, p, latest)) for p in repaired),
        rungs=tuple(dict.fromkeys(change.rungs)),
        candidates=len(change.candidates),
        refused=tuple(sorted(refused.items(), key=lambda item: (-item[1], item[0]))),
        texts=tuple((p, after.side(p).text) for p in edited if after),
        why=change.why,
    )
