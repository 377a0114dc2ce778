"""The pause that a server asks for, in every form it is written in."""

import pytest

from agent.llm.errors import duration, retry_after

NOON = 1_735_732_800.0  # Wed, 01 Jan 2025 12:00:00 GMT

CASES = {
    "nothing": ({}, None),
    "milliseconds win": ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
    "seconds": ({"retry-after": "9"}, 9.0),
    "fractions": ({"retry-after": "0.5"}, 0.5),
    "negative": ({"retry-after": "-3"}, 0.0),
    "a date ahead": ({"retry-after": "Wed, 01 Jan 2025 12:00:30 GMT"}, 30.0),
    "a date past": ({"retry-after": "Wed, 01 Jan 2025 11:00:00 GMT"}, 0.0),
    "not a number": ({"retry-after": "soon"}, None),
    "NaN": ({"retry-after": "nan"}, None),
    "infinite": ({"retry-after": "inf"}, None),
    "spent requests": ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m2s"}, 62.0),
    "requests left": ({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "1m2s"}, None),
    "the longer of two": (
        {
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "120ms",
            "x-ratelimit-remaining-tokens": "0",
            "x-ratelimit-reset-tokens": "6s",
        },
        6.0,
    ),
}


@pytest.mark.parametrize(("headers", "seconds"), CASES.values(), ids=CASES.keys())
def test_a_wait_is_read_from_the_headers(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOON) == seconds


DURATIONS = {"1h2m3.5s": 3723.5, "120ms": 0.12, "6m0s": 360.0, "6": 6.0, "2m30ms": 120.03, "": None, "later": None}


@pytest.mark.parametrize(("text", "seconds"), DURATIONS.items())
def test_durations_are_read_as_openai_writes_them(text: str, seconds: float | None) -> None:
    assert duration(text) == (None if seconds is None else pytest.approx(seconds))
