"""The floors of the house: who may import whom, read from the source, and which library belongs to which file."""

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest


class Row(NamedTuple):
    """Which modules a row is about, the floor they stand on, and what else of the program they may import."""

    floor: int
    modules: str
    may_import: str = ""


# The first row that matches a module is its row. A pattern names a module and, with .*, what lies inside it.
# Modules of one row may import each other. A new module needs a row here, or a place inside one.
TABLE = (
    Row(0, "agent"),
    Row(1, "agent.schema agent.schema.*"),
    Row(1, "agent.toyworld agent.toyworld.*"),
    Row(2, "agent.config agent.config.*", "schema"),
    Row(2, "agent.prompts agent.prompts.*", "schema"),
    Row(2, "agent.record agent.record.*", "schema"),
    Row(3, "agent.models agent.models.*", "schema record"),
    Row(4, "agent.steps agent.steps.*", "schema prompts models"),
    Row(5, "agent.loop agent.loop.*", "schema config steps models record"),
    Row(5, "agent.review agent.review.*", "schema record"),
    Row(6, "agent.cli agent.cli.*", "schema toyworld config prompts record models steps loop review"),
)

# Each of these libraries has its files, and no other file may import it.
OWNERS = {
    "openai": {"agent.models.line"},
    "tenacity": {"agent.models.llm"},
    "torch": {"agent.models.subject", "agent.toyworld.train"},
    "transformers": {"agent.models.subject", "agent.toyworld.train"},
}

# What these may reach, however many steps away: the subject buys no answers, the policy decides from history alone.
REACH = {
    "agent.models.subject": ("agent.schema", "agent.models"),
    "agent.loop.policy": ("agent.schema", "agent.config", "agent.loop"),
}

# The policy, and whatever of the loop it stands on, reads nothing and waits for nothing.
IMPURE = {"asyncio", "io", "os", "pathlib", "random", "shutil", "socket", "sqlite3", "subprocess", "threading", "time"}

# The toy judge and author read the request and the lexicon file; what a phrase truly means is out of their reach.
READERS = ("agent.toyworld.endpoint*", "agent.toyworld.toy_*")

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


def forbidden_arrows(graph: Mapping[str, set[str]]) -> Iterator[str]:
    for module, targets in graph.items():
        row = row_of(module)
        if row is None:
            yield f"{module} stands on no floor: give it a row in the table, or a place inside one"
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
        for library in sorted(libraries(tree) & OWNERS.keys()):
            if module not in OWNERS[library]:
                yield f"{module} imports {library}, which belongs to {', '.join(sorted(OWNERS[library]))}"
        if is_below(module, ["agent.schema"]):
            for library in sorted(libraries(tree) - sys.stdlib_module_names - {"pydantic", "agent"}):
                yield f"{module} imports {library}: the nouns stand on pydantic alone"


def too_far(graph: Mapping[str, set[str]]) -> Iterator[str]:
    for start, allowed in REACH.items():
        outside = (module for module in sorted(reached(start, graph)) if not is_below(module, allowed))
        yield from (f"{start} reaches {module}" for module in outside if not is_below(start, [module]))


def impure_policy(modules: Mapping[str, ast.Module], graph: Mapping[str, set[str]]) -> Iterator[str]:
    for module in sorted(reached("agent.loop.policy", graph) & modules.keys()):
        if is_below(module, ["agent.loop"]):
            yield from (f"{module}, under the policy, imports {name}" for name in libraries(modules[module]) & IMPURE)


def truth_within_reach(graph: Mapping[str, set[str]]) -> Iterator[str]:
    for reader in (module for module in graph if any(fnmatchcase(module, pattern) for pattern in READERS)):
        for module in sorted(reached(reader, graph) - {"agent", "agent.toyworld"}):
            if not any(fnmatchcase(module, pattern) for pattern in READERS):
                yield f"{reader} reaches {module}: the toy judge would know the truth it is to find"


def habits(modules: Mapping[str, ast.Module]) -> Iterator[str]:
    for module, tree in modules.items():
        if "print" in calls(tree) and not is_below(module, ["agent.cli"]):
            yield f"{module} prints: only agent.cli does"
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
        *truth_within_reach(graph),
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
    "schema.py": "import json\nfrom pydantic import BaseModel",
    "config.py": "from agent.schema import Rules",
    "record/__init__.py": "",
    "record/ledger.py": "import sqlite3\nfrom agent.record.points import point\nfrom agent import schema, __version__",
    "record/points.py": "",
    "models/__init__.py": "",
    "models/llm.py": "from agent.record.ledger import Ledger\ndef client():\n    import tenacity",
    "models/subject.py": "from agent import schema\nfrom agent.models import batches\ndef f():\n    import torch",
    "models/batches.py": "import math",
    "steps/vet.py": "import agent.models.llm\nfrom agent.steps.bench import Bench",
    "steps/bench.py": "from agent.prompts import PromptBook",
    "loop/policy.py": "from agent.loop.standing import fold\nfrom agent.config import Settings",
    "loop/standing.py": "from agent.schema import Round",
    "loop/refine.py": "import time\nfrom agent.loop.policy import next_move\nfrom agent.steps import vet",
    "review/proposal.py": "import agent.record.ledger",
    "cli/__init__.py": "from agent.loop import refine\nfrom agent.toyworld import endpoint\nprint('hello')",
    "toyworld/__init__.py": "",
    "toyworld/endpoint.py": "from agent.toyworld.endpoint_judge import judge",
    "toyworld/endpoint_judge.py": "import json",
    "toyworld/grammar.py": "",
    "toyworld/train.py": "import torch\nfrom agent.toyworld import grammar",
}

PLANTED = {
    "upward": ("schema.py", "from agent.config import Settings", "agent.schema imports agent.config"),
    "upward inside a function": ("record/ledger.py", "def f():\n    from agent.cli import main", "imports agent.cli"),
    "upward for types": ("prompts.py", "if TYPE_CHECKING:\n    import agent.steps.vet", "imports agent.steps.vet"),
    "root": ("__init__.py", "from agent.schema import Pair", "agent imports agent.schema"),
    "sideways": ("config.py", "from agent.record import ledger", "agent.config imports agent.record.ledger"),
    "skipping a wall": ("steps/vet.py", "import agent.record.ledger", "agent.steps.vet imports agent.record.ledger"),
    "subject buys answers": (
        "models/subject.py",
        "from agent.models import llm",
        "agent.models.subject reaches agent.record",
    ),
    "review loops": ("review/proposal.py", "from agent.loop import refine", "proposal imports agent.loop.refine"),
    "cycle": ("record/points.py", "from agent.record import ledger", "a cycle: "),
    "no floor": ("vectors.py", "", "agent.vectors stands on no floor"),
    "imports what is not there": ("config.py", "from agent.nowhere import x", "agent.config imports agent.nowhere"),
    "openai": ("models/scores.py", "import openai", "agent.models.scores imports openai"),
    "tenacity": ("steps/vet.py", "from tenacity import retry", "agent.steps.vet imports tenacity"),
    "torch": ("toyworld/grammar.py", "import torch.nn", "agent.toyworld.grammar imports torch"),
    "transformers": ("cli/__init__.py", "import transformers", "agent.cli imports transformers"),
    "nouns on jinja": ("schema.py", "import jinja2", "agent.schema imports jinja2"),
    "policy acts": ("loop/policy.py", "from agent.steps import vet", "agent.loop.policy reaches agent.steps.vet"),
    "policy by a friend": (
        "loop/standing.py",
        "from agent.loop import refine",
        "agent.loop.policy reaches agent.steps.vet",
    ),
    "policy reads the clock": (
        "loop/standing.py",
        "import time",
        "agent.loop.standing, under the policy, imports time",
    ),
    "toy world leans": (
        "toyworld/grammar.py",
        "from agent import schema",
        "agent.toyworld.grammar imports agent.schema",
    ),
    "judge reads truth": ("toyworld/endpoint.py", "from agent.toyworld import grammar", "endpoint reaches"),
    "judge by a friend": (
        "toyworld/endpoint_judge.py",
        "import agent.toyworld.grammar",
        "agent.toyworld.endpoint reaches",
    ),
    "judge by its package": ("toyworld/__init__.py", "from agent.toyworld import grammar", "endpoint reaches"),
    "judge by a new name": ("toyworld/endpoint.py", "import agent.toyworld.phrases", "endpoint reaches"),
    "print": ("loop/refine.py", "print(1)", "agent.loop.refine prints"),
    "computed import": ("config.py", "importlib.import_module('agent.cli')", "agent.config imports by a computed name"),
    "relative": ("loop/refine.py", "from . import policy", "agent.loop.refine imports relatively"),
    "furniture": ("record/utils.py", "", "agent.record.utils has a name that says nothing"),
}


def test_the_program_stands_as_designed(repository: Path) -> None:
    assert "agent" in read_modules(repository)
    assert violations(repository) == []


def test_the_table_itself_has_no_arrow_upward_or_along_a_floor() -> None:
    targets = [(row, row_of(f"agent.{name}")) for row in TABLE for name in row.may_import.split()]
    assert [(row, target) for row, target in targets if target is None or target.floor >= row.floor] == []


def test_a_sound_house_has_no_violation(tmp_path: Path) -> None:
    assert violations(plant(tmp_path, SOUND)) == []


@pytest.mark.parametrize(("name", "text", "breach"), PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_violation_is_named(tmp_path: Path, name: str, text: str, breach: str) -> None:
    found = violations(plant(tmp_path, SOUND | {name: f"{SOUND.get(name, '')}\n{text}\n"}))
    assert any(breach in sentence for sentence in found), found
