"""Traces that other programs leave in texts: quotation marks, list marks, invisible characters, markup, columns.

One issue for each kind of trace and file: it names the first line and lists the others.
"""

import csv
import html
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from agent.schema import FrozenModel
from agent.storage.issues import Issue, also_on, error, warning
from agent.text import HIDDEN_LETTERS

_LEAST_CELL = 10  # characters of a text in a table, chosen by judgement: a shorter cell is a label


class DatasetLine(FrozenModel):
    """One scenario and its line number, which counts from 1."""

    number: int
    text: str
    system_prompt: str | None = None


class _Trace(NamedTuple):
    """A kind of trace: how one line shows it, and what the issue says of that line."""

    code: str
    has: Callable[[str], bool]
    message: str


def trace_issues(file: str, lines: Sequence[DatasetLine]) -> Iterator[Issue]:
    """The traces in the lines of one file."""
    yield from _tables(file, lines)
    yield from _quoted(file, lines)
    yield from _invisible(file, lines)
    for trace in _TRACES:
        numbers = [line.number for line in lines if trace.has(line.text)]
        if numbers:
            yield warning(file, numbers[0], trace.code, trace.message + also_on(numbers[1:]))


# Columns and quotation marks, as spreadsheets export them


def _tables(file: str, lines: Sequence[DatasetLine]) -> Iterator[Issue]:
    """An error where most lines hold several texts, a warning where some hold a tab."""
    rows = [line.number for line in lines if _is_row(line.text)]
    if len(rows) > 1 and 2 * len(rows) > len(lines):
        message = f"contains several columns: write one text a line, each side in its own file.{also_on(rows[1:])}"
        yield error(file, rows[0], "table", message)
        return
    tabs = [line.number for line in lines if "\t" in line.text.strip()]
    if tabs:
        message = f"contains a tab, as between columns: type a space, or keep one column.{also_on(tabs[1:])}"
        yield warning(file, tabs[0], "tab", message)


_CSV_START = re.compile(r'^(?:\d+[,;])?"(?:[^"]|"")*"[,;](?=\S)')


def _is_row(text: str) -> bool:
    """Whether a line holds the cells of a table, two of them long: split by tabs, quoted as CSV, or between pipes."""
    stripped = text.strip()
    if "\t" in stripped:
        cells = stripped.split("\t")
    elif _CSV_START.match(stripped):
        cells = next(csv.reader([stripped], delimiter=";" if '";' in stripped else ","))
    elif stripped.startswith("|") and stripped.endswith("|"):
        cells = stripped.strip("|").split("|")
    else:
        return False
    return sum(len(cell.strip()) >= _LEAST_CELL for cell in cells) > 1


_QUOTED = re.compile(r'^(?:"(?:[^"]|"")*"|“[^“”]*”|«[^«»]*»|„[^„“]*“|`[^`]*`)[,;]?$')
_INSIDE = r'(?:[^"\\]|\\.|"")*'
_EXPORTED = re.compile(rf'^"{_INSIDE}(?:""|\\"){_INSIDE}"[,;]?$|^"{_INSIDE}",$|^\'.*\',$')


def _quoted(file: str, lines: Sequence[DatasetLine]) -> Iterator[Issue]:
    """Whole lines in quotation marks. A single one may be speech; with doubled marks inside or a comma it is not."""
    exported = [line.number for line in lines if _EXPORTED.match(line.text.strip())]
    quoted = [line.number for line in lines if _QUOTED.match(line.text.strip()) or line.number in exported]
    if exported or (len(quoted) > 1 and 2 * len(quoted) > len(lines)):
        message = (
            "is in quotation marks, as a spreadsheet or a program exports texts: remove them, and halve doubled ones "
            f"inside.{also_on(quoted[1:])}"
        )
        yield warning(file, quoted[0], "quoted", message)


# Characters that cannot be seen


def _invisible(file: str, lines: Sequence[DatasetLine]) -> Iterator[Issue]:
    found = [(line.number, hidden) for line in lines if (hidden := invisible_characters(line.text))]
    if found:
        names = ", ".join(dict.fromkeys(name for _, hidden in found for name in map(_name, hidden)))
        message = f"contains invisible characters ({names}), which change the tokens: remove them."
        yield warning(file, found[0][0], "invisible", message + also_on([number for number, _ in found[1:]]))


def _name(char: str) -> str:
    return f"U+{ord(char):04X} {unicodedata.name(char, 'control character').lower()}"


_JOINERS = frozenset("\u200c\u200d")
_WORD_BREAK = "\u200b"
_BREAKING_SCRIPTS = ("THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")  # written without blanks, with optional breaks
_PLAIN_SCRIPTS = ("LATIN", "GREEK", "CYRILLIC", "CJK", "HIRAGANA", "KATAKANA", "HANGUL", "HEBREW", "ARMENIAN")
_NUMBER_SIGNS = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
_FLAG, _TAGS = "\U0001f3f4", range(0xE0020, 0xE0080)  # an emoji flag is spelt out by tags behind it


def invisible_characters(text: str) -> tuple[str, ...]:
    """The control, format and filler characters of a text, each once, without those that its script needs."""
    if text.isascii() and text.isprintable():
        return ()
    found = (char for i, char in enumerate(text) if _is_hidden(char) and not _is_needed(char, text[:i]))
    return tuple(dict.fromkeys(found))


def _is_hidden(char: str) -> bool:
    if char in "\t\r":
        return False  # they have issues of their own
    category = unicodedata.category(char)
    return char in HIDDEN_LETTERS or (category in ("Cc", "Cf", "Zl", "Zp") and char not in _NUMBER_SIGNS)


def _is_needed(char: str, before: str) -> bool:
    """Whether a script needs this character after that text: joiners in Persian, Hindi or emoji, breaks in Thai."""
    previous = before[-1:]
    if not previous:
        return False
    name, category = unicodedata.name(previous, ""), unicodedata.category(previous)
    if char in _JOINERS:
        is_letter = category[0] in "LM" and not name.startswith(_PLAIN_SCRIPTS)
        return is_letter or category in ("So", "Sk") or previous == "\ufe0f"
    if char == _WORD_BREAK:
        return name.startswith(_BREAKING_SCRIPTS)
    return ord(char) in _TAGS and _FLAG in before and (previous == _FLAG or ord(previous) in _TAGS)


# Marks that are text, but not the scenario's

_LIST = re.compile(
    r"\s*(?:(?:[-*+•‣◦▪●·]|#{1,6}|>|\(?\d{1,3}[.):\]]|\(?[a-zA-Z]\)|\[[ xX]\])\s+|\d{1,4}[,;|](?=[^\s\d]))"
)
_ENTITY = re.compile(r"&(?:[A-Za-z][A-Za-z0-9]+|#\d+|#[xX][0-9A-Fa-f]+);")
_TAG = re.compile(r"</?(?:p|br|div|span|b|i|u|em|strong|li|ul|ol|td|tr|a|font|code|blockquote)\b[^<>]*>", re.IGNORECASE)
_ESCAPE = re.compile(r"\\(?:[\"'nrt]|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2})")
_DRAFT = re.compile(r"\W*(?:TODO|TBD|FIXME|XXX|PLACEHOLDER|(?i:lorem ipsum))\b|[<\[{]+\s*(?i:insert|your|add)\b")
_STAND_IN = re.compile(
    r"#?n/?a|none|null|nan|nil|undefined|tba|placeholder|[-–—?.…]+"  # an empty cell
    r"|(?:positives?|negatives?|prompts?|texts?|scenarios?|sentences?)(?:[,;\t|]\s*\w+)*"  # the heading of a column
    r"|(?:```|~~~).*|-{3,}|={3,}|\*{3,}",  # a fence or a rule of Markdown
    re.IGNORECASE,
)
_LABEL_BEFORE = re.compile(r"\s*(?:positive|negative|pos|neg|prompt|text|scenario)(?:\s*#?\d+)?\s*[:：]", re.IGNORECASE)  # noqa: RUF001
_LABEL_BEHIND = re.compile(r"[,;\t|]\s*\"?(?:positive|negative|pos|neg|true|false|[01])\"?\s*$", re.IGNORECASE)
_SEPARATE_ACCENT = re.compile("[A-Za-zΑ-ωА-яЁё][\u0300-\u036f]")  # noqa: RUF001 - ranges of alphabets
_NO_BREAK = re.compile(r"(?<=[^\W\d_])[\u00a0\u2007\u202f](?=[^\W\d_])")


def _has_markup(text: str) -> bool:
    return bool(_TAG.search(text)) or any(html.unescape(found[0]) != found[0] for found in _ENTITY.finditer(text))


def _is_placeholder(text: str) -> bool:
    bare = text.strip().strip("<>[](){}\"'#:").strip()
    return bool(_DRAFT.match(text) or _STAND_IN.fullmatch(bare))


def _misread(lead: str, count: int) -> str:
    """A pattern for the characters that UTF-8 bytes become where they are read as Windows-1252 or Latin-1."""
    rest = "".join(bytes([i]).decode("cp1252", "ignore") for i in range(0x80, 0xC0)) + "\x81\x8d\x8f\x90\x9d"
    return f"{lead}[{re.escape(rest)}]{{{count}}}"


# One lead of two bytes with accented letters of Latin, one of three with punctuation; others only twice in a row, since
# French and German put such marks behind such letters.
_MOJIBAKE = re.compile(
    "|".join(
        (
            _misread("[ÂÃ]", 1),
            _misread("â", 2),
            _misread("ð", 3),
            f"(?:{_misread('[Ð-Ý]', 1)}){{2}}",
            f"(?:{_misread('[à-ï]', 2)}){{2}}",
        )
    )
)

_TRACES = (
    _Trace("list-mark", lambda text: bool(_LIST.match(text)), "begins with the mark of a list: remove it."),
    _Trace(
        "label",
        lambda text: bool(_LABEL_BEFORE.match(text) or _LABEL_BEHIND.search(text)),
        "begins or ends with a label (such as Positive:, or a column of 0 and 1): remove it.",
    ),
    _Trace(
        "decomposed",
        lambda text: bool(_SEPARATE_ACCENT.search(text)) and not unicodedata.is_normalized("NFC", text),
        "contains letters with separate accents (Unicode NFD), which change the tokens: compose them (NFC).",
    ),
    _Trace("markup", _has_markup, "contains HTML (such as &quot; or <p>): write the character itself."),
    _Trace(
        "escapes",
        lambda text: bool(_ESCAPE.search(text)),
        'contains backslash escapes (such as \\n or \\"), as in program code: write the character itself.',
    ),
    _Trace(
        "mojibake",
        lambda text: bool(_MOJIBAKE.search(text)),
        "contains characters that were read in a wrong encoding (such as â€™ for ’): save the source as UTF-8 again.",
    ),
    _Trace(
        "lost-characters",
        lambda text: "\ufffd" in text,
        "contains U+FFFD, which replaces characters that were lost: correct it from the source.",
    ),
    _Trace(
        "no-break-space",
        lambda text: bool(_NO_BREAK.search(text)),
        "contains no-break spaces between words, as web pages have: type plain ones, since they change the tokens.",
    ),
    _Trace(
        "placeholder",
        _is_placeholder,
        "is a placeholder, not a scenario: write one, or remove the line from both files.",
    ),
)
