"""Texts spelled for editing: what a terminal would obey or hide stands as \\u{…}, and comes back exactly."""

import re
import sys

from agent.text import safe_text

_SPELLED = re.compile(r"\\u\{([0-9a-f]{1,6})\}")


def spelled(text: str, lines: bool = False) -> str:
    """The text with hidden characters spelled out; with `lines`, line feeds stay what they are."""
    return "".join(_spelled(char, text[i + 1 : i + 3], lines) for i, char in enumerate(text))


def _spelled(char: str, following: str, lines: bool) -> str:
    if (char == "\n" and lines) or (char != "\\" and safe_text(char) == char):
        return char
    return char if char == "\\" and following != "u{" else f"\\u{{{ord(char):x}}}"


def unspelled(text: str) -> str:
    """The text that was meant."""
    return _SPELLED.sub(_meant, text)


def _meant(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    return chr(code) if code <= sys.maxunicode else match[0]
