"""`cliffhanger stop`, `pause` and `resume`: requests to a run from any terminal."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.options import Experiment, Traits, Variant

if TYPE_CHECKING:
    from agent.config.settings import Settings


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
