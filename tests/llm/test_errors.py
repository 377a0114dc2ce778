"""What an endpoint says of its trouble, as a sentence."""

import pytest

from agent.llm.errors import error_text


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {"message": "Slow down", "code": "rate", "type": "rate", "param": None}}, "Slow down / rate"),
        ({"error": {"message": "down", "code": "a", "type": "b", "param": "c"}}, "down / a / b / c"),
        ({"error": {}}, "without a reason"),
        ({"error": "plain  words\nof it"}, "plain words of it"),
        ("x" * 400, "x" * 300 + "…"),
    ],
)
def test_an_error_object_is_told_in_one_line_without_saying_anything_twice(body: object, said: str) -> None:
    assert error_text(body) == said
