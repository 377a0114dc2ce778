"""`cliffhanger run --detach`: the same command in a session of its own, which outlives the terminal."""

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError

from agent.cli.exits import USAGE
from agent.cli.heartbeat import Beat
from agent.cli.screen import safe_text
from agent.record.experiment import heartbeat_file, run_log

# -P: a folder named agent where the command is given must not be taken for the program.
PROGRAM = (sys.executable, "-P", "-c", "from agent.cli import main; main()")
_FLAG = "--detach"
_LONGEST = 300.0  # seconds to wait for the pre-flight: a big subject may still be loading then
_LINES = 12


def detach(
    argv: Sequence[str],
    experiment: Path,
    program: Sequence[str] = PROGRAM,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Start the command `argv` (without the program's name), wait for its pre-flight, and print one line of JSON.

    Returns 0 when the pre-flight is passed, or still going on after five minutes; else the code the command ended with.
    """
    if not experiment.is_dir():
        return _failed(f"There is no folder {experiment}.", USAGE)
    experiment = experiment.resolve()
    log = run_log(experiment)
    before = log.stat().st_size if log.exists() else 0
    child = _started([*program, *(word for word in argv if word != _FLAG)], log)
    beats = heartbeat_file(experiment, child.pid)
    if not _passed(child, beats, sleep):
        code = child.wait()
        return _failed(_last_words(log, before), code if code >= 0 else 128 - code)
    status = shlex.join(["cliffhanger", "status", "-e", str(experiment)])
    _print(pid=child.pid, experiment=str(experiment), log=str(log), heartbeat=str(beats), status=status)
    return 0


def _started(command: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as sink:
        return subprocess.Popen(  # noqa: S603 - our own program with the user's own arguments
            command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
        )


def _passed(child: "subprocess.Popen[bytes]", beats: Path, sleep: Callable[[float], None]) -> bool:
    """Wait until the pre-flight is passed (or the wait too long), or the child has ended before."""
    started, waited = time.time(), 0.0
    try:
        while waited < _LONGEST:
            ended = child.poll() is not None  # asked first: its last heartbeat is on disk when it has ended
            if _is_checked(beats, started):
                return True
            if ended:
                return False
            sleep(0.2)
            waited += 0.2
    except KeyboardInterrupt:
        child.terminate()  # nobody has learnt of it yet
        raise
    return True


def _is_checked(beats: Path, started: float) -> bool:
    try:
        beat = Beat.model_validate_json(beats.read_bytes())
    except (FileNotFoundError, ValidationError):  # not there yet, or left by an older program under the same pid
        return False
    return beat.checked is not None and beat.checked >= started


def _last_words(log: Path, before: int) -> str:
    """The last lines that the child has added to the log."""
    with log.open("rb") as file:
        file.seek(before)
        lines = file.read().decode("utf-8", "replace").rstrip().split("\n")
    return "\n".join(safe_text(line) for line in lines[-_LINES:])


def _failed(error: str, code: int) -> int:
    _print(error=error, code=code)
    return code


def _print(**content: object) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()
