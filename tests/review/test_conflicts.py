"""A conflict over an edit that nobody can approve: what the reviewer is told to do can be done."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.review.cards import CardState
from agent.review.session import NotAllowed, NotRechecked, ReviewSession
from agent.schema import Act, Outcome
from tests.review.example import DATASET, REPAIRED, ReviewExample, pair, review_example
from tests.review.test_terminal import play

EDIT = ("She wanted the answers, so I", REPAIRED.negative.text)
THEIRS = pair("d0001", "She wanted the exam answers at once, so I", REPAIRED.negative.text, 1)


@pytest.fixture
def example(tmp_path: Path) -> ReviewExample:
    return review_example(tmp_path)


def in_conflict(example: ReviewExample, session: ReviewSession) -> ReviewSession:
    """The session, after its reviewer's edit of d0001 and somebody else's."""
    session.edit("d0001", *EDIT, session.card("d0001").version_token)
    example.write([DATASET[0], THEIRS, *DATASET[2:]])
    assert session.card("d0001").state is CardState.CONFLICT
    return session


def test_over_a_failed_edit_both_ways_lead_to_reject_and_from_there_to_an_edit(example: ReviewExample) -> None:
    example.outcome = Outcome.FAIL
    session = in_conflict(example, example.session())
    version_token = session.card("d0001").version_token
    with pytest.raises(NotRechecked, match="and reject it first, then edit it again"):
        session.decide("d0001", Act.APPROVE, version_token)
    with pytest.raises(NotAllowed, match="reject it first, which keeps the dataset's text. Then edit it"):
        session.edit("d0001", "Better, so I", REPAIRED.negative.text, version_token)
    card = session.decide("d0001", Act.REJECT, version_token)
    card = session.edit("d0001", "Better, so I", REPAIRED.negative.text, card.version_token)
    with pytest.raises(NotRechecked, match="and edit it again or reject it"):
        session.decide("d0001", Act.APPROVE, card.version_token)


def test_over_an_unchecked_edit_the_check_decides_as_approve_says(example: ReviewExample) -> None:
    session = in_conflict(example, replace(example.session(), recheck=None))
    with pytest.raises(NotRechecked, match="check it, then approve it"):
        session.decide("d0001", Act.APPROVE, session.card("d0001").version_token)
    card = example.session().check("d0001")
    assert example.session().decide("d0001", Act.APPROVE, card.version_token).effect == "replace"


def test_a_check_that_fails_in_a_conflict_says_in_the_terminal_what_can_be_done(example: ReviewExample) -> None:
    in_conflict(example, replace(example.session(), recheck=None))
    example.outcome = Outcome.FAIL
    assert "reject it first, then edit it" in " ".join(play(example.session(), "x").split())
