"""Models and files that cannot continue texts are refused in a sentence that says what they are."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent.errors import UserError
from agent.subject.model import load_subject, load_tokens
from agent.subject.weights import NotDownloadedError, SubjectError, locate
from tests.subject.tiny_model import save_tiny

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}


def save(folder: Path, model: Any) -> str:
    """A tiny tokenizer with another model beside it."""
    save_tiny(folder)
    model.save_pretrained(folder)
    return str(folder)


def refused(place: str) -> str:
    with pytest.raises(SubjectError) as raised:
        load_subject(place)
    return str(raised.value)


def test_a_model_without_a_key_value_cache_is_named(tmp_path):
    from transformers import MambaConfig, MambaForCausalLM

    config = MambaConfig(vocab_size=400, hidden_size=32, num_hidden_layers=2, state_size=8, pad_token_id=0)
    said = refused(save(tmp_path, MambaForCausalLM(config)))
    assert "is a MambaForCausalLM, which gives no key-value cache" in said
    assert "Choose a base model" in said


def test_an_encoder_decoder_is_named(tmp_path):
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(vocab_size=400, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4)
    assert "encoder-decoder (T5ForConditionalGeneration)" in refused(save(tmp_path, T5ForConditionalGeneration(config)))


def test_an_encoder_is_named_whatever_head_it_claims(tmp_path):
    from transformers import BertConfig, BertForMaskedLM, BertLMHeadModel

    config = BertConfig(vocab_size=400, **SMALL)
    assert "is a BertForMaskedLM: it fills gaps" in refused(save(tmp_path / "masked", BertForMaskedLM(config)))
    said = refused(save(tmp_path / "causal", BertLMHeadModel(config)))
    assert "key-value cache" in said or "sees those after it" in said


@pytest.mark.parametrize("architecture", ["LlamaForSequenceClassification", "Qwen2ForRewardModel"])
def test_a_reward_model_is_named(tmp_path, architecture):
    config = json.loads((save_tiny(tmp_path) / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"architectures": [architecture]}))
    assert f"is a {architecture}: it " in refused(str(tmp_path))
    assert "reward model" in refused(str(tmp_path))


def test_a_model_whose_files_lack_its_head_is_never_run_with_a_random_one(tmp_path):
    from transformers import LlamaConfig, LlamaModel

    config = LlamaConfig.from_pretrained(save_tiny(tmp_path))
    LlamaModel(config).save_pretrained(tmp_path)
    assert "no weights for lm_head.weight, which would be random" in refused(str(tmp_path))


def test_a_damaged_file_of_weights_is_named(tmp_path):
    file = save_tiny(tmp_path) / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    assert f"a safetensors file in {tmp_path} is damaged" in refused(str(tmp_path))


def test_a_reason_of_the_library_stands_on_one_line(tmp_path):
    config = json.loads((save_tiny(tmp_path) / "config.json").read_text())
    own = {"model_type": "own", "architectures": ["OwnForCausalLM"]}
    (tmp_path / "config.json").write_text(json.dumps(config | own))
    assert "`own`" in refused(str(tmp_path))
    assert "\n" not in refused(str(tmp_path))


FORMATS = {
    "model-Q4_K_M.gguf": "is a GGUF file, which is for llama.cpp",
    "pytorch_model.bin": "is a .bin checkpoint, which can run code",
    "consolidated.00.pth": "is a .pth checkpoint",
    "tf_model.h5": "is a TensorFlow checkpoint",
    "model.ckpt-1000.index": "is a TensorFlow checkpoint",
    "flax_model.msgpack": "is a Flax checkpoint",
    "decoder_model.onnx": "is an ONNX export",
}


@pytest.mark.parametrize(("name", "said"), FORMATS.items())
@pytest.mark.parametrize("with_config", [True, False])
def test_a_folder_in_another_format_is_named_with_the_remedy(tmp_path, name, said, with_config):
    (tmp_path / name).write_bytes(b"\0")
    if with_config:
        (tmp_path / "config.json").write_text("{}")
    assert said in refused(str(tmp_path))


def test_a_file_in_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF")
    (tmp_path / "model.safetensors").write_bytes(b"\0")
    assert "tiny.gguf is a GGUF file" in refused(str(tmp_path / "tiny.gguf"))
    assert "is a file: name the model's folder" in refused(str(tmp_path / "model.safetensors"))


def test_an_adapter_is_named_with_its_base_model(tmp_path):
    (tmp_path / "adapter_model.safetensors").write_bytes(b"\0")
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "meta/llama", "peft_type": "LORA"}')
    assert "an adapter (PEFT, LoRA) for meta/llama, no whole model: merge it" in refused(str(tmp_path))


def test_the_tokenizer_alone_tells_which_texts_fit_and_downloads_nothing(tmp_path, monkeypatch):
    tokens = load_tokens(str(save_tiny(tmp_path / "tiny")))
    (tmp_path / "tiny" / "model.safetensors").write_bytes(b"\0")
    assert "window of 512" in str(tokens.problem("word " * 600, None, 50))
    assert tokens.problem("He said", None, 50) is None
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(NotDownloadedError, match="not in the local cache"):
        locate("nobody/no-such-model", download=False)


class BrokenClientError(Exception):
    """An error of an HTTP library."""


@pytest.mark.parametrize("error", [ValueError("Unknown scheme for proxy URL"), BrokenClientError("[SSL] certificate")])
def test_an_error_of_the_hubs_http_library_is_a_sentence(monkeypatch, error):
    import huggingface_hub

    def download(*args: object, **kwargs: object) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(UserError, match="org/model could not be downloaded .*SSL_CERT_FILE"):
        locate("org/model")
