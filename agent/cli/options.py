"""Options that many commands share, and what a command gets from its caller."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agent.app.composition import Backends

Experiment = Annotated[
    Path,
    typer.Option("--experiment", "-e", help="Folder of the experiment, with refine.toml in it.", show_default=False),
]
Traits = Annotated[
    str | None,
    typer.Option(
        "--traits", "-t", help="These traits instead of those in refine.toml: category/name, separated by commas."
    ),
]
Variant = Annotated[
    str | None, typer.Option("--model-variant", help="Keep the files in a subfolder of this name for each trait.")
]
Similarity = Annotated[
    bool,
    typer.Option(
        "--pair-by-similarity", help="Pair lines by similarity where the two files have different numbers of lines."
    ),
]


def backends_of(context: typer.Context) -> "Backends":
    """The backends given to `main`, else the default ones."""
    from agent.app.composition import BACKENDS, Backends

    return context.obj if isinstance(context.obj, Backends) else BACKENDS
