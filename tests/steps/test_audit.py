"""Rates with their intervals, each against a value computed a second way."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.schema import Depth, Finding, Question, Tally, Vote, VoteOutcome
from agent.stats import wilson
from agent.steps.reliability import audit_rate, flap_rates
from tests.loop.histories import (
    AUDIT,
    CONFIRM,
    FAIL,
    FIRST,
    NEGATIVE,
    PASS,
    POSITIVE,
    UNJUDGED,
    edited,
    finding,
    pair,
    pairs,
)

Q = Question
Z = 1.959963984540054


def bound(k: int, n: int, side: int) -> float:
    """A Wilson bound by bisection: where the observed rate lies Z standard errors from the true one."""
    low, high = (0.0, k / n) if side < 0 else (k / n, 1.0)
    for _ in range(200):
        middle = (low + high) / 2
        inside = abs(k / n - middle) <= Z * math.sqrt(middle * (1 - middle) / n)
        if inside == (side < 0):
            high = middle
        else:
            low = middle
    return (low + high) / 2


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_where_the_rate_lies_within_its_standard_errors(kn: tuple[int, int]) -> None:
    rate = wilson(*kn)
    assert rate.low == pytest.approx(bound(*kn, side=-1), abs=2e-6)
    assert rate.high == pytest.approx(bound(*kn, side=1), abs=2e-6)


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662)],
)
def test_the_interval_agrees_with_published_values(k: int, n: int, low: float, high: float) -> None:
    rate = wilson(k, n)
    assert (round(rate.low, 4), round(rate.high, 4)) == (low, high)


def test_nothing_measured_leaves_everything_open() -> None:
    rate = wilson(0, 0)
    assert (rate.low, rate.high) == (0.0, 1.0)
    assert str(rate) == "not measured (n = 0)"


def test_a_rate_is_told_with_its_numbers_and_interval() -> None:
    assert str(wilson(5, 10)) == "5/10 = 50.0% [23.7%, 76.3%]"


@pytest.mark.parametrize(("k", "n"), [(-1, 3), (4, 3), (1, 0)])
def test_an_impossible_rate_is_an_error(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="is not a rate"):
        wilson(k, n)


# Audits.


def test_the_audit_rate_counts_scenarios_at_their_audit_only() -> None:
    one, two = pairs(2)
    seen = [finding(one, POSITIVE, FAIL), finding(one, POSITIVE, PASS, CONFIRM)]
    audits = [finding(p, side, PASS, AUDIT) for p in (one, two) for side in (POSITIVE, NEGATIVE)][:3]
    rate = audit_rate([*seen, *audits, finding(two, NEGATIVE, FAIL, AUDIT)])
    assert (rate.k, rate.n) == (3, 4)


def test_only_the_first_audit_of_a_text_counts() -> None:
    one = pair()
    rate = audit_rate([finding(one, outcome=FAIL, depth=AUDIT), finding(one, outcome=PASS, depth=AUDIT)])
    assert (rate.k, rate.n) == (0, 1)


def test_a_mended_text_is_audited_for_the_first_time() -> None:
    one = pair()
    rate = audit_rate([finding(one, outcome=FAIL, depth=AUDIT), finding(edited(one, POSITIVE), depth=AUDIT)])
    assert (rate.k, rate.n) == (1, 2)


def test_without_an_audit_the_rate_is_not_measured() -> None:
    assert audit_rate([finding(pair())]).n == 0


# Flaps.


def tally(question: Question, **favourable: bool | None) -> Tally:
    """A tally by wording; `c1` is the third wording asked again at temperature 1."""
    votes = [Vote(wording=w.rstrip("1"), sample=int(w.endswith("1")), favourable=f) for w, f in favourable.items()]
    return Tally(question=question, ruling=VoteOutcome.FAVOURABLE, votes=tuple(votes))


def looked(name: str, *tallies: Tally, depth: Depth = CONFIRM) -> Finding:
    return finding(pair(name), depth=depth).model_copy(update={"tallies": tallies})


def test_a_flap_is_another_wording_that_contradicts_the_first() -> None:
    torn, firm = tally(Q.RESPONSE, a=True, b=False, audit=True), tally(Q.RESPONSE, a=False, b=False)
    rate = flap_rates([looked("d0000", torn, depth=AUDIT), looked("d0001", firm)])[Q.RESPONSE]
    assert (rate.k, rate.n) == (1, 3)


def test_flaps_are_counted_per_question() -> None:
    rates = flap_rates([looked("d0000", tally(Q.C0, a=True, b=True), tally(Q.C5, a=True, b=False))])
    assert {q: (r.k, r.n) for q, r in rates.items()} == {Q.C0: (0, 1), Q.C5: (1, 1)}


def test_a_question_asked_once_says_nothing_of_flaps() -> None:
    assert flap_rates([looked("d0000", tally(Q.C0, a=True))]) == {}


def test_appeals_are_not_counted_since_they_are_heard_only_where_a_vote_was_adverse() -> None:
    rate = flap_rates([looked("d0000", tally(Q.C0, a=True, b=False, c=False, c1=False, b1=True))])[Q.C0]
    assert (rate.k, rate.n) == (1, 1)
    assert flap_rates([looked("d0000", tally(Q.C0, a=False, b=True, c=True, c1=True), depth=FIRST)]) == {}


def test_unreadable_votes_are_no_flaps() -> None:
    seen = [looked("d0000", tally(Q.C0, a=True, b=None)), looked("d0001", tally(Q.C0, a=None, b=False, audit=True))]
    rate = flap_rates(seen)[Q.C0]
    assert (rate.k, rate.n) == (1, 1)


def test_a_text_looked_at_more_than_once_counts_by_its_latest_votes() -> None:
    first, later = tally(Q.C0, a=True, b=False), tally(Q.C0, a=True, b=False, audit=True)
    rate = flap_rates([looked("d0000", first), looked("d0000", later, depth=AUDIT)])[Q.C0]
    assert (rate.k, rate.n) == (1, 2)


def test_a_look_at_first_depth_does_not_wipe_out_what_a_confirmation_saw() -> None:
    kept = looked("d0000", tally(Q.C0, a=True, b=False))
    rate = flap_rates([kept, looked("d0000", tally(Q.C0, a=True), depth=FIRST)])[Q.C0]
    assert (rate.k, rate.n) == (1, 1)


def test_an_unjudged_audit_is_not_counted() -> None:
    one = pair()
    again = [finding(one, outcome=UNJUDGED, depth=AUDIT), finding(one, outcome=PASS, depth=AUDIT)]
    assert (audit_rate(again).k, audit_rate(again).n) == (1, 1)
