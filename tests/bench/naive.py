"""Two naive loops, for comparison only. Each round asks the judge anew, once, at temperature 1.

Re-rolling: what fails is judged again, until it passes. Rewriting: whatever fails is rewritten, until all pass in one
round. They have the same judge, author and subject as the real loop. They lack a second opinion before an edit, cuts,
the lock-in, confirmation and audit.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.schema import Depth, Finding, Outcome, Pair, Polarity, Reply, Request, Role, Rung, Scenario, Verdict
from agent.steps.author import RepairTask, ask_author
from agent.steps.candidates import RepairCandidate, Trial, evaluate, most_open
from agent.steps.context import StepContext
from tests.bench.contexts import trait_context
from tests.e2e.demo_run import decided_at_once, sides, truth

MOST_ROUNDS = 10
_RUNG = {Verdict.EXPLAIN: Rung.CLIFFHANGER, Verdict.LATE: Rung.SHORTEN, Verdict.OFF_SCRIPT: Rung.SIMPLIFY}


@dataclass(frozen=True)
class NaiveResult:
    """Both loops, compared with the truth.

    Re-rolling: of the bad texts so many were accepted, and so many of all. Rewriting: rounds, and of the good pairs so
    many were edited. `calls` of both.
    """

    calls: int
    accepted: int
    bad_accepted: int
    bad: int
    rounds: int
    edited: int
    good: int


def naive(folder: Path, trait: str) -> NaiveResult:
    """Run both loops over a trait's starting set and compare them with the truth."""
    with trait_context(folder, trait) as (context, ledger, start):
        accepted = _reroll(context, sides(start))
        rounds, pairs = _rewrite(context, start)
        calls = Counter(dict(ledger.total_usage().calls)).total()
    texts = sides(start)
    true = truth(trait, texts)
    good = [a and b for a, b in zip(true, decided_at_once(trait, texts), strict=True)]
    good_pairs = [pair for i, pair in enumerate(start) if good[2 * i] and good[2 * i + 1]]
    kept = {pair.id: pair.key for pair in pairs}
    return NaiveResult(
        calls=calls,
        accepted=len(accepted),
        bad_accepted=sum(not true[i] for i in accepted),
        bad=true.count(False),
        rounds=rounds,
        edited=sum(kept[pair.id] != pair.key for pair in good_pairs),
        good=len(good_pairs),
    )


def _judged_anew(context: StepContext, number: int) -> StepContext:
    """The same context, whose judge draws anew in each round."""

    def ask(requests: Sequence[Request]) -> list[Reply]:
        anew = {"sample": number, "temperature": 1.0}
        return context.ask([r.model_copy(update=anew) if r.role is Role.JUDGE else r for r in requests])

    return replace(context, ask=ask)


def _reroll(context: StepContext, texts: Sequence[Scenario]) -> set[int]:
    passed = set[int]()
    for number in range(1, MOST_ROUNDS + 1):
        waiting = [i for i in range(len(texts)) if i not in passed]
        tried = _tried(_judged_anew(context, number), [texts[i] for i in waiting])
        passed |= {i for i, one in zip(waiting, tried, strict=True) if one.passes}
    return passed


def _rewrite(context: StepContext, start: Sequence[Pair]) -> tuple[int, list[Pair]]:
    pairs = {pair.id: pair for pair in start}
    for number in range(1, MOST_ROUNDS + 1):
        every = [(key, p) for key in pairs for p in Polarity]
        tried = _tried(_judged_anew(context, number), [pairs[key].side(p) for key, p in every])
        failing = [(*side, one) for side, one in zip(every, tried, strict=True) if not one.passes]
        if not failing:
            return number, list(pairs.values())
        tasks = [_task(pairs[key], p, one, number) for key, p, one in failing]
        for task, written in zip(tasks, ask_author(context, tasks), strict=True):
            if written.scenarios:
                changed = {task.finding.polarity.value: written.scenarios[0]}
                pairs[task.pair.id] = pairs[task.pair.id].model_copy(update=changed)
    return MOST_ROUNDS, list(pairs.values())


def _tried(context: StepContext, texts: Sequence[Scenario]) -> list[Trial]:
    """Each text judged by single votes."""
    offers = [[RepairCandidate(text, Rung.CLIFFHANGER)] for text in texts]
    return [own[0] for own in evaluate(context, offers, [most_open] * len(offers))]


def _task(pair: Pair, polarity: Polarity, tried: Trial, number: int) -> RepairTask:
    (found,) = tried.verdicts or (None,)
    finding = Finding(
        pair=pair.id,
        polarity=polarity,
        key=pair.side(polarity).key,
        depth=Depth.FIRST,
        completion=None,
        tallies=(),
        scenario=Outcome.FAIL,
        response=Outcome.FAIL,
        first_token=Outcome.FAIL,
        verdict=found,
    )
    rung = _RUNG.get(found, Rung.STRENGTHEN) if found else Rung.STRENGTHEN
    return RepairTask(pair=pair, finding=finding, rung=rung, attempt=number)
