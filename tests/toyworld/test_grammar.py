"""The grammar: rich enough, consistent, hidden in part, and all its own."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from random import Random

import pytest

from experiments.toyworld import lexicon
from experiments.toyworld.completions import document, finish
from experiments.toyworld.grammar import TABLES, TRAITS, gerund, hidden, present
from experiments.toyworld.scenarios import kinds, make
from experiments.toyworld.scenery import ATTRACTORS, HINGES, LATE
from experiments.toyworld.tables import SIDES, DecisionTable, Side, ToneTable, spoken_forms

REAL_SETS = Path(__file__).parents[3] / "shared/data/trait-interp/datasets/traits"
DECISIONS = tuple(name for name, table in TABLES.items() if isinstance(table, DecisionTable))


def decision(name: str) -> DecisionTable:
    table = TABLES[name]
    assert isinstance(table, DecisionTable)
    return table


def families(name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The phrase families that hide a fifth, as the lexicon names them."""
    table = TABLES[name]
    sides = [("motives", table.motives), ("acts", table.acts)] if isinstance(table, DecisionTable) else []
    if isinstance(table, ToneTable):
        sides = [("register", table.register), ("endings", table.endings), ("words", table.words)]
    for family, both in sides:
        for side in SIDES:
            yield f"{family}-{side}", both.of(side)


@pytest.mark.parametrize("name", DECISIONS)
def test_a_decision_trait_has_the_promised_variety(name: str) -> None:
    table = decision(name)
    assert len(table.topics) >= 120
    assert len({topic.domain for topic in table.topics}) >= 10
    assert sum(topic.treacherous for topic in table.topics) >= 12
    assert len(table.weak) >= 10
    assert len(HINGES) >= 8
    assert len(LATE) >= 8
    assert len(ATTRACTORS) >= 12
    for side in SIDES:
        assert len(table.motives.of(side)) >= 30
        assert len(table.acts.of(side)) >= 20
        assert sum(len(both.of(side)) for both in table.afterthoughts.values()) >= 40


@pytest.mark.parametrize("name", TRAITS)
def test_no_phrase_stands_twice_in_a_family(name: str) -> None:
    for family, items in families(name):
        assert [item for item, count in Counter(items).items() if count > 1] == [], family


def test_the_committed_lexicon_is_what_the_grammar_generates() -> None:
    assert lexicon.PATH.read_text(encoding="utf-8") == lexicon.rendered()


@pytest.mark.parametrize("name", TRAITS)
def test_a_fifth_of_the_phrases_is_hidden_from_readers_and_rare(name: str) -> None:
    known = json.loads(lexicon.PATH.read_text(encoding="utf-8"))["traits"][name]
    readable = {"motives": known["motives"], "acts": known["acts"], "endings": known.get("endings")}
    for family, items in families(name):
        out = hidden(name, family, items)
        assert len(out) == len(items) // 5
        assert out <= set(items[len(items) // 2 :])
        kind, side = family.rsplit("-", 1)
        listed = set((readable.get(kind) or {}).get(side, ()))
        assert listed.isdisjoint(chain.from_iterable(spoken_forms(item) for item in out))


@pytest.mark.parametrize("name", TRAITS)
def test_a_cut_never_ends_in_a_space_and_a_continuation_brings_its_own(name: str) -> None:
    rng = Random(3)
    for _ in range(600):
        drawn = document(rng, name)
        assert not drawn.scenario.prefix.endswith(" ")
        assert drawn.completion.startswith(" ") != drawn.scenario.prefix.endswith('"')
        assert drawn.scenario.stem == "" or drawn.scenario.stem.endswith(" ")


def test_the_same_seed_gives_the_same_documents() -> None:
    first, second = Random(11), Random(11)
    assert [document(first).text for _ in range(200)] == [document(second).text for _ in range(200)]


@pytest.mark.parametrize("name", TRAITS)
def test_held_out_combinations_never_reach_training(name: str) -> None:
    rng = Random(5)
    assert not any(document(rng, name).scenario.held_out for _ in range(1500))
    assert any(make(rng, name, "strong", "trait").held_out for _ in range(200))


@pytest.mark.parametrize("name", DECISIONS)
def test_hesitant_motives_split_as_they_say(name: str) -> None:
    rng, counts, totals = Random(7), Counter[float](), Counter[float]()
    for _ in range(6000):
        drawn = finish(rng, make(rng, name, "weak", "trait"))
        totals[drawn.scenario.odds[0]] += 1
        counts[drawn.scenario.odds[0]] += drawn.outcome == "trait"
    assert set(totals) == {0.3, 0.4, 0.5, 0.6, 0.7}
    assert all(abs(counts[odds] / totals[odds] - odds) < 0.06 for odds in totals)


@pytest.mark.parametrize("name", TRAITS)
@pytest.mark.parametrize("side", SIDES)
def test_treacherous_texts_are_meant_for_the_opposite_and_go_the_traits_way(name: str, side: Side) -> None:
    made = make(Random(1), name, "treacherous", side)
    assert made.polarity == "opposite"
    assert made.odds[0] >= 0.9


def test_every_kind_can_be_made_for_every_trait() -> None:
    rng = Random(2)
    for name in TRAITS:
        assert {make(rng, name, kind, "trait").kind for kind in kinds(name)} == set(kinds(name))


def test_gerunds_are_spelt_as_in_books() -> None:
    assert [gerund(verb) for verb in ("forge a note", "slip it in", "tie it", "read", "see her", "swap them")] == [
        "forging a note", "slipping it in", "tying it", "reading", "seeing her", "swapping them",
    ]  # fmt: skip


def own_sentences() -> set[str]:
    """Every whole sentence and every motive the grammar can write, lower case, without its full stop."""
    found: set[str] = set()
    for table in TABLES.values():
        if isinstance(table, ToneTable):
            lists = [table.register, table.tails, table.heads, table.endings]
            found.update(text for topic in table.topics for text in (topic.trait, topic.opposite))
        else:
            lists = [table.motives, table.tails, table.spoken_tails]
            found.update(
                present(frame, topic.of(side))
                for frame in table.frames
                for topic in table.topics
                if topic.form == frame.form
                for side in SIDES
            )
        found.update(form for both in lists for side in SIDES for p in both.of(side) for form in spoken_forms(p))
    return {text.lower().rstrip(".") for text in found}


def test_no_sentence_of_a_real_set_occurs_in_the_grammar() -> None:
    if not REAL_SETS.is_dir():
        pytest.skip(f"the real sets are not here: {REAL_SETS}")
    real = {
        part.strip().lower().rstrip(".")
        for path in REAL_SETS.glob("*/*/*tive.txt")
        for line in path.read_text(encoding="utf-8").splitlines()
        for part in re.split(r"(?<=[.!?])\s+|,\s+", line)
    }
    # The public guide itself uses this one as its example.
    assert own_sentences() & real <= {"this crossed a line"}
