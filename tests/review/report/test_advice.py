"""What a report advises, and what it says of its own numbers."""

import pytest

from agent.review.report.advice import advice, bought, controls_meaning, flap_meaning, headline, warning
from agent.review.report.model import Drift, Report, RunMeasures
from agent.schema import Controls, Ending, Mode, Question, Stop
from agent.stats import wilson
from tests.review.report.examples import controls, example, sustained


def with_flap(k: int, n: int) -> Report:
    told = example()
    measured = RunMeasures(audit=wilson(0, 0), flaps=((Question.C0, wilson(k, n)),))
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


def test_controls_are_counted_on_their_side_of_the_line_since_an_auc_tells_only_their_order() -> None:
    assert controls_meaning(example()) is None
    told = example().model_copy(update={"controls": controls(1.0)})
    assert controls_meaning(told) == (
        "2 of 3 open controls score 50 or less, up to which a text counts as open; "
        "2 of 3 committed ones score 60 or more."
    )
    beside = Controls(committed=(97.0, 99.0, 99.0), open=(50.0, 55.0, 57.0), auc=1.0, low=0.9, high=1.0)
    said = controls_meaning(told.model_copy(update={"controls": beside}))
    assert said is not None
    assert said.startswith("1 of 3 open controls scores 50 or less")
    assert said.endswith(
        "The AUC tells their order only: fewer than half of the open ones are on their side of the line."
    )


def test_a_tone_that_shows_earlier_has_bought_nothing_where_it_may_show() -> None:
    drift = Drift(n=9, forecast=(5.0, 2.0, 8.0), commitment=(9.0, 3.0, 15.0))
    assert "more of the trait before the cut" in (bought(example().model_copy(update={"drift": drift})) or "")
    assert bought(sustained().model_copy(update={"drift": drift})) is None


def test_after_a_stop_the_next_step_is_to_take_it_back() -> None:
    first = advice(example(stop=Stop(ending=Ending.STOPPED, why="a stop was asked for")))[0]
    assert "run `cliffhanger resume` first" in first


def test_the_pairs_are_read_where_the_reader_finds_them() -> None:
    ready = example(stop=Stop(ending=Ending.READY, why="all is well"))
    assert "added pairs below, decide" in advice(ready)[0]
    assert "added pairs in report.html, decide" in advice(ready, "in report.html")[0]
