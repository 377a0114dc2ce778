"""Named points at durable steps, so that a test can have the process killed exactly there."""

import os
import signal
import threading
from collections import Counter

VARIABLE = "CLIFFHANGER_CRASH"

_lock = threading.Lock()
_passed: Counter[str] = Counter()


def point(name: str) -> None:
    """Do nothing, unless CLIFFHANGER_CRASH is "N" or "name:N": then SIGKILL at the N-th point passed (of that name)."""
    plan = os.environ.get(VARIABLE)
    if plan is None:
        return
    wanted, number = _read(plan)
    with _lock:
        if wanted in ("", name):
            _passed[wanted] += 1
        reached = wanted in ("", name) and _passed[wanted] == number
    if reached:
        os.kill(os.getpid(), signal.SIGKILL)


def _read(plan: str) -> tuple[str, int]:
    wanted, _, number = plan.rpartition(":")
    if not number.isascii() or not number.isdigit() or int(number) < 1:
        raise ValueError(f'{VARIABLE} is "N" or "name:N" with N from 1 upwards, not {plan!r}')
    return wanted, int(number)
