"""Errors of an endpoint: their text, their kind read back from it, and the server's Retry-After."""

from collections.abc import Iterator

import pytest

from agent.llm import batch, budget, circuit_breaker  # noqa: F401 - their errors are subclasses of LLMError too
from agent.llm.errors import LLMError, duration, error_text, retry_after
from agent.schema import AUTHOR_NOTE, ErrorKind, kind_of


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"error": {"message": "Slow down", "code": "rate", "type": "rate", "param": None}}, "Slow down / rate"),
        ({"error": {"message": "down", "code": "a", "type": "b", "param": "c"}}, "down / a / b / c"),
        ({"error": {}}, "no reason given"),
        ({"error": "plain  words\nof it"}, "plain words of it"),
        ("x" * 400, "x" * 300 + "…"),
    ],
)
def test_an_error_object_becomes_one_line_without_repetition(body: object, text: str) -> None:
    assert error_text(body) == text


def subclasses(kind: type[LLMError]) -> Iterator[type[LLMError]]:
    for one in kind.__subclasses__():
        yield one
        yield from subclasses(one)


@pytest.mark.parametrize("error", sorted(set(subclasses(LLMError)), key=lambda kind: kind.__name__))
def test_the_stored_text_of_an_error_is_read_back_as_its_kind(error: type[LLMError]) -> None:
    text = error("It says: no.").named
    assert kind_of(text) is error.kind
    assert kind_of(f"{AUTHOR_NOTE}{text}") is error.kind


def test_the_kinds_are_stored_under_the_words_of_earlier_histories() -> None:
    words = "transient rate timeout malformed quota auth deterministic truncated refusal stopped unscored outage budget"
    assert [kind.value for kind in ErrorKind] == [*words.split(), "unanswered"]


@pytest.mark.parametrize("text", [None, "", "refusal", "rated: poor", "enough already", "author: enough already"])
def test_other_texts_have_no_kind(text: str | None) -> None:
    assert kind_of(text) is None


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
def test_retry_after_is_read_from_any_of_its_headers(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOON) == seconds


DURATIONS = {"1h2m3.5s": 3723.5, "120ms": 0.12, "6m0s": 360.0, "6": 6.0, "2m30ms": 120.03, "": None, "later": None}


@pytest.mark.parametrize(("text", "seconds"), DURATIONS.items())
def test_durations_are_read_as_openai_writes_them(text: str, seconds: float | None) -> None:
    assert duration(text) == (None if seconds is None else pytest.approx(seconds))
