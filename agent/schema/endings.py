"""How runs end: the ending with its exit code, and the cause."""

from enum import StrEnum
from typing import Literal

from agent.schema.pairs import FrozenModel


class Ending(StrEnum):
    """How a run ended; each has its exit code."""

    READY = "ready"
    READY_WITH_PARKED = "ready, parked items remain"
    CAP = "cap"
    NOT_READY = "not ready"
    ERROR = "error"
    ENDPOINT = "endpoint"
    STALLED = "stalled"
    STOPPED = "stopped"
    BUG = "bug"


EXIT_CODES = {
    Ending.READY: 0,
    Ending.READY_WITH_PARKED: 2,
    Ending.CAP: 3,
    Ending.NOT_READY: 3,
    Ending.ERROR: 3,
    Ending.ENDPOINT: 4,
    Ending.STALLED: 5,
    Ending.STOPPED: 6,
    Ending.BUG: 1,
}


class Cause(StrEnum):
    """Why a run ended so. See `review/endings.py` for what follows from each."""

    AUDITED = "audited"
    PARKED = "parked"
    PARKED_UNANSWERED = "parked unanswered"
    ROUNDS = "rounds"
    PAIRS = "pairs"
    USAGE = "usage"
    MINUTES = "minutes"
    PILOT = "pilot"
    UNRELIABLE = "unreliable"
    CONTROLS = "controls"
    UNDECIDED = "undecided"
    UNANSWERED = "unanswered"
    PATIENCE = "patience"
    DRAFTS = "drafts"
    ERROR = "error"
    OUTAGE = "outage"
    ACCOUNT = "account"
    UNREADABLE = "unreadable"
    STALLED = "stalled"
    SIGNAL = "signal"
    STOP_FILE = "stop file"
    UNTIL = "until"
    BUG = "bug"


class Stop(FrozenModel):
    """The end of a run. Proposals of older versions have no `cause`."""

    kind: Literal["stop"] = "stop"
    ending: Ending
    why: str
    cause: Cause | None = None

    @property
    def ready(self) -> bool:
        return self.ending in (Ending.READY, Ending.READY_WITH_PARKED)
