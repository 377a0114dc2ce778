"""Patience as a setting: answers that take hours, and a thousand questions in flight from the start."""

import asyncio
import threading
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

from agent.app.composition import endpoint_of
from agent.config.load import load_settings
from agent.config.settings import EndpointSettings
from agent.errors import UserError
from agent.llm.admission import AdmissionController, EndpointStatus
from agent.llm.client import LLMClient
from agent.llm.endpoint import Endpoint
from agent.llm.errors import AttemptTimeout, Transient
from agent.llm.probe import ProbeError
from agent.llm.retry import RetryPolicy, RetryState
from agent.schema import Role
from agent.storage.ledger import Ledger
from tests.llm.conftest import ABLE, Clock
from tests.llm.fault_server import Answering, Asked, number, serving
from tests.llm.test_client import ask_number

MANY = 1000
HOUR = 3600.0


def settings(folder: Path, line: str) -> EndpointSettings:
    endpoint = f'[judge]\nmodel = "m"\nbase_url = "http://127.0.0.1:1/v1"\nfree = true\n{line}\n'
    (folder / "refine.toml").write_text(f'version = 1\ntraits = ["a/b"]\n[subject]\nmodel = "toyworld"\n{endpoint}')
    return load_settings(folder).judge


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ('timeout = "2h"', 2 * HOUR),
        ('timeout = "1h30m"', 1.5 * HOUR),
        ('timeout = "45s"', 45.0),
        ("timeout = 90", 90.0),
        ("timeout = 90.5", 90.5),
        ("", None),
    ],
)
def test_a_timeout_is_written_as_a_time_or_in_seconds(tmp_path: Path, line: str, seconds: float | None) -> None:
    assert endpoint_of(settings(tmp_path, line)).timeout == seconds


@pytest.mark.parametrize("value", ['"soon"', '""', "0", '"8000h"', "true", '"2h later"'])
def test_any_other_timeout_is_refused_with_a_remedy(tmp_path: Path, value: str) -> None:
    with pytest.raises(UserError, match=r'`judge.timeout` .*: write a time such as "45s", "10m" or "2h"'):
        settings(tmp_path, f"timeout = {value}")


@pytest.mark.parametrize(("line", "is_full"), [("concurrency = 1024", True), ("concurrency = 32", True), ("", False)])
def test_a_stated_concurrency_is_used_from_the_start(tmp_path: Path, line: str, is_full: bool) -> None:
    endpoint = endpoint_of(settings(tmp_path, line))
    admission = AdmissionController(endpoint, RetryPolicy(), lambda: asyncio.sleep(0), lambda why: None)
    assert admission.status().limit == (endpoint.concurrency if is_full else 4)


def test_an_answer_may_take_longer_than_the_http_packages_own_limit(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = httpx2.Timeout(0.05, connect=5.0)
    monkeypatch.setattr("openai._base_client.DEFAULT_TIMEOUT", short)  # 600 s, at which every patient attempt broke
    slow = Answering(body=number(85).body, delay=0.5)
    with serving([slow]) as server:
        endpoint = Endpoint(model="m", base_url=server.url, timeout=HOUR)
        llm = LLMClient({Role.JUDGE: endpoint}, known={Role.JUDGE: ABLE})
        (reply,) = llm.ask_all([ask_number()], ledger)
        llm.close()
    assert reply.error is None
    assert len(server.asked) == 1


def test_an_endpoint_that_is_patient_is_awaited_while_it_is_probed(ledger: Ledger) -> None:
    asked, probed = threading.Event(), threading.Event()

    def answer(_: Asked) -> Answering:
        asked.set()
        probed.wait(60)
        return Answering(400, b'{"error": {"message": "Not today."}}')

    def probe() -> None:
        with suppress(ProbeError):
            llm.probe()

    with serving(answer) as server:
        endpoint = Endpoint(model="m", base_url=server.url, timeout=HOUR)
        llm = LLMClient({Role.JUDGE: endpoint})
        probing = threading.Thread(target=probe)
        probing.start()
        assert asked.wait(60)
        status = llm.statuses()["judge"]
        probed.set()
        probing.join(60)
        llm.close()
    assert (status.in_flight, status.waits) == (1, True)


def test_a_thousand_questions_are_in_flight_at_once(ledger: Ledger) -> None:
    everyone = threading.Event()

    def answer(asked: Asked) -> Answering:
        if len(server.asked) == MANY:
            everyone.set()
        return Answering(body=number(85).body, deed="hang")

    with serving(answer) as server:
        endpoint = Endpoint(model="m", base_url=server.url, concurrency=1024, starts_full=True, timeout=HOUR)
        llm = LLMClient({Role.JUDGE: endpoint}, known={Role.JUDGE: ABLE})
        requests = [ask_number(f"Question {n}") for n in range(MANY)]
        asking = threading.Thread(target=llm.ask_all, args=(requests, ledger))
        asking.start()
        assert everyone.wait(60)
        status = llm.statuses()["judge"]
        llm.give_up()
        asking.join(60)
        llm.close()
    assert (server.peak, status.in_flight, status.queued) == (MANY, MANY, 0)
    assert status.waits


def test_an_answer_that_may_take_hours_is_given_up_after_its_time_and_not_before(clock: Clock) -> None:
    endpoint = Endpoint(model="m", base_url="http://a", timeout=2 * HOUR)
    policy = RetryPolicy(clock=clock.real).for_timeout(endpoint.timeout)
    admission = AdmissionController(endpoint, policy, lambda: asyncio.sleep(0), lambda why: None)
    assert admission.timeout(timeouts=0) == 2 * HOUR
    state = RetryState(policy)
    clock.waits.append(2 * HOUR)
    assert not state.should_give_up(AttemptTimeout("No complete reply within 7200 seconds."))
    assert not state.should_give_up(Transient("HTTP 500"))


@pytest.mark.parametrize(
    ("slowest", "patience", "in_flight", "waits"),
    [
        (1.9 * HOUR, 2 * HOUR, 3, True),
        (2.1 * HOUR, 2 * HOUR, 3, False),
        (0.2 * HOUR, None, 3, False),
        (0.0, 2 * HOUR, 0, False),
    ],
)
def test_a_long_wait_is_no_stall_where_the_settings_allow_it(
    slowest: float, patience: float | None, in_flight: int, waits: bool
) -> None:
    assert EndpointStatus(32, in_flight, 0, None, None, slowest, patience).waits == waits
