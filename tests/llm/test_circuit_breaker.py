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

    async def answer(self) -> None:
        self.asked.append(self.clock.now())
        if self.clock.now() < self.back_at:
            raise Transient("503: still down")


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    return VirtualClock(0.0)


def outage(clock: VirtualClock, back_at: float = 0.0, max_pause: float = 7200.0) -> tuple[CircuitBreaker, Server, list]:
    server, waits = Server(clock, back_at), []
    return CircuitBreaker(clock.clock, max_pause, server.answer, waits.append), server, waits


def fail(breaker: CircuitBreaker, times: int, error: LLMError = DOWN) -> None:
    for _ in range(times):
        breaker.on_failure(error)


def test_eight_failures_in_two_silent_minutes_are_an_outage_and_neither_alone(clock: VirtualClock) -> None:
    async def story() -> list[bool]:
        breaker, _, _ = outage(clock)
        found = []
        await clock.sleep(500)
        fail(breaker, 20)
        found.append(breaker.is_open)
        breaker.on_success()
        fail(breaker, 6)
        await clock.sleep(121)
        fail(breaker, 1)
        found.append(breaker.is_open)
        fail(breaker, 1)
        found.append(breaker.is_open)
        breaker.shut_down()
        return found

    assert clock.run(story()) == [False, False, True]


async def tripped(clock: VirtualClock, breaker: CircuitBreaker) -> None:
    fail(breaker, 1)
    await clock.sleep(121)
    fail(breaker, 7)


def test_while_it_is_out_it_is_asked_ever_more_seldom_and_the_first_answer_lets_all_go_on(clock: VirtualClock) -> None:
    async def story() -> tuple[list[float], float]:
        breaker, server, waits = outage(clock, back_at=121 + 1000)
        await tripped(clock, breaker)
        await asyncio.gather(*(breaker.wait_until_closed() for _ in range(50)))
        assert waits[0].startswith("unavailable after 8 failed attempts in a row")
        assert waits[-1] is None
        return [at - 121 for at in server.asked], breaker.downtime

    asked, paused = clock.run(story())
    assert asked == [30, 90, 210, 450, 930, 1530]
    assert paused == pytest.approx(1530)


@pytest.mark.parametrize("answered", [False, True])
def test_what_is_asked_by_the_way_counts_as_trouble_and_as_its_end(clock: VirtualClock, answered: bool) -> None:
    async def story() -> bool:
        breaker, server, _ = outage(clock, back_at=1)
        with pytest.raises(Transient):
            await breaker.call(server.answer)
        await clock.sleep(121)
        if answered:
            await breaker.call(server.answer)
        fail(breaker, 7)
        breaker.shut_down()
        return breaker.is_open

    assert clock.run(story()) is not answered


def test_whoever_comes_while_it_is_well_does_not_wait(clock: VirtualClock) -> None:
    async def story() -> float:
        breaker, _, _ = outage(clock)
        await breaker.wait_until_closed()
        return clock.now()

    assert clock.run(story()) == 0.0


def test_after_the_longest_pause_everybody_is_waits_that_it_is_given_up(clock: VirtualClock) -> None:
    async def story() -> list[object]:
        breaker, _, _ = outage(clock, back_at=1e9, max_pause=600)
        await tripped(clock, breaker)
        return list(await asyncio.gather(*(breaker.wait_until_closed() for _ in range(3)), return_exceptions=True))

    found = clock.run(story())
    assert [type(error) for error in found] == [EndpointUnavailable] * 3
    assert "10 minutes" in str(found[0])
    assert "still down" in str(found[0])
    assert clock.now() == pytest.approx(121 + 600)


def test_a_success_from_elsewhere_ends_it_at_once(clock: VirtualClock) -> None:
    async def story() -> float:
        breaker, server, _ = outage(clock, back_at=1e9)
        await tripped(clock, breaker)
        waiting = asyncio.create_task(breaker.wait_until_closed())
        await clock.sleep(5)
        breaker.on_success()
        await waiting
        assert server.asked == []
        return clock.now()

    assert clock.run(story()) == pytest.approx(126)


def test_one_failing_item_is_not_an_outage_where_the_small_question_is_answered(clock: VirtualClock) -> None:
    async def story() -> tuple[bool, int]:
        breaker, server, _ = outage(clock)
        found = await asyncio.gather(*(breaker.is_down(DOWN) for _ in range(10)))
        return any(found), len(server.asked)

    assert clock.run(story()) == (False, 1)


def test_an_unanswered_small_question_is_an_outage_at_once(clock: VirtualClock) -> None:
    async def story() -> tuple[bool, bool]:
        breaker, _, _ = outage(clock, back_at=100)
        found = await breaker.is_down(DOWN)
        on = breaker.is_open
        await breaker.wait_until_closed()
        return found, on

    assert clock.run(story()) == (True, True)
    assert clock.now() == pytest.approx(210)


def test_a_waiter_who_is_cancelled_disturbs_nobody(clock: VirtualClock) -> None:
    async def story() -> float:
        breaker, _, _ = outage(clock, back_at=121 + 10)
        await tripped(clock, breaker)
        first, second = (
            asyncio.create_task(breaker.wait_until_closed()),
            asyncio.create_task(breaker.wait_until_closed()),
        )
        await clock.sleep(1)
        first.cancel()
        await second
        return clock.now() - 121

    assert clock.run(story()) == pytest.approx(30)
