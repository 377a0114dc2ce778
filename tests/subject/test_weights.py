"""Locating a subject's weights and identifying them; each failure is a sentence with its remedy."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agent.schema import Sampling
from agent.subject.model import load_subject
from agent.subject.weights import BLOCK, BLOCKS, NoMemoryError, SubjectError, bytes_needed, free_memory, locate
from tests.subject.tiny_model import save_tiny


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("original"))


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "model")


class Hub(BaseHTTPRequestHandler):
    """A Hugging Face of three refusals: the models org/gated and org/unknown, and any revision of org/known."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if "org/gated/resolve" in self.path:
            self.refuse(403, "GatedRepo")
        elif "org/gated/tree" in self.path:
            self.answer([{"type": "file", "path": "config.json", "size": 2, "oid": "0" * 40}])
        elif "org/gated" in self.path:
            self.answer({"id": "org/gated", "sha": "0" * 40, "siblings": [{"rfilename": "config.json"}]})
        elif "org/known" in self.path:
            self.refuse(404, "RevisionNotFound")
        else:
            self.refuse(404, "RepoNotFound")

    def refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def answer(self, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing: the client's side is what is tested."""


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def located(model: str, cache: Path, **environment: str) -> str:
    """What `locate` says of a model in a process of its own, whose hub the environment names."""
    program = (
        "import sys\n"
        "from agent.subject.weights import SubjectError, locate\n"
        "try:\n    print(locate(sys.argv[1]).identity)\n"
        "except SubjectError as error:\n    print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, model],
        env={**os.environ, "HF_HOME": str(cache), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("org/gated", "accept its terms at https://huggingface.co/org/gated, then log in with `hf auth login`"),
        ("org/unknown", "Hugging Face has no model org/unknown, or hides it from this account"),
        ("org/known@v9", "org/known has no revision 'v9'"),
    ],
)
def test_each_refusal_of_the_hub_has_its_own_sentence_with_the_remedy(hub, tmp_path, model, sentence):
    assert sentence in located(model, tmp_path, HF_ENDPOINT=hub)


def test_a_model_neither_cached_nor_reachable_is_said_to_be_so(tmp_path):
    said = located("org/model", tmp_path, HF_HUB_OFFLINE="1")
    assert "org/model is not in the local cache and Hugging Face cannot be reached" in said


def test_a_cached_model_is_found_offline_and_identified_by_its_commit(original, tmp_path):
    snapshot = tmp_path / "hub" / "models--org--model" / "snapshots" / ("a" * 40)
    shutil.copytree(original, snapshot)
    refs = snapshot.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text("a" * 40)
    assert located("org/model", tmp_path, HF_HUB_OFFLINE="1") == f"org/model@{'a' * 40}\n"


def test_a_name_that_can_be_no_model_is_said_to_be_so():
    with pytest.raises(SubjectError, match="neither a folder nor a Hugging Face id"):
        locate("no such model!")


@pytest.mark.parametrize("path", ["/no/such/folder", "./no-such-folder", "~/no-such-folder"])
def test_a_folder_that_is_not_there_is_named(path):
    with pytest.raises(SubjectError, match=r"There is no folder .*no.such.folder: correct subject\.model"):
        locate(path)


def test_weights_in_another_format_than_safetensors_are_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(SubjectError, match=r"is a \.bin checkpoint, .*write it with save_pretrained"):
        load_subject(str(folder))


def test_a_folder_without_a_config_is_no_model(folder):
    (folder / "config.json").unlink()
    with pytest.raises(SubjectError, match=r"has no config\.json"):
        load_subject(str(folder))


def test_a_pointer_in_place_of_the_weights_is_recognised(folder):
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n")
    with pytest.raises(SubjectError, match="git lfs pull"):
        load_subject(str(folder))


def test_code_in_a_models_folder_never_runs(folder, tmp_path):
    config = json.loads((folder / "config.json").read_text())
    remote = {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "unheard_of", "auto_map": remote}))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(SubjectError, match="without remote code"):
        load_subject(str(folder))
    assert not (tmp_path / "ran").exists()


def test_weights_larger_than_the_memory_are_refused_before_loading(folder):
    header = json.dumps({"w": {"dtype": "F32", "shape": [10**9, 10**6], "data_offsets": [0, 0]}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(NoMemoryError, match=r"its weights take 4000000\.0 GB in float32"):
        load_subject(str(folder))


def test_the_memory_needed_is_read_from_the_header(original):
    from transformers import AutoModelForCausalLM

    parameters = sum(tensor.numel() for tensor in AutoModelForCausalLM.from_pretrained(original).parameters())
    assert bytes_needed(original, "float32") == 4 * parameters
    assert bytes_needed(original, "bfloat16") == 2 * parameters


def test_the_free_memory_is_known_on_linux():
    free = free_memory()
    assert free is None if sys.platform != "linux" else free > 0


@pytest.mark.parametrize("file", ["config.json", "generation_config.json", "tokenizer.json", "model.safetensors"])
def test_a_change_of_any_file_that_matters_is_another_subject(original, folder, file):
    content = bytearray((folder / file).read_bytes())
    content[-3] ^= 1
    (folder / file).write_bytes(content)
    assert locate(str(folder)).identity != locate(str(original)).identity


def test_files_that_do_not_matter_leave_the_identity_alone(original, folder):
    (folder / "README.md").write_text("about this model")
    assert locate(str(folder)).identity == locate(str(original)).identity


def test_a_large_file_is_sampled_from_its_first_to_its_last_block(original, folder):
    weights = folder / "model.safetensors"
    with weights.open("r+b") as stream:
        stream.truncate(3 * BLOCK * BLOCKS)
    seen = {locate(str(folder)).identity}
    for start in (0, -1):
        with weights.open("r+b") as stream:
            stream.seek(start, os.SEEK_SET if start == 0 else os.SEEK_END)
            stream.write(b"x")
        seen.add(locate(str(folder)).identity)
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [({"dtype": "int8"}, "subject.dtype is 'int8'"), ({"device": "cuda:x"}, "subject.device is 'cuda:x'")],
)
def test_an_unknown_dtype_or_device_is_named_with_the_choices(original, setting, sentence):
    with pytest.raises(SubjectError, match=sentence):
        load_subject(str(original), **setting)


def test_auto_loads_the_subject_on_a_device_that_is_there(original):
    assert load_subject(str(original), device="auto").complete([("No", None)], Sampling(max_new_tokens=2))


def test_importing_the_subject_imports_no_torch():
    program = "import sys, agent.subject.model; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
