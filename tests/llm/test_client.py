"""The client over real HTTP on loopback, with a real ledger."""

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.llm import concurrency
from agent.llm.endpoint import Capability
from agent.llm.probe import ProbeError
from agent.schema import ErrorKind, Reply, Request, Role, Shape, kind_of
from agent.storage.ledger import Ledger
from tests.llm.conftest import ABLE, KEY, Clock, Connect
from tests.llm.fault_server import Answering, Asked, chat, chat_body, failing, number, serving, tops

SCHEMA = json.dumps({"type": "object", "properties": {"endings": {"type": "array"}}, "required": ["endings"]})
SAMPLED = Capability(logprobs=False, scale="percent", structured="plain")
HTML = Answering(body=b"<html>Please sign in</html>", headers=(("content-type", "text/html"),))
EIGHTY_FIVE = tops(("85", {"85": 0.9}))


def ask_number(prompt: str = "How likely?", **more: object) -> Request:
    request = Request(role=Role.JUDGE, shape=Shape.NUMBER, prompt=prompt, prompt_id="forecast.a@1")
    return request.model_copy(update=more)


def ask_object() -> Request:
    return ask_number("Write endings.", shape=Shape.JSON, json_schema=SCHEMA, max_tokens=50)


def ask_choice() -> Request:
    return ask_number("Which?", shape=Shape.CHOICE, options=("EXPRESS", "EXPLAIN", "NEITHER"))


def ask_text() -> Request:
    return ask_number("Write.", shape=Shape.TEXT, max_tokens=50)


def error_of(reply: Reply) -> str:
    assert (reply.score, reply.choice, reply.data, reply.text) == (None, (), None, None)
    assert reply.error is not None
    return reply.error


def test_a_scored_answer_is_stored_with_its_evidence_and_price(connect: Connect, ledger: Ledger) -> None:
    with serving([chat("85", tops(("85", {"85": 0.75, " 80": 0.25})))]) as server:
        [reply] = connect(server.url).ask_all([ask_number()], ledger)
    assert reply.score is not None
    assert reply.score.value == 83.75
    answer = ledger.answer(reply.answers[0])
    assert answer is not None
    assert (answer.content, answer.model, answer.sample) == ("85", "m", 0)
    assert (answer.tokens_in, answer.tokens_out, answer.micro_usd) == (11, 3, 46)
    assert ledger.attempt_counts() == {"answered": 1}


def test_the_body_asks_for_log_probabilities_at_temperature_zero(connect: Connect, ledger: Ledger) -> None:
    with serving([number(85)]) as server:
        connect(server.url).ask_all([ask_number("How likely?", sample=3)], ledger)
    assert server.asked[0].path == "/v1/chat/completions"
    assert server.asked[0].body == {
        "model": "m",
        "messages": [{"role": "user", "content": "How likely?"}],
        "max_tokens": 4,
        "temperature": 0.0,
        "seed": 3,
        "logprobs": True,
        "top_logprobs": 20,
    }


def test_replies_come_in_the_order_of_the_requests(connect: Connect, ledger: Ledger) -> None:
    def answer(asked: Asked) -> Answering:
        value = int(asked.body["messages"][0]["content"])
        return Answering(body=number(value).body, delay=0.05 if value % 2 else 0.0)

    with serving(answer) as server:
        replies = connect(server.url).ask_all([ask_number(str(value)) for value in range(40)], ledger)
        assert server.peak <= 16
    assert [reply.score and reply.score.value for reply in replies] == [float(value) for value in range(40)]


def test_calls_in_flight_stay_under_the_limit_across_threads(connect: Connect, ledger: Ledger) -> None:
    begun: list[int] = []

    def answer(_: Asked) -> Answering:
        begun.append(len(ledger.pending()))
        return Answering(body=number(85).body, delay=0.05)

    with serving(answer) as server:
        llm = connect(server.url, SAMPLED)  # each request is four calls at once
        batches = [[ask_number(f"{name} {i}", thresholds=(60.0,)) for i in range(12)] for name in "ab"]
        threads = [threading.Thread(target=llm.ask_all, args=(batch, ledger)) for batch in batches]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert len(server.asked) == 96
        assert 8 < max(begun) <= 16


def test_fifty_identical_requests_are_one_request(connect: Connect, ledger: Ledger) -> None:
    with serving([Answering(body=number(85).body, delay=0.1)]) as server:
        replies = connect(server.url).ask_all([ask_number()] * 50, ledger)
    assert len(server.asked) == 1
    assert {reply.score.value for reply in replies if reply.score} == {85.0}
    assert len(replies) == 50


def test_single_flight_holds_across_threads(connect: Connect, ledger: Ledger) -> None:
    found: list[Reply] = []
    with serving([Answering(body=number(85).body, delay=0.3)]) as server:
        llm = connect(server.url)
        threads = [threading.Thread(target=lambda: found.extend(llm.ask_all([ask_number()], ledger))) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert [reply.error for reply in found] == [None] * 5


def test_the_same_model_behind_two_urls_is_two_deployments(connect: Connect, ledger: Ledger) -> None:
    with serving([number(85)]) as one, serving([number(15)]) as other:
        [first] = connect(one.url).ask_all([ask_number()], ledger)
        [second] = connect(other.url).ask_all([ask_number()], ledger)
    assert first.score is not None
    assert second.score is not None
    assert (first.score.value, second.score.value) == (85.0, 15.0)


def test_after_a_restart_nothing_is_sent_again(connect: Connect, tmp_path: Path) -> None:
    requests = [ask_number(), ask_number(sample=1), ask_choice(), ask_object(), ask_text()]
    express = tops(("EXPRESS", {"EXPRESS": 0.9}))
    script = [number(85), number(80), chat("EXPRESS", express), chat('{"endings": ["so I"]}'), chat("words")]
    replies = []
    with serving(script) as server:
        for _ in range(2):
            with Ledger(tmp_path / "ledger.sqlite") as ledger:
                replies.append([connect(server.url).ask_all([request], ledger)[0] for request in requests])
    assert len(server.asked) == 5
    assert replies[0] == replies[1]
    assert [reply.error for reply in replies[0]] == [None] * 5


def test_samples_are_separate_calls_even_if_an_endpoint_without_seed_gets_equal_bodies(
    connect: Connect, ledger: Ledger
) -> None:
    seedless = ABLE.model_copy(update={"seed": False})
    with serving([number(80), number(20)]) as server:
        llm = connect(server.url, seedless)
        requests = [ask_number(sample=sample, temperature=1.0) for sample in (1, 2)]
        first = [llm.ask_all([request], ledger)[0] for request in requests]
        assert server.asked[0].body == server.asked[1].body
        assert llm.ask_all(requests, ledger) == first  # and the ledger keeps each under its own key
    assert len({reply.answers for reply in first}) == 2
    assert len({reply.score for reply in first}) == 2


def test_another_sample_of_the_same_prompt_is_another_call(connect: Connect, ledger: Ledger) -> None:
    with serving([number(85), number(80)]) as server:
        llm = connect(server.url)
        replies = [llm.ask_all([ask_number(sample=sample, temperature=1.0)], ledger)[0] for sample in (1, 2)]
    assert replies[0].answers != replies[1].answers
    assert [asked.body["seed"] for asked in server.asked] == [1, 2]


def test_a_request_that_fails_leaves_the_others_alone(connect: Connect, ledger: Ledger) -> None:
    def answer(asked: Asked) -> Answering:
        return failing(500) if asked.body["messages"][0]["content"] == "bad" else number(85)

    with serving(answer) as server:
        replies = connect(server.url).ask_all([ask_number(prompt) for prompt in ("a", "bad", "b")], ledger)
        assert len(server.asked) == 8
    assert [reply.error is None for reply in replies] == [True, False, True]


def test_transient_errors_are_retried_and_every_attempt_recorded(
    connect: Connect, ledger: Ledger, clock: Clock
) -> None:
    with serving([failing(503), failing(429), Answering(deed="reset"), HTML, number(85)]) as server:
        [reply] = connect(server.url).ask_all([ask_number()], ledger)
    assert reply.score is not None
    assert ledger.attempt_counts() == {"answered": 1, "malformed": 1, "rate": 1, "transient": 2}
    assert len([seconds for seconds in clock.waits if seconds]) >= 3


def test_a_wait_of_three_hours_is_an_error_and_not_waited(connect: Connect, ledger: Ledger, clock: Clock) -> None:
    with serving([failing(429, headers=[("retry-after", "10800")])]) as server:
        [reply] = connect(server.url).ask_all([ask_number()], ledger)
    assert error_of(reply).startswith("rate: ")
    assert "10800" in error_of(reply)
    assert sum(clock.waits) == 0


@pytest.mark.parametrize(("status", "kind"), [(429, ErrorKind.RATE), (503, ErrorKind.TRANSIENT)])
def test_a_retry_after_beyond_the_longest_pause_ends_queued_calls_too(
    connect: Connect, ledger: Ledger, status: int, kind: ErrorKind
) -> None:
    asked = [ask_number(f"Question {n}") for n in range(40)]  # more than may be in flight at first
    with serving([failing(status, headers=[("retry-after", "10800")])] * 40) as server:
        errors = {kind_of(error_of(reply)) for reply in connect(server.url).ask_all(asked, ledger)}
        sent = len(server.asked)
    assert errors <= {kind, ErrorKind.OUTAGE}
    assert ErrorKind.OUTAGE in errors
    assert sent < 40


@pytest.mark.parametrize("deed", ["hang", "drip"])
def test_a_hung_or_dripping_reply_ends_at_the_attempt_timeout(connect: Connect, ledger: Ledger, deed: str) -> None:
    with serving([Answering(body=number(85).body, deed=deed), number(85)]) as server:
        [reply] = connect(server.url, timeout=0.3).ask_all([ask_number()], ledger)
    assert reply.error is None
    assert ledger.attempt_counts() == {"answered": 1, "timeout": 1}
    assert ledger.total_usage().micro_usd > 46


def test_an_endpoint_that_is_not_there_is_unavailable_after_the_longest_pause(connect: Connect, ledger: Ledger) -> None:
    with serving([]) as server:
        pass
    [reply] = connect(server.url).ask_all([ask_number()], ledger)
    assert f"outage: judge at {server.url}: Unavailable for 120 minutes" in error_of(reply)
    assert "No connection to http://127.0.0.1" in error_of(reply)


def test_lone_surrogates_become_replacement_characters(connect: Connect, ledger: Ledger) -> None:
    body = json.dumps(chat_body("so \ud83d I \ud83d\ude00")).encode()
    with serving([Answering(body=body)]) as server:
        [reply] = connect(server.url).ask_all([ask_text()], ledger)
    assert reply.text == "so \ufffd I 😀"


def test_a_text_that_was_cut_is_not_an_answer(connect: Connect, ledger: Ledger) -> None:
    with serving([chat("half a sen", finish="length")]) as server:
        [reply] = connect(server.url).ask_all([ask_text()], ledger)
    assert error_of(reply) == "truncated: The reply was cut at 50 tokens."


def test_a_one_token_answer_may_end_by_length(connect: Connect, ledger: Ledger) -> None:
    with serving([chat("85", EIGHTY_FIVE, finish="length")]) as server:
        [reply] = connect(server.url).ask_all([ask_number()], ledger)
    assert reply.error is None


def test_missing_usage_is_charged_as_reserved(connect: Connect, ledger: Ledger) -> None:
    with serving([chat("85", EIGHTY_FIVE, usage=None)]) as server:
        [reply] = connect(server.url).ask_all([ask_number()], ledger)
    answer = ledger.answer(reply.answers[0])
    assert answer is not None
    assert answer.tokens_in > 100
    assert answer.tokens_out == 4


def test_json_is_asked_by_schema_and_comes_back_canonical(connect: Connect, ledger: Ledger) -> None:
    with serving([chat('{"endings":  ["so I"], "also": 1}')]) as server:
        [reply] = connect(server.url).ask_all([ask_object()], ledger)
    assert reply.data == '{"also":1,"endings":["so I"]}'
    form = server.asked[0].body["response_format"]
    assert form["json_schema"]["strict"] is True
    assert form["json_schema"]["schema"]["additionalProperties"] is False
    assert "logprobs" not in server.asked[0].body


@pytest.mark.parametrize("structured", ["json_object", "plain"])
def test_without_schemas_the_schema_stands_in_the_prompt(connect: Connect, ledger: Ledger, structured: str) -> None:
    known = ABLE.model_copy(update={"structured": structured})
    with serving([chat('Here you are:\n```json\n{"endings": ["so I"]}\n```')]) as server:
        [reply] = connect(server.url, known).ask_all([ask_object()], ledger)
    assert reply.data == '{"endings":["so I"]}'
    assert SCHEMA in server.asked[0].body["messages"][0]["content"]
    assert server.asked[0].body.get("response_format") == ({"type": "json_object"} if structured != "plain" else None)


def test_invalid_json_is_repaired_once_and_stored_once(connect: Connect, ledger: Ledger) -> None:
    with serving([chat('{"endings": ["so I",'), chat('{"endings": ["so I"]}')]) as server:
        llm = connect(server.url)
        replies = llm.ask_all([ask_object()], ledger) + llm.ask_all([ask_object()], ledger)
    assert [reply.data for reply in replies] == ['{"endings":["so I"]}'] * 2
    assert server.asked[1].body["messages"][1] == {"role": "assistant", "content": '{"endings": ["so I",'}
    assert SCHEMA in server.asked[1].body["messages"][2]["content"]
    assert ledger.attempt_counts() == {"answered": 1, "malformed": 1}


JUNK = {
    "talk": ("I would rather talk.", "stop", "malformed", 2),
    "wrong keys": ('{"ending": 1}', "stop", "malformed", 2),
    "NaN": ('{"endings": NaN}', "stop", "malformed", 2),
    "infinite": ('{"endings": 1e999}', "stop", "malformed", 2),
    "an inner object of a cut one": ('{"endings": [{"a": 1}, {"b', "stop", "malformed", 2),
    "nested too deep": ('{"endings":' * 3000, "stop", "malformed", 2),
    "cut by length": ('{"endings": ["so', "length", "truncated", 1),
    "a refusal in prose": ("I'm sorry, but I can't help with that.", "stop", "refusal", 1),
}


@pytest.mark.parametrize(("content", "finish", "kind", "times"), JUNK.values(), ids=JUNK.keys())
def test_json_that_stays_unreadable_is_an_error(
    connect: Connect, ledger: Ledger, content: str, finish: str, kind: str, times: int
) -> None:
    with serving([chat(content, finish=finish)] * times) as server:
        [reply] = connect(server.url).ask_all([ask_object()], ledger)
    assert error_of(reply).startswith(f"{kind}: ")
    assert len(server.asked) == times
    assert "answered" not in ledger.attempt_counts()


def test_complete_json_that_ended_by_length_is_used(connect: Connect, ledger: Ledger) -> None:
    with serving([chat('{"endings": []}  ', finish="length")]) as server:
        [reply] = connect(server.url).ask_all([ask_object()], ledger)
    assert reply.data == '{"endings":[]}'


MAYBE = chat("maybe", tops(("maybe", {"maybe": 0.8, "8": 0.2})))


def test_a_reply_without_a_number_is_no_answer_and_is_asked_for_anew(connect: Connect, ledger: Ledger) -> None:
    with serving([MAYBE, number(85)]) as server:
        llm = connect(server.url)
        replies = [llm.ask_all([ask_number()], ledger)[0] for _ in range(2)]
    assert error_of(replies[0]).startswith("unscored: ")
    assert replies[1].score is not None
    assert ledger.attempt_counts() == {"answered": 1, "unscored": 1}
    assert ledger.total_usage().tokens_out == 6


@pytest.mark.parametrize(
    ("request_of", "content", "finish", "kind"),
    [
        (ask_number, "<think> Okay, the", "length", "truncated"),
        (ask_number, "<think> Okay, the", "stop", "unscored"),
        (ask_number, "9", "error", "transient"),
        (ask_choice, "EXPRESS", "content_filter", "refusal"),
        (ask_text, "half a", "length", "truncated"),
        (ask_text, "half a", "", "truncated"),
        (ask_object, "I would rather talk.", "stop", "malformed"),
    ],
)
def test_what_an_earlier_version_stored_and_cannot_be_read_is_asked_for_anew(
    connect: Connect, ledger: Ledger, request_of: Callable[[], Request], content: str, finish: str, kind: str
) -> None:
    good = {ask_number: number(85), ask_choice: chat("EXPRESS", tops(("EXPRESS", {"EXPRESS": 0.9})))}
    answer = good.get(request_of, chat('{"endings": []}'))
    with serving([answer, answer]) as server:
        llm = connect(server.url)
        [reply] = llm.ask_all([request_of()], ledger)
        [stored] = [found for key in reply.answers if (found := ledger.answer(key))]
        ledger.reject_answer(stored.key, "unscored", "replaced by the test")
        bad = stored.model_copy(update={"content": content, "finish_reason": finish, "evidence": ""})
        ledger.record_answer(ledger.begin_attempt(stored.key, Role.JUDGE, "ask"), bad)
        assert llm.ask_all([request_of()], ledger) == [reply]
        assert llm.ask_all([request_of()], ledger) == [reply]  # and the new one is kept
    assert ledger.answer(stored.key) == stored
    assert ledger.last_failures(1)[0].outcome == kind
    assert ledger.total_usage().micro_usd == 3 * stored.micro_usd


FINISHES = {
    "stop": "",
    "STOP": "",
    "eos_token": "",
    "length": "truncated",
    "MAX_TOKENS": "truncated",
    "": "truncated",
    "error": "transient",
    "abort": "transient",
    "insufficient_system_resource": "transient",
    "content_filter": "refusal",
    "SAFETY": "refusal",
    "tool_calls": "malformed",
    "bored": "malformed",
}


@pytest.mark.parametrize(("finish", "kind"), FINISHES.items())
def test_only_a_finished_text_is_an_answer(connect: Connect, ledger: Ledger, finish: str, kind: str) -> None:
    with serving(lambda _: chat("I stood up.", finish=finish)) as server:
        [reply] = connect(server.url).ask_all([ask_text()], ledger)
    assert (reply.text is not None) == (not kind)
    assert kind_of(reply.error) == (ErrorKind(kind) if kind else None)


def test_an_error_of_the_choice_is_an_attempt_though_a_digit_was_written(connect: Connect, ledger: Ledger) -> None:
    broken = chat_body("9", finish="stop")
    broken["choices"][0]["error"] = {"code": 502, "message": "Provider returned error"}
    script = [Answering(body=json.dumps(broken).encode()), *[chat("95")] * 4]
    with serving(script) as server:
        [reply] = connect(server.url, SAMPLED).ask_all([ask_number(thresholds=(60.0,))], ledger)
    assert reply.score is not None
    assert reply.score.value == 95.0
    assert ledger.attempt_counts() == {"answered": 4, "transient": 1}


@pytest.mark.parametrize(
    ("content", "is_read"), [("95", True), ("100", True), ("0", True), ("9", False), ("10", False)]
)
def test_a_cut_sample_counts_only_where_no_further_digit_could_change_it(
    connect: Connect, ledger: Ledger, content: str, is_read: bool
) -> None:
    with serving(lambda _: chat(content, finish="length")) as server:
        [reply] = connect(server.url, SAMPLED).ask_all([ask_number(thresholds=(60.0,))], ledger)
    assert (reply.score is not None) == is_read
    if not is_read:
        assert error_of(reply).startswith("truncated: Only 0 of 16 samples")
        assert f'before it could be read: "{content}"' in error_of(reply)


def sampling(values: Callable[[int], str]) -> Callable[[Asked], Answering]:
    return lambda asked: chat(values(asked.body["seed"]))


def test_clear_scores_take_four_samples(connect: Connect, ledger: Ledger) -> None:
    with serving(sampling(lambda seed: str(80 + seed % 4))) as server:
        [reply] = connect(server.url, SAMPLED).ask_all([ask_number(thresholds=(60.0,))], ledger)
        assert sorted(asked.body["seed"] for asked in server.asked) == [0, 1, 2, 3]
        assert {asked.body["temperature"] for asked in server.asked} == {1.0}
    assert reply.score is not None
    assert (reply.score.value, reply.score.method, reply.score.weak) == (81.5, "samples", False)
    assert len(reply.answers) == 4


def test_scores_around_the_threshold_take_sixteen_samples_and_are_weak(connect: Connect, ledger: Ledger) -> None:
    with serving(sampling(lambda seed: "20" if seed % 2 else "100")) as server:
        [reply] = connect(server.url, SAMPLED).ask_all([ask_number(thresholds=(60.0,), sample=2)], ledger)
        assert sorted(asked.body["seed"] for asked in server.asked) == list(range(32, 48))
    assert reply.score is not None
    assert (reply.score.value, reply.score.weak) == (60.0, True)


def test_samples_without_numbers_are_unscored(connect: Connect, ledger: Ledger) -> None:
    with serving(sampling(lambda seed: "50" if seed == 0 else "hard to say")) as server:
        [reply] = connect(server.url, SAMPLED).ask_all([ask_number(thresholds=(60.0,))], ledger)
    assert error_of(reply).startswith("unscored: ")
    assert len(server.asked) == 16


def test_choices_without_log_probabilities_go_by_majority(connect: Connect, ledger: Ledger) -> None:
    with serving(sampling(lambda seed: "EXPLAIN" if seed % 4 == 3 else " EXPRESS.")) as server:
        [reply] = connect(server.url, SAMPLED).ask_all([ask_choice()], ledger)
        assert 4 < len(server.asked) <= 16
    assert dict(reply.choice)["EXPRESS"] == 0.75


def test_options_that_share_their_first_token_are_separated_by_the_next(connect: Connect, ledger: Ledger) -> None:
    split = tops((" EXP", {" EXP": 0.9, "NE": 0.1}), ("RESS", {"RESS": 0.75, "LAIN": 0.25}))
    with serving([chat(" EXPRESS", split)]) as server:
        [reply] = connect(server.url).ask_all([ask_choice()], ledger)
    assert dict(reply.choice) == pytest.approx({"EXPRESS": 0.675, "EXPLAIN": 0.225, "NEITHER": 0.1})


def test_no_key_is_in_the_ledger_the_replies_or_the_errors(connect: Connect, tmp_path: Path) -> None:
    echo = chat(f"your key is {KEY}")
    bad = failing(401, f"Incorrect API key provided: {KEY}, also sk-abcdef123456")
    path = tmp_path / "ledger.sqlite"
    with serving([bad, failing(500, KEY), echo]) as server, Ledger(path) as ledger:
        llm = connect(server.url)
        replies = llm.ask_all([ask_number()], ledger) + llm.ask_all([ask_text()], ledger)
        assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
        written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    text = repr(replies) + repr(llm._clients) + llm._clients[Role.JUDGE].endpoint.model_dump_json()
    assert KEY not in text + written.decode("latin-1")
    assert "sk-abc" not in text + written.decode("latin-1")
    assert "[key]" in text


def test_a_query_of_the_address_is_sent_with_every_request_and_azure_takes_the_key_in_its_own_header(
    connect: Connect, ledger: Ledger
) -> None:
    with serving(lambda _: number(85)) as server:
        address = server.url.replace("/v1", "/openai/deployments/gpt?api-version=2024-10-21")
        [reply] = connect(address).ask_all([ask_number()], ledger)
        [asked] = server.asked
    assert reply.error is None
    assert asked.path == "/openai/deployments/gpt/chat/completions?api-version=2024-10-21"
    assert asked.headers["api-key"] == KEY


def thinks_amid_the_run(asked: Asked) -> Answering:
    """A model that thinks although the probe did not find it so."""
    is_cut = asked.body["max_tokens"] < 1000
    return chat("<think>Hm", finish="length") if is_cut else chat("<think>Hm.</think>85", BEHIND_THOUGHT)


BEHIND_THOUGHT = tops(*((token, {token: 0.9, "x": 0.1}) for token in ("<think>", "Hm.", "</think>", "85")))


def test_a_model_that_begins_to_think_amid_a_run_gets_headroom_and_then_has_it(
    connect: Connect, ledger: Ledger
) -> None:
    with serving(thinks_amid_the_run) as server:
        llm = connect(server.url)
        replies = [llm.ask_all([ask_number(prompt)], ledger)[0] for prompt in ("one", "two", "one")]
        assert [asked.body["max_tokens"] for asked in server.asked] == [4, 2052, 2052]
    assert [reply.score and reply.score.value for reply in replies] == [85.0, 85.0, 85.0]
    assert connect(server.url).ask_all([ask_number("two")], ledger)[0].score == replies[1].score  # from the ledger


def test_a_full_disk_is_an_error_of_the_whole_call(connect: Connect, tmp_path: Path) -> None:
    with serving(lambda _: number(85)) as server, Ledger(tmp_path / "ledger.sqlite") as ledger:
        llm = connect(server.url)
        ledger.close()
        with pytest.raises(Exception, match="closed"):
            llm.ask_all([ask_number(str(i)) for i in range(40)], ledger)


def test_an_interrupt_cancels_calls_in_flight_and_leaves_them_pending(
    connect: Connect, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(lambda _: Answering(deed="hang")) as server:
        llm = connect(server.url, timeout=60.0)
        original = asyncio.run_coroutine_threadsafe

        def interrupted(*args: object) -> object:
            future = original(*args)  # type: ignore[arg-type]
            wait = future.result

            def result(timeout: float | None = None) -> object:
                threading.Event().wait(0.3)
                if not future.done():
                    raise KeyboardInterrupt
                return wait(timeout)

            future.result = result  # type: ignore[assignment,method-assign]
            return future

        with monkeypatch.context() as patch:
            patch.setattr(concurrency.asyncio, "run_coroutine_threadsafe", interrupted)
            with pytest.raises(KeyboardInterrupt):
                llm.ask_all([ask_number(str(i)) for i in range(5)], ledger)
        assert len(server.asked) == 4  # a new endpoint is asked four things at a time at first
    assert len(ledger.pending()) == 4
    assert ledger.attempt_counts() == {"pending": 4}


def test_a_role_that_was_not_probed_is_refused(connect: Connect, ledger: Ledger) -> None:
    llm = connect("http://127.0.0.1:1/v1", role=Role.AUTHOR)
    with pytest.raises(ProbeError, match="judge"):
        llm.ask_all([ask_number()], ledger)


def test_the_signature_names_model_endpoint_and_method(connect: Connect) -> None:
    assert connect("http://127.0.0.1:1/v1").signature(Role.JUDGE) == "m at http://127.0.0.1:1/v1 by logprobs"
    assert connect("http://127.0.0.1:1/v1", SAMPLED).signature(Role.JUDGE).endswith("by samples")
    assert connect("http://127.0.0.1:1/v1").scale(Role.JUDGE) == "percent"


def test_single_flight_is_not_shared_by_two_ledgers(connect: Connect, tmp_path: Path) -> None:
    with (
        serving(lambda _: Answering(body=number(85).body, delay=0.3)) as server,
        Ledger(tmp_path / "one.sqlite") as one,
        Ledger(tmp_path / "other.sqlite") as other,
    ):
        llm = connect(server.url)
        threads = [threading.Thread(target=llm.ask_all, args=([ask_number()], ledger)) for ledger in (one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert [ledger.attempt_counts() for ledger in (one, other)] == [{"answered": 1}] * 2


def test_the_identity_of_a_closed_ledger_is_never_given_to_another(tmp_path: Path) -> None:
    identities = []
    for number_of_ledger in range(5):
        with Ledger(tmp_path / f"{number_of_ledger}.sqlite") as ledger:
            identities.append(ledger.identity)
    assert len(set(identities)) == 5
