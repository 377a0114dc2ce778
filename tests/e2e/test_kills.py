"""The program killed at its failpoints, and the same command again: the same end, and nothing paid for unlisted.

Three sweeps over a small campaign (adopted, confirmed, scaled up, confirmed, audited), each judged by the endpoint's
own bill. "At once" kills once: at every failpoint of which there are few, at the first, the last and three others of
each other name, and at seeded points besides, 64 in all. "Twice" kills the next run too, "outside" kills at seeded
random times. The seed is a constant, so that a failure can be repeated. Every single point: `make kills`. The real
subject is killed in test_repeat.py.
"""

import random
from collections.abc import Callable, Mapping
from typing import NamedTuple

import pytest

from tests.e2e.killing import IN_FLIGHT, Kill, PlanResult, moments_of, results
from tests.e2e.planted import BUGS

pytestmark = pytest.mark.slow

SMALL = (1, 2)  # pairs to begin with, and pairs wanted
AT_ONCE = 64
TWICE = 16
OUTSIDE = 24
FEW = 5  # failpoints of one name: as many as are tried of each name
SEED = 9


class Sweep(NamedTuple):
    """The undisturbed campaign, and the same one killed in many places."""

    undisturbed: PlanResult
    killed: list[PlanResult]

    def require(self, check: "Check") -> None:
        """Every killed campaign passes the check."""
        assert self.killed
        for result in self.killed:
            check(result, self.undisturbed)


Check = Callable[[PlanResult, PlanResult], None]


def plans_at_once(undisturbed: PlanResult) -> list[str]:
    rng = random.Random(SEED)
    named = [f"{name}:{n}" for name, count in sorted(undisturbed.passed.items()) if name for n in some(count, rng)]
    rest = rng.sample(range(1, undisturbed.points + 1), max(0, AT_ONCE - len(named)))
    return [*named, *map(str, sorted(rest))]


def some(count: int, rng: random.Random) -> list[int]:
    """All of so many failpoints of one name where they are few; the first, the last and others where not."""
    return list(range(1, count + 1)) if count <= FEW else [1, *sorted(rng.sample(range(2, count), FEW - 2)), count]


def plans_twice(undisturbed: PlanResult) -> list[str]:
    rng = random.Random(SEED)
    firsts = [rng.randrange(1, undisturbed.points - 10) for _ in range(TWICE)]
    return [f"{n} {rng.randint(1, undisturbed.points - n)}" for n in firsts]


def plans_outside(undisturbed: PlanResult) -> list[str]:
    rng = random.Random(SEED)
    return [f"{rng.uniform(0.0, undisturbed.seconds):.3f}s" for _ in range(OUTSIDE)]


PLANS = {"at once": plans_at_once, "twice": plans_twice, "outside": plans_outside}


@pytest.fixture(scope="module")
def undisturbed() -> PlanResult:
    (result,) = results([""], *SMALL)
    assert result.code == 0, result.log
    return result


@pytest.fixture(scope="module")
def everything(undisturbed: PlanResult) -> dict[str, PlanResult]:
    """By plan, the results of all sweeps and of all planted bugs: in one go, so that imports are paid for once."""
    plans = [plan for plans in PLANS.values() for plan in plans(undisturbed)]
    plans += [plan for bug in PLANTED for plan in plans_with(bug)]
    return dict(zip(plans, results(plans, *SMALL), strict=True))


@pytest.fixture(params=PLANS)
def sweep(request: pytest.FixtureRequest, undisturbed: PlanResult, everything: dict[str, PlanResult]) -> Sweep:
    return Sweep(undisturbed, [everything[plan] for plan in PLANS[request.param](undisturbed)])


at_once = pytest.mark.parametrize("sweep", ["at once"], indirect=True)


def probes(undisturbed: PlanResult) -> set[str]:
    """Requests that ask an endpoint what it can do: sent by each run, and not in the ledger."""
    return set(undisturbed.billed) - set(undisturbed.prices)


def newly_listed(result: PlanResult) -> list[int]:
    """How many calls each kill left open."""
    counts = [0, *(len(kill.listed) for kill in result.kills)]
    return [after - before for before, after in zip(counts, counts[1:], strict=False)]


def bought_again(result: PlanResult, kill: Kill) -> set[str]:
    """Calls whose answers were stored at a kill, and which were sent after it all the same."""
    return set(kill.stored) & set(result.billed[kill.billed :])


# What holds for each killed campaign. A bug planted on purpose breaks it: see the end of this file.


def every_call_is_begun_once(result: PlanResult, undisturbed: PlanResult) -> None:
    assert len(result.billed) == result.attempts + len(probes(undisturbed)) == len(set(result.billed))


def ends_the_same(result: PlanResult, undisturbed: PlanResult) -> None:
    assert len(result.kills) == max(1, len(moments_of(result.plan))), f"{result.plan}: a kill never came"
    assert result.code == undisturbed.code, f"{result.plan}: {result.log}"
    assert result.files == undisturbed.files, result.plan


def what_was_paid_is_listed(result: PlanResult, undisturbed: PlanResult) -> None:
    for kill in result.kills:
        paid = set(result.billed[: kill.billed]) - probes(undisturbed) - set(kill.stored)
        assert paid <= set(kill.listed), result.plan
        assert kill.listed_exactly, result.plan


def few_are_left_open(result: PlanResult, undisturbed: PlanResult) -> None:
    assert all(0 <= count <= IN_FLIGHT for count in newly_listed(result)), result.plan


def only_the_listed_is_repeated(result: PlanResult, undisturbed: PlanResult) -> None:
    listed = {key: result.listed.count(key) for key in result.listed}
    assert all(count <= listed.get(key, 0) for key, count in result.repeated.items()), result.plan
    assert result.attempts == undisturbed.attempts + len(result.listed), result.plan


def the_stored_is_not_repeated(result: PlanResult, undisturbed: PlanResult) -> None:
    for kill in result.kills:
        assert not bought_again(result, kill), result.plan


def spent_above_is_reserved(result: PlanResult, undisturbed: PlanResult) -> None:
    assert result.spent == undisturbed.spent, result.plan
    assert result.above <= result.reserved, result.plan
    assert bool(result.reserved) == bool(result.listed), result.plan


CHECKS: tuple[Check, ...] = (
    ends_the_same,
    what_was_paid_is_listed,
    few_are_left_open,
    only_the_listed_is_repeated,
    the_stored_is_not_repeated,
    spent_above_is_reserved,
)


def test_the_campaign_has_rounds_enough_and_is_scaled_up(undisturbed: PlanResult) -> None:
    assert "2 pairs of 2 wanted" in undisturbed.log
    assert all(f"round {n}," in undisturbed.log for n in range(1, 6))
    every_call_is_begun_once(undisturbed, undisturbed)
    assert undisturbed.spent > 0


def test_a_killed_run_ends_with_the_same_set_and_the_same_history_to_the_byte(sweep: Sweep) -> None:
    sweep.require(ends_the_same)


def test_after_a_kill_status_lists_every_call_that_was_paid_without_an_answer(sweep: Sweep) -> None:
    sweep.require(what_was_paid_is_listed)


def test_a_kill_leaves_no_more_calls_open_than_were_in_flight(sweep: Sweep) -> None:
    sweep.require(few_are_left_open)
    assert any(sum(newly_listed(result)) > 1 for result in sweep.killed)


def test_only_calls_that_status_listed_are_sent_again(sweep: Sweep) -> None:
    sweep.require(only_the_listed_is_repeated)
    assert any(result.repeated for result in sweep.killed)


def test_no_call_is_sent_again_after_its_answer_was_stored(sweep: Sweep) -> None:
    sweep.require(the_stored_is_not_repeated)


def test_what_is_spent_above_the_undisturbed_run_is_covered_by_what_the_listed_calls_reserved(sweep: Sweep) -> None:
    sweep.require(spent_above_is_reserved)


@at_once
def test_a_killed_run_leaves_the_guides_files_of_the_last_round_too(sweep: Sweep) -> None:
    assert all(result.guides == sweep.undisturbed.guides for result in sweep.killed)


@at_once
def test_status_tells_of_a_killed_run_that_it_died_wherever_that_was(sweep: Sweep) -> None:
    assert {kill.how for result in sweep.killed for kill in result.kills} == {"died"}


MOMENTS = ("60", "130", "210")
INTENTS = tuple(f"intent-done:{n}" for n in (6, 12, 18, 24, 36, 48))
ROUNDS = ("round-done:1", "round-done:2", "round-done:3")
# By the name of a bug of planted.py: when a run that has it is killed, and what it breaks.
PLANTED: Mapping[str, tuple[tuple[str, ...], Check]] = {
    "late-answer": (MOMENTS, only_the_listed_is_repeated),
    "late-intent": (MOMENTS, what_was_paid_is_listed),
    "early-round": (ROUNDS, ends_the_same),
    "forgotten-history": (MOMENTS, ends_the_same),
    "forgotten-answers": (MOMENTS, the_stored_is_not_repeated),
    "counted-twice": (MOMENTS, spent_above_is_reserved),
    "tidied-attempts": (MOMENTS, spent_above_is_reserved),
    "unlimited": (INTENTS, few_are_left_open),
}


def plans_with(bug: str) -> list[str]:
    return [f"bug:{bug} {moment}" for moment in PLANTED[bug][0]]


@pytest.mark.parametrize("bug", PLANTED)
def test_each_planted_bug_is_caught_by_the_test_named_beside_it(
    bug: str, undisturbed: PlanResult, everything: dict[str, PlanResult]
) -> None:
    with pytest.raises(AssertionError):
        Sweep(undisturbed, [everything[plan] for plan in plans_with(bug)]).require(PLANTED[bug][1])


def test_every_bug_that_can_be_planted_is() -> None:
    assert PLANTED.keys() == BUGS.keys()
