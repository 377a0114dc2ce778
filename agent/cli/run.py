"""`cliffhanger run`: the evening."""

from pathlib import Path
from typing import Annotated

import typer

Experiment = Annotated[
    Path, typer.Option("--experiment", "-e", help="The experiment's folder: it holds refine.toml.", show_default=False)
]
Traits = Annotated[
    str | None,
    typer.Option(help="Only these traits (category/name, separated by commas), not those of refine.toml."),
]
Variant = Annotated[
    str | None, typer.Option("--model-variant", help="Keep the files in a folder of this name below each trait's.")
]
Similarity = Annotated[
    bool, typer.Option("--pair-by-similarity", help="Pair lines by their likeness where the two files' counts differ.")
]


def run(
    experiment: Experiment,
    traits: Traits = None,
    model_variant: Variant = None,
    max_rounds: Annotated[int | None, typer.Option(help="Stop after so many rounds of a campaign. [40]")] = None,
    max_pairs: Annotated[int | None, typer.Option(help="Draft at most so many pairs. [200]")] = None,
    max_repairs: Annotated[int | None, typer.Option(help="Replace a pair after so many repairs. [4]")] = None,
    patience: Annotated[int | None, typer.Option(help="Stop after so many rounds without progress. [5]")] = None,
    pilot: Annotated[int | None, typer.Option(help="Pairs that must all be confirmed before scaling up. [16]")] = None,
    batch: Annotated[int | None, typer.Option(help="Pairs drafted at a time after the pilot. [16]")] = None,
    target: Annotated[int | None, typer.Option(help="Pairs wanted in the end. [48]")] = None,
    new: Annotated[
        bool, typer.Option("--new", help="Begin another campaign; answers already bought are kept.")
    ] = False,
    diagnostic: Annotated[
        bool,
        typer.Option(
            "--diagnostic",
            help="Judge the dataset as it is, repair nothing, and stop: 0 when all was judged, 2 when some was not.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be asked, and how many calls at most; change nothing.")
    ] = False,
    pair_by_similarity: Similarity = False,
) -> int:
    """Refine traits unattended, until each set is confirmed and audited, or say why not.

    The same command goes on where an earlier one stopped. A signal (Ctrl-C), or a file named STOP in the trait's
    refinement folder, stops it after what is in flight; a second signal stops it at once. No dataset is changed.

    Examples:

        cliffhanger run --experiment experiments/demo

        cliffhanger run --experiment experiments/mine --traits chirp/refusal --target 96 --dry-run

        cliffhanger run --experiment experiments/mine --diagnostic
    """
    from agent.cli import orders

    caps = {
        "max_rounds": max_rounds,
        "max_pairs": max_pairs,
        "max_repairs": max_repairs,
        "patience": patience,
        "pilot": pilot,
        "batch": batch,
        "target": target,
    }
    order = orders.Order(
        experiment, traits, model_variant, pair_by_similarity, {f"caps.{name}": value for name, value in caps.items()}
    )
    if dry_run:
        return orders.dry_run(order)
    return orders.diagnose(order) if diagnostic else orders.refine(order, new)
