"""Waits that a server asks for, wherever it says so, hold for the whole endpoint."""

import json
import math

import pytest

from agent.llm.probe import ProbeError
from agent.llm.waits import wait_in
from agent.schema import ErrorKind, kind_of
from agent.storage.ledger import Ledger
from tests.llm.conftest import ABLE, Clock, Connect
from tests.llm.fault_server import HEALTH_CHECK, Answering, Asked, failing, number, serving
from tests.llm.test_client import ask_number, error_of
from tests.llm.test_probe_waits import ProbedEndpoint

NOW = 1_800_000_000.0

BODIES = [
    ("Please retry in 3.2s.", 3.2),
    ("Rate limit reached for m. Limit: 3. Please try again in 20s. You can increase it at https://a.b/c", 20.0),
    ("Rate limit reached. Please try again in 1m2.5s.", 62.5),
    ("Please try again in 6ms.", 0.006),
    ("Please retry after 26 seconds.", 26.0),
    ("Quota exceeded. Please wait 2 minutes and 30 seconds before you try again.", 150.0),
    ("Your limit resets in 1 hour, 5 minutes.", 3900.0),
    ("Too many requests, retry after 45", 45.0),
    ("Limit 3 / 1m, 40000 tokens per 1 minute, request 7f3a2s was refused", None),
    ("Try again later.", None),
    ("No wait is named: 429", None),
    ({"error": {"message": "busy", "details": [{"@type": "x.RetryInfo", "retryDelay": "33s"}]}}, 33.0),
    ([{"error": {"details": [{"retryDelay": {"seconds": "7", "nanos": 0}}]}}], 7.0),
    ({"error": "Model m is currently loading", "estimated_time": 20.0}, 20.0),
    ({"error": {"message": "slow down", "retry_after": 12}}, 12.0),
    ({"error": {"retry_after_ms": 1500}}, 1.5),
    ({"error": {"metadata": {"headers": {"X-RateLimit-Reset": "1800000060000"}}}}, 60.0),
    ({"detail": {"message": "Please retry in 4s", "retry_after": 9}}, 9.0),  # a field is exact, a sentence is rounded
    ({"retry_after": True}, None),
    ({"retry_after": "soon"}, None),
    (None, None),
]


@pytest.mark.parametrize(("body", "wait"), BODIES)
def test_a_wait_is_read_from_a_body(body: object, wait: float | None) -> None:
    assert wait_in(body, lambda: NOW) == wait


SAID = "You exceeded your current quota. Please retry in 40s."
ERROR_200 = json.dumps({"error": {"message": SAID, "code": 429}}).encode()
HEADER_200 = json.dumps({"error": {"message": "Rate limit exceeded", "code": "rate_limit_exceeded"}}).encode()
ASKING = {
    "429, in its text": failing(429, SAID),
    "503, in its text": failing(503, "Overloaded, please retry in 40s"),
    "200, in its text": Answering(body=ERROR_200),
    "200, in a header": Answering(body=HEADER_200, headers=(("retry-after", "40"),)),
    "402 with a header": failing(402, "payment required", headers=(("retry-after", "40"),)),
    "insufficient_quota with a header": failing(429, "quota", "insufficient_quota", (("retry-after", "40"),)),
}


@pytest.mark.parametrize("answer", ASKING.values(), ids=ASKING)
def test_a_wait_holds_for_all_requests(connect: Connect, ledger: Ledger, clock: Clock, answer: Answering) -> None:
    times: list[float] = []

    def reply(_: Asked) -> Answering:
        times.append(clock.now())
        return answer if len(times) == 1 else number(85)

    with serving(reply) as server:
        llm = connect(server.url)
        assert llm.ask_all([ask_number()], ledger)[0].error is None
        assert [one.error for one in llm.ask_all([ask_number(f"No. {n}") for n in range(3)], ledger)] == [None] * 3
    assert times[1] - times[0] >= 40.0


def test_an_account_that_lacks_credit_after_its_wait_ends_all_calls(
    connect: Connect, ledger: Ledger, clock: Clock
) -> None:
    with serving(lambda _: ASKING["402 with a header"]) as server:
        replies = connect(server.url).ask_all([ask_number(f"No. {n}") for n in range(40)], ledger)
        assert len(server.asked) <= 2 * 16
    assert {kind_of(error_of(reply)) for reply in replies} == {ErrorKind.QUOTA}
    assert 40.0 <= sum(clock.waits) < 400.0


def test_the_wait_in_answer_to_a_health_check_holds(connect: Connect, ledger: Ledger, clock: Clock) -> None:
    checks: list[float] = []

    def reply(asked: Asked) -> Answering:
        if asked.body["messages"][0]["content"] == HEALTH_CHECK:
            checks.append(clock.now())
            return failing(503, headers=(("retry-after", "900"),)) if len(checks) == 1 else number(1)
        return number(85) if len(checks) > 1 else failing(500)

    with serving(reply) as server:
        server.answers_health_checks = False
        assert connect(server.url).ask_all([ask_number()], ledger)[0].error is None
    assert 900.0 in clock.waits or max(clock.waits) >= 870.0


LOADING = failing(503, "Loading model", "unavailable_error")


@pytest.mark.parametrize("bad", [LOADING, failing(500, "the model is starting up"), failing(502), failing(504)])
def test_a_new_server_that_is_not_ready_is_waited_for_with_a_line(bad: Answering) -> None:
    endpoint = ProbedEndpoint(failures=20, bad=bad, is_first=True)
    assert endpoint.known() == ABLE
    assert 40.0 < sum(endpoint.clock.waits) < 110.0
    assert max(endpoint.clock.waits) <= 5.0
    assert endpoint.reported[0] is not None
    assert endpoint.reported[-1] is None
    assert "judge at http://127.0.0.1" in endpoint.reported[0]
    assert "waited for" in endpoint.reported[0]


@pytest.mark.parametrize(("bad", "seconds"), [(LOADING, 600.0), (failing(502), 120.0)])
def test_a_new_server_that_is_never_ready_is_given_up(bad: Answering, seconds: float) -> None:
    endpoint = ProbedEndpoint(failures=math.inf, bad=bad, is_first=True)
    with pytest.raises(ProbeError, match="cannot be used"):
        endpoint.known(max_pause=600.0)
    assert seconds - 5 < sum(endpoint.clock.waits) < seconds + 60.0
