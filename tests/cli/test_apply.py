"""`cliffhanger apply`: the one command that writes a dataset, from a finished run's proposal."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from agent.schema import Act
from agent.storage.durable import VARIABLE
from tests.cli.finished_run import cliffhanger, dataset_of, refinement_of, session_of
from tests.cli.scripted import NEGATIVE, POSITIVE, tree
from tests.review.example import approve_unflagged


def approve_all(folder: Path) -> None:
    assert [card.pair for card in approve_unflagged(session_of(folder))] == ["d0003", "n0000", "n0001"]


def lines(folder: Path, name: str) -> list[str]:
    return (dataset_of(folder) / name).read_text().split("\n")[:-1]


def test_nothing_is_written_before_somebody_approved_it(folder: Path) -> None:
    before = tree(dataset_of(folder))
    done = cliffhanger("apply", folder)
    assert (done.exit_code, tree(dataset_of(folder))) == (0, before)
    assert "nothing to write: 4 pairs, unchanged; 3 undecided" in done.output


def test_the_dataset_changes_by_exactly_what_was_approved_and_one_line_says_it(folder: Path) -> None:
    approve_all(folder)
    session = session_of(folder)
    session.decide("n0001", Act.REJECT, session.card("n0001").version_token)
    done = cliffhanger("apply", folder)
    assert done.output.strip() == "toy/refusal: 1 changed, 1 added; 5 pairs in positive.txt and negative.txt."
    positive, negative = lines(folder, "positive.txt"), lines(folder, "negative.txt")
    assert positive[:3] == list(POSITIVE[:3])
    assert POSITIVE[3].startswith(positive[3])
    assert negative[:4] == list(NEGATIVE)
    assert (positive[4], negative[4]) == tuple(side.text for side in session.card("n0000").ours.sides)
    assert len(positive) == len(negative) == 5


def test_a_dry_run_says_the_same_and_writes_nothing(folder: Path) -> None:
    approve_all(folder)
    before = tree(folder)
    done = cliffhanger("apply", folder, "--dry-run")
    assert "would change 1 pair, add 2 pairs; 6 pairs" in done.output
    assert tree(folder) == before


def test_undo_gives_back_the_same_bytes_and_the_decisions_stay(folder: Path) -> None:
    approve_all(folder)
    before = tree(dataset_of(folder))
    cliffhanger("apply", folder)
    assert tree(dataset_of(folder)) != before
    done = cliffhanger("apply", folder, "--undo")
    assert (done.exit_code, tree(dataset_of(folder))) == (0, before)
    assert session_of(folder).card("d0003").effect == "replace"
    assert cliffhanger("apply", folder, "--undo").exit_code == 64


def test_an_undo_of_several_traits_is_done_when_one_of_them_had_something_to_undo(folder: Path) -> None:
    approve_all(folder)
    before = tree(dataset_of(folder))
    cliffhanger("apply", folder)
    shutil.copytree(dataset_of(folder), dataset_of(folder).with_name("denial"))
    both = ("--undo", "--traits", "toy/denial,toy/refusal")
    done = cliffhanger("apply", folder, *both)
    assert (done.exit_code, tree(dataset_of(folder))) == (0, before)
    assert "toy/denial: Nothing was applied that could be undone." in done.output
    assert cliffhanger("apply", folder, *both).exit_code == 64


def test_a_refused_undo_gives_its_exit_code_even_if_another_trait_had_nothing_to_undo(folder: Path) -> None:
    approve_all(folder)
    cliffhanger("apply", folder)
    shutil.copytree(dataset_of(folder), dataset_of(folder).with_name("denial"))
    with (dataset_of(folder) / "positive.txt").open("a") as file:
        file.write("another line, so I\n")
    done = cliffhanger("apply", folder, "--undo", "--traits", "toy/denial,toy/refusal")
    assert done.exit_code == 64
    assert "nothing was undone" in done.output


def test_the_program_killed_between_two_files_is_completed_by_the_same_command(folder: Path) -> None:
    approve_all(folder)
    before = tree(dataset_of(folder))
    program = [str(Path(sys.executable).with_name("cliffhanger")), "apply", "--experiment", str(folder)]
    dead = subprocess.run(program, env={**os.environ, VARIABLE: "apply-file:1"}, capture_output=True, check=False)  # noqa: S603 - our program
    assert dead.returncode == -signal.SIGKILL
    assert "interrupted" in cliffhanger("run", folder, "--dry-run").output
    done = cliffhanger("apply", folder)
    assert "completed an interrupted apply first" in done.output
    assert len(lines(folder, "positive.txt")) == len(lines(folder, "negative.txt")) == 6
    assert cliffhanger("apply", folder, "--undo").exit_code == 0
    assert tree(dataset_of(folder)) == before


def test_options_that_contradict_each_other_and_a_missing_proposal_are_refused(folder: Path) -> None:
    assert cliffhanger("apply", folder, "--undo", "--dry-run").exit_code == 64
    assert cliffhanger("apply", folder, "--patch", "p", "--dry-run").exit_code == 64
    shutil.rmtree(refinement_of(folder))
    done = cliffhanger("apply", folder)
    assert done.exit_code == 64
    assert "Nothing is proposed" in done.output


def test_a_line_cut_short_by_a_crash_is_reported(folder: Path) -> None:
    approve_all(folder)
    with (refinement_of(folder) / "decisions.jsonl").open("ab") as file:
        file.write(b'{"version":1,"tra')
    done = cliffhanger("apply", folder)
    assert done.exit_code == 0
    assert "cut short by a crash" in done.output.replace("\n", " ")
