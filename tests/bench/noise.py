"""A judge that errs (T14): one decision trait of the demo under random flips, under systematic errors, and under both.

Held against the truth, and beside the naive loop under the same judge: `python -m tests.bench.noise [SEED ...]`.
"""

import sys
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from agent.cli.bill import by_role
from agent.loop.standing import Status
from tests.bench.naive import naive
from tests.bench.report import Row, met, table, tell
from tests.e2e.night import copy_demo, needlessly_edited, run, sides, truth

ROOT = Path(__file__).parents[2]
TRAIT = "toy/refusal"
RATES = (0.01, 0.05, 0.07)


class Errors(NamedTuple):
    """How often the judge errs: at random in an answer, and for good in a text and wording."""

    flips: float
    systematic: float

    def __str__(self) -> str:
        kinds = ((self.flips, "flips"), (self.systematic, "systematic"))
        return " and ".join(f"{rate:.0%} {kind}" for rate, kind in kinds if rate)


KINDS = (lambda rate: Errors(rate, 0.0), lambda rate: Errors(0.0, rate), lambda rate: Errors(rate, rate))


class Told(NamedTuple):
    """One run held against the truth: how it ended, scenarios of its set, bad ones among them, pairs edited in vain."""

    exit_code: int
    audited: int
    scenarios: int
    bad: int
    edited: int
    good: int
    rounds: int
    calls: int


def noisy(seed: int, errors: Errors, folder: Path, *options: str) -> Told:
    """One run under this judge."""
    night = run(copy_demo(ROOT, folder, seed, *errors), "--traits", TRAIT, *options)
    history, now = night.history(TRAIT), night.standing(TRAIT)
    good = truth(TRAIT, sides(now.pairs))
    edited, good_pairs = needlessly_edited(night, TRAIT)
    audited, calls = len(now.at(Status.AUDITED)), by_role(history)
    judged = calls["judge"] + calls["auditor"]
    return Told(night.exit_code, audited, len(good), good.count(False), edited, good_pairs, len(history), judged)


def errors(seeds: Sequence[int]) -> list[Row]:
    """One row per kind and rate of errors, all seeds together."""
    return [_row(kind(rate), seeds) for kind, rate in product(KINDS, RATES)]


def _row(judge: Errors, seeds: Sequence[int]) -> Row:
    runs, plain = [], []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            runs.append(noisy(seed, judge, Path(folder) / "demo"))
            plain.append(naive(copy_demo(ROOT, Path(folder) / "naive", seed, *judge), TRAIT))
        tell(f"T14: {judge}, seed {seed}: {runs[-1]}; {plain[-1]}")
    ready = sum(one.exit_code in (0, 2) and 2 * one.audited == one.scenarios for one in runs)
    scenarios, bad, edited, good = (sum(one[i] for one in runs) for i in (2, 3, 4, 5))
    rounds, calls = (sum(one[i] for one in runs) / len(runs) for i in (6, 7))
    naively = (
        f"{sum(one.bad for one in plain)} of {sum(one.green for one in plain)} bad; "
        f"{sum(one.edited for one in plain)} of {sum(one.good for one in plain)} good pairs edited; "
        f"{sum(one.rounds for one in plain) / len(plain):.0f} rounds, "
        f"{sum(one.calls for one in plain) / len(plain):.0f} calls"
    )
    return Row(
        "T14",
        f"{TRAIT}, {judge}",
        f"naive: {naively}",
        f"{ready} of {len(runs)} ready; {bad} of {scenarios} accepted texts bad; {edited} of {good} good pairs edited; "
        f"{rounds:.0f} rounds, {calls:.0f} judge calls",
        "ready; bad <= 1%; edited <= 2%",
        f"{len(runs)} seeds",
        met(ready == len(runs) and bad <= 0.01 * scenarios and edited <= 0.02 * good),
    )


if __name__ == "__main__":
    sys.stdout.write(table(errors([int(seed) for seed in sys.argv[1:]] or [0, 1])) + "\n")
