"""Exit codes, and errors as sentences."""

from itertools import permutations
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.cli.main import app
from agent.errors import worst
from agent.schema import EXIT_CODES
from tests.cli.scripted import cliffhanger


def test_the_worst_ending_of_several_traits_gives_the_exit_code() -> None:
    order = (4, 5, 6, 3, 2, 0)
    for codes in permutations(order, 3):
        assert worst(codes) == next(code for code in order if code in codes)
    assert worst([]) == 0


def test_every_exit_code_has_a_rank() -> None:
    assert {worst([code]) for code in EXIT_CODES.values()} == set(EXIT_CODES.values())


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "--experiment"],
        ["run", "--experiment", "x", "--no-such-option"],
        ["run", "--experiment", "x", "--pilot", "many"],
        ["no-such-command"],
        ["toyworld", "serve", "--flips", "2"],
    ],
)
def test_wrong_usage_never_looks_like_a_result(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 64


def test_a_number_out_of_range_is_refused_with_the_option_and_its_limit() -> None:
    done = CliRunner().invoke(app, ["first-tokens", "-e", "x", "-t", "a/b", "--count", "0"])
    assert "'--count' / '-n': Input should be greater than or equal to 1. Try --help." in done.output


@pytest.mark.parametrize("command", ["run", "status", "vet", "failures", "first-tokens"])
def test_a_folder_without_settings_is_named(command: str, tmp_path: Path) -> None:
    trait = ["--traits", "a/b"] if command in ("failures", "first-tokens") else []
    done = cliffhanger(command, tmp_path, *trait)
    assert done.exit_code == 64
    assert "refine.toml" in done.output
    assert "Traceback" not in done.output
    assert list(tmp_path.iterdir()) == []


def test_every_problem_of_the_settings_has_its_own_line(tmp_path: Path) -> None:
    (tmp_path / "refine.toml").write_text('version = 1\ntraits = ["a/b"]\nsed = 1\n[subject]\nmodle = "toyworld"\n')
    done = cliffhanger("run", tmp_path)
    assert done.exit_code == 64
    lines = [line for line in done.output.split("\n") if "refine.toml" in line]
    assert len(lines) >= 2
