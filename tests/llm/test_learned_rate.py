"""The learned rate: lowered by each refusal, close to the measured rate, and rising from there."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.llm.rate_limiter import Cooldown, LearnedRate, RateEvidence, SuccessWindow, after_rate_limit

EVIDENCE = RateEvidence(measured=20.0, proven=50, saturated=True, latency=0.05, wait=0.0)


def evidence(**more: float) -> RateEvidence:
    return RateEvidence(**{**EVIDENCE.__dict__, **more})


def test_a_rate_rises_to_its_ceiling_stays_near_it_and_then_leaves_it_ever_faster() -> None:
    learned = LearnedRate(ceiling=20, step=0.05, climb=5)
    rates = [learned.rate(age) for age in range(0, 30, 5)]
    assert rates == pytest.approx([19, 20, 21, 28, 47, 84])
    assert all(earlier <= later for earlier, later in pairwise(learned.rate(age / 10) for age in range(300)))


@given(
    st.floats(0.2, 1e4),
    st.sampled_from((0.05, 0.25)),
    st.floats(0, 3),
    st.builds(
        RateEvidence, st.floats(0.01, 1e5), st.integers(1, 1000), st.booleans(), st.floats(0.001, 60), st.floats(0, 60)
    ),
)
def test_a_refusal_always_lowers_the_rate_but_never_below_half(
    ceiling: float, step: float, climbs: float, evidence: RateEvidence
) -> None:
    learned = LearnedRate(ceiling, step, 5.0)
    before, after = learned.rate(5 * climbs), after_rate_limit(learned, 5 * climbs, evidence).rate(0)
    assert min(before, 0.075) <= after <= max(0.1, before)
    assert after >= 0.5 * before


def test_a_proven_rate_is_replaced_by_the_measured_one() -> None:
    assert after_rate_limit(LearnedRate(22, 0.05, 5), 5, EVIDENCE).rate(0) == pytest.approx(19)


def test_an_unproven_rate_is_cut_far() -> None:
    assert after_rate_limit(LearnedRate(50, 0.05, 5), 5, evidence(proven=2)).rate(0) == pytest.approx(30)


def test_a_rate_measured_while_no_call_was_queued_is_ignored() -> None:
    assert after_rate_limit(LearnedRate(20, 0.05, 5), 5, evidence(measured=1.0, saturated=False)).rate(
        0
    ) == pytest.approx(19)


def test_a_long_retry_after_delays_the_next_climb() -> None:
    cheap, dear = (after_rate_limit(LearnedRate(20, 0.05, 5), 5, evidence(wait=wait)) for wait in (0.0, 2.0))
    assert (cheap.climb, dear.climb) == (5, 25)


def test_of_two_cooldowns_the_later_end_counts() -> None:
    cooldown = Cooldown()
    cooldown.extend(100, 30)
    cooldown.extend(101, 5)
    assert (cooldown.until, cooldown.remaining(110), cooldown.remaining(200)) == (130, 20, 0)
    cooldown.extend(120, 20)
    assert cooldown.until == 140


def test_cooldowns_are_left_out_of_the_time_that_raises_a_rate() -> None:
    cooldown = Cooldown()
    cooldown.extend(100, 30)
    cooldown.extend(110, 30)
    assert [cooldown.active_time(now) for now in (100, 120, 140, 150)] == [100, 100, 100, 110]
    assert cooldown.half_active_time(150) == 130


def test_successes_are_counted_over_the_last_two_seconds() -> None:
    successes = SuccessWindow()
    for number in range(100):
        successes.add(number / 10)
    assert successes.rate(9.9) == pytest.approx(10, rel=0.06)
    for number in range(100):
        successes.add(10 + number / 50)
    assert successes.rate(11.99) == pytest.approx(50, rel=0.03)


def test_rare_successes_are_counted_over_longer() -> None:
    successes = SuccessWindow()
    for number in range(50):
        successes.add(10.0 * number)
    assert successes.rate(490) == pytest.approx(0.1, rel=0.1)


def test_after_an_idle_hour_the_count_starts_anew() -> None:
    successes = SuccessWindow()
    for number in range(50):
        successes.add(number / 10)
    successes.clear()
    for number in range(20):
        successes.add(3600 + number / 10)
    assert successes.rate(3602) == pytest.approx(10)
