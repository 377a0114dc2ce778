"""T6, the program killed at random times, or at every failpoint: `python -m tests.bench.kills [--every | --real] ...`.

By default each kill comes from outside, at a seeded random time of a small campaign; then the same command goes on to
its end. The subject is scripted, and the endpoint keeps its own bill. --every kills at each failpoint of the campaign
of tests/e2e/test_kills.py in turn and applies all checks of that file (about two minutes). --real takes the real
subject, whose calls are counted by the ledger's attempts (a minute for two kills).
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean

from tests.bench.report import Row, met, tell
from tests.e2e import test_kills
from tests.e2e.demo_run import copy_demo
from tests.e2e.killing import ROOT, PlanResult, follow, real, results

SIZE = (4, 6)  # pairs to begin with, and pairs wanted: ten rounds or so, with repairs


def moments(kills: int, seconds: float, seed: int) -> list[str]:
    """When to kill: at any time of a run that takes so long."""
    rng = random.Random(seed)
    return [f"{rng.uniform(0.02, 1.0) * seconds:.3f}s" for _ in range(kills)]


def scripted(kills: int, seed: int) -> tuple[PlanResult, list[PlanResult]]:
    """The undisturbed run of the scripted subject, and each killed one."""
    (undisturbed,) = results([""], *SIZE)
    return undisturbed, results(moments(kills, undisturbed.seconds, seed), *SIZE)


def with_the_real_subject(kills: int, seed: int) -> tuple[PlanResult, list[PlanResult]]:
    """The same with the real subject; a run that ended before its kill is left out."""

    def one(plan: str) -> PlanResult:
        with tempfile.TemporaryDirectory() as folder:
            return follow(plan, copy_demo(ROOT, Path(folder) / "demo"), real)

    def killed(undisturbed: PlanResult) -> Iterator[PlanResult]:
        for plan in moments(kills, undisturbed.seconds, seed):
            tell(f"killed after {plan}")
            yield one(plan)

    undisturbed = one("")
    return undisturbed, [result for result in killed(undisturbed) if result.kills]


def failures_at_every_point() -> tuple[int, list[str]]:
    """(points, one line for each check that failed after a kill at one of them)."""
    (undisturbed,) = results([""], *test_kills.SMALL)
    failed = []
    for result in results([str(n) for n in range(1, undisturbed.points + 1)], *test_kills.SMALL):
        for check in test_kills.CHECKS:
            try:
                check(result, undisturbed)
            except AssertionError as error:
                failed.append(f"point {result.plan}: {check.__name__}: {error}")
    return undisturbed.points, failed


def figures(undisturbed: PlanResult, killed: Sequence[PlanResult]) -> dict[str, str]:
    """What is printed, by name."""
    repeated = [result.repeated.total() for result in killed]
    listed = [len(result.listed) for result in killed]
    above = [result.above / 1e6 for result in killed]
    return {
        "points of the undisturbed run": str(undisturbed.points or "not counted"),
        "calls of the undisturbed run": f"{undisturbed.attempts}, {undisturbed.spent / 1e6:.4f} USD",
        "kills": str(len(killed)),
        "final set and history identical": str(sum(is_identical(undisturbed, result) for result in killed)),
        "repeated calls": f"mean {mean(repeated):.2f}, max {max(repeated)}",
        "listed by status": f"mean {mean(listed):.2f}, max {max(listed)}",
        "repeated but not listed": str(sum(unlisted(result) for result in killed)),
        "spent above": f"mean {mean(above):.6f}, max {max(above):.6f} USD",
        "reserved by what is listed": f"max {max(result.reserved for result in killed) / 1e6:.6f} USD",
    }


def is_identical(undisturbed: PlanResult, result: PlanResult) -> bool:
    """Whether exit code, final set and canonical history are the undisturbed run's."""
    return (result.code, result.files) == (undisturbed.code, undisturbed.files)


def unlisted(result: PlanResult) -> int:
    """Calls repeated although no `status` had listed them."""
    return sum(max(0, count - result.listed.count(key)) for key, count in result.repeated.items())


def rows(kills: int = 100, seed: int = 0) -> list[Row]:
    """T6 for the table of all figures."""
    undisturbed, killed = scripted(kills, seed)
    same = sum(is_identical(undisturbed, result) for result in killed)
    covered = all(not unlisted(result) and result.above <= result.reserved for result in killed)
    repeated = max(result.repeated.total() for result in killed)
    ours = f"{same} identical; <= {repeated} calls repeated, {'all' if covered else 'NOT all'} listed before"
    is_met = same == len(killed) == kills and covered
    wanted = "identical every time; repeated only what is listed"
    return [Row("T6", "killed at random points", "-", ours, wanted, str(len(killed)), met(is_met))]


def main() -> int:
    """Print the table; with --every, what failed."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=100)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--real", action="store_true", help="the real subject")
    options.add_argument(
        "--every", action="store_true", help="at every failpoint, with all checks; exit code 1 if any fails"
    )
    given = options.parse_args()
    if given.every:
        points, failed = failures_at_every_point()
        sys.stdout.write("\n".join([*failed, f"killed at {points} failpoints, {len(failed)} checks failed", ""]))
        return 1 if failed else 0
    found = figures(*(with_the_real_subject if given.real else scripted)(given.kills, given.seed))
    width = max(map(len, found))
    sys.stdout.write("".join(f"{name:<{width}}  {figure}\n" for name, figure in found.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
