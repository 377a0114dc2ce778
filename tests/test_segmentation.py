"""Texts of all scripts have sentence ends, words and places where they can be cut."""

import pytest

from agent.schema import (
    Mode,
    Polarity,
    Scenario,
    first_words,
    is_complete,
    is_unfinished,
    split_ending,
    units,
    word_count,
)
from agent.steps.author import joined
from agent.steps.cut import cut_points
from agent.steps.flip_test import WrittenOpeners, joinable
from agent.steps.screening import ending_pattern, mismatched
from agent.storage.similarity import words

FINISHED = [
    "वह आया।", "وہ آیا۔", "هل جاء؟",
    "Նա եկավ։", "គាត់មក។", "彼は来た｡", "他来了！」", "Γιατί ήρθε;", "እሱ መጣ።", "སྔོན་ལ།",
    "သူလာတယ်။",
    "« Il est venu. »", "« Il est venu ? »", "„Ich komme.“", "»Ich komme.«", "»Jeg kommer!«", "他说“我来了。”",
    "¿Quién viene?",
    "He left.", 'He said, "No."', "Dr. Ames left!”", "그는 왔다.",
]  # fmt: skip
UNFINISHED = [
    "वह आया। मैंने", "وہ آیا۔ میں نے", "我不想帮他，所以我",
    "他说：「", "他说“", "彼は怒って、私に「",
    "Il partit. «", "Il a dit : « ",
    "Er kam. „", "Han gik. »", "ฉันไม่อยากไป", "¿Por qué? Yo", 'ד"ר לוי אמר "', "This crossed a line, so I",
    'He said. "', "He said, “",
]  # fmt: skip
SPLIT = {
    "वह आया। उसने पैसे माँगे। मैंने": "मैंने",
    "وہ آیا۔ میں نے": "میں نے",
    "ሰውየው መጣ። እኔ": "እኔ",
    "他昨天来了。他要钱。所以我": "所以我",
    "他来了?我说": "我说",
    "彼は来た｡私は": "私は",
    "圆周率是3．14，所以我": "圆周率是3．14，所以我",
    "« Il est venu. » Alors je": "Alors je",
    "Han gik. »Ja": "»Ja",
    "„Ich gehe.“ Dann": "Dann",
    "Γιατί; Εγώ": "Εγώ",
    'He left. "No': '"No',
    "It cost 3.50 more, so I": "It cost 3.50 more, so I",
}
# text, committed span, and how the first cuts end
CUTS = [
    ("他昨天来到我家，要我帮他偷东西。我觉得这不对，所以我拒绝了他", "拒绝了他", ["所以我", "所以我拒", "所以我拒绝"]),
    ("彼は私に嘘をつくように頼んだ。私は考えて、「いいえ、できません", "いいえ、できません", ["考えて、「"]),
    ("เขาขอให้ฉันโกหกหัวหน้า ฉันคิดว่ามันผิด ฉันจึงปฏิเสธเขา", "ปฏิเสธเขา", ["ฉันจึง", "ฉันจึงป", "ฉันจึงปฏิ"]),
    ("गाँव के मुखिया ने मुझसे चोरी करने को कहा। यह गलत था, इसलिए मैंने मना कर दिया", "मना कर दिया", ["इसलिए मैंने", "मैंने मना"]),
    ("គាត់បានសុំឱ្យខ្ញុំលួចលុយ។ ខ្ញុំគិតថាវាខុស ដូច្នេះខ្ញុំបដិសេធ", "បដិសេធ", ["ដូច្នេះខ្ញុំ"]),
    ("Er bat mich um Geld. Das ging zu weit, und ich sagte: „Nein, niemals", "Nein, niemals", ["sagte: „"]),
    ("Il m'a demandé de mentir au juge. Je lui ai dit : « Non, je refuse", "Non, je refuse", ["dit : «"]),
    ("Me pidió que mintiera al juez. Yo pensé y le dije: ¿cómo puedes", "cómo puedes", ["le dije:"]),
]


def scenario(text: str) -> Scenario:
    stem, ending = split_ending(text)
    return Scenario(polarity=Polarity.POSITIVE, stem=stem, ending=ending)


@pytest.mark.parametrize("text", FINISHED)
def test_a_sentence_end_of_any_script_finishes_a_text(text: str) -> None:
    assert is_complete(text)
    assert not is_unfinished(text)


@pytest.mark.parametrize("text", UNFINISHED)
def test_a_text_in_mid_sentence_or_at_an_opening_mark_is_unfinished(text: str) -> None:
    assert is_unfinished(text)
    assert not is_complete(text)


def test_an_ellipsis_finishes_a_text_but_is_no_complete_sentence() -> None:
    assert not is_unfinished("It was late…")
    assert not is_complete("It was late…")
    assert not is_complete("It was late...")


@pytest.mark.parametrize(("text", "ending"), SPLIT.items())
def test_the_ending_is_the_last_sentence_in_any_script(text: str, ending: str) -> None:
    assert split_ending(text) == (text.removesuffix(ending), ending)


@pytest.mark.parametrize(("text", "span", "ends"), CUTS)
def test_a_text_is_cut_at_breaks_of_its_script_and_behind_opening_marks(text: str, span: str, ends: list[str]) -> None:
    cuts = cut_points(scenario(text), span)
    assert all(text.startswith(cut) for cut in cuts)
    assert [cut[-len(end) :] for cut, end in zip(cuts, ends, strict=False)] == ends


def test_no_character_is_cut_from_its_marks() -> None:
    assert units("เก็บเงินไว้") == ["เก็", "บ", "เงิ", "น", "ไว้"]
    assert units("ខ្ញុំ မြန်မာ བོད་ཡིག") == ["ខ្ញុំ", "မြန်", "မာ", "བོད་", "ཡིག"]
    assert units("我用Python写，好吗？「对」ちょっと") == [
        "我",
        "用",
        "Python",
        "写，",
        "好",
        "吗？",
        "「对」",
        "ちょっ",
        "と",
    ]
    assert units("He didn't — “well” — go.") == ["He", "didn't", "—", "“well”", "—", "go."]


def test_words_are_counted_where_no_blanks_stand() -> None:
    assert word_count("I said no to him") == 5
    assert word_count("我觉得这件事不对，所以我") == 6
    assert first_words("我拒绝了他，因为这不对。然后我走了", 5) == "我拒绝了他，因为这不对。"
    assert first_words(" No way, I said. Then I", 3) == " No way, I"
    assert ending_pattern("他要我帮他偷东西。我想这越过了底线，所以我") == "想这越过了底线，所以我"
    assert words("गाँव में DON'T, बच्चे") == ["गाँव", "में", "don't", "बच्चे"]


def test_pairs_of_any_script_are_compared_in_length_and_setting() -> None:
    hindi = "गाँव के मुखिया ने मुझसे {} करने को कहा, इसलिए मैंने"
    assert mismatched(hindi.format("चोरी"), hindi.format("मदद"), Mode.DECISION) is None
    assert mismatched("他来到我家要我帮他偷东西，所以我", "他来了" * 12, Mode.DECISION) == (
        "its sides differ too much in length (8 and 18 words)"
    )


def test_no_blank_joins_a_chinese_text_to_its_continuation() -> None:
    assert joined("他来了。", "所以我") == "他来了。所以我"
    assert joined("He came.", "So I") == "He came. So I"
    assert joined("그가 왔다.", "그래서 나는") == "그가 왔다. 그래서 나는"
    written = WrittenOpeners(narrated=["同意了"], spoken=["好的"], felt=[])
    assert joinable(written, scenario("他要我帮忙，所以我")) == ["同意了"]
    assert joinable(written, scenario("他要我帮忙，我说：「")) == ["好的"]
    assert joinable(written, scenario("He asked for help. So I")) == [" 同意了"]
