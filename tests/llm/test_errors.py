"""Errors of an endpoint: their text, their kind read back from it, and the server's Retry-After."""

import json
from collections.abc import Iterator

import pytest

from agent.llm import batch, budget, circuit_breaker  # noqa: F401 - their errors are subclasses of LLMError too
from agent.llm.errors import LLMError, TooLong, classify, error_text
from agent.llm.waits import duration, retry_after
from agent.schema import AUTHOR_NOTE, ErrorKind, kind_of


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"error": {"message": "Slow down", "code": "rate", "type": "rate", "param": None}}, "Slow down / rate"),
        ({"error": {"message": "down", "code": "a", "type": "b", "param": "c"}}, "down / a / b / c"),
        ("", "no reason given"),
        ({"error": {}}, 'no reason given, the reply begins "{"error": {}}"'),
        ({"status": "KO", "why": "a\x1bb"}, 'no reason given, the reply begins "{"status": "KO", "why": "a\\u001bb"}"'),
        ({"error": "plain  words\nof it"}, "plain words of it"),
        ("x" * 400, "x" * 300 + "…"),
    ],
)
def test_an_error_object_becomes_one_line_without_repetition(body: object, text: str) -> None:
    assert error_text(body) == text


LIMIT = "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16"
WRAPPED = json.dumps({"error": {"message": LIMIT, "type": "invalid_request_error", "param": None}})
EXTRA = {"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted", "input": 0}

HIDDEN = {
    "FastAPI's list": ({"detail": [EXTRA]}, "body.seed: Extra inputs are not permitted"),
    "FastAPI's sentence": ({"detail": "Model is not loaded"}, "Model is not loaded"),
    "Mistral's message": ({"object": "error", "message": {"detail": [EXTRA]}}, "body.seed: Extra inputs"),
    "OpenRouter's raw body": (
        {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": WRAPPED}}},
        f"Provider returned error / {LIMIT} / invalid_request_error / 400",
    ),
    "a message that is JSON": ({"message": WRAPPED}, LIMIT),
    "a list of errors": ({"errors": [{"message": "seed is unknown"}, {"title": "Bad"}]}, "seed is unknown / Bad"),
    "Google's list": ([{"error": {"code": 400, "message": "Unknown name", "status": "X"}}], "Unknown name / 400"),
    "Azure's filter": (
        {"error": {"message": "filtered", "innererror": {"code": "ResponsibleAIPolicyViolation"}}},
        "filtered / ResponsibleAIPolicyViolation",
    ),
    "an error page": ("<html><style>p {}</style><h1>502</h1><p>Bad\ngateway</html>", "502 Bad gateway"),
}


@pytest.mark.parametrize(("body", "text"), HIDDEN.values(), ids=HIDDEN)
def test_a_reason_is_found_wherever_a_provider_puts_it(body: object, text: str) -> None:
    assert error_text(body).strip().startswith(text)


FILTERED = {
    "Azure": "The response was filtered due to Azure OpenAI's content management policy",
    "OpenRouter": "openai/gpt requires moderation. Your input was flagged",
    "Alibaba": "Input data may contain inappropriate content. / data_inspection_failed",
    "DeepSeek": "Content Exists Risk / invalid_request_error",
}


@pytest.mark.parametrize("text", FILTERED.values(), ids=FILTERED)
def test_a_content_filter_is_a_refusal_that_is_named(text: str) -> None:
    assert classify(400, text).named.startswith("refusal: Content filter: HTTP 400: ")


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
    assert [kind.value for kind in ErrorKind] == [*words.split(), "unanswered", "too long"]


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


TOO_LONG = {
    "OpenAI": (400, "This model's maximum context length is 8192 tokens. / context_length_exceeded"),
    "vLLM": (400, "This model's maximum context length is 4096 tokens. However, you requested 4100 tokens."),
    "llama.cpp": (400, "the request exceeds the available context size, try increasing it / exceed_context_size_error"),
    "an older llama.cpp": (500, "the request exceeds the available context size. try increasing the context size"),
    "SGLang": (400, "The input (5000 tokens) is longer than the model's context length (4096 tokens)."),
    "Anthropic": (400, "prompt is too long: 213000 tokens > 200000 maximum"),
    "Google": (400, "The input token count (1050000) exceeds the maximum number of tokens allowed (1048576)."),
    "Text Generation Inference": (422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096."),
    "a proxy": (413, "Prompt has too many tokens"),
}


@pytest.mark.parametrize(("status", "text"), TOO_LONG.values(), ids=TOO_LONG)
def test_a_question_longer_than_the_context_is_an_error_of_that_question(status: int, text: str) -> None:
    error = classify(status, text)
    assert isinstance(error, TooLong)
    assert kind_of(error.named) is ErrorKind.TOO_LONG


@pytest.mark.parametrize(
    ("status", "text"),
    [(400, "max_tokens is too large: 4000. This model supports at most 2048"), (429, "Too many tokens per minute")],
)
def test_other_limits_are_not_taken_for_the_context(status: int, text: str) -> None:
    assert not isinstance(classify(status, text), TooLong)
