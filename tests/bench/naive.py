"""The loop that people write first: judge once, rewrite whatever fails, until all is green. For comparison only.

It has the same judge, author and subject as the real loop. It lacks a second opinion before an edit, cuts, the lock-in,
confirmation and audit.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from agent.cli.compose import job_of
from agent.cli.orders import prepared
from agent.cli.screen import Screen
from agent.config import load_settings
from agent.record.ledger import Ledger
from agent.schema import Depth, Finding, Outcome, Pair, Polarity, Rung, Verdict
from agent.steps.bench import Bench
from agent.steps.rewrite import Ailment, ask_author
from agent.steps.trial import Tried, try_out
from tests.e2e.night import decided_at_once, sides, truth

MOST_ROUNDS = 40
_RUNG = {Verdict.EXPLAIN: Rung.CLIFFHANGER, Verdict.LATE: Rung.SHORTEN, Verdict.OFF_SCRIPT: Rung.SIMPLIFY}


@dataclass(frozen=True)
class Naive:
    """What it came to: rounds, calls, and against the truth the accepted texts and the good pairs it edited."""

    rounds: int
    calls: int
    green: int
    bad: int
    edited: int
    good: int


def naive(folder: Path, trait: str) -> Naive:
    """The naive loop over a trait's starting set, held against the truth."""
    settings = load_settings(folder)
    job = job_of(settings, trait)
    with (
        redirect_stdout(StringIO()),
        Screen() as screen,
        prepared(settings, [job], screen) as workshop,
        Ledger(folder / "naive.sqlite") as ledger,
    ):
        rounds, green, pairs = _until_green(workshop.bench(job, ledger, lambda what: None), job.dataset.pairs)
        calls = Counter(dict(ledger.spend().calls)).total()
    accepted = [pair.side(polarity) for pair in pairs for polarity in Polarity if (pair.id, polarity) in green]
    start = sides(job.dataset.pairs)
    good = [a and b for a, b in zip(truth(trait, start), decided_at_once(trait, start), strict=True)]
    good_pairs = [pair for i, pair in enumerate(job.dataset.pairs) if good[2 * i] and good[2 * i + 1]]
    kept = {pair.id: pair.key for pair in pairs}
    edited = sum(kept[pair.id] != pair.key for pair in good_pairs)
    return Naive(rounds, calls, len(accepted), truth(trait, accepted).count(False), edited, len(good_pairs))


Side = tuple[str, Polarity]


def _until_green(bench: Bench, start: Sequence[Pair]) -> tuple[int, set[Side], list[Pair]]:
    pairs, green = {pair.id: pair for pair in start}, set[Side]()
    for number in range(1, MOST_ROUNDS + 1):
        waiting = [(key, p) for key in pairs for p in Polarity if (key, p) not in green]
        if not waiting:
            return number - 1, green, list(pairs.values())
        tried = try_out(bench, [(pairs[key].side(p), Rung.CLIFFHANGER) for key, p in waiting])
        green |= {side for side, one in zip(waiting, tried, strict=True) if one.passes}
        ailing = [
            _ailment(pairs[key], p, one, number) for (key, p), one in zip(waiting, tried, strict=True) if not one.passes
        ]
        for ailment, written in zip(ailing, ask_author(bench, ailing), strict=True):
            if written.scenarios:
                changed = {ailment.finding.polarity.value: written.scenarios[0]}
                pairs[ailment.pair.id] = pairs[ailment.pair.id].model_copy(update=changed)
    return MOST_ROUNDS, green, list(pairs.values())


def _ailment(pair: Pair, polarity: Polarity, tried: Tried, number: int) -> Ailment:
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
        verdict=tried.verdict,
    )
    rung = _RUNG.get(tried.verdict, Rung.STRENGTHEN) if tried.verdict else Rung.STRENGTHEN
    return Ailment(pair=pair, finding=finding, rung=rung, attempt=number)
