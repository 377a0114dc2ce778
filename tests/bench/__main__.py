"""All benchmark figures in one table: `python -m tests.bench [--quick] [--calls N] [--seeds N] [ID ...]`.

Quick takes under three minutes and leaves T6, T14 and the rehearsed run out; all of it takes about half an hour.
Nothing leaves this machine.
"""

import argparse
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from multiprocessing import get_context

from tests.bench import calls, noise, rehearsed_run, soak, storms
from tests.bench.report import Row, table, tell

KILLS = "tests.bench.kills"


def chosen(given: argparse.Namespace) -> dict[str, Callable[[], list[Row]]]:
    """What measures each figure, by its id."""
    quick, soaked = given.quick, given.calls or (6000 if given.quick else 100_000)
    skipped = Row(
        "Rehearsal", "3 traits, faults and kills", "-", "left out by --quick", "identical", "0", "not reached"
    )
    missing = Row("T14", "noisy judge", "-", "left out by --quick", "bad <= 1%; edited <= 2%", "0", "not reached")
    return {
        "T1": lambda: [calls.speed(quick)],
        "T3": lambda: [calls.saving(quick)],
        "T4": lambda: [storms.rate_cap(quick)],
        "T6": lambda: kills(quick),
        "T7": lambda: storms.hangs(quick),
        "T13": lambda: [alone(soaked)],
        "T14": lambda: [missing] if quick else noise.errors(range(given.seeds)),
        "Rehearsal": lambda: [skipped] if quick else rehearsed_run.rows(quick=True),
    }


def alone(calls: int) -> Row:
    """T13 in a process of its own, so that the memory of other benchmarks does not count."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(soak.soak, calls).result()


def kills(quick: bool) -> list[Row]:
    """T6, where its module is there and offers `rows`."""
    known = not quick and find_spec(KILLS) is not None
    rows = getattr(import_module(KILLS), "rows", None) if known else None
    if rows is not None:
        return list(rows())
    why = "left out by --quick" if quick else f"by its own command: python -m {KILLS}"
    return [Row("T6", "killed at 100 random points", "-", why, "identical every time", "0", "not reached")]


def main() -> None:
    """Measure what was asked for, and print the table of it."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("ids", nargs="*", help="only these, such as T1 T4")
    options.add_argument("--quick", action="store_true", help="a shortened version")
    options.add_argument("--calls", type=int, help="calls of the soak")
    options.add_argument("--seeds", type=int, default=2, help="seeds of T14")
    given = options.parse_args()
    every = chosen(given)
    if unknown := set(given.ids) - set(every):
        options.error(f"there is no {', '.join(sorted(unknown))}: there are {', '.join(every)}")
    rows: list[Row] = []
    for name in given.ids or every:
        tell(f"{name} begins")
        rows += every[name]()
    sys.stdout.write(f"{table(rows)}\n")


if __name__ == "__main__":
    main()
