"""Waits that a server asks for: in the headers of a reply, in fields of its body, or in a sentence there."""

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

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


_UNITS = {"d": 86400.0, "h": 3600.0, "ms": 0.001, "mi": 60.0, "m": 60.0, "s": 1.0}
_AMOUNT = r"\d+(?:\.\d+)?\s*(?:milliseconds?|ms|days?|d|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)\b"
_COMPACT = r"(?:\d+(?:\.\d+)?(?:ms|[dhms]))+"  # 1m2s has no boundaries between its parts
_SENTENCE = re.compile(
    r"\b(?:retry|try again|wait(?:ing)?|resets?|available|again)\b[^\d\n]{0,40}?"
    rf"(?P<wait>{_COMPACT}\b|{_AMOUNT}(?:(?:,|\s|and)*{_AMOUNT})*|(?<=after )\d+(?:\.\d+)?(?![\d\w:/%-]))",
    re.I,
)
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|mi|[dhms])?", re.I)
# Fields by their names in lower case without separators, and the seconds of their unit. Sources: google.rpc.RetryInfo,
# Hugging Face (estimated_time), Cloudflare, LiteLLM and others (retry_after), OpenRouter (X-RateLimit-Reset).
_FIELDS = {
    **dict.fromkeys(("retrydelay", "retryafter", "retryafterseconds", "retryaftersecs", "retryin", "waitseconds"), 1.0),
    **dict.fromkeys(("estimatedtime", "resetafter", "resetafterseconds", "xratelimitreset", "ratelimitreset"), 1.0),
    **dict.fromkeys(("retryafterms", "retryaftermilliseconds"), 0.001),
}
_DEEPEST = 6  # of objects in objects
_EPOCH = 1e9  # a number above it is a time of day in seconds since 1970, above a thousand times it in milliseconds


def wait_in(body: Any, time_of_day: Callable[[], float] = time.time) -> float | None:
    """The longest wait in seconds that an error's body names, in its fields or, failing these, in a sentence; or None.

    `time_of_day` is in seconds since 1970.
    """
    found = list(_waits_of_fields(body, time_of_day, 0)) or list(_waits_of_sentences(body, 0))
    return max(found, default=None)


def _waits_of_fields(value: Any, time_of_day: Callable[[], float], depth: int) -> Iterator[float]:
    if depth > _DEEPEST:
        return
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        unit = _FIELDS.get(re.sub(r"[\W_]", "", str(name)).lower())
        seconds = None if unit is None else _field(item, time_of_day)
        if unit is not None and seconds is not None:
            yield unit * seconds
        else:
            yield from _waits_of_fields(item, time_of_day, depth + 1)


def _field(value: Any, time_of_day: Callable[[], float]) -> float | None:
    if isinstance(value, Mapping):  # a protobuf Duration
        return _seconds(str(value.get("seconds", "")))
    seconds = duration(str(value)) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    if seconds is None or seconds < _EPOCH:
        return seconds
    return max(0.0, (seconds / 1000 if seconds > 1000 * _EPOCH else seconds) - time_of_day())


def _waits_of_sentences(value: Any, depth: int) -> Iterator[float]:
    if isinstance(value, str):
        yield from (_wait_of(match["wait"]) for match in _SENTENCE.finditer(value))
    elif depth <= _DEEPEST:
        parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
        for part in parts:
            yield from _waits_of_sentences(part, depth + 1)


def _wait_of(words: str) -> float:
    """Seconds of "3.2s", "1m2s", "1 hour and 5 minutes", or a number alone."""
    return sum(float(number) * _UNITS.get(unit.lower(), 1.0) for number, unit in _PART.findall(words))
