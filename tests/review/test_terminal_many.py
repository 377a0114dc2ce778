"""In the terminal: what was seen is approved at once, and a conflict is decided before anything else."""

from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.review.story import DATASET, MENDED, Morning, morning, pair
from tests.review.test_terminal import acts, play, press, seen


@pytest.fixture
def story(tmp_path: Path) -> Morning:
    return morning(tmp_path)


def test_all_seen_are_approved_after_a_question_with_their_number_and_no_other(story: Morning) -> None:
    asked = play(story.desk(), "j", "S", size=(100, 40))
    assert "Approve 2 seen pairs?" in asked
    assert "1 pair without a flag, 1 flagged: 1 dropped, 1 failing." in asked
    assert acts(story) == []
    screen = play(story.desk(), "j", "S", "y")
    assert acts(story) == [("approve", "d0001"), ("approve", "d0002")]
    assert "Approved 2 pairs. u takes all of it back." in screen
    assert "Approve 1 seen pair?" in play(story.desk(), "S")


def test_a_pair_that_changes_under_the_reviewers_eyes_is_seen_anew_only_when_it_is_shown(story: Morning) -> None:
    async def then(pilot: Pilot[None]) -> None:
        bob = story.desk("bob")
        bob.edit("d0001", "Another text, so I", "One more text, so I", bob.card("d0001").seal)
        await press(pilot, "S")
        assert "You have seen no pair" in seen(pilot)
        await press(pilot, "enter", "S")
        assert "Approve 1 seen pair?" in seen(pilot)

    play(story.desk(), then=then)


def test_a_conflict_is_decided_before_it_is_edited(story: Morning) -> None:
    theirs = pair("d0001", "She wanted the exam answers today, so I", MENDED.negative.text, 1)
    story.write([DATASET[0], theirs, *DATASET[2:]])
    assert "first decide whose text shall" in play(story.desk(), "e")
    assert "Ctrl+S store and check" in play(story.desk(), "a", "k", "e")
