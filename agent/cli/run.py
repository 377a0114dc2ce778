"""`cliffhanger init` and `cliffhanger run`."""

from pathlib import Path
from typing import Annotated

import typer

from agent.cli.options import Experiment, Similarity, Traits, Variant, backends_of


def init(
    context: typer.Context,
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
    from agent.app.init_trait import TraitOverrides, describe

    return describe(trait, TraitOverrides(description, mode, negative_test), experiment, dry_run, backends_of(context))


_LOOP, _MONEY, _WAYS = "What the loop may do", "What the run may take", "Ways to run"


def _cap(help_text: str, panel: str = _LOOP) -> object:
    return typer.Option(help=help_text, rich_help_panel=panel)


def _way(name: str, help_text: str) -> object:
    return typer.Option(name, help=help_text, rich_help_panel=_WAYS)


def run(  # noqa: PLR0913 - every option of the command is a parameter
    context: typer.Context,
    experiment: Experiment,
    traits: Traits = None,
    model_variant: Variant = None,
    pair_by_similarity: Similarity = False,
    max_rounds: Annotated[int | None, _cap("Stop after so many rounds of a campaign. [40]")] = None,
    max_pairs: Annotated[int | None, _cap("Draft at most so many pairs. [200]")] = None,
    max_repairs: Annotated[int | None, _cap("Replace a pair after so many repairs. [4]")] = None,
    patience: Annotated[int | None, _cap("Stop after so many rounds without progress. [5]")] = None,
    pilot: Annotated[int | None, _cap("Pairs that must all be confirmed before scaling up. [16]")] = None,
    batch: Annotated[int | None, _cap("Pairs drafted at a time after the pilot. [16]")] = None,
    target: Annotated[int | None, _cap("Pairs wanted in the end. [48]")] = None,
    min_control_auc: Annotated[
        float | None, _cap("Scale up only if the judge tells controls apart so well; 0 goes on regardless. [0.9]")
    ] = None,
    max_usd: Annotated[float | None, _cap("Spend at most so many dollars, restarts included.", _MONEY)] = None,
    max_calls: Annotated[int | None, _cap("Make at most so many calls, restarts included.", _MONEY)] = None,
    max_minutes: Annotated[float | None, _cap("Run for so many minutes, restarts included.", _MONEY)] = None,
    max_pause: Annotated[float | None, _cap("Wait so many minutes for an endpoint that is out. [120]", _MONEY)] = None,
    until: Annotated[str | None, _cap("Stop at this time of day, such as 07:00.", _MONEY)] = None,
    new: Annotated[bool, _way("--new", "Begin another campaign; answers already bought are kept.")] = False,
    diagnostic: Annotated[
        bool,
        _way(
            "--diagnostic",
            "Judge the dataset as it is, repair nothing, and stop: 0 when all was judged, 2 when some was not.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, _way("--dry-run", "Say what would be asked, how many calls at most and what it may cost; change nothing.")
    ] = False,
    detach: Annotated[bool, _way("--detach", "Go on in the background: print one line of JSON and return.")] = False,
) -> int:
    """Refine traits unattended, until each set is confirmed and audited, or say why not.

    The same command goes on where an earlier one stopped. A signal (Ctrl-C), or a file named STOP in the trait's
    refinement folder, stops it after what is in flight; a second signal stops it at once. No dataset is changed.

    Examples:

        cliffhanger run --experiment experiments/demo

        cliffhanger run --experiment experiments/mine --max-usd 20 --until 07:00 --detach

        cliffhanger run --experiment experiments/mine --traits chirp/refusal --target 96 --dry-run

        cliffhanger run --experiment experiments/mine --diagnostic
    """
    from agent.app import run

    caps = {
        "caps.max_rounds": max_rounds,
        "caps.max_pairs": max_pairs,
        "caps.max_repairs": max_repairs,
        "caps.patience": patience,
        "caps.pilot": pilot,
        "caps.batch": batch,
        "caps.target": target,
        "caps.min_control_auc": min_control_auc,
        "budget.run.usd": max_usd,
        "budget.run.calls": max_calls,
        "budget.minutes": max_minutes,
        "budget.max_pause_minutes": max_pause,
    }
    order = run.ExperimentOptions(experiment, traits, model_variant, pair_by_similarity, caps, until)
    if dry_run:
        return run.dry_run(order)
    if diagnostic:
        return run.diagnose(order, backends_of(context))
    return run.detached(order) if detach else run.refine(order, new, backends_of(context))
