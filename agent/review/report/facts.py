"""From a history to a report: what failed and what mended it, scores before and after, the pairs that were hardest."""

from collections import Counter
from collections.abc import Iterator, Sequence

from agent.record.layout import Hashes
from agent.record.ledger_rows import Spent
from agent.review.proposal import PairChange, Proposal, propose
from agent.review.report.ladder import drift, yields
from agent.review.report.nouns import Asked, Journey, Measured, Report, RungFacts, Spread, Step, is_kept
from agent.schema import (
    Change,
    Ending,
    Finding,
    History,
    Mode,
    Noun,
    Outcome,
    Pair,
    Polarity,
    Question,
    Round,
    Rung,
    Stop,
    Verdict,
)
from agent.schema.rates import Rate, wilson

_SHOWN = (Question.FORECAST, Question.RESPONSE, Question.C0, Question.C5)
_SHOWN_SUSTAINED = (Question.FORECAST, Question.RESPONSE, Question.OPENING, Question.C0)
_HARDEST = 6
_HARD = 2  # repairs from which on a pair counts as hard

Examined = tuple[str, Polarity, str]  # pair, side, key of the text


class Record(Noun):
    """What lies on disk of one campaign: its dataset's pairs as they were taken in, its rounds, what it cost."""

    campaign: int
    dataset: tuple[Pair, ...]
    history: History
    stop: Stop | None
    state: str = ""
    spent: tuple[Spent, ...] = ()
    completions: int = 0


def report(asked: Asked, record: Record, measured: Measured) -> Report:
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


def _changes(asked: Asked, record: Record) -> tuple[PairChange, ...]:
    """The proposal's pairs. While nothing has stopped there is no proposal; its pairs can be told all the same."""
    so_far = Proposal(
        trait=asked.trait.id,
        dataset=Hashes(positive=None, negative=None, definition=None),
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


def _spreads(seen: _Seen, changes: Sequence[PairChange], mode: Mode) -> Iterator[Spread]:
    """Only pairs of the set have an after; whatever was examined has a before."""
    kept = [side for change in changes if is_kept(change) for side in change.sides]
    for question in _SHOWN_SUSTAINED if mode is Mode.SUSTAINED else _SHOWN:
        for polarity in Polarity:
            before = [f.score(question) for (_, side), f in seen.first.items() if side is polarity]
            evidence = [side.after.evidence for side in kept if side.polarity is polarity]
            after = [found.score(question) for found in evidence if found is not None]
            yield Spread(
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


def _hardest(history: History, changes: Sequence[PairChange]) -> tuple[Journey, ...]:
    """The pairs with the most repairs, then the most candidates; among equals the first."""
    hard = sorted((c for c in changes if c.repairs >= _HARD), key=lambda c: (-c.repairs, -c.candidates))[:_HARDEST]
    steps: dict[str, list[Step]] = {change.pair: [] for change in hard}
    latest: dict[Examined, Finding] = {}
    for done in history:
        for change in done.changes:
            if change.what == "repair" and change.pair in steps:
                steps[change.pair].append(_step(done.number, change, latest))
        latest |= {_about(finding): finding for finding in done.findings}
    return tuple(Journey(pair=pair, steps=tuple(made)) for pair, made in steps.items())


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
