"""The named ways in which a call to an LLM endpoint fails, and how to tell them apart."""

import json
import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

from agent.schema import ErrorKind

TokenUsage = tuple[int, int]


class LLMError(Exception):
    """A failed call. `kind` is its class in ledger and replies; the message is a sentence without secrets.

    `wait` is the pause in seconds that the server asked for; `usage` the (input, output) tokens a useless reply
    was billed with; `content` what the model had written.
    """

    kind: ClassVar[ErrorKind]

    def __init__(
        self, sentence: str, *, wait: float | None = None, usage: TokenUsage | None = None, content: str = ""
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.wait = wait
        self.usage = usage
        self.content = content

    @property
    def named(self) -> str:
        """The error of a reply: "kind: sentence"."""
        return f"{self.kind}: {self.sentence}"


class Transient(LLMError):
    """The server or the way to it is troubled; the same request may succeed later."""

    kind = ErrorKind.TRANSIENT


class Unreachable(Transient):
    """No connection came about at all."""


class Broken(Transient):
    """The connection broke after the request may have arrived: it may have been paid for."""


class RateLimited(LLMError):
    """The server asks for a slower pace."""

    kind = ErrorKind.RATE


class AttemptTimeout(LLMError):
    """No complete reply within the attempt's time limit."""

    kind = ErrorKind.TIMEOUT


class Malformed(LLMError):
    """A reply arrived that is not one: HTML, cut JSON, no choices, missing log-probabilities."""

    kind = ErrorKind.MALFORMED


class InvalidJSON(LLMError):
    """A complete reply whose text is not the JSON asked for. The same request again would hardly help; a repair may."""

    kind = ErrorKind.MALFORMED


class Quota(LLMError):
    """The account is out of credit; only a human helps."""

    kind = ErrorKind.QUOTA


class Auth(LLMError):
    """The key is refused or lacks a permission; only a human helps."""

    kind = ErrorKind.AUTH


class PermanentError(LLMError):
    """The request itself is refused and always will be."""

    kind = ErrorKind.DETERMINISTIC


class Truncated(LLMError):
    """The reply was cut by its token limit before it was usable."""

    kind = ErrorKind.TRUNCATED


class Refused(LLMError):
    """The model or its provider declined to answer."""

    kind = ErrorKind.REFUSAL


class Cancelled(LLMError):
    """The call was not sent, or not again: a stop was asked for while it waited."""

    kind = ErrorKind.STOPPED


class Unscored(LLMError):
    """A complete reply that does not say enough to be read as a score or a choice."""

    kind = ErrorKind.UNSCORED


RETRYABLE = (Transient, RateLimited, AttemptTimeout, Malformed)

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
    """Code, type and message of an API's error object in one line; whatever was sent instead, shortened."""
    error = body.get("error", body) if isinstance(body, Mapping) else body
    if isinstance(error, Mapping):
        parts = [error.get(name) for name in ("message", "code", "type", "param")]
        error = " / ".join(dict.fromkeys(str(part) for part in parts if part not in (None, "")))
    return truncate(str(error or "without a reason"))


def classify(status: int, text: str, wait: float | None = None) -> LLMError:
    """The named error behind an HTTP status and the text of the error object that came with it."""
    sentence = f"The endpoint answers {status}: {text}" + (f" It asks to wait {wait:g} s." if wait else "")
    if status == 402 or is_out_of_credit(status, text):
        return Quota(sentence)
    if status == 429:
        return RateLimited(sentence, wait=wait)
    if status in (400, 403, 422) and _FILTERED.search(text):
        return Refused(sentence)
    if status in (401, 403):
        return Auth(sentence)
    if status >= 500 or status in (408, 409, 425):
        return Transient(sentence, wait=wait)
    return PermanentError(sentence)


def is_out_of_credit(status: int, text: str) -> bool:
    """Whether money is lacking: a rate limit's prose may well link to a page on billing."""
    if status == 400 or (status == 429 and _RATE.search(text)):
        return _POOR.search(text) is not None
    return status in (403, 429) and _QUOTA.search(text) is not None


def error_body(content: bytes) -> Any:
    """What came with an error's status: JSON where it is such, else its beginning as text."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content[:2000].decode("utf-8", "replace")


def classify_body(error: Any) -> LLMError:
    """The named error of an error object that came with status 200. Unknown ones count as passing trouble."""
    text = error_text(error)
    code = error.get("code") if isinstance(error, Mapping) else None
    if isinstance(code, int) and 400 <= code <= 599:
        return classify(code, text)
    status = next((status for pattern, status in _STATUS_OF if pattern.search(text)), 500)
    return classify(status, text)


_STATUS_OF = ((_QUOTA, 402), (_RATE, 429), (_AUTH, 401), (_FILTERED, 400), (_REQUEST, 400))


def truncate(text: str, limit: int = 300) -> str:
    """A text on one line, shortened for an error sentence."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[:limit]}…"


def redact(text: str, *secrets: str) -> str:
    """The text without the given keys and without anything that looks like one."""
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, "[key]")
    return _SECRET.sub("[key]", text)


_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait, from retry-after-ms, retry-after (seconds or a date) or an exhausted x-ratelimit-reset; or None.

    `now` is the time of day in seconds since the epoch. Unreadable headers count as absent.
    """
    milliseconds = _seconds(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    after = headers.get("retry-after", "")
    for reading in (_seconds(after), _until(after, now)):
        if reading is not None:
            return reading
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
    """The longest reset among the limits that have nothing left."""
    spent = [kind for kind in ("requests", "tokens") if headers.get(f"x-ratelimit-remaining-{kind}") == "0"]
    resets = [duration(headers.get(f"x-ratelimit-reset-{kind}", "")) for kind in spent]
    return max((reset for reset in resets if reset is not None), default=None)


def duration(text: str) -> float | None:
    """Seconds of "1h2m3.5s", "120ms" or "6"; None if it is none of these."""
    plain = _seconds(text)
    if plain is not None:
        return plain
    match = _DURATION.fullmatch(text)
    if not match or not text:
        return None
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000
