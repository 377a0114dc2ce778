"""What the toy author writes: drafts, rewrites by goal, new topics, descriptions, and its mistakes."""

import json
from typing import Any

import pytest

from agent.toyworld.reader import TraitReader
from agent.toyworld.server import ToySettings
from tests.test_prompts import DRAFT, RETOPIC, REWRITE
from tests.toyworld.asking import BOOK, CONCEALMENT, EXACT, GLOOM, REFUSAL, answer, body_of, post, words_for

SIDES = {"positive": "trait", "negative": "opposite"}
BAND = "A brass band was marching past the window. "


def about(reader: TraitReader) -> dict[str, Any]:
    entry = reader.entry
    shared = {key: entry[key] for key in ("definition", "opposite", "mode")}
    return {"trait_id": f"toy/{reader.name}", **shared}


def ask(prompt: str, variables: dict[str, Any], settings: ToySettings = EXACT, seed: int = 0) -> dict[str, Any]:
    text = BOOK.render(prompt, **variables).text
    return dict(json.loads(answer(text, settings, temperature=1, seed=seed, max_tokens=4000)))


def drafted(reader: TraitReader, settings: ToySettings = EXACT, seed: int = 0, **changes: Any) -> list[dict[str, Any]]:
    blank = {"accepted": [], "struck": [], "domain": []}
    return list(ask("draft", {**DRAFT, **blank, **about(reader), **changes}, settings, seed)["pairs"])


def rewritten(goal: str, settings: ToySettings = EXACT, seed: int = 0, **changes: Any) -> Any:
    polarity = changes.get("polarity", "positive")
    reader = changes.pop("reader", REFUSAL)
    behaviour = words_for(reader, SIDES[polarity])
    variables = {**REWRITE, **about(reader), "polarity": polarity, "behaviour": behaviour, "goal": goal, **changes}
    reply = ask("rewrite", variables, settings, seed)
    return reply["stems_and_endings"] if goal == "simplify" else reply["endings"]


def text_of(side: dict[str, str]) -> str:
    return side["stem"] + side["ending"]


def leads(reader: TraitReader, text: str, side: str) -> bool:
    """Whether a text stays open and its last motive is of a side."""
    motives = [hit for hit in reader.hits(text) if hit.sort == "motive"]
    return reader.displayed(text) is None and reader.is_open(text) and bool(motives) and motives[-1].side == side


@pytest.mark.parametrize("reader", [REFUSAL, CONCEALMENT])
def test_drafts_are_matched_pairs_that_end_on_cliffhangers(reader: TraitReader) -> None:
    known = {(stem["trait"], stem["opposite"]) for stem in reader.entry["stems"]}
    pairs = drafted(reader, count=6)
    assert len(pairs) == 6
    for pair in pairs:
        positive, negative = pair["positive"], pair["negative"]
        assert leads(reader, text_of(positive), "trait")
        assert leads(reader, text_of(negative), "opposite")
        assert any(positive["stem"].startswith(t) and negative["stem"].startswith(o) for t, o in known)
    assert len({text_of(pair["positive"]) for pair in pairs}) == 6


def test_gloomy_drafts_keep_their_register_on_both_sides() -> None:
    for pair in drafted(GLOOM, count=6, kind="thought", kind_example="I sat there thinking that"):
        trait, opposite = GLOOM.balance(text_of(pair["positive"]))
        assert trait > opposite
        trait, opposite = GLOOM.balance(text_of(pair["negative"]))
        assert opposite > trait


@pytest.mark.parametrize(("kind", "last"), [("so", "I"), ("and", "I"), ("quote", '"'), ("colon", ":")])
def test_a_draft_has_the_kind_of_ending_that_was_asked_for(kind: str, last: str) -> None:
    for pair in drafted(REFUSAL, kind=kind):
        assert pair["positive"]["ending"].endswith(last)
        assert pair["negative"]["ending"].endswith(last)


def test_a_draft_repeats_nothing_that_is_accepted_or_struck() -> None:
    first = drafted(REFUSAL, count=30)
    accepted = [text_of(pair[side]) for pair in first for side in SIDES]
    again = drafted(REFUSAL, count=30, accepted=accepted)
    stems = {
        stem["trait"] for stem in REFUSAL.entry["stems"] if any(text.startswith(stem["trait"]) for text in accepted)
    }
    assert not any(text_of(pair["positive"]).startswith(stem) for pair in again for stem in stems)
    struck = text_of(first[0]["negative"])
    assert not any(text_of(p["negative"]).startswith(struck[:40]) for p in drafted(REFUSAL, count=30, struck=[struck]))


def test_drafts_are_spread_over_the_domains_asked_for() -> None:
    domains = [pair["domain"] for pair in drafted(REFUSAL, count=6, domain=["food", "animals", "sports"])]
    assert sorted(domains) == ["animals", "animals", "food", "food", "sport", "sport"]


def test_the_same_request_gets_the_same_draft_and_another_seed_another() -> None:
    assert drafted(REFUSAL, seed=3) == drafted(REFUSAL, seed=3) != drafted(REFUSAL, seed=4)


@pytest.mark.parametrize(
    ("settings", "sort"),
    [
        (ToySettings(flips=0, systematic=0, committed=0.3, weak=0), "act"),
        (ToySettings(flips=0, systematic=0, committed=0, weak=0.3), "weak"),
    ],
)
def test_the_author_errs_at_the_set_rate(settings: ToySettings, sort: str) -> None:
    pairs = [pair for seed in range(5) for pair in drafted(REFUSAL, settings, seed, count=20)]
    texts = [text_of(pair[side]) for pair in pairs for side in SIDES]
    wrong = sum(any(hit.sort == sort for hit in REFUSAL.hits(text)) for text in texts)
    assert 40 <= wrong <= 80


@pytest.mark.parametrize("polarity", SIDES)
@pytest.mark.parametrize("goal", ["cliffhanger", "strengthen", "shorten"])
def test_a_rewrite_gives_distinct_open_endings_of_the_right_side(goal: str, polarity: str) -> None:
    endings = rewritten(goal, polarity=polarity)
    assert len(set(endings)) == 4
    assert all(leads(REFUSAL, REWRITE["frozen"] + ending, SIDES[polarity]) for ending in endings)


def test_a_cliffhanger_keeps_the_motive_and_hinge_that_stood_before_the_act() -> None:
    motive = REFUSAL.entry["motives"]["trait"][5]
    assert rewritten("cliffhanger", ending=f"{motive}, so I refused because it")[0] == f"{motive}, so I"


def test_a_shortened_ending_has_no_runway() -> None:
    motive = REFUSAL.entry["motives"]["trait"][0]
    for late in REFUSAL.late:
        endings = rewritten("shorten", ending=motive + late)
        assert not any(runway in ending for ending in endings for runway in REFUSAL.late)


def test_a_stronger_ending_uses_another_motive_than_all_before() -> None:
    used = REFUSAL.entry["motives"]["trait"][:8]
    earlier = [{"ending": f"{motive}, so I", "found": "UNSTABLE", "opening": ""} for motive in used[1:]]
    endings = rewritten("strengthen", ending=f"{used[0]}, so I", earlier=earlier)
    assert not any(motive in ending for ending in endings for motive in used)


def test_an_extended_lock_in_holds_the_act_and_breaks_off_behind_it() -> None:
    for ending in rewritten("extended"):
        shown = REFUSAL.displayed(ending)
        assert shown
        assert shown.side == "trait"
        assert ending.endswith(" and")


def test_a_simpler_text_leaves_out_the_sentence_that_cannot_be_read() -> None:
    stem = REFUSAL.entry["stems"][0]["trait"]
    good = f"{REFUSAL.entry['motives']['trait'][0]}, so I"
    versions = rewritten("simplify", frozen=f"{stem}{BAND}", ending=good)
    assert versions[0] == {"stem": stem, "ending": good}
    assert all(BAND not in text_of(version) and text_of(version).startswith(stem) for version in versions)


def test_a_simpler_text_offers_to_leave_out_each_strange_sentence() -> None:
    stem = REFUSAL.entry["stems"][0]["trait"]
    versions = rewritten("simplify", frozen=f"It was late. {stem}{BAND}")
    texts = [text_of(version) for version in versions]
    assert any("It was late" in text and BAND not in text for text in texts)
    assert any("It was late" not in text and BAND not in text for text in texts)
    assert all(stem in text for text in texts)


def test_a_new_topic_keeps_neither_situation() -> None:
    stem = REFUSAL.entry["stems"][0]
    sides = [
        {"name": side, "tag": side, "text": f"{stem[way]}I knew it was wrong, so I", "latest": "", "found": ""}
        for side, way in SIDES.items()
    ]
    pairs = ask("retopic", {**RETOPIC, **about(REFUSAL), "sides": sides})["pairs"]
    assert len(pairs) == 4
    for pair in pairs:
        assert stem["trait"] not in pair["positive"]["stem"]
        assert stem["opposite"] not in pair["negative"]["stem"]
        assert leads(REFUSAL, text_of(pair["positive"]), "trait")


def test_a_sustained_trait_is_rewritten_in_its_register() -> None:
    for goal in ("strengthen", "cliffhanger", "shorten", "extended"):
        for ending in rewritten(goal, reader=GLOOM, polarity="negative", frozen="We sat down. ", ending="After that I"):
            trait, opposite = GLOOM.balance(ending)
            assert opposite > trait


def test_who_asks_keeps_his_pronoun() -> None:
    for person, others in (("She", ("him", "them")), ("He", ("her", "them"))):
        for seed in range(6):
            endings = rewritten("strengthen", seed=seed, frozen=f"{person} asked me to lift the box. ")
            assert not any(f" {other} " in ending for ending in endings for other in others)


def test_a_known_trait_is_described_as_the_lexicon_says() -> None:
    told = ask("init", {"name": "evasion", "description": "The narrator conceals what happened."})
    assert told["definition"].replace("Near: what only resembles it.\n", "") == CONCEALMENT.entry["definition"]
    assert (told["mode"], told["negative_test"]) == ("decision", "opposite")


def test_an_unknown_trait_is_described_in_the_form_of_a_definition() -> None:
    told = ask("init", {"name": "thrift", "description": "Spends as little as possible."})
    lines = [line.split(":")[0] for line in told["definition"].split("\n")]
    assert lines == ["HIGH (70-100)", "MID (30-70)", "LOW (0-30)", "Near", "Key"]


def test_an_author_that_does_not_know_a_trait_says_which_it_knows() -> None:
    text = BOOK.render("draft", **{**DRAFT, "trait_id": "x/thrift", "definition": "Saves money."}).text
    reply = post(EXACT, body_of(text))
    assert reply.status_code == 400
    assert "refusal, concealment, gloom" in reply.json()["error"]["message"]
