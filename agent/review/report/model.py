"""Report model: every number and text of the page, so that the page follows from it alone."""

from typing import Literal

from agent.review.proposal import PairChange, SideChange, TextEvidence
from agent.schema import (
    Controls,
    Flag,
    FrozenModel,
    JudgeNoise,
    Mode,
    Plan,
    Polarity,
    Question,
    Rung,
    Stop,
    Trait,
    Usage,
    Verdict,
)
from agent.stats import Rate
from agent.storage.ledger_database import Spent


class RunSettings(FrozenModel):
    """Settings of the run. `models` is (role or "subject", model and method) as the campaign recorded them."""

    trait: Trait
    plan: Plan
    models: tuple[tuple[str, str], ...] = ()


class RoundFacts(FrozenModel):
    """One round, and the set after it. `passing` includes confirmed, and `confirmed` audited pairs."""

    number: int
    move: str
    made: tuple[tuple[str, int], ...] = ()
    size: int
    passing: int
    confirmed: int
    audited: int
    parked: int
    dropped: int
    cost: Usage


class RunMeasures(FrozenModel):
    """Statistics of the history: its rounds, the audit rate, the flap rate of each question."""

    rounds: tuple[RoundFacts, ...] = ()
    audit: Rate
    flaps: tuple[tuple[Question, Rate], ...] = ()


class ScoreDistribution(FrozenModel):
    """Scores of one question on one side, 0 to 100: as pairs were first examined, and of the set as it stands."""

    question: Question
    polarity: Polarity
    before: tuple[float, ...]
    after: tuple[float, ...]


class RungFacts(FrozenModel):
    """How often a rung was tried on texts with one verdict, and repaired them. No verdict: only the twin failed."""

    verdict: Verdict | None
    rung: Rung
    tried: int
    mended: int


class RungYield(FrozenModel):
    """Yield of a rung: repairs that reached it, candidates offered, fit to be tried, passing, and texts taken.

    `words` is the median number of words that a taken text puts in and takes out.
    """

    rung: Rung
    reached: int
    offered: int
    fit: int
    passing: int
    taken: int
    words: float | None


class Drift(FrozenModel):
    """Score changes of `n` edited texts as (mean, low, high): forecast towards the text's own side, and C0."""

    n: int
    forecast: tuple[float, float, float]
    commitment: tuple[float, float, float]

    @property
    def is_inflated(self) -> bool:
        """Whether better scores come with texts that give the trait away: both rise, by more than chance."""
        return self.forecast[1] > 0 and self.commitment[1] > 0


class Step(FrozenModel):
    """One repair of a pair: verdicts before, rungs tried, candidates refused by reason, texts after.

    `texts` is empty where the pair was kept as it was.
    """

    round: int
    found: tuple[tuple[Polarity, Verdict | None], ...]
    rungs: tuple[tuple[Polarity, Rung], ...]
    candidates: int
    refused: tuple[tuple[str, int], ...] = ()
    texts: tuple[tuple[Polarity, str], ...] = ()
    why: str = ""


class RepairHistory(FrozenModel):
    """The repairs of one pair, in order."""

    pair: str
    steps: tuple[Step, ...]


class Report(FrozenModel):
    """The report on one trait. `stop` is None while no run of the campaign has ended; `state` then describes it."""

    version: Literal[1] = 1
    asked: RunSettings
    campaign: int
    stop: Stop | None
    state: str = ""
    measured: RunMeasures
    first: Rate
    failures: tuple[tuple[Verdict, int], ...]
    repairs: tuple[RungFacts, ...]
    yields: tuple[RungYield, ...] = ()
    drift: Drift | None = None
    spreads: tuple[ScoreDistribution, ...]
    controls: Controls | None
    noise: JudgeNoise | None = None
    hardest: tuple[RepairHistory, ...]
    spent: tuple[Spent, ...]
    completions: int
    answered_by: tuple[tuple[str, str, int], ...] = ()  # role, model as its replies name it, answers
    changes: tuple[PairChange, ...]

    @property
    def latest(self) -> RoundFacts:
        """The set after the last round; all zero before the first."""
        nothing = RoundFacts(
            number=0, move="", size=0, passing=0, confirmed=0, audited=0, parked=0, dropped=0, cost=Usage()
        )
        return self.measured.rounds[-1] if self.measured.rounds else nothing

    @property
    def is_judge_unreliable(self) -> bool:
        """Whether the self-check failed: the whole interval of its AUC lies below the required one."""
        return self.controls is not None and self.controls.high < RELIABLE_AUC

    @property
    def is_sustained(self) -> bool:
        """Whether the trait is a tone that the text may already show, so that V, C0 and C5 are not criteria."""
        return self.asked.trait.mode is Mode.SUSTAINED

    def those(self, *kinds: str) -> tuple[PairChange, ...]:
        """The pairs of these kinds, in order."""
        return tuple(change for change in self.changes if change.what in kinds)


RELIABLE_AUC = 0.9  # AUC that the controls must reach: the default of `Caps.min_control_auc`


def flags_of(change: PairChange) -> tuple[Flag, ...]:
    """The flags of both sides' latest evidence, each once."""
    found = [side.after.evidence for side in change.sides]
    return tuple(dict.fromkeys(flag for evidence in found if evidence for flag in evidence.flags))


def changed_for_twin(change: PairChange, side: SideChange) -> Polarity | None:
    """The other side, if this one was changed only because the pair got a new topic for it; otherwise None."""
    changed = side.before is not None and side.before.key != side.after.key
    twin = next(one for one in change.sides if one.polarity is not side.polarity)
    return twin.polarity if changed and not side.rungs and Rung.RETOPIC in twin.rungs else None


def twin_note(change: PairChange, side: SideChange) -> str:
    """The same in words; empty if it is not so."""
    twin = changed_for_twin(change, side)
    return f"changed with the {twin}: another topic for the pair" if twin else ""


def is_in_set(change: PairChange) -> bool:
    """Whether the pair is in the set."""
    return change.what in ("unchanged", "changed", "added")


def commitment_scores(evidence: TextEvidence | None) -> tuple[float, float] | None:
    """(C0, C5) if both were scored."""
    if evidence is None:
        return None
    c0, c5 = evidence.score(Question.C0), evidence.score(Question.C5)
    return None if c0 is None or c5 is None else (c0, c5)
