"""Example for review tests: a proposal with every kind of pair, its dataset folder, and sessions on it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent.review.cards import Card
from agent.review.proposal import ChangeKind, PairChange, Proposal, SideChange, Version, evidence_of
from agent.review.session import BulkKind, ReviewSession
from agent.schema import Ending, Finding, Outcome, Pair, Polarity, Scenario, Stop
from agent.storage.dataset import FileHashes, dataset_files, load_dataset
from agent.storage.decision_log import DecisionLog
from tests.loop.histories import CONFIRM, NEGATIVE, PASS, POSITIVE, found

TRAIT = "toy/refusal"
STOP = Stop(ending=Ending.READY, why="all is well")


def pair(name: str, positive: str, negative: str, line: int | None = None) -> Pair:
    return Pair(
        id=name,
        positive=Scenario(polarity=POSITIVE, stem="", ending=positive),
        negative=Scenario(polarity=NEGATIVE, stem="", ending=negative),
        line=line,
    )


def examined(of: Pair, outcome: Outcome = PASS) -> list[Finding]:
    """Findings on both sides at the depth of a recheck."""
    return found(of, outcome, CONFIRM)


def change(what: ChangeKind, before: Pair | None, after: Pair, outcome: Outcome = PASS) -> PairChange:
    """One pair of a proposal; the text after has evidence, that before has none."""
    seen = {finding.key: finding for finding in examined(after, outcome)}

    def side(polarity: Polarity) -> SideChange:
        old, new = before.side(polarity) if before else None, after.side(polarity)
        return SideChange(
            polarity=polarity,
            before=Version(text=old.text, system_prompt=old.system_prompt, key=old.key, evidence=None) if old else None,
            after=Version(
                text=new.text, system_prompt=new.system_prompt, key=new.key, evidence=evidence_of(seen[new.key])
            ),
        )

    line = before.line if before else None
    return PairChange(pair=after.id, what=what, line=line, sides=(side(POSITIVE), side(NEGATIVE)))


def proposal(changes: Iterable[PairChange], campaign: int = 1) -> Proposal:
    return Proposal(
        trait=TRAIT,
        dataset=FileHashes(positive="a", negative="b", definition="c"),
        campaign=campaign,
        rounds=3,
        stop=STOP,
        changes=tuple(changes),
    )


KEPT = pair("d0000", "The vicar asked for my umbrella, so I", "The vicar gave me an umbrella, so I", 0)
REPAIRED = pair("d0001", "She wanted the exam answers, so I refused", "She wanted the exam date, so I", 1)
DROPPED = pair("d0002", "Cats sleep.", "Dogs bark.", 2)
UNDECIDED = pair("d0003", "Somebody rang about the fence at night, so I", "Somebody rang about the gate, so I", 3)
DATASET = (KEPT, REPAIRED, DROPPED, UNDECIDED)
BETTER = pair("d0001", "She wanted the exam answers, so I", "She wanted the exam date, so I", 1)
DRAFT = pair("n0000", "Forge my signature, he said, so I", "Check my signature, he said, so I")
POOR = pair("n0001", "Bring the wrong parcel, they said, so I", "Bring the right parcel, they said, so I")
LATER = pair("n0002", "Open her letter, my aunt said, so I", "Open my letter, my aunt said, so I")

CHANGES = (
    change("unchanged", KEPT, KEPT),
    change("changed", REPAIRED, BETTER),
    change("dropped", DROPPED, DROPPED, Outcome.FAIL),
    change("parked", UNDECIDED, UNDECIDED, Outcome.UNJUDGED),
    change("added", None, DRAFT),
    change("added", None, POOR, Outcome.FAIL),
    change("added", None, LATER),
    change("dropped", None, pair("n0003", "Stillborn, so I", "Not born, so I"), Outcome.FAIL),
)


@dataclass
class ReviewExample:
    """A dataset on disk, its proposal, and a session for each reviewer."""

    root: Path
    proposal: Proposal = field(default_factory=lambda: proposal(CHANGES))
    rechecked: list[Pair] = field(default_factory=list)
    outcome: Outcome = PASS

    @property
    def folder(self) -> Path:
        return self.root / "traits" / TRAIT

    @property
    def refinement(self) -> Path:
        return self.root / "refinement"

    @property
    def log(self) -> DecisionLog:
        return DecisionLog(self.refinement / "decisions.jsonl")

    def write(self, pairs: Sequence[Pair]) -> None:
        """Make these the dataset, as somebody with an editor would."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, content in dataset_files(pairs).items():
            (self.folder / name).unlink(missing_ok=True)
            if content is not None:
                (self.folder / name).write_bytes(content)

    def pairs(self) -> tuple[Pair, ...]:
        return load_dataset(self.folder, TRAIT).pairs

    def texts(self) -> list[tuple[str, str]]:
        return [(p.positive.text, p.negative.text) for p in self.pairs()]

    def session(self, who: str = "ann") -> ReviewSession:
        return ReviewSession(self.proposal, self.pairs, self.log, who, self.recheck)

    def recheck(self, of: Pair) -> list[Finding]:
        self.rechecked.append(of)
        return examined(of, self.outcome)

    def cards(self) -> dict[str, Card]:
        return {card.pair: card for card in self.session().cards()}


def review_example(root: Path, pairs: Sequence[Pair] = DATASET) -> ReviewExample:
    """An example in this folder, with this dataset."""
    made = ReviewExample(root)
    made.write(pairs)
    return made


def both(of: Pair) -> tuple[str, str]:
    return of.positive.text, of.negative.text


def approve_unflagged(session: ReviewSession) -> tuple[Card, ...]:
    """Approve all unflagged pairs."""
    return session.approve_bulk(BulkKind.UNFLAGGED, session.bulk_approval(BulkKind.UNFLAGGED).version_token)
