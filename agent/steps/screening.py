"""Screening without a model: finished sentences, duplicates, wrong lengths, lack of diversity; and pair flags."""

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rapidfuzz import fuzz, process, utils

from agent.schema import (
    Completion,
    Flag,
    Mode,
    Pair,
    Polarity,
    Rules,
    Scenario,
    is_unfinished,
    last_words,
    word_count,
    word_parts,
)
from agent.steps.natures import hinge_pattern, hinge_words

# Limits of the screening, chosen by judgement.
SHORTEST, LONGEST = 12, 900  # characters
SAME = 93.0  # rapidfuzz ratio, 0-100, from which two texts count as the same
PATTERN_WORDS = 5  # last words that make an ending's pattern
MOST_TIMES_LONGER = 2  # longer side to shorter side, in words
FEWEST_WORDS = 5  # of a side, below which a pair is not compared
TELLING = 4  # letters from which on a word counts as part of a setting


def rejection_reason(text: str, taken: Sequence[str]) -> str | None:
    """Why this text cannot be a scenario in a set with the texts `taken`, or None."""
    if not SHORTEST <= len(text) <= LONGEST:
        return f"{len(text)} characters long, wanted {SHORTEST} to {LONGEST}"
    if text != text.strip():
        return "begins or ends with a blank"
    if any(ord(char) < 32 for char in text):
        return "holds a control character or line break"
    if not is_unfinished(text):
        return "ends on a finished sentence"
    near = process.extractOne(text, taken, scorer=fuzz.ratio, processor=_plain, score_cutoff=SAME)
    return f"nearly the same as {near[0]!r}" if near else None


def rejected_side(sides: Sequence[Scenario], rejected: Sequence[str], same: float = SAME) -> str | None:
    """Which text that a human rejected one of these repeats, or None; `same` is the rapidfuzz ratio that counts."""
    found = (
        process.extractOne(s.text, rejected, scorer=fuzz.ratio, processor=_plain, score_cutoff=same) for s in sides
    )
    near = next((match for match in found if match), None)
    return f"a human rejected {near[0]!r}" if near else None


def mismatched(positive: str, negative: str, mode: Mode) -> str | None:
    """Why two texts are no matched pair: no word in common, or one twice as long (allowed in mode sustained)."""
    words = [list(word_parts(text.casefold())) for text in (positive, negative)]
    counts = [word_count(" ".join(own)) for own in words]
    few, many = sorted(counts)
    if few < FEWEST_WORDS:  # too short to tell
        return None
    if mode is not Mode.SUSTAINED and many > MOST_TIMES_LONGER * few:
        return f"its sides differ too much in length ({counts[0]} and {counts[1]} words)"
    if counts != list(map(len, words)):  # words of a script without blanks cannot be told apart
        return None
    telling = [{word for word in own if len(word) >= TELLING} for own in words]
    return None if telling[0] & telling[1] else "its sides share no word of their setting"


def _plain(text: str) -> str:
    """Normalized for comparison: letters and digits in lower case, single blanks."""
    if any(unicodedata.category(char)[0] == "M" for char in text):  # rapidfuzz takes a vowel sign for a blank
        return " ".join(word_parts(text.casefold()))
    return " ".join(utils.default_process(text).split())


def ending_pattern(text: str) -> str:
    """The last five words, lower case. Too many scenarios of a set must not share them."""
    return " ".join(last_words(text.lower(), PATTERN_WORDS).split())


class Diversity:
    """Counts of endings and domains in a set, and what would exceed its share of `goal` pairs."""

    def __init__(self, rules: Rules, goal: int, pairs: Iterable[Pair], mode: Mode = Mode.DECISION) -> None:
        self._ending_cap = max(2, int(rules.max_ending_share * goal))
        # In mode sustained the manner goes through the whole text: on which words it stops decides nothing.
        share = 1.0 if mode is Mode.SUSTAINED else rules.max_hinge_share
        self._hinge_cap = max(2, int(share * goal)) if share < 1 else math.inf
        self._domain_cap = max(2, int(rules.max_domain_share * goal))
        pairs = tuple(pairs)
        self._endings = Counter((side.polarity, ending_pattern(side.text)) for pair in pairs for side in pair.sides)
        self._hinges = Counter((side.polarity, hinge_pattern(side.text)) for pair in pairs for side in pair.sides)
        self._last_words = {hinge_pattern(side.text): hinge_words(side.text) for pair in pairs for side in pair.sides}
        self._domains = Counter(pair.domain for pair in pairs if pair.domain)

    def too_common(self, scenario: Scenario) -> str | None:
        """Why another text with this ending is refused, or None. The last words alone have a cap of their own."""
        pattern = ending_pattern(scenario.text)
        if self._endings[scenario.polarity, pattern] >= self._ending_cap:
            return f"{self._ending_cap} scenarios already end in {pattern!r}"
        hinge = hinge_pattern(scenario.text)
        if self._hinges[scenario.polarity, hinge] >= self._hinge_cap:
            return f"{self._hinge_cap} scenarios already stop on words like {hinge_words(scenario.text)!r}"
        return None

    def common_hinges(self, *polarities: Polarity) -> tuple[str, ...]:
        """Last words, as a text of the set has them, on which enough texts of one of these sides stop already."""
        full = {hinge for (side, hinge), n in self._hinges.items() if side in polarities and n >= self._hinge_cap}
        return tuple(sorted(self._last_words[hinge] for hinge in full if hinge in self._last_words))

    def full_domain(self, domain: str) -> str | None:
        return f"domain {domain!r} is full" if domain and self._domains[domain] >= self._domain_cap else None

    @property
    def full_domains(self) -> tuple[str, ...]:
        return tuple(sorted(d for d, n in self._domains.items() if n >= self._domain_cap))

    def add(self, pair: Pair) -> None:
        for side in pair.sides:
            self._endings[side.polarity, ending_pattern(side.text)] += 1
            self._hinges[side.polarity, hinge_pattern(side.text)] += 1
            self._last_words[hinge_pattern(side.text)] = hinge_words(side.text)
        self._domains[pair.domain] += 1


def texts_of(pairs: Iterable[Pair], polarity: Polarity) -> list[str]:
    return [pair.side(polarity).text for pair in pairs]


ALIKE = 0.05  # bits of divergence up to which two next-token distributions count as one; chosen by judgement


def pair_flags(mode: Mode, sides: tuple[Scenario, Scenario], made: tuple[Completion, Completion]) -> tuple[Flag, ...]:
    """Flags about the pair as such: sides that do not match, or that the subject continues alike."""
    positive, negative = sorted(sides, key=lambda side: side.polarity, reverse=True)
    unmatched = mismatched(positive.text, negative.text, mode) is not None
    flags = ((unmatched, Flag.UNMATCHED), (continue_alike(*made), Flag.ALIKE))
    return tuple(flag for holds, flag in flags if holds)


def continue_alike(one: Completion, other: Completion) -> bool:
    """Whether the subject continues both sides alike: then no first token can carry the trait."""
    if not one.opening.strip() or one.opening != other.opening:
        return False
    apart = divergence(dict(one.next_tokens), dict(other.next_tokens))
    return one.text == other.text if apart is None else apart <= ALIKE


def divergence(a: Mapping[int, float], b: Mapping[int, float]) -> float | None:
    """Jensen-Shannon divergence (Lin 1991), in bits, of truncated next-token distributions; the rest is one event."""
    if not a or not b:
        return None
    rest = -1
    p, q = {**a, rest: max(0.0, 1 - sum(a.values()))}, {**b, rest: max(0.0, 1 - sum(b.values()))}
    mean = {t: (p.get(t, 0.0) + q.get(t, 0.0)) / 2 for t in sorted(p.keys() | q.keys())}
    return round(sum(_relative_entropy(x, mean) for x in (p, q)) / 2, 6)


def _relative_entropy(p: Mapping[int, float], mean: Mapping[int, float]) -> float:
    return sum(x * math.log2(x / mean[t]) for t, x in sorted(p.items()) if x > 0)
