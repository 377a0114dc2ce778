"""Decisions that come from elsewhere: taken in where they fit this proposal, told where they do not."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.review.card_builder import edited_pair
from agent.review.cards import Card
from agent.schema import Act, Decision
from agent.storage.decision_log import in_force

_BINDING = ("trait", "pair", "act", "key", "proposed", "base", "positive", "negative", "who", "note", "undone")


@dataclass(frozen=True)
class MergeResult:
    """What came of an import: lines to append, how many the log has already, and a sentence for each that was left."""

    taken: tuple[Decision, ...]
    known: int
    left: tuple[str, ...]


def merge_decisions(
    trait: str, cards: Sequence[Card], log: Sequence[Decision], offered: Sequence[Decision]
) -> MergeResult:
    """Which of the offered decisions belong into the log. Offering the same again takes in nothing more."""
    by_pair = {card.pair: card for card in cards}
    ids = {decision.id for decision in (*log, *offered)}
    have_ids, have = {d.id for d in log}, {_content(d) for d in in_force(log)}
    taken: list[Decision] = []
    left: list[str] = []
    known = 0
    for decision in offered:
        if decision.id in have_ids or (decision.act is not Act.UNDO and _content(decision) in have):
            known += 1
        elif why := next(_misfits(trait, by_pair, ids, decision), None):
            left.append(f"{decision.pair}, {decision.act.value} by {decision.who}: {why}")
        else:
            taken.append(decision)
            have_ids.add(decision.id)
    return MergeResult(tuple(taken), known, tuple(left))


def _content(decision: Decision) -> tuple[object, ...]:
    """A decision without its moment, which other tools do not keep; a recheck is one with its findings' keys."""
    return (
        *(getattr(decision, name) for name in _BINDING),
        tuple((found.key, found.outcome) for found in decision.findings),
    )


def _misfits(trait: str, cards: Mapping[str, Card], ids: set[str], decision: Decision) -> Iterator[str]:
    """Why a decision cannot be taken in."""
    if decision.trait != trait:
        yield f"it is about {decision.trait}, not {trait}."
    elif decision.act is Act.UNDO:
        if decision.undone not in ids:
            yield "it takes back a decision that is not here."
    elif decision.pair not in cards:
        yield "the proposal has no such pair."
    else:
        yield from _unbound(cards[decision.pair], decision)


def _unbound(card: Card, decision: Decision) -> Iterator[str]:
    """Where a decision is bound to other texts than the card's."""
    if decision.proposed != card.proposed:
        yield "it was made on another proposal's text."
    elif decision.base not in _bases(card):
        yield "it was made on a text that the dataset neither has nor had."
    elif decision.act is Act.EDIT and decision.key != _edit_key(card, decision):
        yield "its texts are not those that its key names."


def _edit_key(card: Card, edit: Decision) -> str:
    return edited_pair(card.change.after, edit.positive or "", edit.negative or "").key


def _bases(card: Card) -> set[str | None]:
    before = card.change.before
    return {card.base, before.key if before else None}


def disagreements(log: Sequence[Decision]) -> list[str]:
    """Where two people's last acts on the same texts differ, with whose stands: the later one's."""
    last: dict[tuple[str, str | None, str | None], dict[str, Decision]] = {}
    for decision in in_force(log):
        if decision.act is not Act.RECHECK:
            place = (decision.pair, decision.proposed, decision.base)
            last.setdefault(place, {})[decision.who] = decision
    lines = []
    for (pair, _, _), by_who in last.items():
        if len({(d.act, d.key) for d in by_who.values()}) > 1:
            ordered = sorted(by_who.values(), key=lambda d: d.when)
            said = ", ".join(f"{d.who} says {d.act.value}" for d in ordered)
            lines.append(f"{pair}: {said}; the last of them stands.")
    return lines
