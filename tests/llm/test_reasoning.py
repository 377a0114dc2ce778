"""Reasoning in a reply: where it ends, and which log-probabilities belong to the answer behind it."""

import json
from typing import Any

import pytest

from agent.llm.errors import LLMError, Malformed, StillThinking
from agent.llm.reasoning import find_answer
from agent.llm.response import ChatCompletion, read_reply
from tests.llm.fault_server import chat_body, tops

FORMS = {
    "Qwen": "<think>\nHm, 40?\n</think>\n\n{}",
    "told not to think": "<think>\n\n</think>\n\n{}",
    "opened by the chat template": "Okay, 40 or 50.\n</think>\n\n{}",
    "twice": "<think>a</think>\n<think>b</think>\n{}",
    "Magistral": "[THINK]Hm.[/THINK]{}",
    "Kimi": "◁think▷Hm.◁/think▷{}",
    "Seed": "<seed:think>Hm.</seed:think>{}",
    "thinking": "<thinking>Hm.</thinking>\n{}",
    "reasoning": '<reasoning effort="low">Hm.</reasoning>\n{}',
    "EXAONE": "<thought>\nHm.\n</thought>\n\n{}",
    "OpenThinker": "<|begin_of_thought|>Hm.<|end_of_thought|>\n\n<|begin_of_solution|>{}<|end_of_solution|>",
    "Command A": "<|START_THINKING|>Hm.<|END_THINKING|><|START_RESPONSE|>{}<|END_RESPONSE|>",
    "gpt-oss": "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>{}<|return|>",
    "gpt-oss without special tokens": "analysisWe need a score.assistantfinal{}",
    "MedGemma": "<unused94>thought\nHm.<unused95>{}",
    "Gemma": "<|channel>thought\nHm.<channel|>{}<turn|>",
    "Granite": "Here is my thought process: Hm. Here is my response: {}",
    "an end of turn": "{}<|im_end|>",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("answer", ["85", '{"span": "</think>"}'])
def test_the_answer_is_what_follows_the_reasoning(form: str, answer: str) -> None:
    text = form.format(answer) if answer == "85" else form.replace("{}", answer)
    span = find_answer(text)
    assert text[span.start : span.end].strip() == answer
    assert not span.is_open


PLAIN = ("85", "EXPRESS", "I think so", "analysis of it", "<thinkable>", '{"text": "<think>a</think>"}', "a <b> c")


@pytest.mark.parametrize("text", PLAIN)
def test_other_text_is_all_answer(text: str) -> None:
    assert find_answer(text) == (0, len(text), False)


@pytest.mark.parametrize(
    "text", ["<think>\nOkay, the", "[THINK]Hm", "<|channel|>analysis<|message|>We", "analysisWe need"]
)
def test_reasoning_without_an_end_is_open(text: str) -> None:
    assert find_answer(text).is_open


def read(content: object, finish: str = "stop", logprobs: Any = None, **message: object) -> ChatCompletion:
    body = chat_body(None, logprobs, finish)
    body["choices"][0]["message"] |= {"content": content, **message}
    return read_reply(json.dumps(body).encode())


def of_each(*tokens: str) -> Any:
    return tops(*((token, {token: 0.9, "other": 0.1}) for token in tokens))


THOUGHT = ("<think>", "40", " or", " 50", " or", " 60", " or", " 70", " or", " 80", "</think>", "\n\n")


def test_the_log_probabilities_are_those_of_the_answer_behind_the_reasoning() -> None:
    found = read("".join(THOUGHT) + "85", logprobs=of_each(*THOUGHT, "85"))
    assert (found.content, found.is_reasoned) == ("85", True)
    assert [position.token for position in found.positions] == ["85"]


def test_reasoning_in_its_own_field_is_passed_over_in_the_log_probabilities() -> None:
    found = read("85", logprobs=of_each("Hm", " 85", "?", " ", "85"), reasoning_content="Hm 85? ")
    assert [position.token for position in found.positions] == ["85"]


def test_log_probabilities_of_the_reasoning_alone_count_for_nothing() -> None:
    assert read("85", logprobs=of_each("Hm", " 40"), reasoning="Hm 40").positions == ()


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
@pytest.mark.parametrize("content", [None, ""])
def test_an_answer_in_the_field_for_reasoning_is_read_where_it_is_complete(name: str, content: str | None) -> None:
    found = read(content, logprobs=of_each("85"), **{name: "85"})
    assert found.content == "85"
    assert [position.token for position in found.positions] == ["85"]


def test_long_reasoning_in_its_own_field_is_no_answer() -> None:
    with pytest.raises(StillThinking):
        read("", reasoning_content='It could be {"span": "so"}. ' * 20)


def test_a_list_of_parts_is_read_without_its_reasoning() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}, {"type": "text", "text": "85"}]
    assert read(parts).content == "85"


UNANSWERED = {
    "cut amid the reasoning": ("<think>\nOkay, the user", "length", {}),
    "nothing behind the reasoning": ("<think></think>", "length", {}),
    "stopped amid the reasoning": ("<think>Okay", "stop", {}),
    "reasoning in its own field": ("", "length", {"reasoning_content": "Okay, the user"}),
}


@pytest.mark.parametrize(("content", "finish", "message"), UNANSWERED.values(), ids=UNANSWERED)
def test_reasoning_without_an_answer_is_named_with_its_remedy(
    content: str, finish: str, message: dict[str, str]
) -> None:
    with pytest.raises(StillThinking, match=r"The model thinks.* thinking off.*It wrote \""):
        read(content, finish, **message)


def test_an_empty_reply_is_malformed_and_a_cut_one_lacks_tokens() -> None:
    with pytest.raises(Malformed):
        read("")
    with pytest.raises(StillThinking, match="used up its tokens"):
        read("", "length")


@pytest.mark.parametrize("nothing", [None, "-inf", "-Infinity", float("-inf")])
def test_a_log_probability_of_minus_infinity_is_a_probability_of_zero(nothing: object) -> None:
    top = [{"token": "85", "logprob": -0.1}, {"token": "zz", "logprob": nothing}]
    entry = {"token": "85", "logprob": -0.1, "top_logprobs": top}
    (position,) = read("85", logprobs={"content": [entry]}).positions
    assert position.top == (("85", -0.1),)


def test_a_log_probability_of_another_form_is_malformed() -> None:
    entry = {"token": "85", "logprob": "high", "top_logprobs": []}
    with pytest.raises(LLMError, match="documented form"):
        read("85", logprobs={"content": [entry]})
