"""The keys: what each is called below the list, what it does, and what the help says of it."""

from typing import NamedTuple


class Key(NamedTuple):
    """One key, or several separated by commas. Without a name it is told of in the help alone."""

    keys: str
    action: str
    shown: str
    name: str
    meaning: str


KEYS = (
    Key("a", "decide('approve')", "a", "approve", "approve: the text shown goes into the dataset when you run apply"),
    Key("r", "decide('reject')", "r", "reject", "reject: the dataset stays as it is"),
    Key("e", "edit", "e", "edit", "edit both texts; what you store is checked on the spot"),
    Key("d", "decide('drop')", "d", "drop", "drop: the pair's line leaves both files"),
    Key("s", "skip", "s", "skip", "skip to the next listed pair that needs a decision"),
    Key("u", "undo", "u", "undo", "undo your last act, all of it"),
    Key("x", "check", "x", "check", "check an edited text again, where a check came to no end"),
    Key("A", "approve_unflagged", "A", "all-unflagged", "approve all open pairs that pass without a flag; asks first"),
    Key("f", "filter", "f", "filter", "filter: proposed, to decide, flagged, not passing, decided, all pairs"),
    Key("/", "find", "/", "find", "find: list only pairs with this in a text, state, flag or verdict; Esc ends it"),
    Key("c", "conflict", "c", "conflict", "conflict: base, theirs and ours, or the evidence"),
    Key("t", "trait", "t", "trait", "the next trait"),
    Key("?", "help", "?", "help", "this page"),
    Key("q,ctrl+c", "leave", "q", "quit", "quit: everything is stored already, and the next time goes on from here"),
    Key("j,down", "move(1)", "↓ j", "", "the pair below"),
    Key("k,up", "move(-1)", "↑ k", "", "the pair above"),
    Key("space", "scroll(1)", "space", "", "scroll the texts down"),
    Key("b", "scroll(-1)", "b", "", "scroll the texts up"),
    Key("enter", "anew", "Enter", "", "show the pair as it is now, after it changed under your eyes"),
    Key("escape", "unfind", "Esc", "", "end a search, or go back"),
)
LAST_ACT = "A"  # the keys up to here decide; those after it look around
