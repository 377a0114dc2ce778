"""A pair as lines of a terminal: its row in the list, and above its texts what it is and where it stands."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions
from rich.text import Text

from agent.review.cards import Card, CardState
from agent.review.labels import EDIT_STATES, WARNINGS
from agent.review.labels import OUTCOMES as OUTCOME_NAMES
from agent.review.terminal.words import BAD, DOUBT, GOOD, LABEL, OUTCOMES, QUIET, plain
from agent.review.text_diff import ending_of
from agent.text import pluralize, safe_text, with_period

MARKS = {
    CardState.OPEN: ("○", "bold"),
    CardState.APPROVED: ("✓", f"bold {GOOD}"),
    CardState.REJECTED: ("✗", BAD),
    CardState.EDITED: ("✎", f"bold {DOUBT}"),
    CardState.DROPPED: ("−", BAD),
    CardState.STALE: ("↻", f"bold {DOUBT}"),
    CardState.CONFLICT: ("!", f"bold {BAD}"),
    CardState.APPLIED: ("●", QUIET),
    CardState.UNCHANGED: ("=", QUIET),
}
MEANINGS = {
    CardState.OPEN: "waits for your decision",
    CardState.APPROVED: "apply will write it",
    CardState.REJECTED: "the dataset stays as it is",
    CardState.EDITED: "you or a colleague wrote other words; they must pass before they can be approved",
    CardState.DROPPED: "apply will take the line out of both files",
    CardState.STALE: "it was decided about another text than this one: decide again",
    CardState.CONFLICT: "somebody changed or removed that line since the run: decide whose text it shall be",
    CardState.APPLIED: "the dataset holds it already",
    CardState.UNCHANGED: "nothing is proposed; it may be edited or dropped",
}
EFFECTS = {"replace": "apply replaces its line", "append": "apply appends it", "remove": "apply removes its line"}
_WORDS = 200  # characters of a text that a row can show
_SPACIOUS = 64  # cells from which on the flags have a column of their own
_FLAGS, _FEW_FLAGS = 16, 8  # cells of the flags: of their column, and at most where there is none


@dataclass(frozen=True)
class Row:
    """One line of the list. What has no room is cut off the head of its text: what counts is how a text ends."""

    head: Text
    flags: str
    ending: str
    style: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        text = self.head.copy()
        if options.max_width >= _SPACIOUS:
            text.append(f"{_fixed(self.flags, _FLAGS)} ", DOUBT)
        elif self.flags:
            text.append(f"{_fixed(self.flags, min(len(self.flags), _FEW_FLAGS))} ", DOUBT)
        yield text.append(_tail(self.ending, max(options.max_width - text.cell_len, 0)), self.style)


def row(card: Card, checking: bool) -> Row:
    """A card in the list: state, pair, what is proposed, flags, and the last words."""
    mark, style = ("…", f"bold {DOUBT}") if checking else MARKS[card.state]
    quiet = QUIET if card.state is CardState.UNCHANGED else ""
    flags = ",".join((*(["conflict"] if card.conflict else []), *(warning.value for warning in card.warnings)))
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{mark} {'checking' if checking else card.state.value:<9} ", style)
    text.append(f"{_fixed(safe_text(card.pair), 6)} {card.what:<9} ", quiet)
    return Row(text, flags, safe_text(ending_of(card.ours.positive.text.rstrip("\n"), _WORDS)), quiet)


def _fixed(text: str, cells: int) -> str:
    """The text in exactly so many cells, with … where it was cut."""
    if cell_len(text) <= cells:
        return set_cell_size(text, cells)
    return set_cell_size(text, cells - 1) + "…"


def _tail(text: str, cells: int) -> str:
    """The end of a text in at most so many cells, with … where it was cut."""
    if cell_len(text) <= cells:
        return text
    return "…" + set_cell_size(text[::-1], max(cells - 1, 0))[::-1]


def heading(card: Card, checking: str | None) -> Iterator[Text]:
    """What a pair is, where it stands, what to look at twice, and how it came about."""
    mark, style = MARKS[card.state]
    state = EDIT_STATES[card.outcome] if card.state is CardState.EDITED and checking is None else card.state.value
    text = Text().append(f"{mark} {state} ", style).append(f" {safe_text(card.pair)} ", "bold")
    text.append(f" {card.what}" + ("" if card.line is None else f", line {card.line + 1}"))
    text.append(f"  {OUTCOME_NAMES[card.outcome]}", OUTCOMES[card.outcome])
    if card.effect:
        text.append(f"  {EFFECTS[card.effect]}", LABEL)
    yield text
    if checking is not None:
        yield Text().append("… checking your text: ", f"bold {DOUBT}").append_text(plain(checking or "waiting"))
    if card.conflict:
        yield Text(f"! conflict: {_conflict(card)}", f"bold {BAD}")
    for warning in card.warnings:
        yield Text().append(f"⚑ {warning.value}: ", DOUBT).append(WARNINGS[warning])
    yield from _story(card)


def _conflict(card: Card) -> str:
    if card.now is None:
        return "somebody removed this pair since the run. Approve appends ours; reject leaves it out."
    return "somebody changed this pair since the run. Approve puts ours in its place; reject keeps theirs."


def _story(card: Card) -> Iterator[Text]:
    """How the text came about, and what was last decided about it."""
    change = card.change
    if change.repairs:
        times = "once" if change.repairs == 1 else f"{change.repairs} times"
        yield Text(f"repaired {times}, {pluralize(change.candidates, 'text')} tried", QUIET)
    if change.why:
        yield Text().append("why: ", LABEL).append_text(plain(with_period(change.why)))
    if (last := card.decision) is not None:
        text = Text().append(f"{last.act.value} by ", LABEL).append_text(plain(last.who))
        text.append(f", {last.when[:16].replace('T', ' ')} UTC", LABEL)
        if last.note:
            text.append(": ", LABEL).append_text(plain(last.note))
        if card.state in (CardState.STALE, CardState.CONFLICT):
            text.append(" (about another text: it does not count)", DOUBT)
        yield text
