"""A judge that errs (T14): the demo's traits under random flips, under systematic errors, and under both.

Compared with the truth and with two naive loops under the same judge: `python -m tests.bench.noise [SEED ...]`.
"""

import sys
import tempfile
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from agent.loop.state import Status
from agent.stats import wilson
from tests.bench.calls import calls_by_role
from tests.bench.naive import NaiveResult, naive
from tests.bench.report import Row, met, table, tell
from tests.e2e.demo_run import TRAITS, DemoRun, copy_demo, needlessly_edited, run, sides, truth

ROOT = Path(__file__).parents[2]
RATES = (0.01, 0.05, 0.07)


class Errors(NamedTuple):
    """How often the judge errs: at random in an answer, and for good in a text and wording."""

    flips: float
    systematic: float

    def __str__(self) -> str:
        kinds = ((self.flips, "flips"), (self.systematic, "systematic"))
        return " and ".join(f"{rate:.0%} {kind}" for rate, kind in kinds if rate)


KINDS = (lambda rate: Errors(rate, 0.0), lambda rate: Errors(0.0, rate), lambda rate: Errors(rate, rate))


class NoisyRun(NamedTuple):
    """One run of one trait, compared with the truth.

    Its exit code, audited pairs, texts and bad texts of the final set, good starting pairs that were edited needlessly,
    good starting pairs, rounds, judge calls, answers that differed when asked again, and answers that were asked again.
    """

    exit_code: int
    audited: int
    texts: int
    bad: int
    edited: int
    good: int
    rounds: int
    calls: int
    flaps: int
    answers: int

    @property
    def ready(self) -> bool:
        return self.exit_code in (0, 2) and 2 * self.audited == self.texts


def noisy(seed: int, errors: Errors, folder: Path, *options: str, traits: Sequence[str] = TRAITS) -> list[NoisyRun]:
    """One run under this judge."""
    done = run(copy_demo(ROOT, folder, seed, *errors), "--traits", ",".join(traits), *options)
    return [_compare(done, trait) for trait in traits]


def _compare(done: DemoRun, trait: str) -> NoisyRun:
    history, now = done.history(trait), done.state(trait)
    good = truth(trait, sides(now.pairs))
    edited, good_pairs = needlessly_edited(done, trait)
    calls = calls_by_role(history)
    flaps = now.noise.flaps if now.noise else ()
    return NoisyRun(
        exit_code=done.exit_code,
        audited=len(now.at(Status.AUDITED)),
        texts=len(good),
        bad=good.count(False),
        edited=edited,
        good=good_pairs,
        rounds=len(history),
        calls=calls["judge"] + calls["auditor"],
        flaps=sum(one.k for one in flaps),
        answers=sum(one.n for one in flaps),
    )


def errors(seeds: Sequence[int]) -> list[Row]:
    """One row per kind and rate of errors, all seeds and traits together, and one of all rows."""
    found = [(judge, *_under(judge, seeds)) for judge in (kind(rate) for kind, rate in product(KINDS, RATES))]
    rows = [_row(str(judge), ours, plain, len(seeds)) for judge, ours, plain in found]
    every = [one for _, ours, _ in found for one in ours], [one for _, _, plain in found for one in plain]
    return [*rows, _row("all of these", *every, len(seeds))]


def _under(judge: Errors, seeds: Sequence[int]) -> tuple[list[NoisyRun], list[NaiveResult]]:
    ours, plain = [], []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            ours += noisy(seed, judge, Path(folder) / "demo")
            for trait in TRAITS:
                plain.append(naive(copy_demo(ROOT, Path(folder) / trait, seed, *judge), trait))
        tell(f"T14: {judge}, seed {seed}: {ours[-len(TRAITS) :]}; {plain[-len(TRAITS) :]}")
    return ours, plain


def _row(judge: str, ours: Sequence[NoisyRun], plain: Sequence[NaiveResult], seeds: int) -> Row:
    ready, texts, bad, edited, good, flaps, answers = (
        sum(getattr(one, name) for one in ours)
        for name in ("ready", "texts", "bad", "edited", "good", "flaps", "answers")
    )
    theirs = (
        f"re-rolled: {sum(one.bad_accepted for one in plain)} of {sum(one.bad for one in plain)} bad texts accepted; "
        f"rewritten: {sum(one.edited for one in plain)} of {sum(one.good for one in plain)} good pairs edited, "
        f"{_mean(one.rounds for one in plain):.0f} rounds; {_mean(one.calls for one in plain):.0f} calls"
    )
    mine = (
        f"{ready} of {len(ours)} ready; {wilson(bad, texts)} of accepted texts bad; "
        f"{edited} of {good} good pairs edited; {_mean(one.rounds for one in ours):.0f} rounds, "
        f"{_mean(one.calls for one in ours):.0f} judge calls per trait; flaps {wilson(flaps, answers)}"
    )
    return Row(
        "T14",
        f"3 traits, {judge}",
        theirs,
        mine,
        "ready; bad <= 1%; edited <= 2%",
        f"{seeds} seeds",
        met(ready == len(ours) and bad <= 0.01 * texts and edited <= 0.02 * good),
    )


def _mean(values: Iterable[int]) -> float:
    return fmean(list(values) or [0])


if __name__ == "__main__":
    sys.stdout.write(table(errors([int(seed) for seed in sys.argv[1:]] or [0, 1])) + "\n")
