"""A text in a field hides nothing, and comes back to the byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.review.text_diff import merged
from agent.review.web.view_models import restored, shown

HOSTILE = (
    "plain, so I",
    "an escape \x1b[31m and a bell \x07, so I",
    "right to \u202eleft\u202c and zero\u200bwidth, so I",
    "carriage\rreturn, so I",
    "NUL \x00 and DEL \x7f, so I",
    "an escape \x1b and its picture \u241b, so I",
    "lines\nand \u2028separators, so I",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_was_not_touched_comes_back_as_it_was(text: str) -> None:
    assert restored(shown(text).replace("\n", "\r\n"), text) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_in_the_field_is_invisible_but_line_ends(text: str) -> None:
    assert all(char.isprintable() or char == "\n" for char in shown(text))


def test_invisible_characters_stay_where_their_pictures_stay_and_leave_with_them() -> None:
    original = "an \x1b[31mescape\u200b, so I"
    assert restored(shown(original).replace("so I", "so we"), original) == "an \x1b[31mescape\u200b, so we"
    assert restored(shown(original).replace("\u241b", ""), original) == "an [31mescape\u200b, so I"


def test_a_picture_that_somebody_types_stays_a_picture() -> None:
    assert restored("a \u241b b", "nothing hidden") == "a \u241b b"


WORDS = st.lists(st.sampled_from(["he ", "she ", "kept ", "it.", "\n", "<b> ", "so"])).map("".join)


@given(WORDS, WORDS)
def test_a_merged_text_holds_both_to_the_letter(before: str, after: str) -> None:
    made = merged(before, after)
    assert "".join(stretch.text for stretch in made if stretch.how != "new") == before
    assert "".join(stretch.text for stretch in made if stretch.how != "gone") == after


def test_only_words_that_differ_are_marked() -> None:
    made = merged("He knew it. He went.", "He knew her. He went.")
    assert [(stretch.text, stretch.how) for stretch in made if stretch.how != "same"] == [
        ("it", "gone"),
        ("her", "new"),
    ]
