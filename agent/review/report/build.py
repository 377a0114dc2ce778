"""The ladder measured: what each rung offered, what of it held, and how many words it changed."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from statistics import median

from agent.loop.state import SetState, Status, apply_round
from agent.review.proposal import PairChange, Proposal, propose
from agent.review.report.model import (
    Drift,
    RepairHistory,
    Report,
    RoundFacts,
    RungFacts,
    RungYield,
    RunMeasures,
    RunSettings,
    ScoreDistribution,
    Step,
    is_kept,
)
from agent.schema import (
    Change,
    Ending,
    Finding,
    FrozenModel,
    History,
    Mode,
    Outcome,
    Pair,
    Polarity,
    Question,
    Round,
    Rung,
    Stop,
    Verdict,
)
from agent.stats import Rate, wilson
from agent.steps.reliability import audit_rate, flap_rates
from agent.storage.dataset import FileHashes
from agent.storage.ledger_database import Spent


def by_role(history: Iterable[Round]) -> Counter[str]:
    """Calls of all rounds by role; "subject" counts completions."""
    calls: Counter[str] = Counter()
    for done in history:
        calls.update(dict(done.cost.calls))
    return calls


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


def measured(history: History) -> RunMeasures:
    """Its rounds, its audit, its flap rates, and what a loop that forgets would have asked."""
    findings = [finding for done in history for finding in done.findings]
    rounds, now = [], SetState()
    for done in history:
        now = apply_round(now, done)
        rounds.append(_round(done, now))
    return RunMeasures(
        rounds=tuple(rounds),
        audit=audit_rate(findings),
        flaps=tuple(flap_rates(findings).items()),
    )


def _round(done: Round, now: SetState) -> RoundFacts:
    made = Counter(change.what for change in done.changes if change.before != change.after)
    return RoundFacts(
        number=done.number,
        move=done.move.kind,
        made=tuple(sorted(made.items())),
        size=len(now.items),
        passing=len(now.at(Status.PASSED, Status.CONFIRMED, Status.AUDITED)),
        confirmed=len(now.at(Status.CONFIRMED, Status.AUDITED)),
        audited=len(now.at(Status.AUDITED)),
        parked=len(now.parked),
        dropped=len(now.removed) - len(now.parked),
        cost=done.cost,
    )


_SHOWN = (Question.FORECAST, Question.RESPONSE, Question.C0, Question.C5)
_SHOWN_SUSTAINED = (Question.FORECAST, Question.RESPONSE, Question.OPENING, Question.C0)
_HARDEST = 6
_HARD = 2  # repairs from which on a pair counts as hard

Examined = tuple[str, Polarity, str]  # pair, side, key of the text


class RunRecord(FrozenModel):
    """What lies on disk of one campaign: its dataset's pairs as they were taken in, its rounds, what it cost."""

    campaign: int
    dataset: tuple[Pair, ...]
    history: History
    stop: Stop | None
    state: str = ""
    spent: tuple[Spent, ...] = ()
    completions: int = 0


def report(asked: RunSettings, record: RunRecord, measured: RunMeasures) -> Report:
    """All that the page shows."""
    changes = _changes(asked, record)
    seen = _Seen(record.history)
    return Report(
        asked=asked,
        campaign=record.campaign,
        stop=record.stop,
        state=record.state,
        measured=measured,
        first=seen.first_rate(),
        failures=seen.failures(),
        repairs=_rungs(record.history),
        yields=yields(record.history),
        drift=drift(record.history),
        spreads=tuple(_spreads(seen, changes, asked.trait.mode)),
        controls=next((done.controls for done in reversed(record.history) if done.controls is not None), None),
        noise=next((done.noise for done in reversed(record.history) if done.noise is not None), None),
        hardest=_hardest(record.history, changes),
        spent=record.spent,
        completions=record.completions,
        changes=changes,
    )


def _changes(asked: RunSettings, record: RunRecord) -> tuple[PairChange, ...]:
    """The proposal's pairs. While nothing has stopped there is no proposal; its pairs can be told all the same."""
    so_far = Proposal(
        trait=asked.trait.id,
        dataset=FileHashes(positive=None, negative=None, definition=None),
        campaign=record.campaign,
        rounds=len(record.history),
        stop=record.stop or Stop(ending=Ending.STOPPED, why=""),
        changes=(),
    )
    return propose(so_far, record.dataset, record.history).changes


class _Seen:
    """The first finding of every pair's sides, and of every text that was ever examined."""

    def __init__(self, history: Sequence[Round]) -> None:
        self.first: dict[tuple[str, Polarity], Finding] = {}
        self.texts: dict[Examined, Finding] = {}
        for done in history:
            for finding in done.findings:
                self.first.setdefault((finding.pair, finding.polarity), finding)
                known = self.texts.get(_about(finding))
                if known is None or known.outcome is not Outcome.FAIL:
                    self.texts[_about(finding)] = finding

    def first_rate(self) -> Rate:
        """How many of all pairs that were ever examined passed as they came."""
        pairs = dict.fromkeys(pair for pair, _ in self.first)
        both = [[self.first.get((pair, polarity)) for polarity in Polarity] for pair in pairs]
        passed = [all(f is not None and f.outcome is Outcome.PASS for f in found) for found in both]
        return wilson(sum(passed), len(passed))

    def failures(self) -> tuple[tuple[Verdict, int], ...]:
        """How many texts failed with which verdict, at whatever depth; each text counts once."""
        counts = Counter(f.verdict for f in self.texts.values() if f.outcome is Outcome.FAIL and f.verdict is not None)
        return tuple((verdict, counts[verdict]) for verdict in Verdict if counts[verdict])


def _about(finding: Finding) -> Examined:
    return finding.pair, finding.polarity, finding.key


def _spreads(seen: _Seen, changes: Sequence[PairChange], mode: Mode) -> Iterator[ScoreDistribution]:
    """Only pairs of the set have an after; whatever was examined has a before."""
    kept = [side for change in changes if is_kept(change) for side in change.sides]
    for question in _SHOWN_SUSTAINED if mode is Mode.SUSTAINED else _SHOWN:
        for polarity in Polarity:
            before = [f.score(question) for (_, side), f in seen.first.items() if side is polarity]
            evidence = [side.after.evidence for side in kept if side.polarity is polarity]
            after = [found.score(question) for found in evidence if found is not None]
            yield ScoreDistribution(
                question=question,
                polarity=polarity,
                before=tuple(score for score in before if score is not None),
                after=tuple(score for score in after if score is not None),
            )


def _rungs(history: History) -> tuple[RungFacts, ...]:
    """Every rung that was tried, by the verdict that called for it."""
    tried, mended = Counter[tuple[Verdict | None, Rung]](), Counter[tuple[Verdict | None, Rung]]()
    latest: dict[Examined, Finding] = {}
    for done in history:
        passed = {_about(f) for f in done.findings if f.outcome is Outcome.PASS}
        for change in done.changes:
            for polarity in Polarity if change.what == "repair" else ():
                rungs = [rung for side, rung in change.rungs if side is polarity]
                verdict = _verdict(change, polarity, latest)
                tried.update((verdict, rung) for rung in rungs)
                taken = _taken(change, polarity, rungs)
                if taken and change.after and (change.pair, polarity, change.after.side(polarity).key) in passed:
                    mended[verdict, taken] += 1
        latest |= {_about(finding): finding for finding in done.findings}
    order = sorted(tried, key=lambda pair: (_rank(pair[0]), list(Rung).index(pair[1])))
    return tuple(RungFacts(verdict=v, rung=r, tried=tried[v, r], mended=mended[v, r]) for v, r in order)


def _rank(verdict: Verdict | None) -> int:
    return len(Verdict) if verdict is None else list(Verdict).index(verdict)


def _verdict(change: Change, polarity: Polarity, latest: dict[Examined, Finding]) -> Verdict | None:
    """What was last found of a side before the change; None where it was not what failed."""
    if change.before is None:
        return None
    finding = latest.get((change.pair, polarity, change.before.side(polarity).key))
    return finding.verdict if finding is not None and finding.outcome is Outcome.FAIL else None


def _taken(change: Change, polarity: Polarity, rungs: Sequence[Rung]) -> Rung | None:
    """The rung whose candidate became the side's text; None where the text stayed, or no rung was for this side."""
    if not rungs or change.before is None or change.after is None:
        return None
    text = change.after.side(polarity).text
    if text == change.before.side(polarity).text:
        return None
    return next((c.rung for c in change.candidates if c.text == text and c.rung in rungs), rungs[-1])


def _hardest(history: History, changes: Sequence[PairChange]) -> tuple[RepairHistory, ...]:
    """The pairs with the most repairs, then the most candidates; among equals the first."""
    hard = sorted((c for c in changes if c.repairs >= _HARD), key=lambda c: (-c.repairs, -c.candidates))[:_HARDEST]
    steps: dict[str, list[Step]] = {change.pair: [] for change in hard}
    latest: dict[Examined, Finding] = {}
    for done in history:
        for change in done.changes:
            if change.what == "repair" and change.pair in steps:
                steps[change.pair].append(_step(done.number, change, latest))
        latest |= {_about(finding): finding for finding in done.findings}
    return tuple(RepairHistory(pair=pair, steps=tuple(made)) for pair, made in steps.items())


def _step(number: int, change: Change, latest: dict[Examined, Finding]) -> Step:
    before, after = change.before, change.after
    refused = Counter(candidate.refused for candidate in change.candidates if candidate.refused)
    edited = [p for p in Polarity if before and after and before.side(p).key != after.side(p).key]
    return Step(
        round=number,
        found=tuple((p, _verdict(change, p, latest)) for p in Polarity if any(side is p for side, _ in change.rungs)),
        rungs=tuple(dict.fromkeys(change.rungs)),
        candidates=len(change.candidates),
        refused=tuple(sorted(refused.items(), key=lambda item: (-item[1], item[0]))),
        texts=tuple((p, after.side(p).text) for p in edited if after),
        why=change.why,
    )
