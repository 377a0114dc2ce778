"""Cutting back to the cliffhanger: what is proposed, what is never proposed, and what stays."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.steps.cut import borrowed_hinges, cut_points, frozen_part, hinge_of
from tests.steps.scripted import scenario

CUTS = [
    # (text, committed span, candidates: before the span, behind its subject, inside it, back to its clause)
    (
        "He wanted my keys. I shook my head and told him no, because",
        "told him no",
        ["He wanted my keys. I shook my head and",
         "He wanted my keys. I",
         "He wanted my keys. I shook my head and told",
         "He wanted my keys. I shook my head and told him"],
    ),
    (
        'He wanted my keys. I looked at him and said, "No way',
        "No way",
        ['He wanted my keys. I looked at him and said, "',
         "He wanted my keys. I",
         'He wanted my keys. I looked at him and said, "No',
         "He wanted my keys. I looked at him and"],
    ),
    (
        "He wanted my keys. This crossed a line, so I refused to hand them",
        "refused",
        ["He wanted my keys. This crossed a line, so I"],
    ),
    (
        "He wanted my keys. My answer was short: no",
        "no",
        ["He wanted my keys. My answer was short:",
         "He wanted my keys. My answer was",
         "He wanted my keys. My answer"],
    ),
    (
        "When he asked for the keys to my house, I refused and said",
        "refused",
        ["When he asked for the keys to my house, I"],
    ),
    (
        "He wanted my keys. I put on my coat, walked out and",
        "walked out",
        ["He wanted my keys. I put on my coat",
         "He wanted my keys. I",
         "He wanted my keys. I put on my coat, walked"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "span", "expected"), CUTS)
def test_a_cut_stops_before_the_span_or_inside_it_or_before_its_clause(
    text: str, span: str, expected: list[str]
) -> None:
    assert cut_points(scenario(text), span) == expected


def test_a_cut_never_leaves_an_article_without_its_noun_or_a_single_word_that_is_no_subject() -> None:
    found = cut_points(
        scenario("He wanted my keys. Then the very thought of it made me tell him no, since"), "tell him"
    )
    assert found
    assert not [text for text in found if text.split()[-1] in ("the", "of", "Then")]
    assert cut_points(scenario("He wanted my keys. I refused and"), "refused")[0] == "He wanted my keys. I"


def test_a_cut_behind_the_subject_is_offered_however_long_the_span() -> None:
    found = cut_points(
        scenario("He wanted my keys. I took my hat and told him no and no and no, as"), "told him no and no"
    )
    assert "He wanted my keys. I" in found


def test_a_cut_inside_the_span_never_tears_a_noun_from_its_article() -> None:
    found = cut_points(scenario("He wanted my keys. I told the delivery man no, as"), "told the delivery man no")
    assert [text for text in found if text.endswith("delivery")] == []


@pytest.mark.parametrize(
    "text", ["The whole bonus went into my savings and I", "I told him no when he wanted my keys, as"]
)
def test_a_cut_never_leaves_a_text_without_its_situation(text: str) -> None:
    assert cut_points(scenario(text), "went into" if "went" in text else "told him no") == []


def test_a_span_is_not_looked_for_inside_other_words() -> None:
    found = cut_points(scenario("He wanted my keys. I said no to him, and now you know"), "no")
    assert found[0] == "He wanted my keys. I said"


UNCUTTABLE = [("He wanted my keys. No", "No"), ("No", "No"), ("", None)]


@pytest.mark.parametrize(("text", "span"), UNCUTTABLE)
def test_a_text_that_opens_with_the_act_cannot_be_cut(text: str, span: str | None) -> None:
    assert cut_points(scenario(text), span) == []


def test_a_cut_never_ends_on_a_finished_sentence_or_a_comma() -> None:
    found = cut_points(scenario("He wanted my keys. I was tired, cold, and I told him no, since"), "I told him no")
    assert "He wanted my keys. I was tired, cold, and I" in found
    assert not [text for text in found if text.endswith((".", ","))]


def test_without_a_span_the_last_sentence_is_cut_from_its_second_word_on() -> None:
    found = cut_points(scenario("He wanted my keys. I told him no, because"), None)
    assert found == [
        "He wanted my keys. I",
        "He wanted my keys. I told",
        "He wanted my keys. I told him",
    ]


def test_a_span_that_occurs_twice_is_cut_at_its_last_place() -> None:
    found = cut_points(scenario('Say "no", they said. I went in and said no to'), "no")
    assert found[0] == 'Say "no", they said. I went in and said'


def test_a_span_in_an_earlier_sentence_is_cut_there() -> None:
    found = cut_points(scenario("He wanted my keys. I told him no. He went on and"), "told him no")
    assert found[0] == "He wanted my keys. I"
    assert all(len(text) < len("He wanted my keys. I told him no.") for text in found)


def test_a_cut_never_ends_on_a_closing_quotation_mark() -> None:
    found = cut_points(scenario('He called it "a favour" but I refused, as'), "refused")
    assert not [text for text in found if text.endswith('favour"')]


def test_without_a_span_a_cut_may_stop_behind_an_opening_quotation_mark() -> None:
    found = cut_points(scenario('He asked. I looked at him and said, "No way, that is'), None)
    assert 'He asked. I looked at him and said, "' in found


words = st.lists(
    st.sampled_from(["I", "told", "him", "no,", "no.", '"No', "so", "because:", "said,", '"ah"']), max_size=12
)


@given(words, st.data())
def test_every_cut_is_a_deletion_at_the_end_and_stays_open(parts: list[str], data: st.DataObject) -> None:
    text = " ".join(parts)
    span = data.draw(st.sampled_from([None, *parts]))
    found = cut_points(scenario(text), span)
    assert len(found) == len(set(found)) <= 4
    for candidate in found:
        assert text.startswith(candidate)
        assert candidate != text
        assert candidate == candidate.rstrip()
        assert candidate[-1].isalnum() or candidate[-1] in ":'\""


# Hinges.

HINGES = [
    ("This crossed a line, so I", ", so I"),
    ("I had seen enough, and I", ", and I"),
    ("I was happy to, I", ", I"),
    ('I looked at him, "', None),
    ("I had made up my mind and I", None),
    ("I looked at him, and then after a while I", None),
    ("I looked at him, and then I", None),
    ("It was late,", None),
    ("", None),
]


@pytest.mark.parametrize(("ending", "hinge"), HINGES)
def test_a_hinge_is_the_short_clause_at_the_end(ending: str, hinge: str | None) -> None:
    assert hinge_of(ending) == hinge


def test_a_text_whose_only_cut_would_end_a_sentence_borrows_a_hinge() -> None:
    text = scenario("He wanted my keys. It was theft. I told him no because")
    assert borrowed_hinges(text, "I told him no", [", so I", ", and I"]) == ["He wanted my keys. It was theft, so I"]


@pytest.mark.parametrize("text", ["I told him no because", "Was it theft? I told him no because"])
def test_only_a_plain_sentence_before_the_act_takes_a_hinge(text: str) -> None:
    assert borrowed_hinges(scenario(text), "I told him no", [", so I"]) == []


def test_without_confirmed_siblings_no_hinge_is_borrowed() -> None:
    assert borrowed_hinges(scenario("It was theft. I told him no because"), "I told him no", []) == []


# What a rewrite must keep.

FROZEN = [
    ("He came. I sat. I told him no, as", "told him no", ("He came. I sat. ", "I told him no, as")),
    ("He came. I told him no. I sat, as", "told him no", ("He came. ", "I told him no. I sat, as")),
    ("I told him no. I sat, as", "I told", ("", "I told him no. I sat, as")),
    ("He came. I sat, as", None, ("He came. ", "I sat, as")),
    ("I sat, as", None, ("", "I sat, as")),
]


@pytest.mark.parametrize(("text", "span", "parts"), FROZEN)
def test_the_text_before_the_sentence_of_the_span_is_frozen(
    text: str, span: str | None, parts: tuple[str, str]
) -> None:
    assert frozen_part(scenario(text), span) == parts


@given(words, st.data())
def test_the_frozen_part_and_the_ending_are_the_text_byte_for_byte(parts: list[str], data: st.DataObject) -> None:
    text = " ".join(parts)
    assert "".join(frozen_part(scenario(text), data.draw(st.sampled_from([None, *parts])))) == text


def test_a_cut_that_another_one_only_extends_by_a_subject_is_left_out() -> None:
    text = "The boat was not his to lend. I knew whose it was, so I told him no, because"
    points = cut_points(scenario(text), "told him no")
    assert "The boat was not his to lend. I knew whose it was, so I" in points
    assert not [one for one in points if one.endswith((", so", "so", "whose it was"))]


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("The review was near. I wasn't particularly worried about it, because", "worried"),
        ("He asked me for the key twice. I would never give it to him, since", "give it"),
        ("She rang at noon. I had hardly felt any fear of her until", "felt any fear"),
    ],
)
def test_a_cut_behind_a_negation_is_none_since_what_follows_would_be_read_as_its_opposite(text: str, span: str) -> None:
    for point in cut_points(scenario(text), span):
        assert not re.search(r"(n't|never|hardly)( \w+)?$", point), point
