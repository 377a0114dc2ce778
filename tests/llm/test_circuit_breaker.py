"""Availability of an endpoint: the circuit breaker, the adaptive timeout and the status for a live view."""

import asyncio
from collections.abc import Iterator

import pytest

from agent.llm.admission import EndpointStatus
from agent.llm.circuit_breaker import AdaptiveTimeout, CircuitBreaker, EndpointUnavailable
from agent.llm.errors import LLMError, Transient
from tests.llm.virtual_clock import VirtualClock

DOWN = Transient("503: come back later")


class Server:
    """Answers health checks once it is back; keeps the times of all of them."""

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


def test_it_opens_after_eight_failures_and_two_minutes_without_success(
    clock: VirtualClock,
) -> None:
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


def test_health_checks_follow_at_doubled_intervals_and_the_first_answer_closes_it(clock: VirtualClock) -> None:
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
def test_outcomes_of_call_count_as_failures_and_successes(clock: VirtualClock, answered: bool) -> None:
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


def test_nobody_waits_while_it_is_closed(clock: VirtualClock) -> None:
    async def story() -> float:
        breaker, _, _ = outage(clock)
        await breaker.wait_until_closed()
        return clock.now()

    assert clock.run(story()) == 0.0


def test_after_the_longest_pause_all_waiting_calls_raise(clock: VirtualClock) -> None:
    async def story() -> list[object]:
        breaker, _, _ = outage(clock, back_at=1e9, max_pause=600)
        await tripped(clock, breaker)
        return list(await asyncio.gather(*(breaker.wait_until_closed() for _ in range(3)), return_exceptions=True))

    found = clock.run(story())
    assert [type(error) for error in found] == [EndpointUnavailable] * 3
    assert "10 minutes" in str(found[0])
    assert "still down" in str(found[0])
    assert clock.now() == pytest.approx(121 + 600)


def test_a_success_of_another_call_closes_it_at_once(clock: VirtualClock) -> None:
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


def test_one_failing_request_does_not_open_it_while_the_health_check_succeeds(clock: VirtualClock) -> None:
    async def story() -> tuple[bool, int]:
        breaker, server, _ = outage(clock)
        found = await asyncio.gather(*(breaker.is_down(DOWN) for _ in range(10)))
        return any(found), len(server.asked)

    assert clock.run(story()) == (False, 1)


def test_a_failed_health_check_opens_it_at_once(clock: VirtualClock) -> None:
    async def story() -> tuple[bool, bool]:
        breaker, _, _ = outage(clock, back_at=100)
        found = await breaker.is_down(DOWN)
        on = breaker.is_open
        await breaker.wait_until_closed()
        return found, on

    assert clock.run(story()) == (True, True)
    assert clock.now() == pytest.approx(210)


def test_cancelling_one_waiting_call_leaves_the_others_waiting(clock: VirtualClock) -> None:
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


def measured(*seconds: float) -> AdaptiveTimeout:
    learned = AdaptiveTimeout()
    for second in seconds:
        learned.record(second)
    return learned


def test_the_timeout_is_a_minute_until_twenty_answers_came() -> None:
    assert measured().timeout() == 60
    assert measured(*[1.0] * 19).timeout() == 60
    assert measured(*[10.0] * 20).timeout() == 40


def test_the_timeout_is_four_times_the_95th_percentile() -> None:
    assert measured(*[6.0] * 95, *[40.0] * 5).timeout() == 24
    assert measured(*[6.0] * 94, *[40.0] * 6).timeout() == 160


@pytest.mark.parametrize(("seconds", "timeout"), [(0.05, 20), (5.0, 20), (7.0, 28), (45.0, 180), (900.0, 180)])
def test_the_timeout_stays_between_twenty_seconds_and_three_minutes(seconds: float, timeout: float) -> None:
    assert measured(*[seconds] * 50).timeout() == timeout


def test_only_the_last_two_hundred_answers_count_for_the_timeout() -> None:
    assert measured(*[40.0] * 500, *[8.0] * 200).timeout() == 32
    assert measured(*[8.0] * 500, *[40.0] * 11, *[8.0] * 189).timeout() == 160
    assert measured(*[8.0] * 500, *[40.0] * 11, *[8.0] * 190).timeout() == 32


def test_the_order_of_answers_does_not_matter_for_the_timeout() -> None:
    mixed = [float(7 * number % 200) / 10 for number in range(400)]
    assert measured(*mixed).timeout() == measured(*sorted(mixed[200:])).timeout() == pytest.approx(4 * 18.9)


@pytest.mark.parametrize(("timeouts", "timeout"), [(0, 40), (1, 80), (2, 160), (3, 180), (99, 180), (10**9, 180)])
def test_each_attempt_that_timed_out_doubles_the_timeout_of_its_request(timeouts: int, timeout: float) -> None:
    assert measured(*[10.0] * 20).timeout(timeouts) == timeout


def test_the_status_names_a_slow_call_and_the_queue() -> None:
    assert EndpointStatus(32, 3, 0, None, None, 19.0).summary() == "3/32 in flight"
    assert EndpointStatus(32, 3, 7, None, None, 2.0).summary() == "3/32 in flight, 7 queued"
    assert EndpointStatus(32, 3, 7, None, None, 42.0).summary() == "3 questions in flight, oldest for 42 s, 7 queued"
    assert EndpointStatus(999, 212, 0, None, None, 870.0).summary() == "212 questions in flight, oldest for 14 min"
    assert EndpointStatus(1, 1, 0, None, None, 7500.0).summary() == "1 question in flight, oldest for 2 h 05 min"
