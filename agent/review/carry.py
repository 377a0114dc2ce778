"""What the next campaign begins from: the dataset with what humans decided, and with what nobody has decided yet."""

from collections.abc import Iterable, Mapping, Sequence

from agent.review.apply import approved_pairs
from agent.review.cards import Card, State
from agent.schema import Act, Decision, Noun, Outcome, Pair

DECISIONS, STARTING_SET = "decisions", "starting set"
VERDICTS = (Act.APPROVE, Act.REJECT, Act.DROP)


class Start(Noun):
    """What a campaign begins from. `decisions` stands for all that were in force then; empty where there were none."""

    pairs: tuple[Pair, ...]
    rejected: tuple[str, ...] = ()
    first_draft: int = 0
    decisions: str = ""

    @property
    def about(self) -> dict[str, str]:
        """What it adds to the things that a campaign rests on.

        The set itself goes along: the proposal that it was made from is overwritten when the campaign ends.
        """
        return {DECISIONS: self.decisions, STARTING_SET: self.model_dump_json()} if self.decisions else {}


def starting_pairs(present: Sequence[Pair], cards: Sequence[Card], known: Mapping[str, Pair]) -> tuple[Pair, ...]:
    """The dataset's pairs in file order with approved texts in place, then the drafts.

    What passed and still lies open goes along, so that nobody who decides slowly loses a night's work; what was
    rejected stands as in the dataset, or is gone. `known` holds pairs by key, whose domain and kind a proposal lacks.
    """
    taken = {card.line: card.ours for card in cards if card.line is not None and _waits(card, "changed")}
    there = {pair.line: pair for pair in approved_pairs(present, cards) if pair.line is not None}
    pairs = [
        taken[pair.line].model_copy(update={"id": pair.id, "line": pair.line}) if line in taken else there[pair.line]
        for line, pair in enumerate(present)
        if pair.line in there
    ]
    drafts = [card for card in cards if card.effect == "append" or _waits(card, "added")]
    return (*(_described(pair, known) for pair in pairs), *(_described(_as_draft(c), known) for c in drafts))


def _waits(card: Card, what: str) -> bool:
    """Whether a passing text of this sort still waits for its decision."""
    passes = card.outcome is Outcome.PASS and not card.conflict
    return card.what == what and card.state in (State.OPEN, State.EDITED) and passes


def _as_draft(card: Card) -> Pair:
    """A pair that comes to the dataset's; one that somebody removed and a human wants back gets a name of its own."""
    name = card.pair if card.what == "added" or card.change.before is None else f"back-{card.pair}"
    return card.ours.model_copy(update={"id": name, "line": None})


def _described(pair: Pair, known: Mapping[str, Pair]) -> Pair:
    before = known.get(pair.key)
    return pair.model_copy(update={"domain": before.domain, "kind": before.kind}) if before else pair


def rejected_texts(
    decisions: Iterable[Decision], known: Mapping[str, Pair], present: Sequence[Pair]
) -> tuple[str, ...]:
    """Texts that a human refused and has not approved since, in order of decision; none that the dataset holds.

    `decisions` are those in force, `known` pairs by key: a decision names a text by its key alone. Whoever kept the
    dataset's own text has refused none.
    """
    last = {(d.pair, d.key): d for d in decisions if d.act in VERDICTS}
    held = {side.text for pair in present for side in pair.sides}
    rejections = [d for d in last.values() if d.act is Act.REJECT and d.proposed is not None and d.key != d.base]
    refused = [known[d.key] for d in rejections if d.key in known]
    texts = [side.text for pair in refused for side in pair.sides]
    return tuple(dict.fromkeys(text for text in texts if text not in held))
