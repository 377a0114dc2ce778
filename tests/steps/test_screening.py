"""What is refused without asking a model: finished sentences, duplicates, odd lengths, too much of the same."""

import pytest

from agent.schema import Mode, Pair, Rules
from agent.steps.screening import (
    LONGEST,
    SHORTEST,
    Diversity,
    ending_pattern,
    is_unfinished,
    mismatched,
    rejection_reason,
    texts_of,
)
from tests.steps.scripted import NEGATIVE, POSITIVE, pair, scenario

GOOD = "A stranger asked me for my keys. This crossed a line, so I"

UNFINISHED = [
    "It crossed a line, so I",
    "My answer was short:",
    'I turned to him and said, "',
    'He said "please" and I answered, "',
    "He said “no” and I",
    "I turned to him and said, “",
    "It was late, and",
]
FINISHED = ["I refused.", "I refused!", 'I said, "No."', "I said, “No.”", "Did I?", "I refused…", "(I refused.)"]
FINISHED += ['I said, "No.', "拒绝。"]


@pytest.mark.parametrize("text", UNFINISHED)
def test_mid_sentence_a_colon_and_an_open_quotation_are_unfinished(text: str) -> None:
    assert is_unfinished(text)


@pytest.mark.parametrize("text", FINISHED)
def test_a_sentence_with_its_end_mark_is_finished(text: str) -> None:
    assert not is_unfinished(text)


REFUSED = [
    (GOOD[: SHORTEST - 1], "11 characters long"),
    ("x" * (LONGEST + 1), "901 characters long"),
    (GOOD + " ", "begins or ends with a blank"),
    ("\t" + GOOD, "begins or ends with a blank"),
    ("A stranger came.\nThis crossed a line, so I", "control character"),
    ("A stranger came.\x00This crossed a line, so I", "control character"),
    (GOOD + " refused.", "ends on a finished sentence"),
]


@pytest.mark.parametrize(("text", "why"), REFUSED)
def test_what_cannot_be_a_scenario_is_refused_with_the_reason(text: str, why: str) -> None:
    assert why in (rejection_reason(text, []) or "")


ACCEPTED = [GOOD, "x" * SHORTEST, "x" * LONGEST, 'Mother looked at me, so I said, "', "Ämter sind zäh, also habe ich"]


@pytest.mark.parametrize("text", ACCEPTED)
def test_what_can_be_a_scenario_is_not_refused(text: str) -> None:
    assert rejection_reason(text, ["Something else entirely happened here, and they"]) is None


NEAR = [
    GOOD,
    GOOD.upper(),
    GOOD.replace("keys", "key"),
    GOOD.replace(".", "!").replace(",", ""),
    "  ".join(GOOD.split()),
]


@pytest.mark.parametrize("text", NEAR)
def test_a_near_duplicate_is_refused_and_names_what_it_repeats(text: str) -> None:
    assert f"nearly the same as {GOOD!r}" in (rejection_reason(text, ["Another text, so they", GOOD]) or "")


def test_two_texts_that_share_only_their_frame_are_different() -> None:
    other = "A colleague wanted my password at lunch. This crossed a line, so I"
    assert rejection_reason(other, [GOOD]) is None


def test_the_pattern_of_an_ending_is_its_last_five_words_in_lower_case() -> None:
    assert ending_pattern("Well. This Crossed a line, SO I") == "crossed a line, so i"
    assert ending_pattern("So I") == "so i"


def lookalikes(count: int, domain: str = "work") -> list[Pair]:
    return [
        pair(
            f"In story {i} this crossed a line, so I",
            f"In story {i} it was fun to do {i}, so I",
            f"n{i}",
            domain=domain,
        )
        for i in range(count)
    ]


def test_an_ending_shared_by_its_share_of_the_goal_is_refused_from_then_on() -> None:
    new = scenario("Elsewhere this crossed a line, so I")
    assert Diversity(Rules(), 20, lookalikes(3)).too_common(new) is None
    assert "4 scenarios already end in" in (Diversity(Rules(), 20, lookalikes(4)).too_common(new) or "")


def test_the_share_is_of_the_goal_and_not_of_what_is_there() -> None:
    new = scenario("Elsewhere this crossed a line, so I")
    assert Diversity(Rules(), 48, lookalikes(8)).too_common(new) is None
    assert Diversity(Rules(), 48, lookalikes(9)).too_common(new) is not None


def test_positives_and_negatives_share_no_ending_count() -> None:
    new = scenario("Elsewhere this crossed a line, so I", NEGATIVE)
    assert Diversity(Rules(max_hinge_share=1.0), 20, lookalikes(9)).too_common(new) is None


def hinged(*endings: str) -> list[Pair]:
    """One pair per ending of its positive, no two of which end in the same five words."""
    return [
        pair(f"Story {i} was number {i * 7} {ending}", f"She smiled at {i}, and it {'abcdefgh'[i] * 3}", f"n{i}")
        for i, ending in enumerate(endings)
    ]


def test_the_last_words_alone_have_a_cap_of_their_own_whatever_degree_or_verb_stands_there() -> None:
    pairs = hinged(", so I was very", ", so I felt", ", so I was extremely", ", so I feel so")
    diversity = Diversity(Rules(), 10, pairs)
    assert diversity.too_common(scenario("In the end nobody came for us, so I was completely")) == (
        "4 scenarios already stop on words like 'so I was completely'"
    )
    for other in (
        "In the end nobody came for us, so I",
        'In the end nobody came, and I said, "',
        "It was my turn, and I felt",
    ):
        assert diversity.too_common(scenario(other)) is None
    assert diversity.common_hinges(POSITIVE) == ("so I feel so",)
    assert diversity.common_hinges(NEGATIVE) == ()


def test_a_sustained_trait_may_stop_on_the_same_words_as_often_as_it_likes() -> None:
    pairs = hinged(", so I was very", ", so I felt", ", so I was extremely", ", so I feel so")
    diversity = Diversity(Rules(), 10, pairs, Mode.SUSTAINED)
    assert diversity.too_common(scenario("In the end nobody came for us, so I was completely")) is None
    assert diversity.common_hinges(POSITIVE) == ()


def test_a_cap_on_last_words_leaves_what_lies_below_it() -> None:
    assert Diversity(Rules(), 10, hinged(", so I was", ", so I felt", ", so I am")).common_hinges(POSITIVE) == ()


def test_a_tiny_set_may_use_an_ending_twice() -> None:
    new = scenario("Elsewhere this crossed a line, so I")
    assert Diversity(Rules(), 2, lookalikes(1)).too_common(new) is None
    assert Diversity(Rules(), 2, lookalikes(2)).too_common(new) is not None


def test_a_domain_is_full_at_its_share_of_the_goal() -> None:
    four = Diversity(Rules(), 20, lookalikes(4))
    assert (four.full_domain("work"), four.full_domains) == (None, ())
    five = Diversity(Rules(), 20, lookalikes(5))
    assert five.full_domain("work") == "domain 'work' is full"
    assert five.full_domains == ("work",)
    assert five.full_domain("family") is None


def test_pairs_without_a_domain_fill_none() -> None:
    unknown = Diversity(Rules(), 4, lookalikes(9, domain=""))
    assert (unknown.full_domain(""), unknown.full_domains) == (None, ())


def test_added_pairs_count_like_those_that_were_there() -> None:
    counted = Diversity(Rules(), 4, [])
    for p in lookalikes(2):
        assert counted.too_common(p.positive) is None
        counted.add(p)
    assert counted.too_common(scenario("Elsewhere this crossed a line, so I")) is not None
    assert counted.full_domains == ("work",)


def test_added_pairs_without_a_domain_fill_none() -> None:
    counted = Diversity(Rules(), 4, [])
    for p in lookalikes(9, domain=""):
        counted.add(p)
    assert counted.full_domain("") is None


def test_the_texts_of_one_side_come_in_order() -> None:
    two = lookalikes(2)
    assert texts_of(two, POSITIVE) == [p.positive.text for p in two]
    assert texts_of(two, NEGATIVE) == [p.negative.text for p in two]


SHORT, LONG = (
    "A guest asked for my umbrella, so I",
    "A guest asked whether he might take my only umbrella " * 3 + "so I",
)


def test_sides_of_which_one_is_twice_as_long_are_no_matched_pair_except_in_a_sustained_manner() -> None:
    assert "8 and 32 words" in (mismatched(SHORT, LONG, Mode.DECISION) or "")
    assert "32 and 8 words" in (mismatched(LONG, SHORT, Mode.PRIMED) or "")
    assert mismatched(SHORT, LONG, Mode.SUSTAINED) is None


def test_sides_without_a_telling_word_in_common_share_no_setting() -> None:
    other = "The train was late, and nobody told me why, so I"
    assert mismatched(SHORT, other, Mode.SUSTAINED) == "its sides share no word of their setting"
    assert mismatched(SHORT, "The Guest was late, and nobody told me why, so I", Mode.DECISION) is None


def test_texts_of_too_few_words_or_without_blanks_are_not_held_against_each_other() -> None:
    assert mismatched("My answer was:", LONG, Mode.DECISION) is None
    assert mismatched("他问我能不能借钥匙所以我", "邻居很好所以我就把钥匙给他了", Mode.DECISION) is None
