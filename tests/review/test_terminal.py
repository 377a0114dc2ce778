"""The review in a terminal: every key, by Textual's pilot, before a session on real files."""

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
from tests.review.example import DATASET, MENDED, ReviewExample, change, pair, proposal, review_example

PLAY = Callable[[Pilot[None]], Awaitable[None]]


@pytest.fixture
def example(tmp_path: Path) -> ReviewExample:
    return review_example(tmp_path)


def play(
    sessions: ReviewSession | Sequence[ReviewSession],
    *keys: str,
    then: PLAY | None = None,
    size: tuple[int, int] = (80, 24),
) -> str:
    """Press keys one after the other; what is on the screen then."""

    async def played() -> str:
        app = Review(
            [sessions] if isinstance(sessions, ReviewSession) else sessions, when_done="`cliffhanger apply` writes it."
        )
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


def acts(example: ReviewExample) -> list[tuple[str, str]]:
    """(act, pair) of all that is on disk."""
    return [(d.act.value, d.pair) for d in example.log.read().decisions]


def test_it_opens_at_the_first_pair_that_needs_a_decision_and_shows_its_difference(example: ReviewExample) -> None:
    screen = play(example.session(), size=(100, 40))
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
def test_each_key_stores_exactly_what_it_says(example: ReviewExample, keys: str, stored: list[tuple[str, str]]) -> None:
    play(example.session(), *("question_mark" if key == "?" else key for key in keys))
    assert acts(example) == stored


def test_after_a_decision_the_next_open_pair_is_shown_and_undo_returns(example: ReviewExample) -> None:
    assert "open  d0002" in play(example.session(), "a")
    screen = play(example.session(), "u")
    assert "open  d0001" in screen
    assert "Taken back: approve of d0001." in screen


def test_the_next_time_goes_on_at_the_first_open_pair(example: ReviewExample) -> None:
    play(example.session(), "a", "r")
    screen = play(example.session())
    assert "2 of 6 decided" in screen
    assert "open  d0003" in screen


def test_approving_all_unflagged_asks_with_their_number(example: ReviewExample) -> None:
    assert "Approve 3 unflagged pairs of toy/refusal?" in play(example.session(), "A")
    screen = play(example.session(), "A", "y")
    assert "Approved 3 pairs. u takes all of it back." in screen


def test_a_sentence_of_the_desk_is_shown_and_nothing_is_stored(example: ReviewExample) -> None:
    screen = play(example.session(), "f", "f", "f", "f", "f", "home", "a")
    assert "Nothing is proposed for d0000" in screen
    assert acts(example) == []


def test_when_all_is_decided_it_says_so_and_names_the_command(example: ReviewExample) -> None:
    assert "Everything is decided. `cliffhanger apply` writes it." in play(example.session(), *"rrrrrr")
    assert "Everything is decided." in play(example.session())


def test_filters_list_what_they_name(example: ReviewExample) -> None:
    listed = {"": "proposed: 6", "f": "to decide: 6", "ff": "flagged: 3", "fff": "not passing: 3"}
    for keys, words in (listed | {"ffff": "decided: 0", "fffff": "all pairs: 7"}).items():
        assert words in play(example.session(), *keys)


def test_a_search_lists_what_holds_the_words_and_escape_ends_it(example: ReviewExample) -> None:
    found = play(example.session(), "slash", *"aunt", "enter")
    assert 'proposed: 1 with "aunt"' in found
    assert "open  n0002" in found
    assert "proposed: 2" in play(example.session(), "slash", *"dropped", "escape", "slash", *"failing")
    assert "proposed: 6  as" in play(example.session(), "slash", *"aunt", "escape")
    assert "proposed: 6  as" in play(example.session(), "slash", *"aunt", "enter", "escape")


def test_an_edit_is_checked_while_the_screen_goes_on_and_can_be_approved_when_it_passes(example: ReviewExample) -> None:
    gate = threading.Event()

    def slow(of: Pair) -> object:
        assert gate.wait(30)
        return example.recheck(of)

    session = ReviewSession(example.proposal, example.pairs, example.log, "ann", slow)

    async def then(pilot: Pilot[None]) -> None:
        await press(pilot, "e", "backspace", *"we", "ctrl+s")
        await until(pilot, "checking your text")
        await press(pilot, "a")
        assert "has not been checked to an end" in seen(pilot)
        gate.set()
        await until(pilot, "passes with your text: a approves it")
        await press(pilot, "a")

    play(session, then=then)
    assert acts(example) == [("edit", "d0001"), ("recheck", "d0001"), ("approve", "d0001")]
    assert example.rechecked[0].positive.text == "She wanted the exam answers, so we"


def test_an_edit_that_fails_cannot_be_approved(example: ReviewExample) -> None:
    example.outcome = Outcome.FAIL

    async def then(pilot: Pilot[None]) -> None:
        await press(pilot, "e", "x", "ctrl+s")
        await until(pilot, "fails with your text")
        assert "edited, fails its check" in seen(pilot)
        await press(pilot, "a")
        assert "fails: look at its evidence" in seen(pilot)

    play(example.session(), then=then)
    assert acts(example) == [("edit", "d0001"), ("recheck", "d0001")]


def test_a_check_that_cannot_be_made_says_why_keeps_the_edit_and_can_be_repeated(example: ReviewExample) -> None:
    troubles = [RecheckFailed("The judge [/x] is out.")]

    def failing_once(of: Pair) -> object:
        if troubles:
            raise troubles.pop()
        return example.recheck(of)

    async def then(pilot: Pilot[None]) -> None:
        await press(pilot, "e", "x", "ctrl+s")
        await until(pilot, "The judge [/x] is out. x checks it again.")
        await press(pilot, "x")
        await until(pilot, "passes with your text")

    play(ReviewSession(example.proposal, example.pairs, example.log, "ann", failing_once), then=then)
    assert acts(example) == [("edit", "d0001"), ("recheck", "d0001")]


def test_where_a_terminal_tells_ctrl_enter_it_stores_an_edit_too(example: ReviewExample) -> None:
    play(example.session(), "e", "x", "ctrl+enter")
    assert acts(example)[0] == ("edit", "d0001")
    assert example.log.read().decisions[0].note == ""


def test_texts_that_cannot_be_stored_stay_in_the_editor_with_the_reason(example: ReviewExample) -> None:
    screen = play(example.session(), "e", "f7", "delete", "ctrl+s")
    assert "The positive text is empty." in screen
    assert acts(example) == []


def test_texts_left_by_escape_are_not_stored_and_come_back(example: ReviewExample) -> None:
    left = play(example.session(), "e", *"xyz", "escape")
    assert "Not stored. Until you quit, e brings your texts back." in left
    back = play(example.session(), "e", *"xyz", "escape", "s", "k", "e")
    assert "so Ixyz" in back
    assert "what you wrote before" in back


def test_a_text_that_was_being_written_when_the_program_ended_is_kept_unchecked(example: ReviewExample) -> None:
    play(example.session(), "e", *"xyz")
    assert acts(example) == [("edit", "d0001")]
    assert example.session().card("d0001").state is CardState.EDITED
    assert example.rechecked == []


def test_an_edit_without_a_change_stores_nothing(example: ReviewExample) -> None:
    play(example.session(), "e", "ctrl+s")
    play(example.session(), "e")
    assert acts(example) == []


def test_what_another_reviewer_changes_is_not_decided_unseen(example: ReviewExample) -> None:
    async def then(pilot: Pilot[None]) -> None:
        bob = example.session("bob")
        bob.edit("d0001", "Another text, so I", "One more text, so I", bob.card("d0001").version_token)
        await press(pilot, "a")
        assert "d0001 has changed since you saw it" in seen(pilot)
        assert "Another text, so I" in seen(pilot)

    play(example.session(), then=then)
    assert [d.who for d in example.log.read().decisions] == ["bob", "bob"]


def test_another_reviewers_act_appears_by_itself(example: ReviewExample, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.review.terminal.app._LOOK_EVERY", 0.05)

    async def then(pilot: Pilot[None]) -> None:
        bob = example.session("bob")
        bob.decide("d0002", Act.REJECT, bob.card("d0002").version_token)
        await until(pilot, "1 of 6 decided")
        bob.edit("d0001", "Another text, so I", "One more text, so I", bob.card("d0001").version_token)
        await until(pilot, "This pair has changed since it was shown")
        await press(pilot, "enter")
        assert "Another text, so I" in seen(pilot)

    play(example.session(), then=then)


def test_a_conflict_shows_base_theirs_and_ours_and_c_the_evidence(example: ReviewExample) -> None:
    theirs = pair("d0001", "She wanted the exam answers today, so I", MENDED.negative.text, 1)
    example.write([DATASET[0], theirs, *DATASET[2:]])
    screen = play(example.session(), size=(100, 40))
    assert "conflict: somebody changed this pair since the run" in screen
    assert "base She wanted the exam answers, so I refused" in screen
    assert "theirs She wanted the exam answers today, so I" in screen
    assert "goes on" in play(example.session(), "c", size=(100, 40))
    assert "No conflict here" in play(example.session(), "s", "c")


def test_traits_are_gone_through_in_turn(tmp_path: Path) -> None:
    one, other = review_example(tmp_path / "one"), review_example(tmp_path / "other")
    other.proposal = other.proposal.model_copy(update={"trait": "toy/gloom"})
    screen = play([one.session(), other.session()], "a", "t", "r")
    assert "review toy/gloom (2 of 2)  1 of 6 decided" in screen
    assert (acts(one), acts(other)) == ([("approve", "d0001")], [("reject", "d0001")])


def test_the_help_explains_keys_states_and_flags_and_closes(example: ReviewExample) -> None:
    screen = play(example.session(), "question_mark", size=(120, 90))
    for words in ("undo your last decision", "waits for your decision", "within 5 points of its threshold", "Esc back"):
        assert words in screen
    assert "Esc back" not in play(example.session(), "question_mark", "escape")


def test_the_first_tokens_end_at_a_bar_and_the_committed_words_are_marked(example: ReviewExample) -> None:
    [changed] = [c for c in example.proposal.changes if c.pair == "d0001"]
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
    example.proposal = proposal([changed.model_copy(update={"sides": (side, changed.sides[1])})])
    screen = play(example.session(), size=(100, 40))
    assert "went on EXPLAIN  said no│ and went home." in screen
    assert "goes on EXPRESS  said no│ and went home." in screen


def test_two_hundred_pairs_are_decided_key_by_key(tmp_path: Path) -> None:
    example = review_example(tmp_path, [])
    drafts = [
        pair(f"n{i:04d}", f"Somebody asked for {i} favours, so I", f"Somebody sang {i} songs, so I") for i in range(200)
    ]
    example.proposal = proposal([change("added", None, draft) for draft in drafts])
    screen = play(example.session(), *("a", "r") * 20, "A", "y")
    assert "200 of 200 decided" in screen
    assert len(acts(example)) == 200
