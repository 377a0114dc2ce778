"""`cliffhanger init`: a trait from one line."""

from pathlib import Path
from typing import Annotated

import typer


def init(
    trait: Annotated[str, typer.Argument(metavar="CATEGORY/NAME", help="The trait's id.", show_default=False)],
    description: Annotated[str, typer.Argument(help="One line that says what the trait is.", show_default=False)],
    experiment: Annotated[
        Path,
        typer.Option("--experiment", "-e", help="The experiment's folder: it holds refine.toml.", show_default=False),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what the author writes; write no file.")] = False,
) -> int:
    """Let the author describe a trait: its definition, its opposite, its mode and what a negative must show.

    Writes definition.txt into the trait's dataset folder, and the trait into refine.toml. Nothing that exists is
    overwritten. Read both and correct them: all verdicts rest on them.

    Example:

        cliffhanger init craft/envy "resenting what others have" --experiment experiments/mine
    """
    from agent.cli.describe import describe

    return describe(trait, description, experiment, dry_run)
