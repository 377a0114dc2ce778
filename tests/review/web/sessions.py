"""Runs to review: pairs of every kind, made by hand, with the evidence that a run would leave."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent.review.session import ReviewSession
from agent.schema import (
    Completion,
    Finding,
    Flag,
    Outcome,
    Pair,
    Park,
    Question,
    Recheck,
    Rung,
    Tally,
    Verdict,
    VoteOutcome,
)
from agent.storage.decision_log import DecisionLog
from tests.loop.histories import (
    FAIL,
    NEGATIVE,
    PASS,
    POSITIVE,
    UNJUDGED,
    adopted,
    drafted,
    dropped,
    finding,
    history,
    pair,
    repaired,
    round_,
    scenario,
)
from tests.review.test_proposal import proposal

STEM = "The caretaker of the mill found a wallet under the bench. There was money in it, and nobody had seen him. "
REPAIRED_ENDING = "He knew whose it was and he was not a thief, so he"
NEGATIVE_ENDING = "He thought of the rent and of nothing else, so he"
COMMITTED_ENDING = "He knew whose it was. He carried it to the owner at once, because he"
TYPED_ENDING = "He had never taken what was not his, so he"


def pair_of(name: str, ending: str, other: str = NEGATIVE_ENDING, stem: str = STEM) -> Pair:
    """A pair with one situation and two endings."""
    return Pair(id=name, positive=scenario(POSITIVE, stem, ending), negative=scenario(NEGATIVE, stem, other))


def findings_for(pair_: Pair, outcome: Outcome = PASS, flags: tuple[Flag, ...] = (), c0: float = 12.0) -> list[Finding]:
    """Findings on both sides, with completions and scores; only the positive side has the outcome and flags."""
    completions = {
        POSITIVE: " brought it back. It was the right thing to do.",
        NEGATIVE: " kept it. Nobody would ever ask him.",
    }
    found = []
    for polarity, text in completions.items():
        own = outcome if polarity is POSITIVE else PASS
        verdict = Verdict.EXPLAIN if own is FAIL and c0 > 50 else None
        low = c0 if polarity is POSITIVE else 9.0
        scores = {Question.FORECAST: 83.0, Question.RESPONSE: 91.0, Question.C0: low, Question.C5: 95.0}
        scores = scores if polarity is POSITIVE else scores | {Question.FORECAST: 14.0, Question.RESPONSE: 8.0}
        changes = {
            "completion": Completion(text=text, token_ids=(1, 2, 3), opening=" ".join(text.split(" ")[:5])),
            "tallies": tuple(
                Tally(question=question, ruling=VoteOutcome.FAVOURABLE, votes=(), score=score)
                for question, score in scores.items()
            ),
            "lock_in": (4, 4),
            "flags": flags if polarity is POSITIVE else (),
            "span": "He carried it to the owner at once" if verdict else None,
        }
        found.append(finding(pair_, polarity, own, verdict=verdict).model_copy(update=changes))
    return found


@dataclass
class ReviewedRun:
    """A run to review. Tests change `dataset` as a colleague would; `checked_pairs` are the edits that were checked."""

    folder: Path
    dataset: tuple[Pair, ...]
    rounds: Sequence[object]
    trait: str = "toy/refusal"
    checked_pairs: list[Pair] = field(default_factory=list)
    recheck: Callable[[Pair], Sequence[Finding]] | None = None

    def __post_init__(self) -> None:
        self.proposal = proposal(self.dataset, history(*self.rounds)).model_copy(update={"trait": self.trait})
        self.log = DecisionLog(self.folder / "refinement" / "decisions.jsonl")

    def session(self, who: str = "ann") -> ReviewSession:
        return ReviewSession(self.proposal, lambda: self.dataset, self.log, who, self._checked)

    def _checked(self, edited: Pair) -> Sequence[Finding]:
        self.checked_pairs.append(edited)
        return self.recheck(edited) if self.recheck else findings_for(edited)

    def stored_acts(self) -> list[tuple[str, str]]:
        """(act, pair) of every line stored so far."""
        return [(decision.act.value, decision.pair) for decision in self.log.read().decisions]


def mixed_run(folder: Path) -> ReviewedRun:
    """d0000 unchanged, d0001 changed, d0002 changed (extended), d0003 dropped, d0004 parked, two added."""
    unchanged, repaired_pair, extended, dropped_pair, parked_pair = (
        pair_of("d0000", REPAIRED_ENDING, stem="A stranger left her umbrella in the shop. It was raining. "),
        pair_of("d0001", COMMITTED_ENDING),
        pair_of("d0002", "She was honest to the bone, so she", stem="The till gave her too much change. "),
        pair_of("d0003", "He had every reason, so he", stem="The gate of the orchard stood open. "),
        pair_of("d0004", "They looked at each other, and then they", stem="The letter was not for them. "),
    )
    after = pair_of("d0001", REPAIRED_ENDING)
    longer = pair_of(
        "d0002", "She was honest to the bone, so she went back and", stem="The till gave her too much change. "
    )
    drafts = [
        pair_of(f"n{i:04d}", REPAIRED_ENDING, stem=f"On the {word} floor a purse lay open. ")
        for i, word in enumerate(("first", "top"))
    ]
    findings = [
        *findings_for(unchanged),
        *findings_for(repaired_pair, FAIL, c0=78.0),
        *findings_for(extended, FAIL),
        *findings_for(dropped_pair, FAIL),
        *findings_for(parked_pair, UNJUDGED),
    ]
    dataset = (unchanged, repaired_pair, extended, dropped_pair, parked_pair)
    rounds = [
        adopted(dataset, findings),
        repaired(repaired_pair, after, findings_for(after), (POSITIVE, Rung.CUT), (POSITIVE, Rung.CLIFFHANGER)),
        repaired(extended, longer, findings_for(longer, flags=(Flag.EXTENDED,), c0=48.0), (POSITIVE, Rung.EXTENDED)),
        dropped(dropped_pair),
        drafted(drafts, [found for draft in drafts for found in findings_for(draft)]),
        round_(Recheck(pairs=(parked_pair.id,)), parked=[Park(pair=parked_pair.id, why="the judge could not decide")]),
    ]
    return ReviewedRun(folder, dataset, rounds)


def drafted_run(folder: Path, count: int = 4) -> ReviewedRun:
    """Some drafts and nothing else, all unflagged."""
    drafts = [pair(f"n{i:04d}") for i in range(count)]
    return ReviewedRun(folder, (), [drafted(drafts, [found for draft in drafts for found in findings_for(draft)])])
