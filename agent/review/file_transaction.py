"""File transaction: the files of a dataset replaced all or none, whenever the process or the machine dies.

A write-ahead journal with the old and the new bytes is written beside the files and fsynced. Then the new files are
prepared under other names and moved over the old ones, and the journal is removed. Whoever finds a journal replays it
from the start, which is idempotent; without one, nothing had begun. While the journal exists the files may be mixed,
and `load_dataset` refuses them.
"""

import base64
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from agent.errors import UserError
from agent.schema import FrozenModel
from agent.storage.dataset import JOURNAL
from agent.storage.durable import failpoint, folder_lock, sync_folder, target_of, write_atomically

Name = Literal["positive.txt", "negative.txt", "positive.jsonl", "negative.jsonl"]
NAMES: tuple[Name, ...] = ("positive.txt", "negative.txt", "positive.jsonl", "negative.jsonl")
FileContents = dict[Name, bytes | None]


class ApplyError(UserError):
    """A dataset that was not written; the message says why and what to do."""


class FileChange(FrozenModel):
    """One file's bytes before and after, in base64; None for no file."""

    name: Name
    before: str | None
    after: str | None


class Journal(FrozenModel):
    """The change of one trait's files. `seed` is that of the shuffle, if there was one."""

    version: Literal[1] = 1
    trait: str
    when: str
    files: tuple[FileChange, ...]
    seed: int | None = None

    @property
    def before(self) -> FileContents:
        return {file.name: _bytes(file.before) for file in self.files}

    @property
    def after(self) -> FileContents:
        return {file.name: _bytes(file.after) for file in self.files}

    def reversed(self) -> "Journal":
        """The journal that undoes this one."""
        files = (file.model_copy(update={"before": file.after, "after": file.before}) for file in self.files)
        return self.model_copy(update={"files": tuple(files)})

    @property
    def content(self) -> bytes:
        return self.model_dump_json().encode() + b"\n"


def journal_of(trait: str, when: str, before: FileContents, after: FileContents, seed: int | None = None) -> Journal:
    """A journal from the bytes themselves."""
    files = (FileChange(name=name, before=_text(before[name]), after=_text(after[name])) for name in NAMES)
    return Journal(trait=trait, when=when, files=tuple(files), seed=seed)


def _text(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode("ascii")


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text, validate=True)


def read_journal(path: Path) -> Journal:
    """A journal from its file. Raises ApplyError if it cannot be read."""
    try:
        return Journal.model_validate_json(path.read_bytes())
    except (ValidationError, OSError) as error:
        raise ApplyError(
            f"{path} is not a journal of this program: {_first(error)}. Move it away, then rerun the command."
        ) from error


def _first(error: ValidationError | OSError) -> str:
    return str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else str(error)


def read_files(folder: Path) -> FileContents:
    """The bytes of a dataset's files now."""
    found: FileContents = {}
    for name in NAMES:
        path = folder / name
        found[name] = path.read_bytes() if path.is_file() else None
    return found


@contextmanager
def dataset_lock(folder: Path) -> Iterator[None]:
    """Keep every other apply out of a dataset's folder. Raises ApplyError where there is no such folder."""
    with ExitStack() as held:
        try:
            held.enter_context(folder_lock(folder))
        except OSError as error:
            raise ApplyError(f"{folder} cannot be opened ({error.strerror}): there is no dataset to write.") from error
        yield


def write_files(folder: Path, journal: Journal) -> None:
    """Write a journal and replay it. The caller holds `dataset_lock`.

    Raises ApplyError, with nothing changed, if the disk is full or fails before the journal is complete.
    """
    failpoint("apply")
    try:
        write_atomically(folder / JOURNAL, journal.content)
        failpoint("apply-journal")
        parts = _prepare(folder, journal)
    except OSError as error:
        (folder / JOURNAL).unlink(missing_ok=True)
        _clear(folder)
        raise ApplyError(f"The dataset in {folder} could not be written ({error}). Nothing was changed.") from error
    _replay(folder, journal, parts)


def recover(folder: Path) -> Journal | None:
    """Complete an interrupted transaction; return its journal, None if there was none. The caller holds `dataset_lock`.

    Raises ApplyError if a file was changed meanwhile.
    """
    found = None
    if (folder / JOURNAL).exists():
        found = read_journal(folder / JOURNAL)
        present = read_files(folder)
        for name in NAMES:
            if present[name] not in (found.before[name], found.after[name]):
                raise ApplyError(
                    f"{folder / name} has changed since an apply was interrupted. {folder / JOURNAL} holds the "
                    "bytes before and after it: repair the files by hand, remove it, and apply again."
                )
        _replay(folder, found, _prepare(folder, found))
    _clear(folder)
    return found


def _clear(folder: Path) -> None:
    """Remove the temporary files of a transaction that died before its journal was written."""
    for left in folder.glob(".*.part"):
        if left.name.startswith(tuple(f".{name}." for name in (*NAMES, JOURNAL))):
            left.unlink(missing_ok=True)
    for name in NAMES:
        if (folder / name).is_symlink():
            _part_of(folder / name).unlink(missing_ok=True)


def _prepare(folder: Path, journal: Journal) -> dict[Name, Path]:
    """Write the new files that differ, fsynced, under temporary names; return them by name."""
    present = read_files(folder)
    wanted = {name: content for name, content in journal.after.items() if content is not None}
    return {n: _prepared(folder, n, content, present) for n, content in wanted.items() if content != present[n]}


def _replay(folder: Path, journal: Journal, parts: Mapping[Name, Path]) -> None:
    for name, part in parts.items():
        target = target_of(folder / name)
        part.replace(target)
        if target.parent != folder:
            sync_folder(target.parent)
        failpoint("apply-file")
    for name in (name for name, content in journal.after.items() if content is None):
        (folder / name).unlink(missing_ok=True)
        failpoint("apply-file")
    sync_folder(folder)
    failpoint("apply-files")
    (folder / JOURNAL).unlink()
    sync_folder(folder)
    failpoint("apply-done")


def _prepared(folder: Path, name: Name, content: bytes, present: Mapping[Name, bytes | None]) -> Path:
    """Write one new file, fsynced, under a temporary name and with the owner and permissions of the old one."""
    part = _part_of(folder / name)
    with part.open("wb") as file:
        file.write(content)
        failpoint("apply-part")
        file.flush()
        os.fsync(file.fileno())
    twin = next((n for n in (name, *NAMES) if present[n] is not None), None)
    with suppress(OSError):  # a file system without permissions
        part.chmod(0o644)
    if twin:
        _copy_attributes(target_of(folder / twin), part)
    failpoint("apply-prepared")
    return part


def _part_of(path: Path) -> Path:
    """The temporary name of a file's new content, beside the file itself and not beside a link to it."""
    target = target_of(path)
    return target.with_name(f".{target.name}.apply.part")


def _copy_attributes(old: Path, new: Path) -> None:
    """Give a new file the owner, the permissions and the extended attributes of the old one, as far as allowed."""
    found = old.stat()
    with suppress(OSError):
        os.chown(new, found.st_uid, found.st_gid)
    with suppress(OSError):
        shutil.copystat(old, new)
    os.utime(new)
