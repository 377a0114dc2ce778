"""The subject's weights: where they are, their identity by content, their size. No torch."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

from agent.errors import UserError
from agent.schema import digest
from agent.subject.formats import ADAPTER, CHOOSE, other_format, other_kind, read_json

TOYWORLD = Path(__file__).resolve().parents[1] / "toyworld" / "weights"
ITEM_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}

# All files that influence completions: downloaded from the hub, and part of the identity of a local folder.
FILES = (
    "model*.safetensors",
    "model.safetensors.index.json",
    "config.json",
    "generation_config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.model",
)
BLOCK = 64 * 1024
BLOCKS = 512
LONGEST_HEADER = 100_000_000  # the limit of the safetensors format, in bytes


class SubjectError(UserError):
    """The subject cannot be loaded or cannot continue a text. The message says why and what to do."""


class NotDownloadedError(SubjectError):
    """A model of the hub that is not on this machine."""


class UnfitTextError(SubjectError):
    """One text that the subject cannot continue. The message says why, without the text."""


class NoMemoryError(SubjectError):
    """The weights, or a batch of texts, do not fit into the device's memory."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"There is not enough memory for {name} ({why}): choose a smaller model, set subject.dtype to bfloat16, or "
            "run it on a device with more memory."
        )


@dataclass(frozen=True)
class Weights:
    """A model on disk: its display name, its folder, and its identity, which does not depend on the folder."""

    name: str
    folder: Path
    identity: str


def locate(model: str, download: bool = True) -> Weights:
    """Find "toyworld", a local folder, or a Hugging Face id (`org/name` or `org/name@revision`, downloaded if needed).

    Raises SubjectError when there is no such model, it is gated, it cannot continue texts or it has no safetensors
    weights; without `download`, NotDownloadedError for a model that is not in the local cache.
    """
    if model == "toyworld":
        return _checked("toyworld", model, TOYWORLD)
    path = Path(model).expanduser()
    if path.is_dir():
        return _checked(path.resolve().name, "local", path)
    if path.is_file():
        what = other_format([path.name], {})
        raise SubjectError(f"{path} is {what}." if what else f"{path} is a file: name the model's folder.")
    if model.startswith(("/", "./", "../", "~")):
        raise SubjectError(f"There is no folder {path}: correct subject.model in refine.toml.")
    return _checked(model, model.partition("@")[0], _download(model, download))


def _checked(name: str, label: str, folder: Path) -> Weights:
    missing = next((file for file in ("config.json", "model*.safetensors") if not any(folder.glob(file))), None)
    names = [file.name for file in folder.iterdir()]
    if missing and (what := other_format(names, read_json(folder / ADAPTER))):
        raise SubjectError(f"{name} in {folder} is {what}.")
    if missing == "config.json":
        raise SubjectError(f"{folder} has no config.json, so it is not a model: correct subject.model in refine.toml.")
    if missing:
        raise SubjectError(
            f"{name} has no safetensors weights ({missing} in {folder}), and other formats can run code when loaded: "
            "convert it with save_pretrained, or choose another model."
        )
    if kind := other_kind(read_json(folder / "config.json")):
        raise SubjectError(f"{name} {kind}. {CHOOSE}")
    # A downloaded snapshot is in a folder named by its commit, which depends on every file's content.
    commit = folder.name if folder.parent.name == "snapshots" else None
    return Weights(name, folder, f"{label}@{commit or _content(folder)}")


def _download(model: str, download: bool) -> Path:
    from huggingface_hub import errors, snapshot_download

    repository, _, revision = model.partition("@")
    patterns = [*FILES, ADAPTER]
    try:
        return Path(
            snapshot_download(
                repository, revision=revision or None, allow_patterns=patterns, local_files_only=not download
            )
        )
    except errors.LocalEntryNotFoundError as error:
        if not download:
            raise NotDownloadedError(f"{model} is not in the local cache yet.") from error
        raise SubjectError(_refusal(model, error)) from error
    except Exception as error:  # noqa: BLE001 - the hub's HTTP library has errors of its own for proxies and certificates
        raise SubjectError(_refusal(model, error)) from error


def _refusal(model: str, error: Exception) -> str:
    """A sentence for the user about a failed download, most specific class first."""
    from huggingface_hub import errors

    repository = model.partition("@")[0]
    sentences = {
        errors.GatedRepoError: f"{repository} is gated: accept its terms at https://huggingface.co/{repository}, "
        "then log in with `hf auth login` or set HF_TOKEN.",
        errors.RevisionNotFoundError: f"{repository} has no revision {model.partition('@')[2]!r}: correct the "
        "part after @ in subject.model.",
        errors.RepositoryNotFoundError: f"Hugging Face has no model {repository}, or hides it from this account: "
        "correct subject.model in refine.toml, or log in with `hf auth login` or set HF_TOKEN if it is private.",
        errors.HFValidationError: f"{model!r} is neither a folder nor a Hugging Face id: correct subject.model.",
        errors.LocalEntryNotFoundError: f"{model} is not in the local cache and Hugging Face cannot be reached"
        f"{_cause(error)}: connect once to download it, or name a local folder in subject.model. {_SURROUNDINGS}",
    }
    reason = next((sentence for kind, sentence in sentences.items() if isinstance(error, kind)), None)
    return reason or f"{model} could not be downloaded ({one_line(error)}): check the free disk space. {_SURROUNDINGS}"


_SURROUNDINGS = "Where set, check HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE, HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE."
_MORE = re.compile(r" For more information check: \S+")  # what the HTTP library adds


def _cause(error: Exception) -> str:
    return f" ({one_line(error.__cause__)})" if error.__cause__ is not None else ""


def one_line(error: BaseException) -> str:
    """An error's message on one line, shortened; its kind where it has none."""
    line = _MORE.sub("", " ".join(str(error).split())) or type(error).__name__
    return line if len(line) <= 200 else f"{line[:200]}…"


def _content(folder: Path) -> str:
    files = sorted({file for pattern in FILES for file in folder.glob(pattern)})
    return digest(*(f"{file.name} {_fingerprint(file)}" for file in files))[:16]


def _fingerprint(file: Path) -> str:
    """SHA-256 of a file's size and blocks: the whole file up to 32 MiB; of larger ones, evenly spaced samples.

    Training changes every tensor, so samples tell two sets of weights apart without reading many gigabytes.
    """
    size = file.stat().st_size
    sha = hashlib.sha256(str(size).encode())
    with file.open("rb") as stream:
        for start in _block_starts(size):
            stream.seek(start)
            sha.update(stream.read(BLOCK))
    return sha.hexdigest()


def _block_starts(size: int) -> Iterator[int]:
    """Offsets to read: every block of a small file, else BLOCKS of them from the first (the header) to the last."""
    if size <= BLOCK * BLOCKS:
        yield from range(0, size, BLOCK)
    else:
        yield from ((size - BLOCK) * index // (BLOCKS - 1) for index in range(BLOCKS))


def bytes_needed(folder: Path, dtype: str) -> int:
    """Bytes that the weights take in memory in this dtype, from the files' headers."""
    return sum(_parameters(file) for file in folder.glob("model*.safetensors")) * ITEM_BYTES[dtype]


def _parameters(file: Path) -> int:
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= min(LONGEST_HEADER, file.stat().st_size):
            raise SubjectError(
                f"{file} is not a complete safetensors file: fetch it again (a clone needs `git lfs pull`)."
            )
        header = json.loads(stream.read(length))
    return sum(prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")


def free_memory() -> int | None:
    """Available main memory in bytes on Linux; None elsewhere."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
