"""A disk without room, as this process meets it: the ledger's commits and the files' fsync are what is written."""

import errno
import os
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

from agent.storage import durable


class Room:
    """Counts what is written; from the `first` write to the `last` (counted from 1) there is no room."""

    def __init__(self, first: float, last: float) -> None:
        self.first, self.last, self.written = first, last, 0

    def is_left(self) -> bool:
        """Whether one more write finds room."""
        self.written += 1
        return not self.first <= self.written <= self.last


class Writing(sqlite3.Connection):
    """A connection whose commits need room."""

    room: Room

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql == "COMMIT" or sql.startswith("PRAGMA journal_mode"):
            self._require_room()
        return super().execute(sql, *values)

    def executescript(self, script: str) -> sqlite3.Cursor:
        self._require_room()
        return super().executescript(script)

    def _require_room(self) -> None:
        if not self.room.is_left():
            raise sqlite3.OperationalError("database or disk is full")


class System:
    """The module os, whose fsync needs room."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def fsync(self, descriptor: int) -> None:
        if not self._room.is_left():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)


def fill(first: float, last: float) -> Room:
    """From now on this process has no room from its `first` to its `last` write."""
    room = Room(first, last)
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect
    factory = type("Writing", (Writing,), {"room": room})
    sqlite3.connect = partial(connect, factory=factory)  # type: ignore[assignment]
    durable.os = System(room)  # type: ignore[assignment]
    return room
