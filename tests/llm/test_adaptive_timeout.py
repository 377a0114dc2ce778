"""The time an attempt may take follows the time that answers take."""

import pytest

from agent.llm.circuit_breaker import AdaptiveTimeout


def measured(*seconds: float) -> AdaptiveTimeout:
    learned = AdaptiveTimeout()
    for second in seconds:
        learned.record(second)
    return learned


def test_it_is_a_minute_until_twenty_answers_came() -> None:
    assert measured().timeout() == 60
    assert measured(*[1.0] * 19).timeout() == 60
    assert measured(*[10.0] * 20).timeout() == 40


def test_it_is_four_times_what_95_of_100_answers_need() -> None:
    assert measured(*[6.0] * 95, *[40.0] * 5).timeout() == 24
    assert measured(*[6.0] * 94, *[40.0] * 6).timeout() == 160


@pytest.mark.parametrize(("seconds", "timeout"), [(0.05, 20), (5.0, 20), (7.0, 28), (45.0, 180), (900.0, 180)])
def test_it_stays_between_twenty_seconds_and_three_minutes(seconds: float, timeout: float) -> None:
    assert measured(*[seconds] * 50).timeout() == timeout


def test_only_the_last_two_hundred_answers_count() -> None:
    assert measured(*[40.0] * 500, *[8.0] * 200).timeout() == 32
    assert measured(*[8.0] * 500, *[40.0] * 11, *[8.0] * 189).timeout() == 160
    assert measured(*[8.0] * 500, *[40.0] * 11, *[8.0] * 190).timeout() == 32


def test_the_order_of_answers_does_not_matter() -> None:
    mixed = [float(7 * number % 200) / 10 for number in range(400)]
    assert measured(*mixed).timeout() == measured(*sorted(mixed[200:])).timeout() == pytest.approx(4 * 18.9)


@pytest.mark.parametrize(("timeouts", "timeout"), [(0, 40), (1, 80), (2, 160), (3, 180), (99, 180), (10**9, 180)])
def test_each_attempt_that_timed_out_doubles_it_for_that_request(timeouts: int, timeout: float) -> None:
    assert measured(*[10.0] * 20).timeout(timeouts) == timeout
