"""Questions and help, in front of the list."""

from typing import ClassVar

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from agent.review.labels import WARNINGS
from agent.review.terminal.keys import TOLD
from agent.review.terminal.lines import MARKS, MEANINGS
from agent.review.terminal.words import DOUBT, LABEL
from agent.text import safe_text

_SCORES = (
    ("S", "how likely the text is to go on with the trait, 0 to 100"),
    ("J", "how much of the trait the continuation shows"),
    ("C0", "how much of the behaviour the text itself shows already: it must be low"),
    ("C5", "the same with the first tokens of the continuation: it must be high"),
    ("│", "the exact end of the first tokens, which decide"),
)


class QuestionDialog(ModalScreen[bool]):
    """A question that is answered by y or n."""

    DEFAULT_CSS = """
    QuestionDialog { align: center middle; }
    QuestionDialog > Static {
        width: auto; max-width: 90%; height: auto; padding: 1 2; background: $surface; border: round $accent;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        ("y,enter", "dismiss(True)", "yes"),
        ("n,escape,q", "dismiss(False)", "no"),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        lines = "\n".join(map(safe_text, self._question.split("\n")))
        yield Static(Text(lines).append("\n\ny yes   n no", "bold"))


class Help(ModalScreen[None]):
    """What the keys do, and what the words mean."""

    DEFAULT_CSS = """
    Help { align: center middle; }
    Help > Vertical {
        width: 96%; max-width: 110; height: 92%; padding: 0 1; background: $surface; border: round $accent;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [("escape,q,question_mark", "dismiss(None)", "back")]

    def compose(self) -> ComposeResult:
        with Vertical():
            with VerticalScroll():
                yield Static(_page())
            yield Static(Text("↑ ↓ scroll   Esc back", "bold"))

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()


def _page() -> Group:
    states = [(f"{MARKS[state][0]} {state.value}", meaning) for state, meaning in MEANINGS.items()]
    flags = [(warning.value, meaning) for warning, meaning in WARNINGS.items()]
    parts = {
        "Keys": [(" ".join(key.shown), key.meaning) for key in TOLD],
        "States": states,
        "Flags": flags,
        "Scores": _SCORES,
    }
    shown: list[Text | Table] = []
    for title, rows in parts.items():
        table = Table.grid(padding=(0, 2))
        table.add_column(style=DOUBT if title == "Flags" else "bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, meaning in rows:
            table.add_row(Text(name), Text(meaning))
        shown += [Text(f"\n{title}", f"bold {LABEL}"), table]
    return Group(*shown)
