"""What a trait's files tell of it: campaign, rounds, set, calls, and what may have been paid without an answer."""

import fcntl
from collections import Counter
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from agent.cli.trouble import Refusal
from agent.config import Settings
from agent.loop.standing import Status, standing
from agent.record.experiment import ExperimentFolder
from agent.record.ledger import Attempt, Campaign, Ledger
from agent.review.proposal import Proposal
from agent.schema import History, Noun, Stop


class PossiblyPaid(Noun):
    """A call that was begun and never heard of again. `begun` is in seconds since 1970."""

    role: str
    purpose: str
    begun: float


class TraitState(Noun):
    """Where one trait stands. `stop` is None while no run of this campaign has ended, or since another has begun."""

    version: Literal[1] = 1
    trait: str
    ledger: str
    running: bool = False
    campaign: int | None = None
    campaigns: int = 0
    rounds: int = 0
    pairs: int = 0
    by_status: dict[str, int] = {}
    parked: int = 0
    calls: dict[str, int] = {}
    micro_usd: int = 0
    attempts: dict[str, int] = {}
    possibly_paid: tuple[PossiblyPaid, ...] = ()
    stop: Stop | None = None

    def told(self) -> list[str]:
        """The state in a few lines."""
        if self.campaign is None:
            bought = f" but {_counted(self.calls)} calls were made by hand" if self.calls else ""
            return [f"{self.trait}: no run yet{bought}"]
        statuses = _counted(self.by_status) or "empty"
        lines = [
            f"{self.trait}: campaign {self.campaign}, {self.rounds} rounds, {self.pairs} pairs ({statuses}), "
            f"{self.parked} parked",
            f"  calls: {_counted(self.calls) or 'none'}; attempts: {_counted(self.attempts) or 'none'}",
            f"  {self._how_it_is()}",
        ]
        if self.possibly_paid:
            who = _counted(Counter(call.role for call in self.possibly_paid))
            what = "in flight" if self.running else "possibly paid without an answer"
            lines.append(f"  {what}: {len(self.possibly_paid)} calls ({who})")
        return lines

    def _how_it_is(self) -> str:
        if self.running:
            return "running now"
        if self.stop is None:
            return "it was interrupted: the same command goes on"
        return f"it stopped: {self.stop.ending.value}: {self.stop.why}"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def read_states(settings: Settings) -> list[TraitState]:
    """The state of every trait of an experiment."""
    return [_read(ExperimentFolder(settings.experiment, trait, settings.variant), trait) for trait in settings.traits]


def _read(folder: ExperimentFolder, trait: str) -> TraitState:
    state = TraitState(trait=trait, ledger=str(folder.ledger_path))
    if not folder.ledger_path.is_file():
        return state
    with Ledger.read(folder.ledger_path) as ledger:
        campaigns = ledger.campaigns()
        history = ledger.history(campaigns[-1].id) if campaigns else ()
        spent = ledger.spend()
        found = {
            "calls": dict(spent.calls),
            "micro_usd": spent.micro_usd,
            "attempts": ledger.attempts(),
            "possibly_paid": tuple(_possibly(attempt) for attempt in ledger.pending()),
            "running": _is_running(folder.ledger_path),
            **_set(campaigns, history),
        }
    return state.model_copy(update={**found, "stop": _last_stop(folder, found["campaign"], len(history))})


def _set(campaigns: tuple[Campaign, ...], history: History) -> dict[str, object]:
    now = standing(history)
    return {
        "campaign": campaigns[-1].id if campaigns else None,
        "campaigns": len(campaigns),
        "rounds": len(history),
        "pairs": len(now.items),
        "by_status": {s.name.lower(): len(now.at(s)) for s in Status if now.at(s)},
        "parked": len(now.parked),
    }


def _possibly(attempt: Attempt) -> PossiblyPaid:
    return PossiblyPaid(role=attempt.role.value, purpose=attempt.purpose, begun=attempt.begun)


def _is_running(ledger: Path) -> bool:
    """Whether a process holds the ledger's lock; nothing is written. The kernel frees the lock when its holder dies."""
    path = Path(f"{ledger}.lock")
    if not path.is_file():
        return False
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _last_stop(folder: ExperimentFolder, campaign: object, rounds: int) -> Stop | None:
    """Why the last run of this campaign ended, unless it has gone on since."""
    path = folder.refinement / "proposal.json"
    if not path.is_file():
        return None
    try:
        proposal = Proposal.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise Refusal(
            f"{path} cannot be read by this version of the program ({error.errors()[0]['msg']}): move it away."
        ) from error
    return proposal.stop if (proposal.campaign, proposal.rounds) == (campaign, rounds) else None
