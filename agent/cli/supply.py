"""How one trait's loop gets answers and completions: held up while paused, ended by a stop, a cap or an outage."""

from collections.abc import Callable, Sequence
from typing import Protocol

from agent.cli.trouble import Interrupted
from agent.loop.tools import Continues, remembering
from agent.models.llm import Llm
from agent.record.ledger import Ledger
from agent.schema import Completion, Ending, Opener, Reply, Request, Sampling, Scenario
from agent.schema.counting import counted
from agent.steps.bench import Ask, Complete

Watch = Callable[[str], None]

# What no text is to blame for, and how the work ends with it. The first that occurs counts.
_ENDINGS = {
    "budget": Ending.CAP,
    "quota": Ending.ENDPOINT,
    "auth": Ending.ENDPOINT,
    "outage": Ending.ENDPOINT,
}
_STOPPED = "stopped"


class Guarding(Protocol):
    """What may hold the work up: see Guard."""

    def halted(self) -> bool: ...

    def check(self) -> None: ...

    def step(self, kind: str, count: int = 1) -> None: ...


class Unguarded:
    """Nothing holds the work up; what a single command by hand uses."""

    def halted(self) -> bool:
        return False

    def check(self) -> None:
        """Go on."""

    def step(self, kind: str, count: int = 1) -> None:
        """Nobody looks."""


def asking(llm: Llm, ledger: Ledger, watch: Watch, guard: Guarding) -> Ask:
    """Questions through the ledger. Raises Interrupted; what a stop or a pause cut off is asked again, if at all."""

    def heard(reply: Reply) -> None:
        if reply.error is None:
            guard.step("answers")

    def ask(requests: Sequence[Request]) -> list[Reply]:
        if not requests:
            return []
        while True:
            guard.check()
            watch(f"asks {counted(len(requests), 'question')}")
            replies = llm.ask_all(requests, ledger, guard.halted, heard)
            require_supply(replies)
            if all(_kind(reply) != _STOPPED for reply in replies):
                return replies

    return ask


def require_supply(replies: Sequence[Reply]) -> None:
    """Raise Interrupted when nothing can be bought any more, so that an outage never counts against a text."""
    errors = {_kind(reply): str(reply.error) for reply in reversed(replies)}
    for kind, ending in _ENDINGS.items():
        if kind in errors:
            raise Interrupted(ending, errors[kind])


def _kind(reply: Reply) -> str:
    return reply.error.partition(":")[0] if reply.error else ""


def completing(subject: Continues, ledger: Ledger, watch: Watch, guard: Guarding) -> Complete:
    """Completions through the ledger, each stored when made. Raises Interrupted between two of them."""

    def made(count: int) -> None:
        guard.step("completions", count)
        guard.check()

    complete = remembering(subject, ledger, made)

    def watched(
        scenarios: Sequence[Scenario], sampling: Sampling, openers: Sequence[Opener] = ()
    ) -> list[tuple[Completion, ...]]:
        if scenarios:
            guard.check()
            watch(f"continues {counted(len(scenarios), 'text')}")
        return complete(scenarios, sampling, openers)

    return watched
