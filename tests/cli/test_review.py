"""`cliffhanger review` as it is typed: in a real terminal, without one, and before there is anything to review."""

import os
import signal
import sys
from pathlib import Path

import pytest

from agent.review.proposal import Proposal
from agent.schema import Decision
from agent.storage.decision_log import DecisionLog
from tests.cli.pseudo_terminal import PseudoTerminal, stray_controls
from tests.cli.scripted import cliffhanger, experiment, tree
from tests.review.example import change, pair, proposal
from tests.review.test_terminal_texts import HOSTILE

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


def rewrite(terminal: PseudoTerminal) -> None:
    """Give the selected pair another positive text, and wait until it has been checked."""
    terminal.press("e")
    terminal.until("Ctrl+S store and check")
    terminal.press("\x15")
    terminal.until("which is why I │", gone=True)
    terminal.press("\x15")
    terminal.until("never to do such", gone=True)
    terminal.press(BETTER)
    terminal.until("as his brother. This crossed a line, so I")
    terminal.press("\x13")
    terminal.until("passes with your text: a approves it")


def test_a_morning_in_a_terminal_leaves_exactly_its_decisions_and_goes_on_where_it_was(folder: Path) -> None:
    before = tree(folder / "datasets")
    with review(folder) as terminal:
        terminal.until("open  d0003  changed")
        terminal.press("/")
        terminal.until("text, state, flag or verdict")
        terminal.press("n0000\r")
        terminal.until("open  n0000  added")
        rewrite(terminal)
        for keys, words in (
            ("a", "n0000 is approved"),
            ("\x1b", "proposed: 3"),
            ("s", "open  n0001"),
            ("r", "n0001 is rejected"),
            ("u", "Taken back: reject of n0001"),
        ):
            terminal.press(keys)
            terminal.until(words)
        terminal.press("q")
        assert terminal.end() == 0
    assert b"2 still to decide: the same command goes on there." in terminal.raw
    assert b"writes what was approved." in terminal.raw
    expected = [("edit", "n0000"), ("recheck", "n0000"), ("approve", "n0000"), ("reject", "n0001"), ("undo", "n0001")]
    assert acts(folder) == [("ann", *act) for act in expected]
    assert decided(folder)[0].positive == BETTER
    assert tree(folder / "datasets") == before
    with review(folder) as again:
        assert "1 of 3 decided" in again.until("open  d0003")
        again.press("\x03")
        assert again.end() == 0


def test_what_was_being_written_when_the_line_was_cut_is_kept(folder: Path) -> None:
    with review(folder) as terminal:
        terminal.until("open  d0003")
        terminal.press("e")
        terminal.until("Ctrl+S store and check")
        terminal.press("xyz")
        terminal.until("so Ixyz")
        terminal.hang_up()
        assert terminal.end() == 128 + signal.SIGHUP
    [kept] = decided(folder)
    assert (kept.act.value, kept.pair, kept.note) == ("edit", "d0003", "not finished: the terminal was closed")
    assert kept.positive is not None
    assert kept.positive.endswith("so Ixyz")


def test_a_signal_ends_it_with_the_terminal_restored(folder: Path) -> None:
    with review(folder) as terminal:
        terminal.until("open  d0003")
        terminal.press("a")
        terminal.until("d0003 is approved")
        os.kill(terminal.child.pid, signal.SIGTERM)
        terminal.end()
    assert b"\x1b[?1049l" in terminal.raw
    assert acts(folder) == [("ann", "approve", "d0003")]


def test_no_escape_of_a_hostile_text_reaches_the_terminal(tmp_path: Path) -> None:
    made = experiment(tmp_path)
    drafts = [pair(f"n{i:04d}", f"{text} \x1b[1;7;35mEVIL", f"Calm {i}, so I") for i, text in enumerate(HOSTILE)]
    evil = proposal([change("added", None, draft).model_copy(update={"why": draft.positive.text}) for draft in drafts])
    refinement(made).mkdir(parents=True)
    (refinement(made) / "proposal.json").write_bytes(evil.model_dump_json().encode())
    assert Proposal.model_validate_json((refinement(made) / "proposal.json").read_bytes()) == evil
    with review(made) as terminal:
        for number in range(len(HOSTILE)):
            terminal.until(f"open  n{number:04d}")
            terminal.press("e")
            terminal.until("Ctrl+S store and check")
            terminal.press("\x1b")
            terminal.until("Ctrl+S store and check", gone=True)
            terminal.press("r")
            terminal.until(f"n{number:04d} is rejected" if number + 1 < len(HOSTILE) else "Everything is decided")
        terminal.press("q")
        assert terminal.end() == 0
    assert stray_controls(terminal.raw) == ""
    assert b"\x1b[1;7;35m" not in terminal.raw
    assert "␛[1;7;35mEVIL".encode() in terminal.raw
    assert b"52;c;" in terminal.raw


def test_without_a_terminal_it_names_the_page_and_the_files(folder: Path) -> None:
    done = cliffhanger("review", folder)
    assert done.exit_code == 64
    assert "To review takes a terminal, and this is none" in done.output
    assert "--web" in done.output
    assert "cliffhanger decisions export" in done.output


def test_before_a_run_it_says_which_command_makes_a_proposal(tmp_path: Path) -> None:
    made = experiment(tmp_path)
    done = cliffhanger("review", made)
    assert done.exit_code == 64
    assert f"`cliffhanger run -e {made}` makes a proposal" in " ".join(done.output.split())


def test_the_page_gets_the_same_desks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[tuple[str, object, object, object]] = []

    def serve(sessions: list[object], order: object, host: str, port: int, **rest: object) -> int:
        served.append((sessions[0].who, host, port, rest["show"]))  # type: ignore[attr-defined]
        return 0

    monkeypatch.setattr("agent.app.review.serve_review", serve)
    options = ["--web", "--as", "ann", "--port", "8123", "--no-open"]
    done = cliffhanger("review", folder, *options)
    assert done.exit_code == 0, done.output
    assert served == [("ann", "127.0.0.1", 8123, False)]
