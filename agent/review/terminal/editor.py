"""Where a reviewer writes other texts for a pair."""

from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static, TextArea
from textual.widgets.text_area import Edit, EditResult

from agent.errors import UserError
from agent.review.terminal.keys import STORE
from agent.review.terminal.spelling import spelled, unspelled
from agent.review.terminal.words import QUIET, plain
from agent.review.terminal.writing import Texts, Writing
from agent.schema import Polarity


class Lines(TextArea):
    """One text. What is typed or pasted into it is harmless, and stays on one line where the text was on one."""

    DEFAULT_CSS = "Lines { height: 1fr; border: round $surface-lighten-2; } Lines:focus { border: round $accent; }"

    def __init__(self, text: str) -> None:
        self.many = "\n" in text
        super().__init__(spelled(text, self.many), soft_wrap=True, highlight_cursor_line=False)
        self.move_cursor(self.document.end)

    @property
    def meant(self) -> str:
        """The text as it would be stored."""
        return unspelled(self.text)

    def edit(self, edit: Edit) -> EditResult:
        """Whatever comes in, by key or by paste, is spelled out first."""
        edit.text = _typed(edit.text, self.many)
        return super().edit(edit)

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter" and not self.many:
            event.stop()
            event.prevent_default()
            self.screen.focus_next(Lines)
        else:
            await super()._on_key(event)


def _typed(text: str, lines: bool) -> str:
    """Text of the keyboard: its notation for hidden characters is left as it was typed."""
    text = text if lines else " ".join(text.splitlines())
    return "".join(char if char == "\\" else spelled(char, lines) for char in text)


class Editor(ModalScreen[bool]):
    """Both texts of a pair. Ends with whether an edit was stored; goes down with the program only after it was."""

    DEFAULT_CSS = """
    Editor { align: center middle; }
    Editor > Vertical {
        width: 96%; max-width: 130; height: 90%; max-height: 30;
        padding: 0 1; background: $surface; border: round $accent;
    }
    Editor Static { height: auto; }
    Editor #refused { color: $text-error; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(STORE, "save", priority=True),
        Binding("escape", "leave", priority=True),
    ]

    def __init__(self, writing: Writing) -> None:
        super().__init__()
        self._writing = writing
        self._both = tuple(map(Lines, writing.begin))
        self._is_done = False

    def compose(self) -> ComposeResult:
        writing = self._writing
        with Vertical():
            yield Static(
                Text("edit ", "bold")
                .append_text(plain(writing.card.pair))
                .append("  ")
                .append_text(plain(writing.about))
            )
            for polarity, lines in zip(Polarity, self._both, strict=True):
                yield Static(Text(polarity.value.upper(), "bold"))
                yield lines
            yield Static("", id="refused", markup=False)
            yield Static(Text("Ctrl+S store and check   Esc back   Tab the other text", "bold"))
            yield Static(Text("A hidden character is spelled \\u{200b}: delete it like any other.", QUIET))

    def on_mount(self) -> None:
        self._both[0].focus()

    @property
    def texts(self) -> Texts:
        """Both texts as they stand here."""
        positive, negative = (lines.meant for lines in self._both)
        return positive, negative

    def action_save(self) -> None:
        if self.texts == self._writing.stands:
            self._end(False)
            return
        try:
            self._writing.store(self.texts)
        except UserError as error:
            self.query_one("#refused", Static).update(plain(f"{error} Esc keeps your texts: e brings them back."))
        else:
            self._end(True)

    def action_leave(self) -> None:
        if not self._writing.is_stored(self.texts):
            self._writing.set_aside(self.texts)
        self._end(False)

    @on(events.Unmount)
    def give_up(self) -> None:
        """The terminal goes away: what is not stored is stored."""
        if not self._is_done and not self._writing.is_stored(self.texts):
            self._writing.save(self.texts)
        self._is_done = True

    def _end(self, stored: bool) -> None:
        self._is_done = True
        self.dismiss(stored)
