"""The subject: a Hugging Face causal LM in process. The completion of a text does not depend on its batch.

The first next-token distribution is computed for each text alone: on one machine it is equal to the last bit each time.
A text with an opener is computed in two parts, the opener on a copy of the text's cache, whether other openers share it
or not. The rest is generated in batches, whose arithmetic differs from that of a single row in the last digits. A row
in which two tokens ever came closer than MARGIN is therefore generated again by itself, and that result counts.

This holds in float32, the default. In bfloat16 and float16 the differences are as large as many real gaps between
tokens, so batched rows are kept: another batch may give another completion. Store completions when made.
"""

import inspect
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from agent.schema import Completion, Opener, Sampling
from agent.subject.formats import CHOOSE
from agent.subject.generation import (
    NOT_NUMBERS,
    TEXT_FAULTS,
    Batch,
    Batches,
    FirstTokenDistribution,
    Generation,
    GenerationRow,
    describe,
    failed,
    sample_tokens,
    with_float64,
)
from agent.subject.kv_cache import KVState, PrefixCache, stack_rows
from agent.subject.tokenizer import TokenizedPrompt, Tokens
from agent.subject.weights import (
    NoMemoryError,
    SubjectError,
    UnfitTextError,
    Weights,
    bytes_needed,
    free_memory,
    locate,
    one_line,
)

if TYPE_CHECKING:
    from torch import Tensor


METHOD = "1"  # version of prompting, sampling and near-ties; part of the signature
METHOD_OF_OWN_START = "2"  # the same, where version 1 began with a BOS that the tokenizer does not put there
MARGIN = {"float32": 1e-3, "bfloat16": 0.0, "float16": 0.0}  # in logits
TOP = 32  # how many tokens of the first distribution are recorded

_PLAIN_TEXT = "I opened the door and looked outside, and"
_DEVICE_REMEDY = 'check the device and its driver, restart the run, or set subject.device to "cpu".'
_OUT_OF_MEMORY = ("DefaultCPUAllocator", "MPS backend out of memory")

PromptText = tuple[str, str | None]  # (text, system prompt)


def load_subject(
    model: str, dtype: str = "float32", device: str = "cpu", batch_tokens: int = 4096
) -> "HuggingFaceSubject":
    """Load "toyworld", a folder or a Hugging Face id; safetensors only, and never code from the model's repository.

    `dtype` is float32, bfloat16 or float16; `device` is one that `choose_device` knows. Raises SubjectError.
    """
    if dtype not in MARGIN:
        raise SubjectError(f"subject.dtype is {dtype!r}: set it to one of {', '.join(MARGIN)}.")
    place = _available_device(device)
    weights = locate(model)
    with _device_errors(place):
        _check_memory(weights, dtype, place)
        tokenizer, model_itself = _load(weights, dtype, place)
        _require_causal(model_itself, weights.name)
    tokens = Tokens(tokenizer, *_limits(model_itself.config))
    # Without the device: the noise is computed from integers, and a GPU's rounding differs from a CPU's as that of two
    # batches does. A ledger moved to a faster machine keeps its completions.
    signature = f"{weights.identity}/{dtype}/{METHOD_OF_OWN_START if tokens.forced_start else METHOD}"
    return HuggingFaceSubject(_TorchModel(model_itself, tokens, dtype, weights.name), signature, batch_tokens)


def choose_device(setting: str, cuda_devices: int, has_mps: bool) -> str:
    """The torch device for subject.device, given what torch finds. Raises SubjectError where it is not there.

    "auto" takes CUDA or the CPU, never MPS: there the arithmetic has not been compared with that of the CPU.
    """
    name, _, number = setting.partition(":")
    if setting == "auto":
        return "cuda" if cuda_devices else "cpu"
    if setting == "mps" and not has_mps:
        raise SubjectError('torch finds no MPS device (it needs an Apple chip and macOS): set subject.device to "cpu".')
    if setting in ("cpu", "mps"):
        return setting
    if name != "cuda" or not (number.isascii() and number.isdigit() or setting == "cuda"):
        raise SubjectError(f"subject.device is {setting!r}: set it to auto, cpu, cuda, cuda:0 (or another) or mps.")
    if not cuda_devices:
        raise SubjectError('torch finds no CUDA device: set subject.device to "cpu", or install a CUDA build of torch.')
    if number and int(number) >= cuda_devices:
        raise SubjectError(
            f"torch finds no {setting}: set subject.device to one of "
            f"{', '.join(f'cuda:{index}' for index in range(cuda_devices))}."
        )
    return setting


def _available_device(setting: str) -> str:
    import torch

    return choose_device(setting, torch.cuda.device_count(), torch.backends.mps.is_available())


def _check_memory(weights: Weights, dtype: str, place: str) -> None:
    import torch

    free = torch.cuda.mem_get_info(place)[0] if place.startswith("cuda") else free_memory()
    needed = bytes_needed(weights.folder, dtype)
    if free is not None and needed > free:
        why = f"its weights take {needed / 1e9:.1f} GB in {dtype}, {free / 1e9:.1f} GB is free"
        raise NoMemoryError(weights.name, why)


def _load(weights: Weights, dtype: str, place: str) -> tuple[Any, Any]:
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer

    safe: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    try:
        with _memory_errors(weights.name, "loading it failed"), _no_progress_bars():
            tokenizer = AutoTokenizer.from_pretrained(weights.folder, **safe)
            model, found = AutoModelForCausalLM.from_pretrained(
                weights.folder, dtype=getattr(torch, dtype), use_safetensors=True, output_loading_info=True, **safe
            )
            if missing := sorted(found["missing_keys"]):
                raise ValueError(f"its files have no weights for {', '.join(missing[:3])}, which would be random")
            return tokenizer, model.to(place).eval()
    except SafetensorError as error:
        why = f"{weights.name}: a safetensors file in {weights.folder} is damaged ({one_line(error)})"
        raise SubjectError(f"{why}: fetch it again.") from error
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise SubjectError(_not_loaded(weights, error)) from error


def _not_loaded(weights: Weights, error: Exception) -> str:
    return (
        f"{weights.name} in {weights.folder} could not be loaded ({one_line(error)}): check that it is a causal "
        "language model which the installed transformers knows without remote code, with its tokenizer beside it."
    )


def load_tokens(model: str) -> Tokens:
    """The tokenizer of a subject with its model's limits, without the weights; nothing is downloaded.

    Raises SubjectError, and its subclass NotDownloadedError for a model that is not on this machine.
    """
    from transformers import AutoConfig, AutoTokenizer

    weights = locate(model, download=False)
    safe: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    try:
        config = AutoConfig.from_pretrained(weights.folder, **safe)
        return Tokens(AutoTokenizer.from_pretrained(weights.folder, **safe), *_limits(config))
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise SubjectError(_not_loaded(weights, error)) from error


def _limits(config: Any) -> tuple[int | None, int | None]:
    """(context length in tokens, number of ids) of a model, None where it has none."""
    text = config.get_text_config(decoder=True)
    return getattr(text, "max_position_embeddings", None), getattr(text, "vocab_size", None)


def _require_causal(model: Any, name: str) -> None:
    """Raise SubjectError for a model that keeps no key-value cache, or whose tokens see those after them."""
    import torch

    ids = torch.tensor([[0, 1], [0, 2]], device=model.device)
    try:
        with torch.inference_mode(), _memory_errors(name, "two tokens do not fit beside it"):
            out = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=True)
    except (TypeError, ValueError, LookupError) as error:  # it wants other inputs than text
        raise SubjectError(f"{name} cannot read two tokens ({describe(error)}). {CHOOSE}") from error
    kind = type(model).__name__
    cache = getattr(out, "past_key_values", None)
    if cache is None:
        raise SubjectError(
            f"{name} is a {kind}, which gives no key-value cache (past_key_values) to continue from: state-space and "
            f"recurrent models such as Mamba and RWKV have none, encoders neither. {CHOOSE}"
        )
    first = out.logits[:, 0].float()
    if not torch.allclose(first[0], first[1], rtol=1e-2, atol=1e-2) and not first.isnan().any():
        raise SubjectError(f"{name} is a {kind} in which a token sees those after it (an encoder). {CHOOSE}")


@contextmanager
def _device_errors(place: str) -> Iterator[None]:
    """Turn a fault of the device into SubjectError: CUDA and MPS have sentences for it, some of them with a class."""
    try:
        yield
    except RuntimeError as error:
        raise SubjectError(f"The device {place} failed ({describe(error)}): {_DEVICE_REMEDY}") from error


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """Disable the library's progress bars while loading: a run has its own display."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


@contextmanager
def _memory_errors(name: str, why: str) -> Iterator[None]:
    """Turn a lack of memory into NoMemoryError: CUDA has a class for it, CPU and MPS only a sentence."""
    import torch

    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or any(sign in str(error) for sign in _OUT_OF_MEMORY):
            raise NoMemoryError(name, why) from error
        raise


class HuggingFaceSubject:
    """A causal LM that continues texts. Threads may share it: one batch runs at a time.

    `signature` identifies weights, tokenizer, dtype and method; `name` is for display.
    """

    def __init__(
        self, model: "_TorchModel", signature: str, batch_tokens: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = model.name
        self.signature = signature
        self.start = model.tokens.start
        self._tokens = model.tokens
        self._batches = Batches(model.generate, batch_tokens, clock, model.check)

    def complete(
        self, texts: Sequence[PromptText], sampling: Sampling, openers: Sequence[Opener] = ()
    ) -> list[tuple[Completion, ...]]:
        """Continue each (text, system prompt); one tuple per text, in order: the greedy completion, or all samples.

        With `openers`, one per text, text and opener are continued together, with the opener's number of samples. The
        first 4 of 8 samples are those of 4. A text that cannot be continued gets completions with the `failure`. Raises
        SubjectError where no text can be continued any more.
        """
        done = dict(self.stream(texts, sampling, openers))
        return [done[index] for index in range(len(texts))]

    def problem(self, text: str, system_prompt: str | None, new: int) -> str | None:
        """Why `new` tokens cannot follow a text, as far as the tokenizer can tell; None if they can."""
        return self._tokens.problem(text, system_prompt, new)

    def stream(
        self, texts: Sequence[PromptText], sampling: Sampling, openers: Sequence[Opener] = ()
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        """Like `complete`, but yields (index into `texts`, completions) after each batch, so a run can store and stop.

        A text that occurs twice is continued once, and computed once for all its openers.
        """
        if (sampling.samples or openers) and sampling.temperature <= 0:
            raise SubjectError(f"Samples need a temperature above 0, not {sampling.temperature}.")
        places: dict[tuple[PromptText, Opener | None], list[int]] = {}
        of_each: Sequence[Opener | None] = openers or [None] * len(texts)
        for index, asked in enumerate(zip(texts, of_each, strict=True)):
            places.setdefault(asked, []).append(index)
        prompts, indices = [], []
        for (text, opener), own in places.items():
            try:
                prompts.append(self._tokens.prompt(*text, sampling.max_new_tokens, opener))
                indices.append(own)
            except UnfitTextError as error:
                count = opener.samples if opener else sampling.samples
                drawn = tuple(failed(str(error), sample) for sample in (range(count) if count else (None,)))
                yield from ((index, drawn) for index in own)
        for item, completions in self._batches.run(prompts, sampling):
            yield from ((index, completions) for index in indices[item])


class _TorchModel:
    """The torch model of `generate`: left padding, explicit positions, stop tokens."""

    def __init__(self, model: Any, tokens: Tokens, dtype: str, name: str) -> None:
        self.name = name
        self.tokens = tokens
        self._margin = MARGIN[dtype]
        self._model = model
        self._accepted = set(inspect.signature(model.forward).parameters)
        self._stops = _stops(model, tokens)
        self._prefixes = PrefixCache(lambda ids: self._read([ids]))

    def generate(
        self, prompts: Sequence[TokenizedPrompt], batch: Batch, sampling: Sampling
    ) -> tuple[dict[GenerationRow, Completion], list[GenerationRow]]:
        """See generation.Generate."""
        import torch

        rows = Generation(prompts, batch, sampling, self._stops, self._margin)
        own = [prompts[item] for item in rows.items]
        lacking = _memory_errors(self.name, f"{len(batch)} texts at once do not fit")
        with torch.inference_mode(), lacking, self._prefixes.held(own):
            state, firsts = self._start(own, rows.places)
            while True:
                chosen, gaps = sample_tokens(state.logits, rows.noise_keys(), sampling.temperature)
                rows.append(chosen, gaps)
                if not rows.open:
                    return rows.result(firsts, self.tokens)
                self._extend([(token,) for token in chosen], state)

    def check(self, error: Exception) -> None:
        """Raise SubjectError if a plain text fails too: then `error` is no fault of the text that it occurred with."""
        import torch

        try:
            with torch.inference_mode(), _memory_errors(self.name, "not even a plain text fits"):
                state = self._read([self.tokens.prompt(_PLAIN_TEXT, None, 1).ids])
            broken = bool(state.logits.isnan().any())
        except TEXT_FAULTS as again:
            raise SubjectError(f"The subject fails on every text ({describe(again)}): {_DEVICE_REMEDY}") from error
        if broken:
            raise SubjectError(NOT_NUMBERS) from error

    def _start(
        self, prompts: Sequence[TokenizedPrompt], places: Sequence[int]
    ) -> tuple[KVState, list[FirstTokenDistribution]]:
        """The state of a batch, with a row for each of `places` in `prompts`, and the prompts' first distributions."""
        import torch

        state = stack_rows([self._alone(prompt) for prompt in prompts]) if self._prefixes else self._together(prompts)
        firsts = [_first_token(row) for row in state.logits]
        state.select(torch.tensor(places, device=state.mask.device))
        return state, firsts

    def _together(self, prompts: Sequence[TokenizedPrompt]) -> KVState:
        """The state of all prompts in one batch, with the logits of each prompt computed by itself."""
        import torch

        logits = []
        for prompt in prompts:
            state = self._read([prompt.ids])
            logits.append(state.logits)
        if len(prompts) > 1:
            state = self._read([prompt.ids for prompt in prompts])
        state.logits = torch.cat(logits)
        return state

    def _alone(self, prompt: TokenizedPrompt) -> KVState:
        """The state of one prompt, computed on a copy of its prefix's state."""
        state = self._prefixes.copy(prompt)
        if state is None:
            return self._read([prompt.ids])
        self._extend([prompt.ids[prompt.shared :]], state)
        return state

    def _read(self, prompts: Sequence[tuple[int, ...]]) -> KVState:
        """The state of prompts of ids from the start, padded on the left."""
        import torch

        width = max(map(len, prompts))
        ids = torch.tensor([(0,) * (width - len(prompt)) + prompt for prompt in prompts])
        mask = torch.tensor([(0,) * (width - len(prompt)) + (1,) * len(prompt) for prompt in prompts])
        state = KVState(None, mask.to(self._model.device), torch.empty(0))
        self._forward(ids, (state.mask.cumsum(-1) - 1).clamp(min=0), state)
        return state

    def _extend(self, rows: Sequence[tuple[int, ...]], state: KVState) -> None:
        """Add ids to a state, the same number to each row."""
        import torch

        ids = torch.tensor(rows)
        state.mask = torch.cat([state.mask, state.mask.new_ones(ids.shape)], dim=-1)
        self._forward(ids, state.mask.cumsum(-1)[:, -ids.shape[1] :] - 1, state)

    def _forward(self, ids: "Tensor", positions: "Tensor", state: KVState) -> None:
        # Models differ in their arguments: one with relative positions takes no position ids.
        optional = {"position_ids": positions, "logits_to_keep": 1}
        out = self._model(
            input_ids=ids.to(self._model.device),
            attention_mask=state.mask,
            past_key_values=state.cache,
            use_cache=True,
            **{name: value for name, value in optional.items() if name in self._accepted},
        )
        state.cache, state.logits = out.past_key_values, out.logits[:, -1].float()


def _stops(model: Any, tokens: Tokens) -> frozenset[int]:
    """Every id that ends a sequence: the tokenizer's, and the model's own, of which there may be several."""
    own = model.generation_config.eos_token_id
    several = own if isinstance(own, list) else [own]
    return frozenset(int(stop) for stop in (*several, tokens.eos) if stop is not None)


def _first_token(logits: "Tensor") -> FirstTokenDistribution:
    """One distribution at temperature 1, without noise. `logits` has shape (vocabulary,)."""
    import torch

    shares = with_float64(logits).double().softmax(-1)
    top = shares.topk(min(TOP, len(shares)))
    likeliest = zip(top.indices.tolist(), top.values.tolist(), strict=True)
    entropy = float(torch.special.entr(shares).sum()) / math.log(2)
    return FirstTokenDistribution(
        round(entropy, 6), tuple((token, float(f"{share:.6g}")) for token, share in likeliest)
    )
