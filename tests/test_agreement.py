"""Balanced accuracy and kappa: by hand, by another library, and by how often their intervals hold."""

import random

import pytest
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score

from agent.stats import balanced_accuracy, confusion, kappa, wilson

LABELS = ("EXPRESS", "EXPLAIN")


def pairs(right: tuple[int, int], wrong: tuple[int, int], unsure: tuple[int, int] = (0, 0)) -> list[tuple[str, str]]:
    """(label, prediction) pairs by how many of each label are right, taken for the other, and UNSURE."""
    made = []
    for i, label in enumerate(LABELS):
        made += [(label, label)] * right[i] + [(label, LABELS[1 - i])] * wrong[i] + [(label, "UNSURE")] * unsure[i]
    return made


def table(*counts: tuple[int, int]):
    return confusion(pairs(*counts), LABELS, ("UNSURE",))


def test_ten_and_ten_endings_by_hand() -> None:
    found = table((8, 9), (1, 1), (1, 0))
    assert found.counts == ((8, 1, 1), (1, 9, 0))
    # Recalls 0.8 and 0.9; agreement 17/20, by chance 0.5 * 9/20 + 0.5 * 10/20 = 0.475.
    assert balanced_accuracy(found).value == pytest.approx(0.85)
    assert kappa(found).value == pytest.approx((0.85 - 0.475) / 0.525)
    # Wilson: 8 of 10 is 0.4902 to 0.9433, 9 of 10 is 0.5958 to 0.9821; half of the squares' roots on each side.
    assert balanced_accuracy(found).low == pytest.approx(0.85 - 0.5 * (0.3098**2 + 0.3042**2) ** 0.5, abs=1e-3)
    assert balanced_accuracy(found).high == pytest.approx(0.85 + 0.5 * (0.1433**2 + 0.0821**2) ** 0.5, abs=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_another_library_finds_the_same_kappa(seed: int) -> None:
    rng = random.Random(seed)
    drawn = [(rng.choice(LABELS), rng.choice((*LABELS, "UNSURE"))) for _ in range(60)]
    found = confusion(drawn, LABELS, ("UNSURE",))
    labels, said = zip(*drawn, strict=True)
    assert kappa(found).value == pytest.approx(cohen_kappa_score(labels, said), abs=1e-6)


def test_it_finds_the_same_balanced_accuracy_where_nothing_is_unsure() -> None:
    drawn = pairs((30, 11), (7, 9))
    labels, said = zip(*drawn, strict=True)
    found = balanced_accuracy(confusion(drawn, LABELS, ("UNSURE",)))
    assert found.value == pytest.approx(balanced_accuracy_score(labels, said), abs=1e-6)


def test_unsure_counts_as_wrong() -> None:
    sure, unsure = table((8, 9), (2, 1)), table((8, 9), (0, 0), (2, 1))
    assert balanced_accuracy(sure).value == balanced_accuracy(unsure).value == pytest.approx(0.85)


def test_a_rare_label_weighs_as_much_as_a_frequent_one() -> None:
    assert balanced_accuracy(table((90, 0), (0, 10))).value == 0.5
    assert kappa(table((90, 0), (0, 10))).value == 0.0


def test_all_right_is_not_certain() -> None:
    perfect = table((20, 20), (0, 0))
    for estimate in (balanced_accuracy(perfect), kappa(perfect)):
        assert estimate.value == estimate.high == 1.0
        assert 0.6 < estimate.low < 0.95


def test_one_label_alone_gives_no_figure() -> None:
    lonely = table((10, 0), (2, 0))
    assert balanced_accuracy(lonely).value is None
    assert kappa(lonely).value is None
    assert str(kappa(lonely)) == "-"


def test_a_word_that_is_no_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="MAYBE is none of EXPRESS, EXPLAIN"):
        confusion([("EXPRESS", "MAYBE")], LABELS)


def truth(recalls: tuple[float, float]) -> tuple[float, float]:
    """(balanced accuracy, kappa) of 40 EXPRESS and 20 EXPLAIN at these recalls, all errors to the other label."""
    a, b = recalls
    express = (40 * a + 20 * (1 - b)) / 60
    chance = (40 * express + 20 * (1 - express)) / 60
    return (a + b) / 2, ((40 * a + 20 * b) / 60 - chance) / (1 - chance)


@pytest.mark.parametrize("recalls", [(0.95, 0.9), (0.7, 0.85), (0.98, 0.98)])
def test_the_intervals_hold_the_truth_about_nineteen_times_in_twenty(recalls: tuple[float, float]) -> None:
    rng, held = random.Random(7), [0, 0]
    for _ in range(400):
        right = (sum(rng.random() < recalls[0] for _ in range(40)), sum(rng.random() < recalls[1] for _ in range(20)))
        drawn = table(right, (40 - right[0], 20 - right[1]))
        for i, (estimate, true) in enumerate(
            zip((balanced_accuracy(drawn), kappa(drawn)), truth(recalls), strict=True)
        ):
            held[i] += estimate.low <= true <= estimate.high
    assert min(held) >= 0.92 * 400


def test_the_rates_of_a_table_are_wilsons() -> None:
    found = table((8, 9), (1, 1), (1, 0))
    assert found.recall("EXPRESS") == wilson(8, 10)
