"""Find what a judge quotes: NFKC, quotes, dashes, blanks and case are folded, then it must be a substring."""

import re
import unicodedata
from collections.abc import Iterator

_FOLDED = {
    **dict.fromkeys("“”„‟«»″", '"'),
    **dict.fromkeys("‘’‚‛′`´", "'"),  # noqa: RUF001 - look-alikes are the point
    **dict.fromkeys("‐‑‒–—―−", "-"),  # noqa: RUF001 - look-alikes are the point
}


def find_quotation(quoted: str, text: str) -> str | None:
    """The stretch of `text` that `quoted` means, exactly as it stands there; None where it does not occur."""
    needle = _fold(quoted)[0].strip(" .,;:\"'")
    folded, places = _fold(text)
    start = last_place(needle, folded) if needle else -1
    if start < 0:
        return None
    return text[places[start][0] : places[start + len(needle) - 1][1]]


def last_place(words: str, text: str) -> int:
    """Where `words` stand last in `text`, as whole words if they do so anywhere ("no" is not in "know"); else -1."""
    whole = [m.start() for m in re.finditer(rf"(?<!\w){re.escape(words)}(?!\w)", text)]
    return whole[-1] if whole else text.rfind(words)


def _fold(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Folded text, and for each of its characters the stretch of `text` that it came from."""
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
    """(index, character with the combining marks that follow it)."""
    start = 0
    for i in range(1, len(text) + 1):
        if i == len(text) or not unicodedata.combining(text[i]):
            yield start, text[start:i]
            start = i
