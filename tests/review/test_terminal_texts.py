"""Whatever a text holds, a terminal shows it, and an editor gives it back exactly."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.events import Paste
from textual.pilot import Pilot
from textual.widgets import TextArea

from agent.review.terminal.spelling import spelled, unspelled
from agent.text import safe_text
from tests.review.example import change, pair, proposal, review_example
from tests.review.test_terminal import play, press, seen, until

HOSTILE = (
    "[/x] [bold]not bold[/bold] [link=file:///etc/passwd]l[/link]",
    "esc \x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b]52;c;cHduZWQ=\x07 \x9b31m \x90q\x9c",
    "bidi \u202etxt.exe\u2066 zero\u200bwidth\ufeff tag\U000e0041",
    "nul \x00 back\x08space return\rline\u2028sep tab\tfeed\x0c",
    "x" * 65_536,
    "words " * 11_000 + "so I",
    "漢字 " * 300 + "🙂 e\u0301 \u0b95\u0bcd",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=["markup", "escapes", "bidi", "controls", "one word", "64 KB", "wide"])
def test_hostile_texts_are_shown_harmlessly_everywhere_and_can_be_edited(tmp_path: Path, text: str) -> None:
    example = review_example(tmp_path, [pair("d0000", text, "Calm, so I", 0)])
    before, after = pair("d0000", text, "Calm, so I", 0), pair("d0000", f"{text} and more", "Calm, so I", 0)
    changed = change("changed", before, after)
    side = changed.sides[0]
    assert side.after.evidence is not None
    evil = side.after.evidence.model_copy(update={"completion": text + "tail", "opening": text, "span": text[:9]})
    side = side.model_copy(update={"after": side.after.model_copy(update={"evidence": evil})})
    example.proposal = proposal([changed.model_copy(update={"why": text, "sides": (side, changed.sides[1])})])

    async def then(pilot: Pilot[None]) -> None:
        for keys in ((), ("end",), ("e",), ("z", "ctrl+s")):
            await press(pilot, *keys)
            assert all(safe_text(char) == char for char in seen(pilot).replace("\n", ""))
        await until(pilot, "passes with your text")

    screen = play(example.session(f"ann {text[:200]}"), then=then)
    assert all(safe_text(char) == char for char in screen.replace("\n", ""))
    assert example.rechecked[0].positive.text == f"{text} and morez"


@pytest.mark.parametrize("width", [60, 80, 130, 200])
def test_the_list_shows_how_each_text_ends_whatever_the_width(tmp_path: Path, width: int) -> None:
    example = review_example(tmp_path)
    far = pair("n0000", "Forge it. " * 40 + "\U0001f642 \u6f22\u5b57 they said, so I\n", "Calm, so I")
    example.proposal = proposal(
        [change("added", None, far), change("added", None, pair("n0001", "Short, so I", "So I"))]
    )
    rows = {row.split()[2]: row for row in play(example.session(), size=(width, 12)).split("\n")[1:3]}
    listed = [row.partition(" │")[0].rstrip() for row in rows.values()]
    assert [row.endswith(" so I") for row in listed] == [True, True]
    assert [("…" in row, "Forge" in row[:40]) for row in listed] == [(True, False), (False, False)]


def test_a_failing_pair_is_said_to_fail_and_keeps_room_for_its_ending_beside_its_flags(tmp_path: Path) -> None:
    screen = play(review_example(tmp_path).session(), "j", size=(130, 20))
    assert "d0002  dropped, line 3  fails" in screen
    assert "d0002  dropped   failing… Cats sleep. " in screen
    assert "now fail" not in screen


def test_a_pasted_escape_is_spelled_out_and_lines_become_one(tmp_path: Path) -> None:
    async def then(pilot: Pilot[None]) -> None:
        await press(pilot, "e")
        area = pilot.app.screen.query(TextArea).first()
        pilot.app.post_message(Paste(" a\x1b[2Jb\nc"))
        await pilot.pause()
        assert area.text == r"She wanted the exam answers, so I a\u{1b}[2Jb c"

    play(review_example(tmp_path).session(), then=then)


@given(st.text(st.characters()), st.booleans())
def test_a_spelled_text_is_harmless_and_comes_back_exactly(text: str, lines: bool) -> None:
    there = spelled(text, lines)
    assert unspelled(there) == text
    assert all(safe_text(char) == char or (lines and char == "\n") for char in there)


def test_a_literal_spelling_in_a_text_stays_what_it_is() -> None:
    assert unspelled(spelled(r"print \u{1b} or \u{5c}u{} or \\u{")) == r"print \u{1b} or \u{5c}u{} or \\u{"
