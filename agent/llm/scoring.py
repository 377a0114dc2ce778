"""Scoring: a score or a choice from an answer's log-probabilities, or from repeated samples. Pure functions."""

import math
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from agent.llm.endpoint import ScaleName
from agent.llm.errors import Unscored, quoted
from agent.schema import Score

MIN_MASS = 0.25  # probability on the scale below which an answer is unscored; by judgement
WEAK_MASS = 0.5  # … and below which its score is weak
WIDE = 20.0  # points between the bounds of a score that make it weak
FEWEST, MOST, DRAW = 4, 16, 4  # samples at least, at most, and drawn at once; by judgement of their cost

_BLANK = " \t\r\n▁ĠĊ\u00a0"
_PERCENTS = {str(number): float(number) for number in range(101)}
_LETTERS = "ABCDEFGHIJK"
_SHORT = 2000  # characters of an answer that are looked at; one that is longer is no bare answer

# What may stand around a bare answer: marks, a label such as "**Score:** " or "The answer is", a tag or a box.
_LEAD = (
    r"(?i:\(\s*0\s*(?:-|–|to)\s*100\s*\)|[\s*_\"'`(\[{:=#>$▁Ġ]|\s[-–—]\s|<(?:answer|score|output|response|final)>"
    r"|\\boxed|\\text|<\|begin_of_box\|>"
    r"|\b(?:(?:the|my|final|overall)\s+){0,3}(?:score|answer|rating|number|letter|choice|option|verdict|label|result)\b"
    r"(?:\s+is\b)?)*+"
)
_TAIL = r"(?i:[\s*_\"'`)\]}.!$]|</\w+>|<\|\w+\|>|<end_of_turn>)*"
_NUMBER = r"(100|[1-9]?[0-9])(?!\d)(?:\.0+(?!\d))?(?:\s*(?:%|/\s*100(?!\d)|out of 100(?!\d)))?"
_LEADS = re.compile(_LEAD)
_ONE_NUMBER = re.compile(rf"{_LEAD}{_NUMBER}{_TAIL}(?:\n\D*)?", re.ASCII)
_NUMBER_BEGINS = re.compile(rf"{_LEAD}{_NUMBER}(?![.,/-]\d)\D*", re.ASCII)
_ONE_LETTER = re.compile(rf"{_LEAD}([A-K])(?![\w'’]|[^\S\n]+\w)")


class TokenLogprobs(NamedTuple):
    """One generated token and its most likely alternatives with their natural log-probabilities."""

    token: str
    top: tuple[tuple[str, float], ...]


def strip_token_marks(token: str) -> str:
    """The token without spaces and the marks that tokenizers use for them."""
    return token.strip(_BLANK)


def probability(logprob: float) -> float:
    """The probability of a log-probability. OpenAI's placeholder −9999 and values that are not finite count as zero."""
    if -9999 < logprob <= 0.0:
        return math.exp(logprob)
    return 1.0 if 0.0 < logprob < math.inf else 0.0


def percent_value(token: str) -> float | None:
    """The number 0 to 100 that the token spells in ASCII digits, else None."""
    return _PERCENTS.get(strip_token_marks(token))


def letter_value(token: str) -> float | None:
    """The value of a letter on the scale A = 0, B = 10, … K = 100, else None."""
    text = strip_token_marks(token)
    return 10.0 * _LETTERS.index(text) if len(text) == 1 and text in _LETTERS else None


def expected_score(positions: Sequence[TokenLogprobs], content: str, scale: ScaleName) -> Score:
    """The expected score of an answer over its first token on the scale. Raises Unscored below MIN_MASS.

    The probability-weighted mean over score tokens is that of G-Eval (Liu et al. 2023). A label before the answer is
    passed over, words after it do not count, and an answer that names a second number is ambiguous.
    """
    if scale == "letters":
        if not _ONE_LETTER.match(content[:_SHORT]):  # "I cannot say" is not the letter I
            raise Unscored(f"The answer is not one letter from A to K but {quoted(content)}.", content=content)
        return _weigh(positions, letter_value, content, scale)
    score = _weigh(positions, percent_value, content, scale)
    token, written = percent_value(past_lead(positions)[0].token), number_in(content)
    if token is not None and written not in (None, token):
        raise Unscored(f"The number {quoted(content)} is written in several tokens.", content=content)
    if token is not None and content and not _NUMBER_BEGINS.fullmatch(content[:_SHORT]):
        raise Unscored(f"The answer is not one number from 0 to 100 but {quoted(content)}.", content=content)
    return score


def past_lead(positions: Sequence[TokenLogprobs]) -> Sequence[TokenLogprobs]:
    """The positions from the answer's first token on, behind marks and a label."""
    tokens = [position.token.translate(_SPELLED) for position in positions]
    match = _LEADS.match("".join(tokens))
    ends = accumulate(map(len, tokens))
    return positions[sum(end <= match.end() for end in ends) :] if match else positions


_SPELLED = str.maketrans("▁ĠĊ", "  \n")


def _weigh(
    positions: Sequence[TokenLogprobs], value_of: Callable[[str], float | None], content: str, scale: ScaleName
) -> Score:
    for position in past_lead(positions)[:1]:
        weights = [(value_of(token), probability(logprob)) for token, logprob in position.top]
        values = [(value, weight) for value, weight in weights if value is not None]
        if values:
            tail = max(0.0, 1.0 - sum(weight for _, weight in weights))
            return _score(values, tail, scale)
    raise Unscored(f"The answer does not begin with a value of the scale: {quoted(content)}.", content=content)


def _score(values: Sequence[tuple[float, float]], tail: float, scale: ScaleName) -> Score:
    mass = sum(weight for _, weight in values)
    if not mass >= MIN_MASS:
        raise Unscored(f"Only {mass:.2f} of the answer's probability is on the scale; {MIN_MASS} is needed.")
    total = sum(value * weight for value, weight in values)
    mean = total / mass
    variance = sum(weight * (value - mean) ** 2 for value, weight in values) / mass
    low, high = total / (mass + tail), (total + 100.0 * tail) / (mass + tail)
    return Score(
        value=_within(mean),
        mass=min(1.0, mass),
        deviation=math.sqrt(variance),
        low=_within(low),
        high=_within(high),
        weak=mass < WEAK_MASS or high - low > WIDE,
        method="logprobs" if scale == "percent" else "letters",
    )


def _within(value: float) -> float:
    """The value limited to 0–100 and rounded, so that a sure 60 is not 59.999… and below a threshold of 60."""
    return round(min(100.0, max(0.0, value)), 6)


def number_in(content: str) -> float | None:
    """The number 0 to 100 that a sampled answer consists of; else None.

    A label, marks, % or /100 may stand around it, and lines without a number after it.
    """
    match = _ONE_NUMBER.fullmatch(content) if len(content) <= _SHORT else None
    return float(match.group(1)) if match else None


def sampled_score(contents: Sequence[str], thresholds: Sequence[float]) -> Score:
    """The mean of the readable samples. Raises Unscored if less than MIN_MASS of them can be read."""
    values = [value for content in contents if (value := number_in(content)) is not None]
    mass = len(values) / len(contents)
    if not values or mass < MIN_MASS:
        raise Unscored(f"Only {len(values)} of {len(contents)} samples are a number from 0 to 100.")
    low, high = sum(values) / len(contents), (sum(values) + 100.0 * (len(contents) - len(values))) / len(contents)
    return Score(
        value=_within(statistics.fmean(values)),
        mass=mass,
        deviation=statistics.stdev(values) if len(values) > 1 else 0.0,
        low=_within(low),
        high=_within(high),
        weak=mass < WEAK_MASS or high - low > WIDE or not is_clear(contents, thresholds),
        method="samples",
    )


def is_clear(contents: Sequence[str], thresholds: Sequence[float]) -> bool:
    """Whether the mean of the samples is at least two standard errors away from every threshold."""
    values = [value for content in contents if (value := number_in(content)) is not None]
    if len(values) < FEWEST:
        return False
    mean, error = statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values))
    return all(abs(mean - threshold) >= 2 * error for threshold in thresholds)


def choice_probabilities(positions: Sequence[TokenLogprobs], options: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """Probability of each option, in the options' order, summing to one.

    An option may span several tokens and share its first with another: probability that a token leaves undecided is
    split by the next position of the generated path; off that path it counts for no option. Raises Unscored if less
    than MIN_MASS is decided.
    """
    text = "".join(position.token.translate(_SPELLED) for position in positions)
    start = past_lead(positions)
    if not start or not any(_fitting(strip_token_marks(token), options) for token, _ in start[0].top):
        raise Unscored(f"The answer does not begin with one of {', '.join(options)}: {quoted(text)}.", content=text)
    if len(_named(text, options)) > 1:
        raise Unscored(f"The answer names several of {', '.join(options)}: {quoted(text)}.", content=text)
    shares = dict.fromkeys(options, 0.0)
    _share(start, "", 1.0, shares)
    mass = sum(shares.values())
    if not mass >= MIN_MASS:
        raise Unscored(f"Only {mass:.2f} of the answer's probability is on the options; {MIN_MASS} is needed.")
    return tuple((option, share / mass) for option, share in shares.items())


def _share(positions: Sequence[TokenLogprobs], before: str, weight: float, shares: dict[str, float]) -> None:
    """Split `weight` among the options that continue `before`, along the generated path."""
    if not positions:
        return
    here = positions[0]
    for token, logprob in here.top:
        text = before + (strip_token_marks(token) if not before else token)
        fitting = _fitting(text, tuple(shares))
        if len(fitting) == 1:
            shares[fitting[0]] += weight * probability(logprob)
        elif fitting and token == here.token:
            _share(positions[1:], text, weight * probability(logprob), shares)


def _fitting(text: str, options: Sequence[str]) -> list[str]:
    """Options that begin with the text, or with which the text begins as a whole word; case is ignored."""
    word = text.casefold()
    if not word:
        return []
    whole = [option for option in options if re.match(rf"{re.escape(option.casefold())}(?!\w)", word)]
    return whole or [option for option in options if option.casefold().startswith(word)]


def _named(text: str, options: Sequence[str]) -> list[str]:
    """The options that occur in a text as whole words; case is ignored."""
    return [option for option in options if re.search(rf"(?<!\w){re.escape(option)}(?!\w)", text, re.I)]


def option_in(content: str, options: Sequence[str]) -> str | None:
    """The option that a sampled answer begins with, behind a label or marks, if it names no other; else None."""
    start, named = _LEADS.match(content[:_SHORT]), _named(content[:_SHORT], options)
    if start is None or len(named) != 1:
        return None
    return named[0] if re.match(rf"{re.escape(named[0])}(?!\w)", content[start.end() :], re.I) else None


def sampled_choice(contents: Sequence[str], options: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """Shares of the options among the readable samples. Raises Unscored if less than MIN_MASS can be read."""
    counts = _counts(contents, options)
    readable = sum(counts.values())
    if not readable or readable / len(contents) < MIN_MASS:
        raise Unscored(f"Only {readable} of {len(contents)} samples are one of {', '.join(options)}.")
    return tuple((option, count / readable) for option, count in counts.items())


def has_majority(contents: Sequence[str], options: Sequence[str]) -> bool:
    """Whether the leading option is at least two standard errors ahead of the next one."""
    counts = _counts(contents, options)
    readable = sum(counts.values())
    if readable < FEWEST:
        return False
    first, second = (sorted((count / readable for count in counts.values()), reverse=True) + [0.0])[:2]
    error = math.sqrt(max(0.0, first + second - (first - second) ** 2) / readable)
    return first > second and first - second >= 2 * error


def _counts(contents: Sequence[str], options: Sequence[str]) -> Mapping[str, int]:
    read = [option_in(content, options) for content in contents]
    return {option: read.count(option) for option in options}
