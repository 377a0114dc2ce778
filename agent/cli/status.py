"""`cliffhanger status`: where every trait stands, from files alone."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.run import Experiment, Traits, Variant

if TYPE_CHECKING:
    from agent.cli.state import TraitState


def status(
    experiment: Experiment,
    traits: Traits = None,
    model_variant: Variant = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per trait, in a list.")] = False,
) -> int:
    """Say where every trait stands, of a running, finished or dead run: only files are read, nothing is asked.

    Examples:

        cliffhanger status --experiment experiments/demo

        cliffhanger status --experiment experiments/demo --json
    """
    from agent.cli.orders import Order
    from agent.cli.state import read_states

    states = read_states(Order(experiment, traits, model_variant).settings())
    if as_json:
        typer.echo(json.dumps([state.model_dump(mode="json") for state in states], indent=2))
    else:
        _tell(experiment, states)
    return 0


def _tell(experiment: Path, states: "list[TraitState]") -> None:
    from agent.cli.screen import Screen

    screen = Screen()
    for state in states:
        for line in state.told():
            screen.say(line)
    if not states:
        screen.say(f"{experiment} names no trait.")
