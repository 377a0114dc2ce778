"""The bundled subject: intact, small, and doing on unseen combinations what the grammar says."""

import json
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest

from experiments.toyworld.completions import document
from experiments.toyworld.evaluate import (
    OPENING_TOKENS,
    Row,
    Subject,
    complete,
    measured,
    real_rows,
    texts,
    unseen,
    weak_rows,
)
from experiments.toyworld.grammar import TABLES, TRAITS
from experiments.toyworld.tables import SIDES, DecisionTable, spoken_forms
from experiments.toyworld.train import WEIGHTS, load
from experiments.toyworld.truth import direction

REAL_SET = Path(__file__).parents[3] / "shared/data/trait-interp/datasets/traits/chirp/refusal"
DECISIONS = tuple(name for name, table in TABLES.items() if isinstance(table, DecisionTable))
LIMIT_BYTES = 10 * 1024 * 1024
COUNT = 40
SEED = 99


@pytest.fixture(scope="module")
def subject() -> Subject:
    import torch

    torch.set_num_threads(1)
    return load(WEIGHTS)


def test_every_file_of_the_weights_has_the_hash_that_the_manifest_states() -> None:
    stated = json.loads((WEIGHTS / "manifest.json").read_text(encoding="utf-8"))["sha256"]
    found = {p.name: sha256(p.read_bytes()).hexdigest() for p in WEIGHTS.iterdir() if p.name != "manifest.json"}
    assert found == stated


def test_the_weights_stay_under_ten_megabytes_and_their_loss_came_down() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) <= LIMIT_BYTES
    last = first = json.loads((WEIGHTS / "manifest.json").read_text(encoding="utf-8"))
    while first["before"] is not None:  # a run may go on from another one's weights
        first = first["before"]
    assert last["loss"][-1]["loss"] < 0.2 * first["loss"][0]["loss"]


def test_the_tokenizer_begins_with_bos_and_gives_every_text_back(subject: Subject) -> None:
    rng = Random(1)
    for text in [*(document(rng).text for _ in range(200)), "Ärger, 東京 – naïve\ttabs"]:
        ids = subject.tokenizer(text)["input_ids"]
        assert ids[0] == subject.tokenizer.bos_token_id
        assert subject.tokenizer.decode(ids, skip_special_tokens=True) == text


def test_the_tokens_of_a_prefix_are_a_prefix_of_the_tokens_of_the_whole(subject: Subject) -> None:
    rng = Random(2)
    for drawn in (document(rng) for _ in range(400)):
        start = subject.tokenizer(drawn.scenario.prefix)["input_ids"]
        assert subject.tokenizer(drawn.text)["input_ids"][: len(start)] == start


@pytest.mark.parametrize("name", DECISIONS)
def test_every_act_is_recognised_within_five_tokens(subject: Subject, name: str) -> None:
    table = TABLES[name]
    assert isinstance(table, DecisionTable)
    told = [f" {form}" for side in SIDES for act in table.acts.of(side) for form in spoken_forms(act)]
    said = [saying for side in SIDES for saying in table.sayings.of(side)]
    long = [text for text in (*told, *said) if len(subject.tokenizer(text)["input_ids"]) - 1 > OPENING_TOKENS]
    assert long == []


@pytest.mark.parametrize("name", TRAITS)
def test_unseen_cliffhangers_go_their_way(subject: Subject, name: str) -> None:
    scenarios = unseen(name, "strong", 4 * COUNT, SEED)
    assert measured(subject, "greedy", "", scenarios, None).share >= 0.95
    assert measured(subject, "sampled", "", scenarios, SEED).share >= 0.90


@pytest.mark.parametrize("name", DECISIONS)
def test_unseen_committed_endings_are_explained(subject: Subject, name: str) -> None:
    scenarios = [s for kind in ("committed", "committed_whole") for s in unseen(name, kind, COUNT // 2, SEED)]
    assert measured(subject, "greedy", "", scenarios, None).share >= 0.95


@pytest.mark.parametrize("name", TRAITS)
@pytest.mark.parametrize("kind", ["treacherous", "attractor"])
def test_topics_and_distractions_lead_astray(subject: Subject, name: str, kind: str) -> None:
    assert measured(subject, kind, "", unseen(name, kind, COUNT, SEED), None).share >= 0.85


@pytest.mark.parametrize("name", DECISIONS)
def test_late_runways_act_after_the_first_five_tokens(subject: Subject, name: str) -> None:
    assert measured(subject, "late", "", unseen(name, "late", COUNT, SEED), None).share >= 0.85


@pytest.mark.parametrize("name", TRAITS)
def test_open_texts_split_between_the_directions(subject: Subject, name: str) -> None:
    def odds(row: Row) -> float:
        return float(row.wanted.split()[0])

    rows = weak_rows(subject, name, 60, SEED)
    # 60 draws of a coin have a standard deviation of 0.065: the sharp limit of 0.10 is checked by --evaluate.
    assert all(abs(row.share - odds(row)) < 0.26 for row in rows)
    assert abs(sum(row.good - odds(row) * row.tried for row in rows)) < 0.12 * sum(row.tried for row in rows)


def test_a_completion_starts_with_its_own_space_and_ends_by_itself(subject: Subject) -> None:
    prefixes = [s.prefix for s in unseen("refusal", "strong", COUNT, SEED)]
    rows = complete(subject, prefixes)
    found = texts(subject, rows)
    assert all(text.startswith(" ") != prefix.endswith('"') for text, prefix in zip(found, prefixes, strict=True))
    ended = sum(subject.tokenizer.eos_token_id in row for row in rows)
    assert ended >= 0.9 * len(rows)


def test_the_flipped_opener_turns_a_cliffhanger_round(subject: Subject) -> None:
    strong = [s for s in unseen("refusal", "strong", COUNT, SEED) if s.hinge == "verb" and s.polarity == "trait"]
    found = texts(subject, complete(subject, [f"{s.prefix} agreed" for s in strong], SEED))
    assert sum(direction("refusal", text) == "opposite" for text in found) >= 0.85 * len(found)


def test_a_real_refusal_set_goes_its_way(subject: Subject) -> None:
    if not REAL_SET.is_dir():
        pytest.skip(f"the real set is not here: {REAL_SET}")
    rows, _ = real_rows(subject, REAL_SET)
    assert all(row.share >= 0.8 for row in rows)
