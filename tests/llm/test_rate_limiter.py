"""The rate limiter against servers with a limit, measured in virtual time."""

import asyncio
from collections.abc import Callable
from random import Random

import pytest

from agent.llm.rate_limiter import AdaptiveLimiter
from tests.llm.capped_server import Bucket, Clients, Concurrency, Server, Window, exact, silent, whole_second
from tests.llm.virtual_clock import VirtualClock


@pytest.fixture
def time() -> VirtualClock:
    return VirtualClock()


SERVERS: dict[str, Callable[[], Server]] = {
    "bucket of 5": lambda: Bucket(20, burst=5),
    "bucket of 10": lambda: Bucket(20, burst=10),
    "bucket of 20": lambda: Bucket(20, burst=20),
    "fixed window": lambda: Window(20),
    "fixed window, midway": lambda: Window(20, offset=0.6),
}


@pytest.mark.parametrize("retry_after", [silent, exact, whole_second])
@pytest.mark.parametrize("at_once", [8, 100])
@pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS.keys())
def test_a_cap_of_20_a_second_is_used_up_and_no_call_is_lost(
    time: VirtualClock, server: Callable[[], Server], at_once: int, retry_after: Callable[[float], float | None]
) -> None:
    clients = Clients(time, AdaptiveLimiter(at_once, time.clock), server(), retry_after)
    seconds = clients.ask(400, at_once)
    assert (len(clients.done), clients.lost) == (400, 0)
    # A server that answers a whole second where a twentieth would do costs the difference.
    assert seconds <= (1.25 if retry_after is whole_second else 1.05) * 400 / 20
    assert clients.limited <= 80


def test_over_minutes_at_most_2_percent_of_calls_are_rate_limited(time: VirtualClock) -> None:
    clients = Clients(time, AdaptiveLimiter(100, time.clock), Bucket(20, burst=10), exact)
    assert clients.ask(4000, 100) <= 1.05 * 4000 / 20
    assert clients.limited <= 0.02 * 4000


@pytest.mark.parametrize("latency", [0.5, 2.0])
def test_slow_answers_keep_more_calls_in_flight_at_the_same_rate(time: VirtualClock, latency: float) -> None:
    clients = Clients(time, AdaptiveLimiter(100, time.clock), Bucket(20, burst=10), exact, latency)
    clients.ask(2400, 100)
    assert clients.lost == 0
    end = time.now()
    assert clients.rate(end - 60, end) >= 18


def test_a_server_that_slows_down_is_followed_down_and_up_again(time: VirtualClock) -> None:
    server = Bucket(50, burst=10)
    clients = Clients(time, AdaptiveLimiter(100, time.clock), server)
    begin = time.now()

    async def story() -> None:
        numbers = iter(range(6000))

        async def work() -> None:
            for _ in numbers:
                await clients.call()

        tasks = [asyncio.create_task(work()) for _ in range(100)]
        await time.sleep(30)
        server.rate = 10
        await time.sleep(30)
        server.rate = 50
        await asyncio.gather(*tasks)

    time.run(story())
    assert clients.lost == 0
    assert clients.rate(begin + 10, begin + 30) >= 47
    assert clients.rate(begin + 35, begin + 60) >= 9
    assert clients.rate(begin + 90, begin + 120) >= 42
    assert clients.limited <= 120


def test_a_server_limit_on_concurrent_calls_is_found_too(time: VirtualClock) -> None:
    limiter = AdaptiveLimiter(100, time.clock)
    clients = Clients(time, limiter, Concurrency(12, lambda: limiter.in_flight), silent, latency=0.5)
    seconds = clients.ask(2000, 100)
    assert clients.lost == 0
    assert seconds <= 1.3 * 2000 * 0.5 / 12
    assert clients.limited <= 200


def test_without_rate_limits_the_calls_in_flight_double_until_all_are(time: VirtualClock) -> None:
    limiter = AdaptiveLimiter(100, time.clock)
    clients = Clients(time, limiter, Bucket(1e9, burst=1e9), latency=1.0)
    assert clients.ask(1000, 100) == pytest.approx(5 + 9, abs=1)
    assert (limiter.limit, limiter.rate) == (100, None)


def test_the_limit_starts_at_four_or_at_the_most_allowed(time: VirtualClock) -> None:
    assert [AdaptiveLimiter(most, time.clock).limit for most in (1, 3, 4, 100)] == [1, 3, 4, 4]
    with pytest.raises(ValueError, match="at least one call"):
        AdaptiveLimiter(0, time.clock)


def test_the_limit_does_not_grow_while_it_is_not_used_up(time: VirtualClock) -> None:
    limiter = AdaptiveLimiter(100, time.clock)
    clients = Clients(time, limiter, Bucket(1e9, burst=1e9))
    clients.ask(200, 3)
    assert limiter.limit == 4


def test_a_burst_of_refusals_is_one_cut(time: VirtualClock) -> None:
    limiter = AdaptiveLimiter(100, time.clock)
    Clients(time, limiter, Bucket(1e9, burst=1e9)).ask(1000, 100)
    assert limiter.limit == 100

    async def story() -> None:
        leave = asyncio.Event()

        async def call() -> None:
            async with limiter.permit() as permit:
                await leave.wait()
                permit.on_rate_limit(None)

        tasks = [asyncio.create_task(call()) for _ in range(100)]
        await time.sleep(1)
        leave.set()
        await asyncio.gather(*tasks)

    time.run(story())
    assert limiter.limit == 75


def test_the_limit_never_falls_under_one(time: VirtualClock) -> None:
    async def story() -> None:
        limiter = AdaptiveLimiter(4, time.clock)
        for _ in range(30):
            async with limiter.permit() as permit:
                permit.on_success()
            async with limiter.permit() as permit:
                permit.on_rate_limit(None)
        assert limiter.limit == 1

    time.run(story())


def test_failures_of_most_calls_take_back_the_growth_and_a_few_do_not(time: VirtualClock) -> None:
    async def limit_with(failures: int) -> int:
        limiter = AdaptiveLimiter(100, time.clock)
        numbers = iter(range(1000))

        async def work() -> None:
            for number in numbers:
                async with limiter.permit() as permit:
                    await time.sleep(1)
                    if number % 10 < failures:
                        permit.on_failure()
                    else:
                        permit.on_success()

        await asyncio.gather(*[work() for _ in range(100)])
        return limiter.limit

    assert time.run(limit_with(1)) >= 80
    assert time.run(limit_with(9)) <= 8


def test_a_permit_left_without_a_report_changes_nothing(time: VirtualClock) -> None:
    async def story() -> None:
        limiter = AdaptiveLimiter(100, time.clock)
        for _ in range(50):
            with pytest.raises(KeyError):
                async with limiter.permit():
                    raise KeyError
        assert (limiter.limit, limiter.in_flight, limiter.queued, limiter.rate) == (4, 0, 0, None)

    time.run(story())


def test_a_retry_after_delays_all_calls(time: VirtualClock) -> None:
    async def story() -> None:
        limiter = AdaptiveLimiter(100, time.clock)
        start = time.now()
        began: list[float] = []
        async with limiter.permit() as one, limiter.permit() as two, limiter.permit() as three:
            one.on_rate_limit(5)
            two.on_rate_limit(30)
            three.on_rate_limit(10)
        assert limiter.cooldown == 30

        async def call() -> None:
            async with limiter.permit():
                began.append(time.now() - start)

        tasks = [asyncio.create_task(call()) for _ in range(20)]
        await time.sleep(29)
        assert (began, limiter.queued, limiter.in_flight) == ([], 20, 0)
        assert limiter.cooldown == pytest.approx(1)
        await asyncio.gather(*tasks)
        assert min(began) == pytest.approx(30, abs=0.01)
        assert limiter.cooldown == 0

    time.run(story())


def test_a_call_at_the_end_of_a_cooldown_does_not_overtake_the_queue(time: VirtualClock) -> None:
    async def story() -> None:
        limiter = AdaptiveLimiter(100, time.clock)
        order: list[str] = []

        async def call(name: str, after: float) -> None:
            await time.sleep(after)
            async with limiter.permit():
                order.append(name)

        async with limiter.permit() as permit:
            permit.on_rate_limit(30)
        await asyncio.gather(call("late", 30), call("first", 1), call("second", 2))
        assert order == ["first", "second", "late"]

    time.run(story())


def test_refusals_without_a_success_lengthen_the_cooldown(time: VirtualClock) -> None:
    async def story() -> None:
        limiter = AdaptiveLimiter(100, time.clock)
        async with limiter.permit() as permit:
            permit.on_success()
        start = time.now()
        asked: list[float] = []
        while time.now() < start + 60:
            async with limiter.permit() as permit:
                asked.append(time.now() - start)
                permit.on_rate_limit(None)
        assert 8 <= len(asked) <= 15
        assert max(later - earlier for earlier, later in zip(asked, asked[1:], strict=False)) <= 10.1

    time.run(story())


def test_two_lanes_share_evenly_though_one_has_ten_times_the_load(time: VirtualClock) -> None:
    clients = Clients(time, AdaptiveLimiter(8, time.clock), Bucket(20))

    async def story() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(440):
                group.create_task(clients.call("small" if number >= 400 else "large"))

    time.run(story())
    lanes = [lane for _, lane in clients.done]
    last = max(number for number, lane in enumerate(lanes) if lane == "small")
    assert (clients.lost, lanes.count("small")) == (0, 40)
    assert 75 <= last <= 95  # the small lane was half of what was done until it was empty


def test_a_lane_is_first_in_first_out(time: VirtualClock) -> None:
    async def story() -> None:
        limiter = AdaptiveLimiter(1, time.clock)
        order: list[str] = []

        async def call(name: str) -> None:
            async with limiter.permit(name[0]):
                order.append(name)
                await time.sleep(1)

        await asyncio.gather(*[call(name) for name in ("a1", "a2", "a3", "b1", "c1", "b2", "c2")])
        assert order == ["a1", "a2", "b1", "c1", "a3", "b2", "c2"]

    time.run(story())


@pytest.mark.parametrize("seed", range(8))
def test_no_permit_is_lost_however_waiters_and_holders_are_cancelled(time: VirtualClock, seed: int) -> None:
    random = Random(seed)
    limiter = AdaptiveLimiter(6, time.clock)
    inside = 0

    async def call(lane: int) -> None:
        nonlocal inside
        async with limiter.permit(lane) as permit:
            inside += 1
            assert inside <= limiter.in_flight <= 6
            try:
                await time.sleep(random.choice((0.0, 0.0, 0.01, 0.1)))
                random.choice(
                    (
                        permit.on_success,
                        permit.on_success,
                        permit.on_failure,
                        lambda: permit.on_rate_limit(random.choice((None, 0.2))),
                    )
                )()
            finally:
                inside -= 1

    async def story() -> None:
        tasks: list[asyncio.Task[None]] = []
        for _ in range(400):
            tasks.append(asyncio.create_task(call(random.randrange(3))))
            if random.random() < 0.5:
                random.choice(tasks).cancel()
            if random.random() < 0.3:
                await time.sleep(random.choice((0.0, 0.05)))
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(end) for end in ends} <= {type(None), asyncio.CancelledError}
        assert (limiter.in_flight, limiter.queued) == (0, 0)
        async with asyncio.timeout(30):
            await call(0)

    time.run(story())


def test_a_permit_granted_to_a_call_being_cancelled_goes_to_the_next(time: VirtualClock) -> None:
    async def story() -> None:
        limiter = AdaptiveLimiter(1, time.clock)

        async def call() -> None:
            async with limiter.permit():
                pass

        async with limiter.permit():
            first, second = asyncio.create_task(call()), asyncio.create_task(call())
            await time.sleep(1)
        first.cancel()  # it has the permit, and does not know it yet
        await asyncio.gather(first, second, return_exceptions=True)
        assert first.cancelled()
        assert not second.cancelled()
        assert (limiter.in_flight, limiter.queued) == (0, 0)

    time.run(story())


def test_a_free_permit_is_entered_without_yielding_to_the_event_loop(time: VirtualClock) -> None:
    entering = AdaptiveLimiter(4, time.clock).permit().__aenter__()
    with pytest.raises(StopIteration):
        entering.send(None)


def test_the_age_of_the_slowest_call_is_known_until_it_ends(time: VirtualClock) -> None:
    limiter = AdaptiveLimiter(4, time.clock)

    async def call(seconds: float) -> None:
        async with limiter.permit():
            await time.sleep(seconds)

    async def watched() -> float:
        calls = [asyncio.create_task(call(seconds)) for seconds in (10, 50)]
        await time.sleep(42)
        slowest = limiter.slowest
        await asyncio.gather(*calls)
        return slowest

    assert time.run(watched()) == 42
    assert limiter.slowest == 0
