"""What tests of a running process need: a small real run, its heartbeat, a clock set by hand."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.supervision.heartbeat import HeartbeatRecord

TRAIT = "toy/refusal"

# A minimal run: it holds the ledger, counts steps, and obeys STOP and PAUSE files unless it is to be deaf to them.
_WORKER = """
import os, sys, time
from pathlib import Path
from agent.supervision.heartbeat import Heartbeat, HeartbeatTiming
from agent.supervision.progress import Progress
from agent.supervision.stop_control import StopSignals
from agent.storage.experiment import ExperimentFolder, heartbeat_file
from agent.storage.ledger import Ledger
root, trait, deaf = Path(sys.argv[1]), sys.argv[2], sys.argv[3:] == ["deaf"]
folder, progress = ExperimentFolder(root, trait), Progress((trait,))
timing = HeartbeatTiming(wait=lambda closed, seconds: closed.wait(0.05))
stops = StopSignals(sleep=lambda seconds: time.sleep(0.02))
with stops, Heartbeat(heartbeat_file(root, os.getpid()), progress, timing=timing) as heartbeat:
    heartbeat.preflight_passed()
    with Ledger(folder.ledger_path):
        progress.stage(trait, "step 1")
        print("ready", flush=True)
        while deaf or stops.stop_reason(folder.stop_file) is None:
            progress.stage(trait, f"step {time.monotonic_ns()}")
            time.sleep(0.02)
            stops.wait_while_paused(trait, folder.pause_file, folder.stop_file, progress)
    progress.finish(trait, "stopped")
    heartbeat.set_ending("stopped")
sys.exit(6)
"""


@contextmanager
def running_worker(root: Path, trait: str = TRAIT, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """A real process that works on a trait of an experiment until it is stopped."""
    command = [sys.executable, "-c", _WORKER, str(root), trait, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for another thread or process; the limit of a minute only ends a test that fails."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "the condition never became true"
        time.sleep(0.01)


def read_heartbeat(path: Path) -> HeartbeatRecord:
    return HeartbeatRecord.model_validate_json(path.read_bytes())


class ManualClock:
    """A clock that only the test moves."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
