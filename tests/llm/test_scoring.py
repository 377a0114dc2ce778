"""Scores and choices from log-probabilities and samples, some of the expected values computed a second way."""

import math
import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.llm.errors import Unscored
from agent.llm.scoring import (
    TokenLogprobs,
    choice_probabilities,
    expected_score,
    has_majority,
    is_clear,
    number_in,
    option_in,
    percent_value,
    sampled_choice,
    sampled_score,
)

OPTIONS = ("EXPRESS", "EXPLAIN", "NEITHER")


def at(token: str, chances: dict[str, float]) -> TokenLogprobs:
    return TokenLogprobs(token, tuple((text, math.log(p) if p else -9999.0) for text, p in chances.items()))


def test_a_score_is_the_mean_weighted_by_probability() -> None:
    score = expected_score([at("80", {"80": 0.6, "90": 0.2, "I": 0.1})], "80", "percent")
    assert score.value == pytest.approx(82.5)
    assert score.mass == pytest.approx(0.8)
    assert score.deviation == pytest.approx(math.sqrt(0.75 * 2.5**2 + 0.25 * 7.5**2))
    assert (score.low, score.high) == pytest.approx((66 / 0.9, 76 / 0.9))
    assert not score.weak


def test_duplicates_of_a_number_add_up() -> None:
    split = expected_score([at("85", {"85": 0.3, " 85": 0.2, "▁85": 0.1, "Ġ85": 0.1, "5": 0.3})], "85", "percent")
    whole = expected_score([at("85", {"85": 0.7, "5": 0.3})], "85", "percent")
    assert split.value == pytest.approx(whole.value)
    assert split.mass == pytest.approx(1.0)


def test_blank_tokens_are_skipped_even_where_numbers_compete_with_them() -> None:
    blank = at(" ", {" ": 0.6, "7": 0.4})
    assert expected_score([blank, at("85", {"85": 1.0})], " 85", "percent").value == 85.0


def test_the_first_position_that_offers_a_number_is_read() -> None:
    word = at("Score", {"Score": 1.0})
    assert expected_score([word, at(":", {":": 1.0}), at("40", {"40": 1.0})], "Score: 40", "percent").value == 40.0
    with pytest.raises(Unscored, match="0.10"):
        expected_score([at("The", {"The": 0.9, "5": 0.1}), at("40", {"40": 1.0})], "The 40", "percent")


NUMBERS = {"0": 0.0, "7": 7.0, " 42": 42.0, "▁99": 99.0, "Ġ100": 100.0, "85\n": 85.0}
NO_NUMBERS = ("101", "007", "05", "-5", "8.5", "85%", "٤٢", "４２", "²", "1e1", "", " ", "x5", "½", "+5")


@pytest.mark.parametrize(("token", "value"), NUMBERS.items())
def test_a_whole_number_from_0_to_100_is_a_value(token: str, value: float) -> None:
    assert percent_value(token) == value


@pytest.mark.parametrize("token", NO_NUMBERS)
def test_anything_else_is_no_value(token: str) -> None:
    assert percent_value(token) is None


def test_minus_9999_infinity_and_nan_are_no_probability() -> None:
    top = (("10", -9999.0), ("20", -math.inf), ("30", math.nan), ("80", math.log(0.9)))
    assert expected_score([TokenLogprobs("80", top)], "80", "percent").value == 80.0


@pytest.mark.parametrize(("mass", "weak"), [(0.26, True), (0.49, True), (0.51, False), (0.9, False)])
def test_a_score_with_little_mass_is_weak(mass: float, weak: bool) -> None:
    assert expected_score([at("80", {"80": mass, "x": 1 - mass})], "80", "percent").weak is weak


def test_a_score_with_an_unseen_tail_is_weak() -> None:
    score = expected_score([at("80", {"80": 0.6})], "80", "percent")
    assert (score.low, score.high) == pytest.approx((48.0, 88.0))
    assert score.weak


@pytest.mark.parametrize("mass", [0.0, 0.1, 0.24])
def test_under_a_quarter_of_the_mass_there_is_no_score(mass: float) -> None:
    with pytest.raises(Unscored):
        expected_score([at("x", {"80": mass, "x": 1 - mass})], "x", "percent")


def test_no_positions_are_no_score() -> None:
    with pytest.raises(Unscored):
        expected_score([], "85", "percent")


def test_a_number_in_several_tokens_is_not_read_as_its_first_digit() -> None:
    """Why such endpoints are given letters: the published formula would turn 85 into 8."""
    with pytest.raises(Unscored, match="several tokens"):
        expected_score([at("8", {"8": 1.0}), at("5", {"5": 1.0})], "85", "percent")


LABELLED = {
    "Score: 85": ("Score", ":", " 85"),
    "**Answer:** 85": ("**", "Answer", ":**", " ", "85"),
    "The score is 85.": ("The", " score", " is", " 85", "."),
    "<answer>85</answer>": ("<answer>", "85", "</answer>"),
    '{"score": 85}': ('{"', "score", '":', " ", "85", "}"),
    "85/100": ("85", "/", "100"),
    "85 because it": ("85", " because", " it"),
}


@pytest.mark.parametrize(("content", "tokens"), LABELLED.items(), ids=LABELLED)
def test_a_number_behind_a_label_is_read_from_its_own_token(content: str, tokens: Sequence[str]) -> None:
    others = {" 85": {" 85": 0.75, "75": 0.25}, "85": {"85": 0.75, "75": 0.25}}
    positions = [at(token, others.get(token, {token: 0.5, "10": 0.5})) for token in tokens]
    assert expected_score(positions, content, "percent").value == pytest.approx(82.5)


@pytest.mark.parametrize("tail", [" or 90", "-90", "/10", ".5", " of 100 and 20"])
def test_a_number_that_a_second_one_follows_is_ambiguous(tail: str) -> None:
    with pytest.raises(Unscored, match="not one number"):
        expected_score([at("85", {"85": 1.0}), at(tail, {tail: 1.0})], f"85{tail}", "percent")


def test_a_number_amid_a_sentence_is_no_score() -> None:
    words = ("I", " give", " 85")
    with pytest.raises(Unscored, match='"I give 85"'):
        expected_score([at(word, {word: 1.0}) for word in words], "I give 85", "percent")


def test_letters_stand_for_steps_of_ten() -> None:
    score = expected_score([at("J", {"J": 0.5, " K": 0.25, "I": 0.25})], "J", "letters")
    assert score.value == pytest.approx(90.0)
    assert score.method == "letters"


@pytest.mark.parametrize("content", ["I cannot say", "I'm sorry", "As an AI", "A good try", "L", "a", ""])
def test_a_word_that_begins_with_a_letter_is_no_score(content: str) -> None:
    with pytest.raises(Unscored):
        expected_score([at("I", {"I": 1.0})], content, "letters")


@pytest.mark.parametrize(
    "content", ["I", " I", "I.", "**I**", '"I"', "I\nBecause", "Answer: I", "The answer is **I**."]
)
def test_a_letter_alone_is_a_score(content: str) -> None:
    tokens = re.findall(r"\w+|\W", content)
    assert expected_score([at(token, {token: 1.0}) for token in tokens], content, "letters").value == 80.0


weights = st.dictionaries(st.integers(0, 100).map(str), st.floats(0.01, 1.0), min_size=1, max_size=20)


@given(weights, st.floats(0.3, 1.0))
def test_any_score_lies_between_its_bounds_and_equals_a_plain_expectation(raw: dict[str, float], mass: float) -> None:
    scale = mass / sum(raw.values())
    chances = {token: weight * scale for token, weight in raw.items()}
    score = expected_score([at(next(iter(raw)), chances)], "", "percent")
    expected = sum(int(token) * weight for token, weight in raw.items()) / sum(raw.values())
    assert score.value == pytest.approx(expected, abs=1e-5)
    assert 0.0 <= score.low <= score.value + 1e-5
    assert score.value - 1e-5 <= score.high <= 100.0
    # The true score lies within the bounds, wherever the unseen tail may be.
    for tail in (0.0, 100.0):
        assert score.low - 1e-5 <= mass * expected + (1 - mass) * tail <= score.high + 1e-5


@given(
    st.lists(st.tuples(st.text(max_size=4), st.floats(allow_nan=True)), max_size=8),
    st.sampled_from(["percent", "letters"]),
)
def test_no_list_of_tokens_gives_a_score_off_the_scale(top: list[tuple[str, float]], scale: str) -> None:
    try:
        score = expected_score([TokenLogprobs("B", tuple(top))], "B", scale)  # type: ignore[arg-type]
    except Unscored:
        return
    assert 0.0 <= score.value <= 100.0
    assert score.mass >= 0.25


def test_a_choice_in_one_token_is_read_directly() -> None:
    found = choice_probabilities(
        [at("EXPRESS", {"EXPRESS": 0.6, " EXPLAIN": 0.2, "NEITHER": 0.1, "The": 0.1})], OPTIONS
    )
    assert dict(found) == pytest.approx({"EXPRESS": 6 / 9, "EXPLAIN": 2 / 9, "NEITHER": 1 / 9})


def test_a_shared_first_token_is_settled_by_the_next_position() -> None:
    positions = [at(" EXP", {" EXP": 0.8, " NE": 0.2}), at("LAIN", {"LAIN": 0.75, "RESS": 0.25})]
    assert dict(choice_probabilities(positions, OPTIONS)) == pytest.approx(
        {"EXPRESS": 0.2, "EXPLAIN": 0.6, "NEITHER": 0.2}
    )


def test_three_tokens_deep_and_in_lower_case() -> None:
    positions = [at("Ex", {"Ex": 1.0}), at("p", {"p": 1.0}), at("ress", {"ress": 0.9, "lain": 0.1})]
    assert dict(choice_probabilities(positions, OPTIONS))["EXPRESS"] == pytest.approx(0.9)


def test_an_undecided_token_off_the_path_counts_for_no_option() -> None:
    positions = [at("NE", {"NE": 0.6, "EXP": 0.4}), at("ITHER", {"ITHER": 0.9, "RESS": 0.1})]
    assert dict(choice_probabilities(positions, OPTIONS)) == {"EXPRESS": 0.0, "EXPLAIN": 0.0, "NEITHER": 1.0}


def test_a_choice_that_was_cut_before_it_was_clear_is_unscored() -> None:
    with pytest.raises(Unscored):
        choice_probabilities([at(" EXP", {" EXP": 1.0})], OPTIONS)


@pytest.mark.parametrize("lead", ["**", '"', " ", "\n", "("])
def test_marks_before_the_option_are_skipped(lead: str) -> None:
    positions = [at(lead, {lead: 0.9, "EXPLAIN": 0.1}), at("EXPRESS", {"EXPRESS": 1.0})]
    assert dict(choice_probabilities(positions, OPTIONS))["EXPRESS"] == 1.0


def test_a_choice_behind_a_label_is_read_from_its_own_token() -> None:
    words = [at("Answer", {"Answer": 0.9, "NEITHER": 0.1}), at(": ", {": ": 1.0})]
    found = choice_probabilities([*words, at("EXP", {"EXP": 1.0}), at("LAIN", {"LAIN": 0.9, "RESS": 0.1})], OPTIONS)
    assert dict(found) == pytest.approx({"EXPRESS": 0.1, "EXPLAIN": 0.9, "NEITHER": 0.0})


@pytest.mark.parametrize("words", [("EXPRESS", " or", " EXPLAIN"), ("It", " is", " EXPRESS")])
def test_a_choice_amid_words_or_of_two_options_is_unscored(words: Sequence[str]) -> None:
    with pytest.raises(Unscored, match="".join(words)):
        choice_probabilities([at(word, {word: 1.0}) for word in words], OPTIONS)


def test_other_words_are_no_choice() -> None:
    with pytest.raises(Unscored):
        choice_probabilities([at("EXPRESSION", {"Maybe": 0.9})], OPTIONS)


@given(st.lists(st.floats(0.1, 1.0), min_size=3, max_size=3))
def test_choice_probabilities_sum_to_one_however_options_are_cut(raw: Sequence[float]) -> None:
    express, explain, neither = (weight / sum(raw) for weight in raw)
    shared = express + explain
    whole = choice_probabilities([at("x", {"EXPRESS": express, "EXPLAIN": explain, "NEITHER": neither})], OPTIONS)
    cut = choice_probabilities(
        [at("EXP", {"EXP": shared, "NE": neither}), at("RESS", {"RESS": express / shared, "LAIN": explain / shared})],
        OPTIONS,
    )
    assert sum(share for _, share in cut) == pytest.approx(1.0)
    assert dict(cut) == pytest.approx({"EXPRESS": express, "EXPLAIN": explain, "NEITHER": neither})
    assert dict(cut) == pytest.approx(dict(whole))


READ = {"85": 85, " 85.": 85, "**85**": 85, "85%": 85, "85/100": 85, "85 out of 100": 85, '"0"': 0, "100\n": 100}
READ |= {"Score: 85": 85, "**Score:** 85": 85, "The answer is 7.": 7, "Score (0-100): 85": 85, "\\boxed{85}": 85}
READ |= {"85<|im_end|>": 85, "85</s>": 85}
READ |= {"85.0": 85, "<answer> 85 </answer>": 85, '{"score": 85}': 85, "85\n\nIt shows the trait.": 85}
UNREAD = ("-5", "8.5", "101", "85 or 90", "about 85", "eighty", "", "0x10", "85/10", "05", "٨", "85-90")
UNREAD += ("Score: 85 or 90", "Score 1: 85", "85\nor 90", "The text has 85 words", "Score: -5", "85.5", "9" * 5000)


@pytest.mark.parametrize(("content", "value"), READ.items())
def test_a_sampled_number_may_have_marks_around_it(content: str, value: int) -> None:
    assert number_in(content) == value


@pytest.mark.parametrize("content", UNREAD)
def test_a_sampled_answer_is_never_guessed(content: str) -> None:
    assert number_in(content) is None


def test_samples_clear_of_the_threshold_are_enough_at_four() -> None:
    assert is_clear(["80", "85", "90", "85"], [60.0])
    assert not is_clear(["80", "85", "90"], [60.0])
    assert not is_clear(["20", "100", "20", "100"], [60.0])
    assert not is_clear(["80", "85", "90", "85"], [60.0, 85.0])


def test_unreadable_samples_count_against_the_mass() -> None:
    score = sampled_score(["80", "no", "80", "no", "no"], [60.0])
    assert (score.value, score.mass, score.weak) == (80.0, 0.4, True)
    with pytest.raises(Unscored):
        sampled_score(["80", "no", "no", "no", "no"], [60.0])
    with pytest.raises(Unscored):
        sampled_score(["no"] * 4, [60.0])


def test_a_sampled_option_is_a_whole_word() -> None:
    assert option_in(" **express**, I think", OPTIONS) == "EXPRESS"
    assert option_in("EXPRESSION", OPTIONS) is None
    assert option_in("It is EXPRESS", OPTIONS) is None
    assert option_in("EXP", OPTIONS) is None
    assert option_in("**Answer:** EXPRESS.", OPTIONS) == "EXPRESS"
    assert option_in("EXPRESS or EXPLAIN", OPTIONS) is None


def test_a_majority_is_two_standard_errors_ahead() -> None:
    assert has_majority(["EXPRESS"] * 4, OPTIONS)
    assert not has_majority(["EXPRESS"] * 3, OPTIONS)
    assert not has_majority(["EXPRESS", "EXPLAIN"] * 2, OPTIONS)
    assert not has_majority(["EXPRESS"] * 5 + ["EXPLAIN"] * 3, OPTIONS)
    assert has_majority(["EXPRESS"] * 12 + ["EXPLAIN"] * 4, OPTIONS)


def test_sampled_choices_are_shares_of_what_could_be_read() -> None:
    found = sampled_choice(["EXPRESS", "NEITHER", "EXPRESS", "hm"], OPTIONS)
    assert dict(found) == pytest.approx({"EXPRESS": 2 / 3, "EXPLAIN": 0.0, "NEITHER": 1 / 3})
    with pytest.raises(Unscored):
        sampled_choice(["hm"] * 4, OPTIONS)
