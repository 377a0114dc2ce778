"""COMMANDS.md equals the program's help. Regenerate it with python -m tests.cli.test_reference"""

import os
import re
from pathlib import Path

from typer.cli import get_docs_for_click
from typer.main import get_command
from typer.models import Context

from agent.cli.main import app

REFERENCE = Path(__file__).parents[2] / "COMMANDS.md"
_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)
_MARKUP = re.compile(r"\[/?(?:bold|dim|red|green|cyan|yellow)[^\]]*\]")


def reference() -> str:
    """The whole reference in Markdown, of every command with its options."""
    command = get_command(app)
    with Context(command, info_name="cliffhanger", color=False) as context:
        text = get_docs_for_click(obj=command, ctx=context, name="cliffhanger", title="Commands")
    head = "<!-- Written by tests/cli/test_reference.py from the program's own help. Do not edit. -->\n\n"
    return head + _TRAILING.sub("", _MARKUP.sub("", text)).strip() + "\n"


def test_the_reference_is_what_the_help_says() -> None:
    assert REFERENCE.read_text(encoding="utf-8") == reference(), "regenerate it: python -m tests.cli.test_reference"


def test_every_command_and_option_is_in_the_reference() -> None:
    text = reference()
    for name in ("run", "review", "apply", "calibrate", "toyworld serve", "decisions import"):
        assert f"`cliffhanger {name}`" in text
    assert "--max-usd" in text


if __name__ == "__main__":
    os.environ["TERM"] = "dumb"
    REFERENCE.write_text(reference(), encoding="utf-8")
