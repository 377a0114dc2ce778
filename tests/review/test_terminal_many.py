"""In the terminal: what was seen is approved at once, and a conflict is decided before anything else."""

import threading
from pathlib import Path

import pytest
from textual.pilot import Pilot

from agent.review.session import BulkKind, ReviewSession
from agent.review.terminal.dialogs import QuestionDialog
from agent.schema import Pair
from tests.review.story import DATASET, MENDED, Morning, morning, pair
from tests.review.test_terminal import acts, play, press, seen, until


@pytest.fixture
def story(tmp_path: Path) -> Morning:
    return morning(tmp_path)


def test_all_seen_are_approved_after_a_question_with_their_number_and_no_other(story: Morning) -> None:
    asked = play(story.desk(), "j", "S", size=(100, 40))
    assert "Approve 2 seen pairs of toy/refusal?" in asked
    assert "1 pair without a flag, 1 flagged: 1 dropped, 1 failing." in asked
    assert acts(story) == []
    assert "You have had the texts of each of them on the screen in this session." in " ".join(asked.split())
    screen = play(story.desk(), "j", "S", "y")
    assert acts(story) == [("approve", "d0001"), ("approve", "d0002")]
    assert "Approved 2 pairs. u takes all of it back." in screen
    assert "Approve 1 seen pair of toy/refusal?" in play(story.desk(), "S")


def test_a_pair_that_changes_under_the_reviewers_eyes_is_seen_anew_only_when_it_is_shown(story: Morning) -> None:
    async def then(pilot: Pilot[None]) -> None:
        bob = story.desk("bob")
        bob.edit("d0001", "Another text, so I", "One more text, so I", bob.card("d0001").seal)
        await press(pilot, "S")
        assert "You have seen no pair" in seen(pilot)
        await press(pilot, "enter", "S")
        assert "Approve 1 seen pair of toy/refusal?" in seen(pilot)

    play(story.desk(), then=then)


def test_a_conflict_is_decided_before_it_is_edited(story: Morning) -> None:
    theirs = pair("d0001", "She wanted the exam answers today, so I", MENDED.negative.text, 1)
    story.write([DATASET[0], theirs, *DATASET[2:]])
    assert "first decide whose text shall" in play(story.desk(), "e")
    assert "Ctrl+S store and check" in play(story.desk(), "a", "k", "e")


@pytest.mark.parametrize("leaves", ["enter", "tab", "escape"])
def test_pairs_that_flit_by_while_words_are_typed_are_seen_only_where_the_search_ends(
    story: Morning, leaves: str
) -> None:
    async def then(pilot: Pilot[None]) -> None:
        await press(pilot, "slash", *"aunt")
        assert "open  n0002" in seen(pilot)
        await press(pilot, "ctrl+u", *"cats", leaves, "S")
        assert "Approve 2 seen pairs of toy/refusal?" in seen(pilot)
        await press(pilot, "y")

    play(story.desk(), then=then)
    assert acts(story) == [("approve", "d0001"), ("approve", "d0002")]


@pytest.mark.parametrize(("covers", "leaves"), [("question_mark", "escape"), ("A", "n"), ("e", "escape")])
def test_what_a_check_finds_behind_another_screen_is_seen_once_that_is_gone(
    story: Morning, covers: str, leaves: str
) -> None:
    gate = threading.Event()

    def slow(of: Pair) -> object:
        assert gate.wait(30)
        return story.recheck(of)

    desk = ReviewSession(story.proposal, story.pairs, story.log, "ann", slow)

    def could_be_approved() -> list[str]:
        return [card.pair for card in desk.batch(BulkKind.SEEN).cards]

    async def then(pilot: Pilot[None]) -> None:
        await press(pilot, "e", "backspace", *"we", "ctrl+s")
        await until(pilot, "checking your text")
        await press(pilot, covers)
        gate.set()
        while not story.rechecked or pilot.app._checks.running:  # type: ignore[attr-defined]
            await pilot.pause(0.02)
        await pilot.pause(0.1)
        assert could_be_approved() == []
        await press(pilot, leaves)
        assert could_be_approved() == ["d0001"]

    play(desk, then=then)


def test_a_question_shows_what_a_terminal_would_obey(story: Morning) -> None:
    async def then(pilot: Pilot[None]) -> None:
        pilot.app.push_screen(QuestionDialog("Approve \x1b[31m\u202etxt?\nOne line more."))
        await pilot.pause()
        assert "Approve ␛[31m\\u202etxt?" in seen(pilot)
        assert "One line more." in seen(pilot)

    play(story.desk(), then=then)
