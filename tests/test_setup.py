"""The set-up: pins, make's targets, CI's entry, and the guard that keeps every test on this machine."""

import asyncio
import os
import re
import shutil
import socket
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.conftest import ForbiddenConnectionError, is_secret_or_detour, stays_here

pytest_plugins = ["pytester"]

OUTSIDE = "203.0.113.7"  # reserved for documentation: nobody answers there


@pytest.fixture(scope="module")
def project(repository: Path) -> dict:
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pins(repository: Path) -> dict[str, str]:
    lines = (repository / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


@pytest.fixture
def bare(tmp_path: Path, repository: Path) -> Path:
    """A folder with the Makefile and what its set-up depends on, and nothing made yet."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(repository / name, tmp_path)
    return tmp_path


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run as on a terminal of its own: a make that is itself running these tests leaves no trace."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60
    )


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run("make", *arguments, folder=folder)


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


# pins


def test_every_dependency_is_a_range_with_one_pin_inside_it(project: dict, pins: dict[str, str]) -> None:
    wanted = project["project"]["dependencies"] + project["project"]["optional-dependencies"]["dev"]
    pinned = {canonicalize_name(name): pin for name, pin in pins.items()}
    for requirement in map(Requirement, wanted):
        assert requirement.specifier, f"{requirement} takes any version"
        assert "==" not in str(requirement.specifier)
        assert pinned[canonicalize_name(requirement.name)] in requirement.specifier


def test_the_pins_name_exact_versions_and_nothing_of_the_machine_they_came_from(repository: Path) -> None:
    lines = (repository / "constraints.txt").read_text(encoding="utf-8").splitlines()
    odd = [line for line in lines if not re.fullmatch(r"#.*|[A-Za-z0-9_.-]+==[0-9][0-9a-z.]*", line)]
    assert odd == []
    assert "torch==2.13.0" in lines
    assert not re.search(r"://|file:|@|--|/home|/root", "\n".join(lines))


def test_the_tests_run_in_the_environment_that_is_pinned(project: dict, pins: dict[str, str]) -> None:
    pinned = {canonicalize_name(name): pin for name, pin in pins.items()}
    wanted = project["project"]["dependencies"] + project["project"]["optional-dependencies"]["dev"]
    names = {canonicalize_name(Requirement(text).name) for text in wanted}
    installed = {name: version(name) for name in names}
    drifted = {name: found for name, found in installed.items() if found not in SpecifierSet(f"=={pinned[name]}")}
    assert drifted == {}, "run make again: it installs what constraints.txt names"


# what is shipped


def test_the_wheel_lists_every_package_of_the_program(project: dict, repository: Path) -> None:
    folders = {path.parent for path in (repository / "agent").rglob("*.py")}
    packages = {".".join(folder.relative_to(repository).parts) for folder in folders}
    assert set(project["tool"]["setuptools"]["packages"]) == packages | {"agent._prompts"}


# make


@pytest.mark.parametrize("target", ["demo", "test", "check", "train"])
def test_each_target_sets_itself_up_before_it_runs(bare: Path, target: str) -> None:
    plan = make(bare, "-n", target).stdout
    made, torch, project, used = (
        plan.index(text) for text in ("venv --clear .venv", "wheel torch", "-e '.[dev]'", TOOL[target])
    )
    assert made < torch < project < used


TOOL = {
    "demo": "cliffhanger run --experiment experiments/demo",
    "test": "-m pytest",
    "check": "ruff format --check",
    "train": "-m experiments.toyworld.train",
}


def test_check_formats_lints_types_and_holds_the_architecture(bare: Path) -> None:
    plan = make(bare, "-n", "check").stdout
    order = [plan.index(text) for text in ("ruff format --check", "ruff check", "mypy", "tests/test_architecture.py")]
    assert order == sorted(order)


def test_an_old_python_is_refused_in_one_sentence_with_the_remedy(bare: Path) -> None:
    old = script(bare / "old-python", "#!/bin/sh\nexit 1\n")
    done = make(bare, "test", f"PYTHON={old}")
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stderr
    assert "make PYTHON=" in done.stderr
    assert not (bare / ".venv").exists()


@pytest.fixture
def recorded(bare: Path) -> Path:
    """A folder whose .venv holds a stand-in for Python that notes each call and succeeds; returns its notes."""
    log = bare / "calls.txt"
    script(bare / ".venv" / "bin" / "python", f'#!/bin/sh\necho "$@" >> "{log}"\n')
    return log


def test_the_first_make_installs_torch_first_and_the_second_installs_nothing(bare: Path, recorded: Path) -> None:
    assert make(bare, "test").returncode == 0
    first = recorded.read_text().splitlines()
    recorded.unlink()
    assert make(bare, "test").returncode == 0
    assert [line for line in first if "pip install" in line] == [
        "-m pip install -q -c constraints.txt setuptools wheel torch",
        "-m pip install -q -c constraints.txt --no-build-isolation -e .[dev]",
    ]
    (only,) = recorded.read_text().splitlines()
    assert only.startswith("-m pytest")


@pytest.mark.parametrize("changed", ["pyproject.toml", "constraints.txt"])
def test_a_changed_pin_or_dependency_installs_again(bare: Path, recorded: Path, changed: str) -> None:
    make(bare, "test")
    recorded.unlink()
    later = (bare / ".venv" / ".installed").stat().st_mtime + 5
    os.utime(bare / changed, (later, later))
    make(bare, "test")
    assert "pip install" in recorded.read_text()


def test_ci_runs_check_then_test_and_stops_at_the_first_failure(bare: Path, repository: Path) -> None:
    entry = script(bare / ".ci" / "run", (repository / ".ci" / "run").read_text(encoding="utf-8"))
    (bare / "Makefile").write_text("check:\n\t@echo checked\ntest:\n\t@echo tested\n", encoding="utf-8")
    done = run(entry, folder=Path("/"))
    assert (done.returncode, done.stdout) == (0, "checked\ntested\n")
    (bare / "Makefile").write_text("check:\n\t@exit 3\ntest:\n\t@echo tested\n", encoding="utf-8")
    done = run(entry, folder=Path("/"))
    assert done.returncode != 0
    assert done.stdout == ""


def test_ci_is_executable(repository: Path) -> None:
    assert os.access(repository / ".ci" / "run", os.X_OK)


# the guard


def dial(host: str) -> None:
    with socket.socket() as caller:
        caller.connect((host, 80))


def dial_quietly(host: str) -> None:
    with socket.socket() as caller:
        caller.connect_ex((host, 80))


def dial_from_a_loop(host: str) -> None:
    asyncio.run(asyncio.wait_for(asyncio.open_connection(host, 80), timeout=5))


@pytest.mark.parametrize("call", [dial, dial_quietly, dial_from_a_loop])
def test_a_connection_beyond_this_machine_is_an_error_and_is_noted(call, outside_attempts: list[str]) -> None:
    with pytest.raises(ForbiddenConnectionError, match=OUTSIDE):
        call(OUTSIDE)
    assert outside_attempts == [OUTSIDE]
    outside_attempts.clear()


def test_a_look_up_beyond_this_machine_is_an_error(outside_attempts: list[str]) -> None:
    with pytest.raises(ForbiddenConnectionError, match=r"example\.invalid"):
        socket.create_connection(("example.invalid", 443))
    outside_attempts.clear()


def test_a_swallowed_connection_still_fails_its_test(pytester: pytest.Pytester, repository: Path) -> None:
    pytester.makeconftest((repository / "tests" / "conftest.py").read_text(encoding="utf-8"))
    pytester.makepyfile(
        f"""
        import contextlib, socket

        def test_swallows():
            with contextlib.suppress(Exception):
                socket.create_connection(("{OUTSIDE}", 80))
        """
    )
    pytester.runpytest_inprocess().assert_outcomes(passed=1, errors=1)


def test_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1])).close()
    assert all(map(stays_here, ("127.0.0.1", "127.3.2.1", "::1", "::1%lo", b"localhost", None)))
    assert not any(map(stays_here, ("10.0.0.1", "localhost.example.com", "fe80::1%eth0", "8.8.8.8")))


def test_no_test_sees_a_key_or_a_proxy() -> None:
    assert [name for name in os.environ if is_secret_or_detour(name)] == []
    assert all(map(is_secret_or_detour, ("OPENAI_API_KEY", "OPENAI_BASE_URL", "MISTRAL_API_KEY", "https_proxy")))
    assert not is_secret_or_detour("PATH")
