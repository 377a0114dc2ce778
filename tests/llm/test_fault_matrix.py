"""Fault matrix: for each faulty reply the error kind, the number of requests, the cost and the reply. One row each.

One request meets the fault while the endpoint answers all others; an endpoint that is down is tested elsewhere.
"""

import json
import time
from collections.abc import Callable, Sequence
from email.utils import formatdate
from itertools import count
from typing import NamedTuple

import pytest

from agent.schema import Reply, Request
from agent.storage.ledger import Ledger
from tests.llm.conftest import Clock, Connect
from tests.llm.fault_server import Answerer, Answering, Asked, chat, chat_body, failing, number, serving, tops
from tests.llm.test_client import ask_number, ask_object, ask_text

INPUT, OUTPUT = 2, 8  # USD per million tokens of the endpoint that `connect` makes
EIGHTY_FIVE = tops(("85", {"85": 0.9, "x": 0.1}))
GOOD = number(85)
SLOWED = 5
MANY = 100  # more than any request is sent

Charge = Callable[[Sequence[Asked]], int]
Header = tuple[str, str]


def free(_: Sequence[Asked]) -> int:
    """The provider did no work."""
    return 0


def usage(asked: Sequence[Asked]) -> int:
    """The usage that each reply states: 11 tokens in, 3 out."""
    return (11 * INPUT + 3 * OUTPUT) * len(asked)


def reserved(asked: Sequence[Asked]) -> int:
    """The upper bound, where the reply states no usage: a token per byte in, the token limit out."""
    return sum(int(one.headers["content-length"]) * INPUT + one.body["max_tokens"] * OUTPUT for one in asked)


class Row(NamedTuple):
    """`kind` of the error, or "" for a usable reply; `requests` are made before it is given up.

    Rate limits are not given up so soon: after SLOWED of them a good answer follows, and is used.
    """

    answer: Answering
    kind: str
    requests: int
    charge: Charge
    request: Request = ask_number()


def status(code: int, kind: str, message: str = "trouble", error: str | None = None) -> Row:
    """Transient errors are requested six times, refusals twice, all others once. None of them costs anything."""
    return Row(
        failing(code, message, error), kind, {"transient": 6, "rate": SLOWED, "deterministic": 2}.get(kind, 1), free
    )


def page(code: int, kind: str) -> Row:
    """The error page of a proxy."""
    html = Answering(code, b"<html><h1>Something is wrong</h1></html>", (("content-type", "text/html"),))
    return Row(html, kind, 6 if code != 200 else 3, free if code != 200 else reserved)


def raw(body: bytes, headers: tuple[Header, ...] = (("content-type", "application/json"),)) -> Answering:
    return Answering(body=body, headers=headers)


def error_200(kind: str, requests: int, **error: object) -> Row:
    return Row(raw(json.dumps({"error": error}).encode()), kind, requests, free)


def saying(content: object, finish: str = "stop", **message: object) -> Answering:
    choice = {"index": 0, "message": {"content": content, **message}, "finish_reason": finish, "logprobs": EIGHTY_FIVE}
    return chat(None, choices=[choice])


RATE_LINK = (
    "Rate limit reached for m on requests per min. Limit: 3. Please try again in 20s. You can increase your rate limit "
    "by adding a payment method at https://platform.openai.com/account/billing."
)
TEXT_LOGPROB = {"token": "85", "logprob": "x", "top_logprobs": []}
BALANCE = "Your credit balance is too low to access the API. Please go to Plans & Billing to purchase credits."

STATUSES = {
    "400": status(400, "deterministic", "messages: field required"),
    "400 context length": status(400, "too long", "maximum context length is 8192", "context_length_exceeded"),
    "400 content filter": status(400, "refusal", "The response was filtered", "content_filter"),
    "400 without credit": status(400, "quota", BALANCE, "invalid_request_error"),
    "401": status(401, "auth", "Incorrect API key", "invalid_api_key"),
    "402": status(402, "quota", "payment required"),
    "403": status(403, "auth", "You do not have access to this project"),
    "403 billing": status(403, "quota", "Billing is not enabled for this project", "billing_disabled"),
    "404": status(404, "deterministic", "The model does not exist", "model_not_found"),
    "408": status(408, "transient"),
    "409": status(409, "transient"),
    "413": status(413, "deterministic", "request entity too large"),
    "422": status(422, "deterministic", "unprocessable"),
    "425": status(425, "transient"),
    "429": status(429, "rate"),
    "429 exceeded rate": status(429, "rate", "Too many requests", "rate_limit_exceeded"),
    "429 that links a billing page": status(429, "rate", RATE_LINK, "rate_limit_exceeded"),
    "429 in a list": Row(Answering(429, b'[{"error": {"message": "Resource exhausted."}}]'), "rate", SLOWED, free),
    "429 insufficient_quota": status(429, "quota", "You exceeded your current quota", "insufficient_quota"),
    "429 billing": status(429, "quota", "Your account is not active, please check your billing details"),
    "500": status(500, "transient"),
    "502": page(502, "transient"),
    "503": status(503, "transient", "overloaded"),
    "504": page(504, "transient"),
    "520": page(520, "transient"),
    "529": status(529, "transient", "Overloaded", "overloaded_error"),
}

BODIES = {
    "HTML with 200": page(200, "malformed"),
    "rate error with 200": error_200("rate", SLOWED, message="Rate limit exceeded", code="rate_limit_exceeded"),
    "rate error with 200 by number": error_200("rate", SLOWED, message="slow down", code=429),
    "quota error with 200": error_200("quota", 1, message="You exceeded", code="insufficient_quota"),
    "auth error with 200": error_200("auth", 1, message="Incorrect API key", code="invalid_api_key"),
    "unknown error with 200": error_200("transient", 6, message="upstream trouble"),
    "no choices": Row(chat("85", choices=None), "malformed", 3, usage),
    "empty choices": Row(chat("85", choices=[]), "malformed", 3, usage),
    "null content": Row(chat(None, EIGHTY_FIVE), "malformed", 3, usage),
    "empty content": Row(chat("", EIGHTY_FIVE), "malformed", 3, usage),
    "nothing": Row(raw(b""), "malformed", 3, reserved),
    "cut JSON": Row(raw(GOOD.body[:-20]), "malformed", 3, reserved),
    "almost JSON": Row(raw(repr(chat_body("85", EIGHTY_FIVE)).encode()), "malformed", 3, reserved),
    "a JSON list": Row(raw(b"[" + GOOD.body + b"]"), "malformed", 3, reserved),
    "20 MB": Row(raw(json.dumps(chat_body("85" + " " * 20_000_000)).encode()), "malformed", 3, reserved),
    "fine JSON as text/plain": Row(raw(GOOD.body, (("content-type", "text/plain"),)), "", 1, usage),
    "fine JSON without content type": Row(raw(GOOD.body, ()), "", 1, usage),
    "lone surrogates": Row(chat("so \ud83d I"), "", 1, usage, ask_text()),
    "cut at the limit, a text": Row(chat("half a", finish="length"), "truncated", 1, usage, ask_text()),
    "cut at the limit, JSON": Row(chat('{"endings": ["so', finish="length"), "truncated", 1, usage, ask_object()),
    "cut at the limit before a word": Row(chat("", EIGHTY_FIVE, "length"), "truncated", 2, usage),
    "content_filter": Row(saying("85", "content_filter"), "refusal", 1, usage),
    "refusal": Row(saying(None, refusal="I can't help with that."), "refusal", 1, usage),
    "no log-probabilities": Row(chat("85"), "malformed", 3, usage),
    "log-probabilities of another form": Row(chat("85", {"content": [{"tok": 1}]}), "malformed", 3, usage),
    "log-probability a text": Row(chat("85", {"content": [TEXT_LOGPROB]}), "malformed", 3, usage),
    "probabilities above one": Row(chat("85", tops(("85", {"85": 0.9, "80": 0.9}))), "malformed", 3, usage),
    "choices of nulls": Row(chat("85", choices=[None]), "malformed", 3, usage),
    "no message": Row(chat("85", choices=[{"finish_reason": "stop"}]), "malformed", 3, usage),
    "content a number": Row(saying(85), "malformed", 3, usage),
    "content blank": Row(chat("  ", EIGHTY_FIVE), "malformed", 3, usage),
    "not UTF-8": Row(raw(b'{"choices": "\xff\xfe"}'), "malformed", 3, reserved),
    "deep nesting": Row(raw(b"[" * 100_000), "malformed", 3, reserved),
    "a number too long to read": Row(raw(b'{"choices": ' + b"9" * 10_000 + b"}"), "malformed", 3, reserved),
    "an error text with 200": Row(raw(b'{"error": "overloaded", "choices": []}'), "transient", 6, free),
    "no usage": Row(chat("85", EIGHTY_FIVE, usage=None), "", 1, reserved),
    "another model's name": Row(chat("85", EIGHTY_FIVE, model="gpt-3.5-cheap"), "", 1, usage),
}

WIRES = {
    "reset before the answer": Row(Answering(deed="reset"), "transient", 6, reserved),
    "reset amid the answer": Row(Answering(body=GOOD.body, deed="reset-amid"), "transient", 6, reserved),
    "closed amid the answer": Row(Answering(body=GOOD.body, missing=10), "transient", 6, reserved),
    "hang": Row(Answering(deed="hang"), "timeout", 6, reserved),
    "drip": Row(Answering(body=GOOD.body, deed="drip"), "timeout", 6, reserved),
}

ROWS = STATUSES | BODIES | WIRES


def is_ours(asked: Asked, request: Request) -> bool:
    return bool(asked.body["messages"][0]["content"] == request.prompt)


def faulty(row: Row, times: int = MANY) -> Answerer:
    """Answers the row's request with its fault, so many times, and all other requests well."""
    ours = count()

    def answer(asked: Asked) -> Answering:
        if not is_ours(asked, row.request):
            return chat("1")
        return row.answer if next(ours) < times else GOOD

    return answer


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_each_fault_has_its_kind_its_number_of_requests_its_cost_and_its_reply(
    connect: Connect, ledger: Ledger, row: Row
) -> None:
    is_slowed = row.kind == "rate"
    with serving(faulty(row, SLOWED if is_slowed else MANY)) as server:
        [reply] = connect(server.url, timeout=0.2 if row.kind == "timeout" else 5.0).ask_all([row.request], ledger)
    asked = [one for one in server.asked if is_ours(one, row.request)]
    failed, answered = asked[: row.requests], asked[row.requests :]
    assert outcome(reply) == ("usable" if is_slowed else row.kind or "usable")
    assert (len(failed), len(answered)) == (row.requests, is_slowed)
    assert ledger.attempt_counts() == {row.kind or "answered": row.requests} | ({"answered": 1} if is_slowed else {})
    assert ledger.total_usage().micro_usd == row.charge(failed) + usage(answered)


def test_a_request_that_is_always_rate_limited_is_given_up_and_costs_nothing(connect: Connect, ledger: Ledger) -> None:
    row = ROWS["429"]
    with serving(faulty(row)) as server:
        [reply] = connect(server.url).ask_all([row.request], ledger)
    assert outcome(reply) == "rate"
    assert SLOWED < len(server.asked) < MANY
    assert ledger.attempt_counts() == {"rate": len(server.asked)}
    assert ledger.total_usage().micro_usd == 0


def outcome(reply: Reply) -> str:
    """The kind of a reply's error, or "usable". A reply with an error has no other field."""
    if reply.error is None:
        assert reply.answers
        assert reply.text == "so \ufffd I" if reply.text else reply.score and reply.score.value == 85.0
        return "usable"
    assert (reply.score, reply.choice, reply.data, reply.text, reply.answers) == (None, (), None, None, ())
    return reply.error.partition(": ")[0]


LASTING = {name: row for name, row in ROWS.items() if row.kind not in ("", "rate", "timeout")}


@pytest.mark.parametrize("row", LASTING.values(), ids=LASTING.keys())
def test_no_fault_is_served_as_an_answer_after_a_restart(connect: Connect, ledger: Ledger, row: Row) -> None:
    good = {ask_text(): chat("so \ud83d I"), ask_object(): chat('{"endings": []}')}.get(row.request, GOOD)
    now = [faulty(row)]
    with serving(lambda asked: now[0](asked)) as server:
        [first] = connect(server.url).ask_all([row.request], ledger)
        now[0] = lambda _: good
        [second] = connect(server.url).ask_all([row.request], ledger)
    assert first.error is not None
    assert second.error is None


def test_where_nothing_listens_no_call_costs_anything_and_the_endpoint_is_unavailable(
    connect: Connect, ledger: Ledger
) -> None:
    with serving([]) as server:
        pass  # its port is known, and nobody listens there any more
    [reply] = connect(server.url).ask_all([ask_number()], ledger)
    assert outcome(reply) == "outage"
    assert ledger.attempt_counts() == {"transient": 6}
    assert ledger.total_usage().micro_usd == 0


def reset_of(**kinds: str) -> tuple[Header, ...]:
    """The headers of an exhausted limit."""
    return tuple(
        header
        for kind, wait in kinds.items()
        for header in ((f"x-ratelimit-remaining-{kind}", "0"), (f"x-ratelimit-reset-{kind}", wait))
    )


WAITS: dict[str, tuple[int, Callable[[], tuple[Header, ...]], float]] = {
    "429 seconds": (429, lambda: (("retry-after", "7"),), 7.0),
    "429 fractions": (429, lambda: (("retry-after", "2.5"),), 2.5),
    "429 a date": (429, lambda: (("retry-after", formatdate(time.time() + 30, usegmt=True)),), 30.0),
    "429 milliseconds": (429, lambda: (("retry-after-ms", "1500"),), 1.5),
    "429 used-up requests": (429, lambda: reset_of(requests="1m2s"), 62.0),
    "429 used-up tokens": (429, lambda: reset_of(requests="10ms", tokens="12.5s"), 12.5),
    "503 seconds": (503, lambda: (("retry-after", "7"),), 7.0),
}


@pytest.mark.parametrize(("code", "headers", "seconds"), WAITS.values(), ids=WAITS.keys())
def test_the_retry_after_of_a_server_is_waited_for(
    connect: Connect,
    ledger: Ledger,
    clock: Clock,
    code: int,
    headers: Callable[[], tuple[Header, ...]],
    seconds: float,
) -> None:
    with serving([failing(code, headers=headers()), GOOD]) as server:
        [reply] = connect(server.url).ask_all([ask_number()], ledger)
    assert outcome(reply) == "usable"
    assert len(server.asked) == 2
    assert seconds - 1.5 <= max(clock.waits) <= seconds + 1  # a date has whole seconds
    assert ledger.attempt_counts() == {"answered": 1, "rate" if code == 429 else "transient": 1}
    assert ledger.total_usage().micro_usd == usage(server.asked[:1])
