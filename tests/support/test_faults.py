"""The toy endpoint's faults: which, when, how often, and how they are counted."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import httpx2
import pytest

from agent.toyworld.server import create_app
from tests.support.fault_kinds import FAULTS, Faults, Outage, RateCap
from tests.support.faults import FaultMiddleware, with_faults
from tests.toyworld.asking import EXACT, body_of

BODIES = [body_of(f"Answer with the number {n}.", logprobs=True, top_logprobs=2) for n in range(100)]
MIXED = {"429": 0.2, "html": 0.2, "5xx": 0.2}


class Clock:
    """A clock that only goes on when somebody waits, or when it is set."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def faulty(clock: Clock, **settings: Any) -> FaultMiddleware:
    return with_faults(create_app(EXACT), Faults(**settings), clock, clock.sleep)


def ask(app: FaultMiddleware, *bodies: Any) -> list[httpx2.Response]:
    """Post each body in turn."""

    async def send() -> list[httpx2.Response]:
        async with client_of(app) as client:
            return [await client.post("/v1/chat/completions", json=body) for body in bodies]

    return asyncio.run(send())


def get(app: FaultMiddleware, path: str, method: str = "GET") -> httpx2.Response:
    async def send() -> httpx2.Response:
        async with client_of(app) as client:
            return await client.request(method, path)

    return asyncio.run(send())


def client_of(app: FaultMiddleware) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://toy")


def kinds(replies: Sequence[httpx2.Response]) -> list[str]:
    """What each reply is, told by status and content type."""
    return [f"{reply.status_code} {reply.headers['content-type'].partition(';')[0]}" for reply in replies]


# What is drawn


def choice(reply: httpx2.Response) -> Any:
    return reply.json()["choices"][0]


def is_json(reply: httpx2.Response) -> bool:
    try:
        reply.json()
    except ValueError:
        return False
    return True


LOOKS: dict[str, Callable[[httpx2.Response], bool]] = {
    "429": lambda r: r.status_code == 429 and r.headers["retry-after"] == "7",
    "429-bare": lambda r: r.status_code == 429 and "retry-after" not in r.headers,
    "quota": lambda r: r.status_code == 429 and r.json()["error"]["code"] == "insufficient_quota",
    "5xx": lambda r: r.status_code in (500, 502, 503, 504, 520, 529),
    "drip": lambda r: choice(r)["message"]["content"] == "1",
    "cut": lambda r: r.status_code == 200 and r.text.startswith("{") and not is_json(r),
    "malformed": lambda r: r.status_code == 200 and r.text.endswith("}") and not is_json(r),
    "html": lambda r: r.status_code == 200 and r.headers["content-type"].startswith("text/html"),
    "error-200": lambda r: r.status_code == 200 and "error" in r.json() and "choices" not in r.json(),
    "no-choices": lambda r: r.json()["choices"] == [],
    "refusal": lambda r: bool(choice(r)["message"]["refusal"]) and choice(r)["message"]["content"] is None,
    "filtered": lambda r: choice(r)["finish_reason"] == "content_filter",
    "no-logprobs": lambda r: "logprobs" not in choice(r) and choice(r)["message"]["content"] == "1",
    "no-usage": lambda r: "usage" not in r.json() and choice(r)["message"]["content"] == "1",
    "model": lambda r: r.json()["model"] != "toyworld" and choice(r)["message"]["content"] == "1",
    "content-type": lambda r: r.headers["content-type"] == "text/plain" and choice(r)["message"]["content"] == "1",
    "huge": lambda r: len(r.content) > 19_000_000 and is_json(r),
}
WHOLE = {"drip", "no-usage", "model", "content-type"}
UNANSWERED = {"hang", "reset", "reset-amid"}


@pytest.mark.parametrize("name", LOOKS)
def test_a_fault_looks_as_its_name_says(name: str, clock: Clock) -> None:
    app = faulty(clock, rates={name: 1.0}, retry_after=7.0)
    [reply] = ask(app, body_of("Answer with the number 1.", logprobs=True, top_logprobs=2))
    assert LOOKS[name](reply), reply.text[:300]
    assert app.counts.faults == {name: 1}
    assert app.counts.answers == (name in WHOLE)


def test_every_fault_is_tried() -> None:
    assert set(LOOKS) | UNANSWERED == set(FAULTS)


def test_without_faults_the_answers_are_those_of_the_endpoint(clock: Clock) -> None:
    app = faulty(clock)
    asked = httpx2.ASGITransport(create_app(EXACT))

    async def plainly() -> bytes:
        async with httpx2.AsyncClient(transport=asked, base_url="http://toy") as client:
            return (await client.post("/v1/chat/completions", json=BODIES[0])).content

    [reply] = ask(app, BODIES[0])
    assert reply.content == asyncio.run(plainly())
    assert get(app, "/v1/models").json()["data"][0]["id"] == "toyworld"


def test_the_order_of_arrival_changes_nothing(clock: Clock) -> None:
    first = kinds(ask(faulty(clock, rates=MIXED), *BODIES))
    last = kinds(ask(faulty(clock, rates=dict(reversed(MIXED.items()))), *reversed(BODIES)))
    assert first == last[::-1]
    assert 25 <= first.count("200 application/json") <= 55


def test_a_repeated_request_gets_another_draw(clock: Clock) -> None:
    replies = kinds(ask(faulty(clock, rates={"429": 0.5}), *BODIES[:1] * 100))
    assert 30 <= replies.count("429 application/json") <= 70
    assert replies == kinds(ask(faulty(clock, rates={"429": 0.5}), *BODIES[:1] * 100))


def test_another_seed_draws_otherwise(clock: Clock) -> None:
    one, other = (kinds(ask(faulty(clock, rates=MIXED, seed=seed), *BODIES)) for seed in (0, 1))
    assert one != other


def test_a_poisoned_prompt_fails_for_ever_and_alone(clock: Clock) -> None:
    app = faulty(clock, poison=('the "ñandú"',))
    bad, good = body_of('Feed the "ñandú" now.'), body_of("Answer with the number 3.")
    assert [reply.status_code for reply in ask(app, bad, good, bad, good, bad)] == [500, 200, 500, 200, 500]
    assert app.counts.faults == {"poison": 3}


def test_a_body_that_is_no_json_reaches_the_endpoint_and_is_refused_there(clock: Clock) -> None:
    async def send() -> httpx2.Response:
        async with client_of(faulty(clock, poison=("x",), rates={"cut": 1.0})) as client:
            return await client.post("/v1/chat/completions", content=b"x{")

    reply = asyncio.run(send())
    assert reply.status_code == 400
    assert "not JSON" in reply.json()["error"]["message"]


# What is scheduled


def test_an_outage_lasts_from_its_start_to_its_end(clock: Clock) -> None:
    app = faulty(clock, outages=(Outage(120, 180),))
    found = {}
    for second in (0, 119, 120, 299, 300, 1000):
        clock.now = 1000.0 + second
        found[second] = (ask(app, BODIES[0])[0].status_code, get(app, "/v1/models").status_code)
    assert found == {
        0: (200, 200),
        119: (200, 200),
        120: (503, 503),
        299: (503, 503),
        300: (200, 200),
        1000: (200, 200),
    }


def test_an_outage_may_come_again_and_again() -> None:
    bursts = Outage(60, 5, 30)
    assert [second for second in range(130) if bursts.covers(second)] == [
        *range(60, 65),
        *range(90, 95),
        *range(120, 125),
    ]


def test_an_outage_uses_up_no_draws(clock: Clock) -> None:
    undisturbed = kinds(ask(faulty(clock, rates=MIXED), *BODIES))
    app = faulty(clock, rates=MIXED, outages=(Outage(0, 10),))
    assert set(kinds(ask(app, *BODIES))) == {"503 application/json"}
    clock.now += 10
    assert kinds(ask(app, *BODIES)) == undisturbed


def test_a_cap_lets_in_a_burst_and_then_its_rate(clock: Clock) -> None:
    app = faulty(clock, rate_cap=RateCap(20, 5))
    assert [reply.status_code for reply in ask(app, *BODIES[:8])] == [200] * 5 + [429] * 3
    clock.now += 0.1
    assert [reply.status_code for reply in ask(app, *BODIES[:4])] == [200, 200, 429, 429]
    clock.now += 3600
    assert [reply.status_code for reply in ask(app, *BODIES[:7])] == [200] * 5 + [429] * 2
    assert app.counts.faults == {"rate-cap": 7}


def test_the_credit_ends_after_so_many_requests(clock: Clock) -> None:
    app = faulty(clock, quota_after=3)
    replies = ask(app, *BODIES[:5])
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429, 429]
    assert replies[-1].json()["error"]["code"] == "insufficient_quota"
    assert ask(faulty(clock, quota_after=0), BODIES[0])[0].status_code == 429


def test_latency_has_a_fixed_part_and_a_spread_one(clock: Clock) -> None:
    ask(faulty(clock, latency=0.5, spread=1.0), *BODIES)
    assert len(set(clock.waits)) == 100
    assert 0.5 <= min(clock.waits) < 0.6
    assert 1.4 < max(clock.waits) < 1.5


def test_a_dripping_answer_comes_byte_by_byte(clock: Clock) -> None:
    [reply] = ask(faulty(clock, rates={"drip": 1.0}, drip=2.0), BODIES[0])
    assert clock.waits == [2.0] * (len(reply.content) - 1)


# What is counted


def test_requests_answers_and_faults_are_counted_until_a_reset(clock: Clock) -> None:
    app = faulty(clock, rates=MIXED, quota_after=150)
    replies = kinds(ask(app, *BODIES, *BODIES))
    told = get(app, "/v1/faults").json()
    assert (told["requests"], told["unique"], told["in_flight"], told["peak"]) == (200, 100, 0, 1)
    assert told["answers"] == replies.count("200 application/json")
    assert told["faults"]["html"] == replies.count("200 text/html")
    assert told["faults"]["quota"] == 50
    assert told["answers"] + sum(told["faults"].values()) == 200
    assert get(app, "/v1/faults/reset", "POST").json()["requests"] == 0
    assert kinds(ask(app, *BODIES)) == replies[:100]
    assert app.counts.requests == 100


def test_an_error_of_the_endpoint_itself_is_no_answer(clock: Clock) -> None:
    app = faulty(clock)
    assert ask(app, {"model": "m"})[0].status_code == 400
    assert (app.counts.requests, app.counts.answers) == (1, 0)


def test_calls_in_flight_are_counted_and_a_hung_one_ends_when_its_client_leaves() -> None:
    async def rehearse() -> FaultMiddleware:
        app = with_faults(create_app(EXACT), Faults(rates={"hang": 1.0}))
        async with client_of(app) as client:
            calls = [asyncio.create_task(client.post("/v1/chat/completions", json=body)) for body in BODIES[:7]]
            while app.counts.in_flight < 7:
                await asyncio.sleep(0)
            _, waiting = await asyncio.wait(calls, timeout=0.05)
            assert len(waiting) == 7
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        return app

    counts = asyncio.run(rehearse()).counts
    assert (counts.peak, counts.in_flight, counts.answers) == (7, 0, 0)


@pytest.mark.parametrize("name", ["reset", "reset-amid"])
def test_in_process_a_reset_rises_to_the_caller(name: str, clock: Clock) -> None:
    with pytest.raises(ConnectionResetError):
        ask(faulty(clock, rates={name: 1.0}), BODIES[0])
