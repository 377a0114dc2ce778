"""Advice of a report, and its interpretation of its own numbers."""

import pytest

from agent.review.report.advice import (
    advice,
    controls_note,
    flap_note,
    headline,
    inflation_warning,
    model_warning,
    reliability_warning,
)
from agent.review.report.markdown import summary
from agent.review.report.model import Drift, Report, RunMeasures
from agent.schema import Cause, Controls, Ending, Mode, Question, Stop
from agent.stats import wilson
from tests.review.report.examples import controls, example, sustained


def with_flap(k: int, n: int) -> Report:
    report = example()
    measured = RunMeasures(audit=wilson(0, 0), flaps=((Question.C0, wilson(k, n)),))
    return report.model_copy(update={"measured": measured})


@pytest.mark.parametrize(("high", "warned"), [(0.5, True), (0.899, True), (0.9, False), (1.0, False)])
def test_verdicts_are_advice_when_the_whole_interval_lies_under_nine_tenths(high: float, warned: bool) -> None:
    report = example().model_copy(update={"controls": controls(high)})
    assert report.is_judge_unreliable is warned
    assert ("are advice" in (reliability_warning(report) or "")) is warned


def test_without_controls_there_is_no_warning() -> None:
    assert reliability_warning(example()) is None


def test_the_headline_is_the_ending_and_its_reason_in_one_sentence() -> None:
    assert headline(example()) == "Ready, parked items remain: 4 pairs are audited; 1 parked pair waits for a human."
    assert headline(example(stop=None, state="it is running now")) == "Not finished: it is running now."


@pytest.mark.parametrize("ending", list(Ending))
def test_every_ending_has_its_next_step(ending: Ending) -> None:
    sentences = advice(example(stop=Stop(ending=ending, why="so it is")))
    assert sentences[0].endswith(".")
    assert any("response[:5]" in sentence for sentence in sentences)


def answered_by(*models: tuple[str, str, int]) -> Report:
    report = example()
    asked = report.asked.model_copy(update={"models": (("judge", "org/gpt-5 at https://x/v1 by logprobs"),)})
    return report.model_copy(update={"asked": asked, "answered_by": models})


def test_another_model_than_the_one_asked_for_is_named_with_its_answers() -> None:
    report = answered_by(("judge", "gpt-5-2026-01-01", 300), ("judge", "llama-1b", 20))
    said = "Asked for org/gpt-5, the judge was gpt-5-2026-01-01 (300 answers), llama-1b (20 answers)."
    assert model_warning(report) == said
    assert said in advice(report)
    assert "* Models: Asked for org/gpt-5" in summary(report)


@pytest.mark.parametrize("models", [(), (("judge", "GPT-5-2026-01-01", 9),), (("author", "whatever", 1),)])
def test_the_model_that_was_asked_for_is_not_mentioned(models: tuple[tuple[str, str, int], ...]) -> None:
    assert model_warning(answered_by(*models)) is None


def test_failures_are_listed_with_advice_and_flags_with_a_warning() -> None:
    text = " ".join(advice(example()))
    assert "1 scenario of the set fails, with LATE: the trait comes late" in text
    assert "1 pair keeps part of the trait in the text" in text


def test_in_sustained_mode_the_whole_response_is_to_be_extracted() -> None:
    report = example()
    trait = report.asked.trait.model_copy(update={"mode": Mode.SUSTAINED})
    sustained = report.model_copy(update={"asked": report.asked.model_copy(update={"trait": trait})})
    assert "response[:]" in advice(sustained)[-1]


def test_a_flap_rate_of_eighteen_percent_means_one_wrong_answer_in_ten() -> None:
    note = flap_note(with_flap(18, 100))  # 2 * 0.1 * 0.9 = 0.18, and 0.1 cubed is 1000 in a million
    assert note is not None
    assert "wrong 10.0 times in 100" in note
    assert "about 1,000 times in a million" in note
    assert "not a guarantee" in note


@pytest.mark.parametrize(("k", "n"), [(0, 0), (50, 100)])
def test_nothing_is_derived_from_no_measurement_or_from_a_coin(k: int, n: int) -> None:
    assert flap_note(with_flap(k, n)) is None


def test_controls_are_counted_on_each_side_of_the_threshold() -> None:
    assert controls_note(example()) is None
    report = example().model_copy(update={"controls": controls(1.0)})
    assert controls_note(report) == (
        "2 of 3 open controls score 50 or less, up to which a text counts as open; "
        "2 of 3 committed ones score 60 or more."
    )
    beside = Controls(committed=(97.0, 99.0, 99.0), open=(50.0, 55.0, 57.0), auc=1.0, low=0.9, high=1.0)
    note = controls_note(report.model_copy(update={"controls": beside}))
    assert note is not None
    assert note.startswith("1 of 3 open controls scores 50 or less")
    assert note.endswith("The AUC measures only their order: fewer than half of the open ones are on the right side.")


def test_in_sustained_mode_a_rising_commitment_is_not_warned_about() -> None:
    drift = Drift(n=9, forecast=(5.0, 2.0, 8.0), commitment=(9.0, 3.0, 15.0))
    assert "more of the trait before the cut" in (
        inflation_warning(example().model_copy(update={"drift": drift})) or ""
    )
    assert inflation_warning(sustained().model_copy(update={"drift": drift})) is None


def test_after_a_stop_the_next_step_is_to_resume() -> None:
    by_file = Stop(ending=Ending.STOPPED, cause=Cause.STOP_FILE, why="a stop was asked for")
    assert "Withdraw the stop request with `cliffhanger resume`" in advice(example(stop=by_file))[0]
    by_signal = Stop(ending=Ending.STOPPED, cause=Cause.SIGNAL, why="SIGINT")
    assert advice(example(stop=by_signal))[0].startswith("Rerun the command")


def test_the_next_step_says_where_the_pairs_are_shown() -> None:
    ready = example(stop=Stop(ending=Ending.READY, why="all is well"))
    assert "added pairs below, decide" in advice(ready)[0]
    assert "added pairs in report.html, decide" in advice(ready, "in report.html")[0]
