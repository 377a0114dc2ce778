"""Chat completions: an HTTP body read and checked, log-probabilities, and the JSON object in a model's text."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple, NoReturn

from agent.llm.errors import (
    InvalidJSON,
    LLMError,
    Malformed,
    Refused,
    StillThinking,
    TokenUsage,
    Transient,
    classify_body,
    quoted,
    truncate,
    without_tags,
)
from agent.llm.reasoning import find_answer
from agent.llm.scoring import TokenLogprobs, probability

_MOST_STARTS = 20  # opening braces to try; more would cost quadratic time on hostile text
_DECLINES = re.compile(
    r"\s*(?:i['’]?m (?:really |very |so )?sorry|sorry\b|i apologi[sz]e|i['’]?m (?:unable|not able)|as an ai\b"
    r"|i (?:cannot|can['’]?t|won['’]?t|am unable|must decline))",
    re.I,
)


def canonical(text: str, schema: str | None) -> str:
    """The JSON object in a model's text, in compact form with sorted keys.

    Code fences and prose around it are skipped. Raises Refused if the text declines, InvalidJSON if no object with the
    schema's required keys is found.
    """
    required = _required(schema)
    for candidate in _objects(text):
        if all(name in candidate for name in required):
            return clean(json.dumps(candidate, ensure_ascii=False, sort_keys=True, separators=(",", ":")))
    if "{" not in text and _DECLINES.match(text):
        raise Refused(f"The model declined: {truncate(text)}", content=text)
    wanted = f" with the keys {', '.join(required)}" if required else ""
    raise InvalidJSON(f"The reply holds no JSON object{wanted}: {truncate(text, 80)}", content=text)


def _required(schema: str | None) -> tuple[str, ...]:
    return tuple(json.loads(schema).get("required", ())) if schema else ()


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Each JSON object that starts at one of the first opening braces, outermost first."""
    decoder = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite, strict=False)
    for match in list(re.finditer(r"\{", text))[:_MOST_STARTS]:
        try:
            value, _ = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):  # this brace does not open an object
            continue
        yield value


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


def strict_schema(schema: Any) -> Any:
    """The schema in the form of strict mode: objects closed, all properties required, no defaults or titles."""
    if isinstance(schema, list):
        return [strict_schema(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    properties = schema.get("properties")
    plain = {
        name: strict_schema(value) for name, value in schema.items() if name not in ("title", "default", "properties")
    }
    if isinstance(properties, dict):
        plain["properties"] = {name: strict_schema(value) for name, value in properties.items()}
        plain |= {"required": list(properties), "additionalProperties": False}
    return plain


MAX_BODY = 8_000_000  # bytes; a usual reply has a thousandth of it
MAX_POSITIONS = 8  # tokens whose log-probabilities are kept: scores and choices need fewer
_COMPACT = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))
_NEGLIGIBLE = -16.0  # a probability of a ten-millionth: alternatives below it are not kept


@dataclass(frozen=True)
class ChatCompletion:
    """One chat completion: cleaned text and, where given, log-probabilities and (input, output) token counts.

    `content` and `positions` are the answer's alone; `is_reasoned`: the model wrote reasoning before it.
    """

    content: str
    finish_reason: str
    model: str
    usage: TokenUsage | None
    positions: tuple[TokenLogprobs, ...]
    is_reasoned: bool = False


def clean(text: str) -> str:
    """The text with surrogate pairs joined and lone surrogates replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def read_reply(body: bytes) -> ChatCompletion:
    """The completion in an HTTP body with status 200.

    Raises Malformed, Refused, Truncated (cut before any text), or the error that the body itself reports.
    """
    data = _load(body)
    usage = _usage(data.get("usage"))
    try:
        return _read(data, usage)
    except LLMError as error:
        error.usage = usage
        raise


def _load(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_BODY:
        raise Malformed(f"The reply has {len(body)} bytes; the limit is {MAX_BODY}.")
    if body.lstrip()[:1] == b"<":
        raise Malformed(
            f"The reply is an HTML page, not JSON: {quoted(without_tags(body[:2000].decode(errors='replace')))}."
        )
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"The reply is not complete JSON ({truncate(str(error), 80)}).") from error
    if not isinstance(data, dict):
        raise Malformed(f"The reply is JSON but not an object: {truncate(str(data), 80)}")
    return data


def _usage(value: Any) -> TokenUsage | None:
    """(input, output) tokens; None unless both are non-negative integers."""
    counts = [value.get(name) if isinstance(value, dict) else None for name in ("prompt_tokens", "completion_tokens")]
    valid = [count for count in counts if type(count) is int and 0 <= count < 2**31]
    return (valid[0], valid[1]) if len(valid) == 2 else None


def _read(data: dict[str, Any], usage: TokenUsage | None) -> ChatCompletion:
    choice = _first_choice(data)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise Malformed("The reply's first choice has no message.")
    finish = clean(str(choice.get("finish_reason") or ""))
    _check_refusal(message)
    check_finish(finish)
    written = _written(message, finish)
    model = clean(str(data.get("model") or ""))
    positions = _positions(choice.get("logprobs"), written)
    return ChatCompletion(written.content, finish, model, usage, positions, written.is_reasoned)


class _Written(NamedTuple):
    """The answer in a message, and whether reasoning stands before it or in a field of its own."""

    content: str
    is_reasoned: bool


def _written(message: Mapping[str, Any], finish: str) -> _Written:
    """The answer, from the reasoning's field where only that is filled and complete. Raises LLMError."""
    text = _content(message.get("content"))
    hidden = message.get("reasoning_content") or message.get("reasoning")
    reasoning = _content(hidden) if isinstance(hidden, str | list) else ""
    if not text.strip() and not is_cut(finish) and _is_bare(reasoning):
        text, reasoning = reasoning, ""  # a parser that waits for the end of reasoning that never began
    answer = find_answer(text)
    content = text[answer.start : answer.end] if answer.is_reasoned else text
    if answer.is_reasoned and not answer.is_open:
        content = content.lstrip()
    if content.strip():
        return _Written(content, answer.is_reasoned or bool(reasoning))
    if answer.is_reasoned or reasoning.strip():
        raise StillThinking(f"{THINKS} It wrote {quoted(text if text.strip() else reasoning)}.", content=text)
    if is_cut(finish):
        raise StillThinking("The model used up its tokens before it wrote an answer.")
    raise Malformed("The reply's text is empty.")


def _is_bare(text: str) -> bool:
    """Whether a text is as short as an answer, or JSON; reasoning is neither."""
    return len(text) <= _BARE or text.lstrip()[:1] in ("{", "`")


_BARE = 200  # characters; by judgement: a labelled number or word takes a fraction, reasoning several times as many
THINKS = "The model thinks, and its tokens end before its answer begins. Start it with thinking off."


def _first_choice(data: dict[str, Any]) -> dict[str, Any]:
    choices = data.get("choices")
    first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else None
    error = data.get("error") or (first or {}).get("error")
    if error:  # whatever has been written besides is a part of an answer at most
        raise classify_body(error)
    if first is not None:
        return first
    raise Malformed("The reply has no choices.")


def _check_refusal(message: Mapping[str, Any]) -> None:
    refusal = message.get("refusal")
    if refusal:
        raise Refused(f"The model declined: {truncate(clean(str(refusal)))}")


# How servers say why a reply ended, in lower case: the API's own words, then those of others. Sources: the API
# references of OpenAI, OpenRouter, Mistral, Gemini, DeepSeek, Zhipu and Anthropic; vLLM, SGLang, llama.cpp and TGI.
_FINISHED = {"stop", "eos", "eos_token", "stop_sequence", "end_turn", "complete", "completed", "finish", "finished"}
_CUT = {"length", "max_tokens", "max_length", "model_length", "max_output_tokens", "model_context_window_exceeded"}
_WITHHELD = {
    *("content_filter", "content_filtered", "safety", "recitation", "blocklist", "prohibited_content", "spii"),
    *("sensitive", "refusal", "guardrail_intervened", "moderation"),
}
_BROKEN_OFF = {
    *("error", "abort", "aborted", "cancelled", "canceled", "timeout", "network_error"),
    *("insufficient_system_resource", "other"),
}


def check_finish(finish: str) -> None:
    """Raise the error of a reply that ended neither by itself nor at its token limit."""
    reason = finish.lower()
    if not reason or reason in _FINISHED | _CUT:
        return
    if reason in _WITHHELD:
        raise Refused(f"The provider's content filter withheld the answer (finish_reason {finish!r}).")
    if reason in _BROKEN_OFF:
        raise Transient(f"The provider broke the answer off (finish_reason {truncate(finish, 60)!r}).")
    raise Malformed(f"The reply ended with finish_reason {truncate(finish, 60)!r} instead of 'stop'.")


def is_cut(finish: str) -> bool:
    """Whether a reply may lack its end: it reached its token limit, or does not say why it ended."""
    return finish.lower() not in _FINISHED


_REASONING_PARTS = ("thinking", "reasoning")  # Mistral; Anthropic and routers


def _content(value: Any) -> str:
    """The text of a message, which some servers send as a list of parts."""
    if isinstance(value, list):
        parts = [part for part in value if isinstance(part, dict) and part.get("type") not in _REASONING_PARTS]
        value = "".join(str(part.get("text") or "") for part in parts)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Malformed("The reply's content is not a string.")
    return clean(value)


def _positions(logprobs: Any, written: _Written) -> tuple[TokenLogprobs, ...]:
    """Log-probabilities of the answer's first MAX_POSITIONS tokens; empty where the endpoint sent none of them."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(content, list):
        return ()
    try:
        first = _first_of_answer([str(entry["token"]) for entry in content], written) if written.is_reasoned else 0
        return tuple(_position(entry) for entry in content[first : first + MAX_POSITIONS])
    except (TypeError, KeyError, AttributeError) as error:
        raise Malformed("The reply's log-probabilities are not in the documented form.") from error


def _first_of_answer(tokens: Sequence[str], written: _Written) -> int:
    """The index of the answer's first token behind the reasoning; the number of tokens if it is not among them."""
    text = "".join(tokens)
    start = find_answer(text).start or max(0, text.rfind(written.content.strip()))
    start += len(text[start:]) - len(text[start:].lstrip())
    if not text[start:].startswith(written.content.strip()):
        return len(tokens)
    ends = accumulate(map(len, tokens))
    return next((index for index, end in enumerate(ends) if end > start), len(tokens))


def _position(entry: Mapping[str, Any]) -> TokenLogprobs:
    alternatives = reversed(entry.get("top_logprobs") or ())
    top = {clean(str(item["token"])): _logprob(item.get("logprob")) for item in alternatives}
    token = clean(str(entry["token"]))
    top.setdefault(token, _logprob(entry.get("logprob")))
    if sum(map(probability, top.values())) > 1.05:
        raise Malformed("The reply's probabilities add up to more than one.")
    ranked = sorted(top.items(), key=lambda item: -item[1])
    return TokenLogprobs(token, tuple((text, value) for text, value in ranked if value > _NEGLIGIBLE))


def _logprob(value: Any) -> float:
    """A finite log-probability, or minus infinity for null, NaN and infinities. Raises TypeError for other types.

    JSON has no infinity, so servers write a probability of 0 as null (SGLang, OpenVINO) or as a text.
    """
    if type(value) is float and math.isfinite(value):
        return value
    if value is None or (isinstance(value, str) and value.lower() in _INFINITE):
        return -math.inf
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("a log-probability is a number")
    return float(value) if math.isfinite(value) else -math.inf


_INFINITE = ("-inf", "-infinity", "nan")


def pack(positions: Sequence[TokenLogprobs]) -> str:
    """Log-probabilities in the form the ledger stores."""
    return _COMPACT.encode(positions) if positions else ""


def unpack(evidence: str) -> tuple[TokenLogprobs, ...]:
    """Log-probabilities of a stored answer."""
    stored = json.loads(evidence) if evidence else []
    return tuple(TokenLogprobs(token, tuple((text, value) for text, value in top)) for token, top in stored)
