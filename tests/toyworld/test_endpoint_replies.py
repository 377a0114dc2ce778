"""The toy endpoint's replies: OpenAI's shapes, what it can be made unable to do, its errors and its noise."""

import asyncio
import json
import math
import re
from typing import Any

import httpx2
import pytest

from agent.toyworld.protocol import letter, number, one_of
from agent.toyworld.server import ToySettings, create_app
from tests.test_prompts import WORDINGS
from tests.toyworld.asking import (
    EXACT,
    REFUSAL,
    UNKNOWN,
    answer,
    body_of,
    cliffhanger,
    forecast,
    post,
    span_prompt,
    verdict,
)


def first_position(settings: ToySettings, prompt: str, top: int = 20) -> dict[str, Any]:
    reply = post(settings, body_of(prompt, logprobs=True, top_logprobs=top, max_tokens=4)).json()
    return dict(reply["choices"][0]["logprobs"]["content"][0])


def test_a_score_spreads_its_probability_over_near_numbers() -> None:
    position = first_position(EXACT, forecast(REFUSAL, cliffhanger(REFUSAL, "trait")))
    top = {entry["token"]: math.exp(entry["logprob"]) for entry in position["top_logprobs"]}
    numbers = {token: p for token, p in top.items() if token.strip().isdigit()}
    mass = sum(numbers.values())
    assert 0.8 < mass <= sum(top.values()) <= 1
    assert len(numbers) >= 4
    assert any(token.startswith(" ") for token in numbers)
    assert sum(int(token) * p for token, p in numbers.items()) / mass == pytest.approx(int(position["token"]), abs=1)


def test_no_more_alternatives_are_listed_than_were_asked_for() -> None:
    position = first_position(EXACT, forecast(REFUSAL, UNKNOWN), top=2)
    assert len(position["top_logprobs"]) == 2


def test_a_verdict_is_one_token_with_all_options_beside_it() -> None:
    position = first_position(EXACT, verdict(REFUSAL, "trait", cliffhanger(REFUSAL, "trait"), " refused"))
    assert position["token"] == "EXPRESS"
    assert {"EXPRESS", "EXPLAIN", "NEITHER"} <= {entry["token"] for entry in position["top_logprobs"]}


def test_on_the_letter_scale_a_score_is_one_letter() -> None:
    letters = {w: answer(forecast(REFUSAL, cliffhanger(REFUSAL, "trait"), w, "letters")) for w in WORDINGS}
    assert set(letters.values()) <= {"I", "J", "K"}
    assert answer(forecast(REFUSAL, UNKNOWN, scale="letters")) == "F"


@pytest.mark.parametrize("value", range(0, 101, 5))
def test_every_score_keeps_its_mass_and_its_mean_on_both_scales(value: int) -> None:
    for chances, worth, apart in (
        (number(value), {str(n): n for n in range(101)}, 3),
        (letter(value), dict(zip("ABCDEFGHIJK", range(0, 101, 10), strict=True)), 6),
    ):
        listed = one_of(chances, 0.5, hot=False, digitwise=False).positions[0][1]
        read = {token: p for token, p in listed.items() if token.strip() in worth}
        mass = sum(read.values())
        assert 0.85 < mass < sum(listed.values()) <= 1
        assert sum(worth[token.strip()] * p for token, p in read.items()) / mass == pytest.approx(value, abs=apart)


@pytest.mark.parametrize("literal", ["85", "100"])
def test_a_tokenizer_that_splits_digits_can_be_found_out(literal: str) -> None:
    for ask in (f"Answer with the number {literal} and nothing else.", f"Repeat exactly: {literal}"):
        assert answer(ask) == answer(ask, ToySettings(split_digits=True)) == literal
        assert first_position(EXACT, ask)["token"] == literal
        assert first_position(ToySettings(split_digits=True), ask)["token"] == literal[0]
    assert len(first_position(EXACT, f"Repeat exactly: {literal}")["top_logprobs"]) > 1


def test_digit_by_digit_each_place_has_the_chances_of_what_follows() -> None:
    settings = ToySettings(flips=0, systematic=0, split_digits=True)
    prompt = forecast(REFUSAL, cliffhanger(REFUSAL, "trait"))
    reply = post(settings, body_of(prompt, logprobs=True, top_logprobs=20)).json()["choices"][0]
    places = reply["logprobs"]["content"]
    assert "".join(place["token"] for place in places) == reply["message"]["content"] == answer(prompt)
    for place in places:
        assert sum(math.exp(entry["logprob"]) for entry in place["top_logprobs"]) == pytest.approx(1, abs=0.1)


def test_an_endpoint_without_log_probabilities_answers_without_the_field() -> None:
    silent = ToySettings(logprobs=False)
    reply = post(silent, body_of(forecast(REFUSAL, UNKNOWN), logprobs=True, top_logprobs=20)).json()
    assert "logprobs" not in reply["choices"][0]


def test_hot_samples_differ_by_seed_and_repeat_with_it() -> None:
    prompt = forecast(REFUSAL, cliffhanger(REFUSAL, "trait"))
    drawn = [answer(prompt, temperature=1, seed=seed) for seed in range(12)]
    assert len(set(drawn)) > 2
    assert drawn == [answer(prompt, temperature=1, seed=seed) for seed in range(12)]
    assert all(abs(int(score) - int(answer(prompt))) <= 10 for score in drawn)


def test_an_endpoint_without_json_schema_says_so_as_openai_does() -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    prompt = span_prompt(REFUSAL, "trait", UNKNOWN)
    refused = post(ToySettings(json_schema=False), body_of(prompt, response_format=schema))
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "response_format"
    assert json.loads(answer(prompt, ToySettings(json_schema=False), response_format={"type": "json_object"}))
    assert json.loads(answer(prompt, ToySettings(), response_format=schema))


def test_the_reply_echoes_the_model_and_counts_tokens() -> None:
    reply = post(EXACT, body_of(forecast(REFUSAL, UNKNOWN), model="other")).json()
    assert reply["model"] == "other"
    usage = reply["usage"]
    assert usage["completion_tokens"] == 1
    assert usage["total_tokens"] == usage["prompt_tokens"] + 1


def test_a_text_that_is_too_long_is_cut_and_says_so() -> None:
    reply = post(EXACT, body_of(span_prompt(REFUSAL, "trait", UNKNOWN), max_tokens=3)).json()["choices"][0]
    assert reply["finish_reason"] == "length"
    assert reply["message"]["content"] == '{"span'


def test_a_repair_message_without_a_title_is_answered_by_the_prompt_before_it() -> None:
    body = body_of(span_prompt(REFUSAL, "trait", "I refused because it"))
    body["messages"] += [{"role": "assistant", "content": "{"}, {"role": "user", "content": "Return only valid JSON."}]
    assert json.loads(post(EXACT, body).json()["choices"][0]["message"]["content"]) == {"span": "refused"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not JSON"),
        ([], "JSON object"),
        ({"messages": []}, "model"),
        ({"model": "m", "messages": "hello"}, "'messages' must be a list"),
        ({"model": "m", "messages": [{"role": "system", "content": "x"}]}, "no message of the user"),
        (body_of("# Sing a song"), "does not know the task 'Sing a song'.*Forecast.*Draft pairs"),
        (body_of("Hello", n=2), "one whole answer"),
        (body_of("Hello", logprobs=True, top_logprobs=21), "from 0 to 20"),
        (body_of("Hello", top_logprobs=3), "needs 'logprobs'"),
        (body_of("Hello", response_format={"type": "xml"}), "must have type"),
        (body_of("Hello", seed="x"), "'seed' must be a whole number"),
        (body_of("Hello", temperature="hot"), "'temperature' must be a number"),
        (body_of("Hello", max_tokens=0), "'max_tokens' must be a whole number"),
    ],
)
def test_a_faulty_request_is_refused_with_a_sentence(body: Any, said: str) -> None:
    reply = post(EXACT, body)
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert re.search(said, error["message"])


def test_a_schema_is_obeyed_where_the_message_says_nothing_of_json() -> None:
    schema = {"type": "object", "properties": {"greeting": {"type": "string"}}}
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    assert isinstance(json.loads(answer("Say hello.", response_format=form))["greeting"], str)
    told = f"Say hello as JSON of this schema:\n{json.dumps(schema)}"
    assert isinstance(json.loads(answer(told, response_format={"type": "json_object"}))["greeting"], str)
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(answer("Say hello."))


def test_models_and_completions_are_served() -> None:
    async def models() -> Any:
        transport = httpx2.ASGITransport(create_app(EXACT))
        async with httpx2.AsyncClient(transport=transport, base_url="http://toy") as client:
            return (await client.get("/v1/models")).json()

    assert asyncio.run(models())["data"][0]["id"] == "toyworld"
    reply = post(EXACT, {"model": "m", "prompt": cliffhanger(REFUSAL, "trait")}, "/v1/completions").json()
    assert reply["choices"][0]["text"].strip(" .") in REFUSAL.entry["acts"]["trait"]
    assert post(EXACT, {"model": "m", "prompt": 3}, "/v1/completions").status_code == 400


def test_the_openai_client_speaks_to_it_in_process() -> None:
    import openai

    async def ask() -> Any:
        http = httpx2.AsyncClient(transport=httpx2.ASGITransport(create_app(EXACT)))
        async with openai.AsyncOpenAI(api_key="none", base_url="http://toy/v1", http_client=http) as client:
            prompt = forecast(REFUSAL, cliffhanger(REFUSAL, "trait"))
            return await client.chat.completions.create(
                model="toyworld",
                messages=[{"role": "user", "content": prompt}],
                temperature=0,
                max_tokens=4,
                logprobs=True,
                top_logprobs=20,
            )

    reply = asyncio.run(ask())
    assert int(reply.choices[0].message.content) >= 80
    assert reply.choices[0].logprobs.content[0].top_logprobs
    assert reply.usage.completion_tokens == 1


# Noise


def scores(settings: ToySettings, count: int, seed: int = 0, wording: str = "a") -> list[int]:
    texts = [f"Number {n} asked me. {REFUSAL.entry['motives']['trait'][0]}, so I" for n in range(count)]
    return [int(answer(forecast(REFUSAL, text, wording), settings, seed=seed)) for text in texts]


def test_flips_have_their_rate_and_are_drawn_per_sample() -> None:
    settings = ToySettings(flips=0.2, systematic=0)
    first, second = scores(settings, 150), scores(settings, 150, seed=1)
    flipped = [[n for n, score in enumerate(found) if score < 50] for found in (first, second)]
    assert all(15 <= len(found) <= 45 for found in flipped)
    assert flipped[0] != flipped[1]
    assert first == scores(settings, 150)
    assert all(score <= 30 or score >= 80 for score in first)


def test_systematic_errors_stay_with_a_text_and_change_with_the_wording() -> None:
    settings = ToySettings(flips=0, systematic=0.2)
    first, again, reworded = scores(settings, 150), scores(settings, 150, seed=7), scores(settings, 150, wording="b")
    assert 15 <= sum(score < 50 for score in first) <= 45
    assert [score < 50 for score in first] == [score < 50 for score in again]
    assert [score < 50 for score in first] != [score < 50 for score in reworded]


def test_a_middling_score_that_flips_takes_a_side() -> None:
    always = ToySettings(flips=1, systematic=0)
    assert {answer(forecast(REFUSAL, UNKNOWN, wording), always) for wording in WORDINGS} <= {"25", "75"}


def test_a_verdict_that_flips_becomes_another_option() -> None:
    prompt = verdict(REFUSAL, "trait", cliffhanger(REFUSAL, "trait"), " refused")
    assert answer(prompt, ToySettings(flips=1)) in ("EXPLAIN", "NEITHER")


def test_another_seed_of_the_settings_errs_elsewhere() -> None:
    one, other = (scores(ToySettings(flips=0.2, systematic=0, seed=seed), 100) for seed in (0, 1))
    assert [score < 50 for score in one] != [score < 50 for score in other]
