"""Progress of a run: one record that the display, the heartbeat and the watchdog read. Threads share it."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable

from agent.schema import FrozenModel

LOADING = "loading the subject"
WAITING = "waiting"

_ERRORS_KEPT = 5
_QUIET = 20.0  # seconds without a step after which the stage says so; chosen by judgement


class TraitSnapshot(FrozenModel):
    """One trait at one moment. `since` is when its stage began, in seconds since 1970; `steps` counts by kind.

    `paused` is why this trait alone waits; what pauses all of them is in `ProgressSnapshot.paused` only.
    """

    stage: str = WAITING
    since: float = 0.0
    steps: dict[str, int] = {}
    paused: str | None = None
    ended: str | None = None


class ProgressSnapshot(FrozenModel):
    """The whole run at one moment. Times are in seconds since 1970; `moved` is the time of the last step of any kind.

    `paused` says what waits on purpose and why; `held` is true when every unfinished trait waits so.
    """

    begun: float
    moved: float
    paused: str | None = None
    held: bool = False
    traits: dict[str, TraitSnapshot] = {}
    errors: tuple[str, ...] = ()


class Progress:
    """Collects stages, steps, pauses and errors of a run; `snapshot` returns them. `time_of_day` is in Unix seconds."""

    def __init__(self, traits: tuple[str, ...], time_of_day: Callable[[], float] = time.time) -> None:
        self._time = time_of_day
        self._lock = threading.Lock()
        self._begun = self._moved = time_of_day()
        self._traits = {trait: TraitSnapshot(since=self._begun) for trait in traits}
        self._steps: dict[str, Counter[str]] = {trait: Counter() for trait in traits}
        self._last_activity = dict.fromkeys(traits, self._begun)
        self._errors: deque[str] = deque(maxlen=_ERRORS_KEPT)
        self._pauses: dict[str, str] = {}

    def stage(self, trait: str, stage: str) -> None:
        """Set what a trait is doing. Only the begin and the end of LOADING count as a step."""
        with self._lock:
            if LOADING in (stage, self._traits[trait].stage) and stage != self._traits[trait].stage:
                self._moved = self._time()
            self._last_activity[trait] = self._time()
            self._traits[trait] = self._traits[trait].model_copy(update={"stage": stage, "since": self._time()})

    def step(self, trait: str, kind: str, count: int = 1) -> None:
        """Count a step: an answer stored, a batch of completions made, a round recorded."""
        with self._lock:
            self._steps[trait][kind] += count
            self._moved = self._last_activity[trait] = self._time()

    def error(self, sentence: str) -> None:
        """Record an error to show; the latest five are kept."""
        with self._lock:
            self._errors.append(sentence)

    def pause(self, name: str, reason: str | None) -> None:
        """Record that a trait or an endpoint waits on purpose, and why; None ends the pause. A pause is no stall."""
        with self._lock:
            if reason is not None:
                self._pauses[name] = reason
            elif self._pauses.pop(name, None) is not None:
                self._moved = self._time()
                released = [name] if name in self._traits else self._traits
                self._last_activity.update(dict.fromkeys(released, self._moved))

    def finish(self, trait: str, ending: str) -> None:
        """Record how a trait's part of the run ended."""
        with self._lock:
            self._traits[trait] = self._traits[trait].model_copy(update={"ended": ending, "stage": ending})
            self._moved = self._time()

    def stages(self) -> dict[str, str]:
        """The stage of each trait, and since when it has made no step, where that is long."""
        with self._lock:
            return {trait: f"{found.stage}{self._quiet(trait, found)}" for trait, found in self._traits.items()}

    def _quiet(self, trait: str, found: TraitSnapshot) -> str:
        seconds = self._time() - self._last_activity[trait]
        if seconds < _QUIET or found.ended is not None or found.stage == WAITING or self._is_paused(trait):
            return ""
        return f", nothing new for {f'{seconds:.0f} s' if seconds < 120 else f'{seconds / 60:.0f} min'}"

    def _is_paused(self, trait: str) -> bool:
        """Whether a trait waits on purpose, alone or with all others."""
        return any(name == trait or name not in self._traits for name in self._pauses)

    def snapshot(self) -> ProgressSnapshot:
        """A consistent copy of everything."""
        with self._lock:
            traits = {
                trait: found.model_copy(update={"steps": dict(self._steps[trait]), "paused": self._pauses.get(trait)})
                for trait, found in self._traits.items()
            }
            unfinished = [name for name, found in traits.items() if found.ended is None]
            return ProgressSnapshot(
                begun=self._begun,
                moved=self._moved,
                paused="; ".join(dict.fromkeys(self._pauses.values())) or None,
                held=bool(self._pauses) and all(map(self._is_paused, unfinished)),
                traits=traits,
                errors=tuple(self._errors),
            )
