"""Bulk approval: which pairs one decision may approve, and what the reviewer is asked first."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from agent.review.cards import Card, CardState
from agent.schema import Outcome, digest
from agent.text import pluralize


class BulkKind(StrEnum):
    """Which pairs are approved together: those without a flag, or those that the reviewer has seen."""

    UNFLAGGED = "unflagged"
    SEEN = "seen"


@dataclass(frozen=True)
class BulkApproval:
    """The pairs of a trait that one decision would approve. `excluded` were seen too, but need their own decision."""

    trait: str
    kind: BulkKind
    cards: tuple[Card, ...]
    excluded: tuple[Card, ...] = ()

    @property
    def version_token(self) -> str:
        """Hash of all the texts: the approval hands it back as proof of what the reviewer was asked about."""
        return digest(self.kind, *(card.version_token for card in self.cards))

    @property
    def title(self) -> str:
        """The question, as one line."""
        noun = "unflagged pair" if self.kind is BulkKind.UNFLAGGED else "seen pair"
        return f"Approve {pluralize(len(self.cards), noun)} of {self.trait}?"

    @property
    def sentences(self) -> tuple[str, ...]:
        """What these pairs are, in counts."""
        return tuple(_about_unflagged() if self.kind is BulkKind.UNFLAGGED else _about_seen(self))

    @property
    def empty_reason(self) -> str:
        """Why there is no such pair."""
        if self.kind is BulkKind.UNFLAGGED:
            return "No undecided pair passes without a flag. Decide on the remaining pairs one by one."
        if self.excluded:
            return " ".join(_about_excluded(self))
        return "You have seen no undecided pair in this session."


def unflagged(trait: str, cards: Sequence[Card]) -> BulkApproval:
    """The open pairs that pass and have neither a warning nor a conflict."""
    calm = (card for card in cards if card.state is CardState.OPEN and not card.conflict and not card.warnings)
    return BulkApproval(trait, BulkKind.UNFLAGGED, tuple(card for card in calm if card.outcome is Outcome.PASS))


def seen(trait: str, cards: Sequence[Card], view_tokens: Mapping[str, str]) -> BulkApproval:
    """The pending pairs that were seen as they are now (by pair id and `Card.view_token`), flagged ones included.

    Excluded are conflicts, and whatever could not be approved on its own.
    """
    pending = [card for card in cards if card.is_pending and view_tokens.get(card.pair) == card.view_token]
    ready = [card for card in pending if card.has_proposal and not card.is_unverified and not card.conflict]
    return BulkApproval(trait, BulkKind.SEEN, tuple(ready), tuple(card for card in pending if card not in ready))


def _about_unflagged() -> Iterator[str]:
    yield "They pass every check, have no warning, and were not changed in the dataset since the run."
    yield "This includes pairs that you have not read. One undo takes all of them back."


def _about_seen(bulk: BulkApproval) -> Iterator[str]:
    flagged = [card for card in bulk.cards if card.warnings]
    yield "The texts of each were on your screen in this session."
    if flagged:
        counts = Counter(warning for card in flagged for warning in card.warnings)
        names = ", ".join(f"{count} {warning}" for warning, count in sorted(counts.items()))
        yield f"{pluralize(len(bulk.cards) - len(flagged), 'pair')} without a flag, {len(flagged)} flagged: {names}."
    else:
        yield "None has a flag."
    if removals := sum(card.is_removal for card in bulk.cards):
        yield f"Approving removes {pluralize(removals, 'pair')} from the dataset."
    yield from _about_excluded(bulk)
    yield "One undo takes all of them back."


def _about_excluded(bulk: BulkApproval) -> Iterator[str]:
    conflicts = sum(card.conflict for card in bulk.excluded)
    edits = sum(card.is_unverified and not card.conflict for card in bulk.excluded)
    if conflicts:
        yield f"Excluded: {pluralize(conflicts, 'conflict')}, where you have to choose between two texts."
    if edits:
        yield f"Excluded: {pluralize(edits, 'edit')} without a passed check."
    if others := len(bulk.excluded) - conflicts - edits:
        yield f"Excluded: {pluralize(others, 'pair')} with nothing proposed, to be dropped or rejected."
