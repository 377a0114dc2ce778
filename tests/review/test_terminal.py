"""The review in a terminal: every key, by Textual's pilot, before a desk on real files."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from textual.pilot import Pilot

from agent.review.cards import CardState
from agent.review.session import RecheckFailed, ReviewSession
from agent.review.terminal.app import Review
from agent.schema import Act, Outcome, Pair, Verdict
from tests.review.story import DATASET, MENDED, Morning, change, morning, pair, proposal

PLAY = Callable[[Pilot[None]], Awaitable[None]]


@pytest.fixture
def story(tmp_path: Path) -> Morning:
    return morning(tmp_path)


def play(
    desks: ReviewSession | Sequence[ReviewSession],
    *keys: str,
    then: PLAY | None = None,
    size: tuple[int, int] = (80, 24),
) -> str:
    """Press keys one after the other; what is on the screen then."""

    async def played() -> str:
        app = Review([desks] if isinstance(desks, ReviewSession) else desks, when_done="`cliffhanger apply` writes it.")
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            for key in keys:
                await press(pilot, key)
            if then:
                await then(pilot)
            return seen(pilot)

    return asyncio.run(played())


async def press(pilot: Pilot[None], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await pilot.pause()


def seen(pilot: Pilot[None]) -> str:
    return "\n".join(strip.text for strip in pilot.app.screen._compositor.render_strips())


async def until(pilot: Pilot[None], words: str) -> None:
    for _ in range(400):
        if words in seen(pilot):
            return
        await pilot.pause(0.02)
    raise AssertionError(f"{words!r} never came:\n{seen(pilot)}")


def acts(story: Morning) -> list[tuple[str, str]]:
    """(act, pair) of all that is on disk."""
    return [(d.act.value, d.pair) for d in story.log.read().decisions]


def test_it_opens_at_the_first_pair_that_needs_a_decision_and_shows_its_difference(story: Morning) -> None:
    screen = play(story.desk(), size=(100, 40))
    assert "review toy/refusal  0 of 6 decided" in screen
    assert "open  d0001  changed, line 2" in screen
    assert "before She wanted the exam answers, so I refused" in screen
    assert " after She wanted the exam answers, so I " in screen
    assert "a approve" in screen
    assert "q quit" in screen


@pytest.mark.parametrize(
    ("keys", "stored"),
    [
        ("a", [("approve", "d0001")]),
        ("r", [("reject", "d0001")]),
        ("d", [("drop", "d0001")]),
        ("sa", [("approve", "d0002")]),
        ("jja", [("approve", "d0003")]),
        ("jka", [("approve", "d0001")]),
        ("ar", [("approve", "d0001"), ("reject", "d0002")]),
        ("au", [("approve", "d0001"), ("undo", "d0001")]),
        ("Ay", [("approve", "d0001"), ("approve", "n0000"), ("approve", "n0002")]),
        ("An", []),
        ("Ayu", [(act, name) for act in ("approve", "undo") for name in ("d0001", "n0000", "n0002")]),
        ("?q", []),
        ("ff", []),
        ("u", []),
    ],
)  # fmt: skip
def test_each_key_stores_exactly_what_it_says(story: Morning, keys: str, stored: list[tuple[str, str]]) -> None:
    play(story.desk(), *("question_mark" if key == "?" else key for key in keys))
    assert acts(story) == stored


def test_after_a_decision_the_next_open_pair_is_shown_and_undo_returns(story: Morning) -> None:
    assert "open  d0002" in play(story.desk(), "a")
    screen = play(story.desk(), "u")
    assert "open  d0001" in screen
    assert "Taken back: approve of d0001." in screen


def test_the_next_time_goes_on_at_the_first_open_pair(story: Morning) -> None:
    play(story.desk(), "a", "r")
    screen = play(story.desk())
    assert "2 of 6 decided" in screen
    assert "open  d0003" in screen


def test_approving_all_unflagged_asks_with_their_number(story: Morning) -> None:
    assert "Approve 3 unflagged pairs of toy/refusal?" in play(story.desk(), "A")
    screen = play(story.desk(), "A", "y")
    assert "Approved 3 pairs. u takes all of it back." in screen


def test_a_sentence_of_the_desk_is_shown_and_nothing_is_stored(story: Morning) -> None:
    screen = play(story.desk(), "f", "f", "f", "f", "f", "home", "a")
    assert "Nothing is proposed for d0000" in screen
    assert acts(story) == []


def test_when_all_is_decided_it_says_so_and_names_the_command(story: Morning) -> None:
    assert "Everything is decided. `cliffhanger apply` writes it." in play(story.desk(), *"rrrrrr")
    assert "Everything is decided." in play(story.desk())


def test_filters_list_what_they_name(story: Morning) -> None:
    listed = {"": "proposed: 6", "f": "to decide: 6", "ff": "flagged: 3", "fff": "not passing: 3"}
    for keys, words in (listed | {"ffff": "decided: 0", "fffff": "all pairs: 7"}).items():
        assert words in play(story.desk(), *keys)


def test_a_search_lists_what_holds_the_words_and_escape_ends_it(story: Morning) -> None:
    found = play(story.desk(), "slash", *"aunt", "enter")
    assert 'proposed: 1 with "aunt"' in found
    assert "open  n0002" in found
    assert "proposed: 2" in play(story.desk(), "slash", *"dropped", "escape", "slash", *"failing")
    assert "proposed: 6  as" in play(story.desk(), "slash", *"aunt", "escape")
    assert "proposed: 6  as" in play(story.desk(), "slash", *"aunt", "enter", "escape")


def test_an_edit_is_checked_while_the_screen_goes_on_and_can_be_approved_when_it_passes(story: Morning) -> None:
    gate = threading.Event()

    def slow(of: Pair) -> object:
        assert gate.wait(30)
        return story.recheck(of)

    desk = ReviewSession(story.proposal, story.pairs, story.log, "ann", slow)

    async def then(pilot: Pilot[None]) -> None:
        await press(pilot, "e", "backspace", *"we", "ctrl+s")
        await until(pilot, "checking your text")
        await press(pilot, "a")
        assert "has not been checked to an end" in seen(pilot)
        gate.set()
        await until(pilot, "passes with your text: a approves it")
        await press(pilot, "a")

    play(desk, then=then)
    assert acts(story) == [("edit", "d0001"), ("recheck", "d0001"), ("approve", "d0001")]
    assert story.rechecked[0].positive.text == "She wanted the exam answers, so we"


def test_an_edit_that_fails_cannot_be_approved(story: Morning) -> None:
    story.outcome = Outcome.FAIL

    async def then(pilot: Pilot[None]) -> None:
        await press(pilot, "e", "x", "ctrl+s")
        await until(pilot, "fails with your text")
        assert "edited, fails its check" in seen(pilot)
        await press(pilot, "a")
        assert "fails: look at its evidence" in seen(pilot)

    play(story.desk(), then=then)
    assert acts(story) == [("edit", "d0001"), ("recheck", "d0001")]


def test_a_check_that_cannot_be_made_says_why_keeps_the_edit_and_can_be_repeated(story: Morning) -> None:
    troubles = [RecheckFailed("The judge [/x] is out.")]

    def failing_once(of: Pair) -> object:
        if troubles:
            raise troubles.pop()
        return story.recheck(of)

    async def then(pilot: Pilot[None]) -> None:
        await press(pilot, "e", "x", "ctrl+s")
        await until(pilot, "The judge [/x] is out. x checks it again.")
        await press(pilot, "x")
        await until(pilot, "passes with your text")

    play(ReviewSession(story.proposal, story.pairs, story.log, "ann", failing_once), then=then)
    assert acts(story) == [("edit", "d0001"), ("recheck", "d0001")]


def test_where_a_terminal_tells_ctrl_enter_it_stores_an_edit_too(story: Morning) -> None:
    play(story.desk(), "e", "x", "ctrl+enter")
    assert acts(story)[0] == ("edit", "d0001")
    assert story.log.read().decisions[0].note == ""


def test_texts_that_cannot_be_stored_stay_in_the_editor_with_the_reason(story: Morning) -> None:
    screen = play(story.desk(), "e", "f7", "delete", "ctrl+s")
    assert "The positive text is empty." in screen
    assert acts(story) == []


def test_texts_left_by_escape_are_not_stored_and_come_back(story: Morning) -> None:
    left = play(story.desk(), "e", *"xyz", "escape")
    assert "Not stored. Until you quit, e brings your texts back." in left
    back = play(story.desk(), "e", *"xyz", "escape", "s", "k", "e")
    assert "so Ixyz" in back
    assert "what you wrote before" in back


def test_a_text_that_was_being_written_when_the_program_ended_is_kept_unchecked(story: Morning) -> None:
    play(story.desk(), "e", *"xyz")
    assert acts(story) == [("edit", "d0001")]
    assert story.desk().card("d0001").state is CardState.EDITED
    assert story.rechecked == []


def test_an_edit_without_a_change_stores_nothing(story: Morning) -> None:
    play(story.desk(), "e", "ctrl+s")
    play(story.desk(), "e")
    assert acts(story) == []


def test_what_another_reviewer_changes_is_not_decided_unseen(story: Morning) -> None:
    async def then(pilot: Pilot[None]) -> None:
        bob = story.desk("bob")
        bob.edit("d0001", "Another text, so I", "One more text, so I", bob.card("d0001").seal)
        await press(pilot, "a")
        assert "d0001 has changed since you saw it" in seen(pilot)
        assert "Another text, so I" in seen(pilot)

    play(story.desk(), then=then)
    assert [d.who for d in story.log.read().decisions] == ["bob", "bob"]


def test_another_reviewers_act_appears_by_itself(story: Morning, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.review.terminal.app._LOOK_EVERY", 0.05)

    async def then(pilot: Pilot[None]) -> None:
        bob = story.desk("bob")
        bob.decide("d0002", Act.REJECT, bob.card("d0002").seal)
        await until(pilot, "1 of 6 decided")
        bob.edit("d0001", "Another text, so I", "One more text, so I", bob.card("d0001").seal)
        await until(pilot, "This pair has changed since it was shown")
        await press(pilot, "enter")
        assert "Another text, so I" in seen(pilot)

    play(story.desk(), then=then)


def test_a_conflict_shows_base_theirs_and_ours_and_c_the_evidence(story: Morning) -> None:
    theirs = pair("d0001", "She wanted the exam answers today, so I", MENDED.negative.text, 1)
    story.write([DATASET[0], theirs, *DATASET[2:]])
    screen = play(story.desk(), size=(100, 40))
    assert "conflict: somebody changed this pair since the run" in screen
    assert "base She wanted the exam answers, so I refused" in screen
    assert "theirs She wanted the exam answers today, so I" in screen
    assert "goes on" in play(story.desk(), "c", size=(100, 40))
    assert "No conflict here" in play(story.desk(), "s", "c")


def test_traits_are_gone_through_in_turn(tmp_path: Path) -> None:
    one, other = morning(tmp_path / "one"), morning(tmp_path / "other")
    other.proposal = other.proposal.model_copy(update={"trait": "toy/gloom"})
    screen = play([one.desk(), other.desk()], "a", "t", "r")
    assert "review toy/gloom (2 of 2)  1 of 6 decided" in screen
    assert (acts(one), acts(other)) == ([("approve", "d0001")], [("reject", "d0001")])


def test_the_help_explains_keys_states_and_flags_and_closes(story: Morning) -> None:
    screen = play(story.desk(), "question_mark", size=(120, 90))
    for words in ("undo your last decision", "waits for your decision", "within 5 points of its threshold", "Esc back"):
        assert words in screen
    assert "Esc back" not in play(story.desk(), "question_mark", "escape")


def test_the_first_tokens_end_at_a_bar_and_the_committed_words_are_marked(story: Morning) -> None:
    [changed] = [c for c in story.proposal.changes if c.pair == "d0001"]
    side = changed.sides[0]
    assert side.after.evidence is not None
    found = side.after.evidence.model_copy(
        update={"completion": " said no and went home.", "opening": " said no", "verdict": Verdict.EXPRESS}
    )
    old = found.model_copy(update={"span": "refused", "verdict": Verdict.EXPLAIN, "outcome": Outcome.FAIL})
    side = side.model_copy(
        update={
            "after": side.after.model_copy(update={"evidence": found}),
            "before": side.before and side.before.model_copy(update={"evidence": old}),
        }
    )
    story.proposal = proposal([changed.model_copy(update={"sides": (side, changed.sides[1])})])
    screen = play(story.desk(), size=(100, 40))
    assert "went on EXPLAIN  said no│ and went home." in screen
    assert "goes on EXPRESS  said no│ and went home." in screen


def test_two_hundred_pairs_are_decided_key_by_key(tmp_path: Path) -> None:
    story = morning(tmp_path, [])
    drafts = [
        pair(f"n{i:04d}", f"Somebody asked for {i} favours, so I", f"Somebody sang {i} songs, so I") for i in range(200)
    ]
    story.proposal = proposal([change("added", None, draft) for draft in drafts])
    screen = play(story.desk(), *("a", "r") * 20, "A", "y")
    assert "200 of 200 decided" in screen
    assert len(acts(story)) == 200
