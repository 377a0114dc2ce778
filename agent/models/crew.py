"""Many requests worked off at once: as many workers per role as its endpoint takes, each with one request at a time."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from agent.models.asking import Desk
from agent.schema import Reply, Request, Role

LOOK = 0.2  # seconds between looks for a stop
UNASKED = Reply(error="stopped: It was not sent: a stop was asked for.")


@dataclass(frozen=True)
class Ears:
    """What the work listens to: once `halted` says so, `abandon` is called and nothing more is begun.

    `heard` gets each reply when it is there.
    """

    halted: Callable[[], bool]
    abandon: Callable[[], None]
    heard: Callable[[Reply], None]


async def work_off(requests: Sequence[Request], desks: Mapping[Role, Desk], ears: Ears) -> list[Reply]:
    """One reply per request, in order."""
    replies: dict[int, Reply] = {}
    halt = asyncio.create_task(_watch(ears))

    async def work(desk: Desk, numbers: "list[int]") -> None:
        while numbers:
            number = numbers.pop()
            replies[number] = UNASKED if halt.done() else await desk.reply(requests[number])
            ears.heard(replies[number])

    tasks = []
    for role, desk in desks.items():
        numbers = [number for number in reversed(range(len(requests))) if requests[number].role is role]
        workers = min(len(numbers), desk.endpoint.concurrency)
        tasks += [asyncio.create_task(work(desk, numbers)) for _ in range(workers)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in (*tasks, halt):
            task.cancel()
        await asyncio.wait((*tasks, halt))
    return [replies[number] for number in range(len(requests))]


async def _watch(ears: Ears) -> None:
    while not ears.halted():
        await asyncio.sleep(LOOK)
    ears.abandon()
