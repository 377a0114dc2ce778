"""Money: what the server counts never exceeds the cap, whatever is in flight and however often the run starts anew."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

from agent.app.composition import spent_so_far
from agent.llm.budget import BudgetTracker
from agent.llm.client import LLMClient
from agent.llm.endpoint import Endpoint
from agent.schema import BudgetConfig, Reply, Request, Role, Shape, UsageLimits
from agent.storage.ledger import Ledger
from agent.toyworld.server import create_app
from tests.cli.scripted import status_of
from tests.e2e.rehearsal import EXACT, Gatekeeper, larger, outcome, rehearse
from tests.llm.conftest import ABLE
from tests.llm.fault_server import chat_body, tops

DOLLAR = 1_000_000
PRICES = 1.0, 500.0  # dollars per million tokens
ANSWER = 11 * 1 + 3 * 500  # millionths of a dollar: every reply of the meter has 11 tokens in and 3 out


class Meter:
    """An ASGI app that answers 85 after a moment, and counts what its provider would charge, answered or not."""

    def __init__(self) -> None:
        self.charged = self.in_flight = self.peak = 0
        self.body = json.dumps(chat_body("85", tops(("85", {"85": 0.9})))).encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.charged += ANSWER
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            await asyncio.sleep(0.02)
        finally:
            self.in_flight -= 1
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def run_once(meter: Meter, path: Path, questions: range, leave_after: int | None = None) -> list[Reply]:
    """One process's part: a client and a budget of its own, which knows of the past from the ledger alone.

    After so many replies it is stopped, with calls in flight.
    """
    endpoint = Endpoint(
        model="m", base_url="meter", app=meter, concurrency=100, input_price=PRICES[0], output_price=PRICES[1]
    )
    budget = BudgetTracker(BudgetConfig(run=UsageLimits(usd=1.0)))
    llm = LLMClient({Role.JUDGE: endpoint}, known={Role.JUDGE: ABLE}, budget=budget)
    replies_so_far: list[Reply] = []

    def stop_after(request: Request, reply: Reply) -> None:
        replies_so_far.append(reply)
        if len(replies_so_far) == leave_after:
            llm.give_up()

    with Ledger(path) as ledger:
        budget.open_account(ledger.identity, spent_so_far(ledger))
        replies = llm.ask_all([question(n) for n in questions], ledger, on_reply=stop_after)
    llm.close()
    return replies


def question(number: int) -> Request:
    return Request(role=Role.JUDGE, shape=Shape.NUMBER, prompt=f"How much is {number}?", prompt_id="p", max_tokens=3)


def kinds(replies: list[Reply]) -> Counter[str]:
    return Counter(reply.error.partition(":")[0] if reply.error else "answered" for reply in replies)


def test_a_dollar_with_a_hundred_in_flight_and_two_restarts_is_never_overspent(tmp_path: Path) -> None:
    meter, path = Meter(), tmp_path / "ledger.sqlite"
    first = kinds(run_once(meter, path, range(300), leave_after=150))
    second = kinds(run_once(meter, path, range(300, 600), leave_after=150))
    assert first["stopped"] > 0
    assert second["stopped"] > 0
    third = kinds(run_once(meter, path, range(600, 1200)))
    assert third["answered"] > 50
    assert third["budget"] > 0
    assert meter.peak >= 30
    assert 0.7 * DOLLAR < meter.charged <= DOLLAR
    before = meter.charged
    assert set(kinds(run_once(meter, path, range(1200, 1300)))) == {"budget"}
    assert meter.charged == before


def priced(root: Path) -> Path:
    """The toy judge for 2 and 8 dollars per million tokens; author and auditor follow it."""
    return larger(root, 12, '\n[judge]\nmodel = "toyworld"\ninput_price = 2.0\noutput_price = 8.0\n')


def charged(endpoint: Gatekeeper) -> int:
    """What the server's own counts of tokens come to, in millionths of a dollar."""
    return endpoint.tokens["prompt"] * 2 + endpoint.tokens["completion"] * 8


def test_a_run_whose_cap_is_reached_ends_with_three_buys_nothing_more_and_goes_on_under_a_higher_one(
    tmp_path: Path,
) -> None:
    folder, whole = priced(tmp_path / "capped"), priced(tmp_path / "whole")
    first, again, rest = (Gatekeeper(create_app(EXACT)) for _ in range(3))
    capped = rehearse(folder, "--max-usd", "0.2", before=first)
    assert capped.exit_code == 3, capped.output
    assert "budget.run.usd = 0.2" in capped.output
    assert 0.1 * DOLLAR < charged(first) <= 0.2 * DOLLAR
    assert status_of(folder)["micro_usd"] <= 0.2 * DOLLAR
    assert rehearse(folder, "--max-usd", "0.2", before=again).exit_code == 3
    assert charged(first) + charged(again) <= 0.2 * DOLLAR
    assert rehearse(folder, "--max-usd", "5", before=rest).exit_code == 0
    assert rehearse(whole).exit_code == 0
    assert outcome(folder) == outcome(whole)
