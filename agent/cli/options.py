"""Options that many commands share, and what a command gets from its caller."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agent.app.composition import Backends

Experiment = Annotated[
    Path, typer.Option("--experiment", "-e", help="The experiment's folder: it holds refine.toml.", show_default=False)
]
Traits = Annotated[
    str | None,
    typer.Option(
        "--traits", "-t", help="Only these traits (category/name, separated by commas), not those of refine.toml."
    ),
]
Variant = Annotated[
    str | None, typer.Option("--model-variant", help="Keep the files in a folder of this name below each trait's.")
]
Similarity = Annotated[
    bool, typer.Option("--pair-by-similarity", help="Pair lines by their likeness where the two files' counts differ.")
]


def backends_of(context: typer.Context) -> "Backends":
    """How the command opens its models: as the caller of `main` says, else as the settings say."""
    from agent.app.composition import BACKENDS, Backends

    return context.obj if isinstance(context.obj, Backends) else BACKENDS
