"""Errors that are sentences for the user, and the exit codes they lead to."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.schema import Ending  # a type only: `cliffhanger --help` loads no pydantic


class UserError(Exception):
    """Base of all errors that are no bugs: the message says what is wrong and what to do, one sentence per line."""


class Interrupted(Exception):
    """A round cannot go on just now: an endpoint is out, a cap is reached, a stop was asked for, or nothing moves.

    What was bought is stored; the round is not recorded, and the same command plays it again without buying twice.
    """

    def __init__(self, ending: "Ending", why: str) -> None:
        super().__init__(why)
        self.ending = ending


USAGE = 64
STOPPED = 6

# The worst first: what needs somebody's hand soonest.
_BY_GRAVITY = (1, 64, 4, 5, 6, 3, 2, 0)


def worst(codes: Iterable[int]) -> int:
    """One exit code for several traits: endpoint, stalled, stopped, cap or not ready, parked, ready."""
    return min(codes, key=_BY_GRAVITY.index, default=0)
