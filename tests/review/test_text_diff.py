"""Word diff: what an edit deleted and inserted is marked by whole words, and no mark changes the text."""

import time

from hypothesis import given
from hypothesis import strategies as st

from agent.review.text_diff import Piece, compare, ending_of, merged, pieces

TEXTS = st.text(st.sampled_from("ab .,\n\u202e<"), max_size=60)


def marked(text: str, spans: list[tuple[int, int]]) -> list[str]:
    return [text[i:j] for i, j in spans]


def test_whole_words_are_deleted_and_inserted() -> None:
    before, after = "It was wrong, so I refused and left", "It was very wrong, so I"
    deleted, inserted = compare(before, after)
    assert marked(before, deleted) == [" refused and left"]
    assert marked(after, inserted) == ["very "]


def test_a_phrase_is_replaced_by_a_phrase_and_not_word_by_word() -> None:
    before, after = "It crossed a line, so I", "It was too much, so I"
    deleted, inserted = compare(before, after)
    assert (marked(before, deleted), marked(after, inserted)) == (["crossed a line"], ["was too much"])


@given(TEXTS, TEXTS)
def test_what_is_not_marked_is_the_same_in_both(before: str, after: str) -> None:
    deleted, inserted = compare(before, after)
    kept = [
        "".join(piece.text for piece in pieces(text, spans) if not piece.edited)
        for text, spans in ((before, deleted), (after, inserted))
    ]
    assert kept[0] == kept[1]


@given(TEXTS, TEXTS, TEXTS)
def test_the_pieces_of_a_text_are_the_text(before: str, after: str, span: str) -> None:
    cut = pieces(after, compare(before, after)[1], span)
    assert "".join(piece.text for piece in cut) == after
    assert all(piece.text for piece in cut)


def test_the_committed_span_is_marked_at_its_last_occurrence_also_inside_an_edit() -> None:
    cut = pieces("I refused. I refused then", [(11, 25)], "refused")
    assert cut == [
        Piece("I refused. ", False, False),
        Piece("I ", True, False),
        Piece("refused", True, True),
        Piece(" then", True, False),
    ]


def test_a_span_that_is_not_in_the_text_marks_nothing() -> None:
    assert pieces("so I", [], "refused") == [Piece("so I", False, False)]


def test_texts_of_64_kilobytes_are_compared_quickly() -> None:
    before, after = "so I " * 13_000 + "refused", "he too " * 9_000 + "refused"
    began = time.process_time()
    deleted, inserted = compare(before, after)
    assert time.process_time() - began < 5
    assert deleted[0][0] == 0
    assert marked(after, inserted)[0].startswith("he too")


def test_an_ending_begins_at_a_word_after_an_ellipsis() -> None:
    assert ending_of("short", 10) == "short"
    assert ending_of("This crossed a line, so I", 12) == "… line, so I"
    assert ending_of("x" * 100, 10) == "…" + "x" * 10


WORDS = st.lists(st.sampled_from(["he ", "she ", "kept ", "it.", "\n", "<b> ", "so"])).map("".join)


@given(WORDS, WORDS)
def test_a_merged_text_contains_both_exactly(before: str, after: str) -> None:
    made = merged(before, after)
    assert "".join(segment.text for segment in made if segment.kind != "inserted") == before
    assert "".join(segment.text for segment in made if segment.kind != "deleted") == after


def test_only_words_that_differ_are_marked() -> None:
    made = merged("He knew it. He went.", "He knew her. He went.")
    assert [(segment.text, segment.kind) for segment in made if segment.kind != "same"] == [
        ("it", "deleted"),
        ("her", "inserted"),
    ]
