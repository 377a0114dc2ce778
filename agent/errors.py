"""User errors and exit codes."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.schema import Cause, Ending  # types only: `cliffhanger --help` loads no pydantic


class UserError(Exception):
    """Base of all errors for the user: the message says what is wrong and what to do, one sentence per line."""


class Interrupted(Exception):
    """A round cannot continue: an endpoint is down, a limit is reached, a stop was requested, or the run stalls.

    Paid answers are stored. The round is not recorded; the next run repeats it without paying again.
    """

    def __init__(self, ending: "Ending", why: str, cause: "Cause | None" = None) -> None:
        super().__init__(why)
        self.ending = ending
        self.cause = cause


USAGE = 64
STOPPED = 6

# The worst first: the most urgent for the user.
_BY_URGENCY = (1, 64, 4, 5, 6, 3, 2, 0)


def worst(codes: Iterable[int]) -> int:
    """One exit code for several traits: endpoint, stalled, stopped, cap or not ready, parked, ready."""
    return min(codes, key=_BY_URGENCY.index, default=0)
