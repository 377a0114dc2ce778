"""The layers of the program: who may import whom, read from the source, and which library belongs to which file."""

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest


class Row(NamedTuple):
    """Which modules a row is about, their layer, and what else of the program they may import."""

    layer: int
    modules: str
    may_import: str = ""


# The first row that matches a module is its row. A pattern names a module and, with .*, what lies inside it.
# Modules of one row may import each other. A new module needs a row here, or a place inside one.
TABLE = (
    Row(0, "agent"),
    Row(1, "agent.schema agent.schema.*"),
    Row(1, "agent.text"),
    Row(1, "agent.toyworld agent.toyworld.*"),
    Row(2, "agent.errors", "schema"),
    Row(2, "agent.stats", "schema"),
    Row(3, "agent.config agent.config.*", "schema text errors"),
    Row(3, "agent.prompts", "schema text errors"),
    Row(3, "agent.storage agent.storage.*", "schema text errors stats"),
    Row(3, "agent.subject agent.subject.*", "schema text errors"),
    Row(4, "agent.llm agent.llm.*", "schema text errors storage"),
    Row(5, "agent.steps agent.steps.*", "schema text errors stats prompts llm"),
    Row(6, "agent.loop agent.loop.*", "schema text errors stats config steps storage"),
    Row(6, "agent.calibration agent.calibration.*", "schema text errors stats steps storage"),
    Row(7, "agent.review agent.review.*", "schema text errors stats storage loop steps"),
    Row(7, "agent.supervision agent.supervision.*", "schema text errors config storage loop llm"),
    Row(8, "agent.export agent.export.*", "schema text errors storage review"),
    Row(
        9,
        "agent.app agent.app.*",
        "schema text errors stats toyworld config prompts storage subject llm steps loop calibration review "
        "supervision export",
    ),
    Row(10, "agent.cli agent.cli.*", "schema text errors stats toyworld config storage llm review supervision app"),
)

# Each of these libraries has its files, and no other file may import it.
OWNERS = {
    "openai": {"agent.llm.transport"},
    "tenacity": {"agent.llm.retry"},
    "filelock": {"agent.storage.durable"},
    "fcntl": {"agent.storage.durable"},
    "torch": {"agent.subject.model", "experiments.toyworld.train"},
    "transformers": {"agent.subject.model", "experiments.toyworld.train"},
}

# What these may reach, however many steps away: the subject buys no answers, the policy decides from history alone.
REACH = {
    "agent.subject.model": ("agent.schema", "agent.errors", "agent.text", "agent.subject"),
    "agent.loop.policy": ("agent.schema", "agent.stats", "agent.text", "agent.errors", "agent.config", "agent.loop"),
}

# The policy, and whatever of the loop it stands on, reads nothing and waits for nothing.
IMPURE = {"asyncio", "io", "os", "pathlib", "random", "shutil", "socket", "sqlite3", "subprocess", "threading", "time"}

# The recipe of the toy subject and its truth lie in experiments/, test equipment in tests/: the program needs neither.
OUTSIDE = {"experiments", "tests"}

# The terminal belongs to the commands and to the live display of a run.
PRINTERS = ("agent.cli", "agent.supervision.display")

# Public types that may have two homes, each with its reason.
SHARED: dict[str, str] = {}

EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}


def module_name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def read_modules(root: Path) -> dict[str, ast.Module]:
    """Every module of the program below root, parsed."""
    paths = sorted((root / "agent").rglob("*.py"))
    return {module_name(path, root): ast.parse(path.read_text(encoding="utf-8"), str(path)) for path in paths}


def imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(module, name taken from it) of every import: at the top, inside functions, for types only."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (("." * node.level + (node.module or ""), alias.name) for alias in node.names)


def arrows(modules: Mapping[str, ast.Module]) -> dict[str, set[str]]:
    """Module → the modules of the program it imports, also those that do not exist."""

    def target(module: str, name: str) -> str:
        return f"{module}.{name}" if f"{module}.{name}" in modules else module

    return {
        source: {target(*pair) for pair in imports(tree) if is_below(pair[0], ["agent"])} - {source}
        for source, tree in modules.items()
    }


def libraries(tree: ast.Module) -> set[str]:
    """Top-level names of all that a module imports."""
    return {module.partition(".")[0] for module, _ in imports(tree)}


def row_of(module: str) -> Row | None:
    return next((row for row in TABLE if any(fnmatchcase(module, pattern) for pattern in row.modules.split())), None)


def reached(start: str, graph: Mapping[str, set[str]]) -> set[str]:
    """All that is executed when a module is imported: what it imports, the packages around that, and so on."""
    found, waiting = set(), [start]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            packages = [module[:dot] for dot in range(len(module)) if module[dot] == "."]
            waiting += [*packages, *graph.get(module, ())]
    return found


def is_below(module: str, packages: Iterable[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def calls(tree: ast.Module) -> set[str]:
    """Names of the functions a module calls, without what stands before the last dot."""
    functions = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {f.id if isinstance(f, ast.Name) else f.attr for f in functions if isinstance(f, ast.Name | ast.Attribute)}


def prints(tree: ast.Module) -> bool:
    """Whether the built-in print is called; a method of that name is something else."""
    functions = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return any(isinstance(function, ast.Name) and function.id == "print" for function in functions)


def forbidden_arrows(graph: Mapping[str, set[str]]) -> Iterator[str]:
    for module, targets in graph.items():
        row = row_of(module)
        if row is None:
            yield f"{module} stands in no layer: give it a row in the table, or a place inside one"
            continue
        allowed = [f"agent.{name}" for name in row.may_import.split()]
        foreign = (target for target in sorted(targets - {"agent"}) if row_of(target) != row)
        yield from (f"{module} imports {target}" for target in foreign if not is_below(target, allowed))


def cycles(graph: Mapping[str, set[str]]) -> Iterator[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield f"a cycle: {' → '.join(error.args[1])}"


def misplaced_libraries(modules: Mapping[str, ast.Module]) -> Iterator[str]:
    for module, tree in modules.items():
        if "typer" in libraries(tree) and not is_below(module, ["agent.cli"]):
            yield f"{module} imports typer, which belongs to agent.cli"
        for library in sorted(libraries(tree) & OWNERS.keys()):
            if module not in OWNERS[library]:
                yield f"{module} imports {library}, which belongs to {', '.join(sorted(OWNERS[library]))}"
        if is_below(module, ["agent.schema"]):
            for library in sorted(libraries(tree) - sys.stdlib_module_names - {"pydantic", "agent"}):
                yield f"{module} imports {library}: the models need pydantic alone"


def too_far(graph: Mapping[str, set[str]]) -> Iterator[str]:
    for start, allowed in REACH.items():
        outside = (module for module in sorted(reached(start, graph)) if not is_below(module, allowed))
        yield from (f"{start} reaches {module}" for module in outside if not is_below(start, [module]))


def impure_policy(modules: Mapping[str, ast.Module], graph: Mapping[str, set[str]]) -> Iterator[str]:
    for module in sorted(reached("agent.loop.policy", graph) & modules.keys()):
        if is_below(module, ["agent.loop"]):
            yield from (f"{module}, under the policy, imports {name}" for name in libraries(modules[module]) & IMPURE)


def outside_imports(modules: Mapping[str, ast.Module]) -> Iterator[str]:
    for module, tree in modules.items():
        yield from (f"{module} imports {name}, which is no part of the program" for name in libraries(tree) & OUTSIDE)


def shared_names(modules: Mapping[str, ast.Module]) -> Iterator[str]:
    """Public classes and types that have more than one home."""
    homes: dict[str, list[str]] = {}
    for module, tree in modules.items():
        for name in types_of(tree):
            homes.setdefault(name, []).append(module)
    for name, where in sorted(homes.items()):
        if len(where) > 1 and name not in SHARED:
            yield f"{name} has {len(where)} homes: {', '.join(where)}"


def types_of(tree: ast.Module) -> set[str]:
    """Public classes and type aliases of a module: names in CamelCase bound at its top, type variables aside."""
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    assigned = [node for node in tree.body if isinstance(node, ast.Assign) and not is_type_variable(node.value)]
    names = {t.id for node in assigned for t in node.targets if isinstance(t, ast.Name)}
    return {name for name in classes | names if re.fullmatch(r"[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*", name)}


def is_type_variable(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "TypeVar"


def habits(modules: Mapping[str, ast.Module]) -> Iterator[str]:
    for module, tree in modules.items():
        if prints(tree) and not is_below(module, PRINTERS):
            yield f"{module} prints: only {' and '.join(PRINTERS)} do"
        if calls(tree) & {"import_module", "__import__"}:
            yield f"{module} imports by a computed name: no table can hold that"
        if any(module.startswith(".") for module, _ in imports(tree)):
            yield f"{module} imports relatively: write agent.…"
        if module.rpartition(".")[2] in EMPTY_NAMES:
            yield f"{module} has a name that says nothing"


def violations(root: Path) -> list[str]:
    """Every breach of the design below root, as sentences."""
    modules = read_modules(root)
    graph = arrows(modules)
    return [
        *forbidden_arrows(graph),
        *cycles(graph),
        *misplaced_libraries(modules),
        *too_far(graph),
        *impure_policy(modules, graph),
        *outside_imports(modules),
        *shared_names(modules),
        *habits(modules),
    ]


def plant(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = root / "agent" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


SOUND = {
    "__init__.py": "",
    "schema.py": "import json\nfrom pydantic import BaseModel\nclass Pair: ...",
    "errors.py": "from agent.schema import Ending",
    "config.py": "from agent.schema import Rules",
    "storage/__init__.py": "",
    "storage/ledger.py": "import sqlite3\nfrom agent.storage.durable import failpoint\nfrom agent import __version__",
    "storage/durable.py": "",
    "llm/__init__.py": "",
    "llm/client.py": "from agent.storage.ledger import Ledger\nfrom agent.llm.retry import retry",
    "llm/retry.py": "def retry():\n    import tenacity",
    "subject/__init__.py": "",
    "subject/model.py": "from agent import schema\nfrom agent.subject import generation\ndef f():\n    import torch",
    "subject/generation.py": "import math",
    "steps/__init__.py": "",
    "steps/vet.py": "import agent.llm.client\nfrom agent.steps.context import StepContext",
    "steps/context.py": "from agent.prompts import PromptBook",
    "loop/policy.py": "from agent.loop.state import fold\nfrom agent.config import Settings",
    "loop/state.py": "from agent.schema import Round",
    "loop/refine.py": "import time\nfrom agent.loop.policy import next_move\nfrom agent.steps import vet",
    "review/proposal.py": "import agent.storage.ledger\nT = TypeVar('T')\nCard = dict[str, str]",
    "app/run.py": "from agent.loop import refine\nfrom agent.toyworld import server\ndisplay.print('a line')",
    "cli/__init__.py": "",
    "cli/main.py": "from agent.app import run\nprint('hello')",
    "toyworld/__init__.py": "",
    "toyworld/server.py": "from agent.toyworld.judge import judge",
    "toyworld/judge.py": "import json",
}

PLANTED = {
    "upward": ("schema.py", "from agent.config import Settings", "agent.schema imports agent.config"),
    "upward inside a function": ("storage/ledger.py", "def f():\n    from agent.cli import main", "imports agent.cli"),
    "upward for types": ("prompts.py", "if TYPE_CHECKING:\n    import agent.steps.vet", "imports agent.steps.vet"),
    "root": ("__init__.py", "from agent.schema import Pair", "agent imports agent.schema"),
    "sideways": ("config.py", "from agent.storage import ledger", "agent.config imports agent.storage.ledger"),
    "skipping a layer": ("steps/vet.py", "import agent.storage.ledger", "agent.steps.vet imports agent.storage.ledger"),
    "subject buys answers": (
        "subject/model.py",
        "from agent.llm import client",
        "agent.subject.model reaches agent.llm",
    ),
    "review acts": ("review/proposal.py", "from agent.app import run", "agent.review.proposal imports agent.app.run"),
    "cycle": ("storage/durable.py", "from agent.storage import ledger", "a cycle: "),
    "no layer": ("vectors.py", "", "agent.vectors stands in no layer"),
    "imports what is not there": ("config.py", "from agent.nowhere import x", "agent.config imports agent.nowhere"),
    "openai": ("llm/scoring.py", "import openai", "agent.llm.scoring imports openai"),
    "tenacity": ("steps/vet.py", "from tenacity import retry", "agent.steps.vet imports tenacity"),
    "torch": ("toyworld/judge.py", "import torch.nn", "agent.toyworld.judge imports torch"),
    "transformers": ("cli/main.py", "import transformers", "agent.cli.main imports transformers"),
    "typer outside the commands": ("app/run.py", "import typer", "agent.app.run imports typer"),
    "models on jinja": ("schema.py", "import jinja2", "agent.schema imports jinja2"),
    "policy acts": ("loop/policy.py", "from agent.steps import vet", "agent.loop.policy reaches agent.steps.vet"),
    "policy by a friend": (
        "loop/state.py",
        "from agent.loop import refine",
        "agent.loop.policy reaches agent.steps.vet",
    ),
    "policy reads the clock": ("loop/state.py", "import time", "agent.loop.state, under the policy, imports time"),
    "toy world leans": ("toyworld/judge.py", "from agent import schema", "agent.toyworld.judge imports agent.schema"),
    "judge reads truth": (
        "toyworld/server.py",
        "from experiments.toyworld import truth",
        "agent.toyworld.server imports experiments, which is no part of the program",
    ),
    "two homes": ("review/cards.py", "class Card: ...", "Card has 2 homes: agent.review.cards, agent.review.proposal"),
    "print": ("loop/refine.py", "print(1)", "agent.loop.refine prints"),
    "computed import": ("config.py", "importlib.import_module('agent.cli')", "agent.config imports by a computed name"),
    "relative": ("loop/refine.py", "from . import policy", "agent.loop.refine imports relatively"),
    "empty name": ("storage/utils.py", "", "agent.storage.utils has a name that says nothing"),
}


def test_the_program_stands_as_designed(repository: Path) -> None:
    assert "agent" in read_modules(repository)
    assert violations(repository) == []


def test_the_table_itself_has_no_arrow_upward_or_along_a_layer() -> None:
    targets = [(row, row_of(f"agent.{name}")) for row in TABLE for name in row.may_import.split()]
    assert [(row, target) for row, target in targets if target is None or target.layer >= row.layer] == []


def test_a_sound_program_has_no_violation(tmp_path: Path) -> None:
    assert violations(plant(tmp_path, SOUND)) == []


@pytest.mark.parametrize(("name", "text", "breach"), PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_violation_is_named(tmp_path: Path, name: str, text: str, breach: str) -> None:
    found = violations(plant(tmp_path, SOUND | {name: f"{SOUND.get(name, '')}\n{text}\n"}))
    assert any(breach in sentence for sentence in found), found
