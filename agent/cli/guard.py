"""What holds a trait's work up or ends it from outside: a stop, a pause, minutes that are used up."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from agent.cli.progress import Progress
from agent.cli.stops import Stops
from agent.cli.trouble import Interrupted
from agent.record.experiment import ExperimentFolder
from agent.record.ledger import Ledger
from agent.schema import Ending

_TOUCH = 1.0  # seconds between two notes that a session still runs


@dataclass
class Guard:
    """Stands beside one trait's loop. Any thread may ask it."""

    trait: str
    folder: ExperimentFolder
    ledger: Ledger
    stops: Stops
    progress: Progress
    minutes: float | None = None
    clock: Callable[[], float] = time.monotonic
    _session: int = field(init=False, default=0)
    _began: float = field(init=False, default=0.0)
    _touched: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._session = self.ledger.begin_session()
        self._began = self._touched = self.clock()

    def halted(self) -> bool:
        """Whether nothing new is to be sent just now."""
        return self.stop() is not None or self.folder.pause_file.exists()

    def stop(self) -> Interrupted | None:
        """Why the work is to end here, if it is."""
        why = self.stops.requested(self.folder.stop_file)
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
        stop = self.stop()
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
