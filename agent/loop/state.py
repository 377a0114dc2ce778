"""Where every pair stands: a pure fold of history. Nothing else remembers anything."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import IntEnum

from agent.schema import (
    Change,
    Controls,
    Depth,
    Draft,
    ErrorKind,
    Finding,
    History,
    JudgeNoise,
    Outcome,
    Pair,
    Park,
    Polarity,
    Recheck,
    Repair,
    Round,
    Rung,
    Verdict,
    kind_of,
)


class Status(IntEnum):
    """How far a pair has come, in the order that counts as improvement."""

    UNJUDGED = 0
    FAILING = 1
    PASSED = 2
    CONFIRMED = 3
    AUDITED = 4


_ENDPOINT_ERRORS = {
    ErrorKind.TRANSIENT,
    ErrorKind.RATE,
    ErrorKind.TIMEOUT,
    ErrorKind.QUOTA,
    ErrorKind.AUTH,
}
_REACHED = {Depth.FIRST: Status.PASSED, Depth.CONFIRM: Status.CONFIRMED, Depth.AUDIT: Status.AUDITED}


@dataclass(frozen=True)
class PairState:
    """One pair of the set with what is known of its present text and of its past."""

    pair: Pair
    findings: tuple[Finding, ...] = ()
    repairs: int = 0
    rechecks: int = 0
    failed_audits: int = 0
    tried: tuple[tuple[Polarity, Rung, str], ...] = ()  # (side, rung, situation it was tried in)
    past: tuple[tuple[str, Verdict | None], ...] = ()  # (text, verdict) of every examined version

    def finding(self, polarity: Polarity) -> Finding | None:
        """The latest finding that is about this side's present text."""
        key = self.pair.side(polarity).key
        return next((f for f in reversed(self.findings) if f.polarity is polarity and f.key == key), None)

    @property
    def status(self) -> Status:
        latest = [self.finding(p) for p in Polarity]
        found = [f for f in latest if f is not None]
        if len(found) < len(latest) or any(f.outcome is Outcome.UNJUDGED for f in found):
            return Status.UNJUDGED
        if any(f.outcome is Outcome.FAIL for f in found):
            return Status.FAILING
        return min(_REACHED[f.depth] for f in found)

    def rungs(self, polarity: Polarity) -> tuple[Rung, ...]:
        """Rungs tried on this side in its present situation."""
        situation = self.pair.side(polarity).situation
        return tuple(rung for side, rung, on in self.tried if side is polarity and on == situation)


@dataclass(frozen=True)
class SetState:
    """The set, what left it, and the counts the policy needs."""

    items: dict[str, PairState] = field(default_factory=dict)
    parked: tuple[Park, ...] = ()
    removed: tuple[PairState, ...] = ()
    rounds: int = 0
    adopted: int = 0
    drafted: int = 0
    repair_rounds: int = 0
    barren_drafts: int = 0
    barren_why: str = ""  # what the author last said in place of a pair
    idle: int = 0
    goal: int = 0
    controls: Controls | None = None
    noise: JudgeNoise | None = None

    def at(self, *statuses: Status) -> tuple[str, ...]:
        return tuple(key for key, item in self.items.items() if item.status in statuses)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        return tuple(item.pair for item in self.items.values())

    @property
    def entered(self) -> int:
        return self.adopted + self.drafted


def replay(history: History) -> SetState:
    """Fold all rounds, oldest first."""
    now = SetState()
    for done in history:
        now = apply_round(now, done)
    return now


def apply_round(now: SetState, done: Round) -> SetState:
    """The standing once `done` has happened."""
    items = dict(now.items)
    removed = _apply_changes(items, done.changes)
    _apply_findings(items, done)
    parked_ids = {p.pair for p in done.parked}
    removed += [items.pop(key) for key in list(items) if key in parked_ids]
    authored = sum(c.what == "draft" for c in done.changes)
    adopted = sum(c.what == "adopt" for c in done.changes)
    barren = isinstance(done.move, Draft) and not authored + adopted
    if barren and any(map(endpoint_failed, done.notes)):
        barren_drafts = now.barren_drafts
    else:
        barren_drafts = now.barren_drafts + 1 if barren else 0 if isinstance(done.move, Draft) else now.barren_drafts
    return replace(
        now,
        items=items,
        parked=now.parked + done.parked,
        removed=now.removed + tuple(removed),
        rounds=now.rounds + 1,
        adopted=now.adopted + adopted,
        drafted=now.drafted + authored,
        repair_rounds=now.repair_rounds + isinstance(done.move, Repair),
        barren_drafts=barren_drafts,
        barren_why=next((note for note in reversed(done.notes) if barren), now.barren_why),
        idle=0 if removed or _improved(now.items, items) else now.idle + 1,
        goal=max(now.goal, done.move.goal) if isinstance(done.move, Draft) else now.goal,
        controls=done.controls or now.controls,
        noise=done.noise or now.noise,
    )


def endpoint_failed(why: str) -> bool:
    """Whether a reason is an endpoint's trouble, which says nothing about a text or its author."""
    return kind_of(why) in _ENDPOINT_ERRORS


def _apply_changes(items: dict[str, PairState], changes: Iterable[Change]) -> list[PairState]:
    removed = []
    for change in changes:
        if change.after is None:
            removed.append(items.pop(change.pair))
        elif change.pair not in items:
            items[change.pair] = PairState(change.after)
        else:
            items[change.pair] = _repaired(items[change.pair], change, change.after)
    return removed


def _repaired(item: PairState, change: Change, pair: Pair) -> PairState:
    """The item after a repair. One that an endpoint's error kept from being tried does not count."""
    if not change.candidates and pair == item.pair and endpoint_failed(change.why):
        return item
    tried = tuple((side, rung, item.pair.side(side).situation) for side, rung in change.rungs)
    rechecks = item.rechecks if pair.key == item.pair.key else 0
    return replace(item, pair=pair, repairs=item.repairs + 1, tried=item.tried + tried, rechecks=rechecks)


def _apply_findings(items: dict[str, PairState], done: Round) -> None:
    for finding in done.findings:
        item = items[finding.pair]
        text = item.pair.side(finding.polarity).text
        items[finding.pair] = replace(
            item, findings=(*item.findings, finding), past=(*item.past, (text, finding.verdict))
        )
    audited = {f.pair for f in done.findings if f.depth is Depth.AUDIT}
    for key in {f.pair for f in done.findings}:
        item = items[key]
        again = item.rechecks + isinstance(done.move, Recheck)
        items[key] = replace(
            item,
            rechecks=again if item.status is Status.UNJUDGED else 0,
            failed_audits=item.failed_audits + (item.status is Status.FAILING and key in audited),
        )


def _improved(before: dict[str, PairState], items: dict[str, PairState]) -> bool:
    return any(key not in before or item.status > before[key].status for key, item in items.items())
