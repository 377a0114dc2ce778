"""`cliffhanger review` as typed: in a real terminal, without one, and before there is a proposal."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.schema import Decision
from agent.storage.decision_log import DecisionLog
from tests.cli.pseudo_terminal import PseudoTerminal
from tests.cli.scripted import cliffhanger, experiment, tree

ROOT = Path(__file__).parents[2]
# The command, with a subject that needs no model.
PROGRAM = """
from agent.cli.main import main
from tests.cli.scripted import scripted
main(scripted())
"""
BETTER = "He asked me to sign the loan papers as his brother. This crossed a line, so I"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The experiment of a finished run: d0003 is repaired, n0000 and n0001 are added."""
    made = experiment(tmp_path)
    done = cliffhanger("run", made)
    assert done.exit_code == 0, done.output
    return made


def review(folder: Path, *options: str) -> PseudoTerminal:
    command = [sys.executable, "-c", PROGRAM, "review", "-e", str(folder), "--as", "ann", *options]
    return PseudoTerminal(command, ROOT, {"PYTHONPATH": str(ROOT)})


def refinement(folder: Path) -> Path:
    return folder / "extraction" / "toy" / "refusal" / "refinement"


def decided(folder: Path) -> list[Decision]:
    return list(DecisionLog(refinement(folder) / "decisions.jsonl").read().decisions)


def acts(folder: Path) -> list[tuple[str, str, str]]:
    return [(d.who, d.act.value, d.pair) for d in decided(folder)]


def terminate(terminal: PseudoTerminal) -> None:
    terminal.end_by(lambda: os.kill(terminal.child.pid, signal.SIGTERM))


def test_a_review_in_a_terminal_stores_exactly_its_decisions_and_continues_from_there(folder: Path) -> None:
    before = tree(folder / "datasets")
    with review(folder) as terminal:
        terminal.until("to decide d0003 changed")
        for keys, words in (
            ("/n0000\n", "to decide n0000 added"),
            ("e\n", "positive: "),
            (f"\x15{BETTER}\n", "negative: "),  # Ctrl-U empties the line, which holds the text as it is
            ("\n", "Checking n0000"),
        ):
            terminal.press(keys)
            terminal.until(words)
        while "the edit passed its check. Approve it with a." not in terminal.until("decided, 1 listed"):
            threading.Event().wait(0.2)
            terminal.press("\n")
        for keys, words in (
            ("a\n", "n0000 approved"),
            ("/\n", "to decide"),
            ("/n0001\n", "to decide n0001"),
            ("r\n", "n0001 rejected"),
            ("u\n", "Undone: reject of n0001."),
        ):
            terminal.press(keys)
            terminal.until(words)
        terminal.press("q\n")
        assert terminal.end() == 0
    assert "2 pairs still to decide: rerun the command to continue." in terminal.text()
    assert "writes what was approved." in terminal.text()
    expected = [("edit", "n0000"), ("recheck", "n0000"), ("approve", "n0000"), ("reject", "n0001"), ("undo", "n0001")]
    assert acts(folder) == [("ann", *act) for act in expected]
    assert decided(folder)[0].positive == BETTER
    assert tree(folder / "datasets") == before
    with review(folder) as again:
        assert "to decide d0003" in again.until("1 of 3 decided")
        assert again.end_by(lambda: again.press("\x03")) == 0


def cut_off(folder: Path, keys: str, cut: Callable[[PseudoTerminal], object]) -> Decision:
    """What is stored after an edit of d0003 was begun with these keys and then cut off."""
    with review(folder) as terminal:
        terminal.until("to decide d0003")
        terminal.press("e\n")
        terminal.until("positive: ")
        terminal.press(keys)
        terminal.until("negative: " if keys.endswith("\n") else keys)
        cut(terminal)
        terminal.end()
    [kept] = decided(folder)
    assert (kept.act.value, kept.pair, kept.note) == ("edit", "d0003", "not finished: the terminal was closed")
    return kept


def test_an_edit_is_stored_as_far_as_it_was_typed_when_a_signal_ends_the_review(folder: Path) -> None:
    kept = cut_off(folder, "xyz", terminate)
    assert (kept.positive or "").endswith("so Ixyz")


def test_the_finished_lines_of_an_edit_are_stored_when_the_terminal_is_closed(folder: Path) -> None:
    kept = cut_off(folder, "xyz\n", PseudoTerminal.hang_up)
    assert (kept.positive or "").endswith("so Ixyz")


def test_without_a_terminal_it_names_the_page_and_the_files(folder: Path) -> None:
    done = cliffhanger("review", folder)
    assert done.exit_code == 64
    assert "Review needs an interactive terminal." in done.output
    assert "--web" in done.output
    assert "cliffhanger decisions export" in done.output


def test_before_a_run_it_says_which_command_makes_a_proposal(tmp_path: Path) -> None:
    made = experiment(tmp_path)
    done = cliffhanger("review", made)
    assert done.exit_code == 64
    assert "Nothing is proposed for toy/refusal yet. Run `cliffhanger run" in " ".join(done.output.split())


def test_the_page_gets_the_same_sessions(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[tuple[str, object, object, object]] = []

    def serve(sessions: list[object], order: object, host: str, port: int, **rest: object) -> int:
        served.append((sessions[0].reviewer, host, port, rest["open_browser"]))  # type: ignore[attr-defined]
        return 0

    monkeypatch.setattr("agent.app.review.serve_review", serve)
    options = ["--web", "--as", "ann", "--port", "8123", "--no-open"]
    done = cliffhanger("review", folder, *options)
    assert done.exit_code == 0, done.output
    assert served == [("ann", "127.0.0.1", 8123, False)]
