"""Builds the report of a campaign from its history."""

from collections import Counter
from collections.abc import Iterator, Sequence

from agent.loop.state import SetState, Status, apply_round
from agent.review.proposal import PairChange, Proposal, propose
from agent.review.report.model import Report, RoundFacts, RunMeasures, RunSettings, ScoreDistribution, is_in_set
from agent.review.report.repair_stats import (
    TextKey,
    hardest_pairs,
    rung_yields,
    rungs_by_verdict,
    score_drift,
    text_key,
)
from agent.schema import (
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
    Stop,
    Verdict,
)
from agent.stats import Rate, wilson
from agent.steps.reliability import audit_rate, disagreement_rates, wording_disagreements
from agent.storage.dataset import FileHashes
from agent.storage.ledger_database import Spent

_SHOWN = (Question.FORECAST, Question.RESPONSE, Question.C0, Question.C5)
_SHOWN_SUSTAINED = (Question.FORECAST, Question.RESPONSE, Question.OPENING, Question.C0)


class RunRecord(FrozenModel):
    """What is stored of one campaign: the dataset's pairs it began from, its rounds, what it cost."""

    campaign: int
    dataset: tuple[Pair, ...]
    history: History
    stop: Stop | None
    state: str = ""
    spent: tuple[Spent, ...] = ()
    completions: int = 0
    answered_by: tuple[tuple[str, str, int], ...] = ()


def measure_run(history: History) -> RunMeasures:
    """Its rounds, its audit rate and its flap rates."""
    findings = [finding for done in history for finding in done.findings]
    rounds, state = [], SetState()
    for done in history:
        state = apply_round(state, done)
        rounds.append(_round(done, state))
    return RunMeasures(
        rounds=tuple(rounds),
        audit=audit_rate(findings),
        flaps=tuple(disagreement_rates(wording_disagreements(findings)).items()),
    )


def _round(done: Round, state: SetState) -> RoundFacts:
    made = Counter(change.what for change in done.changes if change.before != change.after)
    return RoundFacts(
        number=done.number,
        move=done.move.kind,
        made=tuple(sorted(made.items())),
        size=len(state.items),
        passing=len(state.at(Status.PASSED, Status.CONFIRMED, Status.AUDITED)),
        confirmed=len(state.at(Status.CONFIRMED, Status.AUDITED)),
        audited=len(state.at(Status.AUDITED)),
        parked=len(state.parked),
        dropped=len(state.removed) - len(state.parked),
        cost=done.cost,
    )


def build_report(settings: RunSettings, record: RunRecord, measures: RunMeasures) -> Report:
    """The report of a campaign, finished or not."""
    changes, history = _changes(settings, record), record.history
    examined = _ExaminedTexts(history)
    return Report(
        asked=settings,
        campaign=record.campaign,
        stop=record.stop,
        state=record.state,
        measured=measures,
        first=examined.first_pass_rate(),
        failures=examined.failures(),
        repairs=rungs_by_verdict(history),
        yields=rung_yields(history),
        drift=score_drift(history),
        spreads=tuple(_distributions(examined, changes, settings.trait.mode)),
        controls=next((done.controls for done in reversed(history) if done.controls is not None), None),
        noise=next((done.noise for done in reversed(history) if done.noise is not None), None),
        hardest=hardest_pairs(history, changes),
        spent=record.spent,
        completions=record.completions,
        answered_by=record.answered_by,
        changes=changes,
    )


def _changes(settings: RunSettings, record: RunRecord) -> tuple[PairChange, ...]:
    """The pairs of the proposal, or of the proposal that would be made if an unfinished run stopped now."""
    proposal = Proposal(
        trait=settings.trait.id,
        dataset=FileHashes(positive=None, negative=None, definition=None),
        campaign=record.campaign,
        rounds=len(record.history),
        stop=record.stop or Stop(ending=Ending.STOPPED, why=""),
        changes=(),
    )
    return propose(proposal, record.dataset, record.history).changes


class _ExaminedTexts:
    """The first finding on each side of each pair, and one finding on each text: a failed one if there is any."""

    def __init__(self, history: Sequence[Round]) -> None:
        self.first: dict[tuple[str, Polarity], Finding] = {}
        self.texts: dict[TextKey, Finding] = {}
        for done in history:
            for finding in done.findings:
                self.first.setdefault((finding.pair, finding.polarity), finding)
                known = self.texts.get(text_key(finding))
                if known is None or known.outcome is not Outcome.FAIL:
                    self.texts[text_key(finding)] = finding

    def first_pass_rate(self) -> Rate:
        """How many of all examined pairs passed at their first examination."""
        pairs = dict.fromkeys(pair for pair, _ in self.first)
        both = [[self.first.get((pair, polarity)) for polarity in Polarity] for pair in pairs]
        passed = [all(f is not None and f.outcome is Outcome.PASS for f in found) for found in both]
        return wilson(sum(passed), len(passed))

    def failures(self) -> tuple[tuple[Verdict, int], ...]:
        """How many texts failed with which verdict, at any depth; each text counts once."""
        counts = Counter(f.verdict for f in self.texts.values() if f.outcome is Outcome.FAIL and f.verdict is not None)
        return tuple((verdict, counts[verdict]) for verdict in Verdict if counts[verdict])


def _distributions(examined: _ExaminedTexts, changes: Sequence[PairChange], mode: Mode) -> Iterator[ScoreDistribution]:
    """Scores by question and side: before of everything examined, after of the set only."""
    kept = [side for change in changes if is_in_set(change) for side in change.sides]
    for question in _SHOWN_SUSTAINED if mode is Mode.SUSTAINED else _SHOWN:
        for polarity in Polarity:
            before = [f.score(question) for (_, side), f in examined.first.items() if side is polarity]
            evidence = [side.after.evidence for side in kept if side.polarity is polarity]
            after = [found.score(question) for found in evidence if found is not None]
            yield ScoreDistribution(
                question=question,
                polarity=polarity,
                before=tuple(score for score in before if score is not None),
                after=tuple(score for score in after if score is not None),
            )
