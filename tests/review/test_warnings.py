"""Cautions: what a reviewer should look at twice."""

from pathlib import Path

import pytest

from agent.review.cards import CardWarning
from agent.review.labels import WARNINGS
from agent.review.proposal import Proposal, evidence_of
from agent.schema import Flag, Question, Tally, VoteOutcome
from tests.loop.histories import POSITIVE
from tests.review.example import BETTER, CHANGES, ReviewExample, examined, proposal, review_example


@pytest.fixture
def example(tmp_path: Path) -> ReviewExample:
    return review_example(tmp_path)


def test_warnings_name_the_reasons_to_look_again(example: ReviewExample) -> None:
    got = {name: {warning.value for warning in card.warnings} for name, card in example.cards().items()}
    assert got["d0001"] == set()
    assert got["d0002"] == {"failing", "dropped"}
    assert got["d0003"] == {"unjudged", "parked"}
    assert got["n0001"] == {"failing"}
    assert set(WARNINGS) == set(CardWarning)


@pytest.mark.parametrize(
    ("question", "score", "near"),
    [
        (Question.FORECAST, 64.9, True),
        (Question.FORECAST, 66.0, False),
        (Question.RESPONSE, 60.0, True),
        (Question.C0, 46.0, True),
        (Question.C0, 12.0, False),
        (Question.C5, 62.0, True),
        (Question.CL, 60.0, False),
    ],
)
def test_a_score_within_five_points_of_its_threshold_is_borderline(
    tmp_path: Path, question: Question, score: float, near: bool
) -> None:
    made = review_example(tmp_path)
    tally = Tally(question=question, ruling=VoteOutcome.FAVOURABLE, votes=(), score=score)
    flagged = _with_evidence(tallies=(tally,), flags=(Flag.LATE, Flag.EXTENDED))
    made.proposal = flagged
    got = set(made.cards()["d0001"].warnings)
    assert got == {CardWarning.LATE, CardWarning.EXTENDED} | ({CardWarning.BORDERLINE} if near else set())


def _with_evidence(**update: object) -> Proposal:
    seen = examined(BETTER)[0].model_copy(update=update)
    changed = CHANGES[1]
    side = changed.sides[0]
    assert side.polarity is POSITIVE
    after = side.after.model_copy(update={"evidence": evidence_of(seen)})
    sides = (side.model_copy(update={"after": after}), changed.sides[1])
    return proposal([CHANGES[0], changed.model_copy(update={"sides": sides}), *CHANGES[2:]])
