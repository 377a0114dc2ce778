"""Where the bytes of a dataset's files go: through links, and never into what is protected or shared by its content."""

from collections.abc import Iterator
from pathlib import Path

from agent.review.file_transaction import NAMES, ApplyError, FileContents, Name
from agent.storage.durable import in_content_store, is_writable, target_of


def require_writable(folder: Path, before: FileContents, after: FileContents) -> None:
    """Raise ApplyError, before anything is written, if a file that is to change must not be written."""
    changing = _changing(before, after)
    problems = [*(_folder_problems(folder) if changing else ())]
    for name in changing:
        path = folder / name
        problems += _link_problems(path, after[name] is None) if path.is_symlink() else ()
        problems += _file_problems(path, target_of(path)) if path.exists() else ()
    if problems:
        raise ApplyError("\n".join([*dict.fromkeys(problems), "Nothing was written."]))


def file_notes(folder: Path, before: FileContents, after: FileContents) -> tuple[str, ...]:
    """What writing these files means for other names of them, as parts of a sentence."""
    return tuple(note for name in _changing(before, after) for note in _notes(folder / name))


def _changing(before: FileContents, after: FileContents) -> list[Name]:
    return [name for name in NAMES if before[name] != after[name]]


def _folder_problems(folder: Path) -> Iterator[str]:
    if folder.is_dir() and not is_writable(folder):
        yield f"{folder} is read-only: give yourself the right to write there (chmod u+w)."


def _link_problems(path: Path, leaves: bool) -> Iterator[str]:
    target = target_of(path)
    if leaves:
        yield (
            f"{path} is a link, and an approved text needs a file in JSON lines instead: replace the link by a file of "
            "its own first."
        )
    elif in_content_store(target):
        yield (
            f"{path} is a link into a store that keeps files by their content ({target}): writing there would damage "
            "it. Make it a file of its own first, with `git annex unlock`, `dvc unprotect` or a copy over the link."
        )
    elif not is_writable(target.parent):
        yield f"{target.parent}, where the link {path} leads, is read-only: replace the link by a file of its own."


def _file_problems(path: Path, target: Path) -> Iterator[str]:
    if not is_writable(target) and not in_content_store(target):
        yield f"{path} is read-only: give yourself the right to write it (chmod u+w), if it may change."


def _notes(path: Path) -> Iterator[str]:
    if not path.exists():
        return
    if path.is_symlink():
        yield f"{path.name} is a link to {target_of(path)}, which is written"
    if (names := path.stat().st_nlink) > 1:
        others = "another name, which keeps" if names == 2 else f"{names - 1} other names, which keep"  # noqa: PLR2004
        yield f"{path.name} has {others} the old text (hard link)"
