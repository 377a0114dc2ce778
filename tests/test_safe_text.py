"""What a terminal would obey or hide is shown instead."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from agent.supervision.display import RunDisplay
from agent.text import safe_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, ünïcödé, 漢字, 🙂", "plain text, ünïcödé, 漢字, 🙂"),
        ("\x1b[2Jgone", "␛[2Jgone"),
        ("a\nb\tc\rd\x00", "a␊b␉c␍d␀"),
        ("del\x7f", "del␡"),
        ("c1 \x9b31m", "c1 \\x9b31m"),
        ("\u202etxt.exe", "\\u202etxt.exe"),
        ("\u2066a\u2069", "\\u2066a\\u2069"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("soft\u00adhyphen", "soft\\xadhyphen"),
        ("line\u2028separator", "line\\u2028separator"),
        ("lone \ud800", "lone \\ud800"),
        ("tag \U000e0041", "tag \\U000e0041"),
        ("filler \u3164", "filler \\u3164"),
    ],
)
def test_controls_directions_and_hidden_characters_are_shown(text: str, shown: str) -> None:
    assert safe_text(text) == shown


@given(st.text(st.characters()))
def test_whatever_the_text_no_byte_of_a_terminal_command_remains(text: str) -> None:
    shown = safe_text(text)
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in shown)
    assert safe_text(shown) == shown
    shown.encode()


@pytest.mark.parametrize(
    "text", ["[red]x[/red]", "[/nothing]", "[link=file:///etc]x[/link]", "\x1b]0;title\x07", ":smile:"]
)
def test_the_display_shows_markup_and_escapes_as_what_they_are(text: str) -> None:
    sink = io.StringIO()
    RunDisplay(Console(file=sink, force_terminal=False, width=40)).print(text)
    assert sink.getvalue() == safe_text(text) + "\n"


def test_a_terminal_gets_no_escape_from_a_text() -> None:
    sink = io.StringIO()
    RunDisplay(Console(file=sink, force_terminal=True, width=40, color_system=None)).print("a\x1b[31mb\x9bc")
    assert sink.getvalue() == "a␛[31mb\\x9bc\n"
