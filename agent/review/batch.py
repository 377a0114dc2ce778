"""Many pairs approved in one act: which may be, and what the reviewer is asked before."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from agent.review.cards import Card, State
from agent.schema import Outcome, digest
from agent.schema.counting import counted


class Many(StrEnum):
    """Which pairs are approved at once: those without anything to look at twice, or those that were looked at."""

    UNFLAGGED = "unflagged"
    SEEN = "seen"


@dataclass(frozen=True)
class Batch:
    """The pairs of a trait that one act would approve. `left` were seen too, and wait for a decision of their own."""

    trait: str
    many: Many
    cards: tuple[Card, ...]
    left: tuple[Card, ...] = ()

    @property
    def seal(self) -> str:
        """Stands for all the texts of these pairs: whoever approves hands it back, as proof of what was asked."""
        return digest(self.many, *(card.seal for card in self.cards))

    @property
    def title(self) -> str:
        """What is asked, in a line."""
        kind = "unflagged pair" if self.many is Many.UNFLAGGED else "seen pair"
        return f"Approve {counted(len(self.cards), kind)} of {self.trait}?"

    @property
    def sentences(self) -> tuple[str, ...]:
        """What these pairs are, in counts."""
        return tuple(_unflagged(self) if self.many is Many.UNFLAGGED else _seen(self))

    @property
    def nothing(self) -> str:
        """Why there is none."""
        if self.many is Many.UNFLAGGED:
            return "No open pair is free of flags and passes: read those that wait one by one."
        if self.left:
            return " ".join(_left(self))
        return "You have seen no pair in this session that still waits for a decision."


def _unflagged(batch: Batch) -> Iterator[str]:
    yield "They pass every check, nothing about them is borderline, and nobody changed them meanwhile."
    yield "This includes pairs that you have not read. One undo takes all of it back."


def _seen(batch: Batch) -> Iterator[str]:
    flagged = [card for card in batch.cards if card.cautions]
    yield "You have had the texts of each of them on the screen in this session."
    if flagged:
        counts = Counter(caution for card in flagged for caution in card.cautions)
        names = ", ".join(f"{count} {caution}" for caution, count in sorted(counts.items()))
        yield f"{counted(len(batch.cards) - len(flagged), 'pair')} without a flag, {len(flagged)} flagged: {names}."
    else:
        yield "None has a flag."
    if leaves := sum(card.leaves for card in batch.cards):
        yield f"To approve takes {counted(leaves, 'pair')} out of the dataset."
    yield from _left(batch)
    yield "One undo takes all of it back."


def _left(batch: Batch) -> Iterator[str]:
    conflicts = [card for card in batch.left if card.conflict]
    edits = [card for card in batch.left if card.is_unproven and not card.conflict]
    if conflicts:
        yield f"Left out: {counted(len(conflicts), 'conflict')}, where you have to choose between two texts."
    if edits:
        yield f"Left out: {counted(len(edits), 'edit')} without a passed check."
    if others := len(batch.left) - len(conflicts) - len(edits):
        yield f"Left out: {counted(others, 'pair')} for which nothing is proposed, to be dropped or rejected."


def unflagged(trait: str, cards: Sequence[Card]) -> Batch:
    """The open pairs that pass and about which there is nothing to look at twice."""
    calm = (card for card in cards if card.state is State.OPEN and not card.conflict and not card.cautions)
    return Batch(trait, Many.UNFLAGGED, tuple(card for card in calm if card.outcome is Outcome.PASS))


def seen(trait: str, cards: Sequence[Card], sights: Mapping[str, str]) -> Batch:
    """The pairs that wait and were looked at as they are now, by pair id and `Card.sight`; flagged ones too.

    Whose text stands in a conflict is no matter of approving many, nor may anything slip in that could not be approved
    by itself.
    """
    looked = [card for card in cards if card.waits and card.pair in sights and sights[card.pair] == card.sight]
    ready = [card.proposes and not card.is_unproven and not card.conflict for card in looked]
    picked = tuple(card for card, fit in zip(looked, ready, strict=True) if fit)
    return Batch(trait, Many.SEEN, picked, tuple(card for card, fit in zip(looked, ready, strict=True) if not fit))
