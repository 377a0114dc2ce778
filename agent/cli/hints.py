"""Commands as the user may type them here: the program's name and the options that name a place."""

import shlex
import shutil
import sys
from pathlib import Path

_NAME = "cliffhanger"


def program() -> str:
    """How this program is called here: by its name where the shell finds it, else by the path that was given."""
    given = sys.argv[0]
    return shlex.quote(given) if Path(given).name == _NAME and shutil.which(_NAME) is None else _NAME


def place(experiment: Path, traits: str | None = None, variant: str | None = None) -> str:
    """The options that name an experiment, or some of its traits."""
    named = [*(["--traits", traits] if traits else []), *(["--model-variant", variant] if variant else [])]
    return shlex.join(["--experiment", str(near(experiment)), *named])


def near(path: Path) -> Path:
    """The path as seen from here, where it lies below."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
