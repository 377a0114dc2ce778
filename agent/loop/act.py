"""What one trait's loop works with, and the signals it gathers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent.loop.state import PairState, SetState, Status, replay
from agent.schema import (
    Audit,
    Change,
    Completion,
    Confirm,
    Depth,
    Draft,
    ErrorKind,
    Finding,
    Flag,
    History,
    Move,
    Opener,
    Outcome,
    Pair,
    Plan,
    Polarity,
    Recheck,
    Repair,
    Round,
    Rung,
    Sampling,
    Signals,
    Stop,
    Verdict,
    kind_of,
)
from agent.steps.author import RepairTask
from agent.steps.case import cases_of
from agent.steps.context import StepContext
from agent.steps.draft import DraftRequest, draft
from agent.steps.examine import examine
from agent.steps.repair import SetContext, repair, rung_for
from agent.storage.ledger import Ledger


class Subject(Protocol):
    """A subject: continues texts, and yields (place of a text, its completions) as they are made.

    One tuple of completions per text: one greedy, or `samples` draws. With `openers` there is one per text: the text
    and the opener are continued, by as many draws as the opener says.
    """

    @property
    def signature(self) -> str: ...

    def stream(
        self, texts: Sequence[tuple[str, str | None]], sampling: Sampling, openers: Sequence[Opener] = ()
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]: ...


@dataclass(frozen=True)
class Tools:
    """Everything `refine` needs for one trait. `dataset` is what the campaign starts from, in file order.

    `rejected` are texts that a human refused; drafts are numbered from `first_draft` on.
    """

    context: StepContext
    ledger: Ledger
    campaign: int
    plan: Plan
    dataset: tuple[Pair, ...] = ()
    signals: Callable[[], Signals] = field(default=Signals)
    rejected: tuple[str, ...] = ()
    first_draft: int = 0


EXAMPLES = 2
STRUCK_SHOWN = 20


def act(move: Move, history: History, tools: Tools) -> Round:
    """The round of this move with its changes; nothing is examined yet."""
    now, number = replay(history), len(history) + 1
    if isinstance(move, Draft):
        adopted = _adopt(move, now, tools)
        wanted = move.count - len(adopted)
        drafted = draft(tools.context, _order(wanted, adopted, now, history, tools))
        return Round(number=number, move=move, changes=(*adopted, *drafted.changes), notes=drafted.notes)
    if isinstance(move, Repair):
        return Round(number=number, move=move, changes=_repair(move, now, history, tools))
    return Round(number=number, move=move)


def _adopt(move: Draft, now: SetState, tools: Tools) -> tuple[Change, ...]:
    """The next pairs of the dataset, in file order."""
    pairs = tools.dataset[now.adopted : now.adopted + move.adopt]
    return tuple(Change(pair=pair.id, what="adopt", before=None, after=pair) for pair in pairs)


def _order(count: int, adopted: tuple[Change, ...], now: SetState, history: History, tools: Tools) -> DraftRequest:
    new = tuple(change.after for change in adopted if change.after is not None)
    return DraftRequest(
        count=count,
        goal=tools.plan.goal,
        pairs=(*now.pairs, *new),
        first_id=tools.first_draft + now.drafted,
        round=1 + sum(not isinstance(done.move, Recheck) for done in history),  # what a fault cost changes no draft
        struck=struck_topics(history),
        rejected=tools.rejected,
    )


def _repair(move: Repair, now: SetState, history: History, tools: Tools) -> tuple[Change, ...]:
    ailments: list[RepairTask] = []
    share = 0.0 if tools.context.sustained else tools.context.rules.max_extended_share
    room = share * tools.plan.goal - _extended(now)
    for key in move.pairs:
        for finding in (found for p in Polarity if (found := now.items[key].finding(p)) is not None):
            if finding.outcome is Outcome.FAIL:
                extending = sum(a.rung is Rung.EXTENDED for a in ailments)
                ailments.append(_ailment(now.items[key], finding, now, history, extending < room))
    retopiced = {a.pair.id for a in ailments if a.rung is Rung.RETOPIC}
    once = {a.pair.id: a for a in ailments if a.rung is Rung.RETOPIC}  # one new topic serves both members
    ailments = [a for a in ailments if a.pair.id not in retopiced or a is once[a.pair.id]]
    changes = repair(tools.context, ailments, SetContext(now.pairs, tools.plan.goal, tools.rejected))
    dropped = [
        Change(pair=key, what="drop", before=now.items[key].pair, after=None, why=_spent(now.items[key]))
        for key in move.replace
    ]
    return (*changes, *dropped)


def _ailment(item: PairState, finding: Finding, now: SetState, history: History, may_extend: bool) -> RepairTask:
    side = item.pair.side(finding.polarity)
    past = [(text, verdict) for text, verdict in item.past if text != side.text]
    tried = [(c.text, c.verdict) for done in history for change in done.changes if change.pair == item.pair.id
             for c in change.candidates if c.refused and c.verdict is not None]  # fmt: skip
    return RepairTask(
        pair=item.pair,
        finding=finding,
        rung=rung_for(finding, item.rungs(finding.polarity), may_extend),
        earlier=tuple(dict.fromkeys([*past, *tried]))[-6:],
        examples=_examples(item.pair, finding.polarity, now),
        struck=struck_topics(history),
        attempt=item.repairs,
    )


def _examples(pair: Pair, polarity: Polarity, now: SetState) -> tuple[str, ...]:
    """Two confirmed endings, of the same kind of lock-in where there are such."""
    confirmed = [now.items[key].pair for key in now.at(Status.CONFIRMED, Status.AUDITED)]
    alike = sorted(confirmed, key=lambda other: other.kind != pair.kind)
    return tuple(other.side(polarity).ending for other in alike[:EXAMPLES])


def _extended(now: SetState) -> int:
    return sum(Flag.EXTENDED in side.flags for pair in now.pairs for side in pair.sides)


def _spent(item: PairState) -> str:
    verdicts = [str(f.verdict) for p in Polarity if (f := item.finding(p)) is not None and f.outcome is Outcome.FAIL]
    return f"still {' and '.join(verdicts)} after {item.repairs} repairs"


def struck_topics(history: History) -> tuple[str, ...]:
    """Stems whose topic decided the outcome, or which the author refuses to write about."""
    found: dict[str, None] = {}
    pairs: dict[str, Pair] = {}
    for done in history:
        for change in done.changes:
            if change.before is not None and ErrorKind.REFUSAL in map(kind_of, change.why.split("; ")):
                found[change.before.positive.text] = None
            if change.after is not None:
                pairs[change.pair] = change.after
        for finding in done.findings:
            if finding.verdict is Verdict.TOPIC:
                found[pairs[finding.pair].side(finding.polarity).stem] = None
    return tuple(found)[-STRUCK_SHOWN:]


def examine_changed(done: Round, history: History, tools: Tools) -> Round:
    """The round with its findings: what changed is examined at first depth, the rest as deep as the move asks."""
    now = replay((*history, done))
    wanted: dict[Depth, list[PairState]] = {}
    for key, depth in _depths(done, now):
        wanted.setdefault(depth, []).append(now.items[key])
    findings: list[Finding] = []
    for depth, items in wanted.items():
        past = {(i.pair.id, p): _past(i, p) for i in items for p in Polarity}
        findings += examine(tools.context, cases_of([item.pair for item in items], past), depth)
    return done.model_copy(update={"findings": tuple(findings)})


def _depths(done: Round, now: SetState) -> list[tuple[str, Depth]]:
    move = done.move
    if isinstance(move, Confirm):
        return [(key, Depth.CONFIRM) for key in move.pairs]
    if isinstance(move, Audit):
        return [(key, Depth.AUDIT) for key in move.pairs]
    if isinstance(move, Draft | Repair):
        kept = [change for change in done.changes if change.after is not None]
        return [(c.pair, Depth.FIRST if c.before != c.after else _reached(now.items[c.pair])) for c in kept]
    return [(key, _reached(now.items[key])) for key in move.pairs] if not isinstance(move, Stop) else []


def _reached(item: PairState) -> Depth:
    """How deep the present texts were examined last."""
    depths = [f.depth for p in Polarity if (f := item.finding(p)) is not None]
    return max(depths, key=list(Depth).index, default=Depth.FIRST)


def _past(item: PairState, polarity: Polarity) -> tuple[bool, bool]:
    """(the topic went the wrong way before, a late ending was shortened before) - both on the present stem."""
    rungs = item.rungs(polarity)
    return Rung.STRENGTHEN in rungs, Rung.SHORTEN in rungs
