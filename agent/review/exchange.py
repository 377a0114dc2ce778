"""Merging decisions made elsewhere: those that fit this proposal are accepted, the others refused with a reason."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.review.card_builder import edited_pair
from agent.review.cards import Card
from agent.schema import Act, Decision
from agent.storage.decision_log import in_force

_BINDING = ("trait", "pair", "act", "key", "proposed", "base", "positive", "negative", "who", "note", "undone")


@dataclass(frozen=True)
class Offered:
    """A decision of a file, with its place there for messages."""

    place: str
    decision: Decision


@dataclass(frozen=True)
class MergeResult:
    """An import: decisions to append, how many the log has already, and a sentence for each that was refused."""

    accepted: tuple[Decision, ...]
    known: int
    refused: tuple[str, ...]


def merge_decisions(
    trait: str, cards: Sequence[Card], log: Sequence[Decision], offered: Sequence[Offered]
) -> MergeResult:
    """Which of the offered decisions fit this proposal and are new. Idempotent: offering them again adds nothing."""
    by_pair = {card.pair: card for card in cards}
    all_ids = {decision.id for decision in (*log, *(one.decision for one in offered))}
    known_ids, known_contents = {d.id for d in log}, {_content(d) for d in in_force(log)}
    accepted: list[Decision] = []
    refused: list[str] = []
    known = 0
    for place, decision in ((one.place, one.decision) for one in offered):
        if decision.id in known_ids or (decision.act is not Act.UNDO and _content(decision) in known_contents):
            known += 1
        elif reason := next(_misfits(trait, by_pair, all_ids, decision), None):
            refused.append(f"{place}, {decision.pair}, {decision.act.value} by {decision.who}: {reason}")
        else:
            accepted.append(decision)
            known_ids.add(decision.id)
    return MergeResult(tuple(accepted), known, tuple(refused))


def _content(decision: Decision) -> tuple[object, ...]:
    """A decision without its time, which other tools do not keep; a recheck with the keys of its findings."""
    return (
        *(getattr(decision, name) for name in _BINDING),
        tuple((found.key, found.outcome) for found in decision.findings),
    )


def _misfits(trait: str, cards: Mapping[str, Card], ids: set[str], decision: Decision) -> Iterator[str]:
    """Reasons why a decision does not fit."""
    if decision.trait != trait:
        yield f"it is about {decision.trait}, not {trait}."
    elif decision.act is Act.UNDO:
        if decision.undone not in ids:
            yield "it undoes a decision that is not in the log."
    elif decision.pair not in cards:
        yield "the proposal has no such pair."
    else:
        yield from _mismatches(cards[decision.pair], decision)


def _mismatches(card: Card, decision: Decision) -> Iterator[str]:
    """Reasons why a decision was made on other texts than the card's."""
    if decision.proposed != card.proposed:
        yield "it was made on another proposal's text."
    elif decision.base not in _bases(card):
        yield "it was made on a text that is not in the dataset, nor was when the run began."
    elif decision.act is Act.EDIT and decision.key != _edit_key(card, decision):
        yield "its key does not match its texts."


def _edit_key(card: Card, edit: Decision) -> str:
    return edited_pair(card.change.after, edit.positive or "", edit.negative or "").key


def _bases(card: Card) -> set[str | None]:
    before = card.change.before
    return {card.base, before.key if before else None}


def disagreements(log: Sequence[Decision]) -> list[str]:
    """Where the last decisions of two reviewers on the same texts differ, as sentences. The latest one stands."""
    last: dict[tuple[str, str | None, str | None], dict[str, Decision]] = {}
    for decision in in_force(log):
        if decision.act is not Act.RECHECK:
            texts = (decision.pair, decision.proposed, decision.base)
            last.setdefault(texts, {})[decision.who] = decision
    sentences = []
    for (pair, _, _), by_reviewer in last.items():
        if len({(d.act, d.key) for d in by_reviewer.values()}) > 1:
            ordered = sorted(by_reviewer.values(), key=lambda d: d.when)
            acts = ", ".join(f"{d.who} says {d.act.value}" for d in ordered)
            sentences.append(f"{pair}: {acts}; the latest stands.")
    return sentences
