"""Background checks of edited texts: one thread per check, since a check takes seconds to minutes."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from agent.errors import UserError
from agent.review.cards import Card, after_failing
from agent.review.session import NotAllowed
from agent.schema import Outcome

CheckKey = tuple[str, str]  # trait, pair


class StillChecking(NotAllowed):
    """The pair's last edit is being checked; nothing else can be done with it until the check has ended."""


@dataclass
class BackgroundCheck:
    """One check. Once `done` is set, `error` is what it raised, None if it ended well."""

    done: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None

    def run(self, work: Callable[[], Card]) -> None:
        """Do the work and keep whatever it raises."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever stopped the check is shown beside its pair
            self.error = error
        finally:
            self.done.set()


@dataclass
class BackgroundChecks:
    """The last check of each pair, running or done. The threads are daemons: an edit is stored before its check."""

    _jobs: dict[CheckKey, BackgroundCheck] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, job: CheckKey, work: Callable[[], Card], wait: float) -> BackgroundCheck:
        """Start a check and wait up to `wait` seconds for its end. Raises StillChecking if one is running."""
        with self._lock:
            if self.running(job):
                raise StillChecking(f"{job[1]} is already being checked.")
            check = self._jobs[job] = BackgroundCheck()
        threading.Thread(target=check.run, args=(work,), name=f"check {job[1]}", daemon=True).start()
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
        """The pairs of a trait that have been checked, or are being checked, in this session."""
        return {pair for name, pair in list(self._jobs) if name == trait}

    def error_message(self, job: CheckKey) -> str:
        """Why the last check of a pair failed, as a sentence; empty if it is running or ended well."""
        check = self._jobs.get(job)
        if check is None or not check.done.is_set() or check.error is None:
            return ""
        if isinstance(check.error, UserError):
            return str(check.error)
        return f"The check ended with a bug ({type(check.error).__name__}: {check.error}). The edit is stored."


def result_message(card: Card) -> str:
    """How the check of an edit ended, and what to do next."""
    if card.edited and card.is_pending and card.outcome is Outcome.PASS:
        return "the edit passed its check. Approve it with a."
    if card.edited and card.is_pending and card.outcome is Outcome.FAIL:
        return f"the edit is stored, but fails its check: {after_failing(card)}."
    return "the edit is stored, but not checked. Check it again with x."
