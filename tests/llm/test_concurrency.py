"""The virtual clock of these tests, and the alarm."""

import asyncio

import pytest

from agent.llm.concurrency import Alarm
from tests.llm.virtual_clock import StuckError, VirtualClock


def test_two_hours_pass_in_no_time_and_in_order() -> None:
    time = VirtualClock(0.0)
    waited: list[tuple[str, float]] = []

    async def wait(name: str, seconds: float) -> None:
        await time.sleep(seconds)
        waited.append((name, time.now()))

    async def story() -> None:
        await asyncio.gather(wait("late", 7200), wait("early", 60), wait("at once", 0))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.Event().wait()

    time.run(story())
    assert waited == [("at once", 0), ("early", 60), ("late", 7200)]
    assert time.now() == 7230


def test_time_stands_still_while_something_can_happen() -> None:
    time = VirtualClock(0.0)

    async def story() -> None:
        sleeper = asyncio.create_task(time.sleep(1))
        for _ in range(1000):
            await asyncio.sleep(0)
            assert time.now() == 0
        await sleeper

    time.run(story())


def test_several_runs_go_on_where_the_last_one_ended() -> None:
    time = VirtualClock(0.0)
    time.run(time.sleep(5))
    time.advance(2)
    time.run(time.sleep(5))
    assert time.now() == 12


def test_tasks_that_wait_for_each_other_are_an_error_and_no_hang() -> None:
    async def story() -> None:
        await asyncio.Event().wait()

    with pytest.raises(StuckError):
        VirtualClock().run(story())


def test_work_in_a_thread_comes_to_its_end() -> None:
    assert VirtualClock().run(asyncio.to_thread(lambda: "done")) == "done"


def test_an_alarm_calls_back_once_at_the_time_it_was_last_set_to() -> None:
    time = VirtualClock(0.0)
    rings: list[float] = []
    alarm = Alarm(time.clock, lambda: rings.append(time.now()))

    async def story() -> None:
        alarm.set(10)
        alarm.set(10)
        alarm.set(4)
        await time.sleep(5)
        assert rings == [pytest.approx(4, abs=1e-3)]
        alarm.set(20)
        alarm.cancel()
        await time.sleep(100)
        alarm.set(50)  # in the past: at once
        await time.sleep(1)

    time.run(story())
    assert rings == [pytest.approx(4, abs=1e-3), pytest.approx(105, abs=1e-3)]
    assert rings[0] >= 4


def test_an_alarm_whose_task_was_lost_with_its_loop_can_be_set_again() -> None:
    time = VirtualClock(0.0)
    rings: list[float] = []
    alarm = Alarm(time.clock, lambda: rings.append(time.now()))

    async def story(seconds: float) -> None:
        alarm.set(10)
        await time.sleep(seconds)

    time.run(story(1))
    time.run(story(15))
    assert len(rings) == 1
