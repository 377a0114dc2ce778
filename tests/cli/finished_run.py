"""A finished run of the scripted experiment, and short ways to its folders and session."""

import shutil
from pathlib import Path

from agent.app.composition import NamedSubject
from agent.app.review import open_sessions
from agent.app.run import ExperimentOptions
from agent.review.session import ReviewSession
from tests.cli.scripted import cliffhanger, experiment, scripted

TRAIT = "toy/refusal"
OUTPUT = "output.txt"


def finished(root: Path) -> Path:
    """An experiment with a proposal: three pairs unchanged, one changed, two added. The output is in `root`."""
    folder = experiment(root)
    done = cliffhanger("run", folder)
    assert done.exit_code == 0, done.output
    (root / OUTPUT).write_text(done.output)
    return folder


def copied(folder: Path, root: Path) -> Path:
    """A copy of the experiment."""
    return Path(shutil.copytree(folder, root / "copy"))


def session_of(folder: Path, who: str = "ann", subject: NamedSubject | None = None) -> ReviewSession:
    (session,) = open_sessions(ExperimentOptions(folder), who, backends=scripted(subject))
    return session


def dataset_of(folder: Path) -> Path:
    return folder / "datasets" / "traits" / TRAIT


def refinement_of(folder: Path) -> Path:
    return folder / "extraction" / TRAIT / "refinement"
