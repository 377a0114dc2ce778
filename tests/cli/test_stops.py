"""How a person stops a run."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.cli import app
from agent.cli.stops import Stops
from tests.cli.scripted import ReadingSubject, experiment, status_of, tree

_TWICE = """
import os, signal
from agent.cli.stops import Stops
with Stops():
    os.kill(os.getpid(), signal.SIGTERM)
    print("goes on", flush=True)
    os.kill(os.getpid(), signal.SIGINT)
    print("never said", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_a_request_and_its_handler_goes_with_the_run(
    number: signal.Signals, tmp_path: Path
) -> None:
    before = signal.getsignal(number)
    with Stops() as stops:
        assert stops.requested(tmp_path / "STOP") is None
        os.kill(os.getpid(), number)
        assert stops.requested(tmp_path / "STOP") == number.name
    assert signal.getsignal(number) == before


def test_the_second_signal_ends_the_process_at_once_with_its_code() -> None:
    done = subprocess.run([sys.executable, "-c", _TWICE], capture_output=True, text=True, timeout=30)
    assert done.returncode == 6
    assert done.stdout == "goes on\n"
    assert "Once more stops now" in done.stderr
    assert "the same command goes on" in done.stderr


def test_a_stop_file_is_seen_when_it_appears_and_named(tmp_path: Path) -> None:
    with Stops() as stops:
        file = tmp_path / "STOP"
        assert stops.requested(file) is None
        file.touch()
        assert str(file) in str(stops.requested(file))


def test_a_signal_in_the_middle_of_a_round_lets_the_round_end_and_the_next_run_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, pieces = experiment(tmp_path / "whole"), experiment(tmp_path / "pieces")
    monkeypatch.setattr("agent.cli.preflight.open_subject", lambda settings: ReadingSubject())
    assert CliRunner().invoke(app, ["run", "--experiment", str(whole)]).exit_code == 0

    def interrupt(continued: int) -> None:
        if continued == 12:  # the timed batch of four, then the first round's eight
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("agent.cli.preflight.open_subject", lambda settings: ReadingSubject(interrupt))
    stopped = CliRunner().invoke(app, ["run", "--experiment", str(pieces)])
    assert stopped.exit_code == 6
    assert "SIGINT" in stopped.output
    assert status_of(pieces)["rounds"] == 1
    monkeypatch.setattr("agent.cli.preflight.open_subject", lambda settings: ReadingSubject())
    assert CliRunner().invoke(app, ["run", "--experiment", str(pieces)]).exit_code == 0
    history = "extraction/toy/refusal/refinement/history.jsonl"
    assert tree(pieces)[history] == tree(whole)[history]
