"""The recorded history of a campaign: moves, rounds, their canonical form, and what a campaign is based on."""

from collections import Counter
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from agent.schema.endings import Stop
from agent.schema.judging import Controls, Finding, JudgeNoise, Outcome, Question, Verdict
from agent.schema.pairs import FrozenModel, Pair, Polarity, digest
from agent.schema.requests import Role


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


class Candidate(FrozenModel):
    """One proposed text of a repair and why it was or was not taken.

    `opening`: the subject's first k tokens after it, where it was completed.
    """

    text: str
    rung: Rung
    refused: str | None = None
    verdict: Verdict | None = None
    scores: tuple[tuple[Question, float], ...] = ()
    polarity: Polarity | None = None
    opening: str = ""


class Change(FrozenModel):
    """What a move did to one pair. `after` is None if it left the set, and equals `before` if no candidate passed."""

    pair: str
    what: Literal["adopt", "draft", "repair", "drop"]
    before: Pair | None
    after: Pair | None
    rungs: tuple[tuple[Polarity, Rung], ...] = ()
    candidates: tuple[Candidate, ...] = ()
    why: str = ""


class Park(FrozenModel):
    """A pair taken out of the set and left to the human, with the reason."""

    pair: str
    why: str


class Draft(FrozenModel):
    """Add `count` pairs to the set on the way to `goal`; the first `adopt` come from the dataset, in file order."""

    kind: Literal["draft"] = "draft"
    goal: int
    count: int
    adopt: int = 0


class Repair(FrozenModel):
    """Repair `pairs` by the ladder; drop `replace`, which have no repairs left, to make room for drafts."""

    kind: Literal["repair"] = "repair"
    pairs: tuple[str, ...]
    replace: tuple[str, ...] = ()


class Recheck(FrozenModel):
    kind: Literal["recheck"] = "recheck"
    pairs: tuple[str, ...]


class Confirm(FrozenModel):
    kind: Literal["confirm"] = "confirm"
    pairs: tuple[str, ...]


class Audit(FrozenModel):
    kind: Literal["audit"] = "audit"
    pairs: tuple[str, ...]


class Resume(FrozenModel):
    """Go on after an ending that an earlier run has reported.

    `pairs` were parked for want of an answer and are asked again. `anyway` is what `--resume-anyway` asks for: pilot,
    patience, empty drafts and parked pairs count anew, and the judge's self-check no longer ends this campaign.
    """

    kind: Literal["resume"] = "resume"
    pairs: tuple[str, ...] = ()
    anyway: bool = False


Move = Annotated[Draft | Repair | Recheck | Resume | Confirm | Audit | Stop, Field(discriminator="kind")]


class Usage(FrozenModel):
    """Usage: calls by role ("subject" counts completions), tokens, and cost in millionths of a dollar."""

    calls: tuple[tuple[str, int], ...] = ()
    tokens_in: int = 0
    tokens_out: int = 0
    micro_usd: int = 0


class Round(FrozenModel):
    """One move with all that it changed and found. `cost` counts answers first used by this round."""

    version: Literal[1] = 1
    number: int
    move: Move
    changes: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()
    parked: tuple[Park, ...] = ()
    notes: tuple[str, ...] = ()
    controls: Controls | None = None  # of the round that confirmed the pilot
    noise: JudgeNoise | None = None  # of rounds that confirmed: all votes of the campaign so far
    cost: Usage = Usage()


History = tuple[Round, ...]


def canonical_lines(history: History) -> bytes:
    """Rounds as JSON lines. A recheck is merged into the round whose open questions it answered."""
    rounds: list[Round] = []
    for round in history:
        if isinstance(round.move, Recheck) and rounds:
            rounds[-1] = _closed(rounds[-1], round)
        else:
            rounds.append(round.model_copy(update={"number": len(rounds) + 1}))
    return b"".join(round.model_dump_json().encode() + b"\n" for round in rounds)


def _closed(before: Round, again: Round) -> Round:
    answered = {_subject(finding): finding for finding in again.findings}
    findings = tuple(_settled(finding, answered.get(_subject(finding))) for finding in before.findings)
    return before.model_copy(
        update={
            "changes": before.changes + again.changes,
            "findings": findings,
            "parked": before.parked + again.parked,
            "cost": add_costs(before.cost, again.cost),
        }
    )


def _subject(finding: Finding) -> tuple[str, str, str]:
    return finding.pair, finding.polarity, finding.key


def _settled(finding: Finding, again: Finding | None) -> Finding:
    return again if again is not None and finding.outcome is Outcome.UNJUDGED else finding


def add_costs(*costs: Usage) -> Usage:
    """The sum, calls by role in alphabetical order."""
    calls: Counter[str] = Counter()
    for cost in costs:
        calls.update(dict(cost.calls))
    return Usage(
        calls=tuple(sorted(calls.items())),
        tokens_in=sum(cost.tokens_in for cost in costs),
        tokens_out=sum(cost.tokens_out for cost in costs),
        micro_usd=sum(cost.micro_usd for cost in costs),
    )


class CampaignBasis(FrozenModel):
    """The inputs a campaign depends on, stored with it as a JSON object of strings.

    Field names with underscores are stored with spaces ("dataset positive"); fields that are None are left out.
    """

    model_config = ConfigDict(alias_generator=lambda name: name.replace("_", " "), populate_by_name=True)

    dataset_positive: str
    """SHA-256 (hex) of the file; empty where there is none. The same holds for the next two."""
    dataset_negative: str
    dataset_definition: str
    trait: str
    """The Trait as JSON."""
    settings: str
    """Digest of the settings that influence results (`Settings.meaning`)."""
    prompts: str
    """Digest of all prompt files."""
    subject: str
    """The subject's signature: weights, dtype and method."""
    author: str
    """Signature of the role's model: "MODEL at URL by METHOD". The same holds for the next two."""
    judge: str
    auditor: str
    decisions: str | None = None
    """Digest of the human decisions in force at the start; None where there were none."""
    starting_set: str | None = None
    """The StartingSet as JSON, where there were decisions: its proposal is overwritten when the campaign ends."""
    pairing: str | None = None
    """"by line" where an empty line took its partner along: earlier versions paired the following lines otherwise."""

    @property
    def items(self) -> dict[str, str]:
        """The stored JSON object."""
        return self.model_dump(by_alias=True, exclude_none=True)

    @property
    def key(self) -> str:
        """Digest of all items in order of their names. Campaigns with the same key continue each other."""
        return digest(*(part for item in sorted(self.items.items()) for part in item))

    @property
    def models(self) -> tuple[tuple[str, str], ...]:
        """The subject and the three roles by name, each with its signature."""
        items = self.items
        return tuple((name, items[name]) for name in ("subject", *(role.value for role in Role)))

    @property
    def addresses(self) -> set[str]:
        """The models of the three roles with their endpoints: "MODEL at URL"."""
        return {self.items[role.value].rpartition(" by ")[0] for role in Role}

    def changed_since(self, earlier: "CampaignBasis") -> tuple[str, ...]:
        """Names of the items whose values differ from an earlier basis, sorted."""
        return tuple(sorted(name for name, value in self.items.items() if earlier.items.get(name) != value))
