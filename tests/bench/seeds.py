"""Runs the whole demo under several seeds and prints what came of it: `python -m tests.bench.seeds [SEED ...]`.

Per trait: exit, rounds, calls by role, starting scenarios that failed at first, good starting pairs needlessly edited,
truly good scenarios of the final set (by the grammar's records and twenty fresh samples each, never by the judge).
"""

import sys
import tempfile
import time
from pathlib import Path

from agent.loop.state import Status
from agent.schema import History, Outcome
from tests.bench.calls import calls_by_role, full_rejudge_calls
from tests.e2e.demo_run import TRAITS, DemoRun, copy_demo, needlessly_edited, run, sides, truth

ROOT = Path(__file__).parents[2]
COLUMNS = "seed  trait            exit  rounds  pairs  audited  failed first  edited/good  truly good  calls (afresh)"


def failed_first(history: History) -> tuple[int, int]:
    """(starting scenarios that did not pass at first, starting scenarios)."""
    first: dict[tuple[str, str], Outcome] = {}
    for done in history:
        for finding in done.findings:
            if finding.pair.startswith("d"):
                first.setdefault((finding.pair, finding.polarity), finding.outcome)
    return sum(outcome is not Outcome.PASS for outcome in first.values()), len(first)


def row(seed: int, trait: str, done: DemoRun) -> str:
    """One line of the table."""
    history, now = done.history(trait), done.state(trait)
    good = truth(trait, sides(now.pairs))
    failed, started = failed_first(history)
    edited, good_pairs = needlessly_edited(done, trait)
    calls = ", ".join(f"{n} {role}" for role, n in sorted(calls_by_role(history).items()))
    return (
        f"{seed:>4}  {trait:<16} {done.exit_code:>4}  {len(history):>6}  {len(now.items):>5}  "
        f"{len(now.at(Status.AUDITED)):>7}  {failed:>5} of {started:<4}  {edited:>4} of {good_pairs:<4}  "
        f"{sum(good):>3} of {len(good):<4}  {calls} ({full_rejudge_calls(history)})"
    )


def main(seeds: list[int]) -> None:
    """The table, seed by seed."""
    sys.stdout.write(COLUMNS + "\n")
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            done = run(copy_demo(ROOT, Path(folder) / "demo", seed=seed))
            seconds = time.monotonic() - began
            for trait in TRAITS:
                sys.stdout.write(row(seed, trait, done) + "\n")
            sys.stdout.write(f"      {seconds:.0f} s for the whole command\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]] or [0, 1, 2, 3])
