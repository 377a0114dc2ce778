"""Rates, agreement and AUC with their intervals, each against a value computed a second way."""

import math
import random
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score, roc_auc_score

from agent.stats import auc, balanced_accuracy, confusion, error_rate, kappa, wilson

# Rates.

Z = 1.959963984540054


def bound(k: int, n: int, side: int) -> float:
    """A Wilson bound by bisection: where the observed rate lies Z standard errors from the true one."""
    low, high = (0.0, k / n) if side < 0 else (k / n, 1.0)
    for _ in range(200):
        middle = (low + high) / 2
        inside = abs(k / n - middle) <= Z * math.sqrt(middle * (1 - middle) / n)
        if inside == (side < 0):
            high = middle
        else:
            low = middle
    return (low + high) / 2


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_where_the_rate_lies_within_its_standard_errors(kn: tuple[int, int]) -> None:
    rate = wilson(*kn)
    assert rate.low == pytest.approx(bound(*kn, side=-1), abs=2e-6)
    assert rate.high == pytest.approx(bound(*kn, side=1), abs=2e-6)


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662)],
)
def test_the_interval_agrees_with_published_values(k: int, n: int, low: float, high: float) -> None:
    rate = wilson(k, n)
    assert (round(rate.low, 4), round(rate.high, 4)) == (low, high)


def test_nothing_measured_leaves_everything_open() -> None:
    rate = wilson(0, 0)
    assert (rate.low, rate.high) == (0.0, 1.0)
    assert str(rate) == "not measured (n = 0)"


def test_a_rate_is_printed_with_its_numbers_and_interval() -> None:
    assert str(wilson(5, 10)) == "5/10 = 50.0% [23.7%, 76.3%]"


@pytest.mark.parametrize(("k", "n"), [(-1, 3), (4, 3), (1, 0)])
def test_an_impossible_rate_is_an_error(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="is not a rate"):
        wilson(k, n)


@pytest.mark.parametrize("error", [0.0, 0.05, 0.2, 0.5])
def test_an_error_rate_is_found_from_how_often_two_independent_answers_differ(error: float) -> None:
    assert error_rate(2 * error * (1 - error)) == pytest.approx(error)


def test_answers_that_differ_more_often_than_random_ones_are_as_good_as_random() -> None:
    assert error_rate(0.7) == 0.5


# Agreement.

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


# AUC.


@pytest.mark.parametrize("seed", range(8))
def test_the_area_is_the_one_that_scikit_learn_finds(seed: int) -> None:
    rng = Random(seed)
    upper = [float(rng.randint(30, 100)) for _ in range(rng.randint(1, 30))]
    lower = [float(rng.randint(0, 70)) for _ in range(rng.randint(1, 30))]
    known = roc_auc_score([1] * len(upper) + [0] * len(lower), upper + lower)
    assert auc(upper, lower).value == pytest.approx(known, abs=1e-6)


def test_perfect_separation_of_few_leaves_more_open_than_of_many() -> None:
    few, many = auc([90.0] * 3, [5.0] * 3), auc([90.0] * 40, [5.0] * 40)
    assert few.value == few.high == many.value == many.high == 1.0
    assert few.low < 0.7 < 0.9 < many.low < 1.0


def test_scores_without_order_are_worth_a_coin() -> None:
    found = auc([50.0] * 20, [50.0] * 20)
    assert found.value == 0.5
    assert found.low < 0.4
    assert found.high == pytest.approx(1 - found.low, abs=1e-5)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng, truth = Random(3), 0.921350  # P(N(2, 1) > N(0, 1)) = Phi(sqrt 2)
    covered = 0
    for _ in range(300):
        found = auc([rng.gauss(2, 1) for _ in range(20)], [rng.gauss(0, 1) for _ in range(20)])
        covered += found.low <= truth <= found.high
    assert 0.91 <= covered / 300 <= 0.99


def test_without_scores_of_both_groups_there_is_no_area() -> None:
    with pytest.raises(ValueError, match="both groups"):
        auc([], [1.0])
