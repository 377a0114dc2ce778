"""Ground truth of toy texts, from all phrases of the grammar; for tests and the evaluation of the subject only."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Literal

from experiments.toyworld.grammar import TABLES
from experiments.toyworld.tables import SIDES, DecisionTable, Side, ToneTable, spoken_forms

Outcome = Literal["trait", "opposite", "neither"]
Polarity = Literal["positive", "negative"]
SHARE = 0.8
WINDOW = 400


def short(trait: str) -> str:
    """The trait's name without its category.

    Raises:
        KeyError: where the toy world has no such trait.
    """
    name = trait.removeprefix("toy/")
    if name not in TABLES:
        raise KeyError(f"The toy world has no trait {trait!r}; it has {', '.join(TABLES)}.")
    return name


def side_of(polarity: Polarity) -> Side:
    """The direction that a scenario of this polarity is meant to take."""
    return "trait" if polarity == "positive" else "opposite"


def pattern(items: Iterable[str]) -> re.Pattern[str]:
    """One expression that finds any of the phrases as whole words, the longest first."""
    forms = sorted({form for item in items for form in spoken_forms(item)}, key=len, reverse=True)
    return re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, forms)) + r")(?!\w)")


@cache
def act_patterns(trait: str) -> dict[Side, re.Pattern[str]]:
    """For each side of a decision trait, what displays it."""
    table = TABLES[trait]
    if isinstance(table, ToneTable):
        return {side: pattern(table.words.of(side)) for side in SIDES}
    return {side: pattern((*table.acts.of(side), *table.sayings.of(side))) for side in SIDES}


@cache
def sign_patterns(trait: str) -> dict[Side, re.Pattern[str]]:
    """For each side, the further phrases that tell the direction once it is taken."""
    table = TABLES[trait]
    if isinstance(table, ToneTable):
        return {side: pattern(table.tails.of(side)) for side in SIDES}
    return {side: pattern(_signs(table, side)) for side in SIDES}


def _signs(table: DecisionTable, side: Side) -> tuple[str, ...]:
    after = (phrase for both in table.afterthoughts.values() for phrase in both.of(side))
    return (*table.tails.of(side), *table.spoken_tails.of(side), *after)


def _first(patterns: dict[Side, re.Pattern[str]], text: str) -> Side | None:
    found = [(match.start(), -match.end(), side) for side in SIDES if (match := patterns[side].search(text))]
    return min(found)[2] if found else None


def displayed(trait: str, text: str) -> Side | None:
    """Which direction the text already displays, by its first act; None where it is still open."""
    return _first(act_patterns(short(trait)), text)


def direction(trait: str, completion: str, prefix: str = "") -> Outcome:
    """The direction of a completion. With its prefix, an act that spans the cut counts too."""
    name = short(trait)
    if isinstance(TABLES[name], ToneTable):
        counts = {side: len(act_patterns(name)[side].findall(completion)) for side in SIDES}
        if counts["trait"] == counts["opposite"]:
            return "neither"
        return "trait" if counts["trait"] > counts["opposite"] else "opposite"
    whole = prefix[-WINDOW:] + completion
    return _first(act_patterns(name), whole) or _first(sign_patterns(name), completion) or "neither"


def explains(trait: str, completion: str) -> bool:
    """Whether a completion begins with an afterthought of the trait."""
    table = TABLES[short(trait)]
    if isinstance(table, ToneTable):
        return False
    after = tuple(p for both in table.afterthoughts.values() for side in SIDES for p in both.of(side))
    return bool(re.match(r"\s?(?:" + pattern(after).pattern + ")", completion))


def truly_good(trait: str, polarity: Polarity, prefix: str, completions: Sequence[str]) -> bool:
    """Whether a scenario is what it should be.

    In decision mode nothing of either act stands at the cut, and four fifths of the sampled completions go its way;
    in sustained mode four fifths keep the register.

    Raises:
        ValueError: where no completions are given.
    """
    if not completions:
        raise ValueError("truly_good needs sampled completions; give at least one.")
    name, side = short(trait), side_of(polarity)
    if isinstance(TABLES[name], DecisionTable) and displayed(name, prefix) is not None:
        return False
    going = sum(direction(name, completion, prefix) == side for completion in completions)
    return going >= SHARE * len(completions)
