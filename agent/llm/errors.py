"""Errors of LLM calls: their classes, classification of HTTP replies, and redaction of secrets."""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from agent.llm.waits import wait_in
from agent.schema import ErrorKind

TokenUsage = tuple[int, int]


class LLMError(Exception):
    """A failed call. The message is a sentence without secrets; `kind` is stored with it in ledger and replies.

    `retry_after`: the wait that the server asked for, in seconds; `usage`: the (input, output) tokens billed for an
    unusable reply; `content`: what the model had written; `remedy`: what to do about it, where its class does not say.
    """

    kind: ClassVar[ErrorKind]

    def __init__(
        self,
        sentence: str,
        *,
        retry_after: float | None = None,
        usage: TokenUsage | None = None,
        content: str = "",
        remedy: str = "",
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.retry_after = retry_after
        self.usage = usage
        self.content = content
        self.remedy = remedy

    @property
    def named(self) -> str:
        """The error of a reply: "kind: sentence"."""
        return f"{self.kind}: {self.sentence}"


class Transient(LLMError):
    """A server or network failure; the same request may succeed later."""

    kind = ErrorKind.TRANSIENT


class NotReady(Transient):
    """A gateway answers, but the server behind it does not (HTTP 502 to 504, 520 to 530)."""


class Loading(NotReady):
    """The server answers that it is still starting or loading its model."""


class Unreachable(Transient):
    """No connection could be made."""


class Broken(Transient):
    """The connection broke after the request may have arrived: it may be billed."""


class RateLimited(LLMError):
    """A rate-limit answer (HTTP 429)."""

    kind = ErrorKind.RATE


class AttemptTimeout(LLMError):
    """No complete reply within the time limit of the attempt."""

    kind = ErrorKind.TIMEOUT


class Malformed(LLMError):
    """A reply of the wrong form: HTML, cut JSON, no choices, missing log-probabilities."""

    kind = ErrorKind.MALFORMED


class InvalidJSON(LLMError):
    """A complete reply whose text is not the requested JSON. It is repaired by a second request, not retried."""

    kind = ErrorKind.MALFORMED


class Quota(LLMError):
    """The account is out of credit; a person has to add some."""

    kind = ErrorKind.QUOTA


class Auth(LLMError):
    """The key is refused or lacks a permission; a person has to fix it."""

    kind = ErrorKind.AUTH


class PermanentError(LLMError):
    """The request itself is invalid; a retry would fail in the same way."""

    kind = ErrorKind.DETERMINISTIC


class TooLong(PermanentError):
    """The question does not fit into the model's context: shorter ones do, so it says nothing about the endpoint."""

    kind = ErrorKind.TOO_LONG


class Truncated(LLMError):
    """The reply was cut by its token limit before it was usable."""

    kind = ErrorKind.TRUNCATED


class StillThinking(Truncated):
    """The model used up its tokens before its answer began."""


class Refused(LLMError):
    """The model or its provider declined to answer."""

    kind = ErrorKind.REFUSAL


class Cancelled(LLMError):
    """The call was not sent, or not sent again, because a stop was requested."""

    kind = ErrorKind.STOPPED


class Unscored(LLMError):
    """A complete reply that cannot be read as a score or a choice."""

    kind = ErrorKind.UNSCORED


RETRYABLE = (Transient, RateLimited, AttemptTimeout, Malformed)
STOP_REQUESTED = "Not sent: a stop was requested."

_QUOTA = re.compile(
    r"insufficient_quota|billing|exceeded your current quota|insufficient (?:credit|fund|balance)|credit balance", re.I
)
_POOR = re.compile(r"insufficient_quota|insufficient (?:credit|fund|balance)|credit balance", re.I)
# Azure and OpenAI; OpenRouter; Gemini; Alibaba; DeepSeek.
_FILTERED = re.compile(
    r"content[ _]?filter|content[ _](?:management )?policy|responsibleai|moderation|prohibited_content"
    r"|data_?inspection_?failed|inappropriate content|content exists risk",
    re.I,
)
_RATE = re.compile(r"rate.?limit|too many requests", re.I)
_AUTH = re.compile(r"invalid_api_key|unauthorized|authentication", re.I)
_REQUEST = re.compile(r"invalid_request|not_found|unsupported", re.I)
# OpenAI and vLLM; llama.cpp; SGLang; Anthropic; Google; Mistral; Text Generation Inference; LM Studio; Cohere.
_TOO_LONG = re.compile(
    r"maximum context length|context_length_exceeded|string_above_max_length|exceeds? the available context size"
    r"|exceed_context_size|longer than the model.?s context|prompt is too long|input token count.{0,40}exceeds"
    r"|too large for model with|`inputs`.{0,60}must be <=|greater than the context length|too many tokens"
    r"|context (?:window|size|length) (?:is )?(?:exceeded|too small)"
    r"|exceeds the (?:model.?s )?(?:context|maximum input)",
    re.I,
)
_MORE_TOKENS = re.compile(r"(?:higher|increase) max_(?:completion_|output_)?tokens|output limit was reached", re.I)
_TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.I | re.S)
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_SHOWN = 300  # characters of a reason
_SECRET = re.compile(r"\bsk-[\w*.\-]{4,}|(?<=Bearer )\S+", re.I)


def error_text(body: Any) -> str:
    """The reason in an HTTP error's body on one line, wherever a provider puts it; else how the body begins."""
    parts = [truncate(part) for part in dict.fromkeys(" ".join(part.split()) for part in _reasons(body, 0)) if part]
    if parts:
        return truncate(" / ".join(parts), 2 * _SHOWN)
    if not body:
        return "no reason given"
    return f"no reason given, the reply begins {quoted(body if isinstance(body, str) else json.dumps(body))}"


# Where reasons stand. Sources: OpenAI, Azure, OpenRouter (metadata.raw: the provider's own body as text), FastAPI and
# Mistral (detail), Google (details, fieldViolations), GitHub Models and Cohere (errors, title, reason).
_PLACES = (
    *("error", "errors", "message", "msg", "detail", "details", "metadata", "raw", "innererror", "reason", "title"),
    *("description", "error_description", "error_message", "errorMessage", "fieldViolations", "cause"),
)
_CODES = ("code", "type", "param")
_DEEPEST = 6  # of objects in objects; OpenRouter's wrapped errors take four


def _reasons(value: Any, depth: int) -> Iterator[str]:
    """Sentences and codes of an error's body, outermost first; JSON inside a text is read too."""
    if depth > _DEEPEST:
        return
    if isinstance(value, str):
        inside = error_body(value.encode(errors="replace")) if value.lstrip()[:1] in ("{", "[") else value
        yield from [without_tags(value)] if isinstance(inside, str) else _reasons(inside, depth + 1)
    elif isinstance(value, list):
        for item in value[:_DEEPEST]:
            yield from _reasons(item, depth + 1)
    elif isinstance(value, Mapping):
        place = value.get("loc")
        if isinstance(place, list) and isinstance(value.get("msg"), str):  # FastAPI: which field, and what about it
            yield f"{'.'.join(map(str, place))}: {value['msg']}"
            return
        for name in _PLACES:
            yield from _reasons(value.get(name), depth + 1)
        yield from (str(value[name]) for name in _CODES if isinstance(value.get(name), str | int) and value[name] != "")


def without_tags(text: str) -> str:
    """The text of an error page."""
    return _TAGS.sub(" ", text) if text.lstrip()[:1] == "<" else text


def classify(status: int, text: str, wait: float | None = None, source: str = "HTTP") -> LLMError:
    """The LLMError for an HTTP status and the text of its error object. `source` says what carried the status."""
    sentence = f"{source} {status}: {text}" + (f" (retry after {wait:g} s)" if wait else "")
    if status == 402 or is_out_of_credit(status, text, wait):
        return Quota(sentence, retry_after=wait)
    if status == 429:
        return RateLimited(sentence, retry_after=wait)
    if status in (400, 403, 422) and _FILTERED.search(text):
        return Refused(f"Content filter: {sentence}")
    if status == 400 and _MORE_TOKENS.search(text):
        return StillThinking(sentence)
    if (status in (400, 413, 422) or status >= 500) and _TOO_LONG.search(text):
        return TooLong(sentence)
    if status in (401, 403):
        return Auth(sentence)
    if status >= 500 or status in (408, 409, 425):
        return _not_now(status, text)(sentence, retry_after=wait)
    return PermanentError(sentence)


# llama.cpp and TGI; Hugging Face; KServe; Ollama, LM Studio; vLLM behind a gateway; serverless providers.
_LOADING = re.compile(
    r"\bloading\b|\bstarting(?: up)?\b|warm(?:ing)?[ -]?up|initiali[sz]ing|not (?:yet )?ready|not loaded|booting"
    r"|waking|cold[ _-]start|scaling up",
    re.I,
)


def _not_now(status: int, text: str) -> type[Transient]:
    if status >= 500 and _LOADING.search(text):
        return Loading
    return NotReady if status in (502, 503, 504) or 520 <= status <= 530 else Transient


def is_out_of_credit(status: int, text: str, wait: float | None = None) -> bool:
    """Whether the account lacks credit. The text of a rate limit may mention billing too, so it needs more evidence.

    So does one that names a `wait`.
    """
    if status == 400 or (status == 429 and (wait is not None or _RATE.search(text))):
        return _POOR.search(text) is not None
    return status in (403, 429) and _QUOTA.search(text) is not None


def error_body(content: bytes) -> Any:
    """The body of an HTTP error: parsed JSON, or the first 2,000 bytes as text."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content[:2000].decode("utf-8", "replace")


def classify_body(error: Any) -> LLMError:
    """The LLMError for an error object that came with HTTP 200. Unknown ones count as transient."""
    text, wait = error_text(error), wait_in(error)
    code = error.get("code") if isinstance(error, Mapping) else None
    if isinstance(code, int) and 400 <= code <= 599:
        return classify(code, text, wait, source=_WITH_200)
    status = next((status for pattern, status in _STATUS_OF if pattern.search(text)), 500)
    return classify(status, text, wait, source=_WITH_200)


_WITH_200 = "HTTP 200 with an error like"
_STATUS_OF = ((_QUOTA, 402), (_RATE, 429), (_AUTH, 401), (_FILTERED, 400), (_REQUEST, 400))


def truncate(text: str, limit: int = _SHOWN) -> str:
    """The text on one line, cut to `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[:limit]}…"


def quoted(text: str, limit: int = 120) -> str:
    """The beginning of a text in quotation marks, on one line and without control characters."""
    seen = "".join(char for char in _COLOURS.sub("", text) if char.isspace() or unicodedata.category(char)[0] != "C")
    return f'"{truncate(seen, limit)}"'


def redact(text: str, *secrets: str) -> str:
    """The text with the given secrets, and whatever looks like an API key, replaced by [key]."""
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, "[key]")
    return _SECRET.sub("[key]", text)
