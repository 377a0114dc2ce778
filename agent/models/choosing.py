"""How a token is chosen from logits: the best one, or a sample by noise that any machine computes alike.

Needs no torch but the tensors.
"""

from collections.abc import Sequence
from typing import Any


def choose(logits: Any, noise_keys: Sequence[int], temperature: float) -> tuple[list[int], list[float]]:
    """The best token of each row and its lead over the second in logits; with Gumbel noise where keys are given.

    The best of logits / temperature + Gumbel noise is a sample at that temperature.
    """
    if noise_keys:
        logits = logits + temperature * _gumbel(noise_keys, logits)
    top = logits.topk(2)
    return top.indices[:, 0].tolist(), (top.values[:, 0] - top.values[:, 1]).tolist()


def _gumbel(keys: Sequence[int], like: Any) -> Any:
    """Standard Gumbel noise of the shape of `like`: row i holds the SplitMix64 stream seeded by keys[i].

    A hash of integers costs little on any device and is the same on all, but for the logarithm's last digit.
    """
    ones = like.new_ones(like.shape[1]).long()
    bits = ones.new_tensor(keys).unsqueeze(-1) + ones.cumsum(0) * -0x61C8864680B583EB
    for shift, factor in ((30, -0x40A7B892E31B1A47), (27, -0x6B2FB644ECCEEE15), (31, 1)):
        bits = (bits ^ _shifted(bits, shift)) * factor
    uniform = (_shifted(bits, 12).double() + 0.5) * 2.0**-52  # within (0, 1), and exact
    return -(-uniform.log()).log().float()


def _shifted(bits: Any, places: int) -> Any:
    """A logical shift to the right: the sign bit of the 64 moves like any other."""
    return (bits >> places) & ((1 << (64 - places)) - 1)
