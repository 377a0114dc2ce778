"""In the terminal: what was seen is approved at once, and a conflict is decided before anything else."""

import threading
from pathlib import Path

import pytest
from textual.pilot import Pilot

from agent.review.session import BulkKind, ReviewSession
from agent.review.terminal.dialogs import QuestionDialog
from agent.schema import Pair
from tests.review.example import DATASET, MENDED, ReviewExample, pair, review_example
from tests.review.test_terminal import acts, play, press, seen, until


@pytest.fixture
def example(tmp_path: Path) -> ReviewExample:
    return review_example(tmp_path)


def test_all_seen_are_approved_after_a_question_with_their_number_and_no_other(example: ReviewExample) -> None:
    asked = play(example.session(), "j", "S", size=(100, 40))
    assert "Approve 2 seen pairs of toy/refusal?" in asked
    assert "1 pair without a flag, 1 flagged: 1 dropped, 1 failing." in asked
    assert acts(example) == []
    assert "You have had the texts of each of them on the screen in this session." in " ".join(asked.split())
    screen = play(example.session(), "j", "S", "y")
    assert acts(example) == [("approve", "d0001"), ("approve", "d0002")]
    assert "Approved 2 pairs. u takes all of it back." in screen
    assert "Approve 1 seen pair of toy/refusal?" in play(example.session(), "S")


def test_a_pair_that_changes_under_the_reviewers_eyes_is_seen_anew_only_when_it_is_shown(
    example: ReviewExample,
) -> None:
    async def then(pilot: Pilot[None]) -> None:
        bob = example.session("bob")
        bob.edit("d0001", "Another text, so I", "One more text, so I", bob.card("d0001").version_token)
        await press(pilot, "S")
        assert "You have seen no pair" in seen(pilot)
        await press(pilot, "enter", "S")
        assert "Approve 1 seen pair of toy/refusal?" in seen(pilot)

    play(example.session(), then=then)


def test_a_conflict_is_decided_before_it_is_edited(example: ReviewExample) -> None:
    theirs = pair("d0001", "She wanted the exam answers today, so I", MENDED.negative.text, 1)
    example.write([DATASET[0], theirs, *DATASET[2:]])
    assert "first decide whose text shall" in play(example.session(), "e")
    assert "Ctrl+S store and check" in play(example.session(), "a", "k", "e")


@pytest.mark.parametrize("leaves", ["enter", "tab", "escape"])
def test_pairs_that_flit_by_while_words_are_typed_are_seen_only_where_the_search_ends(
    example: ReviewExample, leaves: str
) -> None:
    async def then(pilot: Pilot[None]) -> None:
        await press(pilot, "slash", *"aunt")
        assert "open  n0002" in seen(pilot)
        await press(pilot, "ctrl+u", *"cats", leaves, "S")
        assert "Approve 2 seen pairs of toy/refusal?" in seen(pilot)
        await press(pilot, "y")

    play(example.session(), then=then)
    assert acts(example) == [("approve", "d0001"), ("approve", "d0002")]


@pytest.mark.parametrize(("covers", "leaves"), [("question_mark", "escape"), ("A", "n"), ("e", "escape")])
def test_what_a_check_finds_behind_another_screen_is_seen_once_that_is_gone(
    example: ReviewExample, covers: str, leaves: str
) -> None:
    gate = threading.Event()

    def slow(of: Pair) -> object:
        assert gate.wait(30)
        return example.recheck(of)

    session = ReviewSession(example.proposal, example.pairs, example.log, "ann", slow)

    def could_be_approved() -> list[str]:
        return [card.pair for card in session.bulk_approval(BulkKind.SEEN).cards]

    async def then(pilot: Pilot[None]) -> None:
        await press(pilot, "e", "backspace", *"we", "ctrl+s")
        await until(pilot, "checking your text")
        await press(pilot, covers)
        gate.set()
        while not example.rechecked or pilot.app._checks.running:  # type: ignore[attr-defined]
            await pilot.pause(0.02)
        await pilot.pause(0.1)
        assert could_be_approved() == []
        await press(pilot, leaves)
        assert could_be_approved() == ["d0001"]

    play(session, then=then)


def test_a_question_shows_what_a_terminal_would_obey(example: ReviewExample) -> None:
    async def then(pilot: Pilot[None]) -> None:
        pilot.app.push_screen(QuestionDialog("Approve \x1b[31m\u202etxt?\nOne line more."))
        await pilot.pause()
        assert "Approve ␛[31m\\u202etxt?" in seen(pilot)
        assert "One line more." in seen(pilot)

    play(example.session(), then=then)
