"""What keeps a probe from its next answer: while it lasts a stop is heeded, and a long wait on request is told."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agent.models.clock import Clock
from agent.models.failures import LlmError, RateLimited
from agent.models.gate import LONG


class Holdup:
    """Used for one question after another. `told` hears of an endpoint that asks to wait, and None when it goes on.

    Of one that is out, its outage tells.
    """

    def __init__(self, clock: Clock, told: Callable[[str | None], None]) -> None:
        self._clock = clock
        self._told = told
        self._since: float | None = None
        self._is_told = False

    @property
    def is_on(self) -> bool:
        """Whether an attempt at the present question has failed."""
        return self._since is not None

    @contextmanager
    def question(self) -> Iterator[None]:
        """One question with all its attempts."""
        try:
            yield
        finally:
            self._since = None
            if self._is_told:
                self._is_told = False
                self._told(None)

    def waits(self, who: str, error: LlmError, seconds: float) -> None:
        """An attempt has failed, and the next one is made after so many seconds."""
        now = self._clock.now()
        if self._since is None:
            self._since = now
        is_asked = isinstance(error, RateLimited) or error.wait is not None
        if is_asked and now + seconds - self._since >= LONG:
            self._is_told = True
            self._told(f"{who} asks to wait; the last it said: {error.sentence}")
