"""Generation of completions in batches: sampling from logits, rows of a batch, batch sizes. No torch but tensors."""

import math
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from agent.schema import Completion, Sampling, digest
from agent.subject.tokenizer import TokenizedPrompt, Tokens
from agent.subject.weights import NoMemoryError, SubjectError, UnfitTextError


def sample_tokens(logits: Any, noise_keys: Sequence[int], temperature: float) -> tuple[list[int], list[float]]:
    """The best token of each row and its lead over the second, in logits; with Gumbel noise where keys are given.

    The best of logits / temperature + Gumbel noise is a sample at that temperature.
    """
    if noise_keys:
        logits = logits + temperature * _gumbel(noise_keys, with_float64(logits)).to(logits.device)
    top = logits.topk(2)
    return top.indices[:, 0].tolist(), (top.values[:, 0] - top.values[:, 1]).tolist()


def with_float64(tensor: Any) -> Any:
    """The tensor on a device that has 64-bit floats: a copy on the CPU for MPS, else the tensor itself."""
    return tensor.cpu() if tensor.device.type == "mps" else tensor


def _gumbel(keys: Sequence[int], like: Any) -> Any:
    """Standard Gumbel noise of the shape of `like`: row i holds the SplitMix64 stream seeded by keys[i].

    A hash of integers is cheap on any device and equal on all, except for the last digit of the logarithm.
    """
    ones = like.new_ones(like.shape[1]).long()
    bits = ones.new_tensor(keys).unsqueeze(-1) + ones.cumsum(0) * -0x61C8864680B583EB
    for shift, factor in ((30, -0x40A7B892E31B1A47), (27, -0x6B2FB644ECCEEE15), (31, 1)):
        bits = (bits ^ _shifted(bits, shift)) * factor
    uniform = (_shifted(bits, 12).double() + 0.5) * 2.0**-52  # within (0, 1), and exact
    return -(-uniform.log()).log().float()


def _shifted(bits: Any, places: int) -> Any:
    """A logical shift to the right of signed 64-bit integers."""
    return (bits >> places) & ((1 << (64 - places)) - 1)


@dataclass(frozen=True)
class FirstTokenDistribution:
    """A prompt's first next-token distribution: entropy in bits, and the most likely ids with their probabilities."""

    entropy: float
    next_tokens: tuple[tuple[int, float], ...]


SLOW_SECONDS = 20.0  # batches are halved after a slower one, so that a stop takes at most half a minute; by judgement


NOT_NUMBERS = "The subject's logits are not numbers (NaN): set subject.dtype to float32 or bfloat16."

# What a model's own code raises for a text: torch's errors are RuntimeErrors, an id without embedding an IndexError.
TEXT_FAULTS = (UnfitTextError, RuntimeError, ValueError, LookupError, ArithmeticError)


class GenerationRow(NamedTuple):
    """One completion to generate: the index of its prompt, and of its sample (None = greedy)."""

    item: int
    sample: int | None


Batch = tuple[GenerationRow, ...]

# (prompts, batch, sampling) -> the completions of the batch, and the rows that must be generated again by themselves.
# Raises NoMemoryError when the batch does not fit.
Generate = Callable[
    [Sequence[TokenizedPrompt], Batch, Sampling], tuple[dict[GenerationRow, Completion], list[GenerationRow]]
]


class Generation:
    """The rows of one batch with the ids generated so far.

    `stops` end a row and are dropped. Where the best two tokens of a row are closer than `margin` logits, a batch could
    choose another token than the row by itself: the row is closed and returned for a run by itself.
    """

    def __init__(
        self, prompts: Sequence[TokenizedPrompt], batch: Batch, sampling: Sampling, stops: frozenset[int], margin: float
    ) -> None:
        self.items = list(dict.fromkeys(row.item for row in batch))
        self.open = set(range(len(batch)))
        self._prompts = prompts
        self._batch = batch
        self._sampling = sampling
        self._stops = stops
        self._margin = margin if len(batch) > 1 else 0.0
        self._new: list[list[int]] = [[] for _ in batch]
        self._close: set[int] = set()
        self._step = 0

    @property
    def places(self) -> list[int]:
        """For each row, the position of its prompt in `items`."""
        return [self.items.index(row.item) for row in self._batch]

    def noise_keys(self) -> list[int]:
        """The seed of each row's noise in this step; empty for greedy rows."""
        return [
            noise_key(self._prompts[row.item].key, row.sample, self._step, self._sampling.seed)
            for row in self._batch
            if row.sample is not None
        ]

    def append(self, chosen: Sequence[int], gaps: Sequence[float]) -> None:
        """Append the chosen token to each open row. `gaps`: its lead over the second best, in logits."""
        self._step += 1
        for index in sorted(self.open):
            if math.isnan(gaps[index]):
                if len(self._batch) == 1:
                    raise UnfitTextError(NOT_NUMBERS)
                self._close.add(index)
            elif gaps[index] < self._margin:
                self._close.add(index)
            elif chosen[index] not in self._stops:
                self._new[index].append(chosen[index])
                if self._step < self._sampling.max_new_tokens:
                    continue
            self.open.remove(index)

    def result(
        self, firsts: Sequence[FirstTokenDistribution], tokens: Tokens
    ) -> tuple[dict[GenerationRow, Completion], list[GenerationRow]]:
        """The completions, and the rows returned for a run by themselves. `firsts` are in the order of `items`."""
        made = {
            row: self._completion(row, self._new[index], firsts[self.items.index(row.item)], tokens)
            for index, row in enumerate(self._batch)
            if index not in self._close
        }
        return made, [self._batch[index] for index in sorted(self._close)]

    def _completion(
        self, row: GenerationRow, new: list[int], first: FirstTokenDistribution, tokens: Tokens
    ) -> Completion:
        prompt = self._prompts[row.item]
        text = tokens.decode_continuation(prompt, new)
        return Completion(
            text=text,
            token_ids=tuple(new),
            opening=tokens.decode_continuation(prompt, new[: self._sampling.first_k]),
            sample=row.sample,
            entropy=first.entropy,
            next_tokens=first.next_tokens,
            exact_boundary=tokens.exact_boundary(prompt, text),
            ends=tokens.character_ends(prompt, new) if row.sample is None else (),
        )


def failed(reason: str, sample: int | None = None) -> Completion:
    """What stands in place of a completion where the subject cannot continue the text."""
    return Completion(text="", token_ids=(), opening="", sample=sample, failure=reason)


def draws(prompt: TokenizedPrompt, sampling: Sampling) -> tuple[int | None, ...]:
    """The completions to generate for a prompt: the indices of its samples, or one None for greedy."""
    samples = sampling.samples if prompt.samples is None else prompt.samples
    return tuple(range(samples)) if samples else (None,)


def plan(prompts: Sequence[TokenizedPrompt], sampling: Sampling, budget: int) -> list[Batch]:
    """Batches of rows of similar length, longest first, at most `budget` tokens each (padding and new ones included).

    A row that exceeds the budget has a batch of its own. Longest first, so that a lack of memory shows at once. Prompts
    with the same prefix follow one another, so that it is computed once.
    """
    batches: list[Batch] = []
    batch: list[GenerationRow] = []
    longest = 0
    for row in (GenerationRow(item, sample) for item in _ordered(prompts) for sample in draws(prompts[item], sampling)):
        longest = max(longest, len(prompts[row.item].ids))
        if batch and (len(batch) + 1) * (longest + sampling.max_new_tokens) > budget:
            batches.append(tuple(batch))
            batch, longest = [], len(prompts[row.item].ids)
        batch.append(row)
    return [*batches, tuple(batch)] if batch else batches


def _ordered(prompts: Sequence[TokenizedPrompt]) -> list[int]:
    """The items, longest first; those with a common prefix together, at the place of the longest."""
    families: dict[tuple[int, ...] | int, list[int]] = {}
    for item in sorted(range(len(prompts)), key=lambda item: (-len(prompts[item].ids), item)):
        families.setdefault(prompts[item].prefix or item, []).append(item)
    return [item for family in families.values() for item in family]


def split(batch: Batch, most: int) -> list[Batch]:
    """The same rows in the same order, at most `most` at a time."""
    return [batch[start : start + most] for start in range(0, len(batch), most)]


def noise_key(prompt_key: str, sample: int, step: int, seed: int) -> int:
    """A signed 64-bit seed for the noise of one row at one step, from these values only."""
    raw = digest("noise", prompt_key, str(sample), str(step), str(seed))
    return int.from_bytes(bytes.fromhex(raw[:16]), "little", signed=True)


class Batches:
    """Generates rows in batches of at most `budget` tokens, one batch at a time even with several threads.

    Batches are halved for good when one does not fit into memory or takes longer than SLOW_SECONDS. A row that fails by
    itself becomes a completion with the reason, unless `check`, given the error, raises: then every text would fail.
    """

    def __init__(
        self, generate: Generate, budget: int, clock: Callable[[], float], check: Callable[[Exception], None]
    ) -> None:
        self._generate = generate
        self._check = check
        self._budget = budget
        self._clock = clock
        self._most_rows = max(1, budget)
        self._lock = threading.Lock()

    def run(
        self, prompts: Sequence[TokenizedPrompt], sampling: Sampling
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        """(index of a prompt, its completions in the order of the draws), as soon as they are complete."""
        waiting = deque(plan(prompts, sampling, self._budget))
        done: dict[GenerationRow, Completion] = {}
        while waiting:
            batch = waiting.popleft()
            with self._lock:
                made, again = self._attempt(batch, prompts, sampling)
            done.update(made)
            waiting.extendleft(reversed(again))
            for item in dict.fromkeys(row.item for row in made):
                rows = [GenerationRow(item, sample) for sample in draws(prompts[item], sampling)]
                if all(row in done for row in rows):
                    yield item, tuple(done.pop(row) for row in rows)

    def _attempt(
        self, batch: Batch, prompts: Sequence[TokenizedPrompt], sampling: Sampling
    ) -> tuple[dict[GenerationRow, Completion], list[Batch]]:
        """The completions of a batch, and smaller batches for its other rows."""
        if len(batch) > self._most_rows:
            return {}, split(batch, self._most_rows)
        started = self._clock()
        try:
            made, again = self._generate(prompts, batch, sampling)
        except NoMemoryError as error:
            if len(batch) == 1:
                return self._failed(batch[0], error), []
            self._most_rows = len(batch) // 2
            return {}, split(batch, self._most_rows)
        except TEXT_FAULTS as error:
            if len(batch) == 1:
                return self._failed(batch[0], error), []
            return {}, split(batch, len(batch) // 2)
        if self._clock() - started > SLOW_SECONDS:
            self._most_rows = max(1, len(batch) // 2)
        return made, [(row,) for row in again]

    def _failed(self, row: GenerationRow, error: Exception) -> dict[GenerationRow, Completion]:
        self._check(error)
        known = isinstance(error, SubjectError)
        return {row: failed(str(error) if known else f"The model fails on it: {describe(error)}", row.sample)}


def describe(error: Exception) -> str:
    """The kind of an error and the first line of its message, on one line."""
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first[:200]}" if first else type(error).__name__
