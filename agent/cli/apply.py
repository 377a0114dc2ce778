"""`cliffhanger apply`: the one command that writes a dataset."""

from pathlib import Path
from typing import Annotated

import typer

from agent.cli.run import Experiment, Similarity, Traits, Variant


def apply(  # noqa: PLR0913 - every option of the command is a parameter
    experiment: Experiment,
    traits: Traits = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and write nothing.")] = False,
    patch: Annotated[
        Path | None, typer.Option(help="Write the change to this file, for `git apply`, and not to the dataset.")
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Put back the exact files from before the last apply.")] = False,
    shuffle: Annotated[
        bool, typer.Option("--shuffle", help="Shuffle the pairs by refine.toml's seed; the seed is recorded.")
    ] = False,
    model_variant: Variant = None,
    pair_by_similarity: Similarity = False,
) -> int:
    """Write what was approved into the dataset, and nothing else: all files of a trait, or none.

    A changed pair takes its line's place, an added one comes last, a dropped one leaves both files; the rest keeps its
    order. What nobody decided stays as it is. definition.txt and steering.json are never touched.

    Examples:

        cliffhanger apply --experiment experiments/demo --dry-run

        cliffhanger apply --experiment experiments/demo --traits toy/refusal

        cliffhanger apply --experiment experiments/demo --undo
    """
    from agent.cli.applying import How, apply_all
    from agent.cli.orders import Order

    how = How(dry_run=dry_run, patch=patch, undo=undo, shuffle=shuffle)
    return apply_all(Order(experiment, traits, model_variant, pair_by_similarity), how)
