"""What a run is doing just now: one record for the screen, the heartbeat and the watchdog. Threads share it."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable

from agent.schema import FrozenModel

LOADING = "loads the subject"
WAITING = "waiting"

_ERRORS_KEPT = 5
_QUIET = 20.0  # seconds without anything new that a user should hear of


class TraitSnapshot(FrozenModel):
    """One trait at this moment. `since` is when its stage began, in seconds since 1970; `steps` counts by kind.

    `paused` is why this trait alone waits; what holds up all of them stands in `Now.paused` only.
    """

    stage: str = WAITING
    since: float = 0.0
    steps: dict[str, int] = {}
    paused: str | None = None
    ended: str | None = None


class ProgressSnapshot(FrozenModel):
    """The whole run at this moment. Times are in seconds since 1970.

    `paused` says who waits on purpose and why; `held` whether all that is left to do waits so.
    """

    begun: float
    moved: float
    paused: str | None = None
    held: bool = False
    traits: dict[str, TraitSnapshot] = {}
    errors: tuple[str, ...] = ()


class Progress:
    """Written by whoever works, read by whoever looks. `moved` is the time of the last step of any kind."""

    def __init__(self, traits: tuple[str, ...], time_of_day: Callable[[], float] = time.time) -> None:
        self._time = time_of_day
        self._lock = threading.Lock()
        self._begun = self._moved = time_of_day()
        self._traits = {trait: TraitSnapshot(since=self._begun) for trait in traits}
        self._steps: dict[str, Counter[str]] = {trait: Counter() for trait in traits}
        self._heard = dict.fromkeys(traits, self._begun)
        self._errors: deque[str] = deque(maxlen=_ERRORS_KEPT)
        self._paused: dict[str, str] = {}

    def stage(self, trait: str, what: str) -> None:
        """What a trait is busy with from now on. To begin LOADING, or to have done with it, is a step; no other is."""
        with self._lock:
            if LOADING in (what, self._traits[trait].stage) and what != self._traits[trait].stage:
                self._moved = self._time()
            self._heard[trait] = self._time()
            self._traits[trait] = self._traits[trait].model_copy(update={"stage": what, "since": self._time()})

    def step(self, trait: str, kind: str, count: int = 1) -> None:
        """Something was achieved: an answer stored, a batch of completions made, a round recorded."""
        with self._lock:
            self._steps[trait][kind] += count
            self._moved = self._heard[trait] = self._time()

    def error(self, sentence: str) -> None:
        """A trouble worth showing; the latest few are kept."""
        with self._lock:
            self._errors.append(sentence)

    def pause(self, who: str, why: str | None) -> None:
        """Whoever waits on purpose says why; None when the wait is over. A pause is no stall."""
        with self._lock:
            if why is None:
                if self._paused.pop(who, None) is not None:
                    self._moved = self._time()
                    held = [who] if who in self._traits else self._traits
                    self._heard.update(dict.fromkeys(held, self._moved))
            else:
                self._paused[who] = why

    def finish(self, trait: str, ending: str) -> None:
        """How a trait's part of the run ended."""
        with self._lock:
            self._traits[trait] = self._traits[trait].model_copy(update={"ended": ending, "stage": ending})
            self._moved = self._time()

    def stages(self) -> dict[str, str]:
        """What each trait is busy with, and for how long it has had nothing to show for it, where that is long."""
        with self._lock:
            return {trait: f"{found.stage}{self._quiet(trait, found)}" for trait, found in self._traits.items()}

    def _quiet(self, trait: str, found: TraitSnapshot) -> str:
        seconds = self._time() - self._heard[trait]
        if seconds < _QUIET or found.ended is not None or found.stage == WAITING or self._is_held(trait):
            return ""
        return f", nothing new for {f'{seconds:.0f} s' if seconds < 120 else f'{seconds / 60:.0f} min'}"

    def _is_held(self, trait: str) -> bool:
        """Whether a trait waits on purpose, by itself or with all the others."""
        return any(who == trait or who not in self._traits for who in self._paused)

    def snapshot(self) -> ProgressSnapshot:
        """All of it, as it stands."""
        with self._lock:
            traits = {
                trait: found.model_copy(update={"steps": dict(self._steps[trait]), "paused": self._paused.get(trait)})
                for trait, found in self._traits.items()
            }
            return ProgressSnapshot(
                begun=self._begun,
                moved=self._moved,
                paused="; ".join(dict.fromkeys(self._paused.values())) or None,
                held=bool(self._paused) and all(self._is_held(name) for name, t in traits.items() if t.ended is None),
                traits=traits,
                errors=tuple(self._errors),
            )
