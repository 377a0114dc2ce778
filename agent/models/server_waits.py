"""The pause that a server asks for, read from its headers."""

import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")


def wait_asked(headers: Mapping[str, str], now: float) -> float | None:
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
