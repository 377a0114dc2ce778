"""Several files replaced as one: all of them or none, whenever the process or the machine dies.

What is to happen is written down first: a journal beside the files, with their old bytes and their new ones, forced to
the disk. From then on it will happen. The new files are prepared under other names, then moved over the old ones one
right after the other; last the journal is removed. So whoever finds a journal carries it out again from the start,
which does no harm however far it had come; without one, nothing had begun. Between two moves, and after a crash until
somebody carries the journal out, the files are mixed: `load_dataset` refuses them for as long as the journal stands.
"""

import base64
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from agent.errors import UserError
from agent.schema import FrozenModel
from agent.storage.dataset import JOURNAL
from agent.storage.durable import failpoint, folder_lock, sync_folder, write_atomically

Name = Literal["positive.txt", "negative.txt", "positive.jsonl", "negative.jsonl"]
NAMES: tuple[Name, ...] = ("positive.txt", "negative.txt", "positive.jsonl", "negative.jsonl")
FileContents = dict[Name, bytes | None]


class ApplyError(UserError):
    """A dataset that was not written; the message says why and what to do."""


class FileChange(FrozenModel):
    """One file's bytes before and after, in base64; None where there is no file."""

    name: Name
    before: str | None
    after: str | None


class Journal(FrozenModel):
    """What happens, or happened, to the files of one trait. `seed` is that of the shuffle, where there was one."""

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
        """The way back."""
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
    """A journal from its file. Raises ApplyError when it is none."""
    try:
        return Journal.model_validate_json(path.read_bytes())
    except (ValidationError, OSError) as error:
        raise ApplyError(f"{path} is no journal of this program: {_first(error)}. Move it away to go on.") from error


def _first(error: ValidationError | OSError) -> str:
    return str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else str(error)


def read_files(folder: Path) -> FileContents:
    """The bytes of a dataset's files as they are."""
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
    """Carry a journal out, from the writing of it on. Only inside `alone`.

    Raises ApplyError where the disk does not take it; then nothing was changed.
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
    _carry_out(folder, journal, parts)


def recover(folder: Path) -> Journal | None:
    """Complete what was interrupted: its journal, or None where nothing was. Only inside `alone`.

    Raises ApplyError where somebody changed a file in the meantime.
    """
    found = None
    if (folder / JOURNAL).exists():
        found = read_journal(folder / JOURNAL)
        present = read_files(folder)
        for name in NAMES:
            if present[name] not in (found.before[name], found.after[name]):
                raise ApplyError(
                    f"{folder / name} was changed after an apply had been interrupted. {folder / JOURNAL} holds the "
                    "bytes before and after it: repair the files by hand, remove it, and apply again."
                )
        _carry_out(folder, found, _prepare(folder, found))
    _clear(folder)
    return found


def _clear(folder: Path) -> None:
    """Remove what an apply left that ended before its journal stood."""
    for left in folder.glob(".*.part"):
        if left.name.startswith(tuple(f".{name}." for name in (*NAMES, JOURNAL))):
            left.unlink(missing_ok=True)


def _prepare(folder: Path, journal: Journal) -> dict[Name, Path]:
    """The new files beside the old ones, on the disk, of those that differ."""
    present = read_files(folder)
    wanted = {name: content for name, content in journal.after.items() if content is not None}
    return {n: _prepared(folder, n, content, present) for n, content in wanted.items() if content != present[n]}


def _carry_out(folder: Path, journal: Journal, parts: Mapping[Name, Path]) -> None:
    for name, part in parts.items():
        part.replace(folder / name)
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
    """The new file under another name, on the disk, with the permissions of the one that it replaces."""
    part = folder / f".{name}.apply.part"
    with part.open("wb") as file:
        file.write(content)
        failpoint("apply-part")
        file.flush()
        os.fsync(file.fileno())
    twin = next((n for n in (name, *NAMES) if present[n] is not None), None)
    with suppress(OSError):  # a file system without permissions
        part.chmod((folder / twin).stat().st_mode & 0o777 if twin else 0o644)
    failpoint("apply-prepared")
    return part
