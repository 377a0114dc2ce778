"""`cliffhanger run --detach`: the same command in a session of its own, which outlives the terminal."""

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from agent import text
from agent.errors import USAGE
from agent.storage.experiment import heartbeat_file, heartbeat_files, run_log
from agent.supervision.heartbeat import HeartbeatRecord
from agent.text import safe_text

# -P: a folder named agent where the command is given must not be taken for the program.
PROGRAM = (sys.executable, "-P", "-c", "from agent.cli.main import main; main()")
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

    Returns 0 when the pre-flight is passed, waits for an endpoint that is out, or still goes on after five minutes;
    else the code the command ended with.
    """
    if not experiment.is_dir():
        return _failed(f"There is no folder {experiment}.", USAGE)
    experiment = experiment.resolve()
    log = run_log(experiment)
    before = log.stat().st_size if log.exists() else 0
    old = {path: _content(path) for path in heartbeat_files(experiment)}
    child = _started([*program, *(word for word in argv if word != _FLAG)], log)
    beats = heartbeat_file(experiment, child.pid)
    if not _passed(child, beats, old.get(beats), sleep):
        code = child.wait()
        return _failed(_last_words(log, before), code if code >= 0 else 128 - code)
    status = f"{text.program_name()} status {shlex.join(['-e', str(experiment)])}"
    _print(pid=child.pid, experiment=str(experiment), log=str(log), heartbeat=str(beats), status=status)
    return 0


def _started(command: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as sink:
        return subprocess.Popen(  # noqa: S603 - our own program with the user's own arguments
            command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
        )


def _passed(child: "subprocess.Popen[bytes]", beats: Path, old: bytes | None, sleep: Callable[[float], None]) -> bool:
    """Wait until the pre-flight is passed (or the wait too long), or the child has ended before.

    `old` is what a process of the same pid had left. No clock is asked: one that is set back would say nothing is new.
    """
    waited = 0.0
    try:
        while waited < _LONGEST:
            ended = child.poll() is not None  # asked first: its last heartbeat is on disk when it has ended
            found = _content(beats)
            if found is not None and found != old and _is_settled(found):
                return True
            if ended:
                return False
            sleep(0.2)
            waited += 0.2
    except KeyboardInterrupt:
        child.terminate()  # nobody has learnt of it yet
        raise
    return True


def _content(path: Path) -> bytes | None:
    """A file's bytes; None while it is not there."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _is_settled(found: bytes) -> bool:
    """Whether a heartbeat tells that the pre-flight is passed, or that it waits on purpose."""
    beat = HeartbeatRecord.model_validate_json(found)
    return beat.checked is not None or (beat.ended is None and beat.now.paused is not None)


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
