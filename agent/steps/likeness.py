"""How alike a pair's two sides are: what they share of their setting, and whether the subject goes on alike."""

import math
from collections.abc import Mapping

from agent.schema import Completion, Flag, Mode, Scenario
from agent.steps.screen import mismatched

ALIKE = 0.05  # bits of divergence up to which two next-token distributions count as one


def pair_flags(mode: Mode, sides: tuple[Scenario, Scenario], made: tuple[Completion, Completion]) -> tuple[Flag, ...]:
    """What a human should know of a pair as such, whatever its sides are worth by themselves."""
    positive, negative = sorted(sides, key=lambda side: side.polarity, reverse=True)
    unmatched = mismatched(positive.text, negative.text, mode) is not None
    flags = ((unmatched, Flag.UNMATCHED), (continue_alike(*made), Flag.ALIKE))
    return tuple(flag for holds, flag in flags if holds)


def continue_alike(one: Completion, other: Completion) -> bool:
    """Whether the subject goes on in the same way after both sides: then no first token can carry the trait."""
    if not one.opening.strip() or one.opening != other.opening:
        return False
    apart = divergence(dict(one.next_tokens), dict(other.next_tokens))
    return one.text == other.text if apart is None else apart <= ALIKE


def divergence(a: Mapping[int, float], b: Mapping[int, float]) -> float | None:
    """Jensen-Shannon divergence (bits) of two truncated next-token distributions; the rest is one shared event."""
    if not a or not b:
        return None
    rest = -1
    p, q = {**a, rest: max(0.0, 1 - sum(a.values()))}, {**b, rest: max(0.0, 1 - sum(b.values()))}
    mean = {t: (p.get(t, 0.0) + q.get(t, 0.0)) / 2 for t in sorted(p.keys() | q.keys())}
    return round(sum(_relative_entropy(x, mean) for x in (p, q)) / 2, 6)


def _relative_entropy(p: Mapping[int, float], mean: Mapping[int, float]) -> float:
    return sum(x * math.log2(x / mean[t]) for t, x in sorted(p.items()) if x > 0)
