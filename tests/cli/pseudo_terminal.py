"""A command in a pseudo-terminal of its own, and what it prints."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_COMMAND = re.compile(r"\x1b(?:\[([0-?]*)[ -/]*([@-~])|([()][0-~])|([=>78cDEHMNOZ]))")
_POINTER = re.compile(r"\x1b\]22;[a-z-]*\x07")
_PATIENCE = 40.0  # seconds; only a hang takes so long


class PseudoTerminal:
    """Runs a program as the leader of a session whose terminal this is."""

    def __init__(
        self, command: Sequence[str], cwd: Path, env: Mapping[str, str], columns: int = 100, rows: int = 30
    ) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.child = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=cwd,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": str(rows), **env},
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(slave)
        self.raw, self._pressed_at = b"", 0
        self._is_open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hang_up()
        self.child.kill()
        self.child.wait()

    def press(self, keys: str) -> None:
        self._pressed_at = len(self.raw)
        os.write(self._master, keys.encode())

    def hang_up(self) -> None:
        """The line is cut."""
        if self._is_open:
            os.close(self._master)
        self._is_open = False

    def until(self, words: str) -> str:
        """The output since the last key, once it contains these words (blanks and line ends count as one blank)."""
        end = time.monotonic() + _PATIENCE
        while words not in (shown := self.text(self._pressed_at)):
            assert time.monotonic() < end, f"waited in vain for {words!r}:\n{shown}"
            assert self._read() or words in self.text(self._pressed_at), f"ended before {words!r}:\n{shown}"
        return shown

    def end(self) -> int:
        """The exit code, once the program has ended; all that it wrote is read."""
        end = time.monotonic() + _PATIENCE
        while self._is_open and self._read():
            assert time.monotonic() < end, f"did not end:\n{self.text()}"
        return self.child.wait(_PATIENCE)

    def end_by(self, ask: Callable[[], object]) -> int:
        """The exit code, once it has ended. It is asked again and again: readline misses a signal that comes just
        before it waits for a key."""
        while self.child.poll() is None:
            with suppress(OSError):  # it has just ended
                ask()
            with suppress(subprocess.TimeoutExpired):
                self.child.wait(2)
        return self.end()

    def _read(self) -> bool:
        """Take in what comes within a moment; False when nothing can come any more."""
        if not select.select([self._master], [], [], 0.1)[0]:
            return True
        try:
            some = os.read(self._master, 65536)
        except OSError:  # the other end is closed
            return False
        self.raw += some
        return bool(some)

    def text(self, start: int = 0) -> str:
        """The output from a byte on, without terminal commands, in one line."""
        return " ".join(_COMMAND.sub("", self.raw[start:].decode("utf-8", "replace")).split())


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def stray_controls(raw: bytes) -> str:
    """What is left of an output's control characters without cursor moves, colours, modes and the mouse's shape."""
    rest = _POINTER.sub("", _COMMAND.sub("", raw.decode("utf-8", "replace")))
    return "".join(char for char in rest if (ord(char) < 32 and char not in "\r\n") or 127 <= ord(char) < 160)
