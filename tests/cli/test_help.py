"""The help is an overview, and it is fast."""

import os
import resource
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from agent.cli.main import app

COMMANDS = (
    "init",
    "run",
    "status",
    "report",
    "vet",
    "failures",
    "first-tokens",
    "calibrate",
    "toyworld serve",
    "stop",
    "pause",
    "resume",
    "review",
    "apply",
)
COMMANDS += ("decisions export", "decisions import")

# Libraries that --help must not load; building the pydantic models alone takes a fifth of a second.
HEAVY = ("torch", "transformers", "openai", "aiohttp", "jinja2", "starlette", "pydantic", "agent.schema")


def test_help_takes_half_a_second_and_loads_no_heavy_library() -> None:
    program = (
        "import sys\n"
        "from agent.cli.main import main\n"
        "sys.argv = ['cliffhanger', '--help']\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    walls, cpus = [], []
    for _ in range(3):
        began, before = time.perf_counter(), child_seconds()
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
        walls.append(time.perf_counter() - began)
        cpus.append(child_seconds() - before)
        assert done.stderr.strip() == "[]"
    assert min(cpus) < 0.5
    # On a busy machine the wall clock measures the other work.
    assert min(walls) < 0.5 or os.getloadavg()[0] > 0.5


def child_seconds() -> float:
    """Processor time of all children that have ended, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself_with_an_example(command: str) -> None:
    done = CliRunner().invoke(app, [*command.split(), "--help"])
    assert done.exit_code == 0
    assert f"cliffhanger {command}" in done.output
    assert "Example" in done.output


def test_the_help_lists_the_commands_in_the_order_of_use() -> None:
    output = CliRunner().invoke(app, ["--help"]).output
    places = [output.index(f"─ {title} ─") for title in ("Run", "Control", "Review", "Manual steps", "Toy world")]
    assert places == sorted(places)
    assert "Exit codes" in output
    assert "Nothing else changes a dataset" in " ".join(output.split())
