"""How the last run of a campaign ended, read from the files that it wrote at its end."""

from pydantic import ValidationError

from agent.errors import UserError
from agent.review.proposal import PROPOSAL, Proposal
from agent.review.report.model import Report
from agent.schema import Stop
from agent.storage.experiment import ExperimentFolder


def reported_stop(folder: ExperimentFolder, campaign: object, rounds: int) -> tuple[Stop | None, float]:
    """Why the last run of this campaign ended, if no round was added since; and when that was written.

    Raises UserError where proposal.json cannot be read.
    """
    path = folder.refinement / PROPOSAL
    try:
        proposal, written = Proposal.model_validate_json(path.read_bytes()), path.stat().st_mtime
    except FileNotFoundError:
        return None, 0.0
    except ValidationError as error:
        raise UserError(
            f"{path} cannot be read by this version of the program ({error.errors()[0]['msg']}). Move it away."
        ) from error
    if (proposal.campaign, proposal.rounds) == (campaign, rounds):
        return proposal.stop, written
    earlier_stays = proposal.campaign != campaign or proposal.rounds > rounds
    return _stop_of_report(folder, campaign, rounds) if earlier_stays else (None, 0.0)


def _stop_of_report(folder: ExperimentFolder, campaign: object, rounds: int) -> tuple[Stop | None, float]:
    """The same from report.json, which is always about the latest campaign."""
    path = folder.refinement / "report.json"
    try:
        report, written = Report.model_validate_json(path.read_bytes()), path.stat().st_mtime
    except (FileNotFoundError, ValidationError):
        return None, 0.0
    is_of_it = (report.campaign, len(report.measured.rounds)) == (campaign, rounds)
    return (report.stop, written) if is_of_it else (None, 0.0)
