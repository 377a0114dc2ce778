"""Decision log: human decisions in decisions.jsonl, append-only."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from agent.errors import UserError
from agent.schema import Act, Decision
from agent.storage.durable import LockHeld, exclusive_lock, failpoint, sync_folder

NAME = "decisions.jsonl"
_TORN = b"\x18\n"  # "cancel": JSON cannot contain it unescaped, so it marks a torn line
_LOCK_WAIT = 30.0  # seconds, chosen by judgement: another reviewer holds the lock for milliseconds


class DecisionError(UserError):
    """Decisions that cannot be read or stored; the message names the file, the line and what to do."""


@dataclass(frozen=True)
class Recorded:
    """All lines of a log in file order. `torn` names the lines that a crash cut short; they are no decisions.

    A line that is being written at the moment of reading looks torn too.
    """

    decisions: tuple[Decision, ...]
    torn: tuple[str, ...] = ()


@dataclass(frozen=True)
class DecisionLog:
    """The decisions of one trait. Any number of processes may read and append at one time.

    `lock_wait` (seconds) is how long an append waits for another process.
    """

    path: Path
    lock_wait: float = _LOCK_WAIT

    def read(self) -> Recorded:
        """All decisions; none where there is no file. Raises DecisionError for a damaged line."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return Recorded(())
        except OSError as error:
            raise DecisionError(f"{self.path} cannot be read: {error}.") from error
        return parse_decisions(content, str(self.path))

    def append(self, *decisions: Decision) -> None:
        """Append decisions in one write; they are on disk when this returns. Raises DecisionError."""
        if not decisions:
            return
        content = b"".join(line_of(decision) for decision in decisions)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with exclusive_lock(Path(f"{self.path}.lock"), self.lock_wait):
                self._write(content)
        except LockHeld as error:
            raise DecisionError(f"{self.path} is locked by another process: end it, then decide again.") from error
        except OSError as error:
            raise DecisionError(f"{self.path} cannot be written: {error}. The decision is not stored.") from error

    def _write(self, content: bytes) -> None:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            failpoint("decision")
            _write_all(descriptor, _end_of_torn(descriptor) + content)
            failpoint("decision-written")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_folder(self.path.parent)
        failpoint("decision-done")


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def _end_of_torn(descriptor: int) -> bytes:
    """The bytes needed before the next line: none, or the end of one that a crash cut short."""
    size = os.fstat(descriptor).st_size
    if size == 0 or os.pread(descriptor, 1, size - 1) == b"\n":
        return b""
    tail = os.pread(descriptor, size, 0).rpartition(b"\n")[2]
    return b"\n" if _whole(tail) is not None else _TORN


def _whole(raw: bytes) -> Decision | None:
    try:
        return Decision.model_validate_json(raw)
    except ValidationError:
        return None


def line_of(decision: Decision) -> bytes:
    """A decision as one line: JSON escapes the line feeds in its texts."""
    return decision.model_dump_json().encode() + b"\n"


def parse_decisions(content: bytes, name: str) -> Recorded:
    """Decisions from JSON lines, split at line feeds only. Raises DecisionError naming file and line."""
    *rows, tail = content.split(b"\n")
    decisions: list[Decision] = []
    torn: list[str] = []
    for number, raw in enumerate([*rows, tail], 1):
        unfinished = number > len(rows) and raw != b"" and _whole(raw) is None
        if unfinished or raw.endswith(_TORN[:1]):
            torn.append(f"{name}:{number}")
        elif raw.strip():
            decisions.append(_parsed(raw, f"{name}:{number}"))
    return Recorded(tuple(decisions), tuple(torn))


def _parsed(raw: bytes, place: str) -> Decision:
    try:
        return Decision.model_validate_json(raw)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        what = f"{where}: {problem['msg']}" if where else problem["msg"]
        raise DecisionError(
            f"{place} is not a decision ({what}). Nothing was read. Fix the line, or move it to another file."
        ) from error


def in_force(decisions: Sequence[Decision]) -> tuple[Decision, ...]:
    """The decisions in force: by time, each once, without undone ones and without the undo lines themselves."""
    undone = {decision.undone for decision in decisions if decision.act is Act.UNDO}
    kept = {d.id: d for d in decisions if d.act is not Act.UNDO and d.id not in undone}
    return tuple(sorted(kept.values(), key=lambda decision: decision.when))


def next_moment(decisions: Sequence[Decision], now: datetime | None = None) -> str:
    """The `when` of the next decision: now, but later than all earlier ones even if the clock went back."""
    moment = now or datetime.now(UTC)
    latest = max((datetime.fromisoformat(decision.when) for decision in decisions), default=moment)
    if decisions and latest >= moment:
        moment = latest + timedelta(microseconds=1)
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
