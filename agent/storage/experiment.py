"""Experiment folders: the paths of all files, and the completions in responses/."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from agent.errors import UserError
from agent.schema import Completion, FrozenModel, Pair, Polarity, Scenario
from agent.storage.dataset import FileHashes
from agent.storage.durable import write_atomically

_RESPONSES = {Polarity.POSITIVE: "pos.json", Polarity.NEGATIVE: "neg.json"}


class LayoutError(UserError):
    """A file of an experiment that cannot be read, or that would contradict itself if written."""


@dataclass(frozen=True)
class ExperimentFolder:
    """The paths of one trait (and model variant) below experiments/{exp}. Creates nothing."""

    root: Path
    trait: str
    variant: str | None = None

    def __post_init__(self) -> None:
        parts = [*self.trait.split("/"), *([] if self.variant is None else [self.variant])]
        if self.trait.count("/") != 1 or not all(map(_is_safe, parts)):
            raise LayoutError(f"{'/'.join(parts)} cannot be a folder: a trait is category/name, without .. or a root.")

    @property
    def name(self) -> str:
        return self.root.resolve().name

    @property
    def folder(self) -> Path:
        return self.root / "extraction" / self.trait / (self.variant or "")

    @property
    def responses(self) -> Path:
        return self.folder / "responses"

    @property
    def vetting(self) -> Path:
        return self.folder / "vetting"

    @property
    def refinement(self) -> Path:
        return self.folder / "refinement"

    @property
    def ledger_path(self) -> Path:
        return self.refinement / "ledger.sqlite"

    @property
    def stop_file(self) -> Path:
        return self.refinement / "STOP"

    @property
    def pause_file(self) -> Path:
        return self.refinement / "PAUSE"

    def responses_of(self, polarity: Polarity) -> Path:
        return self.responses / _RESPONSES[polarity]


def _is_safe(part: str) -> bool:
    return part not in ("", ".", "..") and not set(part) & set("/\\\0\n")


def variants(root: Path, trait: str) -> list[str]:
    """The model variants of a trait that have been run."""
    return sorted(path.parent.name for path in (root / "extraction" / trait).glob("*/refinement/"))


def heartbeat_file(root: Path, pid: int) -> Path:
    """The heartbeat file of a process that runs traits of an experiment."""
    return root / f"heartbeat-{pid}.json"


def heartbeat_files(root: Path) -> list[Path]:
    """The heartbeat files of all processes of an experiment, dead ones included."""
    return sorted(root.glob("heartbeat-*.json"))


def run_log(root: Path) -> Path:
    """The output of detached runs of an experiment."""
    return root / "run.log"


class GenerationInfo(FrozenModel):
    """How completions were made. `timestamp` is ISO 8601, `temperature` 0.0 for greedy ones."""

    model: str
    dtype: str
    max_new_tokens: int
    timestamp: str
    hashes: FileHashes
    temperature: float = 0.0
    rollouts: int = 1


class Response(FrozenModel):
    """One row of responses/*.json: a prompt and its continuation, which keeps its leading space."""

    prompt: str
    response: str
    system_prompt: str | None = None


def write_responses(
    place: ExperimentFolder, pairs: Sequence[Pair], completions: Mapping[str, Completion], about: GenerationInfo
) -> None:
    """Write pos.json, neg.json and metadata.json, in scenario order. `completions` has scenario keys.

    Raises LayoutError when one is missing: the rows must match the dataset line by line.
    """
    for polarity in Polarity:
        rows = [_response(pair, pair.side(polarity), completions) for pair in pairs]
        write_json(place.responses_of(polarity), [row.model_dump() for row in rows])
    metadata = {
        "model": about.model,
        "dtype": about.dtype,
        "experiment": place.name,
        "trait": place.trait,
        "max_new_tokens": about.max_new_tokens,
        "chat_template": False,
        "rollouts": about.rollouts,
        "temperature": about.temperature,
        "n_pos": len(pairs),
        "n_neg": len(pairs),
        "timestamp": about.timestamp,
        "input_hashes": about.hashes.model_dump(),
    }
    write_json(place.responses / "metadata.json", metadata)


def _response(pair: Pair, scenario: Scenario, completions: Mapping[str, Completion]) -> Response:
    made = completions.get(scenario.key)
    if made is None:
        raise LayoutError(
            f"The {scenario.polarity} of {pair.id} has no completion yet: complete it before writing any."
        )
    return Response(prompt=scenario.text, response=made.text, system_prompt=scenario.system_prompt)


def read_responses(path: Path) -> tuple[Response, ...]:
    """The rows of a responses file, of this program or another; unknown keys are ignored."""
    rows = read_json(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise LayoutError(f"{path} is not a list of responses. Make it again with `cliffhanger vet`.")
    known = [{key: row[key] for key in Response.model_fields if key in row} for row in rows]
    try:
        return TypeAdapter(tuple[Response, ...]).validate_python(tuple(known))
    except ValidationError as error:
        problem = error.errors()[0]
        where = f"row {problem['loc'][0]}, {problem['loc'][-1]}"
        raise LayoutError(f"{path}: {where}: {problem['msg']}. Make it again with `cliffhanger vet`.") from error


def write_json(path: Path, content: object) -> None:
    """JSON in plain ASCII, so that readers in any locale see the same text."""
    write_atomically(path, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode("ascii"))


def read_json(path: Path) -> object:
    """The content of a JSON file. Raises LayoutError where it is missing or invalid."""
    if not path.is_file():
        raise LayoutError(f"There is no {path}. Make it with `cliffhanger vet`.")
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise LayoutError(f"{path} is not JSON: {error}. Make it again with `cliffhanger vet`.") from error
