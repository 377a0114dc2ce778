"""What a report holds: every number and text of the page, so that the page follows from it alone."""

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
    """What the run was to do. `models` is (role or "subject", model and method) as the campaign recorded them."""

    trait: Trait
    plan: Plan
    models: tuple[tuple[str, str], ...] = ()


class RoundFacts(FrozenModel):
    """One round and how the set stood after it. `passing` includes confirmed, and `confirmed` audited pairs."""

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
    """What follows from the history by the loop's own rules."""

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
    """How often a rung was tried on texts of one diagnosis (None: none of their own), and how often it mended them."""

    verdict: Verdict | None
    rung: Rung
    tried: int
    mended: int


class RungYield(FrozenModel):
    """What a rung came to: repairs that reached it, candidates offered, fit to be tried, passing, and texts taken.

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
    """What edits changed on `n` texts, each as (mean, low, high): forecast towards its own side, and C0."""

    n: int
    forecast: tuple[float, float, float]
    commitment: tuple[float, float, float]

    @property
    def is_bought(self) -> bool:
        """Whether better scores come with texts that commit themselves: both rise, by more than chance."""
        return self.forecast[1] > 0 and self.commitment[1] > 0


class Step(FrozenModel):
    """One repair of a pair: what was found before, what was tried, what was refused for which reason, what came of it.

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
    """The repairs of a pair that was hard to mend, in order."""

    pair: str
    steps: tuple[Step, ...]


class Report(FrozenModel):
    """A trait's night. `stop` is None while no run of the campaign has ended; `state` then says how it is."""

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
    changes: tuple[PairChange, ...]

    @property
    def last(self) -> RoundFacts:
        """How the set stands."""
        nothing = RoundFacts(
            number=0, move="", size=0, passing=0, confirmed=0, audited=0, parked=0, dropped=0, cost=Usage()
        )
        return self.measured.rounds[-1] if self.measured.rounds else nothing

    @property
    def only_advice(self) -> bool:
        """Whether the self-check says that verdicts of this run are not to be relied on."""
        return self.controls is not None and self.controls.high < BELIEVED

    @property
    def is_sustained(self) -> bool:
        """Whether the tone may show in a text already, so that neither V nor C0 nor C5 is a criterion."""
        return self.asked.trait.mode is Mode.SUSTAINED

    def those(self, *whats: str) -> tuple[PairChange, ...]:
        """The pairs proposed as any of these, in order."""
        return tuple(change for change in self.changes if change.what in whats)


BELIEVED = 0.9  # where the whole interval of the self-check lies below, verdicts are advice


def flags_of(change: PairChange) -> tuple[Flag, ...]:
    """The flags of both sides' last evidence, each once."""
    found = [side.after.evidence for side in change.sides]
    return tuple(dict.fromkeys(flag for evidence in found if evidence for flag in evidence.flags))


def followed(change: PairChange, side: SideChange) -> Polarity | None:
    """The twin for whose sake alone a side's text is another: a new topic is for both, whichever of them failed."""
    changed = side.before is not None and side.before.key != side.after.key
    twin = next(one for one in change.sides if one.polarity is not side.polarity)
    return twin.polarity if changed and not side.rungs and Rung.RETOPIC in twin.rungs else None


def with_twin(change: PairChange, side: SideChange) -> str:
    """The same in words; empty where it is not so."""
    twin = followed(change, side)
    return f"changed with the {twin}: another topic for the pair" if twin else ""


def is_kept(change: PairChange) -> bool:
    """Whether the pair is in the set."""
    return change.what in ("unchanged", "changed", "added")


def ordinal_of(evidence: TextEvidence | None) -> tuple[float, float] | None:
    """(C0, C5) where both were scored."""
    if evidence is None:
        return None
    c0, c5 = evidence.score(Question.C0), evidence.score(Question.C5)
    return None if c0 is None or c5 is None else (c0, c5)
