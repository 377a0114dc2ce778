"""What a trait's files tell of it: where its run stands, what was bought, what failed, and what may have been paid."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from agent.config.settings import Settings
from agent.errors import UserError
from agent.loop.state import SetState, Status, apply_round
from agent.review.proposal import PROPOSAL, Proposal
from agent.review.report.model import Report
from agent.schema import Controls, FrozenModel, JudgeNoise, Stop
from agent.storage.experiment import ExperimentFolder
from agent.storage.ledger import Ledger
from agent.storage.ledger_database import Attempt, CampaignRecord, LedgerError, LedgerMissing, Spent
from agent.supervision.heartbeat import FRESH, HeartbeatRecord, TraitProcess, trait_processes

ProcessState = Literal["unreadable", "running", "paused", "stale", "died", "interrupted", "stopped", "not begun"]

_RECENT = 300.0  # seconds over which the pace is measured
_ERRORS_SHOWN = 5


class PossiblyPaid(FrozenModel):
    """A call that was begun (seconds since 1970) and never heard of again, and what was set aside for it, if known."""

    role: str
    purpose: str
    begun: float
    micro_usd: int | None = None


class Failure(FrozenModel):
    """An attempt that brought no answer: its class of error, the sentence, and when (seconds since 1970)."""

    role: str
    purpose: str
    error: str
    sentence: str
    when: float


class TraitState(FrozenModel):
    """Where one trait stands. `stop` is None while no run of this campaign has ended, or since another has begun.

    `noise` and `controls` are the last measured: how far the judge agrees with itself, and whether its C0 is to be
    believed. `asked` is what files tell a run to do, this one or the next.
    `pace` is in answers per minute, `eta` in seconds; both are None where nothing runs or too little is known.
    """

    version: Literal[1] = 1
    trait: str
    ledger: str
    how: ProcessState = "not begun"
    running: bool = False
    process: HeartbeatRecord | None = None
    campaign: int | None = None
    campaigns: int = 0
    rounds: int = 0
    goal: int = 0
    pairs: int = 0
    by_status: dict[str, int] = {}
    parked: int = 0
    pass_rate: float | None = None
    noise: JudgeNoise | None = None
    controls: Controls | None = None
    calls: dict[str, int] = {}
    spent: tuple[Spent, ...] = ()
    micro_usd: int = 0
    attempts: dict[str, int] = {}
    pace: float | None = None
    eta: float | None = None
    possibly_paid: tuple[PossiblyPaid, ...] = ()
    failures: tuple[Failure, ...] = ()
    stop: Stop | None = None
    asked: tuple[Literal["stop", "pause"], ...] = ()
    trouble: str | None = None


def read_states(settings: Settings, time_of_day: Callable[[], float] = time.time) -> list[TraitState]:
    """The state of every trait of an experiment. What cannot be read is its state's `trouble`."""
    now = time_of_day()
    places, problems = trait_processes(settings, now)
    return [_read(place, settings.caps.target, problems, now) for place in places]


def _read(place: TraitProcess, target: int, problems: Sequence[str], now: float) -> TraitState:
    state = TraitState(
        trait=place.folder.trait,
        ledger=str(place.folder.ledger_path),
        running=place.running,
        process=_process(place),
        asked=_asked(place.folder),
        trouble="\n".join(problems) or None,
        goal=target,
    )
    try:
        state = _patiently(lambda: _with_ledger(state, place, now), place.locked)
        stop, _ = _last_stop(place.folder, state.campaign, state.rounds)
        state = state.model_copy(update={"stop": stop})
    except (LedgerError, UserError) as error:
        return state.model_copy(update={"how": "unreadable", "trouble": "\n".join([*problems, str(error)])})
    return _concluded(state, place, now)


def _asked(folder: ExperimentFolder) -> tuple[Literal["stop", "pause"], ...]:
    stop: tuple[Literal["stop"], ...] = ("stop",) if folder.stop_file.exists() else ()
    return (*stop, "pause") if folder.pause_file.exists() else stop


def _patiently(read: Callable[[], TraitState], locked: bool) -> TraitState:
    """A ledger that somebody writes may be in the making: what cannot be read now may be whole in a moment."""
    for wait in (0.05, 0.2):
        try:
            return read()
        except LedgerError:
            if not locked:
                raise
        time.sleep(wait)
    return read()


def _process(place: TraitProcess) -> HeartbeatRecord | None:
    """The last heartbeat of the trait's process, without what it says of other traits."""
    if place.process is None:
        return None
    beat, trait = place.process.beat, place.folder.trait
    about = beat.now.traits[trait]
    somebody_waits = any(one.paused for one in beat.now.traits.values())
    paused = about.paused if somebody_waits else beat.now.paused
    own = beat.now.model_copy(update={"traits": {trait: about}, "paused": paused})
    return beat.model_copy(update={"now": own})


def _with_ledger(state: TraitState, place: TraitProcess, now: float) -> TraitState:
    path = place.folder.ledger_path
    try:
        ledger = Ledger.read(path)
    except LedgerMissing:
        return state
    began = place.process.beat.started if place.process is not None and place.running else None
    with ledger:
        campaigns, spent = ledger.campaigns(), ledger.spend()
        found: dict[str, object] = {
            "campaigns": len(campaigns),
            "calls": dict(spent.calls),
            "spent": ledger.spent(),
            "micro_usd": spent.micro_usd,
            "attempts": ledger.attempts(),
            "possibly_paid": tuple(_possibly(attempt) for attempt in ledger.pending()),
            "failures": tuple(_failure(attempt) for attempt in ledger.last_failures(_ERRORS_SHOWN)),
            "pace": None if began is None else _pace(ledger, began, now),
        }
    if campaigns:
        found |= _set(path, campaigns[-1], state.goal, began, now)
    return state.model_copy(update=found)


def _pace(ledger: Ledger, began: float, now: float) -> float:
    """Answers per minute since the process began, over the last `_RECENT` seconds at most."""
    since = max(began, now - _RECENT)
    return round(60 * ledger.answered_since(since) / max(1.0, now - since), 1)


def _failure(attempt: Attempt) -> Failure:
    return Failure(
        role=attempt.role.value,
        purpose=attempt.purpose,
        error=attempt.outcome or "",
        sentence=attempt.detail,
        when=attempt.ended or 0.0,
    )


def _possibly(attempt: Attempt) -> PossiblyPaid:
    role, reserved = attempt.role.value, attempt.reserved or None
    return PossiblyPaid(role=role, purpose=attempt.purpose, begun=attempt.begun, micro_usd=reserved)


@dataclass(frozen=True)
class _Folded:
    """A campaign's set, and how far all its pairs together had come after each round, which ended when."""

    now: SetState
    reached: tuple[int, ...]
    recorded: tuple[float, ...]


@lru_cache(maxsize=256)
def _folded(path: Path, campaign: CampaignRecord) -> _Folded:
    """Rounds are never rewritten: a campaign of so many rounds is read once, however often it is looked at."""
    with Ledger.read(path) as ledger:
        history = ledger.history(campaign.id)[: campaign.rounds]
        recorded = ledger.recorded(campaign.id)[: campaign.rounds]
    now, reached = SetState(), []
    for done in history:
        now = apply_round(now, done)
        reached.append(sum(item.status for item in now.items.values()))
    return _Folded(now, tuple(reached), recorded)


def _set(path: Path, campaign: CampaignRecord, target: int, began: float | None, now: float) -> dict[str, object]:
    folded = _folded(path, campaign)
    standing = folded.now
    goal = max(target, standing.goal, standing.adopted)
    passed = len(standing.at(Status.PASSED, Status.CONFIRMED, Status.AUDITED))
    return {
        "campaign": campaign.id,
        "rounds": campaign.rounds,
        "goal": goal,
        "pairs": len(standing.items),
        "by_status": {s.name.lower(): len(standing.at(s)) for s in Status if standing.at(s)},
        "parked": len(standing.parked),
        "noise": standing.noise,
        "controls": standing.controls,
        "pass_rate": passed / whole if (whole := len(standing.items) + len(standing.parked)) else None,
        "eta": None if began is None else _eta(folded, goal * Status.AUDITED, began, now),
    }


def _eta(folded: _Folded, wanted: int, began: float, now: float) -> float | None:
    """Seconds to go, if pairs come on as they have since this process began; None while they have not."""
    before = sum(when < began for when in folded.recorded)
    start = folded.reached[before - 1] if before else 0
    gained = folded.reached[-1] - start if folded.reached else 0
    return round((wanted - folded.reached[-1]) * (now - began) / gained) if gained > 0 else None


def _last_stop(folder: ExperimentFolder, campaign: object, rounds: int) -> tuple[Stop | None, float]:
    """Why the last run of this campaign ended, unless it has gone on since, and when that was written."""
    path = folder.refinement / PROPOSAL
    try:
        proposal, written = Proposal.model_validate_json(path.read_bytes()), path.stat().st_mtime
    except FileNotFoundError:
        return None, 0.0
    except ValidationError as error:
        raise UserError(
            f"{path} cannot be read by this version of the program ({error.errors()[0]['msg']}): move it away."
        ) from error
    if (proposal.campaign, proposal.rounds) == (campaign, rounds):
        return proposal.stop, written
    earlier_stays = proposal.campaign != campaign or proposal.rounds > rounds
    return _reported_stop(folder, campaign, rounds) if earlier_stays else (None, 0.0)


def _reported_stop(folder: ExperimentFolder, campaign: object, rounds: int) -> tuple[Stop | None, float]:
    """The same from the report, which is always that of the latest campaign."""
    path = folder.refinement / "report.json"
    try:
        report, written = Report.model_validate_json(path.read_bytes()), path.stat().st_mtime
    except (FileNotFoundError, ValidationError):
        return None, 0.0
    is_of_it = (report.campaign, len(report.measured.rounds)) == (campaign, rounds)
    return (report.stop, written) if is_of_it else (None, 0.0)


def _concluded(state: TraitState, place: TraitProcess, now: float) -> TraitState:
    """The state with its one word for how it is."""
    if state.running:
        process = state.process if place.process is not None and place.process.works_on(state.trait) else None
        stale = process is not None and now - process.written > FRESH
        paused = process is not None and process.now.paused is not None
        how: ProcessState = "stale" if stale else "paused" if paused else "running"
    elif _died(state, place):
        how = "died"
    elif state.campaign is None and place.process is None:
        how = "not begun"
    else:
        how = "interrupted" if state.stop is None else "stopped"
    hides = how in ("died", "running", "paused", "stale")
    return state.model_copy(update={"how": how, "stop": None if hides else state.stop})


def _died(state: TraitState, place: TraitProcess) -> bool:
    """Whether the process ended without a word, and before it had written how this trait's part ended."""
    if place.process is None or place.process.alive or place.process.has_done_with(state.trait):
        return False
    stop, written = _last_stop(place.folder, state.campaign, state.rounds)
    return stop is None or written < place.process.beat.started
