"""A run continues when its output cannot be written, and its heartbeat says so."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cli.scripted import experiment, status_of
from tests.e2e.killing import ROOT

PROGRAM = """
from agent.cli.main import main
from tests.cli.scripted import scripted
from tests.support import pictures
with pictures.empty():
    main(scripted())
"""


def ran(streams: Mapping[str, Any], *arguments: str) -> int:
    """The exit code of a command with these streams, which hold back what they are given, as they usually do."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(command, cwd=ROOT, check=False, env=usual, **streams).returncode


def errors_of(folder: Path) -> list[str]:
    process = status_of(folder)["process"]
    assert isinstance(process, dict)
    return list(process["now"]["errors"])


@pytest.mark.parametrize("both", [False, True], ids=["standard output", "standard error too"])
def test_a_run_with_a_full_log_finishes_and_its_heartbeat_reports_it(tmp_path: Path, both: bool) -> None:
    folder = experiment(tmp_path)
    with Path("/dev/full").open("w") as full:
        code = ran({"stdout": full, "stderr": full if both else subprocess.PIPE}, "run", "-e", str(folder))
    assert code == 0
    assert status_of(folder)["by_status"] == {"audited": 6}
    assert errors_of(folder) == ["The display cannot be written: [Errno 28] No space left on device"]


def test_a_run_with_a_closed_pipe_finishes(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    with subprocess.Popen(["true"], stdin=subprocess.PIPE) as reader:
        reader.wait()
        assert ran({"stdout": reader.stdin}, "run", "-e", str(folder)) == 0
        assert reader.stdin is not None
    assert status_of(folder)["by_status"] == {"audited": 6}
    assert len(errors_of(folder)) == 1


def test_a_run_that_cannot_start_returns_its_code_even_without_output(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        assert ran({"stdout": full, "stderr": full}, "run", "-e", str(tmp_path / "nowhere")) == 64


def test_a_dry_run_that_cannot_be_printed_fails(tmp_path: Path) -> None:
    told = tmp_path / "told.txt"
    with Path("/dev/full").open("w") as full, told.open("w") as errors:
        code = ran({"stdout": full, "stderr": errors}, "run", "--dry-run", "-e", str(experiment(tmp_path)))
    assert code == 64
    assert told.read_text() == "cliffhanger: cannot write any further output: No space left on device.\n"
