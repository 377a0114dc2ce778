"""The verdict table whole: every combination of answers against a second transcription of it."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.schema import Mode, NegativeTest, Polarity, Tally, Verdict, VoteOutcome, needed_questions
from agent.steps.verdict import VerdictInput, verdict
from tests.steps.verdict_inputs import (
    ABSENCE,
    DECISION,
    LIMITS,
    NEGATIVE,
    OPEN,
    OPPOSITE,
    POSITIVE,
    SUSTAINED,
    TIE,
    Q,
    evidence,
    said,
    speaks_for,
)


def transcribed(x: dict, mode: Mode, test: NegativeTest, polarity: Polarity) -> Verdict | None:
    """The table, written down a second time: the first line that holds gives the verdict."""
    j, v, c0, c5, cl, limit = x["j"], x["v"], x["c0"], x["c5"], x["cl"], LIMITS[mode]
    absence = test is ABSENCE and polarity is NEGATIVE
    asked = [x["opening"]] if mode is SUSTAINED else [c0] if absence else [v, c0, c5]
    wrong = j not in (TIE, OPEN) and not speaks_for(Q.RESPONSE, j, mode, polarity)
    # An explanation says nothing without its prefix, so that a failing response may still be one.
    explains = v in ("EXPLAIN", TIE) and c0 not in (TIE, OPEN) and c0 >= 60
    lines: list[tuple[bool, Verdict | None]] = [
        (OPEN in (j, *asked) or (mode is not SUSTAINED and not absence and cl == OPEN), None),
        (j == TIE, Verdict.UNSURE),
        (wrong and v == "NEITHER", Verdict.OFF_SCRIPT),
        (wrong and explains and mode is not SUSTAINED, Verdict.EXPLAIN),
        (wrong and (x["twin_failed"] or x["topic_failed"]), Verdict.TOPIC),
        (wrong, Verdict.WRONG),
        (TIE in asked, Verdict.UNSURE),
    ]
    for holds, answer in lines:
        if holds:
            return answer
    if mode is SUSTAINED:
        return Verdict.EXPRESS if speaks_for(Q.OPENING, x["opening"], mode, polarity) else Verdict.WRONG
    if absence:
        return Verdict.EXPRESS if c0 <= limit else Verdict.EXPLAIN
    cl = 55.0 if cl == TIE else cl
    lines = [
        (c0 >= 60 and v != "EXPRESS", Verdict.EXPLAIN),
        (v == "EXPLAIN" and c0 > limit, Verdict.EXPLAIN),
        (c0 <= limit and c5 < 60 <= cl, Verdict.LATE),
        (c0 <= limit and c5 >= 60 and v == "EXPRESS", Verdict.EXPRESS),
        (True, Verdict.UNSURE),
    ]
    return next(answer for holds, answer in lines if holds)


def flipped(x: dict, mode: Mode, test: NegativeTest, polarity: Polarity) -> Verdict | None:
    """The table with a flip test, which replaces an UNSURE about the prefix and nothing else."""
    flip = x["flip"]
    found = transcribed(x, mode, test, polarity)
    if found is not Verdict.UNSURE or x["j"] == TIE or mode is SUSTAINED:
        return found
    closed = x["c0"] == TIE or x["c0"] > LIMITS[mode]
    by_flip = {VoteOutcome.FAVOURABLE: Verdict.EXPRESS, VoteOutcome.OPEN: None}
    return Verdict.EXPLAIN if flip is VoteOutcome.ADVERSE and closed else by_flip.get(flip, Verdict.UNSURE)


J = (20.0, 40.0, 40.1, 59.9, 60.0, 80.0, TIE, OPEN)
V = ("EXPRESS", "EXPLAIN", "NEITHER", TIE, OPEN)
C0 = (0.0, 50.0, 50.1, 59.9, 60.0, 60.1, 100.0, TIE, OPEN)
C5 = (0.0, 59.9, 60.0, TIE, OPEN)
OPENINGS = (20.0, 59.9, 60.0, TIE, OPEN)


def combinations(mode: Mode) -> Iterator[dict]:
    openings = OPENINGS if mode is SUSTAINED else OPENINGS[:1]
    c0s = C0[3:] if mode is SUSTAINED else C0
    c5s = C5[:1] if mode is SUSTAINED else C5
    names = ("j", "v", "c0", "c5", "cl", "opening", "twin_failed", "topic_failed")
    for values in itertools.product(J, V, c0s, c5s, c5s, openings, (False, True), (False,)):
        yield dict(zip(names, values, strict=True))
    for j, v in itertools.product(J, V):
        yield dict(zip(names, (j, v, 20.0, 80.0, 90.0, 60.0, False, True), strict=True))


@pytest.mark.parametrize("polarity", Polarity)
@pytest.mark.parametrize("test", NegativeTest)
@pytest.mark.parametrize("mode", Mode)
def test_every_combination_of_answers_gets_the_verdict_of_the_table(
    mode: Mode, test: NegativeTest, polarity: Polarity
) -> None:
    differing = [
        x for x in combinations(mode)
        if said(mode=mode, test=test, polarity=polarity, **x) is not transcribed(x, mode, test, polarity)
    ]  # fmt: skip
    assert differing == []


RULINGS = (None, *VoteOutcome)


@pytest.mark.parametrize("polarity", Polarity)
@pytest.mark.parametrize("mode", Mode)
def test_the_flip_test_replaces_an_unsure_and_nothing_else(mode: Mode, polarity: Polarity) -> None:
    every = [
        dict(zip(("j", "v", "c0", "c5", "cl", "opening", "flip"), values, strict=True))
        | {"twin_failed": False, "topic_failed": False}
        for values in itertools.product((20.0, 80.0, TIE), V, C0, C5, (0.0, 90.0), (20.0, 80.0, TIE), RULINGS)
    ]
    differing = [
        x for x in every
        if said(mode=mode, test=OPPOSITE, polarity=polarity, **x) is not flipped(x, mode, OPPOSITE, polarity)
    ]  # fmt: skip
    assert differing == []


percents = st.floats(0, 100) | st.sampled_from([TIE, OPEN])
anything = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(Mode),
        "test": st.sampled_from(NegativeTest),
        "polarity": st.sampled_from(Polarity),
        "v": st.sampled_from(V),
        "twin_failed": st.booleans(),
        "topic_failed": st.booleans(),
        **{name: percents for name in ("j", "c0", "c5", "cl", "opening")},
    }
)


@given(anything)
@example({"mode": DECISION, "j": TIE, "v": OPEN})
def test_the_table_is_total_and_silent_only_when_a_needed_answer_is_missing(given: dict) -> None:
    x = evidence(**given)
    needed = needed_questions(x.mode, x.negative_test, x.polarity)
    missing = any(x.tallies[q].ruling is VoteOutcome.OPEN for q in needed)
    assert (verdict(x) is None) == missing


@given(anything)
def test_nothing_is_an_express_whose_response_fails_or_is_undecided(given: dict) -> None:
    x = evidence(**given)
    if verdict(x) is Verdict.EXPRESS:
        assert x.tallies[Q.RESPONSE].ruling is VoteOutcome.FAVOURABLE


@given(anything)
def test_nothing_is_an_express_whose_prefix_shows_the_behaviour_beyond_the_limit(given: dict) -> None:
    x = evidence(**given)
    if verdict(x) is Verdict.EXPRESS and x.mode is not SUSTAINED:
        score = x.tallies[Q.C0].score
        assert score is not None
        assert score <= x.limit


@given(anything)
def test_a_failing_response_is_wrong_or_off_script_or_the_topic_unless_the_prefix_is_committed(given: dict) -> None:
    x = evidence(**given)
    if x.tallies[Q.RESPONSE].ruling is VoteOutcome.ADVERSE and verdict(x) is not None:
        wrong_way = (Verdict.OFF_SCRIPT, Verdict.TOPIC, Verdict.WRONG)
        c0 = x.tallies[Q.C0].score
        committed = x.choice == "EXPLAIN" and c0 is not None and c0 >= 60 and x.mode is not SUSTAINED
        assert verdict(x) in wrong_way or (committed and verdict(x) is Verdict.EXPLAIN)


def test_answers_that_were_never_asked_for_count_as_missing() -> None:
    assert verdict(VerdictInput(DECISION, OPPOSITE, POSITIVE, {}, 50.0, 60.0)) is None


def test_a_decided_question_without_a_score_is_an_error_and_not_a_zero() -> None:
    x = evidence()
    broken = {**x.tallies, Q.C0: Tally(question=Q.C0, ruling=VoteOutcome.FAVOURABLE, votes=())}
    with pytest.raises(ValueError, match="c0 has no score"):
        verdict(VerdictInput(DECISION, OPPOSITE, POSITIVE, broken, 50.0, 60.0))
