"""What a human finds in the morning: a trait's report as a page, as data, and as a summary of one screen."""

import json
from collections.abc import Sequence

from pydantic import ValidationError

from agent.cli.measuring import measured
from agent.cli.results import Result
from agent.cli.summary import summary
from agent.record.experiment import ExperimentFolder
from agent.record.files import write_atomically
from agent.record.ledger import Campaign, Ledger
from agent.review.report.facts import Record, report
from agent.review.report.nouns import Asked, Report
from agent.review.report.page import page
from agent.schema import History, Pair, Plan, Role, Stop, Trait

_MODELS = ("subject", *(role.value for role in Role))
_DATASET = ("dataset positive", "dataset negative")


def write_report(folder: ExperimentFolder, told: Report) -> None:
    """summary.md, report.json and report.html, each whole or not at all."""
    write_atomically(folder.refinement / "summary.md", summary(told).encode())
    write_atomically(folder.refinement / "report.json", told.model_dump_json(indent=1).encode() + b"\n")
    write_atomically(folder.refinement / "report.html", page(told).encode())


def write_report_of(result: Result) -> None:
    """The report of a run at its end."""
    tools = result.tools
    campaign = next(one for one in tools.ledger.campaigns() if one.id == tools.campaign)
    told = report_of(tools.ledger, campaign, tools.plan, result.stop, tools.dataset)
    write_report(result.job.folder, told)


def earlier_report(folder: ExperimentFolder) -> Report | None:
    """The report that lies there, if this version of the program can read it."""
    try:
        return Report.model_validate_json((folder.refinement / "report.json").read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def report_of(
    ledger: Ledger, campaign: Campaign, plan: Plan, stop: Stop | None, dataset: Sequence[Pair] = (), state: str = ""
) -> Report:
    """A campaign's report, from its ledger. `dataset`: the pairs it began from, as far as they are still there."""
    history = ledger.history(campaign.id)
    about = json.loads(campaign.about)
    asked = Asked(
        trait=Trait.model_validate_json(about["trait"]),
        plan=plan,
        models=tuple((name, about[name]) for name in _MODELS if name in about),
    )
    record = Record(
        campaign=campaign.id,
        dataset=_begun_from(history, dataset),
        history=history,
        stop=stop,
        state=state,
        spent=ledger.spent(),
        completions=dict(ledger.spend().calls).get("subject", 0),
    )
    return report(asked, record, measured(history))


def rests_on(campaign: Campaign, hashes: Sequence[str | None]) -> bool:
    """Whether a dataset whose two files have these hashes is the one that the campaign began from."""
    about = json.loads(campaign.about)
    return [about.get(name) for name in _DATASET] == [value or "" for value in hashes]


def _begun_from(history: History, dataset: Sequence[Pair]) -> tuple[Pair, ...]:
    """The pairs as the loop took them in, then those of the dataset that no round has reached, in file order."""
    adopted = {c.pair: c.after for done in history for c in done.changes if c.what == "adopt" and c.after}
    pairs = {**{pair.id: pair for pair in dataset}, **adopted}
    return tuple(sorted(pairs.values(), key=lambda pair: pair.line or 0))
