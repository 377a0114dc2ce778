"""`cliffhanger report`: the morning's page, made again from files alone."""

from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.run import Experiment, Traits, Variant

if TYPE_CHECKING:
    from pathlib import Path

    from agent.cli.state import TraitState
    from agent.config import Settings
    from agent.record.experiment import ExperimentFolder
    from agent.record.ledger import Campaign
    from agent.schema import Pair, Plan

_NOT_ENDED = {
    "running": "it is running now",
    "paused": "it is paused now",
    "stale": "its process lives, but has not been heard of for a while",
    "died": "its process died; the same command goes on",
    "interrupted": "it was interrupted; the same command goes on",
}


def report(
    experiment: Experiment,
    traits: Traits = None,
    model_variant: Variant = None,
    show: Annotated[bool, typer.Option("--open", help="Show the pages in the browser.")] = False,
) -> int:
    """Write each trait's report anew: report.html, report.json and summary.md in its refinement folder.

    A run writes them at its end. This makes them of a finished, dead or running one; no ledger and no dataset is
    changed, and nothing is asked. The page needs no network: send it to a colleague as it is.

    Examples:

        cliffhanger report --experiment experiments/demo

        cliffhanger report --experiment experiments/demo --traits toy/refusal --open
    """
    from agent.cli.orders import Order
    from agent.cli.screen import Screen, safe_text
    from agent.cli.state import read_states
    from agent.cli.trouble import TROUBLE

    settings = Order(experiment, traits, model_variant).settings()
    screen, code = Screen(), 0
    for state in read_states(settings):
        try:
            path = _written(settings, state)
        except TROUBLE as error:
            screen.say(*(f"{state.trait}: {sentence}" for sentence in str(error).split("\n")))
            code = 64
            continue
        screen.say(f"{state.trait}: {path}")
        if show and typer.launch(path.as_uri()):
            screen.say(f"No browser could be started: open {safe_text(str(path))} yourself.")
    return code


def _written(settings: "Settings", state: "TraitState") -> "Path":
    """Write one trait's report and return where the page is. Raises Refusal where no round is on record."""
    from agent.cli.morning import report_of, write_report
    from agent.cli.trouble import Refusal
    from agent.record.experiment import ExperimentFolder
    from agent.record.ledger import Ledger

    folder = ExperimentFolder(settings.experiment, state.trait, settings.variant)
    if state.how == "unreadable":
        raise Refusal(state.trouble or f"{folder.ledger_path} cannot be read.")
    if state.campaign is None:
        raise Refusal("there is nothing to report yet: begin with `cliffhanger run`.")
    with Ledger.read(folder.ledger_path) as ledger:
        campaign = ledger.campaigns()[-1]
        plan, dataset = _plan(settings, folder, campaign), _dataset(settings, state.trait, campaign)
        told = report_of(ledger, campaign, plan, state.stop, dataset, _NOT_ENDED.get(state.how, ""))
    write_report(folder, told)
    return folder.refinement / "report.html"


def _plan(settings: "Settings", folder: "ExperimentFolder", campaign: "Campaign") -> "Plan":
    """The plan that the campaign's last run reported, since options may have changed it; else that of refine.toml."""
    from agent.cli.morning import earlier_report
    from agent.schema import Plan

    earlier = earlier_report(folder)
    if earlier is not None and earlier.campaign == campaign.id:
        return earlier.asked.plan
    size = len(_dataset(settings, folder.trait, campaign))
    return Plan(caps=settings.caps, rules=settings.rules, dataset_size=size)


def _dataset(settings: "Settings", trait: str, campaign: "Campaign") -> "tuple[Pair, ...]":
    """The dataset's pairs while its files are those that the campaign began from; a changed one says nothing of it."""
    from agent.cli.morning import rests_on
    from agent.record.layout import DatasetError, load_dataset

    try:
        dataset = load_dataset(settings.datasets / trait, trait)
    except DatasetError:
        return ()
    return dataset.pairs if rests_on(campaign, (dataset.hashes.positive, dataset.hashes.negative)) else ()
