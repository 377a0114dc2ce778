"""The report command: each trait's report made anew from what is on disk."""

from collections.abc import Iterator
from pathlib import Path

from agent.app.outputs import began_from, earlier_report, report_of, write_report
from agent.app.status import TraitState, read_states
from agent.config.settings import Settings
from agent.errors import UserError
from agent.schema import Pair, Plan
from agent.storage.dataset import DatasetError, load_dataset
from agent.storage.experiment import ExperimentFolder
from agent.storage.ledger import Ledger
from agent.storage.ledger_database import CampaignRecord

_NOT_ENDED = {
    "running": "it is running now",
    "paused": "it is paused now",
    "stale": "its process is alive, but its heartbeat is old",
    "died": "its process died; rerun the command to resume",
    "interrupted": "it was interrupted; rerun the command to resume",
}


def write_reports(settings: Settings) -> Iterator[tuple[str, Path | None, list[str]]]:
    """Write every trait's report: (trait, its page, []), or (trait, None, the sentences of what is in the way)."""
    for state in read_states(settings):
        try:
            yield state.trait, _written(settings, state), []
        except UserError as error:
            yield state.trait, None, str(error).split("\n")


def _written(settings: Settings, state: TraitState) -> Path:
    """Write one trait's report and return where the page is. Raises UserError where no round is on record."""
    folder = ExperimentFolder(settings.experiment, state.trait, settings.variant)
    if state.how == "unreadable":
        raise UserError(state.trouble or f"{folder.ledger_path} cannot be read.")
    if state.campaign is None:
        raise UserError("there is nothing to report yet: begin with `cliffhanger run`.")
    with Ledger.read(folder.ledger_path) as ledger:
        campaign = ledger.campaigns()[-1]
        dataset = _dataset(settings, state.trait, campaign)
        plan = _plan(settings, folder, campaign, len(dataset))
        report = report_of(ledger, campaign, plan, state.stop, dataset, _NOT_ENDED.get(state.how, ""))
    write_report(folder, report)
    return folder.refinement / "report.html"


def _plan(settings: Settings, folder: ExperimentFolder, campaign: CampaignRecord, dataset_size: int) -> Plan:
    """The plan that the campaign's last run reported, since options may have changed it; else that of refine.toml."""
    earlier = earlier_report(folder)
    if earlier is not None and earlier.campaign == campaign.id:
        return earlier.asked.plan
    return Plan(caps=settings.caps, rules=settings.rules, dataset_size=dataset_size)


def _dataset(settings: Settings, trait: str, campaign: CampaignRecord) -> tuple[Pair, ...]:
    """The dataset's pairs while its files are those that the campaign began from; a changed one says nothing of it."""
    try:
        dataset = load_dataset(settings.datasets / trait, trait)
    except DatasetError:
        return ()
    return dataset.pairs if began_from(campaign, dataset.hashes) else ()
