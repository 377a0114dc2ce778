"""Durable files: atomic replacement, locks among processes, and failpoints that let a test kill the process."""

import fcntl
import hashlib
import os
import re
import signal
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout, lock_descriptor

VARIABLE = "CLIFFHANGER_CRASH"

_lock = threading.Lock()
_passed: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Do nothing, unless CLIFFHANGER_CRASH is "N" or "name:N": then SIGKILL at the N-th failpoint (of that name)."""
    plan = os.environ.get(VARIABLE)
    if plan is None:
        return
    wanted, number = _read(plan)
    with _lock:
        _passed.update((name, ""))  # by name and in all
        reached = wanted in ("", name) and _passed[wanted] == number
    if reached:
        os.kill(os.getpid(), signal.SIGKILL)


def _read(plan: str) -> tuple[str, int]:
    wanted, _, number = plan.rpartition(":")
    if not number.isascii() or not number.isdigit() or int(number) < 1:
        raise ValueError(f'{VARIABLE} is "N" or "name:N" with N from 1 upwards, not {plan!r}')
    return wanted, int(number)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file atomically: at any moment and after any crash a reader sees the whole old or new content.

    A link stays, and the file it leads to is replaced, unless that one must not change. Raises OSError that names the
    file.
    """
    target = target_of(path)
    try:
        _write(target if may_change(target) else path, content)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(_mode(path))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)


def target_of(path: Path) -> Path:
    """The file behind a symbolic link; any other path is itself."""
    return path.resolve() if path.is_symlink() else path


_CONTENT_NAME = re.compile(r"[0-9a-f]{30,}", re.IGNORECASE)  # a hash of 120 bits or more: DVC's shortest


def in_content_store(target: Path) -> bool:
    """Whether a file's name is a hash of its content, as in the stores of git-annex, DVC and model hubs."""
    return bool(_CONTENT_NAME.search(target.name)) or ("annex" in target.parts and "objects" in target.parts)


def may_change(target: Path) -> bool:
    """Whether a file may be replaced: nobody has protected it or its folder, and it is no stored content."""
    return not in_content_store(target) and is_writable(target.parent) and (not target.exists() or is_writable(target))


def is_writable(path: Path) -> bool:
    """Whether this user may write, and the path is not marked as read-only, which root could ignore."""
    return os.access(path, os.W_OK) and bool(path.stat().st_mode & 0o222)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries (files added, moved or removed) to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class LockHeld(Exception):
    """Another process holds the lock."""


@contextmanager
def exclusive_lock(path: Path, wait: float) -> Iterator[None]:
    """Hold an exclusive lock on a file among processes; the kernel releases it when its holder dies.

    Makes the file, and leaves it. Raises LockHeld after `wait` seconds, OSError where the file cannot be made.
    """
    path.parent.stat()  # a missing folder is an error; filelock would make it
    lock = FileLock(path, timeout=wait, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise LockHeld(f"{path} is locked by another process") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold an exclusive lock on a folder itself, which leaves no file; waits for whoever holds it. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        lock_descriptor(descriptor)
        yield
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Whether a process holds `exclusive_lock` on a file. Writes nothing.

    A shared lock, which filelock does not offer: two processes that ask at once must not take each other for a holder.
    """
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def hash_of(path: Path) -> str | None:
    """SHA-256 (hex) of a file's bytes, or None where there is no file."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _mode(path: Path) -> int:
    """The permissions of the replaced file, or 0o644."""
    return path.stat().st_mode & 0o777 if path.exists() else 0o644
