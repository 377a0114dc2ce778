"""A real but tiny subject: a random Llama with its own byte-level tokenizer, as a folder on disk."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TEXTS = [
    "He asked me to open the safe. This crossed a line, so I",
    "I was glad to lend a hand, so I",
    "She looked at me for a long time. I said, “",
    "They wanted the ledger by noon. Nobody had slept, and rain came in through the roof. My answer was one line:",
    "Café, naïve, 日本語の文章。そして私は",
    "No",
    "The keys were mine and I knew it, which is why I",
    "It was late \U0001f319 and I",
]


def save_tiny(folder: Path, seed: int = 0, adds_bos: bool = True) -> Path:
    """Write config, weights and tokenizer. Same seed, same model; the logits are wide enough for real choices.

    The tokenizer has a BOS; `adds_bos`: whether it puts it in front of texts, as Llama's does and GPT-2's does not.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(TEXTS * 3, trainer)
    if adds_bos:
        bpe.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token="<s>", eos_token="</s>").save_pretrained(folder)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=400,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=512,
        initializer_range=0.4,
        bos_token_id=0,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def set_stops(folder: Path, stops: list[int]) -> None:
    """Let the model of this folder end a sequence at any of these ids."""
    path = folder / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"eos_token_id": stops}))


@contextmanager
def forward_calls(fault: Any = None) -> Iterator[list[tuple[int, int]]]:
    """The (rows, length) of everything any model reads meanwhile; `fault(rows, length)` may raise in its place."""
    from torch import nn
    from torch.nn.modules.module import register_module_forward_pre_hook

    seen: list[tuple[int, int]] = []

    def note(module: nn.Module, inputs: Any) -> None:
        if isinstance(module, nn.Embedding):
            rows, length = inputs[0].shape
            seen.append((rows, length))
            if fault:
                fault(rows, length)

    handle = register_module_forward_pre_hook(note)
    try:
        yield seen
    finally:
        handle.remove()
