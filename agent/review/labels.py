"""The keys of the review, the same in the terminal and on the page: what each does, in words."""

from collections.abc import Callable
from typing import Literal, NamedTuple

from agent.review.cards import EDITS, Card, CardState
from agent.schema import Act, Depth, Polarity, Question, Rung


class KeyBinding(NamedTuple):
    """One key, or several that do the same. Without a name it is told of in the help alone."""

    shown: tuple[str, ...]
    name: str
    meaning: str
    where: Literal["both", "terminal", "page"] = "both"


KEYS = (
    KeyBinding(("a",), "approve", "approve: the text shown goes into the dataset when you apply"),
    KeyBinding(("r",), "reject", "reject: the dataset stays as it is"),
    KeyBinding(("e",), "edit", "edit both texts; what you store is checked on the spot"),
    KeyBinding(("d",), "drop", "drop: the pair's line leaves both files"),
    KeyBinding(("u",), "undo", "undo your last act, all of it"),
    KeyBinding(("x",), "check", "check an edited text again, where a check came to no end"),
    KeyBinding(("A",), "unflagged", "approve all open pairs that pass without a flag; asks first"),
    KeyBinding(
        ("S",), "seen", "approve all pairs that you have seen since you opened the review, flagged ones too; asks first"
    ),
    KeyBinding(("s",), "skip", "skip to the next listed pair that needs a decision"),
    KeyBinding(("f",), "filter", "filter: list the next kind of pairs, such as those to decide, or all"),
    KeyBinding(("/",), "find", "find: list only pairs with these words; Enter keeps the list, Esc ends the search"),
    KeyBinding(("c",), "conflict", "conflict: the three versions of a pair that somebody changed, or its evidence"),
    KeyBinding(("t",), "trait", "the next trait"),
    KeyBinding(("?",), "help", "this page"),
    KeyBinding(("q",), "quit", "quit: everything is stored already, and the next time goes on from here", "terminal"),
    KeyBinding(("↓", "j"), "", "the pair below"),
    KeyBinding(("↑", "k"), "", "the pair above"),
    KeyBinding(("Space",), "", "scroll the texts down"),
    KeyBinding(("b",), "", "scroll the texts up"),
    KeyBinding(("Enter",), "", "show the pair as it is now, after it changed under your eyes"),
    KeyBinding(("Esc",), "", "end a search, or go back"),
    KeyBinding(("Ctrl+S", "Ctrl+Enter"), "", "while you edit: store both texts and have them checked"),
    KeyBinding(("o",), "", "show or hide the evidence", "page"),
    KeyBinding(("v",), "", "show a change inline or side by side", "page"),
    KeyBinding(("n",), "", "write a note to go with the decision", "page"),
)
LAST_ACT = "S"  # the keys up to here decide; those after it look around

Doing = Callable[[], str]  # what a check is doing just now, in a few words

STATES = {
    CardState.OPEN: "to decide",
    CardState.APPROVED: "approved",
    CardState.REJECTED: "rejected",
    CardState.EDITED: "edited",
    CardState.DROPPED: "to be dropped",
    CardState.STALE: "decide again",
    CardState.CONFLICT: "conflict",
    CardState.APPLIED: "in the dataset",
    CardState.UNCHANGED: "nothing proposed",
}

MEANS = {
    CardState.OPEN: "Nobody has decided about this pair yet.",
    CardState.APPROVED: "Approved: the next apply brings it into the dataset.",
    CardState.REJECTED: "Rejected: the dataset stays as it is.",
    CardState.EDITED: "A human changed the text. It counts once it has passed its check and is approved.",
    CardState.DROPPED: "To be dropped: the next apply takes its line out of both files.",
    CardState.STALE: "It was decided once, but on other texts than these. That decision no longer counts.",
    CardState.CONFLICT: "Somebody changed this pair in the dataset since the run read it. Choose which text stands.",
    CardState.APPLIED: "The dataset holds this already: there is nothing left to decide.",
    CardState.UNCHANGED: "The run leaves this pair as it is. You may still edit or drop it.",
}

WHATS = {
    "added": ("added", "a new pair, drafted by the run"),
    "changed": ("changed", "a pair of your dataset with another text"),
    "unchanged": ("unchanged", "a pair of your dataset that stays as it was"),
    "dropped": ("leaves", "a pair of your dataset that the run could not repair"),
    "parked": ("parked", "a pair that the judge could not decide: yours to say"),
}

ASKED = {
    Question.C0: ("C0", "how far the text alone has committed; low is open (the delete test)"),
    Question.C5: ("C5", "the same with the first tokens; high means they decide"),
    Question.CL: ("CL", "the same with the whole completion"),
    Question.FORECAST: ("S", "forecast: how likely a continuation shows the trait"),
    Question.RESPONSE: ("J", "the completion alone, on the trait's scale"),
    Question.OPENING: ("J₅", "the first tokens alone, on the trait's scale"),
}

# A trait whose tone runs through the text is asked for the first tokens alone, and held to that.
ASKED_SUSTAINED = ASKED | {
    Question.C0: ("C0", "how far the tone shows in the text already; recorded, no criterion in a sustained trait"),
    Question.C5: ("C5", "the same with the first tokens; recorded, no criterion in a sustained trait"),
    Question.CL: ("CL", "the same with the whole completion; recorded, no criterion in a sustained trait"),
    Question.OPENING: ("J₅", "the first tokens alone, on the trait's scale: what counts in a sustained trait"),
}

DEPTHS = {
    Depth.FIRST: "examined once, in the first wording",
    Depth.CONFIRM: "confirmed in a second wording",
    Depth.AUDIT: "audited in a wording that no earlier step had used",
}

RUNGS: dict[Rung | Polarity, str] = {
    Rung.CUT: "cut back to the cliffhanger",
    Rung.CLIFFHANGER: "a new ending",
    Rung.STRENGTHEN: "a stronger motive",
    Rung.SIMPLIFY: "a simpler text",
    Rung.RETOPIC: "another topic",
    Rung.SHORTEN: "a shorter text",
    Rung.EXTENDED: "the first words of the expression left in",
    Rung.REPLACE: "replaced",
    Polarity.POSITIVE: "another topic for the pair, since the positive failed",
    Polarity.NEGATIVE: "another topic for the pair, since the negative failed",
}

SIDES = {"positive": "the trait's side", "negative": "the other side"}


def standing(card: Card) -> str:
    """A card's state in words; of an edit also how its check came out."""
    return EDITS[card.outcome] if card.state is CardState.EDITED else STATES[card.state]


def would(card: Card) -> str:
    """What to approve this card means for the dataset, in one sentence."""
    if card.leaves:
        return "Approving takes this pair out of the dataset." if card.now else "Its line has left the dataset already."
    if card.now is None:
        return "Approving adds this pair at the end of the dataset."
    return f"Approving puts these texts in place of line {(card.line or 0) + 1} of both files."


def hindrance(card: Card, act: Act, checking: bool = False) -> str:
    """Why an act has no meaning just now; empty where it has one. The desk has the last word on it."""
    if card.state is CardState.APPLIED:
        return "The dataset holds this already."
    if checking:
        return "The edit is being checked: wait for what is found."
    if act is Act.DROP and card.now is None:
        return "It is not in the dataset: reject it instead."
    if act is Act.APPROVE and card.is_unproven:
        return "An edited text can be approved once it has passed its check."
    if act is Act.EDIT and card.state is CardState.CONFLICT:
        return _first_decide(card)
    return _nothing_proposed(card, act) if not card.proposes else ""


def _first_decide(card: Card) -> str:
    if card.is_unproven:
        return "Reject it first, which keeps the dataset's text. Then edit it."
    return "Decide first whose text shall stand: approve takes the proposed one, reject keeps the dataset's."


def _nothing_proposed(card: Card, act: Act) -> str:
    """A rejection still has a meaning where it overrules what was decided before."""
    if act in (Act.APPROVE, Act.REJECT) and card.decision is None:
        return "Nothing is proposed for this pair."
    return "Nothing is proposed for this pair: reject it to leave it as it is." if act is Act.APPROVE else ""
