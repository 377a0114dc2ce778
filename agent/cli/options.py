from pathlib import Path
from typing import Annotated

import typer

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
