"""A conflict over an edit that nobody can approve: what the reviewer is told to do can be done."""

from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from agent.review.cards import CardState
from agent.review.session import NotAllowed, NotRechecked, ReviewSession
from agent.schema import Act, Outcome
from tests.review.story import DATASET, MENDED, Morning, morning, pair
from tests.review.test_terminal import play, press, until

EDIT = ("She wanted the answers, so I", MENDED.negative.text)
THEIRS = pair("d0001", "She wanted the exam answers at once, so I", MENDED.negative.text, 1)


@pytest.fixture
def story(tmp_path: Path) -> Morning:
    return morning(tmp_path)


def in_conflict(story: Morning, desk: ReviewSession) -> ReviewSession:
    """The desk, after its reviewer's edit of d0001 and somebody else's."""
    desk.edit("d0001", *EDIT, desk.card("d0001").seal)
    story.write([DATASET[0], THEIRS, *DATASET[2:]])
    assert desk.card("d0001").state is CardState.CONFLICT
    return desk


def test_over_a_failed_edit_both_ways_lead_to_reject_and_from_there_to_an_edit(story: Morning) -> None:
    story.outcome = Outcome.FAIL
    desk = in_conflict(story, story.desk())
    seal = desk.card("d0001").seal
    with pytest.raises(NotRechecked, match="and reject it first, then edit it again"):
        desk.decide("d0001", Act.APPROVE, seal)
    with pytest.raises(NotAllowed, match="reject it first, which keeps the dataset's text. Then edit it"):
        desk.edit("d0001", "Better, so I", MENDED.negative.text, seal)
    card = desk.decide("d0001", Act.REJECT, seal)
    card = desk.edit("d0001", "Better, so I", MENDED.negative.text, card.seal)
    with pytest.raises(NotRechecked, match="and edit it again or reject it"):
        desk.decide("d0001", Act.APPROVE, card.seal)


def test_over_an_unchecked_edit_the_check_decides_as_approve_says(story: Morning) -> None:
    desk = in_conflict(story, replace(story.desk(), recheck=None))
    with pytest.raises(NotRechecked, match="check it, then approve it"):
        desk.decide("d0001", Act.APPROVE, desk.card("d0001").seal)
    card = story.desk().check("d0001")
    assert story.desk().decide("d0001", Act.APPROVE, card.seal).effect == "replace"


def test_a_check_that_fails_in_a_conflict_says_in_the_terminal_what_can_be_done(story: Morning) -> None:
    in_conflict(story, replace(story.desk(), recheck=None))
    story.outcome = Outcome.FAIL

    async def then(pilot: Pilot[None]) -> None:
        await press(pilot, "x")
        await until(pilot, "reject it first, then edit it")

    play(story.desk(), then=then, size=(140, 30))
