"""A file is replaced whole or not at all, and locks hold among processes."""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.storage.durable import LockHeld, exclusive_lock, folder_lock, hash_of, is_locked, write_atomically


def test_a_file_is_replaced_and_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "scores.json"
    write_atomically(path, b"old")
    path.chmod(0o600)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_link_stays_and_its_target_is_replaced_unless_that_is_stored_by_its_content(tmp_path: Path) -> None:
    target, link = tmp_path / "shared.toml", tmp_path / "refine.toml"
    target.write_bytes(b"old")
    link.symlink_to(target.name)
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    stored = tmp_path / "SHA256E-s3--9f86d081884c7d659a2feaa0c55ad015.json"
    stored.write_bytes(b"old")
    (tmp_path / "scores.json").symlink_to(stored)
    write_atomically(tmp_path / "scores.json", b"new")
    assert not (tmp_path / "scores.json").is_symlink()
    assert stored.read_bytes() == b"old"


def test_a_failed_write_leaves_the_old_file_and_no_remains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "scores.json"
    write_atomically(path, b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_hash_is_of_the_bytes_and_a_missing_file_has_none(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    assert hash_of(tmp_path / "a") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert hash_of(tmp_path / "b") is None


def holder(path: Path) -> "subprocess.Popen[bytes]":
    """Another process that holds the lock of a file until it is killed."""
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom agent.storage.durable import exclusive_lock\n"
        "with exclusive_lock(Path(sys.argv[1]), 5): print('held', flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def test_a_lock_is_seen_and_kept_from_others_until_its_holder_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    assert not is_locked(path)
    assert not path.exists()
    process = holder(path)
    try:
        assert is_locked(path)
        with pytest.raises(LockHeld, match=r"a\.lock is locked by another process"), exclusive_lock(path, 0.0):
            pass
    finally:
        process.kill()
        process.wait()
    assert not is_locked(path)
    with exclusive_lock(path, 0.0):
        assert is_locked(path)
    assert not is_locked(path)


def test_whoever_asks_whether_a_file_is_locked_does_not_look_like_a_holder(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    path.touch()
    with path.open("rb") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        assert not is_locked(path)


def test_a_folder_is_locked_without_a_file(tmp_path: Path) -> None:
    with folder_lock(tmp_path):
        descriptor = os.open(tmp_path, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)
        assert list(tmp_path.iterdir()) == []
    with folder_lock(tmp_path):
        pass
