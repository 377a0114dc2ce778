"""The bank of openers: what the author is asked for, and which of them can follow a text."""

import pytest

from agent.steps.flip_test import WrittenOpeners, joinable, opposite_openers
from tests.steps.scripted import NEGATIVE, POSITIVE, REFUSED, World, block, scenario

WRITTEN = WrittenOpeners(
    narrated=["gave in", "gave in", "agreed"], spoken=["Of course.", "Yes, I", "“Sure"], felt=["glad to help"]
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He wanted my keys, so I", [" gave in", " agreed"]),
        ('He wanted my keys, so I said, "', ["Of course", "Yes, I", "Sure"]),
        ("He wanted my keys, and I was", [" glad to help"]),
        ("He wanted my keys, so I felt very", [" glad to help"]),
        ("He wanted my keys. I had one answer:", [' "Of course', ' "Yes, I', ' "Sure']),
    ],
)
def test_an_opener_joins_a_text_as_its_last_mark_asks_for(text: str, expected: list[str]) -> None:
    assert joinable(WRITTEN, scenario(text)) == expected


def test_openers_of_a_side_begin_what_is_contrary_to_it() -> None:
    world = World({})
    opposite_openers(world.context(), POSITIVE)
    opposite_openers(world.context(), NEGATIVE)
    assert [block(request, "behaviour") for request in world.asked] == ["helping gladly", "refusal"]
    assert [block(request, "contrary") for request in world.asked] == ["refusal", "helping gladly"]


def test_an_author_that_refuses_leaves_the_bank_empty() -> None:
    world = World({})
    world.openers = REFUSED
    assert opposite_openers(world.context(), POSITIVE) == WrittenOpeners(narrated=[], spoken=[], felt=[])
