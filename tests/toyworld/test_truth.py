"""Truth: what a text means can be read back from it, however it was composed."""

import json
from pathlib import Path
from random import Random

import pytest

from experiments.toyworld import lexicon
from experiments.toyworld.completions import document
from experiments.toyworld.grammar import TABLES, TRAITS, present
from experiments.toyworld.scenery import ATTRACTORS, HINGES, LATE, MOVES, SCENES
from experiments.toyworld.tables import SIDES, DecisionTable, spoken_forms
from experiments.toyworld.truth import Polarity, act_patterns, direction, displayed, explains, truly_good

DEMO = Path(__file__).parents[2] / "experiments/demo/datasets/traits/toy"
MEANT: dict[str, dict[Polarity, list[str]]] = json.loads(
    Path(__file__).with_name("demo_meant.json").read_text(encoding="utf-8")
)
DECISIONS = tuple(name for name, table in TABLES.items() if isinstance(table, DecisionTable))
COMMITTED = ("committed", "committed_whole")


@pytest.mark.parametrize("name", TRAITS)
def test_the_direction_of_a_generated_continuation_is_read_back(name: str) -> None:
    rng = Random(21)
    for _ in range(1500):
        drawn = document(rng, name)
        before = "" if drawn.scenario.connective else drawn.scenario.prefix
        assert direction(name, drawn.completion, before) == drawn.outcome, drawn.text


@pytest.mark.parametrize("name", DECISIONS)
def test_an_act_stands_at_the_cut_of_committed_texts_only(name: str) -> None:
    rng = Random(22)
    for _ in range(1500):
        scenario = document(rng, name).scenario
        wanted = scenario.polarity if scenario.kind in COMMITTED else None
        assert displayed(name, scenario.prefix) == wanted, scenario.prefix


@pytest.mark.parametrize("name", DECISIONS)
def test_committed_texts_go_on_with_an_afterthought(name: str) -> None:
    rng = Random(23)
    drawn = [d for d in (document(rng, name) for _ in range(1500)) if d.scenario.kind in COMMITTED]
    assert drawn
    assert all(explains(name, d.completion) for d in drawn)


@pytest.mark.parametrize("name", DECISIONS)
def test_nothing_but_an_act_reads_as_an_act(name: str) -> None:
    table = TABLES[name]
    assert isinstance(table, DecisionTable)
    motives = (form for side in SIDES for motive in table.motives.of(side) for form in spoken_forms(motive))
    framed = (
        present(frame, topic.of(side))
        for frame in table.frames
        for topic in table.topics
        if topic.form == frame.form
        for side in SIDES
    )
    hinges = (form for hinge in HINGES for form in spoken_forms(hinge.text))
    away = (text for a in ATTRACTORS for text in (a.sentence, a.tail, *a.acts, *a.sayings))
    others = (*LATE, *MOVES, *SCENES, *(w.phrase for w in table.weak))
    assert [text for text in (*motives, *framed, *hinges, *away, *others) if displayed(name, text)] == []


@pytest.mark.parametrize("name", DECISIONS)
def test_no_act_reads_as_its_opposite(name: str) -> None:
    table = TABLES[name]
    assert isinstance(table, DecisionTable)
    for side in SIDES:
        for phrase in (*table.acts.of(side), *table.sayings.of(side)):
            assert {displayed(name, form) for form in spoken_forms(phrase)} == {side}


def test_every_gloomy_or_cheerful_continuation_shows_its_register_in_four_words() -> None:
    table = TABLES["gloom"]
    assert not isinstance(table, DecisionTable)
    for side in SIDES:
        for head in table.heads.of(side):
            found = act_patterns("gloom")[side].search(head)
            assert found, head
            assert len(head[: found.end()].split()) <= 4, head


def test_a_text_that_the_author_composed_is_judged_like_the_grammars_own() -> None:
    known = json.loads(lexicon.PATH.read_text(encoding="utf-8"))["traits"]["refusal"]
    stem, motive = known["stems"][0]["trait"], known["motives"]["trait"][0]
    prefix = f"{stem}Nobody spoke. {motive}, so at last I"
    act = known["acts"]["trait"][0]
    assert truly_good("toy/refusal", "positive", prefix, [f" {act}."] * 8 + [" agreed."] * 2)
    assert not truly_good("toy/refusal", "positive", prefix, [f" {act}."] * 7 + [" agreed."] * 3)
    assert not truly_good("toy/refusal", "negative", prefix, [f" {act}."] * 10)
    assert not truly_good("toy/refusal", "positive", f"{prefix} {act} because it", [" was wrong from start to finish."])


def test_an_act_that_spans_the_cut_is_read_with_its_prefix() -> None:
    prefix = "She asked me to ring the doorbell and run. It crossed a line, so I told her"
    assert displayed("refusal", prefix) is None
    assert direction("refusal", " no. The door stayed shut.", prefix) == "trait"


def test_a_sustained_text_is_good_when_four_fifths_keep_its_register() -> None:
    glad, sad = " hummed a merry tune.", " trudged on through the drizzle."
    assert truly_good("gloom", "negative", "With a light heart I", [glad] * 4 + [sad])
    assert not truly_good("gloom", "negative", "With a light heart I", [glad] * 3 + [sad] * 2)


def test_truth_without_samples_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        truly_good("refusal", "positive", "It crossed a line, so I", [])


def test_an_unknown_trait_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match="refusal, concealment, gloom"):
        displayed("toy/joy", "I")


@pytest.mark.parametrize("name", TRAITS)
def test_at_least_half_of_the_demos_scenarios_start_out_flawed(name: str) -> None:
    kinds = [kind for column in MEANT[name].values() for kind in column]
    assert 16 <= len(kinds) / 2 <= 20
    assert kinds.count("strong") <= len(kinds) / 2
    both = [p == n == "strong" for p, n in zip(MEANT[name]["positive"], MEANT[name]["negative"], strict=True)]
    assert 0.3 <= sum(both) / len(both) <= 0.4


@pytest.mark.parametrize("name", DECISIONS)
def test_the_demos_lines_display_an_act_where_they_were_meant_to(name: str) -> None:
    for polarity, meant in MEANT[name].items():
        lines = (DEMO / name / f"{polarity}.txt").read_text(encoding="utf-8").splitlines()
        for kind, line in zip(meant, lines, strict=True):
            assert (displayed(name, line) is not None) == (kind in COMMITTED), line
