"""One batch on its way: which rows are still open, which came too close to call, what each completion is. No torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from agent.models.batches import Batch, Row, noise_key
from agent.models.tokens import Prompt, Tokens
from agent.models.weights import SubjectError
from agent.schema import Completion, Sampling


@dataclass(frozen=True)
class First:
    """What is recorded of a prompt's first next-token distribution: entropy in bits, and the likeliest (id, share)."""

    entropy: float
    next_tokens: tuple[tuple[int, float], ...]


class Generation:
    """The rows of one batch and the ids each has so far.

    `stops` end a row and are dropped. Where the best two tokens of a row come closer than `margin` logits, a batch of
    several rows could decide otherwise than the row by itself: the row is closed and given back.
    """

    def __init__(
        self, prompts: Sequence[Prompt], batch: Batch, sampling: Sampling, stops: frozenset[int], margin: float
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
        """For each row, where its prompt stands in `items`."""
        return [self.items.index(row.item) for row in self._batch]

    def noise_keys(self) -> list[int]:
        """A seed per row for the noise of this step; none for greedy rows."""
        return [
            noise_key(self._prompts[row.item].key, row.sample, self._step, self._sampling.seed)
            for row in self._batch
            if row.sample is not None
        ]

    def take(self, chosen: Sequence[int], gaps: Sequence[float]) -> None:
        """Append the token chosen for each open row; `gaps`, in logits, is how far behind the second best was."""
        self._step += 1
        for index in sorted(self.open):
            if math.isnan(gaps[index]):
                raise SubjectError("The subject's logits are not numbers: set subject.dtype to float32 or bfloat16.")
            if gaps[index] < self._margin:
                self._close.add(index)
            elif chosen[index] not in self._stops:
                self._new[index].append(chosen[index])
                if self._step < self._sampling.max_new_tokens:
                    continue
            self.open.remove(index)

    def result(self, firsts: Sequence[First], tokens: Tokens) -> tuple[dict[Row, Completion], list[Row]]:
        """The completions, and the rows given back. `firsts` stand in the order of `items`."""
        made = {
            row: self._completion(row, self._new[index], firsts[self.items.index(row.item)], tokens)
            for index, row in enumerate(self._batch)
            if index not in self._close
        }
        return made, [self._batch[index] for index in sorted(self._close)]

    def _completion(self, row: Row, new: list[int], first: First, tokens: Tokens) -> Completion:
        prompt = self._prompts[row.item]
        text = tokens.after(prompt, new)
        return Completion(
            text=text,
            token_ids=tuple(new),
            opening=tokens.after(prompt, new[: self._sampling.first_k]),
            sample=row.sample,
            entropy=first.entropy,
            next_tokens=first.next_tokens,
            exact_boundary=tokens.exact_boundary(prompt, text),
            ends=tokens.ends(prompt, new) if row.sample is None else (),
        )
