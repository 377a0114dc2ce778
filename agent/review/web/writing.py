"""The page's only way to a dataset: functions handed in, and the proof that what is written is what was shown."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from agent.review.apply import Plan


@dataclass(frozen=True)
class Writer:
    """What `cliffhanger apply` does, by trait. `undo` gives the moment it went back to, `command` the same by hand.

    They raise ApplyError, DatasetError or DecisionError.
    """

    plan: Callable[[str], Plan]
    write: Callable[[Plan], None]
    undo: Callable[[str], str]
    command: Callable[[str], str]


def seal_of(plan: Plan) -> str:
    """Stands for exactly the bytes that a plan finds and those that it would write."""
    parts = (f"{name} {content!r}" for files in (plan.before, plan.after) for name, content in sorted(files.items()))
    return sha256("\n".join(parts).encode()).hexdigest()
