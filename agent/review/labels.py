"""Words shown for verdicts, states, questions, depths and repairs, and the key bindings."""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from agent.review.cards import Card, CardState, CardWarning
from agent.schema import Act, Depth, Mode, Outcome, Polarity, Question, Rung, Verdict


class KeyBinding(NamedTuple):
    """One key, or several with the same effect. One without a name appears in the help only."""

    shown: tuple[str, ...]
    name: str
    meaning: str
    where: Literal["both", "terminal", "page"] = "both"


KEYS = (
    KeyBinding(("a",), "approve", "approve: the text shown is written to the dataset by the next apply"),
    KeyBinding(("r",), "reject", "reject: the dataset stays as it is"),
    KeyBinding(("e",), "edit", "edit both texts; the edit is checked immediately"),
    KeyBinding(("d",), "drop", "drop: the pair's line is removed from both files"),
    KeyBinding(("u",), "undo", "undo your last decision (a bulk approval as a whole)"),
    KeyBinding(("x",), "check", "check an edited text again if its check did not finish"),
    KeyBinding(("A",), "unflagged", "approve all open pairs that pass without a flag; asks first"),
    KeyBinding(
        ("S",), "seen", "approve all pairs that you have seen in this session, flagged ones included; asks first"
    ),
    KeyBinding(("s",), "skip", "skip to the next listed pair that needs a decision"),
    KeyBinding(("f",), "filter", "filter: list the next state of pairs, such as those to decide, or all", "page"),
    KeyBinding(
        ("/",), "find", "find: list only pairs with these words; Enter keeps the list, Esc ends the search", "page"
    ),
    KeyBinding(
        ("/words",), "find", "list only pairs with these words in a text or label; / alone lists all again", "terminal"
    ),
    KeyBinding(("number",), "", "go to the pair with this number in the list", "terminal"),
    KeyBinding(("c",), "conflict", "conflict: the three versions of a pair that was changed since the run", "page"),
    KeyBinding(("t",), "trait", "the next trait"),
    KeyBinding(("?",), "help", "this help"),
    KeyBinding(("q",), "quit", "quit: every decision is saved; the next review continues from here", "terminal"),
    KeyBinding(("n", "Enter"), "next", "next pair", "terminal"),
    KeyBinding(("p",), "previous", "previous pair", "terminal"),
    KeyBinding(("↓", "j"), "", "next pair", "page"),
    KeyBinding(("↑", "k"), "", "previous pair", "page"),
    KeyBinding(("Space",), "", "scroll the texts down", "page"),
    KeyBinding(("b",), "", "scroll the texts up", "page"),
    KeyBinding(("Enter",), "", "reload the pair after it was changed elsewhere", "page"),
    KeyBinding(("Esc",), "", "end a search, or go back", "page"),
    KeyBinding(("Ctrl+S", "Ctrl+Enter"), "", "while editing: save both texts and check them", "page"),
    KeyBinding(("o",), "", "show or hide the evidence", "page"),
    KeyBinding(("v",), "", "show a change inline or side by side", "page"),
    KeyBinding(("n",), "", "write a note to go with the decision", "page"),
)

ActivityFunction = Callable[[], str]  # a few words on what a running check is doing, such as "asking the judge"


class StateLabel(NamedTuple):
    """How a card's state is shown: a one-character sign, a name, a sentence."""

    sign: str
    name: str
    meaning: str


STATES: Mapping[CardState, StateLabel] = {
    CardState.OPEN: StateLabel("○", "to decide", "Nobody has decided on this pair yet."),
    CardState.APPROVED: StateLabel("✓", "approved", "Approved: the next apply writes it to the dataset."),
    CardState.REJECTED: StateLabel("✕", "rejected", "Rejected: the dataset stays as it is."),
    CardState.EDITED: StateLabel(
        "✎", "edited", "A reviewer changed the text. It has to pass its check and be approved before it counts."
    ),
    CardState.DROPPED: StateLabel(
        "−", "to be dropped", "To be dropped: the next apply removes its line from both files."
    ),
    CardState.STALE: StateLabel("↻", "decide again", "The decision was made on other texts and no longer counts."),
    CardState.CONFLICT: StateLabel(
        "!", "conflict", "The dataset's pair was changed or removed since the run. Choose which text to keep."
    ),
    CardState.APPLIED: StateLabel("●", "in the dataset", "The dataset already holds this: nothing is left to decide."),
    CardState.UNCHANGED: StateLabel(
        "·", "nothing proposed", "The run leaves this pair as it is. You may still edit or drop it."
    ),
}

EDIT_STATES: Mapping[Outcome, str] = {
    Outcome.PASS: "edited, ready to approve",
    Outcome.FAIL: "edited, fails its check",
    Outcome.UNJUDGED: "edited, not checked",
}

DECISIONS: Mapping[Act, str] = {
    Act.APPROVE: "approved",
    Act.REJECT: "rejected",
    Act.EDIT: "edited",
    Act.DROP: "to be dropped",
}

OUTCOMES: Mapping[Outcome, str] = {Outcome.PASS: "passes", Outcome.FAIL: "fails", Outcome.UNJUDGED: "not judged"}
NOT_EXAMINED = "not examined"
NOT_JUDGED = OUTCOMES[Outcome.UNJUDGED]

WARNINGS: Mapping[CardWarning, str] = {
    CardWarning.FAILING: "a check failed on the text as it stands",
    CardWarning.UNJUDGED: "not every question about this text has an answer",
    CardWarning.PARKED: "the judge could not decide it, so the run left it to you",
    CardWarning.DROPPED: "approving removes the line from both files",
    CardWarning.EDITED: "a reviewer changed the text after the run",
    CardWarning.EXTENDED: "includes the first words of the trait's expression (extended lock-in)",
    CardWarning.LATE: "the direction shows only after the first tokens",
    CardWarning.UNGROUNDED: "the words that commit could not be quoted from the text",
    CardWarning.BOUNDARY: "the text does not end at a token boundary",
    CardWarning.BORDERLINE: "a score lies within 5 points of its threshold",
    CardWarning.UNMATCHED: "the sides differ too much in length, or share no word of their setting",
    CardWarning.ALIKE: "the subject continues both sides in the same way",
    CardWarning.UNSURE: "the votes could not settle it, or only with the flip test",
}


class Term(NamedTuple):
    """A short name, and what it means."""

    name: str
    meaning: str


CHANGES: Mapping[str, Term] = {
    "added": Term("added", "a new pair, drafted by the run"),
    "changed": Term("changed", "a pair of your dataset with another text"),
    "unchanged": Term("unchanged", "a pair of your dataset that stays as it was"),
    "dropped": Term("dropped", "a pair of your dataset that the run could not repair"),
    "parked": Term("parked", "a pair that the judge could not decide: your decision"),
}

_VERDICTS: Mapping[Verdict, str] = {
    Verdict.EXPRESS: "open until its end, then decided by the first tokens: the goal",
    Verdict.EXPLAIN: "the text had committed already; the first tokens only explain it",
    Verdict.LATE: "the trait is expressed, but only after the first tokens",
    Verdict.WRONG: "the subject goes the other way",
    Verdict.OFF_SCRIPT: "the subject does something else",
    Verdict.TOPIC: "the topic decides, whatever the ending says",
    Verdict.UNSTABLE: "other samples do not go this way",
    Verdict.CONTEXT: "the first tokens show the trait only to those who have read the text before them, or only alone",
    Verdict.UNSURE: "the wordings disagree: your decision",
}
_SUSTAINED_VERDICTS: Mapping[Verdict, str] = {
    Verdict.EXPRESS: "the first tokens by themselves have the tone, as the response has: the goal",
    Verdict.WRONG: "the first tokens or the response have the other tone",
}
FAILED_EXPRESS = "opens well, but the forecast or the response fails"  # a text may fail although V says EXPRESS


def verdict_meanings(mode: Mode) -> dict[Verdict, str]:
    """What each verdict means in a mode. In sustained mode the text need not be open."""
    return {**_VERDICTS, **(_SUSTAINED_VERDICTS if mode is Mode.SUSTAINED else {})}


class QuestionLabel(NamedTuple):
    """How a question to the judge is shown: its symbol, its name, and what its score says."""

    symbol: str
    name: str
    meaning: str

    @property
    def title(self) -> str:
        """Name and symbol, as in "forecast (S)"."""
        return f"{self.name} ({self.symbol})"


QUESTIONS: Mapping[Question, QuestionLabel] = {
    Question.FORECAST: QuestionLabel("S", "forecast", "how likely a continuation shows the trait"),
    Question.RESPONSE: QuestionLabel("J", "response", "the completion alone, on the trait's scale"),
    Question.OPENING: QuestionLabel("J5", "first tokens alone", "the first tokens alone, on the trait's scale"),
    Question.C0: QuestionLabel(
        "C0", "commitment of the text", "how far the text alone has committed; low means open (the delete test)"
    ),
    Question.C5: QuestionLabel(
        "C5", "… with the first tokens", "the same with the first tokens; high means that they decide"
    ),
    Question.CL: QuestionLabel("CL", "… with the whole completion", "the same with the whole completion"),
    Question.VERDICT: QuestionLabel("V", "verdict", "whether the first tokens express, explain, or do neither"),
}
_SUSTAINED_QUESTIONS: Mapping[Question, QuestionLabel] = {
    Question.OPENING: QUESTIONS[Question.OPENING]._replace(
        meaning="the first tokens alone, on the trait's scale: the criterion in sustained mode"
    ),
    Question.C0: QUESTIONS[Question.C0]._replace(
        meaning="how far the text already shows the tone; not a criterion in sustained mode"
    ),
    Question.C5: QUESTIONS[Question.C5]._replace(
        meaning="the same with the first tokens; not a criterion in sustained mode"
    ),
    Question.CL: QUESTIONS[Question.CL]._replace(
        meaning="the same with the whole completion; not a criterion in sustained mode"
    ),
}


def questions(mode: Mode) -> dict[Question, QuestionLabel]:
    """The questions as they count in a mode: in sustained mode the commitment scores are recorded only."""
    return {**QUESTIONS, **(_SUSTAINED_QUESTIONS if mode is Mode.SUSTAINED else {})}


MODES: Mapping[Mode, str] = {
    Mode.DECISION: "an act or a choice",
    Mode.PRIMED: "values or duty: the text already leans",
    Mode.SUSTAINED: "a tone that runs through the text",
}

DEPTHS: Mapping[Depth, Term] = {
    Depth.FIRST: Term("examined once", "examined in the first wording"),
    Depth.CONFIRM: Term("confirmed", "confirmed in a second wording"),
    Depth.AUDIT: Term("audited", "audited in a wording that no earlier step had used"),
}

RUNGS: Mapping[Rung | Polarity, str] = {
    Rung.CUT: "cut back to the cliffhanger",
    Rung.CLIFFHANGER: "a new ending",
    Rung.STRENGTHEN: "a stronger motive",
    Rung.SIMPLIFY: "a simpler text",
    Rung.RETOPIC: "another topic",
    Rung.SHORTEN: "a shorter text",
    Rung.EXTENDED: "the first words of the expression left in",
    Rung.REPLACE: "replaced",
    Polarity.POSITIVE: "another topic for the pair, because the positive failed",
    Polarity.NEGATIVE: "another topic for the pair, because the negative failed",
}

SIDES: Mapping[str, str] = {"positive": "the trait's side", "negative": "the other side"}


def state_name(card: Card) -> str:
    """A card's state in words; for an edit, how its check ended."""
    return EDIT_STATES[card.outcome] if card.state is CardState.EDITED else STATES[card.state].name


def approval_effect(card: Card) -> str:
    """What approving this card does to the dataset, as a sentence."""
    if card.is_removal:
        return "Approving removes this pair from the dataset." if card.now else "Its line was already removed."
    if card.now is None:
        return "Approving appends this pair to the dataset."
    return f"Approving replaces line {(card.line or 0) + 1} of both files with these texts."


def disabled_reason(card: Card, act: Act, checking: bool = False) -> str:
    """Why a decision cannot be made on this card now; empty if it can. The session has the final say."""
    if card.state is CardState.APPLIED:
        return "The dataset already holds this."
    if checking:
        return "The edit is being checked. Wait for the result."
    if act is Act.DROP and card.now is None:
        return "It is not in the dataset: reject it instead."
    if act is Act.APPROVE and card.is_unverified:
        return "An edited text can be approved once it has passed its check."
    if act is Act.EDIT and card.state is CardState.CONFLICT:
        return _resolve_first(card)
    return _nothing_proposed(card, act) if not card.has_proposal else ""


def _resolve_first(card: Card) -> str:
    if card.is_unverified:
        return "Reject it first, which keeps the dataset's text. Then edit it."
    return "Resolve the conflict first: approve takes the proposed text, reject keeps the dataset's."


def _nothing_proposed(card: Card, act: Act) -> str:
    """A rejection still has an effect where it replaces an earlier decision."""
    if act in (Act.APPROVE, Act.REJECT) and card.decision is None:
        return "Nothing is proposed for this pair."
    return "Nothing is proposed for this pair: reject it to leave it as it is." if act is Act.APPROVE else ""
