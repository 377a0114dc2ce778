"""An endpoint that is out: when it counts as out, how it is asked again, and when the run gives up."""

import asyncio
from collections.abc import Iterator

import pytest

from agent.llm.circuit_breaker import CircuitBreaker, EndpointUnavailable
from agent.llm.errors import LLMError, Transient
from tests.llm.virtual_clock import VirtualClock

DOWN = Transient("503: come back later")


class Server:
    """Answers the small question once it is back; keeps the times at which it was asked."""

    def __init__(self, clock: VirtualClock, back_at: float) -> None:
        self.clock = clock
        self.back_at = clock.now() + back_at
        self.asked: list[float] = []

    async def canary(self) -> None:
        self.asked.append(self.clock.now())
        if self.clock.now() < self.back_at:
            raise Transient("503: still down")


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    return VirtualClock(0.0)


def outage(clock: VirtualClock, back_at: float = 0.0, max_pause: float = 7200.0) -> tuple[CircuitBreaker, Server, list]:
    server, told = Server(clock, back_at), []
    return CircuitBreaker(clock.clock, max_pause, server.canary, told.append), server, told


def fail(made: CircuitBreaker, times: int, error: LLMError = DOWN) -> None:
    for _ in range(times):
        made.failed(error)


def test_eight_failures_in_two_silent_minutes_are_an_outage_and_neither_alone(clock: VirtualClock) -> None:
    async def story() -> list[bool]:
        made, _, _ = outage(clock)
        seen = []
        await clock.sleep(500)
        fail(made, 20)
        seen.append(made.is_on)
        made.succeeded()
        fail(made, 6)
        await clock.sleep(121)
        fail(made, 1)
        seen.append(made.is_on)
        fail(made, 1)
        seen.append(made.is_on)
        made.close()
        return seen

    assert clock.run(story()) == [False, False, True]


async def tripped(clock: VirtualClock, made: CircuitBreaker) -> None:
    fail(made, 1)
    await clock.sleep(121)
    fail(made, 7)


def test_while_it_is_out_it_is_asked_ever_more_seldom_and_the_first_answer_lets_all_go_on(clock: VirtualClock) -> None:
    async def story() -> tuple[list[float], float]:
        made, server, told = outage(clock, back_at=121 + 1000)
        await tripped(clock, made)
        await asyncio.gather(*(made.admit() for _ in range(50)))
        assert told[0].startswith("no whole answer to 8 attempts in a row")
        assert told[-1] is None
        return [at - 121 for at in server.asked], made.paused

    asked, paused = clock.run(story())
    assert asked == [30, 90, 210, 450, 930, 1530]
    assert paused == pytest.approx(1530)


@pytest.mark.parametrize("answered", [False, True])
def test_what_is_asked_by_the_way_counts_as_trouble_and_as_its_end(clock: VirtualClock, answered: bool) -> None:
    async def story() -> bool:
        made, server, _ = outage(clock, back_at=1)
        with pytest.raises(Transient):
            await made.outlast(server.canary)
        await clock.sleep(121)
        if answered:
            await made.outlast(server.canary)
        fail(made, 7)
        made.close()
        return made.is_on

    assert clock.run(story()) is not answered


def test_whoever_comes_while_it_is_well_does_not_wait(clock: VirtualClock) -> None:
    async def story() -> float:
        made, _, _ = outage(clock)
        await made.admit()
        return clock.now()

    assert clock.run(story()) == 0.0


def test_after_the_longest_pause_everybody_is_told_that_it_is_given_up(clock: VirtualClock) -> None:
    async def story() -> list[object]:
        made, _, _ = outage(clock, back_at=1e9, max_pause=600)
        await tripped(clock, made)
        return list(await asyncio.gather(*(made.admit() for _ in range(3)), return_exceptions=True))

    found = clock.run(story())
    assert [type(error) for error in found] == [EndpointUnavailable] * 3
    assert "10 minutes" in str(found[0])
    assert "still down" in str(found[0])
    assert clock.now() == pytest.approx(121 + 600)


def test_a_success_from_elsewhere_ends_it_at_once(clock: VirtualClock) -> None:
    async def story() -> float:
        made, server, _ = outage(clock, back_at=1e9)
        await tripped(clock, made)
        waiting = asyncio.create_task(made.admit())
        await clock.sleep(5)
        made.succeeded()
        await waiting
        assert server.asked == []
        return clock.now()

    assert clock.run(story()) == pytest.approx(126)


def test_one_failing_item_is_not_an_outage_where_the_small_question_is_answered(clock: VirtualClock) -> None:
    async def story() -> tuple[bool, int]:
        made, server, _ = outage(clock)
        found = await asyncio.gather(*(made.is_out(DOWN) for _ in range(10)))
        return any(found), len(server.asked)

    assert clock.run(story()) == (False, 1)


def test_an_unanswered_small_question_is_an_outage_at_once(clock: VirtualClock) -> None:
    async def story() -> tuple[bool, bool]:
        made, _, _ = outage(clock, back_at=100)
        found = await made.is_out(DOWN)
        on = made.is_on
        await made.admit()
        return found, on

    assert clock.run(story()) == (True, True)
    assert clock.now() == pytest.approx(210)


def test_a_waiter_who_is_cancelled_disturbs_nobody(clock: VirtualClock) -> None:
    async def story() -> float:
        made, _, _ = outage(clock, back_at=121 + 10)
        await tripped(clock, made)
        first, second = asyncio.create_task(made.admit()), asyncio.create_task(made.admit())
        await clock.sleep(1)
        first.cancel()
        await second
        return clock.now() - 121

    assert clock.run(story()) == pytest.approx(30)
