"""Proposal: what a run would change in a dataset, pair by pair, with the evidence."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from agent.schema import (
    Change,
    Depth,
    Finding,
    Flag,
    Flip,
    FrozenModel,
    History,
    Mode,
    Outcome,
    Pair,
    Polarity,
    Question,
    Resume,
    Round,
    Rules,
    Rung,
    Scenario,
    Stop,
    Verdict,
    split_ending,
)
from agent.storage.dataset import FileHashes
from agent.storage.experiment import LayoutError

PROPOSAL = "proposal.json"
ChangeKind = Literal["added", "changed", "unchanged", "dropped", "parked"]


class TextEvidence(FrozenModel):
    """The last findings on one text. `opening` is the first k tokens; `lock_in` is (samples that passed, judged)."""

    depth: Depth
    outcome: Outcome
    verdict: Verdict | None
    scores: tuple[tuple[Question, float], ...] = ()
    span: str | None = None
    opening: str | None = None
    completion: str | None = None
    lock_in: tuple[int, int] | None = None
    flip: Flip | None = None
    flags: tuple[Flag, ...] = ()

    def score(self, question: Question) -> float | None:
        """The score of one question, 0 to 100; C0 is `Question.C0`."""
        return dict(self.scores).get(question)


class Version(FrozenModel):
    """One scenario's text with the key that decisions are bound to; `evidence` is None if it was never examined."""

    text: str
    system_prompt: str | None
    key: str
    evidence: TextEvidence | None

    def scenario(self, polarity: Polarity) -> Scenario:
        """The text as a scenario again."""
        stem, ending = split_ending(self.text)
        extended = self.evidence is not None and Flag.EXTENDED in self.evidence.flags
        return Scenario(
            polarity=polarity,
            stem=stem,
            ending=ending,
            system_prompt=self.system_prompt,
            flags=(Flag.EXTENDED,) if extended else (),
        )


class SideChange(FrozenModel):
    """One side of a pair: `before` as the dataset has it (None for a draft), `after` as the run has or last had it."""

    polarity: Polarity
    before: Version | None
    after: Version
    rungs: tuple[Rung, ...] = ()


class PairChange(FrozenModel):
    """What is proposed for one pair. `line` is its 0-based line in the dataset, None for a draft."""

    pair: str
    what: ChangeKind
    line: int | None
    sides: tuple[SideChange, SideChange]
    repairs: int = 0
    candidates: int = 0
    why: str = ""

    @property
    def outcome(self) -> Outcome:
        """The worse outcome of the two sides as last examined; unjudged where one never was."""
        found = [side.after.evidence for side in self.sides]
        outcomes = {evidence.outcome if evidence else Outcome.UNJUDGED for evidence in found}
        return next(o for o in (Outcome.FAIL, Outcome.UNJUDGED, Outcome.PASS) if o in outcomes)

    @property
    def passes(self) -> bool:
        return self.outcome is Outcome.PASS

    @property
    def before(self) -> Pair | None:
        """The pair as the dataset had it; None for a draft."""
        positive, negative = (side.before for side in self.sides)
        return self._pair(positive, negative) if positive and negative else None

    @property
    def after(self) -> Pair:
        """The pair as the run has or last had it."""
        return self._pair(self.sides[0].after, self.sides[1].after)

    def _pair(self, positive: Version, negative: Version) -> Pair:
        return Pair(
            id=self.pair,
            positive=positive.scenario(Polarity.POSITIVE),
            negative=negative.scenario(Polarity.NEGATIVE),
            line=self.line,
        )


class Proposal(FrozenModel):
    """All that a human needs to decide about one trait. Bound to the dataset's hashes and the texts' keys.

    `rules` and `mode` are those the evidence was judged by.
    """

    version: Literal[1] = 1
    trait: str
    dataset: FileHashes
    campaign: int
    rounds: int
    stop: Stop
    mode: Mode = Mode.DECISION
    rules: Rules = Rules()
    changes: tuple[PairChange, ...]

    def those(self, *whats: ChangeKind) -> tuple[PairChange, ...]:
        """The pairs proposed as any of these, in order."""
        return tuple(change for change in self.changes if change.what in whats)


def read_proposal(path: Path) -> Proposal:
    """A proposal from its file. Raises LayoutError where there is none, or none that can be read."""
    try:
        return Proposal.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise LayoutError("nothing is proposed yet. Run `cliffhanger run` first.") from error
    except (OSError, ValidationError) as error:
        raise LayoutError(f"{path} cannot be read as a proposal. Move it away: a run writes another.") from error


def propose(proposal: Proposal, dataset: Sequence[Pair], history: History, left_out: Collection[str] = ()) -> Proposal:
    """The proposal with its changes: the dataset's pairs in file order, then the drafts in order of entry.

    `left_out` are ids of the dataset's pairs without which the campaign began, since a human dropped them.
    """
    record = _Record(dataset, history)
    record.left |= dict.fromkeys(left_out, ("dropped", "dropped by a human before this campaign"))
    return proposal.model_copy(update={"changes": tuple(record.change(pair_id) for pair_id in record.last)})


def final_pairs(proposal: Proposal, dataset: Sequence[Pair], history: History) -> tuple[Pair, ...]:
    """The set as it would be written: existing pairs in their present version, then the drafts that pass."""
    last = _Record(dataset, history).last
    kept = (c for c in proposal.those("added", "changed", "unchanged") if c.what != "added" or c.passes)
    return tuple(last[change.pair] for change in kept)


class _Record:
    """A history by pair: original, last text, why it was removed, repairs and findings."""

    def __init__(self, dataset: Sequence[Pair], history: History) -> None:
        self.originals = {pair.id: pair for pair in dataset}
        self.last = dict(self.originals)
        self.left: dict[str, tuple[ChangeKind, str]] = {}
        self.repairs: dict[str, list[Change]] = {}
        self.findings: dict[tuple[str, str], Finding] = {}
        for done in history:
            self._read(done)

    def _read(self, done: Round) -> None:
        for key in done.move.pairs if isinstance(done.move, Resume) else ():
            self.left.pop(key, None)
        for change in done.changes:
            if change.after is None:
                self.left[change.pair] = ("dropped", change.why)
            else:
                self.last[change.pair] = change.after
            if change.what == "repair":
                self.repairs.setdefault(change.pair, []).append(change)
        self.left |= {park.pair: ("parked", park.why) for park in done.parked}
        self.findings |= {(finding.pair, finding.key): finding for finding in done.findings}

    def change(self, pair_id: str) -> PairChange:
        before, after = self.originals.get(pair_id), self.last[pair_id]
        what, why = self.left.get(pair_id, (_what(before, after), ""))
        repairs = self.repairs.get(pair_id, [])
        positive, negative = (self._side(polarity, before, after, repairs) for polarity in Polarity)
        return PairChange(
            pair=pair_id,
            what=what,
            line=after.line,
            sides=(positive, negative),
            repairs=len(repairs),
            candidates=sum(len(change.candidates) for change in repairs),
            why=why,
        )

    def _side(self, polarity: Polarity, before: Pair | None, after: Pair, repairs: Sequence[Change]) -> SideChange:
        return SideChange(
            polarity=polarity,
            before=self._version(before.id, before.side(polarity)) if before else None,
            after=self._version(after.id, after.side(polarity)),
            rungs=tuple(rung for change in repairs for side, rung in change.rungs if side is polarity),
        )

    def _version(self, pair_id: str, scenario: Scenario) -> Version:
        finding = self.findings.get((pair_id, scenario.key))
        return Version(
            text=scenario.text,
            system_prompt=scenario.system_prompt,
            key=scenario.key,
            evidence=evidence_of(finding) if finding else None,
        )


def _what(before: Pair | None, after: Pair) -> ChangeKind:
    if before is None:
        return "added"
    return "unchanged" if before.key == after.key else "changed"


def evidence_of(finding: Finding) -> TextEvidence:
    """The part of a finding that a reviewer sees."""
    scores = [(tally.question, tally.score) for tally in finding.tallies if tally.score is not None]
    return TextEvidence(
        depth=finding.depth,
        outcome=finding.outcome,
        verdict=finding.verdict,
        scores=tuple(scores),
        span=finding.span,
        opening=finding.completion.opening if finding.completion else None,
        completion=finding.completion.text if finding.completion else None,
        lock_in=finding.lock_in,
        flip=finding.flip,
        flags=finding.flags,
    )
