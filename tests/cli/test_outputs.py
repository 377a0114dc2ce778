"""summary.md fits one screen and quotes no Markdown; the lines at the end of a run."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from agent.app.outputs import HEADINGS, next_steps
from agent.review.proposal import Proposal, propose
from agent.review.report.markdown import code_span, dropped_and_parked, summary
from agent.schema import Cause, Ending, Park, Recheck, Stop
from agent.storage.dataset import FileHashes
from agent.storage.experiment import ExperimentFolder
from agent.supervision.display import RunDisplay
from agent.text import experiment_options, program_name
from tests.cli.scripted import cliffhanger
from tests.cli.test_runner import names, traits
from tests.loop.histories import adopted, dropped, history, pairs, round_
from tests.review.report.examples import example, rounds, sustained


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "` plain `"),
        ("a `tick`", "`` a `tick` ``"),
        ("``` fence", "```` ``` fence ````"),
        ("[x](javascript:1) <script>", "` [x](javascript:1) <script> `"),
        ("line\nbreak \x1b[31m", "` line␊break ␛[31m `"),
        ("", "`  `"),
    ],
)
def test_a_text_cannot_leave_its_code_span(text: str, shown: str) -> None:
    assert code_span(text) == shown


def test_dropped_and_parked_pairs_are_counted_by_reason() -> None:
    first, second, third = pairs(3)
    rounds = history(
        adopted([first, second, third]),
        dropped(first),
        round_(
            Recheck(pairs=()),
            parked=[Park(pair=second.id, why="undecided"), Park(pair=third.id, why="undecided")],
        ),
    )
    empty = Proposal(
        trait="a/b",
        dataset=FileHashes(positive=None, negative=None, definition=None),
        campaign=1,
        rounds=3,
        stop=Stop(ending=Ending.READY, why=""),
        changes=(),
    )
    told = dropped_and_parked(propose(empty, (first, second, third), rounds))
    assert told == "1 dropped (1 x ), 2 parked (2 x undecided)"


def test_the_summary_shows_every_round_and_each_changed_ending(finished_run: Path) -> None:
    text = (finished_run / "extraction/toy/refusal/refinement/summary.md").read_text()
    assert text.startswith("# toy/refusal: ready\n")
    assert "| 1 | draft (4 adopt) | 4 | 3 | 0 | 0 |" in text
    assert "so I refused and told him that it was ` → `" in text
    assert "by cut" in text
    assert "* Next: Read the changed and added pairs in report.html, decide" in text


def test_pairs_never_examined_are_not_listed_as_failing() -> None:
    stop = Stop(ending=Ending.STOPPED, cause=Cause.STOP_FILE, why="a stop was asked for")
    untouched = summary(example((), stop=stop))
    assert "**Not examined** (4" in untouched
    assert "Failing" not in untouched
    assert "`cliffhanger resume`" in untouched
    assert "**Failing** (1)" in summary(example(rounds()[:1], stop=stop))
    assert "Not examined" not in summary(example(rounds()[:1], stop=stop))


def test_a_text_changed_with_its_twin_says_so() -> None:
    said = summary(sustained())
    assert "* positive (EXPRESS) by retopic: " in said
    assert "* negative (EXPRESS), changed with the positive: another topic for the pair: " in said


def test_several_traits_end_in_one_aligned_table_and_one_next_step(tmp_path: Path) -> None:
    folder = traits(tmp_path, 2)
    cliffhanger("run", folder)
    done = cliffhanger("run", folder, "--traits", ",".join(names(2)), "--max-rounds", "1")
    *table, step = done.output.split("\n")[-5:-1]
    review = f"`cliffhanger review --experiment {folder} --traits {','.join(names(2))}`"
    assert step.startswith("Next: rerun the command with a higher --max-rounds; it goes on from there.")
    assert step.endswith(f" Finished traits can be reviewed now: {review} (or --web).")
    assert re.split(r"  +", table[0]) == list(HEADINGS)
    assert re.fullmatch(r"toy/refusal  ready +6/6 +6 +0 +0 +\d+ +\d\d+ +0\.00 +0\.\d", table[1])
    assert re.fullmatch(r"toy/t1 +cap +0/0 +6 +0 +0 +1 +\d\d+ +0\.00 +0\.\d", table[2])
    for heading, cell in zip(HEADINGS, re.split(r"  +", table[1]), strict=True):
        assert table[0].index(heading) == table[1].index(cell, max(0, table[0].index(heading)))


@pytest.mark.parametrize(
    ("endings", "step"),
    [
        ([Ending.READY], "read the changed and added pairs in "),
        ([Ending.READY_WITH_PARKED, Ending.READY], "decide on the parked, changed and added pairs"),
        ([Ending.READY, Ending.NOT_READY], "sharpen definition.txt"),
        ([Ending.ENDPOINT, Ending.CAP, Ending.STOPPED], "toy/0: restore the endpoint"),
        ([Ending.READY, None], "fix the errors named above"),
    ],
)
def test_the_first_next_step_is_that_of_the_worst_ending(
    endings: list[Ending | None], step: str, tmp_path: Path
) -> None:
    stops = [None if ending is None else Stop(ending=ending, why="") for ending in endings]
    ends = [(f"toy/{number}", stop) for number, stop in enumerate(stops)]
    assert next_steps(ends, "-e x", ExperimentFolder(tmp_path, "a/b"))[0].startswith(step)


def test_traits_that_ended_for_the_same_cause_share_a_next_step_and_others_have_their_own(tmp_path: Path) -> None:
    caps = Stop(ending=Ending.CAP, cause=Cause.ROUNDS, why="")
    stopped = Stop(ending=Ending.STOPPED, cause=Cause.STOP_FILE, why="")
    ends = [("toy/a", caps), ("toy/b", stopped), ("toy/c", caps)]
    first, second = next_steps(ends, "-e x", ExperimentFolder(tmp_path, "a/b"))
    assert first.startswith("toy/b: withdraw the stop request with `cliffhanger resume -e x`, then rerun")
    assert second.startswith("toy/a, toy/c: rerun the command with a higher --max-rounds")


def test_a_program_that_is_not_on_the_path_is_named_as_it_was_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.argv", [".venv/bin/cliffhanger", "run"])
    assert program_name() == ".venv/bin/cliffhanger"
    monkeypatch.setattr("sys.argv", ["-c"])
    assert program_name() == "cliffhanger"


def test_a_folder_below_the_current_one_is_shown_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert experiment_options(tmp_path / "my exp", "a/b", "v") == "--experiment 'my exp' --traits a/b --model-variant v"
    assert experiment_options(Path("my")) == "--experiment my"


def test_on_a_terminal_the_table_is_drawn_and_its_texts_are_made_safe() -> None:
    sink = io.StringIO()
    RunDisplay(Console(file=sink, force_terminal=True, width=100, color_system=None)).print_table(
        ("trait", "ending"), [("toy/\x1b[2Jone", "[red]cap")]
    )
    assert "│ toy/␛[2Jone │ [red]cap │" in sink.getvalue()
