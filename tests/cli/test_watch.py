"""`status --watch`: refreshed until no run is active or Ctrl-C."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.app.status import read_states
from agent.cli.status import duration, print_changes
from agent.config.load import load_settings
from agent.storage.experiment import ExperimentFolder
from agent.storage.ledger import Ledger
from tests.cli.scripted import experiment
from tests.cli.test_status import record
from tests.supervision.worker import TRAIT, ManualClock

WATCH = [sys.executable, "-c", "from agent.cli.main import main; main()", "status", "--watch", "-e"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return experiment(tmp_path)


def test_watch_prints_a_block_per_change_and_ends_when_no_run_is_active(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, waits = load_settings(folder), list[float]()

    def record_a_round_at_the_second_wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            with Ledger(ExperimentFolder(folder, TRAIT).ledger_path) as ledger:
                record(ledger, 1.0, clock=ManualClock())

    print_changes(lambda: read_states(settings), as_json=False, sleep=record_a_round_at_the_second_wait)
    assert waits == [2.0, 2.0]
    first, unchanged, second, changed, *_ = capsys.readouterr().out.split("\n")
    assert first.startswith("at 2")
    assert unchanged == "toy/refusal: no run yet"
    assert second.startswith("at 2")
    assert changed.startswith("toy/refusal: campaign 1, 1 rounds, 3 pairs")


def test_watch_redraws_on_a_terminal_and_ctrl_c_ends_it_with_zero(folder: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen([*WATCH, str(folder)], stdin=theirs, stdout=theirs, stderr=theirs) as process:
        shown = b""
        while shown.count(b"no run yet") < 2:
            shown += os.read(ours, 4096)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert b"Ctrl-C to leave" in shown
    assert b"Traceback" not in shown


@pytest.mark.parametrize(
    ("seconds", "text"),
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
def test_a_duration_is_shown_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text
