"""Quotations by a judge are found in the text, and returned exactly as they occur there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.text import find_quotation

FOUND = [
    # (quoted, text, as it occurs in the text)
    ("told him no", "I told him no, because", "told him no"),
    ("Told Him NO", "I told him no, because", "told him no"),
    ('"told him no."', "I told him no, because", "told him no"),
    ("I can't do that", "I can’t do that, since", "I can’t do that"),  # noqa: RUF001
    ("I can’t do that", "I can't do that, since", "I can't do that"),  # noqa: RUF001
    ('he said "no" twice', "Then he said “no” twice and", "he said “no” twice"),
    ("well-meant", "a well—meant word", "well—meant"),
    ("a – b", "first a — b then", "a — b"),  # noqa: RUF001
    ("two  blanks here", "now two blanks  here and", "two blanks  here"),
    ("line\nbreak", "a line break", "line break"),
    ("hard\u00a0blank", "a hard blank", "hard blank"),
    ("ﬁne thing", "a fine thing", "fine thing"),
    ("fine thing", "a ﬁne thing", "ﬁne thing"),
    ("wait...", "I said wait… and", "wait"),
    ("STRASSE", "in der Straße", "Straße"),
    ("No", "No, he said, and I said no, as", "no"),
    ("no", "I said No, and he knows", "No"),
    ("no", "he knows", "no"),
]


@pytest.mark.parametrize(("quoted", "text", "exact"), FOUND)
def test_a_quotation_is_found_and_returned_as_the_text_has_it(quoted: str, text: str, exact: str) -> None:
    assert find_quotation(quoted, text) == exact
    assert exact in text


NOT_FOUND = [
    ("", "I told him no"),
    ("  ", "I told him no"),
    ('"."', 'I told him "no".'),
    ("told her no", "I told him no"),
    ("I told him no, because", "I told him no"),
    ("told no", "I told him no"),
    ("nothing", ""),
]


@pytest.mark.parametrize(("quoted", "text"), NOT_FOUND)
def test_what_does_not_occur_is_not_found(quoted: str, text: str) -> None:
    assert find_quotation(quoted, text) is None


def test_an_accent_written_apart_is_found_as_one_letter() -> None:
    assert find_quotation("the cafe\u0301 was shut", "I saw the caf\u00e9 was shut, so I") is not None


texts = st.text(st.characters(codec="utf-8"), max_size=40)


@given(texts, texts)
def test_what_is_found_is_always_a_piece_of_the_text(quoted: str, text: str) -> None:
    found = find_quotation(quoted, text)
    assert found is None or (found and found in text)


@given(st.text("ab cd'\"-.", min_size=1, max_size=40), st.data())
def test_every_piece_of_a_text_that_holds_a_letter_is_found(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    piece = text[start:end]
    if any(char.isalpha() for char in piece):
        assert find_quotation(piece, text) is not None
