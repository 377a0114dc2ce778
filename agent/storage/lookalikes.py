"""Files that were probably meant as one that is missing: names nearly right, links that lead nowhere."""

import re
import unicodedata
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from agent.storage.issues import Issue, error, warning

_ALIKE = 80.0  # percent of letters in common (rapidfuzz ratio); chosen by judgement: positive and negative share 50
_SHORT = {"positive": ("pos",), "negative": ("neg",), "definition": ("def",)}
_ADDED = re.compile(  # words that programs and people add to a file's name
    "copy|kopie|copie|copia|final|new|old|backup|orig(inal)?|edited|fixed|clean|scenarios?|examples?|prompts?|texts?"
    "|set|list|lines|data|file|v|the|of"
)
_OTHERS = frozenset(("definition.txt", "steering.json"))
_DATA = frozenset((".txt", ".jsonl", ".json", ".csv", ".tsv", ".xlsx", ".parquet"))


def dead_links(folder: Path, stem: str) -> tuple[Issue, ...]:
    """An error for each of {stem}.jsonl and {stem}.txt that is a link to nothing, as where a store was not fetched."""
    paths = [folder / f"{stem}.{form}" for form in ("jsonl", "txt")]
    dead = [path for path in paths if path.is_symlink() and not path.exists()]
    message = "is a link to {}, which is not there: fetch its content, or correct the link."
    return tuple(error(path.name, None, "dead-link", message.format(path.readlink())) for path in dead)


def lookalike_errors(folder: Path, stem: str) -> Iterator[Issue]:
    """An error for each file that was probably meant as {stem}.txt (or .jsonl), which does not exist."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name not in _OTHERS and is_lookalike(path.name, stem, folder.name):
            yield error(path.name, None, "near-name", f"is not read, and there is no {stem}.txt: {_remedy(path, stem)}")


def is_lookalike(name: str, stem: str, trait: str = "") -> bool:
    """Whether a file's name is nearly that stem: in another case or number, misspelt, with a word or ending more."""
    if name.startswith("."):
        return False
    first, *_ = unicodedata.normalize("NFKC", name).casefold().split(".")
    added = [word for word in _words(first) if not _is_near(word, stem)]
    known = _words(trait.casefold())
    return len(added) < len(_words(first)) and all(_ADDED.fullmatch(word) or word in known for word in added)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text)


def _is_near(word: str, stem: str) -> bool:
    from rapidfuzz import fuzz

    return word in _SHORT[stem] or fuzz.ratio(word, stem) >= _ALIKE


def _remedy(path: Path, stem: str) -> str:
    ending = path.suffix.casefold()
    if path.is_dir():
        return "it is a folder. Move it elsewhere."
    if ending == ".dvc":
        return "fetch the text with `dvc pull`."
    if ending in (".gz", ".zip", ".xz", ".bz2", ".zst", ".7z"):
        return "unpack it."
    if ending in (".csv", ".tsv", ".xlsx", ".ods", ".docx", ".rtf", ".json", ".parquet"):
        return f"write one scenario a line in {stem}.txt, or one object a line in {stem}.jsonl."
    name = f"{stem}.jsonl" if "jsonl" in path.name.casefold() else f"{stem}.txt"
    return f"rename it to {name}, or move it elsewhere."


def near_folder(folder: Path) -> Path | None:
    """The folder that was probably meant by one that is missing: in another case, or misspelt; None if there is none.

    Its own name may be wrong, or that of the folder above it, which is a category.
    """
    if folder.is_dir() or not folder.parent.parent.is_dir():
        return None
    if not folder.parent.is_dir():
        category = _close(folder.parent)
        return category / folder.name if category and (category / folder.name).is_dir() else None
    return _close(folder)


def _close(missing: Path) -> Path | None:
    by_name = {path.name.casefold(): path for path in sorted(missing.parent.iterdir()) if path.is_dir()}
    found = get_close_matches(missing.name.casefold(), by_name, n=1, cutoff=_ALIKE / 100)
    return by_name[found[0]] if found else None


def other_files(folder: Path) -> Iterator[Issue]:
    """A warning about data files under other names, for a folder that has neither side."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    for path in paths:
        visible = path.is_file() and not path.name.startswith(".") and path.name not in _OTHERS
        if visible and path.suffix.casefold() in _DATA:
            yield warning(path.name, None, "not-read", "is not read: scenarios are in positive.txt and negative.txt.")
