"""Sampling of tokens: the noise is computed here a second way, in plain integers."""

import math

import pytest
import torch

from agent.subject.generation import sample_tokens

KEYS = (0, 1, -1, 2**63 - 1, -(2**63))
WHOLE = 2**64


def splitmix(key: int, step: int) -> int:
    """The SplitMix64 generator's output at a step, as published."""
    mixed = (key + step * 0x9E3779B97F4A7C15) % WHOLE
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 % WHOLE
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB % WHOLE
    return mixed ^ (mixed >> 31)


def gumbel(key: int, step: int) -> float:
    return -math.log(-math.log(((splitmix(key, step) >> 12) + 0.5) / 2**52))


@pytest.mark.parametrize("key", KEYS)
def test_a_sample_is_the_best_of_logits_and_noise_that_any_machine_computes_alike(key: int) -> None:
    noise = [gumbel(key, step) for step in range(1, 41)]
    second, best = sorted(noise)[-2:]
    [chosen], [lead] = sample_tokens(torch.zeros(1, 40), [key], temperature=2.0)
    assert chosen == noise.index(best)
    assert lead == pytest.approx(2.0 * (best - second), abs=1e-5)


def test_rows_without_noise_take_the_best_token_and_say_how_far_the_second_is() -> None:
    assert sample_tokens(torch.tensor([[1.0, 4.0, 2.5], [3.0, 0.0, 2.0]]), [], temperature=1.0) == ([1, 0], [1.5, 1.0])
