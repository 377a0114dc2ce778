"""What the probe finds about endpoints with fewer and fewer capabilities, each a server on loopback."""

import json
from collections.abc import Callable

import pytest
from pydantic import SecretStr

from agent.llm.client import LLMClient
from agent.llm.endpoint import Capability, Endpoint
from agent.llm.probe import ProbeError, drop_unsupported_option
from agent.llm.retry import RetryPolicy
from agent.schema import Role
from tests.llm.conftest import ABLE, KEY, Clock
from tests.llm.fault_server import Answering, Asked, chat, failing, number, serving, tops

Answer = Callable[[Asked], Answering]


def probed(url: str, roles: tuple[Role, ...] = (Role.JUDGE,)) -> Capability:
    endpoint = Endpoint(model="m", base_url=url, key=SecretStr(KEY))
    llm = LLMClient(dict.fromkeys(roles, endpoint), RetryPolicy(clock=Clock().real))
    try:
        return llm.probe()[roles[0]]
    finally:
        llm.close()


def literal(asked: Asked) -> str | None:
    text = asked.body["messages"][0]["content"]
    return next((literal for literal in ("85", "100") if literal in text), None)


def able(asked: Asked) -> Answering:
    """An endpoint that can do everything."""
    value = literal(asked)
    return number(int(value)) if value else chat('{"greeting": "hello"}')


def refusing(option: str, message: str, otherwise: Answer = able) -> Answer:
    """The endpoint that refuses requests in which an option stands."""
    return lambda asked: failing(400, message) if option in asked.body else otherwise(asked)


def test_a_usual_endpoint_is_probed_by_three_requests() -> None:
    with serving(able) as server:
        assert probed(server.url) == ABLE
        assert len(server.asked) == 3


def test_roles_that_share_an_endpoint_are_probed_once() -> None:
    with serving(able) as server:
        probed(server.url, (Role.JUDGE, Role.AUDITOR, Role.AUTHOR))
        assert len(server.asked) == 3


def test_an_endpoint_that_leaves_out_log_probabilities_is_sampled() -> None:
    with serving(lambda asked: chat(literal(asked) or '{"greeting": "hello"}')) as server:
        known = probed(server.url)
        assert len(server.asked) == 4  # three times for log-probabilities, once for JSON
    assert (known.logprobs, known.scale, known.method) == (False, "percent", "samples")
    assert "4 to 16 samples" in known.note


@pytest.mark.parametrize("value", ["85", "100"])
@pytest.mark.parametrize("bare", [1, 2])
def test_one_or_two_replies_without_log_probabilities_are_taken_for_faults(value: str, bare: int) -> None:
    left = [value] * bare

    def without_some(asked: Asked) -> Answering:
        if literal(asked) in left:
            return chat(left.pop())
        return able(asked)

    with serving(without_some) as server:
        assert probed(server.url) == ABLE
        assert len(server.asked) == 3 + bare


def split(asked: Asked) -> Answering:
    value = literal(asked)
    return chat(value, tops(*((d, {d: 0.9, "x": 0.1}) for d in value))) if value else chat('{"greeting": "hello"}')


def test_numbers_written_digit_by_digit_lead_to_letters() -> None:
    with serving(split) as server:
        known = probed(server.url)
    assert (known.scale, known.method) == ("letters", "letters")


def test_one_literal_in_two_tokens_is_enough_for_letters() -> None:
    with serving(lambda asked: split(asked) if literal(asked) == "100" else able(asked)) as server:
        assert probed(server.url).scale == "letters"


def test_a_blank_token_before_the_number_does_not_make_it_two() -> None:
    def blank(asked: Asked) -> Answering:
        value = literal(asked)
        found = tops((" ", {" ": 0.9, "x": 0.1}), (value or "", {value or "": 0.9, "x": 0.1}))
        return chat(f" {value}", found) if value else able(asked)

    with serving(blank) as server:
        assert probed(server.url).scale == "percent"


def test_refused_options_are_left_out_one_after_another() -> None:
    answer = refusing("max_tokens", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
    answer = refusing("temperature", "Unsupported value: 'temperature' does not support 0.0.", answer)
    answer = refusing("logprobs", "logprobs are not supported with this model", answer)
    answer = refusing("seed", "Extra inputs are not permitted: seed", answer)
    with serving(answer) as server:
        known = probed(server.url)
    assert (known.max_tokens_name, known.temperature, known.logprobs, known.seed) == (
        "max_completion_tokens", False, False, False,
    )  # fmt: skip


def test_a_forbidden_option_is_not_taken_for_a_bad_key() -> None:
    def answer(asked: Asked) -> Answering:
        message = "You are not allowed to request logprobs from this model"
        return failing(403, message) if "logprobs" in asked.body else able(asked)

    with serving(answer) as server:
        assert probed(server.url).method == "samples"


def test_a_shorter_list_of_alternatives_is_accepted() -> None:
    def answer(asked: Asked) -> Answering:
        too_many = asked.body.get("top_logprobs", 0) > 5
        return failing(400, "top_logprobs must be at most 5") if too_many else able(asked)

    with serving(answer) as server:
        known = probed(server.url)
    assert (known.logprobs, known.top_logprobs) == (True, 5)


def test_a_reasoning_model_gets_headroom_and_is_sampled() -> None:
    def answer(asked: Asked) -> Answering:
        return chat("", finish="length") if asked.body["max_tokens"] < 1000 else able(asked)

    with serving(answer) as server:
        known = probed(server.url)
    assert known.headroom > 1000
    assert known.method == "samples"


def test_json_schema_counts_only_where_it_is_enforced() -> None:
    def answer(asked: Asked) -> Answering:
        form = asked.body.get("response_format", {}).get("type")
        return chat("Hello there!") if form == "json_schema" else able(asked)

    with serving(answer) as server:
        assert probed(server.url).structured == "json_object"


def test_without_response_formats_json_is_requested_in_the_prompt() -> None:
    with serving(refusing("response_format", "response_format is unknown")) as server:
        assert probed(server.url).structured == "plain"


UNUSABLE = {
    "bad key": (failing(401, f"Incorrect API key provided: {KEY}"), "key_variable"),
    "no credit": (failing(429, "You exceeded your current quota", "insufficient_quota"), "Add credit"),
    "no such model": (failing(404, "The model `m` does not exist"), "Check that `model` (m) exists"),
    "a web page": (Answering(body=b"<html></html>"), "base_url"),
    "no chat": (failing(405, "Method not allowed"), "base_url"),
    "down": (failing(503, "maintenance"), "Try again later"),
    "too fast": (failing(429, "rate limit"), "concurrency"),
}


@pytest.mark.parametrize(("bad", "advice"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_failed_probe_names_role_endpoint_and_remedy(bad: Answering, advice: str) -> None:
    with serving(lambda _: bad) as server, pytest.raises(ProbeError) as caught:
        probed(server.url)
    sentence = str(caught.value)
    assert sentence.startswith(f"judge: the model m at {server.url} cannot be used.")
    assert advice in sentence
    assert KEY not in sentence


def test_an_endpoint_that_is_not_there_fails_the_probe_at_once() -> None:
    with serving([]) as server:
        pass
    clock = Clock()
    llm = LLMClient({Role.AUTHOR: Endpoint(model="m", base_url=server.url)}, RetryPolicy(clock=clock.real))
    with pytest.raises(ProbeError, match=r"author: .* Start the server, or correct `base_url`"):
        llm.probe()
    assert clock.waits == []


def test_an_unrelated_error_message_drops_no_option() -> None:
    assert drop_unsupported_option(ABLE, "HTTP 400: the context is too long") is None


def test_an_endpoint_is_serialised_without_key_and_app() -> None:
    endpoint = Endpoint(model="m", base_url="http://x", key=SecretStr(KEY), app=able)
    assert set(json.loads(endpoint.model_dump_json())) == {
        "model", "base_url", "concurrency", "input_price", "output_price",
    }  # fmt: skip
    assert KEY not in repr(endpoint)
