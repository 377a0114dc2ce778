"""Texts in the editor: invisible characters are shown, and untouched text comes back to the byte."""

import pytest

from agent.review.html import visible_lines
from agent.review.web.view_models import restored

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
def test_untouched_text_comes_back_unchanged(text: str) -> None:
    assert restored(visible_lines(text).replace("\n", "\r\n"), text) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_only_line_ends_are_invisible_in_the_field(text: str) -> None:
    assert all(char.isprintable() or char == "\n" for char in visible_lines(text))


def test_invisible_characters_are_kept_or_removed_with_their_pictures() -> None:
    original = "an \x1b[31mescape\u200b, so I"
    assert restored(visible_lines(original).replace("so I", "so we"), original) == "an \x1b[31mescape\u200b, so we"
    assert restored(visible_lines(original).replace("\u241b", ""), original) == "an [31mescape\u200b, so I"


def test_a_typed_picture_stays_a_picture() -> None:
    assert restored("a \u241b b", "nothing hidden") == "a \u241b b"
