"""Moves, what they change, and the rounds that make a history."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from agent.schema.judging import Controls, Finding, Noise, Question, Verdict
from agent.schema.texts import Noun, Pair, Polarity


class Rung(StrEnum):
    """One step of the repair ladder, cheapest first."""

    CUT = "cut"
    CLIFFHANGER = "cliffhanger"
    STRENGTHEN = "strengthen"
    SIMPLIFY = "simplify"
    RETOPIC = "retopic"
    SHORTEN = "shorten"
    EXTENDED = "extended"
    REPLACE = "replace"


class Candidate(Noun):
    """One proposed text of a repair and why it was or was not taken."""

    text: str
    rung: Rung
    refused: str | None = None
    verdict: Verdict | None = None
    scores: tuple[tuple[Question, float], ...] = ()


class Change(Noun):
    """What a move did to one pair. `after` is None when it left the set, `before` again when no candidate passed."""

    pair: str
    what: Literal["adopt", "draft", "repair", "drop"]
    before: Pair | None
    after: Pair | None
    rungs: tuple[tuple[Polarity, Rung], ...] = ()
    candidates: tuple[Candidate, ...] = ()
    why: str = ""


class Park(Noun):
    """A pair taken out of the set for the human, with the reason."""

    pair: str
    why: str


class Draft(Noun):
    """Bring `count` pairs into the set on the way to `goal`; the first `adopt` come from the dataset, in file order."""

    kind: Literal["draft"] = "draft"
    goal: int
    count: int
    adopt: int = 0


class Repair(Noun):
    """Mend `pairs` by the ladder; drop `replace`, which used up their repairs, to make room for fresh drafts."""

    kind: Literal["repair"] = "repair"
    pairs: tuple[str, ...]
    replace: tuple[str, ...] = ()


class Recheck(Noun):
    kind: Literal["recheck"] = "recheck"
    pairs: tuple[str, ...]


class Confirm(Noun):
    kind: Literal["confirm"] = "confirm"
    pairs: tuple[str, ...]


class Audit(Noun):
    kind: Literal["audit"] = "audit"
    pairs: tuple[str, ...]


class Ending(StrEnum):
    """Why a run stopped; each has its exit code."""

    READY = "ready"
    READY_WITH_PARKED = "ready, parked items remain"
    CAP = "cap"
    NOT_READY = "not ready"
    ENDPOINT = "endpoint"
    STALLED = "stalled"
    STOPPED = "stopped"


EXIT_CODES = {
    Ending.READY: 0,
    Ending.READY_WITH_PARKED: 2,
    Ending.CAP: 3,
    Ending.NOT_READY: 3,
    Ending.ENDPOINT: 4,
    Ending.STALLED: 5,
    Ending.STOPPED: 6,
}


class Stop(Noun):
    kind: Literal["stop"] = "stop"
    ending: Ending
    why: str

    @property
    def ready(self) -> bool:
        return self.ending in (Ending.READY, Ending.READY_WITH_PARKED)


Move = Annotated[Draft | Repair | Recheck | Confirm | Audit | Stop, Field(discriminator="kind")]


class Cost(Noun):
    """What was bought: calls and tokens by role ("subject" counts completions), money in millionths of a dollar."""

    calls: tuple[tuple[str, int], ...] = ()
    tokens_in: int = 0
    tokens_out: int = 0
    micro_usd: int = 0


class Round(Noun):
    """One move with everything it produced and saw. `cost` counts answers first used by this round."""

    version: Literal[1] = 1
    number: int
    move: Move
    changes: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()
    parked: tuple[Park, ...] = ()
    notes: tuple[str, ...] = ()
    controls: Controls | None = None  # of the round that confirmed the pilot
    noise: Noise | None = None  # of rounds that confirmed: all votes of the campaign so far
    cost: Cost = Cost()


History = tuple[Round, ...]
