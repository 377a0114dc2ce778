"""The verdict table whole: every combination of answers against a second transcription of it."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.schema import Mode, NegativeTest, Polarity, Question, Tally, Verdict, VoteOutcome
from agent.steps.verdict import Need, step, verdict
from tests.steps.verdict_inputs import (
    ABSENCE,
    DECISION,
    LIMITS,
    NEGATIVE,
    OPEN,
    OPPOSITE,
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

    def favours(question: Question, answer: float | str) -> bool:
        return isinstance(answer, float) and speaks_for(question, answer, mode, polarity)

    def least(answer: float | str, bound: float) -> bool:
        return isinstance(answer, float) and answer >= bound

    def most(answer: float | str, bound: float) -> bool:
        return isinstance(answer, float) and answer <= bound

    wrong = isinstance(j, float) and not favours(Q.RESPONSE, j)
    blamed = Verdict.TOPIC if x["twin_failed"] or x["topic_failed"] else Verdict.WRONG
    if mode is SUSTAINED:
        opening = x["opening"]
        lines: list[tuple[bool, Verdict | None]] = [
            (OPEN in (j, opening), None),
            (j == TIE, Verdict.UNSURE),
            (wrong, blamed),
            (opening == TIE, Verdict.UNSURE),
            (favours(Q.OPENING, opening), Verdict.EXPRESS),
            (True, Verdict.WRONG),
        ]
        return next(answer for holds, answer in lines if holds)
    absence = test is ABSENCE and polarity is NEGATIVE
    closed = least(c0, 60) and not most(c0, limit) and not absence
    says_explain = v in ("EXPLAIN", TIE)  # the choice that a tie of these tests leans to
    lines = [
        (c0 == OPEN, None),
        (closed and v == OPEN, None),
        (closed and says_explain, Verdict.EXPLAIN),  # an explanation needs no response
        (j == OPEN, None),
        (j == TIE and not absence and OPEN in (v, c5), None),
        (j == TIE, Verdict.UNSURE),
        (wrong and v == OPEN, None),
        (wrong and v == "NEITHER", Verdict.OFF_SCRIPT),
        (wrong and says_explain and least(c0, 60), Verdict.EXPLAIN),
        (wrong and not absence and v == "EXPRESS" and c5 == OPEN, None),
        (wrong and not absence and v == "EXPRESS" and least(c5, 60), Verdict.CONTEXT),
        (wrong, blamed),
        (absence and c0 == TIE, Verdict.UNSURE),
        (absence and most(c0, limit), Verdict.EXPRESS),
        (absence, Verdict.EXPLAIN),
        (OPEN in (v, c5), None),
        (TIE in (v, c0, c5), Verdict.UNSURE),
        (least(c0, 60) and v != "EXPRESS", Verdict.EXPLAIN),
        (v == "EXPLAIN" and not most(c0, limit), Verdict.EXPLAIN),
        (most(c0, limit) and least(c5, 60) and v == "EXPRESS", Verdict.EXPRESS),
        (most(c0, limit) and not least(c5, 60) and cl == OPEN, None),
        (most(c0, limit) and not least(c5, 60) and least(cl, 60), Verdict.LATE),
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
def test_the_table_is_total_and_asks_for_nothing_that_was_asked(given: dict) -> None:
    assert step(evidence(**given)) in (*Verdict, Need())


@given(anything)
def test_whatever_the_answers_the_table_asks_for_the_next_one_until_it_has_its_verdict(given: dict) -> None:
    whole = evidence(**given)
    x = replace(whole, tallies={})
    while isinstance(found := step(x), Need) and found.questions:
        assert found.questions[0] not in x.tallies
        x = replace(x, tallies={**x.tallies, **{q: whole.tallies[q] for q in found.questions}})
    assert found == step(whole)


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
def test_a_failing_response_never_passes(given: dict) -> None:
    x = evidence(**given)
    if x.tallies[Q.RESPONSE].ruling is VoteOutcome.ADVERSE:
        assert verdict(x) not in (Verdict.EXPRESS, Verdict.LATE, Verdict.UNSURE, Verdict.UNSTABLE)


def test_without_any_answer_the_prefix_alone_is_asked_about_first() -> None:
    assert step(replace(evidence(), tallies={})) == Need((Q.C0,))


def test_a_decided_question_without_a_score_is_an_error_and_not_a_zero() -> None:
    x = evidence()
    broken = {**x.tallies, Q.C0: Tally(question=Q.C0, ruling=VoteOutcome.FAVOURABLE, votes=())}
    with pytest.raises(ValueError, match="c0 has no score"):
        verdict(replace(x, tallies=broken))
