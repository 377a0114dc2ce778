"""Status of every trait, read from files alone: its run, its set, usage, failures, and calls possibly paid."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from agent.config.settings import Settings
from agent.errors import UserError
from agent.loop.state import SetState, Status, apply_round
from agent.review.reported_stop import reported_stop
from agent.schema import Controls, FrozenModel, JudgeNoise, Stop
from agent.storage.experiment import ExperimentFolder
from agent.storage.ledger import Ledger
from agent.storage.ledger_database import Attempt, CampaignRecord, LedgerError, LedgerMissing, Spent
from agent.supervision.heartbeat import FRESH, HeartbeatRecord, TraitProcess, trait_processes

ProcessState = Literal["unreadable", "running", "paused", "stale", "died", "interrupted", "stopped", "not begun"]

_PACE_WINDOW = 300.0  # seconds over which the pace is measured; chosen by judgement
_FAILURES_KEPT = 5


class PossiblyPaid(FrozenModel):
    """A call without a recorded answer: when it was begun (seconds since 1970), and its reserved cost, if known."""

    role: str
    purpose: str
    begun: float
    micro_usd: int | None = None


class Failure(FrozenModel):
    """A failed attempt: the kind of its error, the sentence, and when it ended (seconds since 1970)."""

    role: str
    purpose: str
    error: str
    sentence: str
    when: float


class TraitState(FrozenModel):
    """Status of one trait. `stop` is why the last run of the campaign ended; None while none has, or another runs.

    `noise` and `controls` are the last measured. `asked` are the requests in STOP and PAUSE files, for this run or the
    next. `pace` is in answers per minute, `eta` in seconds; both are None where nothing runs or too little is known.
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
    """Read the status of every trait of an experiment. Files that cannot be read are reported in `trouble`."""
    now = time_of_day()
    processes, problems = trait_processes(settings, now)
    return [_read(place, settings.caps.target, problems, now) for place in processes]


def is_over(states: Sequence[TraitState]) -> bool:
    """Whether something has run and nothing runs now; false before the first run."""
    idle = all(not state.running for state in states)
    return idle and any(state.how != "not begun" for state in states)


def watched_part(state: TraitState) -> tuple[object, ...]:
    """What `--watch` compares: stage, rounds, failures and endings, but not what only grows (calls, time)."""
    about = state.process.now.traits[state.trait] if state.process else None
    return (
        state.how,
        state.rounds,
        state.by_status,
        state.parked,
        state.stop,
        state.asked,
        state.trouble,
        state.failures,
        about and (about.stage, about.since),
    )


def _read(place: TraitProcess, target: int, problems: Sequence[str], now: float) -> TraitState:
    state = TraitState(
        trait=place.folder.trait,
        ledger=str(place.folder.ledger_path),
        running=place.running,
        process=_process(place),
        asked=_requests(place.folder),
        trouble="\n".join(problems) or None,
        goal=target,
    )
    try:
        state = _with_retries(lambda: _with_ledger(state, place, now), place.locked)
        stop, _ = reported_stop(place.folder, state.campaign, state.rounds)
        state = state.model_copy(update={"stop": stop})
    except (LedgerError, UserError) as error:
        return state.model_copy(update={"how": "unreadable", "trouble": "\n".join([*problems, str(error)])})
    return _classified(state, place, now)


def _requests(folder: ExperimentFolder) -> tuple[Literal["stop", "pause"], ...]:
    stop: tuple[Literal["stop"], ...] = ("stop",) if folder.stop_file.exists() else ()
    return (*stop, "pause") if folder.pause_file.exists() else stop


def _with_retries(read: Callable[[], TraitState], locked: bool) -> TraitState:
    """Retry a ledger that is locked: it may just be created, and readable in a moment."""
    for wait in (0.05, 0.2):
        try:
            return read()
        except LedgerError:
            if not locked:
                raise
        time.sleep(wait)
    return read()


def _process(place: TraitProcess) -> HeartbeatRecord | None:
    """The last heartbeat of the trait's process, without its other traits."""
    if place.process is None:
        return None
    heartbeat, trait = place.process.heartbeat, place.folder.trait
    about = heartbeat.now.traits[trait]
    is_per_trait = any(one.paused for one in heartbeat.now.traits.values())
    paused = about.paused if is_per_trait else heartbeat.now.paused
    own = heartbeat.now.model_copy(update={"traits": {trait: about}, "paused": paused})
    return heartbeat.model_copy(update={"now": own})


def _with_ledger(state: TraitState, place: TraitProcess, now: float) -> TraitState:
    path = place.folder.ledger_path
    try:
        ledger = Ledger.read(path)
    except LedgerMissing:
        return state
    started = place.process.heartbeat.started if place.process is not None and place.running else None
    with ledger:
        campaigns, spent = ledger.campaigns(), ledger.total_usage()
        found: dict[str, object] = {
            "campaigns": len(campaigns),
            "calls": dict(spent.calls),
            "spent": ledger.spent_by_role(),
            "micro_usd": spent.micro_usd,
            "attempts": ledger.attempt_counts(),
            "possibly_paid": tuple(_possibly_paid(attempt) for attempt in ledger.pending()),
            "failures": tuple(_failure(attempt) for attempt in ledger.last_failures(_FAILURES_KEPT)),
            "pace": None if started is None else _pace(ledger, started, now),
        }
    if campaigns:
        found |= _set_state(path, campaigns[-1], state.goal, started, now)
    return state.model_copy(update=found)


def _pace(ledger: Ledger, started: float, now: float) -> float:
    """Answers per minute since the process started, over the last `_PACE_WINDOW` seconds at most."""
    since = max(started, now - _PACE_WINDOW)
    return round(60 * ledger.answered_since(since) / max(1.0, now - since), 1)


def _failure(attempt: Attempt) -> Failure:
    return Failure(
        role=attempt.role.value,
        purpose=attempt.purpose,
        error=attempt.outcome or "",
        sentence=attempt.detail,
        when=attempt.ended or 0.0,
    )


def _possibly_paid(attempt: Attempt) -> PossiblyPaid:
    role, reserved = attempt.role.value, attempt.reserved or None
    return PossiblyPaid(role=role, purpose=attempt.purpose, begun=attempt.begun, micro_usd=reserved)


@dataclass(frozen=True)
class _Replay:
    """A campaign's set; and after each round the sum of all pairs' statuses, and when the round was recorded."""

    state: SetState
    reached: tuple[int, ...]
    recorded: tuple[float, ...]


@lru_cache(maxsize=256)
def _replayed(path: Path, campaign: CampaignRecord) -> _Replay:
    """Replay a campaign's rounds; cached, since rounds are never rewritten."""
    with Ledger.read(path) as ledger:
        history = ledger.history(campaign.id)[: campaign.rounds]
        recorded = ledger.recorded(campaign.id)[: campaign.rounds]
    state, reached = SetState(), []
    for done in history:
        state = apply_round(state, done)
        reached.append(sum(item.status for item in state.items.values()))
    return _Replay(state, tuple(reached), recorded)


def _set_state(
    path: Path, campaign: CampaignRecord, target: int, started: float | None, now: float
) -> dict[str, object]:
    replay = _replayed(path, campaign)
    found = replay.state
    goal = max(target, found.goal, found.adopted)
    passed = len(found.at(Status.PASSED, Status.CONFIRMED, Status.AUDITED))
    return {
        "campaign": campaign.id,
        "rounds": campaign.rounds,
        "goal": goal,
        "pairs": len(found.items),
        "by_status": {s.name.lower(): len(found.at(s)) for s in Status if found.at(s)},
        "parked": len(found.parked),
        "noise": found.noise,
        "controls": found.controls,
        "pass_rate": passed / whole if (whole := len(found.items) + len(found.parked)) else None,
        "eta": None if started is None else _eta(replay, goal * Status.AUDITED, started, now),
    }


def _eta(replay: _Replay, wanted: int, started: float, now: float) -> float | None:
    """Seconds left at the rate since this process started; None while nothing has been gained."""
    before = sum(when < started for when in replay.recorded)
    start = replay.reached[before - 1] if before else 0
    gained = replay.reached[-1] - start if replay.reached else 0
    return round((wanted - replay.reached[-1]) * (now - started) / gained) if gained > 0 else None


def _classified(state: TraitState, place: TraitProcess, now: float) -> TraitState:
    """The state with `how` filled in."""
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
    """Whether the process died before it had written how this trait's part of the run ended."""
    if place.process is None or place.process.alive or place.process.has_finished(state.trait):
        return False
    stop, written = reported_stop(place.folder, state.campaign, state.rounds)
    return stop is None or written < place.process.heartbeat.started
