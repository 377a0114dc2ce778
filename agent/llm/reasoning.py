"""Reasoning in a model's text: where it ends and the answer begins. Pure functions over text."""

import re
from typing import NamedTuple

_NAMES = r"(?:\w{1,12}:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|analysis|scratchpad)"
_TAG_OPENS = rf"[<\[◁]\|?(?:begin_of_|start_)?{_NAMES}(?:\s[^<>\]▷]{{0,80}})?\|?[>\]▷]"
_TAG_CLOSES = rf"[<\[◁](?:\|?/\|?|\|end_of_|\|end_){_NAMES}\|?[>\]▷]"
_HARMONY_FINAL = r"<\|channel\|>\s*final[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>"

# (how reasoning opens, how it closes). Sources: the chat templates of the models named.
_FORMS = tuple(
    (re.compile(rf"\s*(?:{opens})", re.I), re.compile(closes, re.I))
    for opens, closes in (
        (_TAG_OPENS, _TAG_CLOSES),  # Qwen, DeepSeek R1, Magistral, Kimi, Seed, Command A, EXAONE, OpenThinker
        (r"(?:<\|start\|>assistant)?<\|channel\|>\s*(?:analysis|commentary)", _HARMONY_FINAL),  # gpt-oss
        (r"(?:assistant)?analysis(?-i:(?=[A-Z]))", r"assistant\s?final"),  # gpt-oss without its special tokens
        (r"<unused94>thought", r"<unused95>"),  # MedGemma
        (r"<\|channel>thought", r"<channel\|>"),  # Gemma 4
        (r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),  # Apertus
        (r"here is my thought process:", r"here is my response:"),  # Granite 3
    )
)
_CLOSES_ALONE = re.compile(rf"{_TAG_CLOSES}|{_HARMONY_FINAL}", re.I)  # where the chat template opened the reasoning
_ANSWER_BEGINS = re.compile(rf"\s*(?:<\|(?:begin_of_solution|START_RESPONSE)\|>|{_HARMONY_FINAL})", re.I)
_TURN_ENDS = re.compile(
    r"(?:\s*(?:<\|(?:return|end|im_end|eot_id|eom_id|endoftext|end_of_text|end_of_solution|END_RESPONSE)\|>"
    r"|</s>|<end_of_turn>|<turn\|>|<eos>))+\s*$",
    re.I,
)


class AnswerSpan(NamedTuple):
    """Where the answer stands in a text, as character offsets. `is_open`: the reasoning before it never ended."""

    start: int
    end: int
    is_open: bool = False

    @property
    def is_reasoned(self) -> bool:
        """Whether reasoning stands before the answer, or instead of it."""
        return self.start > 0


def find_answer(text: str) -> AnswerSpan:
    """The answer in a text without the reasoning before it and the end-of-turn marks after it."""
    start = 0
    while (after := _after_reasoning(text, start)) is not None:
        if after < 0:
            return AnswerSpan(len(text), len(text), is_open=True)
        start = after
    begins = _ANSWER_BEGINS.match(text, start)
    start = begins.end() if begins else start
    ends = _TURN_ENDS.search(text, start)
    return AnswerSpan(start, ends.start() if ends else len(text))


def _after_reasoning(text: str, start: int) -> int | None:
    """The offset after the reasoning that opens at `start`: -1 if it never closes, None if there is none."""
    for opens, closes in _FORMS:
        if opened := opens.match(text, start):
            closed = closes.search(text, opened.end())
            return closed.end() if closed else -1
    if start or text[:200].lstrip()[:1] in ("{", "`"):  # an answer may quote any mark
        return None
    closed = _CLOSES_ALONE.search(text, start)
    return closed.end() if closed else None
