"""How a person stops a run: a signal once, a signal twice, or a file named STOP."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from agent.cli.exits import STOPPED

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = b"\x1b[?25h"
_ONCE = b"\nStopping: what is in flight is finished and stored first. Once more stops now.\n"
_TWICE = b"\nStopped now. Everything bought is stored; the same command goes on from there.\n"


class Stops:
    """While open, the first SIGINT or SIGTERM asks for a stop at the next move; the second ends the process."""

    def __init__(self) -> None:
        self.asked: str | None = None
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
            os.write(2, (_SHOW_CURSOR if os.isatty(2) else b"") + _TWICE)
            os._exit(STOPPED)
        self.asked = signal.Signals(number).name
        os.write(2, _ONCE)

    def requested(self, stop_file: Path) -> str | None:
        """Who asked for a stop, or None."""
        if self.asked is None and stop_file.exists():
            return f"the file {stop_file}; remove it to go on"
        return self.asked
