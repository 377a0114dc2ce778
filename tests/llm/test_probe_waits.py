"""Waits of the probe: short for a new endpoint, long for a resumed one that is down or rate limited."""

import asyncio
import math
from collections.abc import Callable

import pytest

from agent.llm.circuit_breaker import EndpointUnavailable
from agent.llm.client import LLMClient
from agent.llm.endpoint import Capability, Endpoint
from agent.llm.errors import Cancelled, Transient
from agent.llm.probe import ProbeError, ProbeWaitReporter
from agent.llm.retry import RetryPolicy
from agent.schema import Role
from tests.llm.conftest import ABLE, Clock
from tests.llm.fault_server import Answering, Asked, failing, serving
from tests.llm.test_probe import able

BUSY = failing(429, "rate limit")


def busy(wait: float) -> Answering:
    return failing(429, "rate limit", headers=[("retry-after", f"{wait:g}")])


class ProbedEndpoint:
    """An endpoint that fails its first requests, and a client that probes it as a new or a resumed one."""

    def __init__(self, failures: float, bad: Answering | None = None, is_first: bool = False) -> None:
        self.clock, self.asked, self.reported = Clock(), 0, list[str | None]()
        self._failures, self._bad = failures, bad or failing(503, "maintenance")
        self._resumed = [] if is_first else [Role.JUDGE]

    def answer(self, asked: Asked) -> Answering:
        self.asked += 1
        return self._bad if self.asked <= self._failures else able(asked)

    def known(self, max_pause: float = 7200.0, should_stop: Callable[[], bool] = lambda: False) -> Capability:
        with serving(self.answer) as server:
            server.answers_health_checks = False
            llm = LLMClient(
                {Role.JUDGE: Endpoint(model="m", base_url=server.url)},
                RetryPolicy(clock=self.clock.real, max_pause=max_pause),
                on_wait=lambda who, why: self.reported.append(why),
            )
            try:
                return llm.probe(self._resumed, should_stop)[Role.JUDGE]
            finally:
                llm.close()


def test_a_resumed_endpoint_that_is_down_is_waited_for_with_health_checks() -> None:
    # It fails the first question six times, then the health checks at once, after 30 s and after 60 s.
    endpoint = ProbedEndpoint(failures=9)
    assert endpoint.known() == ABLE
    assert [wait for wait in endpoint.clock.waits if wait >= 30.0] == [30.0, 60.0, 120.0]
    assert endpoint.asked == 6 + 4 + 3
    assert [why is None for why in endpoint.reported] == [False, True]
    assert "after 6 failed attempts in a row. Last error: HTTP 503" in str(endpoint.reported[0])


def test_waiting_for_an_endpoint_ends_after_the_longest_pause() -> None:
    endpoint = ProbedEndpoint(failures=math.inf)
    with pytest.raises(EndpointUnavailable, match=r"judge at http://127\.0\.0\.1:\d+/v1: Unavailable for 10 minutes"):
        endpoint.known(max_pause=600.0)


def test_a_stop_ends_the_wait_for_an_endpoint() -> None:
    endpoint = ProbedEndpoint(failures=math.inf)
    with pytest.raises(Cancelled):
        endpoint.known(max_pause=1e6, should_stop=lambda: endpoint.asked > 20)


def test_a_stop_does_not_disturb_the_probe_of_an_endpoint_that_answers() -> None:
    assert ProbedEndpoint(failures=0).known(should_stop=lambda: True) == ABLE


def test_a_resumed_endpoint_that_refuses_the_key_fails_at_once() -> None:
    with pytest.raises(ProbeError, match="key_variable"):
        ProbedEndpoint(failures=math.inf, bad=failing(401, "Incorrect API key")).known()


@pytest.mark.parametrize("is_first", [True, False])
def test_a_probe_waits_as_long_as_retry_after_says(is_first: bool) -> None:
    endpoint = ProbedEndpoint(failures=3, bad=busy(7), is_first=is_first)
    assert endpoint.known() == ABLE
    assert endpoint.clock.waits == [7.0, 7.0, 7.0]
    assert endpoint.reported == []


def test_a_resumed_endpoint_is_not_asked_before_its_long_retry_after_is_over() -> None:
    endpoint = ProbedEndpoint(failures=3, bad=busy(1800))
    assert endpoint.known() == ABLE
    assert endpoint.clock.waits == [1800.0, 1800.0, 1800.0]


@pytest.mark.parametrize("bad", [BUSY, busy(10)], ids=["without a wait", "with a wait"])
def test_a_resumed_endpoint_may_be_rate_limited_for_half_an_hour(bad: Answering) -> None:
    endpoint = ProbedEndpoint(failures=200, bad=bad)
    assert endpoint.known() == ABLE
    assert 1900 < sum(endpoint.clock.waits) < 3600
    assert max(endpoint.clock.waits) <= 16


@pytest.mark.parametrize(("bad", "waits"), [(BUSY, None), (busy(250), [250.0, 250.0]), (busy(601), [])])
def test_a_rate_limited_endpoint_is_waited_for_no_longer_than_the_longest_pause(
    bad: Answering, waits: list[float] | None
) -> None:
    endpoint = ProbedEndpoint(failures=math.inf, bad=bad)
    with pytest.raises(
        EndpointUnavailable,
        match=r"judge at http://127\.0\.0\.1:\d+/v1: Rate limited for longer than --max-pause .* HTTP 429",
    ):
        endpoint.known(max_pause=600.0)
    assert endpoint.clock.waits == waits or (waits is None and 600 < sum(endpoint.clock.waits) < 620)


@pytest.mark.parametrize(("bad", "times"), [(BUSY, 6), (busy(119), 2), (busy(121), 1)])
def test_a_new_endpoint_is_given_up_when_rate_limited_for_two_minutes(bad: Answering, times: int) -> None:
    endpoint = ProbedEndpoint(failures=math.inf, bad=bad, is_first=True)
    with pytest.raises(ProbeError, match="wait until the limit is reset"):
        endpoint.known()
    assert endpoint.asked == times


@pytest.mark.parametrize("is_first", [True, False])
def test_a_long_retry_after_is_reported_until_the_answer_has_come(is_first: bool) -> None:
    endpoint = ProbedEndpoint(failures=2, bad=busy(40), is_first=is_first)
    assert endpoint.known() == ABLE
    first, second, end = endpoint.reported
    assert first == second
    assert str(first).startswith("judge at http://127.0.0.1:")
    assert "is rate limited. Last response: HTTP 429: rate limit (retry after 40 s)" in str(first)
    assert end is None


def test_short_waits_that_add_up_to_a_long_one_are_reported() -> None:
    endpoint = ProbedEndpoint(failures=8, bad=BUSY)
    assert endpoint.known() == ABLE
    assert sum(endpoint.clock.waits) == pytest.approx(47.75)
    assert [why is None for why in endpoint.reported] == [False, False, True]


class LastingClock(Clock):
    """A clock whose waits take one real second each: time enough for a stop."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        await asyncio.sleep(1.0)


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("bad", [BUSY, busy(100), failing(503)], ids=["rate limited", "retry after", "unavailable"])
def test_a_stop_ends_every_wait_of_a_probe(bad: Answering, is_first: bool) -> None:
    endpoint = ProbedEndpoint(failures=1, bad=bad, is_first=is_first)
    endpoint.clock = LastingClock()
    with pytest.raises(Cancelled):
        endpoint.known(should_stop=lambda: bool(endpoint.clock.waits))
    assert endpoint.asked == 1
    is_told = bad == busy(100) or (is_first and bad == failing(503))
    assert endpoint.reported[-1:] == ([None] if is_told else [])


def test_a_question_that_is_answered_at_last_is_no_longer_waited_for() -> None:
    clock = Clock()
    reporter = ProbeWaitReporter(clock.real, lambda why: None)
    with reporter.question():
        assert not reporter.is_waiting
        reporter.on_retry("judge", True, Transient("503"), 1.0)
        assert reporter.is_waiting
    assert not reporter.is_waiting
