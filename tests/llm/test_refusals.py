"""Refusals: of one request, which alone fails, or of every request alike, which is an outage of the endpoint."""

import pytest

from agent.app.model_calls import raise_if_unavailable
from agent.errors import Interrupted
from agent.llm.client import LLMClient
from agent.llm.endpoint import Endpoint
from agent.llm.retry import RetryPolicy
from agent.schema import ErrorKind, Reply, Request, Role, kind_of
from agent.storage.ledger import Ledger
from tests.llm.conftest import ABLE, Clock, Connect
from tests.llm.fault_server import HEALTH_CHECK, Answering, Asked, chat, failing, number, serving
from tests.llm.test_client import HTML, ask_number, ask_object

GONE = failing(404, "No endpoints found for m.")


def prompt_of(asked: Asked) -> str:
    return str(asked.body["messages"][0]["content"])


class Refusing:
    """A server that refuses every request in the same way until `checks` small questions have come."""

    def __init__(self, answer: Answering, checks: int) -> None:
        self.answer, self.checks = answer, checks

    def __call__(self, asked: Asked) -> Answering:
        if self.checks > 0:
            self.checks -= prompt_of(asked) == HEALTH_CHECK
            return self.answer
        return number(85)


def ask_all(connect: Connect, ledger: Ledger, server: object, requests: list[Request]) -> list[Reply]:
    with serving(server) as opened:  # type: ignore[arg-type]
        opened.answers_health_checks = False
        return connect(opened.url).ask_all(requests, ledger)


TWENTY = [ask_number(f"Question {n}") for n in range(20)]
ALIKE = {
    "404 of a router": GONE,
    "404 of Ollama": failing(404, 'model "m" not found, try pulling it first', "not_found_error"),
    "412": failing(412, "precondition failed"),
    "400 without a word on the prompt": failing(400, "Bad Request"),
    "422": failing(422, "Unprocessable"),
    "a page of a tunnel": HTML,
    "an empty body": Answering(),
    "no choices": chat("85", choices=[]),
    "log-probabilities that have gone": chat("85"),
}


@pytest.mark.parametrize("answer", ALIKE.values(), ids=ALIKE)
def test_a_refusal_of_every_request_is_waited_out_and_no_request_fails(
    connect: Connect, ledger: Ledger, clock: Clock, answer: Answering
) -> None:
    replies = ask_all(connect, ledger, Refusing(answer, checks=3), TWENTY)
    assert [reply.error for reply in replies] == [None] * 20
    assert [seconds for seconds in clock.waits if seconds in (2.0, 4.0, 8.0)] == [2.0, 4.0, 8.0]


@pytest.mark.parametrize("answer", [GONE, HTML], ids=["404", "page"])
def test_a_refusal_that_lasts_is_an_outage_with_its_reason(connect: Connect, ledger: Ledger, answer: Answering) -> None:
    replies = ask_all(connect, ledger, lambda _: answer, TWENTY)
    assert {kind_of(reply.error) for reply in replies} == {ErrorKind.OUTAGE}
    reason = "No endpoints found for m." if answer is GONE else "The reply is an HTML page"
    assert "/v1: Unavailable for 120 minutes. Last error: " in str(replies[0].error)
    assert reason in str(replies[0].error)


def test_a_refusal_of_an_option_that_every_request_has_is_the_endpoints(connect: Connect, ledger: Ledger) -> None:
    def answer(asked: Asked) -> Answering:
        return failing(400, "logprobs are not available") if "logprobs" in asked.body else chat("85")

    replies = ask_all(connect, ledger, answer, TWENTY[:3])
    assert {kind_of(reply.error) for reply in replies} == {ErrorKind.OUTAGE}


@pytest.mark.parametrize(
    ("reason", "kind", "tries"),
    [
        ("invalid characters in the prompt", ErrorKind.DETERMINISTIC, 2),
        ("maximum context length is 8192", ErrorKind.TOO_LONG, 1),
    ],
)
def test_a_refused_prompt_fails_alone_after_a_second_try_unless_it_is_too_long(
    connect: Connect, ledger: Ledger, reason: str, kind: ErrorKind, tries: int
) -> None:
    def answer(asked: Asked) -> Answering:
        return failing(400, reason) if prompt_of(asked) == "Question 7" else number(85)

    replies = ask_all(connect, ledger, answer, TWENTY)
    assert [kind_of(reply.error) for reply in replies] == [None] * 7 + [kind] + [None] * 12
    assert ledger.attempt_counts() == {"answered": 19, kind.value: tries}


def test_a_request_that_is_refused_in_a_blip_is_sent_again(connect: Connect, ledger: Ledger) -> None:
    with serving([GONE, number(85)]) as server:  # the small question is answered already
        [reply] = connect(server.url).ask_all([ask_number()], ledger)
    assert reply.error is None


def test_the_small_question_has_the_options_of_the_refused_request(connect: Connect, ledger: Ledger) -> None:
    asked: list[Asked] = []

    def answer(one: Asked) -> Answering:
        asked.append(one)
        return GONE if prompt_of(one) != HEALTH_CHECK else number(85)

    ask_all(connect, ledger, answer, [ask_object()])
    first, small = asked[0].body, next(one.body for one in asked if prompt_of(one) == HEALTH_CHECK)
    assert {name: value for name, value in small.items() if name != "messages"} == {
        name: value for name, value in first.items() if name != "messages"
    }


def test_each_endpoint_that_is_out_is_named(ledger: Ledger, clock: Clock) -> None:
    told: list[str] = []
    with serving(lambda _: failing(503, "busy")) as one, serving(lambda _: failing(503, "busy")) as other:
        one.answers_health_checks = other.answers_health_checks = False
        endpoints = {
            Role.JUDGE: Endpoint(model="m", base_url=one.url),
            Role.AUTHOR: Endpoint(model="m", base_url=other.url),
        }
        llm = LLMClient(
            endpoints,
            RetryPolicy(clock=clock.real),
            dict.fromkeys(endpoints, ABLE),
            on_wait=lambda who, why: told.append(str(why)),
        )
        replies = llm.ask_all([ask_number(), ask_number(role=Role.AUTHOR)], ledger)
        llm.close()
    for name in (f"judge at {one.url}", f"author at {other.url}"):
        assert any(why.startswith(f"{name} is unavailable") and why.endswith("HTTP 503: busy") for why in told)
        with pytest.raises(Interrupted, match=f"{name}: Unavailable"):
            raise_if_unavailable(replies)
