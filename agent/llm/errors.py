"""Errors of LLM calls: their classes, classification of HTTP replies, Retry-After, and redaction of secrets."""

import json
import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

from agent.schema import ErrorKind

TokenUsage = tuple[int, int]


class LLMError(Exception):
    """A failed call. The message is a sentence without secrets; `kind` is stored with it in ledger and replies.

    `retry_after`: the wait that the server asked for, in seconds; `usage`: the (input, output) tokens billed for an
    unusable reply; `content`: what the model had written.
    """

    kind: ClassVar[ErrorKind]

    def __init__(
        self, sentence: str, *, retry_after: float | None = None, usage: TokenUsage | None = None, content: str = ""
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.retry_after = retry_after
        self.usage = usage
        self.content = content

    @property
    def named(self) -> str:
        """The error of a reply: "kind: sentence"."""
        return f"{self.kind}: {self.sentence}"


class Transient(LLMError):
    """A server or network failure; the same request may succeed later."""

    kind = ErrorKind.TRANSIENT


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


class Truncated(LLMError):
    """The reply was cut by its token limit before it was usable."""

    kind = ErrorKind.TRUNCATED


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
_FILTERED = re.compile(r"content_filter|content_policy|responsibleai|moderation", re.I)
_RATE = re.compile(r"rate.?limit|too many requests", re.I)
_AUTH = re.compile(r"invalid_api_key|unauthorized|authentication", re.I)
_REQUEST = re.compile(r"invalid_request|not_found|unsupported", re.I)
_SECRET = re.compile(r"\bsk-[\w*.\-]{4,}|(?<=Bearer )\S+", re.I)


def error_text(body: Any) -> str:
    """Message, code, type and parameter of an API's error object on one line; any other body, shortened."""
    error = body.get("error", body) if isinstance(body, Mapping) else body
    if isinstance(error, Mapping):
        parts = [error.get(name) for name in ("message", "code", "type", "param")]
        error = " / ".join(dict.fromkeys(str(part) for part in parts if part not in (None, "")))
    return truncate(str(error or "no reason given"))


def classify(status: int, text: str, wait: float | None = None, source: str = "HTTP") -> LLMError:
    """The LLMError for an HTTP status and the text of its error object. `source` says what carried the status."""
    sentence = f"{source} {status}: {text}" + (f" (retry after {wait:g} s)" if wait else "")
    if status == 402 or is_out_of_credit(status, text):
        return Quota(sentence)
    if status == 429:
        return RateLimited(sentence, retry_after=wait)
    if status in (400, 403, 422) and _FILTERED.search(text):
        return Refused(sentence)
    if status in (401, 403):
        return Auth(sentence)
    if status >= 500 or status in (408, 409, 425):
        return Transient(sentence, retry_after=wait)
    return PermanentError(sentence)


def is_out_of_credit(status: int, text: str) -> bool:
    """Whether the account lacks credit. The text of a rate limit may mention billing too, so it needs more evidence."""
    if status == 400 or (status == 429 and _RATE.search(text)):
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
    text = error_text(error)
    code = error.get("code") if isinstance(error, Mapping) else None
    if isinstance(code, int) and 400 <= code <= 599:
        return classify(code, text, source=_WITH_200)
    status = next((status for pattern, status in _STATUS_OF if pattern.search(text)), 500)
    return classify(status, text, source=_WITH_200)


_WITH_200 = "HTTP 200 with an error like"
_STATUS_OF = ((_QUOTA, 402), (_RATE, 429), (_AUTH, 401), (_FILTERED, 400), (_REQUEST, 400))


def truncate(text: str, limit: int = 300) -> str:
    """The text on one line, cut to `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[:limit]}…"


def redact(text: str, *secrets: str) -> str:
    """The text with the given secrets, and whatever looks like an API key, replaced by [key]."""
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, "[key]")
    return _SECRET.sub("[key]", text)


_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait by the headers retry-after-ms, retry-after (seconds or a date) or x-ratelimit-reset-*; or None.

    x-ratelimit-reset-* counts where x-ratelimit-remaining-* is 0, as OpenAI's rate-limit guide documents them. `now`
    is the time of day in seconds since 1970. Unreadable headers count as absent.
    """
    milliseconds = _seconds(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    after = headers.get("retry-after", "")
    for seconds in (_seconds(after), _until(after, now)):
        if seconds is not None:
            return seconds
    return _reset(headers)


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:  # absent, or a date
        return None
    return max(0.0, value) if math.isfinite(value) else None


def _until(text: str, now: float) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):  # not a date either
        return None


def _reset(headers: Mapping[str, str]) -> float | None:
    """The longest reset time among the exhausted limits."""
    spent = [kind for kind in ("requests", "tokens") if headers.get(f"x-ratelimit-remaining-{kind}") == "0"]
    resets = [duration(headers.get(f"x-ratelimit-reset-{kind}", "")) for kind in spent]
    return max((reset for reset in resets if reset is not None), default=None)


def duration(text: str) -> float | None:
    """Seconds of "1h2m3.5s", "120ms" or "6"; None for any other text."""
    plain = _seconds(text)
    if plain is not None:
        return plain
    match = _DURATION.fullmatch(text)
    if not match or not text:
        return None
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000
