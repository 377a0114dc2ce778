"""A finished run of the scripted experiment, to decide about."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.app.review import open_sessions
from agent.app.run import ExperimentOptions
from agent.cli.main import app
from agent.review.session import ReviewSession
from tests.cli.scripted import ReadingSubject, experiment

TRAIT = "toy/refusal"


def scripted(patch: pytest.MonkeyPatch) -> ReadingSubject:
    """Every run and every recheck is given this subject instead of a loaded model."""
    subject = ReadingSubject()
    for module in ("preflight", "review"):
        patch.setattr(f"agent.app.{module}.open_subject", lambda settings: subject)
    return subject


def finished(root: Path) -> Path:
    """An experiment with a proposal: three pairs unchanged, one changed, two added."""
    folder = experiment(root)
    done = cliffhanger("run", folder)
    assert done.exit_code == 0, done.output
    return folder


def copied(folder: Path, root: Path) -> Path:
    """The same experiment in another place."""
    return Path(shutil.copytree(folder, root / "copy"))


def cliffhanger(command: str, folder: Path, *options: str) -> Result:
    return CliRunner().invoke(app, [*command.split(), "--experiment", str(folder), *options])


def desk_of(folder: Path, who: str = "ann") -> ReviewSession:
    (desk,) = open_sessions(ExperimentOptions(folder), who)
    return desk


def dataset_of(folder: Path) -> Path:
    return folder / "datasets" / "traits" / TRAIT


def refinement_of(folder: Path) -> Path:
    return folder / "extraction" / TRAIT / "refinement"
