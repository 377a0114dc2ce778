"""Stop control: how a run is stopped or paused, by a signal, a STOP or PAUSE file, a deadline or a time cap."""

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
from agent.schema import Cause, Ending
from agent.storage.experiment import ExperimentFolder
from agent.storage.ledger import Ledger
from agent.supervision.progress import Progress
from agent.text import RESUME

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = b"\x1b[?25h"
_FIRST = b"\nStopping after the calls in flight. Press Ctrl-C again to exit immediately.\n"
_SECOND = f"\nExiting. {RESUME}\n".encode()
_PAUSE_POLL = 1.0  # seconds between two looks for the PAUSE file
_TOUCH_INTERVAL = 1.0  # seconds between two updates of a session's duration in the ledger


class StopSignals:
    """Signal handler: the first SIGINT or SIGTERM requests a stop, the second ends the process with exit code 6.

    Open it in the main thread, where signals arrive; any thread may ask for `stop_reason`. `until`, the deadline, is
    in seconds since 1970.
    """

    def __init__(
        self,
        until: float | None = None,
        time_of_day: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.signal_name: str | None = None
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
        # Bytes straight to the descriptor: the interrupted code may hold any lock, also that of the display.
        if self.signal_name is not None:
            _write_stderr((_SHOW_CURSOR if os.isatty(2) else b"") + _SECOND)
            os._exit(STOPPED)
        self.signal_name = signal.Signals(number).name
        _write_stderr(_FIRST)

    def request(self, stop_file: Path) -> tuple[Cause, str] | None:
        """What requests a stop, and its words: a signal, the STOP file or the deadline; None while nothing does."""
        if self.signal_name is not None:
            return Cause.SIGNAL, self.signal_name
        if stop_file.exists():
            return Cause.STOP_FILE, f"the file {stop_file}; `cliffhanger resume` removes it"
        if self._until is not None and self._time() >= self._until:
            return Cause.UNTIL, f"the deadline {datetime.fromtimestamp(self._until):%H:%M} (--until)"
        return None

    def stop_reason(self, stop_file: Path) -> str | None:
        """Why the run must stop, in words; None while it need not."""
        request = self.request(stop_file)
        return request and request[1]

    def sleep(self, seconds: float) -> None:
        """Sleep so long. A sleep and no event: a signal handler must not wait for the event's lock."""
        self._sleep(seconds)

    def wait_while_paused(self, trait: str, pause_file: Path, stop_file: Path, progress: Progress) -> None:
        """Block the calling thread while the PAUSE file exists and no stop is requested."""
        if not pause_file.exists():
            return
        progress.pause(trait, f"the file {pause_file}; `cliffhanger resume` removes it")
        try:
            while pause_file.exists() and self.stop_reason(stop_file) is None:
                self.sleep(_PAUSE_POLL)
        finally:
            progress.pause(trait, None)


def _write_stderr(content: bytes) -> None:
    """Write to standard error if possible: a full disk must not keep a run from stopping."""
    with suppress(OSError):
        os.write(2, content)


def deadline(text: str, now: float) -> float:
    """Parse `--until` into seconds since 1970: the next HH:MM by the local clock, or a date with a time.

    Raises UserError for anything else, and for a time in the past.
    """
    when = _clock_time(text, now) or _date_time(text)
    if when is None:
        raise UserError(
            f"--until {text!r} is not a time. Write HH:MM for the next such local time, such as 07:00, "
            "or a date with a time, such as 2031-05-17T07:00."
        )
    if when.timestamp() <= now:
        raise UserError(f"--until {text!r} is in the past: it is {datetime.fromtimestamp(now):%Y-%m-%d %H:%M} now.")
    return when.timestamp()


def _clock_time(text: str, now: float) -> datetime | None:
    """The next such time on the local clock; None where it is not a time of day."""
    found = re.fullmatch(r"\s*(\d{1,2}):(\d{2})\s*", text, re.ASCII)
    hour, minute = map(int, found.groups()) if found else (24, 0)
    if hour > 23 or minute > 59:
        return None
    today = datetime.fromtimestamp(now).replace(hour=hour, minute=minute, second=0, microsecond=0)
    return today if today.timestamp() > now else today + timedelta(days=1)


def _date_time(text: str) -> datetime | None:
    """A date with a time, local unless it names its zone; a date alone is refused, since midnight is hardly meant."""
    if not re.search(r"\d[T ]\d", text):
        return None
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        return None


@dataclass
class TraitControl:
    """Stop, pause and time cap of one trait's run, and its session in the ledger. Thread-safe.

    `minutes` is the cap over all sessions of the trait; `clock` is in seconds.
    """

    trait: str
    folder: ExperimentFolder
    ledger: Ledger
    stops: StopSignals
    progress: Progress
    minutes: float | None = None
    clock: Callable[[], float] = time.monotonic
    _session: int = field(init=False, default=0)
    _started: float = field(init=False, default=0.0)
    _touched: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._session = self.ledger.begin_session()
        self._started = self._touched = self.clock()

    def should_stop(self) -> bool:
        """Whether to send no new call now, because of a stop or a pause."""
        return self.interruption() is not None or self.folder.pause_file.exists()

    def interruption(self) -> Interrupted | None:
        """The exception to end the work with; None while it may go on."""
        request = self.stops.request(self.folder.stop_file)
        if request is not None:
            cause, why = request
            return Interrupted(Ending.STOPPED, f"a stop was requested ({why}).", cause)
        cap = self.cap_reached()
        return Interrupted(Ending.CAP, cap, Cause.MINUTES) if cap else None

    def cap_reached(self) -> str | None:
        """The cap on minutes as a sentence, once this trait's sessions have reached it."""
        if self.minutes is None or self.ledger.minutes() < self.minutes:
            return None
        return f"the cap of {self.minutes:g} minutes is reached (--max-minutes)"

    def check(self) -> None:
        """Wait while the run is paused. Raises Interrupted where it must end."""
        self._touch()
        self.stops.wait_while_paused(self.trait, self.folder.pause_file, self.folder.stop_file, self.progress)
        stop = self.interruption()
        if stop is not None:
            raise stop

    def wait(self, seconds: float) -> None:
        """Wait so long, and while the run is paused. Raises Interrupted where it must end."""
        end = self.clock() + seconds
        while (left := end - self.clock()) > 0:
            self.check()
            self.stops.sleep(min(left, _PAUSE_POLL))

    def step(self, kind: str, count: int = 1) -> None:
        """Count a step of the trait."""
        self.progress.step(self.trait, kind, count)
        self._touch()

    def _touch(self) -> None:
        now = self.clock()
        if now - self._touched >= _TOUCH_INTERVAL:
            self._touched = now
            self.ledger.touch_session(self._session, now - self._started)
