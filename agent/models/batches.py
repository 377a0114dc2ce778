"""Which rows are generated together, and the seeds that make a row independent of its neighbours. No torch."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from agent.models.tokens import Prompt
from agent.models.weights import NoMemoryError
from agent.schema import Completion, Sampling, digest

SLOW_SECONDS = 20.0  # a batch that took longer halves the next ones, so that a stop drains within half a minute


class Row(NamedTuple):
    """One completion to generate: of which prompt (an index), and which draw (None = greedy)."""

    item: int
    sample: int | None


Batch = tuple[Row, ...]

# (prompts, batch, sampling) -> the completions of the batch, and the rows that must be generated again by themselves.
# Raises NoMemoryError when the batch does not fit.
Generate = Callable[[Sequence[Prompt], Batch, Sampling], tuple[dict[Row, Completion], list[Row]]]


def draws(prompt: Prompt, sampling: Sampling) -> tuple[int | None, ...]:
    """The completions wanted of a prompt: one greedy one, or the indices of its samples."""
    samples = sampling.samples if prompt.samples is None else prompt.samples
    return tuple(range(samples)) if samples else (None,)


def plan(prompts: Sequence[Prompt], sampling: Sampling, budget: int) -> list[Batch]:
    """Rows in batches of like length, longest first, each at most `budget` tokens (prompt and new, padding included).

    A row that alone exceeds the budget gets a batch to itself. Longest first, so that a lack of memory shows at once.
    Prompts that share a part follow one another, so that it is read once.
    """
    batches: list[Batch] = []
    batch: list[Row] = []
    longest = 0
    for row in (Row(item, sample) for item in _ordered(prompts) for sample in draws(prompts[item], sampling)):
        longest = max(longest, len(prompts[row.item].ids))
        if batch and (len(batch) + 1) * (longest + sampling.max_new_tokens) > budget:
            batches.append(tuple(batch))
            batch, longest = [], len(prompts[row.item].ids)
        batch.append(row)
    return [*batches, tuple(batch)] if batch else batches


def _ordered(prompts: Sequence[Prompt]) -> list[int]:
    """The items, longest first; those with a part in common stand together, where the longest of them belongs."""
    families: dict[tuple[int, ...] | int, list[int]] = {}
    for item in sorted(range(len(prompts)), key=lambda item: (-len(prompts[item].ids), item)):
        families.setdefault(prompts[item].part or item, []).append(item)
    return [item for family in families.values() for item in family]


def split(batch: Batch, most: int) -> list[Batch]:
    """The same rows in the same order, at most `most` at a time."""
    return [batch[start : start + most] for start in range(0, len(batch), most)]


def noise_key(prompt_key: str, sample: int, step: int, seed: int) -> int:
    """A signed 64-bit seed for the noise of one row at one step; nothing else enters it."""
    raw = digest("noise", prompt_key, str(sample), str(step), str(seed))
    return int.from_bytes(bytes.fromhex(raw[:16]), "little", signed=True)


class Batches:
    """Generates rows in batches of at most `budget` tokens, one batch at a time even when several threads ask.

    Batches are halved for good when one does not fit into memory or takes longer than SLOW_SECONDS.
    """

    def __init__(self, generate: Generate, budget: int, clock: Callable[[], float]) -> None:
        self._generate = generate
        self._budget = budget
        self._clock = clock
        self._most_rows = max(1, budget)
        self._lock = threading.Lock()

    def run(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        """(index of a prompt, its completions in the order of the draws), as soon as they are complete."""
        waiting = deque(plan(prompts, sampling, self._budget))
        done: dict[Row, Completion] = {}
        while waiting:
            batch = waiting.popleft()
            with self._lock:
                made, again = self._attempt(batch, prompts, sampling)
            done.update(made)
            waiting.extendleft(reversed(again))
            for item in dict.fromkeys(row.item for row in made):
                rows = [Row(item, sample) for sample in draws(prompts[item], sampling)]
                if all(row in done for row in rows):
                    yield item, tuple(done.pop(row) for row in rows)

    def _attempt(
        self, batch: Batch, prompts: Sequence[Prompt], sampling: Sampling
    ) -> tuple[dict[Row, Completion], list[Batch]]:
        """The completions of a batch, and the smaller batches in which its other rows are still to be generated."""
        if len(batch) > self._most_rows:
            return {}, split(batch, self._most_rows)
        started = self._clock()
        try:
            made, again = self._generate(prompts, batch, sampling)
        except NoMemoryError:
            if len(batch) == 1:
                raise
            self._most_rows = len(batch) // 2
            return {}, split(batch, self._most_rows)
        if self._clock() - started > SLOW_SECONDS:
            self._most_rows = max(1, len(batch) // 2)
        return made, [(row,) for row in again]
