"""The ladder as measured, and a set whose better scores were bought: counted from histories made by hand."""

import pytest

from agent.review.report.advice import bought, noise_meaning
from agent.review.report.build import drift, words_between, yields
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
def test_words_are_counted_as_taken_out_and_put_in(old: str, new: str, count: int) -> None:
    assert words_between(old, new) == count


def mended() -> Round:
    done = repaired(OLD, NEW, (), (POSITIVE, Rung.CUT), (POSITIVE, Rung.CLIFFHANGER))
    candidates = (
        Candidate(text="I", rung=Rung.CUT, refused="1 characters long"),
        Candidate(text="Story d0000 is sad. It", rung=Rung.CUT, refused="does not pass"),
        Candidate(text=NEW.positive.text, rung=Rung.CLIFFHANGER),
    )
    return done.model_copy(update={"changes": (done.changes[0].model_copy(update={"candidates": candidates}),)})


def test_each_rung_tells_what_it_offered_what_held_and_how_many_words_it_changed() -> None:
    cut, cliffhanger = yields(history(adopted([OLD]), mended()))
    assert (cut.rung, cut.reached, cut.offered, cut.fit, cut.passing, cut.taken, cut.words) == (
        Rung.CUT, 1, 2, 1, 0, 0, None,
    )  # fmt: skip
    words = words_between(OLD.positive.text, NEW.positive.text)
    assert (cliffhanger.reached, cliffhanger.passing, cliffhanger.taken, cliffhanger.words) == (1, 1, 1, words)


def scored(of: Pair, polarity: Polarity, forecast: float, commitment: float) -> Finding:
    tallies = [
        Tally(question=question, ruling=VoteOutcome.FAVOURABLE, votes=(), score=score)
        for question, score in ((Question.FORECAST, forecast), (Question.C0, commitment))
    ]
    outcome = FAIL if forecast < 60 else PASS
    return finding(of, polarity, outcome).model_copy(update={"tallies": tuple(tallies)})


def nights(rise: float, commitment: float) -> tuple[Round, ...]:
    """Ten pairs whose positives were edited: the forecast rose by so much, C0 by so much, give or take."""
    rounds = []
    for number, old in enumerate(pairs(10)):
        new, wobble = edited(old, POSITIVE), number % 3
        rounds.append(adopted([old], [scored(old, POSITIVE, 50.0, 20.0)]))
        seen = [scored(new, POSITIVE, 50.0 + rise + wobble, 20.0 + commitment + wobble)]
        rounds.append(repaired(old, new, seen, (POSITIVE, Rung.STRENGTHEN)))
    return history(*rounds)


def test_scores_that_rise_with_commitment_are_called_out() -> None:
    told = drift(nights(30.0, 20.0))
    assert told is not None
    assert (told.n, told.is_bought) == (10, True)
    assert "Edits raised the forecast by 31 points and C0 by 21" in (bought(example(nights(30.0, 20.0))) or "")


@pytest.mark.parametrize(("rise", "commitment"), [(30.0, -10.0), (-5.0, 20.0), (30.0, -1.0)])
def test_better_scores_alone_or_more_commitment_alone_are_not(rise: float, commitment: float) -> None:
    told = drift(nights(rise, commitment))
    assert told is not None
    assert not told.is_bought
    assert bought(example(nights(rise, commitment))) is None


def test_a_few_edits_show_no_drift() -> None:
    assert drift(nights(30.0, 20.0)[:14]) is None


def test_the_page_says_what_the_flaps_lead_to() -> None:
    noise = JudgeNoise(
        flaps=(WordingDisagreement(question=Question.C0, wording="b", k=3, n=40),),
        accepted=0.0042,
        edited=0.013,
        edited_at_least=0.001,
        undecided=0.11,
    )
    told = example().model_copy(update={"noise": noise})
    assert "0.42% of the time at most (false accept)" in (noise_meaning(told) or "")
    assert "1.30% of the time (false reject)" in read(told).text
    assert noise_meaning(example()) is None
