"""`cliffhanger init`: a trait from one line."""

from pathlib import Path
from typing import Annotated

import typer


def init(
    trait: Annotated[str, typer.Argument(metavar="CATEGORY/NAME", help="The trait's id.", show_default=False)],
    experiment: Annotated[
        Path,
        typer.Option("--experiment", "-e", help="The experiment's folder: it holds refine.toml.", show_default=False),
    ],
    description: Annotated[
        str | None,
        typer.Argument(help="One line that says what the trait is. Left out: its definition.txt.", show_default=False),
    ] = None,
    mode: Annotated[
        str | None, typer.Option(help="decision, primed or sustained, whatever the author proposes.")
    ] = None,
    negative_test: Annotated[
        str | None, typer.Option(help="opposite or absence: what a negative must show, whatever the author proposes.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what the author writes; write no file.")] = False,
) -> int:
    """Let the author describe a trait: its definition, its opposite, its mode and what a negative must show.

    Writes definition.txt into the trait's dataset folder, and the trait into refine.toml. For a trait that has its
    definition already, leave the description out: only refine.toml gains what the author proposes. Nothing that
    exists is overwritten. Read both and correct them: all verdicts rest on them.

    Examples:

        cliffhanger init craft/envy "resenting what others have" --experiment experiments/mine

        cliffhanger init chirp/refusal --experiment experiments/mine --mode decision
    """
    from agent.cli.describe import Said, describe

    return describe(trait, Said(description, mode, negative_test), experiment, dry_run)
