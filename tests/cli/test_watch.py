"""`status --watch`: the same again and again, until Ctrl-C."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.cli.status import lasting
from agent.storage.experiment import ExperimentFolder
from agent.storage.ledger import Ledger
from tests.cli.scripted import experiment
from tests.cli.test_status import Hands, record
from tests.supervision.test_heartbeat import TRAIT

WATCH = [sys.executable, "-c", "from agent.cli.main import main; main()", "status", "--watch", "-e"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return experiment(tmp_path)


@pytest.fixture
def watched(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen([*WATCH, str(folder)], stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_watch_prints_a_block_per_change_and_ends_by_itself_when_nothing_runs_any_more(
    folder: Path, watched: "subprocess.Popen[str]"
) -> None:
    assert watched.stdout is not None
    assert watched.stdout.readline().startswith("at 2")
    assert watched.stdout.readline() == "toy/refusal: no run yet\n"
    time.sleep(2.5)  # looked at again, and nothing said
    with Ledger(ExperimentFolder(folder, TRAIT).ledger_path) as ledger:
        record(ledger, 1.0, clock=Hands())
    assert watched.stdout.readline().startswith("at 2")
    assert watched.stdout.readline().startswith("toy/refusal: campaign 1, 1 rounds, 3 pairs")
    assert watched.wait(20) == 0


def test_watch_redraws_on_a_terminal_and_ends_well_by_ctrl_c(folder: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen([*WATCH, str(folder)], stdin=theirs, stdout=theirs, stderr=theirs) as process:
        shown = b""
        while shown.count(b"no run yet") < 2:
            shown += os.read(ours, 4096)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert b"Ctrl-C to leave" in shown
    assert b"Traceback" not in shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h 0 min"),
        (9000, "2 h 30 min"),
        (-3, "0 s"),
    ],
)
def test_a_length_of_time_is_told_in_its_largest_units(seconds: float, words: str) -> None:
    assert lasting(seconds) == words
