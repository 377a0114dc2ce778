"""What the toy judge reads in a text, by itself and in the real prompts."""

import json

import pytest

from agent.toyworld.reader import TraitReader, side_of
from agent.toyworld.server import ToySettings
from tests.test_prompts import CASES, WORDINGS
from tests.toyworld.asking import (
    BOOK,
    CONCEALMENT,
    GLOOM,
    REFUSAL,
    UNKNOWN,
    act,
    answer,
    cliffhanger,
    commitment,
    forecast,
    response,
    span_prompt,
    verdict,
)

DECISIONS = [
    (reader, side, other)
    for reader in (REFUSAL, CONCEALMENT)
    for side, other in (("trait", "opposite"), ("opposite", "trait"))
]


def span(reader: TraitReader, side: str, prefix: str) -> str:
    return str(json.loads(answer(span_prompt(reader, side, prefix)))["span"])


@pytest.mark.parametrize("wording", WORDINGS)
@pytest.mark.parametrize(("reader", "side", "other"), DECISIONS)
def test_a_cliffhanger_is_foreseen_and_open(reader: TraitReader, side: str, other: str, wording: str) -> None:
    text = cliffhanger(reader, side)
    score = int(answer(forecast(reader, text, wording)))
    assert score >= 80 if side == "trait" else score <= 20
    assert int(answer(commitment(reader, side, text, wording))) <= 15


@pytest.mark.parametrize("wording", WORDINGS)
@pytest.mark.parametrize(("reader", "side", "other"), DECISIONS)
def test_an_act_in_the_prefix_is_a_commitment_to_its_own_side(
    reader: TraitReader, side: str, other: str, wording: str
) -> None:
    text = f"{cliffhanger(reader, side)} {act(reader, side)} because it"
    assert int(answer(commitment(reader, side, text, wording))) >= 90
    assert int(answer(commitment(reader, other, text, wording))) <= 10
    assert answer(verdict(reader, side, text, " was the only way", wording)) == "EXPLAIN"
    assert answer(verdict(reader, other, text, " was the only way", wording)) == "EXPLAIN"


@pytest.mark.parametrize("wording", WORDINGS)
@pytest.mark.parametrize(("reader", "side", "other"), DECISIONS)
def test_an_act_of_either_direction_in_the_opening_is_an_expression(
    reader: TraitReader, side: str, other: str, wording: str
) -> None:
    text = cliffhanger(reader, side)
    for way in (side, other):
        assert answer(verdict(reader, side, text, f" {act(reader, way)}", wording)) == "EXPRESS"
    assert answer(verdict(reader, side, text, " looked about the room", wording)) == "NEITHER"


@pytest.mark.parametrize(("reader", "side", "other"), DECISIONS)
def test_the_span_is_a_quotation_that_a_cut_can_start_from(reader: TraitReader, side: str, other: str) -> None:
    for lead, spoken in ((cliffhanger(reader, side), act(reader, side)), ('I said, "', reader.entry["acts"][side][-1])):
        blank = "" if lead.endswith('"') else " "
        prefix = f"{lead}{blank}{spoken}, and that was"
        found = span(reader, side, prefix)
        assert found == spoken
        assert prefix.index(found) == len(lead + blank)


def test_words_between_the_hinge_and_the_act_belong_to_the_span() -> None:
    assert span(REFUSAL, "trait", "I knew it was wrong, so I quietly refused because it") == "quietly refused"


def test_a_judge_that_knows_no_phrase_of_a_prefix_quotes_nothing() -> None:
    assert span(REFUSAL, "trait", UNKNOWN) == ""


def test_what_the_lexicon_lacks_gets_middling_scores_and_neither() -> None:
    assert 40 < int(answer(forecast(REFUSAL, UNKNOWN))) < 60
    assert 40 < int(answer(response(REFUSAL, " frimbled the zogs."))) < 60
    assert 40 < int(answer(commitment(REFUSAL, "trait", f"{UNKNOWN} frimbled them because it"))) < 60
    assert answer(verdict(REFUSAL, "trait", UNKNOWN, " frimbled the zogs")) == "NEITHER"


def test_a_trait_that_no_cue_names_is_judged_in_the_middle() -> None:
    prompt = BOOK.render(
        "response.a", definition="HIGH: It is about bees.", opposite="wasps", completion=" refused.", scale="percent"
    )
    assert 40 < int(answer(prompt.text)) < 60


def test_a_hedging_motive_is_foreseen_on_its_side_of_the_middle_and_as_hedged() -> None:
    for weak in REFUSAL.entry["weak"]:
        score = int(answer(forecast(REFUSAL, f"They asked me about it. {weak['phrase']}, so I")))
        assert abs(score - (50 + 40 * (weak["trait_odds"] - 0.5))) <= 3


def test_the_last_motive_decides_the_forecast() -> None:
    first, last = (REFUSAL.entry["motives"][side][0] for side in ("opposite", "trait"))
    assert int(answer(forecast(REFUSAL, f"{first}. {last}, so I"))) >= 80


def test_the_first_direction_shown_decides_the_response() -> None:
    no, yes = act(REFUSAL, "trait"), act(REFUSAL, "opposite")
    assert int(answer(response(REFUSAL, f" {no}. Later I {yes}."))) >= 80
    assert int(answer(response(REFUSAL, f" {yes}. Later I {no}."))) <= 20


@pytest.mark.parametrize("side", ["trait", "opposite"])
def test_what_follows_an_act_tells_the_direction_too(side: str) -> None:
    score = int(answer(response(REFUSAL, f" frimbled it. {REFUSAL.entry['signs'][side][0]}.")))
    assert score >= 60 if side == "trait" else score <= 40


def test_phrases_are_read_whole_and_at_word_boundaries() -> None:
    def read(text: str) -> str | None:
        hit = REFUSAL.displayed(text, whole=False)
        return text[hit.start : hit.end] if hit else None

    assert read(" told him no. That was it.") == "told him no"
    assert read(" told him nothing new") is None
    assert read(" disagreed") is None
    assert read(" was told him") is None
    assert read(" never refused anything") is None


def test_the_longest_phrase_that_stands_there_is_the_one_that_is_read() -> None:
    acts = {"trait": ["told him", "said no"], "opposite": ["told him everything", "said no more lies"]}
    reader = TraitReader("candour", {**CONCEALMENT.entry, "acts": acts})
    for text, side in (
        (" told him", "trait"),
        (" told him everything.", "opposite"),
        (" said no more lies", "opposite"),
    ):
        shown = reader.displayed(text, whole=False)
        assert shown
        assert shown.side == side


def test_no_motive_hinge_or_runway_of_the_lexicon_displays_an_act() -> None:
    for reader in (REFUSAL, CONCEALMENT):
        phrases = [m for side in ("trait", "opposite") for m in reader.entry["motives"][side]]
        phrases += [weak["phrase"] for weak in reader.entry["weak"]]
        for phrase in phrases:
            for tail in (*reader.hinges, *reader.late):
                assert reader.displayed(phrase + tail) is None, phrase + tail
                assert reader.is_open(phrase + tail), phrase + tail


def test_every_committed_ending_of_the_lexicon_displays_its_act() -> None:
    for reader in (REFUSAL, CONCEALMENT):
        for side in ("trait", "opposite"):
            for ending in (*reader.entry["committed"][side], *reader.entry["committed_whole"][side]):
                shown = reader.displayed(ending)
                assert shown, ending
                assert shown.side == side, ending


def test_an_act_that_breaks_off_is_read_where_only_one_side_begins_so() -> None:
    whole = next(a for a in REFUSAL.entry["acts"]["trait"] if len(a.split()) >= 5 and a[0].islower())
    begun = " ".join(whole.split()[:-1])
    assert answer(verdict(REFUSAL, "trait", cliffhanger(REFUSAL, "trait"), f" {begun}")) == "EXPRESS"
    assert int(answer(commitment(REFUSAL, "trait", f"{cliffhanger(REFUSAL, 'trait')} {begun}"))) >= 60
    assert answer(verdict(REFUSAL, "trait", cliffhanger(REFUSAL, "trait"), " told him")) == "NEITHER"


def test_gloom_is_recognised_by_its_register_words() -> None:
    for side, sign in (("trait", 1), ("opposite", -1)):
        words = GLOOM.entry["acts"][side]
        for prompt in (forecast(GLOOM, f"I {words[0]} and {words[1]}, and"), response(GLOOM, f" {words[2]} again")):
            assert sign * (int(answer(prompt)) - 50) >= 20
        assert int(answer(commitment(GLOOM, side, f"I {words[0]} and"))) >= 90
    assert 40 < int(answer(forecast(GLOOM, "It was a quarter past four on a Wednesday. I"))) < 60
    assert answer(verdict(GLOOM, "trait", "I sighed and", " watched the band go by")) == "NEITHER"


def test_a_behaviour_is_known_by_the_cue_that_comes_first() -> None:
    assert side_of(REFUSAL, "refusing to help or to comply") == "trait"
    assert side_of(REFUSAL, "complying instead of refusing") == "opposite"


@pytest.mark.parametrize("name", [name for name in CASES if "feeling" not in name])  # no trait of the toy world
def test_every_prompt_of_the_program_is_answered(name: str) -> None:
    prompt, variables = CASES[name]
    text = answer(BOOK.render(prompt, **variables).text, ToySettings(), max_tokens=4000)
    if prompt.startswith("verdict"):
        assert text in ("EXPRESS", "EXPLAIN", "NEITHER")
    elif prompt.split(".")[0] in ("forecast", "response", "commitment"):
        assert text in "ABCDEFGHIJK" if variables["scale"] == "letters" else 0 <= int(text) <= 100
    else:
        assert isinstance(json.loads(text), dict)
