"""What the keys of the review do in the terminal."""

from agent.review.labels import KEYS

ACTIONS = {
    "a": "decide('approve')",
    "r": "decide('reject')",
    "e": "edit",
    "d": "decide('drop')",
    "u": "undo",
    "x": "check",
    "A": "approve_many('unflagged')",
    "S": "approve_many('seen')",
    "s": "skip",
    "f": "filter",
    "/": "find",
    "c": "conflict",
    "t": "trait",
    "?": "help",
    "q,ctrl+c": "leave",
    "j,down": "move(1)",
    "k,up": "move(-1)",
    "space": "scroll(1)",
    "b": "scroll(-1)",
    "enter": "anew",
    "escape": "unfind",
}
STORE = "ctrl+s,ctrl+enter"  # few terminals tell Ctrl+Enter from Enter
TOLD = tuple(key for key in KEYS if key.where != "page")
