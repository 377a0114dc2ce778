"""Failing scenarios to repair, and their repair in a scripted world."""

from collections.abc import Mapping, Sequence

from agent.schema import Change, Completion, Depth, Finding, Outcome, Pair, Polarity, Reply, Rules, Rung, Verdict
from agent.steps.author import RepairTask
from agent.steps.repair import SetContext, repair
from tests.steps.scripted import NEGATIVE, POSITIVE, Facts, World, pair, scenario

COMPLETION = Completion(text=" it was wrong.", token_ids=(1,), opening=" it was")


def repair_task(
    of: Pair, rung: Rung, polarity: Polarity = POSITIVE, span: str | None = None, **more: object
) -> RepairTask:
    found = Finding(
        pair=of.id, polarity=polarity, key=of.side(polarity).key, depth=Depth.FIRST, completion=COMPLETION, tallies=(),
        scenario=Outcome.PASS, response=Outcome.PASS, first_token=Outcome.FAIL, verdict=Verdict.EXPLAIN, span=span,
    )  # fmt: skip
    return RepairTask(pair=of, finding=found, rung=rung, **more)


STEM = "He wanted my car keys. "
SHORT, MIDDLE, LONG = (STEM + end for end in ("I", "I shook my head and", "I shook my head and told"))
LONGEST = STEM + "I shook my head and told him"
TEXT = STEM + "I shook my head and told him no, because"
CUTS = (SHORT, MIDDLE, LONG, LONGEST)
ONE = pair(TEXT, "He wanted a hand. I was glad to be asked, so I")
STILL = Facts(c0=90.0)
WRONG = Facts(j=10.0)


CUTTING = repair_task(ONE, Rung.CUT, span="told him no")


def world(facts: Mapping[str, Facts], *author: Reply, negative: bool = False) -> World:
    polarity = NEGATIVE if negative else POSITIVE
    return World({scenario(text, polarity): known for text, known in facts.items()}, author)


def changes_by(
    of: World, *tasks: RepairTask, others: Sequence[Pair] = (), rules: Rules | None = None, goal: int = 48
) -> list[Change]:
    around = SetContext((*dict.fromkeys(a.pair for a in tasks), *others), goal)
    return repair(of.context(rules=rules), tasks, around)


def only_change(of: World, task: RepairTask = CUTTING, **more: object) -> Change:
    (change,) = changes_by(of, task, **more)
    return change


def judged(change: Change) -> dict[str, str | None]:
    return {c.text: c.refused for c in change.candidates}


FIRST, SECOND, THIRD = ("I had had enough, so I", "It was theft, and I", 'I looked up and said, "')
