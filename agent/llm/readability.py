"""Readability of a run's answers: when so few can be read that the run should stop before it has paid for them. Pure.

It is measured over the replies of each role in one trait's run, in the order in which they come (`app/model_calls`).
"""

from dataclasses import dataclass, replace

from agent.schema import ErrorKind, Reply, Role, kind_of
from agent.text import with_period

FIRST = 24  # replies; chosen by judgement: an eighth of what a pilot of 16 pairs asks first
_UNREAD = (ErrorKind.UNSCORED, ErrorKind.MALFORMED, ErrorKind.TRUNCATED)


@dataclass(frozen=True)
class Readability:
    """Counts of one role's replies: read, unread, and the unread ones since the last that was read.

    Refusals, which are about a topic, and failures of an endpoint, which are waited out, count neither way.
    """

    role: Role
    read: int = 0
    unread: int = 0
    in_a_row: int = 0
    latest: str = ""

    def after(self, reply: Reply) -> "Readability":
        """The counts with one more reply."""
        if reply.error is None:
            return replace(self, read=self.read + 1, in_a_row=0)
        if kind_of(reply.error) not in _UNREAD:
            return self
        return replace(self, unread=self.unread + 1, in_a_row=self.in_a_row + 1, latest=reply.error)

    @property
    def complaint(self) -> str | None:
        """Why the run should stop: most of the first replies, or as many in a row, are unread; None if not so."""
        is_bad_start = self.read < FIRST // 2 < self.unread
        if not is_bad_start and self.in_a_row < FIRST:
            return None
        counts = f"{self.in_a_row} in a row" if not is_bad_start else f"{self.unread} of {self.read + self.unread}"
        return (
            f"The {self.role}'s answers cannot be read ({counts}). The latest: {with_period(self.latest)} Start its "
            "server with thinking off or with a reasoning parser, and with the model's own chat template, or use a "
            "model that keeps to the form it is asked for"
        )
