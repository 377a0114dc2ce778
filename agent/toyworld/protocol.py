"""Requests and replies of the toy endpoint: options, parsed prompts, tokens and log-probabilities."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

_BLOCK = re.compile(r"^<([a-z]+)-([0-9a-f]{6})>\n(.*?)\n</\1-\2>$", re.DOTALL | re.MULTILINE)
MOST_ALTERNATIVES = 20


class BadRequest(ValueError):
    """A request for a response with status 400; `param` names the invalid field."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.code = code


def hashed(*parts: str) -> str:
    """SHA-256 (hex) of several texts, framed so that no two different lists collide."""
    return sha256("\x1f".join(f"{len(part)}:{part}" for part in parts).encode(errors="surrogatepass")).hexdigest()


def fraction(*parts: str) -> float:
    """A pseudo-random number in [0, 1) from the hash of the parts."""
    return int(hashed(*parts)[:13], 16) / 16**13


@dataclass(frozen=True)
class ParsedPrompt:
    """One prompt: its title, the texts of its blocks by tag, and the instruction around them."""

    prompt: str
    title: str
    blocks: Mapping[str, tuple[str, ...]]
    instruction: str

    def block(self, tag: str) -> str:
        """The first block of a tag; empty where there is none."""
        return self.blocks.get(tag, ("",))[0]

    def line(self, name: str) -> str:
        """The text after `name: ` on a line of the instruction; empty where there is no such line."""
        found = re.search(rf"^{re.escape(name)}: *(.*)$", self.instruction, re.MULTILINE)
        return found.group(1).strip() if found else ""

    @cached_property
    def wording(self) -> str:
        """Hash of the instruction: the prompt without its blocks."""
        return hashed(self.instruction)


def parse_prompt(prompt: str) -> ParsedPrompt:
    """Parse a prompt. A title is a first line that starts with `# `."""
    blocks: dict[str, tuple[str, ...]] = {}
    for match in _BLOCK.finditer(prompt):
        blocks[match.group(1)] = (*blocks.get(match.group(1), ()), match.group(3))
    first = prompt.split("\n", 1)[0]
    title = first[2:].strip() if first.startswith("# ") else ""
    return ParsedPrompt(prompt, title, blocks, _BLOCK.sub("", prompt))


@dataclass(frozen=True)
class ChatRequest:
    """A chat completion as far as the toy endpoint understands it. `limit` counts tokens of the answer."""

    model: str
    parsed: ParsedPrompt
    temperature: float
    seed: int
    limit: int | None
    alternatives: int | None
    form: str
    schema: Mapping[str, Any]

    @property
    def draw(self) -> tuple[str, str]:
        """The parts of the request that distinguish samples of one prompt."""
        return (str(self.seed), "hot" if self.temperature > 0 else "cold")


def chat_request(body: object) -> ChatRequest:
    """Read a request's JSON. Raises BadRequest with a sentence that names the field."""
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object.")
    model = _model(body)
    if body.get("n", 1) != 1 or body.get("stream"):
        raise BadRequest("The toy endpoint gives one whole answer: leave out 'n' and 'stream'.", "n")
    form = body.get("response_format") or {"type": "text"}
    if not isinstance(form, dict) or form.get("type") not in ("text", "json_object", "json_schema"):
        raise BadRequest("'response_format' must have type text, json_object or json_schema.", "response_format")
    return ChatRequest(
        model=model,
        parsed=parse_prompt(_prompt(body)),
        temperature=_temperature(body),
        seed=_whole(body, "seed", least=None) or 0,
        limit=_whole(body, "max_completion_tokens", least=1) or _whole(body, "max_tokens", least=1),
        alternatives=_alternatives(body),
        form=str(form["type"]),
        schema=(form.get("json_schema") or {}).get("schema") or {},
    )


def _model(body: Mapping[str, Any]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise BadRequest("you must provide a model parameter", "model")
    return model


def _temperature(body: Mapping[str, Any]) -> float:
    value = body.get("temperature", 1.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 2:
        raise BadRequest("'temperature' must be a number from 0 to 2.", "temperature")
    return float(value)


def _whole(body: Mapping[str, Any], name: str, least: int | None) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or (least is not None and value < least):
        raise BadRequest(f"'{name}' must be a whole number{'' if least is None else f' from {least} on'}.", name)
    return value


def _alternatives(body: Mapping[str, Any]) -> int | None:
    wanted = body.get("top_logprobs") or 0
    if not isinstance(wanted, int) or not 0 <= wanted <= MOST_ALTERNATIVES:
        raise BadRequest(f"'top_logprobs' must be a whole number from 0 to {MOST_ALTERNATIVES}.", "top_logprobs")
    if wanted and not body.get("logprobs"):
        raise BadRequest("'top_logprobs' needs 'logprobs' to be true.", "top_logprobs")
    return wanted if body.get("logprobs") else None


def _prompt(body: Mapping[str, Any]) -> str:
    """The last message of the user that has a title; without one, the last message of the user."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        raise BadRequest("'messages' must be a list.", "messages")
    said = [_content(m) for m in messages if isinstance(m, dict) and m.get("role") == "user"]
    if not said:
        raise BadRequest("There is no message of the user.", "messages")
    return next((text for text in reversed(said) if text.startswith("# ")), said[-1])


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


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
class ToyReply:
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


def one_of(chances: Distribution, place: float, hot: bool, digitwise: bool) -> ToyReply:
    """One of several answers: the likeliest, or when `hot` the one that `place` in [0, 1) falls on."""
    answer = _drawn(chances, place) if hot else max(chances, key=lambda option: chances[option])
    if digitwise and answer.isdigit():
        return ToyReply(answer, "stop", len(answer), tuple(_digits(chances, answer)))
    return ToyReply(answer, "stop", 1, ((answer, _with_company(chances)),))


def plain(text: str, digitwise: bool, limit: int | None, with_positions: bool) -> ToyReply:
    """A text, cut off after `limit` tokens."""
    tokens = (_DIGITWISE if digitwise else _PIECE).findall(text)
    cut = limit is not None and len(tokens) > limit
    kept = tokens[:limit] if cut else tokens
    positions = tuple((token, {token: 0.97, **dict(_CHATTER)}) for token in kept) if with_positions else ()
    return ToyReply("".join(kept), "length" if cut else "stop", len(kept), positions)


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
