"""What a folder or a checkpoint is that this program cannot run, with the remedy. No torch."""

import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

ADAPTER = "adapter_config.json"
_SAVE = "load it with transformers and write it with save_pretrained"

# Patterns of other formats: the first that matches a file tells what the folder holds.
_FORMATS = {
    "*.gguf": "a GGUF file, which is for llama.cpp: name the folder or Hugging Face id of the original model",
    "model_index.json": "a diffusion pipeline, which is no language model",
    "tf_model.h5": f"a TensorFlow checkpoint: {_SAVE} (from_tf needs transformers 4), or choose another model",
    "*.ckpt*": f"a TensorFlow checkpoint: {_SAVE} (from_tf needs transformers 4), or choose another model",
    "saved_model.pb": f"a TensorFlow checkpoint: {_SAVE} (from_tf needs transformers 4), or choose another model",
    "flax_model*.msgpack": f"a Flax checkpoint: {_SAVE} (from_flax needs transformers 4), or choose another model",
    "*.onnx": "an ONNX export: name the folder or Hugging Face id of the original model",
    "*.bin": f"a .bin checkpoint, which can run code when it is loaded: {_SAVE} (safetensors), in a place you trust",
    "*.pth": f"a .pth checkpoint, which can run code when it is loaded: {_SAVE} (safetensors), in a place you trust",
    "*.pt": f"a .pt checkpoint, which can run code when it is loaded: {_SAVE} (safetensors), in a place you trust",
}


def other_format(names: Iterable[str], read: Mapping[str, Any]) -> str | None:
    """What files without a config or without safetensors are, and what to do; None where they are unknown.

    `read`: the content of adapter_config.json, if there is one.
    """
    files = sorted(names)
    if ADAPTER in files:
        base = read.get("base_model_name_or_path") or "its base model"
        return (
            f"an adapter (PEFT, LoRA) for {base}, no whole model: merge it (peft: merge_and_unload, then "
            "save_pretrained), and name that folder"
        )
    return next((what for pattern, what in _FORMATS.items() if any(fnmatchcase(f, pattern) for f in files)), None)


def read_json(path: Path) -> Mapping[str, Any]:
    """The object in a JSON file; empty where there is none or where it is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


# By the end of the architecture's name, as transformers names its classes.
_HEADS = {
    "ForSequenceClassification": "classifies texts (a classifier or reward model)",
    "ForTokenClassification": "classifies tokens",
    "ForQuestionAnswering": "marks answers in texts",
    "ForMultipleChoice": "chooses among texts",
    "ForMaskedLM": "fills gaps and reads ahead (an encoder)",
    "ForPreTraining": "fills gaps and reads ahead (an encoder)",
    "RewardModel": "scores texts (a reward model)",
    "ForRewardModel": "scores texts (a reward model)",
    "ForSpeechSeq2Seq": "writes down speech",
    "ForImageClassification": "classifies images",
}
CHOOSE = "Choose a base model that writes text from left to right (a …ForCausalLM) as subject.model."


def other_kind(config: Mapping[str, Any]) -> str | None:
    """Why a model with this config.json cannot continue texts, as a clause about it; None where nothing speaks so."""
    architectures = config.get("architectures")
    name = str(architectures[0]) if isinstance(architectures, list) and architectures else ""
    if config.get("is_encoder_decoder") is True:
        return f"is an encoder-decoder ({name or config.get('model_type')}): it answers a text instead of continuing it"
    does = next((what for end, what in _HEADS.items() if name.endswith(end)), None)
    return f"is a {name}: it {does} and continues none" if does else None
