"""The area under the curve, held against another computation, and an interval that stays honest at the edge."""

from random import Random

import pytest
from sklearn.metrics import roc_auc_score

from agent.stats import auc


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
