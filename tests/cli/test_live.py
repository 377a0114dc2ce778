"""What a run shows: one row per trait on a terminal, one line per round elsewhere."""

import io

from rich.console import Console

from agent.cli.screen import Screen
from agent.loop.standing import standing
from agent.schema import Cost
from tests.loop.histories import FAIL, adopted, confirmed, findings, history, pairs

TRAIT = "toy/\x1brefusal"


def shown(terminal: bool) -> str:
    """What a screen writes over two rounds."""
    sink = io.StringIO()
    some = pairs(3)
    rounds = history(adopted(some, findings(some[:2]) + findings(some[2:], FAIL)), confirmed(some[:1]))
    rounds = tuple(done.model_copy(update={"cost": Cost(calls=(("judge", 7), ("subject", 2)))}) for done in rounds)
    console = Console(file=sink, force_terminal=terminal, width=120, height=20, color_system=None)
    with Screen(console) as screen:
        screen.expect(TRAIT, 6)
        screen.stage(TRAIT, "asks 12 questions")
        for i, done in enumerate(rounds):
            screen.round(TRAIT, done, standing(rounds[: i + 1]))
        screen.say("the end [/b]")
    return sink.getvalue()


def test_elsewhere_each_round_is_one_plain_line() -> None:
    lines = shown(terminal=False).split("\n")
    of = "3 pairs of 6 wanted, 2 pass,"
    assert lines == [
        f"toy/␛refusal: round 1, draft (3 adopt); {of} 0 confirmed; calls so far: 7 judge, 2 subject",
        f"toy/␛refusal: round 2, confirm; {of} 1 confirmed; calls so far: 14 judge, 4 subject",
        "the end [/b]",
        "",
    ]


def test_on_a_terminal_one_row_shows_bar_stage_and_calls() -> None:
    written = shown(terminal=True)
    last = written[written.rindex("toy/␛refusal") :]
    assert "████▓▓▓▓░░░░············" in last
    assert "1/6" in last
    assert "asks 12 questions" in last
    assert "14 judge, 4 subject" in last.replace("\n", " ")
    assert "the end [/b]" in written
    assert "round 1, draft" not in written
