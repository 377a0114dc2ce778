"""A command in a pseudo-terminal of its own, and what is on its screen."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.cells import cell_len

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
        self.raw = b""
        self._columns, self._rows = columns, rows
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
        os.write(self._master, keys.encode())

    def hang_up(self) -> None:
        """The line is cut."""
        if self._is_open:
            os.close(self._master)
        self._is_open = False

    def until(self, words: str, gone: bool = False) -> str:
        """The screen, once these words are on it or, with `gone`, no longer."""
        end = time.monotonic() + _PATIENCE
        while (words in (screen := self.screen())) is gone:
            assert time.monotonic() < end, f"waited in vain for {words!r}:\n{screen}"
            assert self._read() or (words in self.screen()) is not gone, f"ended before {words!r}:\n{self.screen()}"
        return screen

    def end(self) -> int:
        """The exit code, once the program has ended; all that it wrote is read."""
        end = time.monotonic() + _PATIENCE
        while self._is_open and self._read():
            assert time.monotonic() < end, f"did not end:\n{self.screen()}"
        return self.child.wait(_PATIENCE)

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

    def screen(self) -> str:
        """What stands on the screen, by cursor moves and characters alone."""
        grid = [[" "] * self._columns for _ in range(self._rows)]
        row = column = place = 0
        text = self.raw.decode("utf-8", "replace")
        while place < len(text):
            command = _COMMAND.match(text, place)
            if command:
                place = command.end()
                if command[2] in ("H", "f"):
                    numbers = [int(number or 1) for number in (command[1] or "1;1").split(";")]
                    row, column = numbers[0] - 1, numbers[-1] - 1
                elif command[2] == "J":
                    grid = [[" "] * self._columns for _ in range(self._rows)]
                continue
            char, place = text[place], place + 1
            if char == "\r":
                column = 0
            elif char == "\n":
                row += 1
            elif 0 <= row < self._rows and 0 <= column < self._columns:
                grid[row][column] = char
                column += cell_len(char)
        return "\n".join("".join(line).rstrip() for line in grid)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def stray_controls(raw: bytes) -> str:
    """What is left of an output's control characters without cursor moves, colours, modes and the mouse's shape."""
    rest = _POINTER.sub("", _COMMAND.sub("", raw.decode("utf-8", "replace")))
    return "".join(char for char in rest if (ord(char) < 32 and char not in "\r\n") or 127 <= ord(char) < 160)
