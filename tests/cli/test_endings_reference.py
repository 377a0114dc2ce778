"""ENDINGS.md equals the table of endings. Regenerate it with python -m tests.cli.test_endings_reference"""

from pathlib import Path

from agent.review.endings import ENDING_GUIDES, EndingGuide
from agent.schema import EXIT_CODES

REFERENCE = Path(__file__).parents[2] / "ENDINGS.md"

_HEAD = """<!-- Written by tests/cli/test_endings_reference.py from agent/review/endings.py. Do not edit. -->

# How a run ends, and what the same command does next

The line of each trait gives the ending and its reason, the last line the next step; `cliffhanger status` and the report
repeat both. Nothing that was answered is paid for again, whatever ended the run. With several traits the exit code is
that of the most urgent ending.

| exit code | ending | cause | the same command | to go on |
|--:|---|---|---|---|
"""
_OTHERS = """| 64 | not run | settings, files or usage are wrong | It is refused again. | Do what the sentences say. |
| 6 | stopped | a second Ctrl-C | It goes on from the last recorded round. | Rerun the command. |
| other | died | a crash, `kill -9`, a power failure | It goes on from the last recorded round. | Rerun the command. |

`--resume-anyway` continues a campaign that ended "not ready": pilot, patience, empty drafts and parked pairs count
anew, and the judge's self-check no longer ends it. All caps still hold, and it acts once for each command that has it.
A pair that was parked because the judge gave no readable answer is asked again by the next command; one about which the
judge is undecided, or which failed two audits, stays parked for you.
"""


def _row(guide: EndingGuide) -> str:
    step = guide.next_step.format(
        where="in the report", review="`review`", apply="`apply`", resume="`cliffhanger resume`"
    )
    cells = (str(EXIT_CODES[guide.ending]), guide.ending.value, guide.name, guide.same_command, step)
    return f"| {' | '.join(cells)} |\n"


def reference() -> str:
    """The whole page in Markdown."""
    return _HEAD + "".join(map(_row, ENDING_GUIDES.values())) + _OTHERS


def test_the_page_is_what_the_table_says() -> None:
    told = "regenerate it: python -m tests.cli.test_endings_reference"
    assert REFERENCE.read_text(encoding="utf-8") == reference(), told


if __name__ == "__main__":
    REFERENCE.write_text(reference(), encoding="utf-8")
