"""Text for display: escaping, plural forms, commands as typed, matching quotations, and names of one model."""

import os
import re
import shlex
import shutil
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import IO

RESUME = "Progress is saved; rerun the command to resume."

_PICTURES = {**{i: chr(0x2400 + i) for i in range(32)}, 127: "\u2421"}
_HIDDEN_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
# Letters and marks by category, yet invisible.
HIDDEN_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")


def safe_text(text: str) -> str:
    """The text with control, bidirectional and zero-width characters made visible, so a terminal can show it."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(char) for char in text)


def is_text(text: str) -> bool:
    """Whether the text can be encoded as UTF-8: half a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _visible(char: str) -> str:
    code = ord(char)
    if code in _PICTURES:
        return _PICTURES[code]
    if char not in HIDDEN_LETTERS and unicodedata.category(char) not in _HIDDEN_CATEGORIES:
        return char
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def pluralize(count: int, what: str, many: str = "") -> str:
    """1 pair, 2 pairs, 1,000 pairs; `many`: an irregular plural."""
    return f"{count:,} {what if count == 1 else many or f'{what}s'}"


def verb_for(count: int, one: str, many: str) -> str:
    """The form of a verb for a count: 1 pair waits, 2 pairs wait."""
    return one if count == 1 else many


def with_period(sentence: str) -> str:
    """The sentence with a full stop, unless it ends with punctuation."""
    return sentence if not sentence or sentence.rstrip()[-1:] in ".!?…:" else f"{sentence.rstrip()}."


_FOLDED = {
    **dict.fromkeys("“”„‟«»″", '"'),
    **dict.fromkeys("‘’‚‛′`´", "'"),  # noqa: RUF001 - look-alikes are the point
    **dict.fromkeys("‐‑‒–—―−", "-"),  # noqa: RUF001 - look-alikes are the point
}


def find_quotation(quoted: str, text: str) -> str | None:
    """The part of `text` that `quoted` quotes, exactly as in the text; None where it does not occur."""
    needle = _fold(quoted)[0].strip(" .,;:\"'")
    folded, places = _fold(text)
    start = last_place(needle, folded) if needle else -1
    if start < 0:
        return None
    return text[places[start][0] : places[start + len(needle) - 1][1]]


def last_place(words: str, text: str) -> int:
    """The last position of `words` in `text`, as whole words where possible ("no" is not in "know"); else -1."""
    whole = [m.start() for m in re.finditer(rf"(?<!\w){re.escape(words)}(?!\w)", text)]
    return whole[-1] if whole else text.rfind(words)


def _fold(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The folded text, and for each of its characters the (start, end) in `text` that it came from."""
    out: list[str] = []
    places: list[tuple[int, int]] = []
    for i, cluster in _clusters(text):
        for piece in unicodedata.normalize("NFKC", cluster).casefold():
            folded = " " if piece.isspace() else _FOLDED.get(piece, piece)
            if folded == " " and out and out[-1] == " ":
                continue
            out.append(folded)
            places.append((i, i + len(cluster)))
    return "".join(out), places


def _clusters(text: str) -> Iterator[tuple[int, str]]:
    """(index, character with its combining marks) of each character."""
    start = 0
    for i in range(1, len(text) + 1):
        if i == len(text) or not unicodedata.combining(text[i]):
            yield start, text[start:i]
            start = i


_NAME = "cliffhanger"


def program_name() -> str:
    """The name to call this program by: `cliffhanger` where the shell finds it, else the path that was given."""
    given = sys.argv[0]
    return shlex.quote(given) if Path(given).name == _NAME and shutil.which(_NAME) is None else _NAME


def experiment_options(experiment: Path, traits: str | None = None, variant: str | None = None) -> str:
    """The command-line options that name an experiment, or some of its traits."""
    named = [*(["--traits", traits] if traits else []), *(["--model-variant", variant] if variant else [])]
    return shlex.join(["--experiment", str(relative_path(experiment)), *named])


def relative_path(path: Path) -> Path:
    """The path relative to the current folder where it is below it; else unchanged."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def discard_stream(stream: IO[str]) -> None:
    """Discard unwritten output of a stream: at the end of the process it would change the exit code."""
    try:
        stream.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def is_same_model(asked: str, answered: str) -> bool:
    """Whether two names may mean one model: one is the other's beginning, apart from case, owner and folder."""
    a, b = ([name.lower(), re.split(r"[/\\]", name.lower())[-1]] for name in (asked, answered))
    return any(x.startswith(y) or y.startswith(x) for x in a for y in b)
