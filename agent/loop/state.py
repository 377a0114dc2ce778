"""State of a set, replayed from history. Pure: nothing else keeps state."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import NamedTuple

from agent.schema import (
    OTHER_SIDE,
    Change,
    Controls,
    Depth,
    Draft,
    ErrorKind,
    Finding,
    History,
    JudgeNoise,
    Move,
    Outcome,
    Pair,
    Park,
    Polarity,
    Recheck,
    Repair,
    Resume,
    Round,
    Rung,
    Verdict,
    kind_of,
)


class Status(IntEnum):
    """Status of a pair, in the order that counts as improvement."""

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
_LEVEL = {Depth.FIRST: 1, Depth.CONFIRM: 2, Depth.AUDIT: 3}  # of a side that passes; 0 for one that does not
_REACHED = {Depth.FIRST: Status.PASSED, Depth.CONFIRM: Status.CONFIRMED, Depth.AUDIT: Status.AUDITED}


class ExaminedText(NamedTuple):
    """One examined version of a side, with its verdict and the subject's first tokens after it."""

    polarity: Polarity
    text: str
    verdict: Verdict | None
    opening: str


@dataclass(frozen=True)
class PairState:
    """State of one pair: its present texts, its findings, and the counts of what was tried.

    `best` is the highest level that each side has reached with any of its texts (see `_LEVEL`), `stuck` the number of
    repairs since either rose.
    """

    pair: Pair
    findings: tuple[Finding, ...] = ()
    best: tuple[int, ...] = (0, 0)
    stuck: int = 0
    repairs: int = 0
    rechecks: int = 0
    failed_audits: int = 0
    tried: tuple[tuple[Polarity, Rung, str], ...] = ()  # (side, rung, situation it was tried in)
    past: tuple[ExaminedText, ...] = ()  # every examined version of both sides, oldest first

    def finding(self, polarity: Polarity) -> Finding | None:
        """The latest finding about this side's present text."""
        key = self.pair.side(polarity).key
        return next((f for f in reversed(self.findings) if f.polarity is polarity and f.key == key), None)

    @property
    def current(self) -> tuple[Finding, ...]:
        """The findings about the present texts, positive first; none for a side that was not examined."""
        return tuple(found for p in Polarity if (found := self.finding(p)) is not None)

    @property
    def unfit(self) -> Finding | None:
        """The current finding about a text that the subject cannot continue, if any."""
        failures = ((f, f.completion.failure) for f in self.current if f.completion is not None)
        return next((finding for finding, why in failures if why not in (None, OTHER_SIDE)), None)

    @property
    def failing(self) -> tuple[Finding, ...]:
        """Those of the current findings that fail."""
        return tuple(found for found in self.current if found.outcome is Outcome.FAIL)

    @property
    def status(self) -> Status:
        found = self.current
        if len(found) < len(Polarity) or any(f.outcome is Outcome.UNJUDGED for f in found):
            return Status.UNJUDGED
        return Status.FAILING if self.failing else min(_REACHED[f.depth] for f in found)

    def rungs(self, polarity: Polarity) -> tuple[Rung, ...]:
        """Rungs tried on this side since its situation last changed."""
        situation = self.pair.side(polarity).situation
        return tuple(rung for side, rung, on in self.tried if side is polarity and on == situation)


@dataclass(frozen=True)
class SetState:
    """State of the set: its pairs, what left it, and the counts that the policy reads.

    `stalled` counts the repair rounds since any side of any pair reached a level that it had never reached. `batch`
    are the pairs that the last batch of the dataset brought. After a Resume with `anyway`, that is true, and
    `overlooked` is the number of pairs that were parked by then, without those that the subject cannot continue.
    """

    items: dict[str, PairState] = field(default_factory=dict)
    parked: tuple[Park, ...] = ()
    removed: tuple[PairState, ...] = ()
    rounds: int = 0
    adopted: int = 0
    drafted: int = 0
    repair_rounds: int = 0
    stalled: int = 0
    batch: tuple[str, ...] = ()
    anyway: bool = False
    overlooked: int = 0
    empty_drafts: int = 0
    empty_draft_reason: str = ""  # the last note of the latest draft that added nothing
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
    """The state after all rounds, oldest first."""
    state = SetState()
    for round in history:
        state = apply_round(state, round)
    return state


def apply_round(state: SetState, round: Round) -> SetState:
    """The state after one more round."""
    state = _resumed(state, round.move)
    items = dict(state.items)
    removed = _apply_changes(items, round.changes)
    _apply_findings(items, round)
    parked_ids = {p.pair for p in round.parked}
    removed += [items.pop(key) for key in list(items) if key in parked_ids]
    authored = sum(c.what == "draft" for c in round.changes)
    adopted = tuple(c.pair for c in round.changes if c.what == "adopt")
    is_empty = isinstance(round.move, Draft) and not authored + len(adopted)
    return replace(
        state,
        items=items,
        parked=state.parked + round.parked,
        removed=state.removed + tuple(removed),
        rounds=state.rounds + 1,
        adopted=state.adopted + len(adopted),
        drafted=state.drafted + authored,
        repair_rounds=state.repair_rounds + isinstance(round.move, Repair),
        stalled=0 if _rose(state.items, items) else state.stalled + isinstance(round.move, Repair),
        batch=adopted or state.batch,
        empty_drafts=_empty_drafts(state, round, is_empty),
        empty_draft_reason=next((note for note in reversed(round.notes) if is_empty), state.empty_draft_reason),
        idle=0 if removed or _improved(state.items, items) or _is_anyway(round.move) else state.idle + 1,
        goal=max(state.goal, round.move.goal) if isinstance(round.move, Draft) else state.goal,
        controls=round.controls or state.controls,
        noise=round.noise or state.noise,
    )


def _resumed(state: SetState, move: Move) -> SetState:
    """The state that a Resume goes on from: its pairs are back, to be asked as if for the first time."""
    if not isinstance(move, Resume):
        return state
    back = {item.pair.id: replace(item, rechecks=0) for item in state.removed if item.pair.id in move.pairs}
    parked = tuple(park for park in state.parked if park.pair not in back)
    removed = tuple(item for item in state.removed if item.pair.id not in back)
    state = replace(state, items={**state.items, **back}, parked=parked, removed=removed)
    if not _is_anyway(move):
        return state
    return replace(state, anyway=True, overlooked=len(undecided(state)), stalled=0, empty_drafts=0, idle=0)


def _is_anyway(move: Move) -> bool:
    return isinstance(move, Resume) and move.anyway


def undecided(state: SetState) -> tuple[Park, ...]:
    """The pairs parked for another reason than a text that the subject cannot continue, which is no judge's fault."""
    unfit = {item.pair.id for item in state.removed if item.unfit}
    return tuple(park for park in state.parked if park.pair not in unfit)


def unanswered(state: SetState) -> tuple[str, ...]:
    """The pairs parked for want of an answer, in the order in which they were parked."""
    left = {item.pair.id: item for item in state.removed}
    return tuple(park.pair for park in state.parked if park.pair in left and _is_open(left[park.pair]))


def _is_open(item: PairState) -> bool:
    """Whether a pair lacks an answer. An undecided one has them; where there is no completion none is asked."""
    return (
        item.status is Status.UNJUDGED
        and item.unfit is None
        and all(found.verdict is not Verdict.UNSURE for found in item.current)
    )


def _empty_drafts(state: SetState, round: Round, is_empty: bool) -> int:
    """Drafts in a row that added nothing. One that failed by its endpoint counts neither way."""
    if not isinstance(round.move, Draft) or (is_empty and any(map(endpoint_failed, round.notes))):
        return state.empty_drafts
    return state.empty_drafts + 1 if is_empty else 0


def endpoint_failed(why: str) -> bool:
    """Whether a reason is an error of the endpoint, which says nothing about a text or its author."""
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
    """The pair after a repair. A repair that an endpoint error prevented does not count."""
    if not change.candidates and pair == item.pair and endpoint_failed(change.why):
        return item
    tried = tuple((side, rung, item.pair.side(side).situation) for side, rung in change.rungs)
    rechecks = item.rechecks if pair.key == item.pair.key else 0
    return replace(
        item, pair=pair, repairs=item.repairs + 1, stuck=item.stuck + 1, tried=item.tried + tried, rechecks=rechecks
    )


def _apply_findings(items: dict[str, PairState], round: Round) -> None:
    for finding in round.findings:
        item = items[finding.pair]
        text = item.pair.side(finding.polarity).text
        opening = finding.completion.opening if finding.completion else ""
        version = ExaminedText(finding.polarity, text, finding.verdict, opening)
        items[finding.pair] = replace(item, findings=(*item.findings, finding), past=(*item.past, version))
    audited = {f.pair for f in round.findings if f.depth is Depth.AUDIT}
    for key in {f.pair for f in round.findings}:
        item = items[key]
        again = item.rechecks + isinstance(round.move, Recheck)
        best = tuple(max(before, _level(item.finding(p))) for before, p in zip(item.best, Polarity, strict=True))
        items[key] = replace(
            item,
            best=best,
            stuck=item.stuck if best == item.best else 0,
            rechecks=again if item.status is Status.UNJUDGED else 0,
            failed_audits=item.failed_audits + (item.status is Status.FAILING and key in audited),
        )


def _level(found: Finding | None) -> int:
    return _LEVEL[found.depth] if found is not None and found.outcome is Outcome.PASS else 0


def _rose(before: dict[str, PairState], items: dict[str, PairState]) -> bool:
    """Whether a side has reached a level that it had never reached."""
    return any(item.best != (before[key].best if key in before else (0, 0)) for key, item in items.items())


def _improved(before: dict[str, PairState], items: dict[str, PairState]) -> bool:
    return any(key not in before or item.status > before[key].status for key, item in items.items())
