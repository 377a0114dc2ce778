"""Text made harmless to look at, and what is no text."""

import unicodedata

_PICTURES = {**{i: chr(0x2400 + i) for i in range(32)}, 127: "\u2421"}
_HIDDEN_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
# Letters and marks by category, yet nothing is seen of them.
_HIDDEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")


def safe_text(text: str) -> str:
    """The text with every character made visible that a terminal would obey or hide: controls, bidi, zero width."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(char) for char in text)


def is_text(text: str) -> bool:
    """Whether all of it is characters: half of a surrogate pair is none, and nothing in UTF-8 can hold it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _visible(char: str) -> str:
    code = ord(char)
    if code in _PICTURES:
        return _PICTURES[code]
    if char not in _HIDDEN and unicodedata.category(char) not in _HIDDEN_CATEGORIES:
        return char
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
