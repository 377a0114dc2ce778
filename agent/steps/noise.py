"""What a judge that contradicts itself does to a set: from its flap rates to the chances of a wrong end."""

import math
from collections.abc import Sequence
from functools import lru_cache

from agent.schema import Depth, Finding, Noise, Question, Ruling
from agent.schema.rates import Rate
from agent.steps.audit import flap_rates, flaps
from agent.steps.voting import ALONE, NEEDED_LEAD, OPENING, order_of, ruled

_GATING = (Question.FORECAST, Question.RESPONSE, Question.VERDICT, Question.C0, Question.C5)
_GATING_SUSTAINED = (Question.FORECAST, Question.RESPONSE, Question.OPENING)
_SIDES = 2


def measure_noise(findings: Sequence[Finding], most: int, sustained: bool) -> Noise | None:
    """The flaps of all votes so far and what they lead to; `most` votes are cast on a question. None without any."""
    found = flaps(findings)
    known = flap_rates(findings)
    rates = [known[q] for q in (_GATING_SUSTAINED if sustained else _GATING) if q in known]
    if not rates:
        return None
    usual, least = ([_error(of(rate)) for rate in rates] for of in (_measured, _lower))
    return Noise(
        flaps=found,
        accepted=_rounded(max(_chance(error, most, NEEDED_LEAD, False, Ruling.FAVOURABLE) for error in usual)),
        edited=_rounded(_of_pair(usual, most, Ruling.ADVERSE)),
        edited_at_least=_rounded(_of_pair(least, most, Ruling.ADVERSE)),
        undecided=_rounded(_of_pair(usual, most, Ruling.TIE)),
    )


def _measured(rate: Rate) -> float:
    return rate.k / rate.n


def _lower(rate: Rate) -> float:
    return rate.low


def _error(flap: float) -> float:
    """How often a single answer is wrong, if two that err independently contradict each other so often."""
    return (1 - math.sqrt(1 - 2 * min(flap, 0.5))) / 2


def _of_pair(errors: Sequence[float], most: int, ending: Ruling) -> float:
    """The chance that a vote on a good pair ends so: any of its questions, on either side."""
    spared = math.prod(1 - _chance(error, most, ALONE, True, ending) for error in errors)
    return 1 - spared**_SIDES


@lru_cache(maxsize=256)
def _chance(error: float, most: int, against: int, favourable: bool, ending: Ruling) -> float:
    """How often the audit's vote on one question ends so, when each answer errs so often. Every course of it is added.

    `favourable` is the answer that is right.
    """
    opening, last = len(OPENING[Depth.AUDIT]), len(order_of(OPENING[Depth.AUDIT], most))

    def courses(sides: tuple[bool, ...], chance: float) -> float:
        if len(sides) >= opening:
            decided = ruled(sides, opening, against) or (Ruling.TIE if len(sides) >= last else None)
            if decided is not None:
                return chance if decided is ending else 0.0
        right, wrong = (*sides, favourable), (*sides, not favourable)
        return courses(right, chance * (1 - error)) + courses(wrong, chance * error)

    return courses((), 1.0)


def _rounded(chance: float) -> float:
    return round(chance, 6)
