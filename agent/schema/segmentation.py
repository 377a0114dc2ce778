"""Sentences, words and quotations in texts of any script, without a dictionary.

Sentence ends have Unicode's property Sentence_Terminal (PropList.txt of Unicode 17), words are the runs between blanks.
In scripts that write no blanks between words, each character with its marks is a unit of its own: a text may be cut
there, and some of them count as a word.
"""

import re
import unicodedata
from collections.abc import Iterator

# Sentence_Terminal, without the three of ASCII and without U+FF0E, which also stands inside numbers.
_TERMINAL = (
    "\u0589\u061d-\u061f\u06d4\u0700-\u0702\u07f9\u0837\u0839\u083d\u083e\u0964\u0965\u104a\u104b\u1362\u1367\u1368"
    "\u166e\u1735\u1736\u17d4\u17d5\u1803\u1809\u1944\u1945\u1aa8-\u1aab\u1b4e\u1b4f\u1b5a\u1b5b\u1b5e\u1b5f"
    "\u1b7d-\u1b7f\u1c3b\u1c3c\u1c7e\u1c7f\u2024\u203c\u203d\u2047-\u2049\u2cf9-\u2cfb\u2e2e\u2e3c\u2e53\u2e54\u2e60"
    "\u2e61\u3002\ua4ff\ua60e\ua60f\ua6f3\ua6f7\ua876\ua877\ua8ce\ua8cf\ua92f\ua9c8\ua9c9\uaa5d-\uaa5f\uaaf0\uaaf1"
    "\uabeb\ufe12\ufe15\ufe16\ufe52\ufe56\ufe57\uff01\uff1f\uff61\U00010a56\U00010a57\U00010f55-\U00010f59"
    "\U00010f86-\U00010f89\U00011047\U00011048\U000110be-\U000110c1\U00011141-\U00011143\U000111c5\U000111c6\U000111cd"
    "\U000111de\U000111df\U00011238\U00011239\U0001123b\U0001123c\U000112a9\U000113d4\U000113d5\U0001144b\U0001144c"
    "\U000115c2\U000115c3\U000115c9-\U000115d7\U00011641\U00011642\U0001173c-\U0001173e\U00011944\U00011946\U00011a42"
    "\U00011a43\U00011a9b\U00011a9c\U00011c41\U00011c42\U00011ef7\U00011ef8\U00011f43\U00011f44\U00016a6e\U00016a6f"
    "\U00016af5\U00016b37\U00016b38\U00016b44\U00016d6e\U00016d6f\U00016e98\U0001bc9f\U0001da88"
)
# Chinese, Japanese, Bopomofo and Yi; then the scripts whose Line_Break is Complex_Context (LineBreak.txt): Thai, Lao,
# Khmer, Burmese, Tai and others.
_EAST_ASIAN = (
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    "\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\ua4c6\uf900-\ufaff\uff66-\uff9d\U0001b000-\U0001b152"
    "\U00020000-\U000323af"
)
_COMPLEX = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ec4\u0ec6\u0ec8-\u0ece\u0edc-\u0edf\u1000-\u103f\u1050-\u108f\u109a-\u109f"
    "\u1780-\u17d3\u17d7\u17dc\u17dd\u1950-\u19c9\u19de\u19df\u1a20-\u1a7c\u1aa0-\u1aa7\ua9e0-\ua9fe\uaa60-\uaadf"
    "\U00011700-\U00011746"
)
UNSPACED = _EAST_ASIAN + _COMPLEX
"""Characters of scripts that write no blanks between words, for a class of a regular expression."""

_CLOSING = "\"'”’)\\]"
_MORE_CLOSING = f"{_CLOSING}“»«›‹」』｣】》〉〗）］｝"
_ELLIPSES = "…‥⋯"
# A question mark of Greek; the Tibetan shads; two Ethiopic word spaces, as typewriters wrote the full stop.
_OTHER_ENDS = "(?<=[\u0370-\u03ff\u1f00-\u1fff])[;\u037e]|[\u0f0d\u0f0e]|\u1361\u1361"
_SENTENCE_END = re.compile(
    rf"(?:[.!?{_ELLIPSES}][{_MORE_CLOSING}]*(?:\s[»›](?=\s))?\s+"
    rf"|(?:[{_TERMINAL}]|\uff0e(?!\d)|{_OTHER_ENDS})[{_MORE_CLOSING}]*\s*"
    rf"|(?<=[{UNSPACED}])[.!?][{_MORE_CLOSING}]*(?=[{UNSPACED}]))"
)
_LAST_SENTENCE = rf"(?:[.!?\uff0e{_TERMINAL}]|{_OTHER_ENDS})[{_MORE_CLOSING}]*(?:\s[»›])?$"
_COMPLETE = re.compile(rf"(?<!\.){_LAST_SENTENCE}")
_FINISHED = re.compile(rf"{_LAST_SENTENCE}|[{_ELLIPSES}][{_MORE_CLOSING}]*(?:\s[»›])?$")


def first_sentence(text: str) -> str:
    """The first sentence with the blanks behind it; empty if the text has only one."""
    first = _SENTENCE_END.search(text)
    return text[: first.end()] if first else ""


def split_ending(text: str) -> tuple[str, str]:
    """(stem, ending): the ending is the last, usually unfinished, sentence. Together they are exactly the text."""
    cut = 0
    for match in _SENTENCE_END.finditer(text):
        if match.end() < len(text):
            cut = match.end()
    return text[:cut], text[cut:]


def is_unfinished(text: str) -> bool:
    """Mid-sentence, after a colon, or inside an open quotation. An ellipsis finishes a sentence."""
    return opens_quotation(text) or not _FINISHED.search(text)


def is_complete(text: str) -> bool:
    """Whether the text ends with a sentence end that is no ellipsis."""
    return not opens_quotation(text) and _COMPLETE.search(text) is not None


_PAIRS = {
    "“": "”", "„": "“”", "‟": "”", "«": "»", "‹": "›", "»": "«", "›": "‹", "”": "”", "「": "」", "『": "』", "｢": "｣",
    "《": "》", "〈": "〉", "〝": "〞〟", "‚": "‘’",
}  # fmt: skip
_TWO_WAYS = "»›”"  # they close a quotation, or open one after a blank: »so«, »so», ”so”
OPENING_MARKS = ('"', *_PAIRS)


def opens_quotation(text: str) -> bool:
    """Whether the last character opens a quotation."""
    if text.endswith('"'):
        return _straight_marks(text) % 2 == 1
    return text.endswith(OPENING_MARKS) and len(text) in _openings(text)


def quotation_starts(text: str, start: int, end: int) -> list[int]:
    """Positions behind the opening quotation marks from `start` to `end`."""
    return [place for place in _openings(text) if start < place <= end and _stands_alone(text, place)]


def _stands_alone(text: str, place: int) -> bool:
    """Whether the mark before `place` is at the start of a word: “ also closes quotations („so“)."""
    before = text[max(0, place - 2) : place - 1]
    return text[place - 1] != "“" or not before.strip() or _is_unspaced_or_wide(before)


def _straight_marks(text: str) -> int:
    """How many straight quotation marks there are; between two Hebrew letters it is part of an abbreviation."""
    return len(re.findall('(?<![\u05d0-\u05ea])"|"(?![\u05d0-\u05ea])', text))


def _openings(text: str) -> list[int]:
    """Positions behind all opening quotation marks: whether a mark opens depends on those that are open before it."""
    found: list[int] = []
    opened: list[str] = []
    for i, char in enumerate(text):
        if char != '"' and char not in _PAIRS and not opened:
            continue
        before = text[i - 1 : i]
        if char == '"':
            if not before.strip() or (_is_unspaced_or_wide(before) and _straight_marks(text[: i + 1]) % 2):
                found.append(i + 1)
        elif opened and char in _PAIRS[opened[-1]]:
            opened.pop()
        elif char in _PAIRS and (char not in _TWO_WAYS or not before.strip()):
            opened.append(char)
            found.append(i + 1)
    return found


def _is_unspaced_or_wide(char: str) -> bool:
    return _UNSPACED.match(char) is not None or _is_wide(char)


_UNSPACED = re.compile(f"[{UNSPACED}]")
_IS_COMPLEX = re.compile(f"[{_COMPLEX}]")
# Never at the start of a line, hence of a unit: small kana, sound and iteration marks (LineBreak.txt: CJ, NS), and the
# vowels that Thai and Lao write behind a consonant.
_NOT_FIRST = re.compile(
    "[ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶー々〻ゝゞヽヾ゛゜・\u31f0-\u31ff\uff67-\uff70\uff9e\uff9f"
    "\u0e2f\u0e30\u0e32\u0e33\u0e45\u0e46\u0eaf\u0eb0\u0eb2\u0eb3\u0ebd\u0ec6\u17d7]"
)
# Vowels that Thai and Lao write before their consonant, and signs that join the next consonant.
_NOT_LAST = frozenset("เแโใไເແໂໃໄ\u1039\u17d2\u1a60\u200d")
_KILLED = re.compile("[\u1000-\u1021]\u1037?\u103a")  # a Burmese consonant that ends its syllable
_WORD_ENDS = frozenset("\u0f0b\u0f0c\u1361\u200b")  # the Tibetan tsheg, the Ethiopic word space, the blank of no width
_OPENS = frozenset(("Ps", "Pi"))


def unit_starts(text: str, start: int = 0, end: int | None = None) -> list[int]:
    """Where units begin, from `start` to before `end`: words; in scripts without blanks characters with their marks."""
    end = len(text) if end is None else end
    if text.isascii():
        return [word.start() for word in re.finditer(r"(?<!\S)\S", text) if start <= word.start() < end]
    return [i for i in range(start, end) if _starts_unit(text, i)]


def _starts_unit(text: str, i: int) -> bool:
    char, before = text[i], text[i - 1 : i]
    if char.isspace():
        return False
    if not before or before.isspace():
        return True
    if before in _WORD_ENDS:
        return char not in _WORD_ENDS and not _follows(char)
    if not (_is_unspaced_or_wide(char) or _UNSPACED.match(_base(text, i))):
        return False
    opened = unicodedata.category(before) in _OPENS or before in _NOT_LAST
    return not (opened or _follows(char) or _KILLED.match(text, i))


def _base(text: str, end: int) -> str:
    """The last character before `end` that is no mark."""
    while end > 1 and unicodedata.category(text[end - 1])[0] == "M":
        end -= 1
    return text[end - 1 : end]


def _follows(char: str) -> bool:
    """Whether a character belongs to what stands before it: marks, and punctuation that does not open."""
    category = unicodedata.category(char)
    return (category[0] in "MP" and category not in _OPENS and char not in "„‚¿¡") or bool(_NOT_FIRST.match(char))


def units(text: str) -> list[str]:
    """The units of a text in order, without blanks. For text with blanks between words it is `text.split()`."""
    return [text[i:j].rstrip() for i, j in _unit_spans(text)]


def _unit_spans(text: str) -> list[tuple[int, int]]:
    """(start, start of the next one) of each unit."""
    starts = unit_starts(text)
    return list(zip(starts, [*starts[1:], len(text)][: len(starts)], strict=True))


# Units that make a word, by judgement: words of Chinese and Japanese have about two characters, those of Thai, Khmer
# and Burmese about three characters with their marks.
_UNITS_OF_A_WORD = {"east": 2, "complex": 3}


def _weight(unit: str) -> float:
    if _IS_COMPLEX.search(unit):
        return 1 / _UNITS_OF_A_WORD["complex"]
    return 1 / _UNITS_OF_A_WORD["east"] if _UNSPACED.search(unit) else 1.0


def word_count(text: str) -> int:
    """About how many words a text has; exactly, where blanks stand between them."""
    return round(sum(map(_weight, units(text))))


def first_words(text: str, count: int) -> str:
    """The text up to the end of its first `count` words, with the blanks before them."""
    total = 0.0
    for i, j in _unit_spans(text):
        if total > count - 0.01:
            return text[:i].rstrip()
        total += _weight(text[i:j])
    return text.rstrip()


def last_words(text: str, count: int) -> str:
    """The last `count` words of a text."""
    total, end = 0.0, len(text.rstrip())
    for i, j in reversed(_unit_spans(text)):
        total += _weight(text[i:j])
        if total > count - 0.01:
            return text[i:end]
    return text.strip()


def word_parts(text: str) -> Iterator[str]:
    """Runs of letters, digits and their marks, without punctuation; characters of unspaced scripts one by one."""
    for unit in units(text):
        run = ""
        for char in unit:
            if char == "_" or unicodedata.category(char)[0] in "LNM":
                run += char
            elif run:
                yield run
                run = ""
        if run:
            yield run


def joint(before: str) -> str:
    """What stands between a text and its continuation: a blank, but none in Chinese and Japanese."""
    return "" if not before or _is_wide(before[-1]) else " "


def _is_wide(char: str) -> bool:
    """Whether it is a character of Chinese or Japanese, or a mark of their width; Korean writes blanks."""
    if re.match(f"[{_EAST_ASIAN}]", char):
        return True
    return unicodedata.east_asian_width(char) in "WF" and unicodedata.category(char)[0] == "P"
