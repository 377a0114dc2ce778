"""Detached runs (`cliffhanger run --detach`): the same command in a session of its own, which outlives the terminal."""

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

# -P: a folder named agent in the current directory must not be imported as the program.
PROGRAM = (sys.executable, "-P", "-c", "from agent.cli.main import main; main()")
_FLAG = "--detach"
_TIMEOUT = 300.0  # seconds to wait for the pre-flight, which loads the subject; chosen by judgement
_POLL = 0.2  # seconds
_LOG_LINES = 12


def detach(
    argv: Sequence[str],
    experiment: Path,
    program: Sequence[str] = PROGRAM,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Start a command in the background, wait for its pre-flight, and print one line of JSON. Returns the exit code.

    `argv` is the command line without the program's name. The exit code is 0 when the pre-flight has passed, waits for
    an endpoint, or has not ended within five minutes; else that of the command.
    """
    if not experiment.is_dir():
        return _fail(f"There is no folder {experiment}.", USAGE)
    experiment = experiment.resolve()
    log = run_log(experiment)
    before = log.stat().st_size if log.exists() else 0
    old = {path: _content(path) for path in heartbeat_files(experiment)}
    child = _start([*program, *(word for word in argv if word != _FLAG)], log)
    heartbeat = heartbeat_file(experiment, child.pid)
    if not _wait_for_preflight(child, heartbeat, old.get(heartbeat), sleep):
        code = child.wait()
        return _fail(_last_lines(log, before), code if code >= 0 else 128 - code)
    status = f"{text.program_name()} status {shlex.join(['-e', str(experiment)])}"
    _print(pid=child.pid, experiment=str(experiment), log=str(log), heartbeat=str(heartbeat), status=status)
    return 0


def _start(command: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as sink:
        return subprocess.Popen(  # noqa: S603 - our own program with the user's own arguments
            command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
        )


def _wait_for_preflight(
    child: "subprocess.Popen[bytes]", heartbeat: Path, old: bytes | None, sleep: Callable[[float], None]
) -> bool:
    """Wait for the pre-flight; false when the child ended before it had passed.

    `old` is what an earlier process of the same pid left in the file. Contents are compared, not times: the system
    time may be set back.
    """
    waited = 0.0
    try:
        while waited < _TIMEOUT:
            ended = child.poll() is not None  # checked first: once it has ended, its last heartbeat is on disk
            found = _content(heartbeat)
            if found is not None and found != old and _is_settled(found):
                return True
            if ended:
                return False
            sleep(_POLL)
            waited += _POLL
    except KeyboardInterrupt:
        child.terminate()  # its pid has not been printed yet
        raise
    return True


def _content(path: Path) -> bytes | None:
    """A file's bytes; None where it does not exist."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _is_settled(found: bytes) -> bool:
    """Whether a heartbeat says that the pre-flight has passed or waits on purpose."""
    record = HeartbeatRecord.model_validate_json(found)
    return record.checked is not None or (record.ended is None and record.now.paused is not None)


def _last_lines(log: Path, before: int) -> str:
    """The last lines that the child wrote to the log."""
    with log.open("rb") as file:
        file.seek(before)
        lines = file.read().decode("utf-8", "replace").rstrip().split("\n")
    return "\n".join(safe_text(line) for line in lines[-_LOG_LINES:])


def _fail(error: str, code: int) -> int:
    _print(error=error, code=code)
    return code


def _print(**content: object) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()
