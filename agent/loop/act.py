"""Executes moves: drafts, repairs, examinations; and what the loop of one trait works with."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent.loop.state import PairState, SetState, Status, replay
from agent.schema import (
    Audit,
    Candidate,
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
    first_sentence,
    kind_of,
)
from agent.steps.author import Attempted, RepairTask, TopicTried
from agent.steps.candidates import WEAK
from agent.steps.case import cases_of
from agent.steps.context import StepContext
from agent.steps.draft import DraftRequest, draft
from agent.steps.examine import examine
from agent.steps.repair import SetContext, repair, rung_for
from agent.storage.ledger import Ledger


class Subject(Protocol):
    """A model that continues texts. Yields (index of a text, its completions) as they are made.

    Completions of a text are one greedy or `samples` draws. With `openers`, one per text, text plus opener is
    continued, by as many draws as the opener asks for. A text that cannot be continued has completions with `failure`;
    `problem` tells why, where the tokenizer is enough to know.
    """

    @property
    def signature(self) -> str: ...

    def problem(self, text: str, system_prompt: str | None, new: int) -> str | None: ...

    def stream(
        self, texts: Sequence[tuple[str, str | None]], sampling: Sampling, openers: Sequence[Opener] = ()
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]: ...


# Seconds between two askings of the same questions; the last one counts for all later. Chosen by judgement: a router
# that restarts is back within the first, a server that loads a small model within the second.
RECHECK_PAUSES = (20.0, 120.0)


@dataclass(frozen=True)
class Tools:
    """What `refine` needs for one trait.

    `dataset`: the pairs that the campaign starts from, in file order. `rejected`: texts that a human rejected.
    `first_draft`: the number of the first draft. `wait` waits so many seconds and may raise Interrupted; its second
    argument says what for. `recheck_pauses`: seconds before the first recheck of a pair, the second, and so on.
    `places`: file and line of the dataset's texts, by their key.
    """

    context: StepContext
    ledger: Ledger
    campaign: int
    plan: Plan
    dataset: tuple[Pair, ...] = ()
    signals: Callable[[], Signals] = field(default=Signals)
    wait: Callable[[float, str], None] = field(default=lambda seconds, what: None)
    recheck_pauses: tuple[float, ...] = RECHECK_PAUSES
    rejected: tuple[str, ...] = ()
    first_draft: int = 0
    places: Mapping[str, str] = field(default_factory=dict)


EARLIER_SHOWN = 6  # latest attempts shown to the author; chosen by judgement
EXAMPLES = 2  # confirmed endings shown to the author; chosen by judgement
EXCLUDED_SHOWN = 20  # latest excluded topics named to the author; chosen by judgement


def act(move: Move, history: History, tools: Tools) -> Round:
    """The round of this move with its changes, not yet examined."""
    state, number = replay(history), len(history) + 1
    if isinstance(move, Draft):
        adopted = _adopt(move, state, tools)
        wanted = move.count - len(adopted)
        drafted = draft(tools.context, _draft_request(wanted, adopted, state, history, tools))
        return Round(number=number, move=move, changes=(*adopted, *drafted.changes), notes=drafted.notes)
    if isinstance(move, Repair):
        return Round(number=number, move=move, changes=_repair(move, state, history, tools))
    return Round(number=number, move=move)


def _adopt(move: Draft, state: SetState, tools: Tools) -> tuple[Change, ...]:
    """The next pairs of the dataset, in file order."""
    pairs = tools.dataset[state.adopted : state.adopted + move.adopt]
    return tuple(Change(pair=pair.id, what="adopt", before=None, after=pair) for pair in pairs)


def _draft_request(
    count: int, adopted: tuple[Change, ...], state: SetState, history: History, tools: Tools
) -> DraftRequest:
    new = tuple(change.after for change in adopted if change.after is not None)
    return DraftRequest(
        count=count,
        goal=tools.plan.goal,
        pairs=(*state.pairs, *new),
        first_id=tools.first_draft + state.drafted,
        round=1 + sum(not isinstance(round.move, Recheck) for round in history),  # rechecks change no later draft
        excluded_topics=excluded_topics(history),
        rejected=tools.rejected,
    )


def _repair(move: Repair, state: SetState, history: History, tools: Tools) -> tuple[Change, ...]:
    tasks: list[RepairTask] = []
    share = 0.0 if tools.context.sustained else tools.context.rules.max_extended_share
    room = share * tools.plan.goal - _extended(state)
    for key in move.pairs:
        for finding in state.items[key].failing:
            extending = sum(task.rung is Rung.EXTENDED for task in tasks)
            tasks.append(_repair_task(state.items[key], finding, state, history, extending < room))
    retopic = {task.pair.id: task for task in tasks if task.rung is Rung.RETOPIC}  # one new topic serves both sides
    tasks = [task for task in tasks if retopic.get(task.pair.id, task) is task]
    changes = repair(tools.context, tasks, SetContext(state.pairs, tools.plan.goal, tools.rejected))
    dropped = [
        Change(pair=key, what="drop", before=state.items[key].pair, after=None, why=_drop_reason(state.items[key]))
        for key in move.replace
    ]
    return (*changes, *dropped)


def _repair_task(item: PairState, finding: Finding, state: SetState, history: History, may_extend: bool) -> RepairTask:
    tried = [c for round in history for change in round.changes if change.pair == item.pair.id
             for c in change.candidates if c.polarity is not None]  # fmt: skip
    return RepairTask(
        pair=item.pair,
        finding=finding,
        rung=rung_for(finding, item.rungs(finding.polarity), may_extend),
        earlier=_earlier(item, finding.polarity, tried),
        latest={polarity: one[-1] for polarity in Polarity if (one := _earlier(item, polarity, tried))},
        topics=_topics(item, tried),
        examples=_examples(item.pair, finding.polarity, state),
        excluded_topics=excluded_topics(history),
        attempt=item.repairs,
    )


def _earlier(item: PairState, polarity: Polarity, tried: Sequence[Candidate]) -> tuple[Attempted, ...]:
    """The latest texts of one side in its present situation, other than the present one, with what was found."""
    side = item.pair.side(polarity)
    versions = [Attempted(v.text, str(v.verdict or "unjudged"), v.opening) for v in item.past if v.polarity is polarity]
    candidates = [_attempted(c) for c in tried if c.polarity is polarity and c.rung is not Rung.RETOPIC]
    known = {one.text: one for one in [*versions, *filter(None, candidates)]}
    own = (one for text, one in known.items() if text != side.text and text.startswith(side.situation))
    return tuple(own)[-EARLIER_SHOWN:]


def _attempted(candidate: Candidate) -> Attempted | None:
    """A candidate that a judge refused, in words for the author; None for one that no judge has read."""
    if candidate.refused == WEAK:
        return Attempted(candidate.text, "WEAK")
    if candidate.refused is None or candidate.verdict is None:
        return None
    return Attempted(candidate.text, candidate.verdict.value, candidate.opening)


def _topics(item: PairState, tried: Sequence[Candidate]) -> tuple[TopicTried, ...]:
    """The topics tried for this pair, each as its first sentence, with what was found of either side."""
    found: dict[str, list[str]] = {}
    for v in item.past:
        found.setdefault(first_sentence(v.text), []).append(str(v.verdict or "unjudged"))
    for candidate in tried:
        if candidate.rung is Rung.RETOPIC and (one := _attempted(candidate)) is not None:
            found.setdefault(first_sentence(one.text), []).append(one.found)
    now = {side.situation for side in item.pair.sides}
    topics = [
        TopicTried(topic, " and ".join(dict.fromkeys(results)))
        for topic, results in found.items()
        if topic and topic not in now
    ]
    return tuple(topics[-EARLIER_SHOWN:])


def _examples(pair: Pair, polarity: Polarity, state: SetState) -> tuple[str, ...]:
    """Two confirmed endings, preferably of the same kind of lock-in."""
    confirmed = [state.items[key].pair for key in state.at(Status.CONFIRMED, Status.AUDITED)]
    alike = sorted(confirmed, key=lambda other: other.kind != pair.kind)
    return tuple(other.side(polarity).ending for other in alike[:EXAMPLES])


def _extended(state: SetState) -> int:
    return sum(Flag.EXTENDED in side.flags for pair in state.pairs for side in pair.sides)


def _drop_reason(item: PairState) -> str:
    verdicts = [str(finding.verdict) for finding in item.failing]
    return f"still {' and '.join(verdicts)} after {item.repairs} repairs"


def excluded_topics(history: History) -> tuple[str, ...]:
    """Stems whose topic decided the outcome, or about which the author refuses to write."""
    found: dict[str, None] = {}
    pairs: dict[str, Pair] = {}
    for round in history:
        for change in round.changes:
            if change.before is not None and ErrorKind.REFUSAL in map(kind_of, change.why.split("; ")):
                found[change.before.positive.text] = None
            if change.after is not None:
                pairs[change.pair] = change.after
        for finding in round.findings:
            if finding.verdict is Verdict.TOPIC:
                found[pairs[finding.pair].side(finding.polarity).stem] = None
    return tuple(found)[-EXCLUDED_SHOWN:]


def examine_changed(round: Round, history: History, tools: Tools) -> Round:
    """The round with its findings: changed pairs are examined at first depth, others at the depth of the move."""
    state = replay((*history, round))
    wanted: dict[Depth, list[PairState]] = {}
    for key, depth in _depths(round, state):
        wanted.setdefault(depth, []).append(state.items[key])
    findings: list[Finding] = []
    for depth, items in wanted.items():
        past = {(i.pair.id, p): _past(i, p) for i in items for p in Polarity}
        findings += examine(tools.context, cases_of([item.pair for item in items], past), depth)
    return round.model_copy(update={"findings": tuple(findings)})


def _depths(round: Round, state: SetState) -> list[tuple[str, Depth]]:
    move = round.move
    if isinstance(move, Confirm):
        return [(key, Depth.CONFIRM) for key in move.pairs]
    if isinstance(move, Audit):
        return [(key, Depth.AUDIT) for key in move.pairs]
    if isinstance(move, Draft | Repair):
        kept = [change for change in round.changes if change.after is not None]
        return [(c.pair, Depth.FIRST if c.before != c.after else _reached(state.items[c.pair])) for c in kept]
    return [(key, _reached(state.items[key])) for key in move.pairs] if not isinstance(move, Stop) else []


def _reached(item: PairState) -> Depth:
    """The depth at which the present texts were examined last."""
    return max((finding.depth for finding in item.current), key=list(Depth).index, default=Depth.FIRST)


def _past(item: PairState, polarity: Polarity) -> tuple[bool, bool]:
    """(topic_failed, shortened) of a `Case`, both about the present stem."""
    rungs = item.rungs(polarity)
    return Rung.STRENGTHEN in rungs, Rung.SHORTEN in rungs
