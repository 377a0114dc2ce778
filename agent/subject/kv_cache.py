"""Key-value caches of prompts: copied, stacked into a batch, shared between prompts. No torch but tensors."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from agent.subject.tokenizer import TokenizedPrompt

Ids = tuple[int, ...]


@dataclass
class KVState:
    """A model's state after some rows: its cache, the mask (rows, length) and the next logits (rows, vocabulary)."""

    cache: Any
    mask: Any
    logits: Any

    def select(self, places: Any) -> None:
        """Replace row i by row places[i]; a place may occur often, so that samples share one forward pass."""
        if len(places) != len(self.mask) or len(self.mask) > 1:
            self.cache.reorder_cache(places)
        self.mask, self.logits = self.mask[places], self.logits[places]


class PrefixCache:
    """States of shared prefixes, kept for the current batch and for the next one that needs one of them.

    A text whose openers are spread over batches is computed once. No more is kept than one batch needs. For models
    whose cache is not plain keys and values, nothing is shared.
    """

    def __init__(self, read: Callable[[Ids], KVState]) -> None:
        """`read` computes the state of ids from the start, as one row."""
        self._read = read
        self._kept: dict[Ids, KVState] = {}
        self._plain = True

    def __bool__(self) -> bool:
        return bool(self._kept)

    @contextmanager
    def held(self, prompts: Sequence[TokenizedPrompt]) -> Iterator[None]:
        """Hold the prefixes of these prompts. After an error, which may be a lack of memory, nothing is kept."""
        try:
            self._hold(prompts)
            yield
        except BaseException:
            self._kept = {}
            raise

    def _hold(self, prompts: Sequence[TokenizedPrompt]) -> None:
        """Compute the prefixes that are not kept yet, and drop those that none of the prompts has."""
        wanted = list(dict.fromkeys(prompt.prefix for prompt in prompts if prompt.shared))
        if wanted and all(prefix in self._kept for prefix in wanted):
            return  # a row generated again by itself does not evict the prefixes of its batch
        self._kept = {prefix: self._kept[prefix] for prefix in wanted if prefix in self._kept}
        for prefix in wanted:
            if self._plain and prefix not in self._kept:
                state = self._read(prefix)
                self._plain = _is_plain(state.cache)
                if self._plain:
                    self._kept[prefix] = state

    def copy(self, prompt: TokenizedPrompt) -> KVState | None:
        """A copy of the prefix's state; None where the prompt must be computed from its start."""
        kept = self._kept.get(prompt.prefix)
        return KVState(copy.deepcopy(kept.cache), kept.mask, kept.logits) if kept else None


def stack_rows(states: Sequence[KVState]) -> KVState:
    """States of one row each as one batch, padded on the left. Reuses the first one's cache.

    All caches must be plain ones.
    """
    if len(states) == 1:
        return states[0]
    for layer, *others in zip(*(state.cache.layers for state in states), strict=True):
        layer.keys = _padded([layer.keys, *(other.keys for other in others)])
        layer.values = _padded([layer.values, *(other.values for other in others)])
    masks = _padded([state.mask[:, None, :, None] for state in states])
    logits = _padded([state.logits[:, None, None] for state in states])
    return KVState(states[0].cache, masks[:, 0, :, 0], logits[:, 0, 0])


def _padded(tensors: Sequence[Any]) -> Any:
    """Tensors (1, heads, length, size) as one (rows, heads, greatest length, size), zeros in front."""
    width = max(one.shape[-2] for one in tensors)
    rows = tensors[0].new_zeros((len(tensors), tensors[0].shape[1], width, tensors[0].shape[-1]))
    for row, one in enumerate(tensors):
        rows[row, :, width - one.shape[-2] :] = one[0]
    return rows


def _is_plain(cache: Any) -> bool:
    """Whether every layer holds all keys and values: no window, no quantization, no recurrent state."""
    layers = [type(layer).__name__ for layer in getattr(cache, "layers", ())]
    return type(cache).__name__ == "DynamicCache" and set(layers) == {"DynamicLayer"}
