"""One SQLite connection as the ledger wants it: a single writer, each commit durable, each failure a sentence."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic_core import PydanticSerializationError

from agent.record.ledger_rows import TABLES, VERSION, LedgerBusy, LedgerError, LedgerMissing
from agent.record.mounts import MOUNTS, network_file_system
from agent.record.points import point

_MISSING = "There is no ledger at {path}: nothing has run there yet. Start with `cliffhanger run`."
_STATUS_LOOKS = 0.2  # seconds; `status` holds the lock for a moment to see whether somebody else does


class Database:
    """The connections, their locks among threads, and (for the writer) its lock among processes.

    The writer reads by a second connection, so that nobody who reads waits for a commit to reach the disk.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, reading: sqlite3.Connection, lock: FileLock | None
    ) -> None:
        self.path = path
        self._connection = connection
        self._reading = reading
        self._process_lock = lock
        self._write_lock = threading.RLock()
        self._read_lock = threading.RLock()

    @classmethod
    def write(cls, path: Path, mounts: Path = MOUNTS) -> "Database":
        """The one writer; makes the file and its folders. Raises LedgerBusy when another process is the writer."""
        kind = network_file_system(path, mounts)
        if kind is not None:
            raise LedgerError(
                f"{path} lies on a network file system ({kind}), where SQLite can corrupt its files. "
                "Put the experiment on a local disk and copy it back when the run has ended."
            )
        with ExitStack() as undo:
            lock = _locked(path)
            undo.callback(lock.release)
            connection = undo.enter_context(closing(_connected(path, "rwc")))
            with _explained(path):
                _set_up(path, connection)
            reading = undo.enter_context(closing(_connected(path, "ro")))
            undo.pop_all()
        return cls(path, connection, reading, lock)

    @classmethod
    def read(cls, path: Path) -> "Database":
        """A reader of an existing file; it never waits for the writer nor stops it."""
        if not path.is_file():
            raise LedgerMissing(_MISSING.format(path=path))
        with ExitStack() as undo:
            connection = undo.enter_context(closing(_connected(path, "ro")))
            with _explained(path):
                if _is_empty(connection):  # its maker was killed before its first transaction
                    raise LedgerMissing(_MISSING.format(path=path))
                _check_version(path, connection)
            undo.pop_all()
        return cls(path, connection, connection, None)

    def rows(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        """All rows of one query."""
        with self._read_lock, _explained(self.path):
            return self._reading.execute(sql, values).fetchall()

    @contextmanager
    def durable(self, *names: str) -> Iterator[sqlite3.Connection]:
        """One transaction that is on disk when the block is left, and nowhere if the block or the commit fails.

        Each name is a point that is passed before it, and one ("name-done") after it.
        """
        with self._write_lock, _explained(self.path):
            for name in names:
                point(name)
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            for name in names:
                point(f"{name}-done")

    def close(self) -> None:
        """Close the file and let the next writer in. Closing twice is harmless."""
        with self._write_lock, self._read_lock:
            self._reading.close()
            self._connection.close()  # last, since the last one out tidies the write-ahead log away
            if self._process_lock is not None:
                self._process_lock.release()


def _locked(path: Path) -> FileLock:
    lock = FileLock(f"{path}.lock", timeout=_STATUS_LOOKS, thread_local=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise LedgerBusy(
            f"Another run is writing {path}. Look at it with `cliffhanger status`, or wait until it has ended."
        ) from error
    except OSError as error:
        raise LedgerError(f"{path} cannot be opened for writing: {error}. Check the folder's permissions.") from error
    return lock


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    with _explained(path):
        return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)


def _set_up(path: Path, connection: sqlite3.Connection) -> None:
    """Make the tables in a new file; hold an existing one to this program's version."""
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise LedgerError(f"{path} lies on a file system without shared memory ({mode}). Use a local disk.")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    if _is_empty(connection):
        point("create")
        connection.executescript(f"BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
        point("create-done")
    _check_version(path, connection)


def _is_empty(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0)


def _check_version(path: Path, connection: sqlite3.Connection) -> None:
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found == VERSION:
        return
    origin = "a newer program" if found > VERSION else "an older program, or no ledger at all"
    raise LedgerError(
        f"{path} has version {found}, from {origin}; this program reads version {VERSION}. "
        "Use the program that wrote it, or move the file away to begin a new one."
    )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn errors of SQLite, and of texts that it cannot hold, into sentences."""
    try:
        yield
    except sqlite3.Error as error:
        raise LedgerError(f"{path}: {error}. {_remedy(str(error))}") from error
    except (UnicodeEncodeError, PydanticSerializationError) as error:
        raise LedgerError(
            f"{path}: a text holds half of a surrogate pair, which is no character. It was not stored."
        ) from error


def _remedy(error: str) -> str:
    remedies = {
        "disk is full": "Nothing that was stored before is lost. Free some space, then give the same command again.",
        "disk I/O error": "Nothing that was stored before is lost. Check the disk, then give the same command again.",
        "readonly": "The ledger was opened for reading only, or its folder forbids writing.",
        "not a database": "Move the file away to begin a new ledger.",
        "malformed": "The file is damaged: move it away, and recover what can be read with the `sqlite3` program.",
        "closed database": "The ledger was used after it had been closed.",
    }
    return next((remedy for sign, remedy in remedies.items() if sign in error), "The ledger was left as it was before.")
