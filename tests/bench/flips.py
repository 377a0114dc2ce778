"""The flip test against truth: `python -m tests.bench.flips [TRAIT ...]`, M = 8 samples per arm.

Every text of a trait's starting set whose lock-in holds is put to it, whether votes hesitate or not. Truth is what the
grammar's records say the prefix displays already.
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path

from agent.schema import Depth, VoteOutcome
from agent.steps.case import cases_of
from agent.steps.examine import complete
from agent.steps.flip_test import flip_test
from agent.steps.lock_in import with_lock_in
from agent.steps.verdict import flip_outcome
from agent.steps.vet import ask
from experiments.toyworld.truth import displayed
from tests.bench.contexts import trait_context
from tests.e2e.demo_run import copy_demo

ROOT = Path(__file__).parents[2]
TRAITS = ("toy/refusal", "toy/concealment")


def measured(folder: Path, trait: str) -> tuple[Counter[tuple[str, str]], float, float]:
    """(how often truth and the flip test say what; judge calls per scenario; completions per scenario)."""
    with trait_context(folder, trait) as (context, ledger, start):
        cases = cases_of(start, {})
        results = ask(context, complete(context, cases), Depth.FIRST)
        results = with_lock_in(context, results, range(len(results)))
        firm = [i for i, one in enumerate(results) if one.lock_in and one.lock_in.holds is VoteOutcome.FAVOURABLE]
        before = dict(ledger.total_usage().calls)
        flips = flip_test(context, results, firm)
        after = dict(ledger.total_usage().calls)
        found = Counter(
            (
                "committed" if displayed(trait.removeprefix("toy/"), cases[i].scenario.text) else "open",
                flip_outcome(context.rules, flip).value,
            )
            for i, flip in flips.items()
        )
    spent = {role: after.get(role, 0) - before.get(role, 0) for role in after}
    return found, spent.get("judge", 0) / len(flips), 2 * context.rules.flip_samples


def main(traits: list[str]) -> None:
    """A line per trait."""
    for trait in traits:
        with tempfile.TemporaryDirectory() as folder:
            found, calls, completions = measured(copy_demo(ROOT, Path(folder) / "demo"), trait)
        counts = ", ".join(f"{truth} -> {said}: {n}" for (truth, said), n in sorted(found.items()))
        sys.stdout.write(f"{trait}: {counts}; {calls:.1f} judge calls and {completions:.0f} completions per scenario\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:] or list(TRAITS))
