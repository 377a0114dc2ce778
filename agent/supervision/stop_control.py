"""How a person stops a run or holds it up: a signal once or twice, a file named STOP or PAUSE, a deadline."""

import os
import re
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from agent.errors import STOPPED, Interrupted, UserError
from agent.schema import Ending
from agent.storage.experiment import ExperimentFolder
from agent.storage.ledger import Ledger
from agent.supervision.progress import Progress

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = b"\x1b[?25h"
_ONCE = b"\nStopping: what is in flight is finished and stored first. Once more stops now.\n"
_TWICE = b"\nStopped now. Everything bought is stored; the same command goes on from there.\n"


class StopSignals:
    """While open, the first SIGINT or SIGTERM asks for a stop at the next move; the second ends the process.

    Open it in the main thread, which is where signals arrive; any thread may ask. `until` is in seconds since 1970.
    """

    def __init__(
        self,
        until: float | None = None,
        time_of_day: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.asked: str | None = None
        self._until, self._time, self._sleep = until, time_of_day, sleep
        self._before: dict[int, Callable[[int, FrameType | None], Any] | int | None] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        # Bytes straight to the descriptor: the interrupted code may hold any lock, the screen's included.
        if self.asked is not None:
            _say((_SHOW_CURSOR if os.isatty(2) else b"") + _TWICE)
            os._exit(STOPPED)
        self.asked = signal.Signals(number).name
        _say(_ONCE)

    def stop_reason(self, stop_file: Path) -> str | None:
        """Who asked for a stop, or None."""
        if self.asked is not None:
            return self.asked
        if stop_file.exists():
            return f"the file {stop_file}; remove it to go on"
        if self._until is not None and self._time() >= self._until:
            return f"the deadline {datetime.fromtimestamp(self._until):%H:%M} (--until)"
        return None

    def wait_while_paused(self, trait: str, pause_file: Path, stop_file: Path, progress: Progress) -> None:
        """Hold the calling thread while the file named PAUSE is there, unless a stop is asked for meanwhile."""
        if not pause_file.exists():
            return
        progress.pause(trait, f"the file {pause_file}; `cliffhanger resume` goes on")
        try:
            while pause_file.exists() and self.stop_reason(stop_file) is None:
                # A sleep rather than an event: a signal's handler must not wait for a lock to wake anybody.
                self._sleep(1.0)
        finally:
            progress.pause(trait, None)


def _say(words: bytes) -> None:
    """On standard error, where that can be written: a log without room must not keep a run from stopping well."""
    with suppress(OSError):
        os.write(2, words)


def deadline(text: str, now: float) -> float:
    """When `--until` means, in seconds since 1970: the next HH:MM by the local clock, or a date with a time.

    Raises Refusal.
    """
    when = _clock_time(text, now) or _date_time(text)
    if when is None:
        raise UserError(
            f"--until {text!r} is no time: write HH:MM for the next such time here, such as 07:00, "
            "or a date with a time, such as 2031-05-17T07:00."
        )
    if when.timestamp() <= now:
        raise UserError(f"--until {text!r} is over already: it is {datetime.fromtimestamp(now):%Y-%m-%d %H:%M} now.")
    return when.timestamp()


def _clock_time(text: str, now: float) -> datetime | None:
    """The next time that clocks here show this; None where it is no time of a day."""
    found = re.fullmatch(r"\s*(\d{1,2}):(\d{2})\s*", text, re.ASCII)
    hour, minute = map(int, found.groups()) if found else (24, 0)
    if hour > 23 or minute > 59:
        return None
    today = datetime.fromtimestamp(now).replace(hour=hour, minute=minute, second=0, microsecond=0)
    return today if today.timestamp() > now else today + timedelta(days=1)


def _date_time(text: str) -> datetime | None:
    """A date with a time, local unless it names its zone; a date alone is refused, midnight is hardly meant."""
    if not re.search(r"\d[T ]\d", text):
        return None
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        return None


_TOUCH = 1.0  # seconds between two notes that a session still runs


@dataclass
class TraitControl:
    """Stands beside one trait's loop. Any thread may ask it."""

    trait: str
    folder: ExperimentFolder
    ledger: Ledger
    stops: StopSignals
    progress: Progress
    minutes: float | None = None
    clock: Callable[[], float] = time.monotonic
    _session: int = field(init=False, default=0)
    _began: float = field(init=False, default=0.0)
    _touched: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._session = self.ledger.begin_session()
        self._began = self._touched = self.clock()

    def should_stop(self) -> bool:
        """Whether nothing new is to be sent just now."""
        return self.interruption() is not None or self.folder.pause_file.exists()

    def interruption(self) -> Interrupted | None:
        """Why the work is to end here, if it is."""
        why = self.stops.stop_reason(self.folder.stop_file)
        if why is not None:
            return Interrupted(Ending.STOPPED, f"a stop was asked for ({why}).")
        cap = self.cap_reached()
        return Interrupted(Ending.CAP, cap) if cap else None

    def cap_reached(self) -> str | None:
        """The cap on minutes, once this trait's runs have taken them all."""
        if self.minutes is None or self.ledger.minutes() < self.minutes:
            return None
        return f"the cap of {self.minutes:g} minutes is reached (--max-minutes)"

    def check(self) -> None:
        """Wait while the run is paused. Raises Interrupted where it is to end."""
        self._touch()
        self.stops.wait_while_paused(self.trait, self.folder.pause_file, self.folder.stop_file, self.progress)
        stop = self.interruption()
        if stop is not None:
            raise stop

    def step(self, kind: str, count: int = 1) -> None:
        """Something was achieved."""
        self.progress.step(self.trait, kind, count)
        self._touch()

    def _touch(self) -> None:
        now = self.clock()
        if now - self._touched >= _TOUCH:
            self._touched = now
            self.ledger.touch_session(self._session, now - self._began)
