"""What is shown while a run goes on: one row per trait that changes in place, or plain lines where no terminal is."""

import time
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from agent.loop.standing import Standing, Status
from agent.schema import Round

_BAR = 24
_PICTURES = {**{i: chr(0x2400 + i) for i in range(32)}, 127: "\u2421"}
_HIDDEN_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
# Letters and marks by category, yet nothing is seen of them.
_HIDDEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")


def safe_text(text: str) -> str:
    """The text with every character made visible that a terminal would obey or hide: controls, bidi, zero width."""
    return "".join(_visible(char) for char in text)


def _visible(char: str) -> str:
    code = ord(char)
    if code in _PICTURES:
        return _PICTURES[code]
    if char not in _HIDDEN and unicodedata.category(char) not in _HIDDEN_CATEGORIES:
        return char
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


@dataclass
class Row:
    """What the screen knows of one trait."""

    goal: int
    stage: str = "waiting"
    rounds: int = 0
    size: int = 0
    passed: int = 0
    confirmed: int = 0
    parked: int = 0
    calls: Counter[str] = field(default_factory=Counter)

    def take(self, done: Round, now: Standing) -> None:
        self.rounds = now.rounds
        self.size = len(now.items)
        self.passed = len(now.at(Status.PASSED, Status.CONFIRMED, Status.AUDITED))
        self.confirmed = len(now.at(Status.CONFIRMED, Status.AUDITED))
        self.parked = len(now.parked)
        self.calls.update(dict(done.cost.calls))

    @property
    def bar(self) -> str:
        """Confirmed, passed but not confirmed, in the set, still to come - as shares of the goal."""
        full, most = [round(_BAR * n / max(1, self.goal)) for n in (self.confirmed, self.size)]
        passed = round(_BAR * self.passed / max(1, self.goal))
        return ("█" * full + "▓" * (passed - full) + "░" * (most - passed)).ljust(_BAR, "·")

    def told(self, done: Round) -> str:
        """One round as a line."""
        made = _counted(Counter(change.what for change in done.changes))
        parts = [
            f"round {done.number}, {done.move.kind}" + (f" ({made})" if made else ""),
            f"{self.size} pairs of {self.goal} wanted, {self.passed} pass, {self.confirmed} confirmed",
            *([f"{self.parked} parked"] if self.parked else []),
            f"calls so far: {_counted(self.calls) or 'none'}",
        ]
        return "; ".join(parts)


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


class Screen:
    """Sentences, rounds and stages. Whatever reaches it is shown harmlessly: models' words included."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._rows: dict[str, Row] = {}
        self._began = time.monotonic()
        self._live = Live(
            console=self._console, get_renderable=self._table, refresh_per_second=4, redirect_stderr=False
        )

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def say(self, line: str) -> None:
        """One line, above the live view where there is one."""
        self._console.print(Text(safe_text(line)), soft_wrap=True)

    def expect(self, trait: str, goal: int) -> None:
        """A trait that this run will work on."""
        self._rows[trait] = Row(goal)

    def stage(self, trait: str, what: str) -> None:
        """What a trait is busy with just now."""
        self._rows[trait].stage = what

    def known(self, trait: str, history: tuple[Round, ...], now: Standing) -> None:
        """Rounds that an earlier run has recorded."""
        for done in history:
            self._rows[trait].take(done, now)

    def round(self, trait: str, done: Round, now: Standing) -> None:
        """A round that has just been recorded."""
        row = self._rows[trait]
        row.take(done, now)
        if not self._live.is_started:
            self.say(f"{trait}: {row.told(done)}")

    def _table(self) -> Table:
        seconds = int(time.monotonic() - self._began)
        table = Table(box=None, pad_edge=False, title=f"{seconds // 60}:{seconds % 60:02d}", title_justify="left")
        for heading in ("trait", "█ confirmed ▓ passed ░ in the set", "pairs", "round", "now", "calls"):
            table.add_column(heading, no_wrap=heading != "calls")
        for trait, row in self._rows.items():
            cells = (trait, row.bar, f"{row.confirmed}/{row.goal}", str(row.rounds), row.stage, _counted(row.calls))
            table.add_row(*(Text(safe_text(cell)) for cell in cells))
        return table
