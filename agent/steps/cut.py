"""Cuts: the first rung of the ladder. A candidate is the text up to a word boundary, nothing else."""

import re
import unicodedata
from collections.abc import Sequence

from agent.schema import (
    OPENING_MARKS,
    Scenario,
    is_unfinished,
    opens_quotation,
    quotation_starts,
    split_ending,
    unit_starts,
    units,
    word_count,
)
from agent.text import last_place

MOST = 4  # candidates; chosen by judgement
FEWEST_WORDS = 6  # of a text without a stem: fewer show no situation

_NARRATOR = re.compile(r"""(?<!\S)["“]?(?:I|[Ww]e)(?=\s)""")
_SUBJECTS = frozenset(["i", "he", "she", "they", "we", "you", "it"])
_JOINING = frozenset(["and", "but", "or", "so", "because", "since", "then"])
_NEED_A_NOUN = frozenset(  # "her" may end a clause
    ["a", "an", "the", "my", "your", "his", "its", "our", "their", "of", "every", "another"]
)
_NEGATIONS = frozenset(["not", "no", "never", "cannot", "hardly", "barely", "scarcely", "without", "nor", "neither"])
_NEGATED_WORDS = 2  # last words among which a negation stands too close to the cut: "I wasn't particularly"
_CLAUSE_MARKS = ",;，；、،؛"


def cut_points(scenario: Scenario, span: str | None) -> list[str]:
    """Up to four texts ending in an open clause or quotation: cut before the span, after its subject, or inside it."""
    text = scenario.text
    start, end = _committed(text, span)
    sentence = _sentence_start(text, start)
    inside = _inside(text, start, end)
    points = [
        start,
        *quotation_starts(text, sentence, end),
        *[m.end() for m in _NARRATOR.finditer(text, sentence, start)][-1:],  # leaves out what led up to the act
        *inside[:2],
        *_back_to_its_clause(text, sentence, start)[:2],
        *inside[2:3],
    ]
    found: list[str] = []
    for point in points:
        candidate = _without_comma(text[:point].rstrip(), text[point:].lstrip())
        if _stays_open(candidate, text[point:]) and candidate not in found:
            found.append(candidate)
    return [one for one in found if not any(_leads_no_further(one, other) for other in found)][:MOST]


def _leads_no_further(candidate: str, other: str) -> bool:
    """Whether another candidate is this one with nothing but joining words and a subject behind it (", so I")."""
    more = units(other[len(candidate) :].lower()) if other.startswith(candidate) else []
    words = [word for one in more if (word := one.strip(",;"))]
    return bool(words) and all(word in _SUBJECTS | _JOINING for word in words)


def borrowed_hinges(scenario: Scenario, span: str | None, hinges: Sequence[str]) -> list[str]:
    """The text before the committed sentence, plus the hinge (", so I") of a confirmed pair: a rewrite, not a cut."""
    start, _ = _committed(scenario.text, span)
    before = scenario.text[: _sentence_start(scenario.text, start)].rstrip()
    if not before or not before.endswith("."):
        return []
    return [before.removesuffix(".") + hinge for hinge in hinges[:1]]


def hinge_of(ending: str) -> str | None:
    """The last short clause of an ending (", so I"), if any."""
    comma = ending.rfind(",")
    hinge = ending[comma:]
    return hinge if comma >= 0 and 2 <= len(hinge.split()) <= 3 and '"' not in hinge else None


def frozen_part(scenario: Scenario, span: str | None) -> tuple[str, str]:
    """(frozen, ending): the ending starts at the sentence with the committed span, else at the last sentence."""
    if span is None:
        return scenario.stem, scenario.ending
    start = _sentence_start(scenario.text, _committed(scenario.text, span)[0])
    return scenario.text[:start], scenario.text[start:]


def _committed(text: str, span: str | None) -> tuple[int, int]:
    place = last_place(span, text) if span else -1
    if span is None or place < 0:
        stem, _ = split_ending(text)
        return len(stem), len(text)
    return place, place + len(span)


def _sentence_start(text: str, place: int) -> int:
    """Where the sentence around `place` begins."""
    return len(split_ending(text[: place + 1])[0])


def _word_starts(text: str, start: int, end: int) -> list[int]:
    return unit_starts(text, start + 1, end)


def _inside(text: str, start: int, end: int) -> list[int]:
    """Where the words of the span begin, except its first, and except a noun after its article."""
    points = _word_starts(text, start, end)
    return [point for point in points if text[start:point].lower().split()[-2:-1] not in [[w] for w in _NEED_A_NOUN]]


def _back_to_its_clause(text: str, sentence: int, start: int) -> list[int]:
    """Where words begin, from the span back to the start of its clause; further back is another clause."""
    points: list[int] = []
    if _ends_clause(text, start):
        return points
    for point in reversed(_word_starts(text, sentence, start)):
        points.append(point)
        if _ends_clause(text, point) or text[point:].split()[0].lower() in _JOINING:
            break
    return points


def _ends_clause(text: str, point: int) -> bool:
    """Whether a comma before `point` ends a clause; one that leads into a quotation does not."""
    return text[:point].rstrip().endswith(tuple(_CLAUSE_MARKS)) and not text[point:].startswith(OPENING_MARKS)


def _without_comma(candidate: str, removed: str) -> str:
    """Without the comma that ended a clause, so that the clause stays open."""
    if removed.startswith(OPENING_MARKS):
        return candidate
    return candidate.rstrip("¿¡").rstrip().rstrip(_CLAUSE_MARKS).rstrip()


def _stays_open(candidate: str, removed: str) -> bool:
    if not candidate or not removed or not is_unfinished(candidate) or _is_too_short(candidate):
        return False
    if _ends_negated(candidate):
        return False
    if candidate.endswith(OPENING_MARKS):
        return opens_quotation(candidate)
    in_word = unicodedata.category(candidate[-1])[0] in "LNM"
    return in_word or candidate[-1] in ":'’："  # noqa: RUF001 - a typographic apostrophe and colon are meant


def _ends_negated(candidate: str) -> bool:
    """Whether the last words negate what comes next: read alone, the continuation would say the opposite."""
    last = candidate.lower().replace("’", "'").split()[-_NEGATED_WORDS:]  # noqa: RUF001 - a typographic apostrophe
    return any(word in _NEGATIONS or word.endswith("n't") for word in last)


def _is_too_short(candidate: str) -> bool:
    """Whether a cut leaves too little: a bare article, a single word that is no subject, or no situation."""
    sentence = _sentence_start(candidate, len(candidate) - 1)
    words = units(candidate[sentence:].lower())
    if sentence == 0 and word_count(candidate) < FEWEST_WORDS:
        return True
    return bool(words) and (words[-1] in _NEED_A_NOUN or (len(words) == 1 and words[0] not in _SUBJECTS | {'"', "“"}))
