"""The first rung: cut back to the cliffhanger. A candidate is the text up to a word boundary, nothing else."""

import re
from collections.abc import Sequence

from agent.schema import Scenario, split_ending
from agent.steps.screen import is_unfinished

MOST = 4

_WORD = re.compile(r"\S+")
_SUBJECTS = frozenset(["i", "he", "she", "they", "we", "you", "it"])
_NEED_A_NOUN = frozenset(["a", "an", "the", "my", "your", "his", "its", "our", "their", "of"])  # "her" may end a clause
_OPENED = re.compile(r"""(?<!\S)["“]""")


def cut_points(scenario: Scenario, span: str | None) -> list[str]:
    """Up to four texts cut mid-clause or in an opened quotation: before the span, inside it, before its clause."""
    text = scenario.text
    start, end = _committed(text, span)
    points = [
        start,
        *(m.end() for m in _OPENED.finditer(text, _sentence_start(text, start), end)),
        *_word_starts(text, start, end)[:3],
        *reversed(_word_starts(text, _sentence_start(text, start), start)),
    ]
    found: list[str] = []
    for point in points:
        candidate = text[:point].rstrip()
        if _stays_open(candidate, text[point:]) and candidate not in found:
            found.append(candidate)
    return found[:MOST]


def borrowed_hinges(scenario: Scenario, span: str | None, hinges: Sequence[str]) -> list[str]:
    """The text before the committed sentence with a confirmed sibling's hinge (", so I"): a rewrite, not a cut."""
    start, _ = _committed(scenario.text, span)
    before = scenario.text[: _sentence_start(scenario.text, start)].rstrip()
    if not before or not before.endswith("."):
        return []
    return [before.removesuffix(".") + hinge for hinge in hinges[:1]]


def hinge_of(ending: str) -> str | None:
    """The last short clause of an ending (", so I"), where it has one."""
    comma = ending.rfind(",")
    hinge = ending[comma:]
    return hinge if comma >= 0 and 2 <= len(hinge.split()) <= 3 and '"' not in hinge else None


def frozen_part(scenario: Scenario, span: str | None) -> tuple[str, str]:
    """(frozen, ending): the ending starts at the sentence that holds the committed span, else at the last sentence."""
    if span is None:
        return scenario.stem, scenario.ending
    start = _sentence_start(scenario.text, _committed(scenario.text, span)[0])
    return scenario.text[:start], scenario.text[start:]


def _committed(text: str, span: str | None) -> tuple[int, int]:
    place = text.rfind(span) if span else -1
    if span is None or place < 0:
        stem, _ = split_ending(text)
        return len(stem), len(text)
    return place, place + len(span)


def _sentence_start(text: str, place: int) -> int:
    """Where the sentence that holds `place` begins."""
    return len(split_ending(text[: place + 1])[0])


def _word_starts(text: str, start: int, end: int) -> list[int]:
    return [m.start() for m in _WORD.finditer(text, start, end) if m.start() > start]


def _stays_open(candidate: str, removed: str) -> bool:
    if not candidate or not removed or not is_unfinished(candidate) or _is_stump(candidate):
        return False
    if candidate.endswith('"'):
        return candidate.count('"') % 2 == 1
    if candidate.endswith("“"):
        return True
    return candidate[-1].isalnum() or candidate[-1] in ":'’"  # noqa: RUF001 - a typographic apostrophe is meant


def _is_stump(candidate: str) -> bool:
    """Whether a cut leaves nothing to go on from: an article without its noun, or one word that is no subject."""
    words = candidate[_sentence_start(candidate, len(candidate) - 1) :].lower().split()
    return bool(words) and (words[-1] in _NEED_A_NOUN or (len(words) == 1 and words[0] not in _SUBJECTS | {'"', "“"}))
