"""Edits on their way through a recheck: each in a thread of its own, since it takes seconds to minutes."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from agent.review.cards import Card
from agent.review.session import ReviewError

CheckKey = tuple[str, str]  # trait, pair


class StillChecking(ReviewError):
    """A pair whose last edit is being checked is not checked twice at a time."""


@dataclass
class BackgroundCheck:
    """One of them. `card` or `error` says how it ended."""

    done: threading.Event = field(default_factory=threading.Event)
    card: Card | None = None
    error: Exception | None = None

    def run(self, work: Callable[[], Card]) -> None:
        """Do the work; whatever it raises is kept for the page to tell."""
        try:
            self.card = work()
        except Exception as error:  # noqa: BLE001 - a check's trouble is shown beside its pair, whatever it is
            self.error = error
        finally:
            self.done.set()


@dataclass
class BackgroundChecks:
    """The last check of each pair, running or over. Threads end with the program: edits are stored before that."""

    _jobs: dict[CheckKey, BackgroundCheck] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, job: CheckKey, work: Callable[[], Card], wait: float) -> BackgroundCheck:
        """Begin, and give it a moment (seconds) to end. Raises StillChecking where this pair is checked already."""
        with self._lock:
            if self.running(job):
                raise StillChecking(f"{job[1]} is being checked already.")
            check = self._jobs[job] = BackgroundCheck()
        threading.Thread(target=check.run, args=(work,), daemon=True).start()
        check.done.wait(wait)
        return check

    def running(self, job: CheckKey) -> bool:
        """Whether this pair is being checked."""
        check = self._jobs.get(job)
        return check is not None and not check.done.is_set()

    def any_running(self, trait: str) -> bool:
        """Whether a pair of this trait is being checked."""
        return any(self.running(job) for job in list(self._jobs) if job[0] == trait)

    def pairs(self, trait: str) -> set[str]:
        """The pairs of a trait that were checked while this page was served."""
        return {pair for name, pair in list(self._jobs) if name == trait}

    def error(self, job: CheckKey) -> Exception | None:
        """Why the last check of a pair came to nothing."""
        check = self._jobs.get(job)
        return check.error if check is not None and check.done.is_set() else None
