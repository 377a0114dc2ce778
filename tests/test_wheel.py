"""The wheel works on its own: built and installed without network, run far from the checkout."""

import json
import os
import shutil
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.slow

SOURCES = ("agent", "prompts", "pyproject.toml", "README.md", "LICENSE")
NOT_SOURCE = shutil.ignore_patterns("__pycache__", "*.pyc", "extraction")

# Loaded by every Python that starts in the environment: any connection beyond loopback ends the program.
NO_NETWORK = """
import sys

def refuse(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if host not in ("127.0.0.1", "::1", "localhost", None):
        sys.exit(f"the wheel's program tried to reach {host}")

sys.addaudithook(refuse)
"""


class Environment(NamedTuple):
    """A fresh environment that holds the wheel, and the folder in which its programs are run."""

    programs: Path
    elsewhere: Path

    def run(self, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
        variables = {name: value for name, value in os.environ.items() if name not in hidden}
        return subprocess.run(
            [self.programs / program, *arguments],
            cwd=self.elsewhere,
            env=variables,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=240,
        )


def pip(*arguments: str | Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"PIP_CONFIG_FILE": os.devnull},
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy, so that the checkout stays as it is."""
    source = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        here = repository / name
        shutil.copytree(here, source / name, ignore=NOT_SOURCE) if here.is_dir() else shutil.copy(here, source)
    built = tmp_path_factory.mktemp("built")
    pip("wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", built, source)
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel in an environment of its own, which sees the dependencies installed here but not the checkout."""
    root = tmp_path_factory.mktemp("environment")
    venv.create(root, with_pip=False)
    pip("--python", root / "bin" / "python", "install", "--no-index", "--no-deps", wheel)
    (packages,) = root.glob("lib/python*/site-packages")
    # A folder named in a .pth file is searched, but .pth files inside it are not run: the checkout's own stays asleep.
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n", encoding="utf-8")
    (packages / "no_network.py").write_text(NO_NETWORK, encoding="utf-8")
    (packages / "no_network.pth").write_text("import no_network\n", encoding="utf-8")
    return Environment(root / "bin", tmp_path_factory.mktemp("elsewhere"))


def test_the_wheel_holds_every_module_prompt_and_the_toy_world(wheel: Path, repository: Path) -> None:
    modules = {path.relative_to(repository).as_posix() for path in (repository / "agent").rglob("*.py")}
    prompts = {f"agent/_prompts/{path.name}" for path in (repository / "prompts").glob("*.md")}
    weights = {f"agent/toyworld/weights/{path.name}" for path in (repository / "agent/toyworld/weights").iterdir()}
    pages = [repository / "agent/review" / name for name in ("report/templates", "web/static", "web/templates")]
    templates = {path.relative_to(repository).as_posix() for folder in pages for path in folder.iterdir()}
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {name for name in names if ".dist-info/" not in name}
    assert prompts
    assert "agent/toyworld/weights/model.safetensors" in weights
    assert shipped == modules | prompts | weights | templates | {"agent/toyworld/lexicon.json"}
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_environment_uses_the_wheel_and_has_no_network(environment: Environment) -> None:
    where = "import agent, json, sys; print(json.dumps([agent.__file__, 'no_network' in sys.modules]))"
    done = environment.run("python", "-c", where)
    file, guarded = json.loads(done.stdout)
    assert Path(file).is_relative_to(environment.programs.parent)
    assert guarded
    done = environment.run("python", "-c", "import socket; socket.create_connection(('203.0.113.7', 80))")
    assert "tried to reach 203.0.113.7" in done.stderr


def test_the_wheel_says_what_it_can_do(environment: Environment) -> None:
    done = environment.run("cliffhanger", "--help")
    assert done.returncode == 0, done.stderr
    assert "run" in done.stdout


def test_the_wheel_plays_a_toy_round_far_from_the_checkout(environment: Environment, repository: Path) -> None:
    experiment = environment.elsewhere / "experiments" / "demo"
    shutil.copytree(repository / "experiments" / "demo", experiment, ignore=NOT_SOURCE)
    if (repository / "datasets").is_dir():
        shutil.copytree(repository / "datasets", environment.elsewhere / "datasets")
    done = environment.run(
        "cliffhanger", "run", "--experiment", experiment, "--traits", "toy/refusal", "--max-rounds", "1"
    )
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    assert "toy/refusal" in said
    refinement = experiment / "extraction" / "toy" / "refusal" / "refinement"
    assert any(path.name.startswith("ledger") for path in refinement.iterdir()), said
