"""Yields of the rungs, and score drift caused by edits, counted from hand-made histories."""

import pytest

from agent.review.report.advice import inflation_warning, noise_note
from agent.review.report.repair_stats import rung_yields, score_drift, word_distance
from agent.schema import (
    Candidate,
    Finding,
    JudgeNoise,
    Pair,
    Polarity,
    Question,
    Round,
    Rung,
    Tally,
    VoteOutcome,
    WordingDisagreement,
)
from tests.loop.histories import FAIL, PASS, POSITIVE, adopted, edited, finding, history, pairs, repaired
from tests.review.report.examples import example
from tests.review.report.test_page import read

OLD, NEW = pairs(1)[0], edited(pairs(1)[0], POSITIVE, "Another thought came, so I")


@pytest.mark.parametrize(
    ("old", "new", "count"),
    [("a b c", "a b c", 0), ("a b c", "a b", 1), ("a b c", "a x c", 2), ("", "a b", 2), ("so I told him", "so I", 2)],
)
def test_words_removed_and_inserted_are_counted(old: str, new: str, count: int) -> None:
    assert word_distance(old, new) == count


def repair_round() -> Round:
    done = repaired(OLD, NEW, (), (POSITIVE, Rung.CUT), (POSITIVE, Rung.CLIFFHANGER))
    candidates = (
        Candidate(text="I", rung=Rung.CUT, refused="1 characters long"),
        Candidate(text="Story d0000 is sad. It", rung=Rung.CUT, refused="does not pass"),
        Candidate(text=NEW.positive.text, rung=Rung.CLIFFHANGER),
    )
    return done.model_copy(update={"changes": (done.changes[0].model_copy(update={"candidates": candidates}),)})


def test_each_rung_counts_its_candidates_those_that_pass_and_the_words_changed() -> None:
    cut, cliffhanger = rung_yields(history(adopted([OLD]), repair_round()))
    assert (cut.rung, cut.reached, cut.offered, cut.fit, cut.passing, cut.taken, cut.words) == (
        Rung.CUT, 1, 2, 1, 0, 0, None,
    )  # fmt: skip
    words = word_distance(OLD.positive.text, NEW.positive.text)
    assert (cliffhanger.reached, cliffhanger.passing, cliffhanger.taken, cliffhanger.words) == (1, 1, 1, words)


def scored(of: Pair, polarity: Polarity, forecast: float, commitment: float) -> Finding:
    tallies = [
        Tally(question=question, ruling=VoteOutcome.FAVOURABLE, votes=(), score=score)
        for question, score in ((Question.FORECAST, forecast), (Question.C0, commitment))
    ]
    outcome = FAIL if forecast < 60 else PASS
    return finding(of, polarity, outcome).model_copy(update={"tallies": tuple(tallies)})


def inflated_history(rise: float, commitment: float) -> tuple[Round, ...]:
    """Ten pairs whose positives were edited: the forecast rose by so much, C0 by so much, with some noise."""
    rounds = []
    for number, old in enumerate(pairs(10)):
        new, noise = edited(old, POSITIVE), number % 3
        rounds.append(adopted([old], [scored(old, POSITIVE, 50.0, 20.0)]))
        findings = [scored(new, POSITIVE, 50.0 + rise + noise, 20.0 + commitment + noise)]
        rounds.append(repaired(old, new, findings, (POSITIVE, Rung.STRENGTHEN)))
    return history(*rounds)


def test_scores_that_rise_with_commitment_are_warned_about() -> None:
    drift = score_drift(inflated_history(30.0, 20.0))
    assert drift is not None
    assert (drift.n, drift.is_inflated) == (10, True)
    assert "Edits raised the forecast by 31 points and C0 by 21" in (
        inflation_warning(example(inflated_history(30.0, 20.0))) or ""
    )


@pytest.mark.parametrize(("rise", "commitment"), [(30.0, -10.0), (-5.0, 20.0), (30.0, -1.0)])
def test_better_scores_alone_or_more_commitment_alone_are_not_warned_about(rise: float, commitment: float) -> None:
    drift = score_drift(inflated_history(rise, commitment))
    assert drift is not None
    assert not drift.is_inflated
    assert inflation_warning(example(inflated_history(rise, commitment))) is None


def test_a_few_edits_show_no_drift() -> None:
    assert score_drift(inflated_history(30.0, 20.0)[:14]) is None


def test_the_page_says_what_the_flap_rates_lead_to() -> None:
    noise = JudgeNoise(
        flaps=(WordingDisagreement(question=Question.C0, wording="b", k=3, n=40),),
        accepted=0.0042,
        edited=0.013,
        edited_at_least=0.001,
        undecided=0.11,
    )
    report = example().model_copy(update={"noise": noise})
    assert "at most 0.42% of the time (false accept)" in (noise_note(report) or "")
    assert "1.30% of the time (false reject)" in read(report).text
    assert noise_note(example()) is None
