"""T6, the program killed at random times: `python -m tests.bench.kills [--kills N] [--seed N] [--real]`.

Each kill comes from outside, at a seeded random time of a small campaign; then the same command goes on to its end. By
default the subject is scripted and the endpoint keeps its own bill; --real takes the installed program with the real
subject (a minute for two kills), whose calls are counted by the ledger's attempts.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean

from tests.bench.report import Row, met, tell
from tests.e2e.demo_run import copy_demo
from tests.e2e.killing import ROOT, Story, stories, told
from tests.e2e.test_kills import real

SIZE = (4, 6)  # pairs to begin with, and pairs wanted: ten rounds or so, with repairs


def moments(kills: int, seconds: float, seed: int) -> list[str]:
    """When to kill: at any time of a run that takes so long."""
    rng = random.Random(seed)
    return [f"{rng.uniform(0.02, 1.0) * seconds:.3f}s" for _ in range(kills)]


def scripted(kills: int, seed: int) -> tuple[Story, list[Story]]:
    """The undisturbed run of the scripted subject, and each killed one."""
    (undisturbed,) = stories([""], *SIZE)
    return undisturbed, stories(moments(kills, undisturbed.seconds, seed), *SIZE)


def with_the_real_subject(kills: int, seed: int) -> tuple[Story, list[Story]]:
    """The same with the installed program; a run that ended before its kill is not told."""

    def one(plan: str) -> Story:
        with tempfile.TemporaryDirectory() as folder:
            return told(copy_demo(ROOT, Path(folder) / "demo"), plan, real)

    def killed(undisturbed: Story) -> Iterator[Story]:
        for plan in moments(kills, undisturbed.seconds, seed):
            tell(f"killed after {plan}")
            yield one(plan)

    undisturbed = one("")
    return undisturbed, [story for story in killed(undisturbed) if story.kills]


def figures(undisturbed: Story, killed: Sequence[Story]) -> dict[str, str]:
    """What is printed, by name."""
    repeated = [story.repeated.total() for story in killed]
    listed = [len(story.listed) for story in killed]
    above = [story.above / 1e6 for story in killed]
    return {
        "points of the undisturbed run": str(undisturbed.points or "not counted"),
        "calls of the undisturbed run": f"{undisturbed.attempts}, {undisturbed.spent / 1e6:.4f} USD",
        "kills": str(len(killed)),
        "final set and history identical": str(sum(is_identical(undisturbed, story) for story in killed)),
        "repeated calls": f"mean {mean(repeated):.2f}, max {max(repeated)}",
        "listed by status": f"mean {mean(listed):.2f}, max {max(listed)}",
        "repeated but not listed": str(sum(unlisted(story) for story in killed)),
        "spent above": f"mean {mean(above):.6f}, max {max(above):.6f} USD",
        "reserved by what is listed": f"max {max(story.reserved for story in killed) / 1e6:.6f} USD",
    }


def is_identical(undisturbed: Story, story: Story) -> bool:
    """Whether exit code, final set and canonical history are the undisturbed run's."""
    return (story.code, story.files) == (undisturbed.code, undisturbed.files)


def unlisted(story: Story) -> int:
    """Calls repeated although no `status` had listed them."""
    return sum(max(0, count - story.listed.count(key)) for key, count in story.repeated.items())


def rows(kills: int = 100, seed: int = 0) -> list[Row]:
    """T6 for the table of all figures."""
    undisturbed, killed = scripted(kills, seed)
    same = sum(is_identical(undisturbed, story) for story in killed)
    covered = all(not unlisted(story) and story.above <= story.reserved for story in killed)
    repeated = max(story.repeated.total() for story in killed)
    ours = f"{same} identical; <= {repeated} calls repeated, {'all' if covered else 'NOT all'} listed before"
    is_met = same == len(killed) == kills and covered
    wanted = "identical every time; repeated only what is listed"
    return [Row("T6", "killed at random points", "-", ours, wanted, str(len(killed)), met(is_met))]


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=100)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--real", action="store_true", help="the installed program with the real subject")
    given = options.parse_args()
    found = figures(*(with_the_real_subject if given.real else scripted)(given.kills, given.seed))
    width = max(map(len, found))
    sys.stdout.write("".join(f"{name:<{width}}  {figure}\n" for name, figure in found.items()))


if __name__ == "__main__":
    main()
