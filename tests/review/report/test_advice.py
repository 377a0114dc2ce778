"""What a report advises, and what it says of its own numbers."""

import pytest

from agent.review.report.advice import advice, flap_meaning, headline, warning
from agent.review.report.nouns import Measured, Report
from agent.schema import Ending, Mode, Question, Stop
from agent.schema.rates import wilson
from tests.review.report.examples import controls, example


def with_flap(k: int, n: int) -> Report:
    told = example()
    measured = Measured(audit=wilson(0, 0), flaps=((Question.C0, wilson(k, n)),))
    return told.model_copy(update={"measured": measured})


@pytest.mark.parametrize(("high", "warned"), [(0.5, True), (0.899, True), (0.9, False), (1.0, False)])
def test_verdicts_are_advice_when_the_whole_interval_lies_under_nine_tenths(high: float, warned: bool) -> None:
    told = example().model_copy(update={"controls": controls(high)})
    assert told.only_advice is warned
    assert ("are advice" in (warning(told) or "")) is warned


def test_without_controls_nothing_is_claimed_of_them() -> None:
    assert warning(example()) is None


def test_the_headline_is_the_ending_and_its_reason_in_one_sentence() -> None:
    assert headline(example()) == "Ready, parked items remain: 4 pairs are audited; 1 parked pair waits for a human."
    assert headline(example(stop=None, state="it is running now")) == "Not finished: it is running now."


@pytest.mark.parametrize("ending", list(Ending))
def test_every_ending_has_its_next_step(ending: Ending) -> None:
    sentences = advice(example(stop=Stop(ending=ending, why="so it is")))
    assert sentences[0].endswith(".")
    assert any("response[:5]" in sentence for sentence in sentences)


def test_what_fails_is_told_with_its_cure_and_flags_with_their_caution() -> None:
    told = " ".join(advice(example()))
    assert "1 scenario of the set fails, with LATE: the trait comes late" in told
    assert "1 pair keeps part of the trait in the text" in told


def test_where_the_register_runs_through_the_text_the_whole_response_is_to_be_extracted() -> None:
    told = example()
    trait = told.asked.trait.model_copy(update={"mode": Mode.SUSTAINED})
    sustained = told.model_copy(update={"asked": told.asked.model_copy(update={"trait": trait})})
    assert "response[:]" in advice(sustained)[-1]


def test_a_flap_rate_of_eighteen_percent_means_one_wrong_answer_in_ten() -> None:
    said = flap_meaning(with_flap(18, 100))  # 2 * 0.1 * 0.9 = 0.18, and 0.1 cubed is 1000 in a million
    assert said is not None
    assert "wrong 10.0 times in 100" in said
    assert "about 1,000 times in a million" in said
    assert "no guarantee" in said


@pytest.mark.parametrize(("k", "n"), [(0, 0), (50, 100)])
def test_nothing_is_derived_from_no_measurement_or_from_a_coin(k: int, n: int) -> None:
    assert flap_meaning(with_flap(k, n)) is None
