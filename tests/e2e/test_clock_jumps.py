"""The wall clock is set an hour on or back while a run is at work: nothing is decided by it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.scripted import experiment, status_of
from tests.e2e.jumping import LOOKS
from tests.e2e.killing import ROOT
from tests.e2e.rehearsal import outcome

HOUR = 3600
PARTS = (("--max-rounds", "2", "--max-minutes", "30"), ("--max-minutes", "30"))  # two runs of one campaign


def ran(folder: Path, seconds: int) -> list[tuple[int, str]]:
    """Exit codes and words of two runs in a row, in each of which the clock is set by so many seconds."""
    ended = []
    for options in PARTS:
        command = [sys.executable, "-m", "tests.e2e.jumping", str(seconds), "run", "-e", str(folder), *options]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        ended.append((done.returncode, done.stdout + done.stderr))
    return ended


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = experiment(tmp_path_factory.mktemp("undisturbed"))
    ended = ran(folder, 0)
    assert [code for code, _ in ended] == [3, 0], ended
    return folder


@pytest.mark.parametrize("seconds", [HOUR, -HOUR], ids=["on", "back"])
def test_a_clock_set_by_an_hour_in_mid_run_changes_no_byte_and_uses_up_no_cap_on_minutes(
    tmp_path: Path, undisturbed: Path, seconds: int
) -> None:
    folder = experiment(tmp_path)
    ended = ran(folder, seconds)
    assert [code for code, _ in ended] == [3, 0], ended
    for _, said in ended:
        found = re.search(r"(\d+) looks at the clock", said)
        assert found
        assert int(found[1]) > LOOKS + 20, "the clock was set too late to matter"
    assert outcome(folder) == outcome(undisturbed)
    state = status_of(folder)
    assert (state["how"], state["by_status"]) == ("stopped", {"audited": 6})
    assert not state["possibly_paid"]
