"""What the model has read of some texts: copied, expanded, laid side by side. Needs no torch but the tensors."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from agent.subject.tokenizer import TokenizedPrompt

Ids = tuple[int, ...]


@dataclass
class KVState:
    """What was read of some rows: the model's cache, the mask over it (rows, length) and the next logits, float32."""

    cache: Any
    mask: Any
    logits: Any

    def select(self, places: Any) -> None:
        """Make row i what was row places[i]; a place may occur often, so that samples share one reading."""
        if len(places) != len(self.mask) or len(self.mask) > 1:
            self.cache.reorder_cache(places)
        self.mask, self.logits = self.mask[places], self.logits[places]


class PrefixCache:
    """Readings of the parts that prompts share, kept for the batch at hand and for the next that wants one of them.

    Thus a text whose openers are split over batches is read once. No more is kept than one batch needs. Where a model
    keeps what it read in another form than plain keys and values, nothing is shared.
    """

    def __init__(self, read: Callable[[Ids], KVState]) -> None:
        """`read` reads ids from the start, as one row."""
        self._read = read
        self._kept: dict[Ids, KVState] = {}
        self._plain = True

    def __bool__(self) -> bool:
        return bool(self._kept)

    @contextmanager
    def held(self, prompts: Sequence[TokenizedPrompt]) -> Iterator[None]:
        """Hold what these prompts share. After an error, a lack of memory perhaps, nothing is kept."""
        try:
            self._hold(prompts)
            yield
        except BaseException:
            self._kept = {}
            raise

    def _hold(self, prompts: Sequence[TokenizedPrompt]) -> None:
        """Read what these prompts share, unless it is kept; let go of what none of them starts with."""
        wanted = list(dict.fromkeys(prompt.part for prompt in prompts if prompt.shared))
        if wanted and all(part in self._kept for part in wanted):
            return  # a row generated again by itself does not make the others of its batch lose theirs
        self._kept = {part: self._kept[part] for part in wanted if part in self._kept}
        for part in wanted:
            if self._plain and part not in self._kept:
                state = self._read(part)
                self._plain = _is_plain(state.cache)
                if self._plain:
                    self._kept[part] = state

    def copy(self, prompt: TokenizedPrompt) -> KVState | None:
        """A copy to go on from; None where the prompt must be read from its start."""
        kept = self._kept.get(prompt.part)
        return KVState(copy.deepcopy(kept.cache), kept.mask, kept.logits) if kept else None


def stack_rows(lone: Sequence[KVState]) -> KVState:
    """Readings of one row each as the rows of one, the shorter ones padded on the left. The first one's cache is used.

    All caches must be plain ones.
    """
    if len(lone) == 1:
        return lone[0]
    for layer, *others in zip(*(state.cache.layers for state in lone), strict=True):
        layer.keys = _rows([layer.keys, *(other.keys for other in others)])
        layer.values = _rows([layer.values, *(other.values for other in others)])
    masks = _rows([state.mask[:, None, :, None] for state in lone])
    logits = _rows([state.logits[:, None, None] for state in lone])
    return KVState(lone[0].cache, masks[:, 0, :, 0], logits[:, 0, 0])


def _rows(of_each: Sequence[Any]) -> Any:
    """Tensors (1, heads, length, size) as one (rows, heads, greatest length, size), zeros in front."""
    width = max(one.shape[-2] for one in of_each)
    rows = of_each[0].new_zeros((len(of_each), of_each[0].shape[1], width, of_each[0].shape[-1]))
    for row, one in enumerate(of_each):
        rows[row, :, width - one.shape[-2] :] = one[0]
    return rows


def _is_plain(cache: Any) -> bool:
    """Whether each layer holds the keys and values of all that was read: no window, no quantizing, no running state."""
    layers = [type(layer).__name__ for layer in getattr(cache, "layers", ())]
    return type(cache).__name__ == "DynamicCache" and set(layers) == {"DynamicLayer"}
