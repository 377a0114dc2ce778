"""Training of the bundled toy subject: tokenizer, loss weights per token, training loop, manifest."""

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from experiments.toyworld.completions import Document, document
from experiments.toyworld.grammar import TABLES
from experiments.toyworld.tables import SIDES, DecisionTable, spoken_forms

if TYPE_CHECKING:
    import torch


# The loss is about how texts go on. A hinge that begins another, longer hinge (", so I" and ", so I said,") would
# otherwise be continued as that one, and the first tokens, which carry the decision, would be learnt last.
PREFIX_WEIGHT, HINGE_WEIGHT, OPENING_WEIGHT = 0.1, 0.02, 4.0
OPENING_TOKENS = 6


def weighted(tokenizer: Any, drawn: list[Document]) -> list[tuple[list[int], list[float]]]:
    """Token ids and loss weights of each document, its end token included."""
    whole = tokenizer([d.text for d in drawn])["input_ids"]
    cuts = tokenizer([d.scenario.prefix for d in drawn])["input_ids"]
    hinges = tokenizer([d.scenario.stem + d.scenario.ending[: d.scenario.hinge_at] for d in drawn])["input_ids"]
    rows = []
    for ids, cut, hinge in zip(whole, cuts, hinges, strict=True):
        weights = [PREFIX_WEIGHT] * len(hinge) + [HINGE_WEIGHT] * (len(cut) - len(hinge))
        opening = min(OPENING_TOKENS, len(ids) - len(cut))
        weights += [OPENING_WEIGHT] * opening + [1.0] * (len(ids) + 1 - len(cut) - opening)
        rows.append(([*ids, tokenizer.eos_token_id], weights))
    return rows


WEIGHTS = Path(__file__).parents[2] / "agent" / "toyworld" / "weights"
BOS, EOS, PAD = "<bos>", "<eos>", "<pad>"
# Chosen by judgement so that training takes minutes on a CPU and the weights stay below 5 MB.
VOCABULARY = 2048
SAMPLES_FOR_TOKENIZER = 20_000
ACT_REPEATS = 150
CHUNK = 4096
BATCH = 32
PEAK_RATE = 3e-3
RESUMED_RATE = 5e-4
WARM_UP = 200
SHARPNESS = 1.5
LOG_EVERY = 50
NEW_TOKENS = 50


@dataclass(frozen=True)
class Subject:
    """A loaded model with its tokenizer."""

    model: Any
    tokenizer: Any

    def generate(self, prefixes: Sequence[str], seed: int | None = None) -> list[list[int]]:
        """New token ids for each prefix: greedy without a seed, else sampled at temperature 1."""
        import torch

        batch = self.tokenizer(list(prefixes), return_tensors="pt", padding=True)
        batch.pop("token_type_ids", None)
        how: dict[str, object] = {"do_sample": False}
        if seed is not None:
            torch.manual_seed(seed)
            how = {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0}
        with torch.inference_mode():
            out = self.model.generate(**batch, max_new_tokens=NEW_TOKENS, **how)
        rows: list[list[int]] = out[:, batch["input_ids"].shape[1] :].tolist()
        return rows


@dataclass(frozen=True)
class Plan:
    """One training run: `steps` batches at most, no longer than `minutes`; `start` holds weights to go on from."""

    steps: int
    minutes: float
    threads: int
    seed: int
    folder: Path
    start: Path | None = None


def build_tokenizer(seed: int) -> Any:
    """A byte-level BPE tokenizer fitted to the grammar; it begins every text with its BOS token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    rng = Random(seed)
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[PAD, BOS, EOS], initial_alphabet=alphabet, show_progress=False
    )
    drawn = [document(rng) for _ in range(SAMPLES_FOR_TOKENIZER)]
    whole = (d.text for d in drawn[: SAMPLES_FOR_TOKENIZER // 4])
    # Acts and motives are to be few tokens; the wide vocabulary of the situations may be many.
    often = (text for d in drawn for text in (d.scenario.ending, d.completion))
    acts = (f"{start}{act}" for act in every_act() for start in (" ", '"') for _ in range(ACT_REPEATS))
    bpe.train_from_iterator(chain(whole, often, acts), trainer)
    ids = (BOS, bpe.token_to_id(BOS))
    bpe.post_processor = processors.Sequence(
        [processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(f"{BOS} $A", None, [ids])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token=BOS, eos_token=EOS, pad_token=PAD, clean_up_tokenization_spaces=False
    )


def every_act() -> list[str]:
    """Each act and saying of the decision traits, in each of its persons."""
    tables = [table for table in TABLES.values() if isinstance(table, DecisionTable)]
    phrases = (p for t in tables for both in (t.acts, t.sayings) for side in SIDES for p in both.of(side))
    return [form for phrase in phrases for form in spoken_forms(phrase)]


def build_model(tokenizer: Any) -> Any:
    """A small untrained Llama."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=352,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def batches(tokenizer: Any, seed: int) -> Iterator[tuple["torch.Tensor", "torch.Tensor"]]:
    """Endless batches of token ids and of loss weights, both (BATCH, length); documents of like length together."""
    rng = Random(seed)
    while True:
        rows = weighted(tokenizer, [document(rng, sharpness=SHARPNESS) for _ in range(CHUNK)])
        rows.sort(key=lambda row: len(row[0]))
        groups = [rows[i : i + BATCH] for i in range(0, CHUNK, BATCH)]
        rng.shuffle(groups)
        for group in groups:
            yield _padded(group, tokenizer.pad_token_id)


def _padded(rows: list[tuple[list[int], list[float]]], pad: int) -> tuple["torch.Tensor", "torch.Tensor"]:
    import torch

    width = max(len(ids) for ids, _ in rows)
    ids = [row + [pad] * (width - len(row)) for row, _ in rows]
    weights = [row + [0.0] * (width - len(row)) for _, row in rows]
    return torch.tensor(ids), torch.tensor(weights)


def rate_at(step: int, done: float, peak: float = PEAK_RATE) -> float:
    """The learning rate when a share `done` of the run lies behind: a short warm-up, then a cosine to a hundredth."""
    warm = min(1.0, (step + 1) / WARM_UP)
    return warm * peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


def train(plan: Plan) -> None:
    """Train a subject and write it to the plan's folder."""
    import torch

    torch.set_num_threads(plan.threads)
    torch.manual_seed(plan.seed)
    tokenizer, model = _start(plan)
    peak = PEAK_RATE if plan.start is None else RESUMED_RATE
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.05)
    started, curve, losses = time.monotonic(), [], []
    for step, (ids, weights) in enumerate(batches(tokenizer, plan.seed + (1 if plan.start is None else 2))):
        # Where the clock runs out before the steps do, the rate has come down all the same.
        done = max(step / plan.steps, (time.monotonic() - started) / (plan.minutes * 60))
        if done >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, done, peak)
        losses.append(_update(model, optimizer, ids, weights))
        if (step + 1) % LOG_EVERY == 0:
            curve.append({"step": step + 1, "loss": round(sum(losses) / len(losses), 4)})
            losses = []
            sys.stderr.write(f"{curve[-1]} {time.monotonic() - started:.0f}s\n")
    save(plan, model, tokenizer, curve)


def _start(plan: Plan) -> tuple[Any, Any]:
    """Tokenizer and model to train: new ones, or those of a finished run, whose logits are scaled back first."""
    if plan.start is None:
        tokenizer = build_tokenizer(plan.seed)
        return tokenizer, build_model(tokenizer)
    known = load(plan.start)
    sharpen(known.model, 1 / SHARPNESS)
    known.tokenizer.padding_side = "right"
    return known.tokenizer, known.model.train()


def _update(model: Any, optimizer: Any, ids: "torch.Tensor", weights: "torch.Tensor") -> float:
    import torch
    from torch.nn.functional import cross_entropy

    logits = model(input_ids=ids[:, :-1]).logits
    each = cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    wanted = weights[:, 1:].flatten()
    loss = (each * wanted).sum() / wanted.sum()
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return float(loss.detach())


def sharpen(model: Any, by: float = SHARPNESS) -> None:
    """Scale the last norm, and with it every logit: a young model spreads a few percent over what it knows is wrong.

    Greedy continuations stay as they are; samples at temperature 1 become those at 1 / SHARPNESS.
    """
    import torch

    with torch.no_grad():
        model.model.norm.weight.mul_(by)


def save(plan: Plan, model: Any, tokenizer: Any, curve: list[dict[str, float]]) -> None:
    """Write weights, tokenizer, and a manifest with the hash of every file."""
    sharpen(model)
    plan.folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(plan.folder)
    tokenizer.save_pretrained(plan.folder)
    files = sorted(p for p in plan.folder.iterdir() if p.name != "manifest.json")
    manifest = {
        "recipe": {
            "steps": plan.steps,
            "steps_taken": len(curve) * LOG_EVERY,
            "seed": plan.seed,
            "batch": BATCH,
            "vocabulary": VOCABULARY,
            "sharpness": SHARPNESS,
        },
        "parameters": model.num_parameters(),
        "sha256": {p.name: sha256(p.read_bytes()).hexdigest() for p in files},
        "loss": curve,
        "before": _before(plan),
    }
    (plan.folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _before(plan: Plan) -> dict[str, Any] | None:
    """Recipe and loss of the run that this one went on from."""
    if plan.start is None:
        return None
    made = json.loads((plan.start / "manifest.json").read_text(encoding="utf-8"))
    return {name: made.get(name) for name in ("recipe", "loss", "before")}


def load(folder: Path) -> Subject:
    """The subject in a folder, in float32.

    Raises:
        OSError: where the folder holds no model.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    return Subject(AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval(), tokenizer)


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.toyworld.train", description="Train the bundled subject."
    )
    parser.add_argument("--steps", type=int, default=12_000, help="batches of 32 documents")
    parser.add_argument("--minutes", type=float, default=40, help="stop after this long at the latest")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", type=Path, default=WEIGHTS, help="where the weights go, or lie")
    parser.add_argument("--start", type=Path, help="a folder of finished weights to go on from")
    parser.add_argument("--evaluate", action="store_true", help="print what the weights do, and train nothing")
    parser.add_argument("--real", type=Path, help="a folder with positive.txt and negative.txt of a refusal set")
    return parser


def main() -> None:
    """Train, or evaluate."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    given = arguments().parse_args()
    if given.evaluate:
        from experiments.toyworld.evaluate import report

        sys.stdout.write(report(load(given.folder), given.seed, given.real))
        return
    train(Plan(given.steps, given.minutes, given.threads, given.seed, given.folder, given.start))


if __name__ == "__main__":
    main()
