"""Commands that start and control a run: init, run, pause, resume, stop."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.options import Experiment, Similarity, Traits, Variant, backends_of

if TYPE_CHECKING:
    from agent.config.settings import Settings


def init(
    context: typer.Context,
    trait: Annotated[str, typer.Argument(metavar="CATEGORY/NAME", help="Id of the trait.", show_default=False)],
    experiment: Annotated[
        Path,
        typer.Option(
            "--experiment", "-e", help="Folder of the experiment, with refine.toml in it.", show_default=False
        ),
    ],
    description: Annotated[
        str | None,
        typer.Argument(help="One line that describes the trait. Default: its definition.txt.", show_default=False),
    ] = None,
    mode: Annotated[
        str | None, typer.Option(help="Mode: decision, primed or sustained. Default: the author's proposal.")
    ] = None,
    negative_test: Annotated[
        str | None, typer.Option(help="What a negative must show: opposite or absence. Default: the author's proposal.")
    ] = None,
    nature: Annotated[
        str | None,
        typer.Option(
            help="What the behaviour consists of: act, speech, feeling, thought, or several of them by commas. "
            "Default: the author's proposal."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the author's description; write no file.")] = False,
) -> int:
    """Have the author model describe a new trait: definition, opposite, mode, nature and what a negative must show.

    Writes definition.txt into the trait's dataset folder and adds the trait to refine.toml. If the definition exists
    already, leave the description out: only refine.toml is changed. Nothing is overwritten. Check both files before
    a run, because all verdicts depend on them.

    Examples:

        cliffhanger init craft/envy "resenting what others have" --experiment experiments/mine

        cliffhanger init chirp/refusal --experiment experiments/mine --mode decision

        cliffhanger init mind/dread "fear of what is coming" --experiment experiments/mine --nature feeling
    """
    from agent.app.init_trait import TraitOverrides, describe

    return describe(
        trait, TraitOverrides(description, mode, negative_test, nature), experiment, dry_run, backends_of(context)
    )


_LOOP, _LIMITS, _MODES = "Loop", "Limits", "Modes"


def _cap(help_text: str, panel: str = _LOOP) -> object:
    return typer.Option(help=help_text, rich_help_panel=panel)


def _mode(name: str, help_text: str) -> object:
    return typer.Option(name, help=help_text, rich_help_panel=_MODES)


def run(  # noqa: PLR0913 - every option of the command is a parameter
    context: typer.Context,
    experiment: Experiment,
    traits: Traits = None,
    model_variant: Variant = None,
    pair_by_similarity: Similarity = False,
    max_rounds: Annotated[int | None, _cap("Maximum rounds of a campaign. [40]")] = None,
    max_pairs: Annotated[int | None, _cap("Maximum drafted pairs. [200]")] = None,
    max_repairs: Annotated[int | None, _cap("Repairs of a pair before it is replaced. [4]")] = None,
    patience: Annotated[int | None, _cap("Rounds without progress before the run stops. [5]")] = None,
    pilot: Annotated[int | None, _cap("Pairs that must all be confirmed before more are drafted. [16]")] = None,
    batch: Annotated[
        int | None,
        _cap("Pairs drafted per round after the pilot. Existing pairs enter in batches that double while clean. [16]"),
    ] = None,
    target: Annotated[int | None, _cap("Pairs wanted in the final set. [48]")] = None,
    min_control_auc: Annotated[
        float | None,
        _cap("AUC on controls that the judge must reach before more pairs are drafted; 0 disables the check. [0.9]"),
    ] = None,
    max_usd: Annotated[float | None, _cap("Maximum dollars, including earlier runs.", _LIMITS)] = None,
    max_calls: Annotated[int | None, _cap("Maximum calls, including earlier runs.", _LIMITS)] = None,
    max_minutes: Annotated[float | None, _cap("Maximum minutes, including earlier runs.", _LIMITS)] = None,
    max_pause: Annotated[
        float | None, _cap("Maximum minutes to wait for an unavailable endpoint. [120]", _LIMITS)
    ] = None,
    until: Annotated[str | None, _cap("Stop at this time of day, for example 07:00.", _LIMITS)] = None,
    new: Annotated[bool, _mode("--new", "Start a new campaign; stored answers are reused.")] = False,
    resume_anyway: Annotated[
        bool,
        _mode(
            "--resume-anyway",
            'Continue a campaign that ended "not ready": pilot, patience, empty drafts and parked pairs count anew, '
            "and the judge's self-check no longer ends it.",
        ),
    ] = False,
    diagnostic: Annotated[
        bool,
        _mode(
            "--diagnostic",
            "Judge the dataset as it is and repair nothing. Exit code 0, or 2 if something could not be judged.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, _mode("--dry-run", "Print the plan, the number of calls and the cost; change nothing.")
    ] = False,
    detach: Annotated[bool, _mode("--detach", "Run in the background: print one line of JSON and return.")] = False,
) -> int:
    """Refine traits unattended until each set is confirmed and audited, or report why it is not.

    Rerun the command to resume. Ctrl-C, or a file named STOP in the trait's refinement folder, stops it after the calls
    in flight; a second Ctrl-C stops it immediately. No dataset is changed.

    Examples:

        cliffhanger run --experiment experiments/demo

        cliffhanger run --experiment experiments/mine --max-usd 20 --until 07:00 --detach

        cliffhanger run --experiment experiments/mine --traits chirp/refusal --target 96 --dry-run

        cliffhanger run --experiment experiments/mine --diagnostic

        cliffhanger run --experiment experiments/mine --resume-anyway
    """
    from agent.app import run
    from agent.app.runner import HowToStart

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
    options = run.ExperimentOptions(experiment, traits, model_variant, pair_by_similarity, caps)
    if resume_anyway and (new or diagnostic):
        raise typer.BadParameter(
            "it continues a campaign: leave --new and --diagnostic out.", param_hint="--resume-anyway"
        )
    if dry_run:
        return run.dry_run(options, until)
    if diagnostic:
        return run.diagnose(options, until, backends_of(context))
    if detach:
        return run.detached(options)
    return run.refine(options, HowToStart(new, resume_anyway), until, backends_of(context))


def stop(
    experiment: Experiment,
    traits: Traits = None,
    model_variant: Variant = None,
    now: Annotated[
        bool,
        typer.Option("--now", help="End the process immediately, with all of its traits; calls in flight are lost."),
    ] = False,
) -> int:
    """Stop a run: calls in flight are finished and stored, and no new ones are made.

    The request is a file named STOP in each trait's refinement folder, which `resume` removes. Without
    --model-variant, runs under every variant are stopped.

    Examples:

        cliffhanger stop --experiment experiments/demo

        cliffhanger stop --experiment experiments/demo --traits toy/refusal

        cliffhanger stop --experiment experiments/demo --now
    """
    from agent.app import control

    return _print(control.stop(_settings(experiment, traits, model_variant), model_variant, now))


def pause(experiment: Experiment, traits: Traits = None, model_variant: Variant = None) -> int:
    """Pause a run: calls in flight are finished and stored, then it waits for `resume`.

    Without --model-variant, runs under every variant are paused.

    Example:

        cliffhanger pause --experiment experiments/demo
    """
    from agent.app import control

    return _print(control.pause(_settings(experiment, traits, model_variant), model_variant))


def resume(experiment: Experiment, traits: Traits = None, model_variant: Variant = None) -> int:
    """Remove the requests of `pause` and `stop`: a paused run continues, and a stopped one can be run again.

    Without --model-variant, they are removed under every variant.

    Example:

        cliffhanger resume --experiment experiments/demo
    """
    from agent.app import control

    return _print(control.resume(_settings(experiment, traits, model_variant), model_variant))


def _settings(experiment: Experiment, traits: str | None, variant: str | None) -> "Settings":
    from agent.app.run import ExperimentOptions

    return ExperimentOptions(experiment, traits, variant).settings()


def _print(lines: Iterable[str]) -> int:
    from agent.text import safe_text

    for line in lines:
        typer.echo(safe_text(line))
    return 0
