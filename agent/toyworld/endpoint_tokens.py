"""Answers in the shape of an OpenAI reply: one-token answers with log-probabilities, and plain texts."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_SPREAD = ((0, 0.58), (-2, 0.08), (2, 0.08), (-5, 0.09), (5, 0.09))
_BLANK_SHARE = 0.05
_CHATTER = (("The", 0.02), ("Based", 0.01))
_LETTERS = "ABCDEFGHIJK"
_PIECE = re.compile(r"\d{1,3}| ?[^\W\d]+|\s+|[^\w\s]|_")
_DIGITWISE = re.compile(r"\d| ?[^\W\d]+|\s+|[^\w\s]|_")
_END = "<|end|>"
_NEVER = 1e-9

Distribution = Mapping[str, float]
Position = tuple[str, Distribution]


@dataclass(frozen=True)
class Said:
    """An answer: its text, why it ended, its number of tokens, and each token with its alternatives."""

    content: str
    finish_reason: str
    tokens: int
    positions: tuple[Position, ...]


def number(value: int) -> dict[str, float]:
    """The chances of each number in an answer that means `value`, 0–100."""
    chances: dict[str, float] = {}
    for offset, share in _SPREAD:
        near = str(min(100, max(0, value + offset)))
        chances[near] = chances.get(near, 0.0) + share
    return chances


def letter(value: int) -> dict[str, float]:
    """The chances of each letter, A for 0 to K for 100."""
    chances: dict[str, float] = {}
    for step, share in ((0, 0.8), (-1, 0.06), (1, 0.06)):
        near = _LETTERS[min(10, max(0, round(value / 10) + step))]
        chances[near] = chances.get(near, 0.0) + share
    return chances


def one_word(chances: Distribution, place: float, hot: bool, digitwise: bool) -> Said:
    """One of several answers: the likeliest, or when `hot` the one that `place` in [0, 1) falls on."""
    answer = _drawn(chances, place) if hot else max(chances, key=lambda option: chances[option])
    if digitwise and answer.isdigit():
        return Said(answer, "stop", len(answer), tuple(_digits(chances, answer)))
    return Said(answer, "stop", 1, ((answer, _with_company(chances)),))


def plain(text: str, digitwise: bool, limit: int | None, with_positions: bool) -> Said:
    """A text, cut off after `limit` tokens."""
    tokens = (_DIGITWISE if digitwise else _PIECE).findall(text)
    cut = limit is not None and len(tokens) > limit
    kept = tokens[:limit] if cut else tokens
    positions = tuple((token, {token: 0.97, **dict(_CHATTER)}) for token in kept) if with_positions else ()
    return Said("".join(kept), "length" if cut else "stop", len(kept), positions)


def logprobs(positions: Sequence[Position], alternatives: int) -> dict[str, object]:
    """The `logprobs` field of a choice, with up to `alternatives` entries per position."""
    return {"content": [_entry(token, chances, alternatives) for token, chances in positions], "refusal": None}


def _entry(token: str, chances: Distribution, alternatives: int) -> dict[str, object]:
    ordered = sorted(chances.items(), key=lambda item: (-item[1], item[0]))[:alternatives]
    return {**_one(token, chances.get(token, _NEVER)), "top_logprobs": [_one(t, p) for t, p in ordered]}


def _one(token: str, chance: float) -> dict[str, object]:
    return {"token": token, "logprob": math.log(max(chance, _NEVER)), "bytes": list(token.encode())}


def _drawn(chances: Distribution, place: float) -> str:
    left = place * sum(chances.values())
    for option, chance in chances.items():
        left -= chance
        if left < 0:
            return option
    return next(reversed(list(chances)))


def _with_company(chances: Distribution) -> dict[str, float]:
    """The answers, the likeliest of them also with a blank before it, and some words that are no answer."""
    best = max(chances, key=lambda option: chances[option])
    shared = {**chances, best: chances[best] - _BLANK_SHARE, f" {best}": _BLANK_SHARE}
    return {**shared, **dict(_CHATTER)}


def _digits(chances: Distribution, answer: str) -> list[Position]:
    """The answer digit by digit: at each place the chances of what may follow the digits so far."""
    positions: list[Position] = []
    for place, digit in enumerate(answer):
        possible = {option: chance for option, chance in chances.items() if option.startswith(answer[:place])}
        here: dict[str, float] = {}
        for option, chance in possible.items():
            following = option[place] if place < len(option) else _END
            here[following] = here.get(following, 0.0) + chance / sum(possible.values())
        positions.append((digit, here))
    return positions
