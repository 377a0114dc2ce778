"""The display of a run: a live table with one row per trait on a terminal, plain lines elsewhere."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from agent.loop.state import SetState, Status
from agent.schema import Round, Usage, add_costs
from agent.storage.ledger_database import LedgerError
from agent.supervision.progress import WAITING, Progress
from agent.text import discard_stream, safe_text

_BAR = 24  # characters
_COST_INTERVAL = 5.0  # seconds between two sums over the ledgers; chosen by judgement
_LINE_INTERVAL = 60.0  # seconds between two status lines where there is no terminal
_LEGEND = "█ confirmed ▓ passed ░ in the set"


@dataclass
class TraitRow:
    """One trait in the display. `started` and `confirmed_before` are the time and the count when this run began it."""

    goal: int
    stage: str = WAITING
    rounds: int = 0
    size: int = 0
    passed: int = 0
    confirmed: int = 0
    parked: int = 0
    usage: Usage = Usage()
    read_usage: Callable[[], Usage] | None = None
    started: float | None = None
    confirmed_before: int = 0

    def update(self, done: Round, state: SetState) -> None:
        """Add a round; `state` is the set after it."""
        self.rounds = state.rounds
        self.size = len(state.items)
        self.passed = len(state.at(Status.PASSED, Status.CONFIRMED, Status.AUDITED))
        self.confirmed = len(state.at(Status.CONFIRMED, Status.AUDITED))
        self.parked = len(state.parked)
        if self.read_usage is None:
            self.usage = add_costs(self.usage, done.cost)

    def refresh_usage(self) -> None:
        """Read the usage so far from the ledger, which is newer than the last round."""
        if self.read_usage is not None:
            try:
                self.usage = self.read_usage()
            except LedgerError:
                self.read_usage = None  # the trait's own thread meets the same error and reports it

    @property
    def bar(self) -> str:
        """Confirmed, passed, unconfirmed and missing pairs, as shares of the goal."""
        full, most = [round(_BAR * n / max(1, self.goal)) for n in (self.confirmed, self.size)]
        passed = round(_BAR * self.passed / max(1, self.goal))
        return ("█" * full + "▓" * (passed - full) + "░" * (most - passed)).ljust(_BAR, "·")

    def eta(self, now: float) -> str:
        """The time left at the rate at which this run has confirmed pairs; "-" while that is unknown."""
        gained, missing = self.confirmed - self.confirmed_before, self.goal - self.confirmed
        if self.started is None or gained <= 0 or missing <= 0:
            return "-"
        minutes = round(missing * (now - self.started) / gained / 60)
        return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"

    def round_summary(self, done: Round) -> str:
        """One round as a line of text."""
        made = _counts(Counter(change.what for change in done.changes))
        parts = [
            f"round {done.number}, {done.move.kind}" + (f" ({made})" if made else ""),
            f"{self.size} pairs of {self.goal} wanted, {self.passed} pass, {self.confirmed} confirmed",
            *([f"{self.parked} parked"] if self.parked else []),
            f"calls so far: {_counts(dict(self.usage.calls)) or 'none'}",
        ]
        return "; ".join(parts)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def call_count(usage: Usage) -> int:
    """How many LLM answers were bought; completions of the subject are not counted."""
    return sum(n for role, n in usage.calls if role != "subject")


def usd(usage: Usage) -> str:
    """Money in dollars."""
    return f"{usage.micro_usd / 1e6:.2f}"


class RunDisplay:
    """Prints lines and tables, and keeps a live view of a run. Control characters in any text are made visible.

    Thread-safe. `limits` returns one short line per endpoint. A background thread refreshes the view every `poll`
    seconds; where there is no terminal it prints one status line a minute, measured by `clock`.
    """

    def __init__(
        self,
        console: Console | None = None,
        progress: Progress | None = None,
        limits: Callable[[], Sequence[str]] = tuple,
        clock: Callable[[], float] = time.monotonic,
        poll: float = 0.25,
    ) -> None:
        self._console = console or Console()
        self._progress, self._limits = progress, limits
        self._clock, self._poll = clock, poll
        self._rows: dict[str, TraitRow] = {}
        self._rows_lock = threading.RLock()  # never held while something is printed
        self._print_lock = threading.RLock()
        self._closed = threading.Event()
        self._started = self._usage_read_at = self._line_printed_at = clock()
        self._last_error = ""
        self._has_failed = False
        self._is_pause_shown = False
        self._live = Live(console=self._console, get_renderable=self._view, auto_refresh=False, redirect_stderr=False)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            with self._printing():
                self._live.start()
        threading.Thread(target=self._refresh_until_closed, name="display", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        with self._printing():
            self._live.stop()
        if self._progress is not None:
            discard_stream(self._console.file)

    @contextmanager
    def _printing(self) -> Iterator[None]:
        """Hold the print lock. With a `progress`, a full disk or a closed terminal is an error there and ends nothing.

        Without one, raises OSError.
        """
        with self._print_lock:
            try:
                yield
            except (OSError, SystemExit) as error:  # rich raises SystemExit for a broken pipe
                if self._progress is None:
                    raise
                with suppress(OSError), self._console.capture():
                    pass  # empties the console's buffer, which would be printed again
                if not self._has_failed:
                    self._progress.error(f"The display cannot be written: {error.__context__ or error}")
                self._has_failed = True
            else:
                self._has_failed = False

    def attach(self, progress: Progress, limits: Callable[[], Sequence[str]] | None = None) -> None:
        """Show another progress from now on."""
        self._progress = progress
        self._limits = limits or self._limits

    def print(self, *lines: str) -> None:
        """Print lines that stay together, above the live view where there is one."""
        with self._printing():
            self._console.print(Text("\n".join(map(safe_text, lines))), soft_wrap=True)

    def print_table(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table: with borders on a terminal, as aligned lines elsewhere."""
        safe = [[safe_text(cell) for cell in row] for row in (headings, *rows)]
        if not self._console.is_terminal:
            widths = [max(map(len, column)) for column in zip(*safe, strict=True)]
            self.print(*("  ".join(map(str.ljust, row, widths)).rstrip() for row in safe))
            return
        table = Table()
        for heading in safe[0]:
            table.add_column(Text(heading))
        for row in safe[1:]:
            table.add_row(*map(Text, row))
        with self._printing():
            self._console.print(table)

    def add_trait(self, trait: str, goal: int) -> None:
        """Add a row for a trait that this run works on; `goal` is in pairs."""
        with self._rows_lock:
            self._rows[trait] = TraitRow(goal)

    def stage(self, trait: str, stage: str) -> None:
        """Set what a trait is doing, where no `progress` reports it."""
        with self._rows_lock:
            self._rows[trait].stage = stage

    @contextmanager
    def track_cost(self, trait: str, read_usage: Callable[[], Usage]) -> Iterator[None]:
        """While open, show the trait's usage as its ledger reports it, and its ETA."""
        row = self._rows[trait]
        with self._rows_lock:
            row.read_usage, row.started = read_usage, self._clock()
            row.refresh_usage()
        try:
            yield
        finally:
            with self._rows_lock:
                row.refresh_usage()
                row.read_usage = row.started = None

    def add_history(self, trait: str, history: tuple[Round, ...], state: SetState) -> None:
        """Add the rounds that earlier runs recorded; `state` is the set after them."""
        with self._rows_lock:
            row = self._rows[trait]
            for done in history:
                row.update(done, state)
            row.confirmed_before = row.confirmed

    def add_round(self, trait: str, done: Round, state: SetState) -> None:
        """Add a round that has just been recorded; where there is no live view, print it as a line."""
        with self._rows_lock:
            self._rows[trait].update(done, state)
            self._rows[trait].refresh_usage()
            summary = self._rows[trait].round_summary(done)
        if not self._live.is_started:
            self.print(f"{trait}: {summary}")

    def refresh(self) -> None:
        """Redraw the live view; where there is none, print a status line once a minute."""
        now = self._clock()
        if not self._live.is_started:
            self._print_pause()
        due = now - self._line_printed_at >= _LINE_INTERVAL and not self._live.is_started
        if due or now - self._usage_read_at >= _COST_INTERVAL:
            self._usage_read_at = now
            with self._rows_lock:
                for row in self._rows.values():
                    row.refresh_usage()
        if self._live.is_started:
            with self._printing():
                self._live.refresh()
        elif due and self._rows:
            self._line_printed_at = now
            self.print(self._status_line(now))

    def _print_pause(self) -> None:
        """Print a line where a pause has begun or ended, since a status line may come a minute later."""
        paused, _ = self._pause_and_error()
        if bool(paused) != self._is_pause_shown:
            self._is_pause_shown = bool(paused)
            self.print(f"paused: {paused}" if paused else "goes on")

    def _refresh_until_closed(self) -> None:
        while not self._closed.wait(self._poll):
            self.refresh()

    def _stages(self) -> dict[str, str]:
        reported = self._progress.stages() if self._progress else {}
        with self._rows_lock:
            return {trait: reported.get(trait, row.stage) for trait, row in self._rows.items()}

    def _pause_and_error(self) -> tuple[str, str]:
        """Why the run is paused, and the last error; empty where there is none."""
        now = self._progress.snapshot() if self._progress else None
        return (now.paused or "", now.errors[-1] if now.errors else "") if now else ("", "")

    def _status_line(self, now: float) -> str:
        """All traits in one line for a log; the same error is shown once."""
        stages, (paused, error) = self._stages(), self._pause_and_error()
        with self._rows_lock:
            parts = [
                f"{trait}: {stages[trait]}, {row.confirmed} of {row.goal} confirmed, "
                f"{call_count(row.usage)} calls, {usd(row.usage)} USD"
                for trait, row in self._rows.items()
            ]
        is_new, self._last_error = error != self._last_error, error
        parts += [*self._limits(), *([f"paused: {paused}"] if paused else [])]
        parts += [f"last error: {error}"] if error and is_new else []
        return "; ".join([f"after {(now - self._started) / 60:.0f} min", *parts])

    def _view(self) -> Group:
        """The live view: common lines first, since a small terminal cuts the end off, then a row per trait."""
        now, (paused, error) = self._clock(), self._pause_and_error()
        seconds = int(now - self._started)
        lines = [f"{seconds // 60}:{seconds % 60:02d}  {_LEGEND}", "; ".join(self._limits())]
        lines += [f"paused: {paused}" if paused else "", f"last error: {error}" if error else ""]
        shown = [Text(safe_text(line), no_wrap=True, overflow="ellipsis") for line in lines if line]
        return Group(*shown, self._table(now))

    def _table(self, now: float) -> Table:
        stages = self._stages()
        table = Table(box=None, pad_edge=False)
        for heading in ("trait", "", "pairs", "round", "now", "calls", "USD", "ETA"):
            table.add_column(heading, no_wrap=True)
        with self._rows_lock:
            for trait, row in self._rows.items():
                counts = (f"{row.confirmed}/{row.goal}", str(row.rounds), stages.get(trait, row.stage))
                costs = (str(call_count(row.usage)), usd(row.usage), row.eta(now))
                table.add_row(*(Text(safe_text(cell)) for cell in (trait, row.bar, *counts, *costs)))
        return table
