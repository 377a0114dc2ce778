"""Heartbeat files: what a run is doing, on disk every five seconds, and whether its process is alive.

One file per process, named by its pid, since one process may run several traits. A lock file beside it is held for as
long as the process lives, so that a pid used again is never mistaken for the old process.
"""

import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from pydantic import ValidationError

from agent.config.settings import Settings
from agent.errors import UserError
from agent.llm.errors import redact
from agent.schema import FrozenModel
from agent.storage.durable import LockHeld, exclusive_lock, is_locked, write_atomically
from agent.storage.experiment import ExperimentFolder, heartbeat_files, variants
from agent.supervision.progress import Progress, ProgressSnapshot
from agent.text import experiment_options

INTERVAL = 5.0  # seconds between two heartbeats; chosen by judgement
FRESH = 30.0  # seconds after which a heartbeat is stale: six intervals, chosen by judgement
_LOCK_WAIT = 5.0  # seconds, chosen by judgement: `status` holds a run's lock for a moment
_SECRET_NAME = re.compile(r"(^|_)(KEY|TOKEN|SECRET|PASSWORD)$", re.IGNORECASE)
_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")


class HeartbeatRecord(FrozenModel):
    """One heartbeat, as stored. Times are in seconds since 1970; `checked` is when the pre-flight passed."""

    version: Literal[1] = 1
    pid: int
    host: str
    command: tuple[str, ...]
    variant: str | None = None
    started: float
    written: float
    checked: float | None = None
    limits: tuple[str, ...] = ()
    now: ProgressSnapshot
    ended: str | None = None


@dataclass(frozen=True)
class HeartbeatTiming:
    """The clock of a heartbeat (seconds since 1970), and the wait between two writes (True once the run has ended)."""

    time_of_day: Callable[[], float] = time.time
    wait: Callable[[threading.Event, float], bool] = threading.Event.wait


class Heartbeat:
    """Writes the heartbeat file of a run: a thread replaces it every INTERVAL seconds, and once more at the end.

    `limits` gives one line per endpoint. A heartbeat that cannot be written is an error in `progress`.
    """

    def __init__(
        self,
        path: Path,
        progress: Progress,
        *,
        variant: str | None = None,
        limits: Callable[[], Sequence[str]] = tuple,
        command: Sequence[str] | None = None,
        timing: HeartbeatTiming = HeartbeatTiming(),
    ) -> None:
        self._path, self._progress, self._limits = path, progress, limits
        self._time, self._wait = timing.time_of_day, timing.wait
        self._closed, self._writing = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._write_until_closed, name="heartbeat", daemon=True)
        self._lock = ExitStack()
        self._record = HeartbeatRecord(
            pid=os.getpid(),
            host=socket.gethostname(),
            command=without_secrets(("cliffhanger", *sys.argv[1:]) if command is None else command, os.environ),
            variant=variant,
            started=timing.time_of_day(),
            written=0.0,
            now=progress.snapshot(),
        )

    def __enter__(self) -> Self:
        try:
            self._lock.enter_context(exclusive_lock(_lock_file(self._path), _LOCK_WAIT))
            _clear_dead(self._path.parent, self._record)
            self._write()
        except (OSError, LockHeld) as error:
            self._lock.close()
            raise UserError(f"{self._path} cannot be written: {error}. Check the folder's permissions.") from error
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join()
        if self._record.ended is None:
            self.set_ending("done" if error is None else _described(error))
        self._try_write()
        _lock_file(self._path).unlink(missing_ok=True)
        self._lock.close()

    def preflight_passed(self) -> None:
        """Record that the pre-flight has passed, and write it at once: `--detach` waits for it."""
        self._update(checked=self._time())
        self._try_write()

    def set_ending(self, how: str) -> None:
        """Set how the run ended, for the last heartbeat."""
        self._update(ended=without_secrets([" ".join(how.split())], os.environ)[0])

    def _update(self, **known: object) -> None:
        with self._writing:
            self._record = self._record.model_copy(update=known)

    def _write_until_closed(self) -> None:
        while not self._wait(self._closed, INTERVAL):
            self._try_write()

    def _try_write(self) -> None:
        """Write it; a full disk must not end the run, since the next write may succeed."""
        try:
            self._write()
        except OSError as error:
            self._progress.error(f"The heartbeat {self._path} could not be written: {error}")

    def _write(self) -> None:
        limits = without_secrets(self._limits(), os.environ)
        now = self._progress.snapshot()
        now = now.model_copy(update={"errors": without_secrets(now.errors, os.environ)})
        with self._writing:
            self._record = self._record.model_copy(update={"written": self._time(), "limits": limits, "now": now})
            write_atomically(self._path, self._record.model_dump_json(indent=1).encode() + b"\n")


def _described(error: BaseException) -> str:
    return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


def without_secrets(texts: Sequence[str], environment: Mapping[str, str]) -> tuple[str, ...]:
    """Redact the values of environment variables named like secrets, and whatever looks like an API key."""
    values = [value.strip() for name, value in environment.items() if _SECRET_NAME.search(name)]
    secrets = [value for value in values if len(value) >= 8]
    return tuple(_IN_URL.sub("[key]@", redact(text, *secrets)) for text in texts)


@dataclass(frozen=True)
class ProcessRecord:
    """A heartbeat found on disk, and whether its process is alive."""

    path: Path
    heartbeat: HeartbeatRecord
    alive: bool

    def works_on(self, trait: str) -> bool:
        """Whether the process is alive and has not finished this trait."""
        return self.alive and trait in self.heartbeat.now.traits and not self.has_finished(trait)

    def has_finished(self, trait: str) -> bool:
        """Whether the process, or its part of the run about this trait, ended in an orderly way."""
        return self.heartbeat.ended is not None or self.heartbeat.now.traits[trait].ended is not None


def process_records(experiment: Path, now: float) -> tuple[list[ProcessRecord], list[str]]:
    """Read all heartbeats of an experiment; also one sentence per file that cannot be read."""
    found, problems = [], []
    for path in heartbeat_files(experiment):
        try:
            heartbeat = HeartbeatRecord.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            continue  # a new run has just removed it
        except ValidationError as error:
            problem = error.errors()[0]["msg"]
            problems.append(f"{path} cannot be read by this version of the program ({problem}). Remove it.")
            continue
        found.append(ProcessRecord(path, heartbeat, is_alive(path, heartbeat, now)))
    return found, problems


def process_record_of(found: Sequence[ProcessRecord], trait: str, variant: str | None) -> ProcessRecord | None:
    """The process to report for a trait: one that works on it before others, then the latest."""
    candidates = [one for one in found if trait in one.heartbeat.now.traits and one.heartbeat.variant == variant]
    rank = [
        ((one.works_on(trait), one.heartbeat.checked is not None, one.heartbeat.started), one) for one in candidates
    ]
    return max(rank, key=lambda ranked: ranked[0])[1] if rank else None


@dataclass(frozen=True)
class TraitProcess:
    """One trait's folder, the process to report for it, and whether any process holds its ledger's lock."""

    folder: ExperimentFolder
    process: ProcessRecord | None
    locked: bool

    @property
    def running(self) -> bool:
        """Whether a run or another command works on the trait."""
        return self.locked or (self.process is not None and self.process.works_on(self.folder.trait))

    @property
    def requests(self) -> list[Path]:
        """The PAUSE and STOP files that exist: requests to this run or the next."""
        return [file for file in (self.folder.pause_file, self.folder.stop_file) if file.exists()]

    @property
    def name(self) -> str:
        """The trait, and the variant where there is one."""
        return self.folder.trait + (f" (variant {self.folder.variant})" if self.folder.variant else "")

    @property
    def options(self) -> str:
        """The command line options that select this trait and variant."""
        return experiment_options(self.folder.root, self.folder.trait, self.folder.variant)


def trait_processes(settings: Settings, now: float) -> tuple[list[TraitProcess], list[str]]:
    """The process of each trait of an experiment; also one sentence per heartbeat that cannot be read."""
    found, problems = process_records(settings.experiment, now)
    folders = [ExperimentFolder(settings.experiment, trait, settings.variant) for trait in settings.traits]
    return [_trait_process(folder, found) for folder in folders], problems


def other_variants(settings: Settings, now: float) -> list[TraitProcess]:
    """The traits under other variants than that of the settings, where something runs or a request file exists."""
    root = settings.experiment
    found, _ = process_records(root, now)
    starting = {one.heartbeat.variant for one in found if one.alive}  # a run makes its folders after its pre-flight
    places = [
        _trait_process(ExperimentFolder(root, trait, variant), found)
        for trait in settings.traits
        for variant in sorted({None, *starting, *variants(root, trait)} - {settings.variant}, key=str)
    ]
    return [place for place in places if place.running or place.requests]


def _trait_process(folder: ExperimentFolder, found: Sequence[ProcessRecord]) -> TraitProcess:
    process = process_record_of(found, folder.trait, folder.variant)
    return TraitProcess(folder, process, is_locked(Path(f"{folder.ledger_path}.lock")))


def is_alive(path: Path, heartbeat: HeartbeatRecord, now: float) -> bool:
    """Whether a heartbeat's process holds its lock; on another host, where no lock is visible, whether it is fresh."""
    if heartbeat.host != socket.gethostname():
        return heartbeat.ended is None and now - heartbeat.written <= FRESH
    return is_locked(_lock_file(path))


def _lock_file(path: Path) -> Path:
    return path.with_name(f".{path.stem}.lock")


def _clear_dead(experiment: Path, mine: HeartbeatRecord) -> None:
    """Remove the heartbeats of ended or dead processes of this host with the same traits: this run replaces them."""
    for one in process_records(experiment, mine.started)[0]:
        same = one.heartbeat.variant == mine.variant and one.heartbeat.now.traits.keys() <= mine.now.traits.keys()
        if same and not one.alive and one.heartbeat.host == mine.host:
            one.path.unlink(missing_ok=True)
            _lock_file(one.path).unlink(missing_ok=True)
