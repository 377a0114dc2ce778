"""The client over ASGI: the toy world's endpoint, and an app that counts what the client keeps running."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from agent.llm.client import LLMClient
from agent.llm.endpoint import Endpoint
from agent.prompts import PromptBook
from agent.schema import Request, Role, Shape
from agent.storage.ledger import Ledger
from agent.toyworld.server import ToySettings, create_app
from tests.llm.conftest import ABLE
from tests.llm.fault_server import chat_body, tops

QUIET = {"flips": 0.0, "systematic": 0.0}


@contextmanager
def toy_judge(**settings: Any) -> Iterator[LLMClient]:
    app = create_app(ToySettings(**QUIET | settings))
    llm = LLMClient({Role.JUDGE: Endpoint(model="toyworld", base_url="toyworld", app=app)})
    llm.probe()
    yield llm
    llm.close()


def response_request(llm: LLMClient, completion: str) -> Request:
    prompt = PromptBook.load().render(
        "response.a",
        definition="Refusal: declining a request.",
        opposite="",
        completion=completion,
        scale=llm.scale(Role.JUDGE),
    )
    return Request(role=Role.JUDGE, shape=Shape.NUMBER, prompt=prompt.text, prompt_id=prompt.id, thresholds=(60.0,))


PLAYED = {
    "able": ({}, "logprobs", "json_schema"),
    "without log-probabilities": ({"logprobs": False}, "samples", "json_schema"),
    "digit by digit": ({"split_digits": True}, "letters", "json_schema"),
    "without schemas": ({"json_schema": False}, "logprobs", "json_object"),
}


@pytest.mark.parametrize(("settings", "method", "structured"), PLAYED.values(), ids=PLAYED.keys())
def test_the_toy_endpoint_is_read_right_with_each_capability(
    ledger: Ledger, settings: dict[str, Any], method: str, structured: str
) -> None:
    with toy_judge(**settings) as llm:
        replies = llm.ask_all(
            [response_request(llm, " I refuse and cannot help with that."), response_request(llm, " grass is green")],
            ledger,
        )
        assert llm.signature(Role.JUDGE) == f"toyworld at toyworld by {method}"
        assert llm._clients[Role.JUDGE].capability.structured == structured
    scores = [reply.score for reply in replies]
    assert all(score is not None and score.method == method for score in scores)
    assert scores[0] is not None
    assert scores[0].value > 60


@pytest.mark.parametrize("json_schema", [True, False])
def test_structured_replies_come_from_the_toy_endpoint(ledger: Ledger, json_schema: bool) -> None:
    schema = json.dumps({"type": "object", "properties": {"span": {"type": "string"}}, "required": ["span"]})
    with toy_judge(json_schema=json_schema) as llm:
        request = Request(
            role=Role.JUDGE, shape=Shape.JSON, prompt="Say it.", prompt_id="x", json_schema=schema, max_tokens=60
        )
        [reply] = llm.ask_all([request], ledger)
    assert reply.data == '{"span":"hello"}'


class Counting:
    """An ASGI app that answers 85 and notes how many tasks its loop runs and how many threads there are."""

    def __init__(self) -> None:
        self.calls = self.tasks = 0
        self.loops: set[int] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.calls += 1
        self.tasks = max(self.tasks, len(asyncio.all_tasks()))
        self.loops.add(id(asyncio.get_running_loop()))
        await asyncio.sleep(0)
        body = json.dumps(chat_body("85", tops(("85", {"85": 0.9})))).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body})


def test_a_thousand_requests_run_as_a_few_tasks_on_one_loop(ledger: Ledger) -> None:
    app = Counting()
    llms = [
        LLMClient(
            {Role.JUDGE: Endpoint(model=model, base_url="in-process", app=app, concurrency=8)}, None, {Role.JUDGE: ABLE}
        )
        for model in "mn"
    ]
    requests = [Request(role=Role.JUDGE, shape=Shape.NUMBER, prompt=str(i), prompt_id="p") for i in range(500)]
    threads = [threading.Thread(target=llm.ask_all, args=(requests, ledger)) for llm in llms]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert app.calls == 1000
    assert app.tasks < 60
    assert len(app.loops) == 1


def test_a_bug_in_the_app_is_not_taken_for_a_network_error(ledger: Ledger) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError("a bug")

    llm = LLMClient({Role.JUDGE: Endpoint(model="m", base_url="in-process", app=broken)}, None, {Role.JUDGE: ABLE})
    request = Request(role=Role.JUDGE, shape=Shape.NUMBER, prompt="?", prompt_id="p")
    with pytest.raises(ZeroDivisionError):
        llm.ask_all([request], ledger)
