"""What the probe finds about endpoints with fewer and fewer capabilities, each a server on loopback."""

import json
from collections.abc import Callable

import pytest
from pydantic import SecretStr

from agent.llm.capability import Questions, drop_unsupported_option, no_questions
from agent.llm.client import LLMClient
from agent.llm.endpoint import Capability, Endpoint
from agent.llm.probe import ProbeError
from agent.llm.retry import RetryPolicy
from agent.schema import Request, Role, Shape
from agent.text import is_same_model
from tests.llm.conftest import ABLE, KEY, Clock
from tests.llm.fault_server import Answering, Asked, chat, failing, number, serving, tops

Answer = Callable[[Asked], Answering]


def probed(
    url: str, roles: tuple[Role, ...] = (Role.JUDGE,), questions: Questions = no_questions, clock: Clock | None = None
) -> Capability:
    endpoint = Endpoint(model="m", base_url=url, key=SecretStr(KEY))
    llm = LLMClient(dict.fromkeys(roles, endpoint), RetryPolicy(clock=(clock or Clock()).real))
    try:
        return llm.probe(questions=questions)[roles[0]]
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


@pytest.mark.parametrize("cut", [chat("", finish="length"), chat("<think>\nOkay", finish="length")])
def test_a_model_that_thinks_gets_headroom(cut: Answering) -> None:
    with serving(lambda asked: cut if asked.body["max_tokens"] < 1000 else able(asked)) as server:
        known = probed(server.url)
    assert (known.headroom > 1000, known.method) == (True, "logprobs")
    assert "The model thinks before it answers: 2048 tokens" in known.note


def thinks(asked: Asked) -> Answering:
    """Thinks, then answers; the log-probabilities are of all tokens."""
    value = literal(asked) or '{"greeting": "hello"}'
    tokens = ("<think>", *"12345678", "</think>", value)
    found = tops(*((token, {token: 0.9, "x": 0.1}) for token in tokens))
    return chat("".join(tokens), found) if asked.body["max_tokens"] > 100 else chat("<think>1234", finish="length")


def test_log_probabilities_behind_the_reasoning_are_read() -> None:
    with serving(thinks) as server:
        known = probed(server.url)
    assert known == ABLE.model_copy(update={"headroom": 2048, "note": known.note})


def test_a_cut_reply_that_begins_as_the_schema_wants_is_a_yes() -> None:
    cut = chat('{"greeting": "Hello, hello, hello', finish="length")
    with serving(lambda asked: able(asked) if literal(asked) else cut) as server:
        assert probed(server.url).structured == "json_schema"


def test_a_cut_reply_in_words_is_no_json() -> None:
    cut = chat("Hello, hello, hello", finish="length")
    with serving(lambda asked: able(asked) if literal(asked) else cut) as server:
        assert probed(server.url).structured == "plain"


LEAST = {
    "OpenAI": "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got 4 instead.",
    "in words": "max_tokens must be at least 16",
    "pydantic": "body.max_tokens: Input should be greater than or equal to 16",
}


@pytest.mark.parametrize("message", LEAST.values(), ids=LEAST)
def test_a_minimum_of_tokens_is_kept(message: str) -> None:
    def answer(asked: Asked) -> Answering:
        return failing(400, message) if asked.body["max_tokens"] < 16 else of_run(GOOD)(asked)

    with serving(answer) as server:
        known = probed(server.url, questions=lambda scale: [NUMBER])
        assert {asked.body["max_tokens"] for asked in server.asked} == {4, 16, 60}
    assert (known.min_tokens, known.method) == (16, "logprobs")


MOST = {
    "vLLM": ("Requested sample logprobs of 20, which is greater than max allowed: 5", 5),
    "Azure": ("top_logprobs must be less than or equal to 10", 10),
    "Google": ("logprobs must be in the range [0, 8)", 8),
    "unnamed": ("too many top_logprobs", 5),
}


@pytest.mark.parametrize(("message", "most"), MOST.values(), ids=MOST)
def test_fewer_alternatives_are_asked_for_where_a_message_allows_fewer(message: str, most: int) -> None:
    changed = drop_unsupported_option(ABLE, message)
    assert changed is not None
    assert (changed.logprobs, changed.top_logprobs) == (True, most)


@pytest.mark.parametrize("message", ["logprobs of 20 is greater than max allowed: 0", "logprobs are not supported"])
def test_log_probabilities_are_left_out_where_none_are_allowed(message: str) -> None:
    changed = drop_unsupported_option(ABLE, message)
    assert changed is not None
    assert not changed.logprobs


@pytest.mark.parametrize("option", ["logprobs", "seed", "temperature"])
def test_an_option_that_is_refused_without_its_name_is_found_by_trial(option: str) -> None:
    with serving(refusing(option, "Bad request")) as server:
        known = probed(server.url)
    assert [name for name in ("logprobs", "seed", "temperature") if not getattr(known, name)] == [option]


def test_a_server_error_that_comes_only_with_log_probabilities_means_asking_without_them() -> None:
    def answer(asked: Asked) -> Answering:
        return failing(500, "Internal Server Error") if "logprobs" in asked.body else able(asked)

    with serving(answer) as server:
        assert probed(server.url).method == "samples"


def test_a_server_that_recovers_during_the_trial_keeps_its_log_probabilities() -> None:
    left = [failing(500)] * 6

    with serving(lambda asked: left.pop() if left else able(asked)) as server:
        assert probed(server.url) == ABLE


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4.1-mini", "gpt-4.1-mini-2025-04-14"),
        ("openai/gpt-4.1-mini", "gpt-4.1-mini-2025-04-14"),
        ("Qwen/Qwen3-8B", "qwen3-8b"),
        ("models/gemma-3", "/srv/models/gemma-3"),
        ("m:free", "m"),
        ("m", ""),
    ],
)
def test_names_of_one_model_may_differ_in_version_owner_and_case(asked: str, answered: str) -> None:
    assert is_same_model(asked, answered)


def test_another_model_than_the_one_asked_for_is_named() -> None:
    def other(asked: Asked) -> Answering:
        answer = able(asked)
        return Answering(body=answer.body.replace(b'"model": "m"', b'"model": "llama-1b"'))

    with serving(other) as server:
        known = probed(server.url)
    assert known.answered_by == "llama-1b"
    assert "Asked for m, llama-1b answers." in known.note


# Questions of the run.

NUMBER = Request(role=Role.JUDGE, shape=Shape.NUMBER, prompt="Score it, first wording.", prompt_id="n")
AGAIN = Request(role=Role.JUDGE, shape=Shape.NUMBER, prompt="Score it, second wording.", prompt_id="n")
CHOICE = Request(role=Role.JUDGE, shape=Shape.CHOICE, options=("YES", "NO"), prompt="Choose.", prompt_id="c")
SCHEMA = '{"properties": {"span": {"type": "string"}}, "required": ["span"], "type": "object"}'
OBJECT = Request(role=Role.AUTHOR, shape=Shape.JSON, prompt="Write.", json_schema=SCHEMA, prompt_id="j", max_tokens=99)


def of_run(answers: dict[Request, Answering]) -> Answer:
    """An endpoint that gives its answer to each question of the run, and can do everything else."""
    by_prompt = {request.prompt: answer for request, answer in answers.items()}
    return lambda asked: by_prompt.get(asked.body["messages"][0]["content"]) or able(asked)


YES = chat("YES", tops(("YES", {"YES": 0.9, "NO": 0.1})))
GOOD = {NUMBER: number(40), CHOICE: YES, OBJECT: chat('{"span": "so"}')}


def test_each_shape_of_question_is_asked_once_in_the_form_of_the_run() -> None:
    with serving(of_run(GOOD)) as server:
        roles = (Role.JUDGE, Role.AUTHOR)
        assert probed(server.url, roles, lambda scale: [NUMBER, AGAIN, CHOICE, OBJECT]) == ABLE
        asked = {one.body["messages"][0]["content"]: one.body for one in server.asked[3:]}
    assert set(asked) == {NUMBER.prompt, CHOICE.prompt, OBJECT.prompt}
    assert (asked[NUMBER.prompt]["max_tokens"], asked[NUMBER.prompt]["top_logprobs"]) == (4, 20)
    assert asked[OBJECT.prompt]["response_format"]["type"] == "json_schema"


def test_only_the_questions_of_the_roles_of_an_endpoint_are_asked() -> None:
    with serving(of_run(GOOD)) as server:
        probed(server.url, (Role.AUTHOR,), lambda scale: [NUMBER, CHOICE, OBJECT])
        assert [one.body["messages"][0]["content"] for one in server.asked[3:]] == [OBJECT.prompt]


BAD = {
    "a sentence": (
        NUMBER,
        chat("Sure!\x1b[1m I\x07 would", tops(("Sure", {"Sure": 0.9}))),
        "as a score",
        '"Sure! I would"',
    ),
    "an empty object": (OBJECT, chat("{}"), "as JSON", "span"),
    "another word": (CHOICE, chat("MAYBE", tops(("MAYBE", {"MAYBE": 0.9}))), "as a choice", '"MAYBE"'),
    "endless thought": (NUMBER, chat("<think>Okay, so", finish="length"), "as a score", '"<think>Okay, so"'),
}


@pytest.mark.parametrize(("question", "answer", "form", "quotation"), BAD.values(), ids=BAD)
def test_an_answer_that_cannot_be_read_fails_the_probe_with_a_quotation_and_a_remedy(
    question: Request, answer: Answering, form: str, quotation: str
) -> None:
    again = AGAIN.model_copy(update={"shape": question.shape, "options": question.options, "role": question.role})
    again = again.model_copy(update={"json_schema": question.json_schema})
    with serving(of_run({**GOOD, question: answer, again: answer})) as server, pytest.raises(ProbeError) as caught:
        probed(server.url, (Role.JUDGE, Role.AUTHOR), lambda scale: [question, again])
    sentence = str(caught.value)
    assert f"cannot be read {form}" in sentence
    assert quotation in sentence
    assert "with thinking off or with a reasoning parser" in sentence
    assert "base_url" not in sentence


def test_a_second_wording_that_is_answered_well_is_enough() -> None:
    with serving(of_run({NUMBER: chat("Hm", tops(("Hm", {"Hm": 0.9}))), AGAIN: number(40)})) as server:
        assert probed(server.url, questions=lambda scale: [NUMBER, AGAIN]) == ABLE


def test_a_question_that_a_filter_withholds_says_nothing_about_the_form() -> None:
    with serving(of_run({NUMBER: failing(400, "filtered", "content_filter")})) as server:
        assert probed(server.url, questions=lambda scale: [NUMBER]) == ABLE


def test_headroom_is_found_by_a_question_of_the_run() -> None:
    def answer(asked: Asked) -> Answering:
        is_cut = asked.body["messages"][0]["content"] == NUMBER.prompt and asked.body["max_tokens"] < 1000
        return chat("<think>Okay", finish="length") if is_cut else of_run(GOOD)(asked)

    with serving(answer) as server:
        known = probed(server.url, questions=lambda scale: [NUMBER])
    assert (known.headroom, known.method) == (2048, "logprobs")


def test_json_that_is_cut_is_of_the_right_form_and_needs_no_headroom() -> None:
    with serving(of_run({OBJECT: chat('{"span": "so so so', finish="length")})) as server:
        assert probed(server.url, (Role.AUTHOR,), lambda scale: [OBJECT]) == ABLE


def test_json_that_a_judge_cannot_write_is_told_and_does_not_fail_the_probe() -> None:
    quoting = OBJECT.model_copy(update={"role": Role.JUDGE})
    with serving(of_run({OBJECT: chat("Hello")})) as server:
        assert (
            "cannot be read as JSON. The reply holds no JSON" in probed(server.url, questions=lambda _: [quoting]).note
        )


def test_a_score_that_only_its_text_tells_is_sampled() -> None:
    spread = tops(("40", {str(n): 0.001 for n in range(40, 60)}))
    with serving(of_run({NUMBER: chat("40", spread)})) as server:
        assert probed(server.url, questions=lambda scale: [NUMBER]).method == "samples"


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
        "model", "base_url", "concurrency", "starts_full", "timeout", "input_price", "output_price",
    }  # fmt: skip
    assert KEY not in repr(endpoint)
