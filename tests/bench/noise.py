"""A judge that errs (T14): one decision trait of the demo under flips and systematic errors, held against the truth."""

import tempfile
from pathlib import Path
from typing import NamedTuple

from agent.loop.standing import Status
from tests.bench.report import Row, met, tell
from tests.e2e.night import copy_demo, needlessly_edited, run, sides, truth

ROOT = Path(__file__).parents[2]
TRAIT = "toy/refusal"
RATES = (0.01, 0.05, 0.07)


class Told(NamedTuple):
    """One run held against the truth: how it ended, scenarios of its set, bad ones among them, pairs edited in vain."""

    exit_code: int
    audited: int
    scenarios: int
    bad: int
    edited: int
    good: int


def noisy(seed: int, rate: float, folder: Path, *options: str) -> Told:
    """One run under this rate of flips and the same of systematic errors."""
    night = run(copy_demo(ROOT, folder, seed=seed, noise=rate), "--traits", TRAIT, *options)
    now = night.standing(TRAIT)
    good = truth(TRAIT, sides(now.pairs))
    edited, good_pairs = needlessly_edited(night, TRAIT)
    return Told(night.exit_code, len(now.at(Status.AUDITED)), len(good), good.count(False), edited, good_pairs)


def errors(seeds: range) -> list[Row]:
    """One row per rate, all seeds together."""
    return [_row(rate, seeds) for rate in RATES]


def _row(rate: float, seeds: range) -> Row:
    runs = []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            runs.append(noisy(seed, rate, Path(folder) / "demo"))
        tell(f"T14: {rate:.0%}, seed {seed}: {runs[-1]}")
    ready = sum(one.exit_code in (0, 2) and 2 * one.audited == one.scenarios for one in runs)
    scenarios, bad, edited, good = (sum(one[i] for one in runs) for i in (2, 3, 4, 5))
    return Row(
        "T14",
        f"{TRAIT}, {rate:.0%} flips and {rate:.0%} systematic",
        "-",
        f"{ready} of {len(runs)} ready; {bad} of {scenarios} accepted texts bad; {edited} of {good} good pairs edited",
        "ready; bad <= 1%; edited <= 2%",
        f"{len(runs)} seeds",
        met(ready == len(runs) and bad <= 0.01 * scenarios and edited <= 0.02 * good),
    )
