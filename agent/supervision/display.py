"""What is shown while a run goes on: one row per trait that changes in place, or plain lines where no terminal is."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from agent.loop.state import SetState, Status
from agent.schema import Round, Usage, add_costs
from agent.storage.ledger_database import LedgerError
from agent.supervision.progress import Progress
from agent.text import discard_stream, safe_text

_BAR = 24
_COUNTED_EVERY = 5.0  # seconds between two sums over the ledgers
_SAID_EVERY = 60.0  # seconds between two lines of a log
_LEGEND = "█ confirmed ▓ passed ░ in the set"


@dataclass
class TraitRow:
    """What the screen knows of one trait. `began` and `before` are when this run took it up, and with how much."""

    goal: int
    stage: str = "waiting"
    rounds: int = 0
    size: int = 0
    passed: int = 0
    confirmed: int = 0
    parked: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    bought: Usage = Usage()
    spent: Callable[[], Usage] | None = None
    began: float | None = None
    before: int = 0

    def update(self, done: Round, state: SetState) -> None:
        self.rounds = state.rounds
        self.size = len(state.items)
        self.passed = len(state.at(Status.PASSED, Status.CONFIRMED, Status.AUDITED))
        self.confirmed = len(state.at(Status.CONFIRMED, Status.AUDITED))
        self.parked = len(state.parked)
        self.calls.update(dict(done.cost.calls))
        if self.spent is None:
            self.bought = add_costs(self.bought, done.cost)

    def refresh_cost(self) -> None:
        """Ask the ledger what the trait has cost so far; it tells more than the rounds, which come seldom."""
        if self.spent is not None:
            try:
                self.bought = self.spent()
            except LedgerError:
                self.spent = None  # the trait's own thread meets the same error, and says it

    @property
    def bar(self) -> str:
        """Confirmed, passed but not confirmed, in the set, still to come - as shares of the goal."""
        full, most = [round(_BAR * n / max(1, self.goal)) for n in (self.confirmed, self.size)]
        passed = round(_BAR * self.passed / max(1, self.goal))
        return ("█" * full + "▓" * (passed - full) + "░" * (most - passed)).ljust(_BAR, "·")

    def eta(self, now: float) -> str:
        """How long the missing pairs take at the pace of those that this run has confirmed; "-" while unknown."""
        gained, missing = self.confirmed - self.before, self.goal - self.confirmed
        if self.began is None or gained <= 0 or missing <= 0:
            return "-"
        minutes = round(missing * (now - self.began) / gained / 60)
        return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"

    def round_summary(self, done: Round) -> str:
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


def call_count(cost: Usage) -> int:
    """How many answers were bought. A completion of the subject is none."""
    return sum(n for role, n in cost.calls if role != "subject")


def usd(cost: Usage) -> str:
    """Money in dollars."""
    return f"{cost.micro_usd / 1e6:.2f}"


class RunDisplay:
    """Sentences, rounds and stages. Whatever reaches it is shown harmlessly: models' words included.

    Threads share it. `limiter` gives one short string per endpoint. A thread of its own keeps the view fresh, and
    where no terminal is says once a minute, by `clock`, how far all traits are.
    """

    def __init__(
        self,
        console: Console | None = None,
        progress: Progress | None = None,
        limiter: Callable[[], Sequence[str]] = tuple,
        clock: Callable[[], float] = time.monotonic,
        poll: float = 0.25,
    ) -> None:
        self._console = console or Console()
        self._progress, self._limiter = progress, limiter
        self._clock, self._poll = clock, poll
        self._rows: dict[str, TraitRow] = {}
        self._knowing = threading.RLock()  # over the rows; never held while something is printed
        self._printing = threading.RLock()
        self._over = threading.Event()
        self._began = self._counted_at = self._said_at = clock()
        self._last_error = ""
        self._is_mute = False
        self._live = Live(console=self._console, get_renderable=self._view, auto_refresh=False, redirect_stderr=False)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            with self._printed():
                self._live.start()
        threading.Thread(target=self._keep_fresh, name="screen", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        with self._printed():
            self._live.stop()
        if self._progress is not None:
            discard_stream(self._console.file)

    @contextmanager
    def _printed(self) -> Iterator[None]:
        """Around whatever is printed. A log without room, or a terminal that is gone, ends no run that can tell it.

        What is told to nobody but the reader of this screen raises OSError.
        """
        with self._printing:
            try:
                yield
            except (OSError, SystemExit) as error:  # the latter is what rich makes of a pipe that nobody reads
                if self._progress is None:
                    raise
                with suppress(OSError), self._console.capture():
                    pass  # which empties the console: it would print all of it once more
                if not self._is_mute:
                    self._progress.error(f"Nothing can be printed just now: {error.__context__ or error}")
                self._is_mute = True
            else:
                self._is_mute = False

    def attach(self, progress: Progress, limiter: Callable[[], Sequence[str]] | None = None) -> None:
        """From now on show these, which may not have been known when the screen was made."""
        self._progress = progress
        self._limiter = limiter or self._limiter

    def print(self, *lines: str) -> None:
        """Lines that stay together, above the live view where there is one."""
        with self._printed():
            self._console.print(Text("\n".join(map(safe_text, lines))), soft_wrap=True)

    def print_table(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table: drawn on a terminal, aligned plain lines elsewhere. All but the first column are short."""
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
        with self._printed():
            self._console.print(table)

    def add_trait(self, trait: str, goal: int) -> None:
        """A trait that this run will work on."""
        with self._knowing:
            self._rows[trait] = TraitRow(goal)

    def stage(self, trait: str, what: str) -> None:
        """What a trait is busy with just now, where no Progress tells it."""
        with self._knowing:
            self._rows[trait].stage = what

    @contextmanager
    def track_cost(self, trait: str, spent: Callable[[], Usage]) -> Iterator[None]:
        """While a trait is worked on, show what its ledger says it has cost, and how long it may still take."""
        row = self._rows[trait]
        with self._knowing:
            row.spent, row.began = spent, self._clock()
            row.refresh_cost()
        try:
            yield
        finally:
            with self._knowing:
                row.refresh_cost()
                row.spent = row.began = None

    def add_history(self, trait: str, history: tuple[Round, ...], now: SetState) -> None:
        """Rounds that an earlier run has recorded."""
        with self._knowing:
            for done in history:
                self._rows[trait].update(done, now)
            self._rows[trait].before = self._rows[trait].confirmed

    def add_round(self, trait: str, done: Round, now: SetState) -> None:
        """A round that has just been recorded."""
        with self._knowing:
            self._rows[trait].update(done, now)
            told = self._rows[trait].round_summary(done)
        if not self._live.is_started:
            self.print(f"{trait}: {told}")

    def refresh(self) -> None:
        """Bring what is shown up to date; once a minute where no terminal is, say it."""
        now = self._clock()
        due = now - self._said_at >= _SAID_EVERY and not self._live.is_started
        if due or now - self._counted_at >= _COUNTED_EVERY:
            self._counted_at = now
            with self._knowing:
                for row in self._rows.values():
                    row.refresh_cost()
        if self._live.is_started:
            with self._printed():
                self._live.refresh()
        elif due and self._rows:
            self._said_at = now
            self.print(self._status(now))

    def _keep_fresh(self) -> None:
        while not self._over.wait(self._poll):
            self.refresh()

    def _stages(self) -> dict[str, str]:
        known = self._progress.stages() if self._progress else {}
        with self._knowing:
            return {name: known.get(name, row.stage) for name, row in self._rows.items()}

    def _trouble(self) -> tuple[str, str]:
        """Why nothing moves, and the last error; empty where there is none."""
        now = self._progress.snapshot() if self._progress else None
        return (now.paused or "", now.errors[-1] if now.errors else "") if now else ("", "")

    def _status(self, now: float) -> str:
        """All traits in one line for a log; an error is told once."""
        stages, (paused, error) = self._stages(), self._trouble()
        with self._knowing:
            parts = [
                f"{trait}: {stages[trait]}, {row.confirmed} of {row.goal} confirmed, "
                f"{call_count(row.bought)} calls, {usd(row.bought)} USD"
                for trait, row in self._rows.items()
            ]
        fresh, self._last_error = error != self._last_error, error
        parts += [*self._limiter(), *([f"paused: {paused}"] if paused else [])]
        parts += [f"last error: {error}"] if error and fresh else []
        return "; ".join([f"after {(now - self._began) / 60:.0f} min", *parts])

    def _view(self) -> Group:
        """The live view: first what holds for all, since a small terminal cuts the end off; then a row per trait."""
        now, (paused, error) = self._clock(), self._trouble()
        seconds = int(now - self._began)
        lines = [f"{seconds // 60}:{seconds % 60:02d}  {_LEGEND}", "; ".join(self._limiter())]
        lines += [f"paused: {paused}" if paused else "", f"last error: {error}" if error else ""]
        shown = [Text(safe_text(line), no_wrap=True, overflow="ellipsis") for line in lines if line]
        return Group(*shown, self._table(now))

    def _table(self, now: float) -> Table:
        stages = self._stages()
        table = Table(box=None, pad_edge=False)
        for heading in ("trait", "", "pairs", "round", "now", "calls", "USD", "ETA"):
            table.add_column(heading, no_wrap=True)
        with self._knowing:
            for trait, row in self._rows.items():
                counts = (f"{row.confirmed}/{row.goal}", str(row.rounds), stages.get(trait, row.stage))
                costs = (str(call_count(row.bought)), usd(row.bought), row.eta(now))
                table.add_row(*(Text(safe_text(cell)) for cell in (trait, row.bar, *counts, *costs)))
        return table
