"""Errors of an endpoint as text, and their kind read back from that text."""

from collections.abc import Iterator

import pytest

from agent.llm import batch, budget, circuit_breaker  # noqa: F401 - their errors are subclasses of LLMError too
from agent.llm.errors import LLMError, error_text
from agent.schema import AUTHOR_NOTE, ErrorKind, kind_of


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {"message": "Slow down", "code": "rate", "type": "rate", "param": None}}, "Slow down / rate"),
        ({"error": {"message": "down", "code": "a", "type": "b", "param": "c"}}, "down / a / b / c"),
        ({"error": {}}, "no reason given"),
        ({"error": "plain  words\nof it"}, "plain words of it"),
        ("x" * 400, "x" * 300 + "…"),
    ],
)
def test_an_error_object_is_told_in_one_line_without_saying_anything_twice(body: object, said: str) -> None:
    assert error_text(body) == said


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
