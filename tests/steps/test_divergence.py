"""The divergence between two next-token distributions, against a second computation."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.steps.screening import divergence


def test_without_distributions_there_is_no_divergence() -> None:
    assert divergence({1: 0.5}, {}) is None


def entropy(p: list[float]) -> float:
    return -sum(x * math.log2(x) for x in p if x > 0)


shares = st.lists(st.floats(0.001, 1), min_size=2, max_size=6)


@given(shares, shares, st.integers(0, 4))
def test_the_divergence_is_the_entropy_of_the_mean_less_the_mean_entropy(a: list, b: list, shift: int) -> None:
    p = {i: x / sum(a) for i, x in enumerate(a[:-1])}
    q = {i + shift: x / sum(b) for i, x in enumerate(b[:-1])}
    tokens = sorted(p.keys() | q.keys())
    rows = [[d.get(t, 0.0) for t in tokens] + [1 - sum(d.values())] for d in (p, q)]
    mean = [(x + y) / 2 for x, y in zip(*rows, strict=True)]
    second = entropy(mean) - (entropy(rows[0]) + entropy(rows[1])) / 2
    assert divergence(p, q) == pytest.approx(second, abs=2e-6)


def test_equal_distributions_do_not_diverge_and_disjoint_ones_do_wholly() -> None:
    assert divergence({1: 0.5, 2: 0.3}, {1: 0.5, 2: 0.3}) == 0.0
    assert divergence({1: 1.0}, {2: 1.0}) == 1.0
