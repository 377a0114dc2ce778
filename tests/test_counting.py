"""Numbers in sentences."""

import pytest

from agent.text import pluralize, verb_for, with_period


@pytest.mark.parametrize(
    ("count", "what", "said"),
    [(0, "pair", "0 pairs"), (1, "pair", "1 pair"), (2, "pair", "2 pairs"), (1000, "call", "1,000 calls")],
)
def test_only_one_of_a_thing_is_singular(count: int, what: str, said: str) -> None:
    assert pluralize(count, what) == said


def test_a_plural_and_a_verb_of_their_own_are_taken() -> None:
    assert [f"{pluralize(n, 'copy', 'copies')} {verb_for(n, 'waits', 'wait')}" for n in (1, 2)] == [
        "1 copy waits",
        "2 copies wait",
    ]


@pytest.mark.parametrize(
    ("sentence", "said"),
    [("It went well", "It went well."), ("It went well. ", "It went well. "), ("Did it?", "Did it?"), ("", "")],
)
def test_a_sentence_ends_once(sentence: str, said: str) -> None:
    assert with_period(sentence) == said
