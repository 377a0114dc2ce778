"""Starting set of the next campaign: the dataset with the decisions in force, and with what is still undecided."""

from collections.abc import Iterable, Mapping, Sequence

from agent.review.apply import VERDICTS, approved_pairs
from agent.review.cards import Card, CardState
from agent.schema import Act, Decision, FrozenModel, Outcome, Pair


class StartingSet(FrozenModel):
    """What a campaign starts from. `decisions` is a hash of the decisions in force then; empty if there were none."""

    pairs: tuple[Pair, ...]
    rejected: tuple[str, ...] = ()
    first_draft: int = 0
    decisions: str = ""


def starting_pairs(present: Sequence[Pair], cards: Sequence[Card], known: Mapping[str, Pair]) -> tuple[Pair, ...]:
    """The dataset's pairs in file order with approved texts in place, then the drafts.

    Passing texts that are still undecided are included, so that a run's work is not lost while the review goes on;
    rejected ones are not. `known` has pairs by key: it supplies domain and kind, which a proposal lacks.
    """
    undecided = {card.line: card.ours for card in cards if card.line is not None and _is_undecided(card, "changed")}
    approved = {pair.line: pair for pair in approved_pairs(present, cards) if pair.line is not None}
    pairs = [
        undecided[line].model_copy(update={"id": pair.id, "line": line}) if line in undecided else approved[line]
        for line, pair in enumerate(present)
        if line in approved
    ]
    drafts = [card for card in cards if card.effect == "append" or _is_undecided(card, "added")]
    return (*(_described(pair, known) for pair in pairs), *(_described(_as_draft(c), known) for c in drafts))


def _is_undecided(card: Card, what: str) -> bool:
    """Whether this is a passing change of this kind without a decision."""
    passes = card.outcome is Outcome.PASS and not card.conflict
    return card.what == what and card.state in (CardState.OPEN, CardState.EDITED) and passes


def _as_draft(card: Card) -> Pair:
    """A pair that is added; one that was removed from the dataset and approved again gets a new id."""
    name = card.pair if card.what == "added" or card.change.before is None else f"back-{card.pair}"
    return card.ours.model_copy(update={"id": name, "line": None})


def _described(pair: Pair, known: Mapping[str, Pair]) -> Pair:
    before = known.get(pair.key)
    return pair.model_copy(update={"domain": before.domain, "kind": before.kind}) if before else pair


def rejected_texts(
    decisions: Iterable[Decision], known: Mapping[str, Pair], present: Sequence[Pair]
) -> tuple[str, ...]:
    """Texts that were rejected and not approved since, in order of decision; none that the dataset holds.

    `decisions` are those in force, `known` has pairs by key: a decision names a text by its key only. Keeping the
    dataset's own text rejects nothing.
    """
    last = {(d.pair, d.key): d for d in decisions if d.act in VERDICTS}
    held = {side.text for pair in present for side in pair.sides}
    rejections = [d for d in last.values() if d.act is Act.REJECT and d.proposed is not None and d.key != d.base]
    rejected = [known[d.key] for d in rejections if d.key in known]
    texts = [side.text for pair in rejected for side in pair.sides]
    return tuple(dict.fromkeys(text for text in texts if text not in held))
