"""Pairing by similarity: the best total there is, and a misalignment found where it starts."""

import itertools

import numpy as np
import pytest

from agent.storage.similarity import best_pairs, find_misalignment, token_similarity

STEMS = [
    "The ferry had left without us, and my brother looked at me and",
    "She put the ledger on the counter and asked me to sign, so I",
    "By the third week of the strike the kitchen was empty and",
    "He said the vaccine trial had been quietly stopped, which",
    "I found the letter under the piano, opened it, and",
    "The auditors wanted the second set of books, so my boss",
    "Nobody had told the new nurse about the locked ward, and",
    "On the ridge the wind took the tent away, so we",
]


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (4, 4), (2, 5), (5, 3)])
def test_the_pairing_is_the_best_of_all_there_are(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(shape[0] * 10 + shape[1])
    for _ in range(30):
        table = random.integers(0, 101, shape).astype(float)
        rows, columns = shape
        few, many = min(shape), max(shape)
        totals = [
            sum(table[(i, j) if rows <= columns else (j, i)] for i, j in zip(range(few), chosen, strict=True))
            for chosen in itertools.permutations(range(many), few)
        ]
        found = best_pairs(table)
        assert len({i for i, _ in found}) == len({j for _, j in found}) == len(found) == few
        assert sum(table[pair] for pair in found) == max(totals)


def test_nothing_pairs_with_nothing() -> None:
    assert best_pairs(token_similarity([], [])) == []
    assert best_pairs(token_similarity(["a text"], [])) == []
    assert find_misalignment(token_similarity([], ["a text"])) is None


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_line_lost_on_one_side_is_found_where_the_sides_part(lost: int) -> None:
    positive = [f"{stem} refused." for stem in STEMS]
    negative = [f"{stem} went along." for stem in STEMS if stem != STEMS[lost]]
    found = find_misalignment(token_similarity(positive, negative))
    assert found is not None
    assert (found.start, found.lag) == (lost + 1, -1), found
    mirrored = find_misalignment(token_similarity(negative, positive))
    assert mirrored is not None
    assert (mirrored.start, mirrored.lag) == (lost, 1)
    partners = {(i, i - (i > lost)) for i in range(len(STEMS)) if i != lost}
    assert set(best_pairs(token_similarity(positive, negative))) == partners


def test_a_sound_pairing_has_no_misalignment() -> None:
    positive, negative = ([f"{stem} {end}" for stem in STEMS] for end in ("refused.", "went along."))
    assert find_misalignment(token_similarity(positive, negative)) is None
    assert find_misalignment(token_similarity(["the same text"] * 20, ["the same text"] * 20)) is None
