"""The keys of the review, the same in the terminal and on the page: what each does, in words."""

from typing import Literal, NamedTuple


class Key(NamedTuple):
    """One key, or several that do the same. Without a name it is told of in the help alone."""

    shown: tuple[str, ...]
    name: str
    meaning: str
    where: Literal["both", "terminal", "page"] = "both"


KEYS = (
    Key(("a",), "approve", "approve: the text shown goes into the dataset when you apply"),
    Key(("r",), "reject", "reject: the dataset stays as it is"),
    Key(("e",), "edit", "edit both texts; what you store is checked on the spot"),
    Key(("d",), "drop", "drop: the pair's line leaves both files"),
    Key(("u",), "undo", "undo your last act, all of it"),
    Key(("x",), "check", "check an edited text again, where a check came to no end"),
    Key(("A",), "unflagged", "approve all open pairs that pass without a flag; asks first"),
    Key(
        ("S",), "seen", "approve all pairs that you have seen since you opened the review, flagged ones too; asks first"
    ),
    Key(("s",), "skip", "skip to the next listed pair that needs a decision"),
    Key(("f",), "filter", "filter: list the next kind of pairs, such as those to decide, or all"),
    Key(("/",), "find", "find: list only pairs with these words; Enter keeps the list, Esc ends the search"),
    Key(("c",), "conflict", "conflict: the three versions of a pair that somebody changed, or its evidence"),
    Key(("t",), "trait", "the next trait"),
    Key(("?",), "help", "this page"),
    Key(("q",), "quit", "quit: everything is stored already, and the next time goes on from here", "terminal"),
    Key(("↓", "j"), "", "the pair below"),
    Key(("↑", "k"), "", "the pair above"),
    Key(("Space",), "", "scroll the texts down"),
    Key(("b",), "", "scroll the texts up"),
    Key(("Enter",), "", "show the pair as it is now, after it changed under your eyes"),
    Key(("Esc",), "", "end a search, or go back"),
    Key(("Ctrl+S", "Ctrl+Enter"), "", "while you edit: store both texts and have them checked"),
    Key(("o",), "", "show or hide the evidence", "page"),
    Key(("v",), "", "show a change inline or side by side", "page"),
    Key(("n",), "", "write a note to go with the decision", "page"),
)
LAST_ACT = "S"  # the keys up to here decide; those after it look around
