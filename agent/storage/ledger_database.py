"""The ledger's SQLite file: models of its rows, its connections and locks."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from agent.errors import UserError
from agent.schema import CampaignBasis, FrozenModel, Role
from agent.storage.durable import LockHeld, exclusive_lock, failpoint
from agent.storage.ledger_schema import CURRENT, LedgerSchema, UnknownVersionError
from agent.text import RESUME

N = TypeVar("N", bound=FrozenModel)

RoundRef = tuple[int | None, int | None]  # the campaign and round that an answer or completion is attributed to

PENDING = "pending"
ANSWERED = "answered"
DUPLICATE_ANSWER = "repeated"  # an answer came for a key that had one; the first is kept
WITHDRAWN = "withdrawn"


class LedgerError(UserError):
    """A ledger that cannot be opened, read or written; the message says which and what to do."""


class LedgerMissing(LedgerError):
    """There is no ledger yet: no run has started."""


class LedgerBusy(LedgerError):
    """Another process writes this ledger."""


class Answer(FrozenModel):
    """A paid reply: its raw text, the log-probabilities as received (JSON) and what it cost."""

    key: str
    role: Role
    prompt_id: str
    sample: int
    content: str
    evidence: str
    finish_reason: str
    tokens_in: int
    tokens_out: int
    micro_usd: int
    model: str


class Attempt(FrozenModel):
    """One send of a request, recorded before it left (`begun`, seconds since 1970). `outcome` is None while unknown.

    `reserved` is its maximum cost, `charged` what it cost without an answer that counts (millionths of a dollar).
    """

    id: int
    key: str
    role: Role
    purpose: str
    campaign: int | None
    round: int | None
    begun: float
    ended: float | None
    outcome: str | None
    detail: str
    charged: int
    reserved: int


class Spent(FrozenModel):
    """The cost of one role: calls that were answered, charged or never ended; tokens of the answers kept.

    `micro_usd` (millionths of a dollar) includes failed and repeated attempts, and `possibly_paid`: the reservations
    of the `open_calls` attempts that never ended.
    """

    role: Role
    calls: int
    tokens_in: int
    tokens_out: int
    micro_usd: int
    open_calls: int
    possibly_paid: int


class CampaignRecord(FrozenModel):
    """One history of the loop: its key, its basis as stored (JSON), and how many rounds it has."""

    id: int
    key: str
    about: str
    created: float
    rounds: int

    @property
    def basis(self) -> CampaignBasis:
        """The basis it was started on. Raises LedgerError when another version wrote it."""
        return parse_stored(CampaignBasis, self.about, f"The basis of campaign {self.id}")


def model_from_row(model: type[N], row: Sequence[object]) -> N:
    """A model from a row whose columns are its fields, in order."""
    return model.model_validate(dict(zip(model.model_fields, row, strict=True)), strict=False)


def parse_stored(model: type[N], body: object, what: str) -> N:
    """A model from its stored JSON. Raises LedgerError, which calls it `what`, when another version wrote it."""
    try:
        return model.model_validate_json(str(body))
    except ValidationError as error:
        raise LedgerError(
            f"{what} cannot be read by this version of the program ({error.errors()[0]['msg']}). "
            "Use the version that wrote it, or start again with `--new`."
        ) from error


def int_of(value: object) -> int:
    """A column that SQLite holds as an integer."""
    if not isinstance(value, int):
        raise LedgerError(f"The ledger holds {value!r} where a whole number belongs: the file is damaged.")
    return value


MOUNTS = Path("/proc/self/mounts")

# Without 9p: sandboxes mount their root with it, and locks work there.
NETWORK_TYPES = frozenset(
    {"nfs", "nfs3", "nfs4", "cifs", "smb2", "smb3", "smbfs", "ncpfs", "afs", "coda", "ceph", "lustre", "gpfs", "beegfs"}
    | {"glusterfs", "orangefs", "pvfs2", "ocfs2", "gfs2", "davfs", "fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse"}
    | {"fuse.rclone", "fuse.glusterfs", "fuse.ceph", "fuse.davfs", "fuse.juicefs", "fuse.blobfuse2", "fuse.lustre"}
)


def network_file_system(path: Path, mounts: Path = MOUNTS) -> str | None:
    """The type of the network file system a path lies on; None for a local one, or without a table of mounts."""
    if not mounts.is_file():
        return None
    here = path.resolve()
    found = [(point, kind) for point, kind in _table(mounts) if here == point or point in here.parents]
    # A later line covers an earlier one at the same point: the last of the longest matches counts.
    deepest = max((len(point.parts) for point, _ in found), default=0)
    kinds = [kind for point, kind in found if len(point.parts) == deepest]
    return kinds[-1] if kinds and kinds[-1] in NETWORK_TYPES else None


def _table(mounts: Path) -> list[tuple[Path, str]]:
    rows = [line.split(" ") for line in mounts.read_text(encoding="utf-8", errors="surrogateescape").split("\n")]
    return [(Path(_unescaped(row[1])), row[2]) for row in rows if len(row) > 2]


def _unescaped(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text


_MISSING = "There is no ledger at {path}: no run has started there. Start one with `cliffhanger run`."
_LOCK_WAIT = 0.2  # seconds, chosen by judgement: `status` holds the lock for a moment to see whether a run does


class Database:
    """Connections to the file with their thread locks, and the writer's lock among processes.

    The writer reads with a second connection, so that a reading thread never waits for a commit.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, reading: sqlite3.Connection, opened: ExitStack
    ) -> None:
        """`opened` closes the connections, and then releases the writer's lock."""
        self.path = path
        self._connection = connection
        self._reading = reading
        self._opened = opened
        self._write_lock = threading.RLock()
        self._read_lock = threading.RLock()

    @classmethod
    def write(cls, path: Path, mounts: Path = MOUNTS, schema: LedgerSchema = CURRENT) -> "Database":
        """The one writer; makes the file and its folders, or migrates an older file.

        Raises LedgerBusy when another process is the writer.
        """
        kind = network_file_system(path, mounts)
        if kind is not None:
            raise LedgerError(
                f"{path} is on a network file system ({kind}), where SQLite can corrupt its files. "
                "Put the experiment on a local disk and copy it back when the run has ended."
            )
        with ExitStack() as undo:
            _acquire_writer_lock(path, undo)
            connection = undo.enter_context(closing(_connected(path, "rwc")))
            with _explained(path):
                _set_up(path, connection, schema)
            reading = undo.enter_context(closing(_connected(path, "ro")))
            return cls(path, connection, reading, undo.pop_all())

    @classmethod
    def read(cls, path: Path, schema: LedgerSchema = CURRENT) -> "Database":
        """A reader of an existing file; it neither waits for the writer nor blocks it. An older file stays as it is."""
        if not path.is_file():
            raise LedgerMissing(_MISSING.format(path=path))
        with ExitStack() as undo:
            connection = undo.enter_context(closing(_connected(path, "ro")))
            with _explained(path):
                if _is_empty(connection):  # its maker was killed before its first transaction
                    raise LedgerMissing(_MISSING.format(path=path))
                if schema.needs_migration(connection):
                    connection = undo.enter_context(closing(_migrated_copy(connection, schema)))
            return cls(path, connection, connection, undo.pop_all())

    def rows(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        """All rows of one query."""
        with self._read_lock, _explained(self.path):
            return self._reading.execute(sql, values).fetchall()

    @contextmanager
    def durable(self, *names: str) -> Iterator[sqlite3.Connection]:
        """A transaction that is on disk when the block ends, or rolled back if the block or the commit fails.

        Each name is a failpoint before it, and "name-done" one after it.
        """
        with self._write_lock, _explained(self.path):
            for name in names:
                failpoint(name)
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            for name in names:
                failpoint(f"{name}-done")

    def close(self) -> None:
        """Close the file and release the lock. Closing twice is harmless."""
        with self._write_lock, self._read_lock:
            self._opened.close()  # the writing connection after the reading one: the last to close removes the log


def _acquire_writer_lock(path: Path, held: ExitStack) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held.enter_context(exclusive_lock(Path(f"{path}.lock"), _LOCK_WAIT))
    except LockHeld as error:
        raise LedgerBusy(
            f"Another run is writing {path}. See `cliffhanger status`, or wait until it has ended."
        ) from error
    except OSError as error:
        raise LedgerError(f"{path} cannot be opened for writing: {error}. Check the folder's permissions.") from error


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    with _explained(path):
        return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)


def _migrated_copy(connection: sqlite3.Connection, schema: LedgerSchema) -> sqlite3.Connection:
    """An older file in memory with the current tables, for reading only."""
    copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.backup(copy)
    connection.close()
    schema.migrate(copy)
    copy.execute("PRAGMA query_only = ON")
    return copy


def _set_up(path: Path, connection: sqlite3.Connection, schema: LedgerSchema) -> None:
    """Make the tables in a new file; migrate an older one."""
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise LedgerError(f"{path} is on a file system without shared memory ({mode}). Use a local disk.")
    connection.execute("PRAGMA synchronous = FULL")
    if _is_empty(connection):
        failpoint("create")
        schema.create(connection)
        failpoint("create-done")
    elif schema.needs_migration(connection):
        schema.migrate(connection)
    connection.execute("PRAGMA foreign_keys = ON")  # last: a migration may rebuild a table that others refer to


def _is_empty(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn errors of SQLite, of unknown versions and of texts that SQLite cannot hold into LedgerError."""
    try:
        yield
    except UnknownVersionError as error:
        raise LedgerError(f"{path} {error}") from error
    except sqlite3.Error as error:
        raise LedgerError(f"{path}: {error}. {_remedy(str(error))}") from error
    except (UnicodeEncodeError, PydanticSerializationError) as error:
        raise LedgerError(
            f"{path}: a text contains half a surrogate pair, which is not a character. It was not stored."
        ) from error


def _remedy(error: str) -> str:
    remedies = {
        "disk is full": f"Free some space. {RESUME}",
        "disk I/O error": f"Check the disk. {RESUME}",
        "readonly": "The ledger was opened for reading only, or its folder forbids writing.",
        "not a database": "Move the file away to start a new ledger.",
        "malformed": "The file is damaged: move it away and recover it with the `sqlite3` program (.recover).",
        "closed database": "The ledger was used after it was closed.",
    }
    return next((remedy for sign, remedy in remedies.items() if sign in error), "The ledger is unchanged.")
