"""The program killed at every durable point, and the same command again: the same end, and nothing paid unlisted.

"At once" kills once at each point of a small campaign (adopted, confirmed, scaled up, confirmed, audited), "twice"
kills the resumption too, "outside" kills at seeded random times. Each judges by the endpoint's own bill.
"""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.demo_run import copy_demo
from tests.e2e.forking import NEVER
from tests.e2e.killing import IN_FLIGHT, TRAIT, Kill, Story, moments_of, stories, told
from tests.e2e.planted import BUGS

SMALL = (1, 2)  # pairs to begin with, and pairs wanted
TWICE = 16
OUTSIDE = 24
SEED = 9


class Sweep(NamedTuple):
    """One undisturbed story, and the same told with kills."""

    undisturbed: Story
    killed: list[Story]

    def keeps_to(self, check: "Check") -> None:
        """Whether every killed story does."""
        assert self.killed
        for story in self.killed:
            check(story, self.undisturbed)


Check = Callable[[Story, Story], None]


def plans_at_once(undisturbed: Story) -> list[str]:
    return [str(n) for n in range(1, undisturbed.points + 1)]


def plans_twice(undisturbed: Story) -> list[str]:
    rng = random.Random(SEED)
    firsts = [rng.randrange(1, undisturbed.points - 10) for _ in range(TWICE)]
    return [f"{n} {rng.randint(1, undisturbed.points - n)}" for n in firsts]


def plans_outside(undisturbed: Story) -> list[str]:
    rng = random.Random(SEED)
    return [f"{rng.uniform(0.0, undisturbed.seconds):.3f}s" for _ in range(OUTSIDE)]


PLANS = {"at once": plans_at_once, "twice": plans_twice, "outside": plans_outside}


@pytest.fixture(scope="module")
def undisturbed() -> Story:
    (story,) = stories([""], *SMALL)
    assert story.code == 0, story.log
    return story


@pytest.fixture(scope="module", params=PLANS)
def sweep(request: pytest.FixtureRequest, undisturbed: Story) -> Sweep:
    return Sweep(undisturbed, stories(PLANS[request.param](undisturbed), *SMALL))


at_once = pytest.mark.parametrize("sweep", ["at once"], indirect=True)


def greetings(undisturbed: Story) -> set[str]:
    """What asks an endpoint what it can do: sent by each run, and no call."""
    return set(undisturbed.billed) - set(undisturbed.prices)


def newly_listed(story: Story) -> list[int]:
    """How many calls each kill left open."""
    counts = [0, *(len(kill.listed) for kill in story.kills)]
    return [after - before for before, after in zip(counts, counts[1:], strict=False)]


def bought_again(story: Story, kill: Kill) -> set[str]:
    """Calls whose answers were stored at a kill, and which were sent after it all the same."""
    return set(kill.stored) & set(story.billed[kill.billed :])


# What each killed story has to keep to. A bug planted on purpose breaks it: see the end of this file.


def every_call_is_begun_once(story: Story, undisturbed: Story) -> None:
    assert len(story.billed) == story.attempts + len(greetings(undisturbed)) == len(set(story.billed))


def ends_the_same(story: Story, undisturbed: Story) -> None:
    assert len(story.kills) == max(1, len(moments_of(story.plan))), f"{story.plan}: a kill never came"
    assert story.code == undisturbed.code, f"{story.plan}: {story.log}"
    assert story.files == undisturbed.files, story.plan


def what_was_paid_is_listed(story: Story, undisturbed: Story) -> None:
    for kill in story.kills:
        paid = set(story.billed[: kill.billed]) - greetings(undisturbed) - set(kill.stored)
        assert paid <= set(kill.listed), story.plan
        assert kill.told, story.plan


def few_are_left_open(story: Story, undisturbed: Story) -> None:
    assert all(0 <= count <= IN_FLIGHT for count in newly_listed(story)), story.plan


def only_the_listed_is_repeated(story: Story, undisturbed: Story) -> None:
    listed = {key: story.listed.count(key) for key in story.listed}
    assert all(count <= listed.get(key, 0) for key, count in story.repeated.items()), story.plan
    assert story.attempts == undisturbed.attempts + len(story.listed), story.plan


def the_stored_is_not_repeated(story: Story, undisturbed: Story) -> None:
    for kill in story.kills:
        assert not bought_again(story, kill), story.plan


def spent_above_is_reserved(story: Story, undisturbed: Story) -> None:
    assert story.spent == undisturbed.spent, story.plan
    assert story.above <= story.reserved, story.plan
    assert bool(story.reserved) == bool(story.listed), story.plan


def test_the_campaign_has_rounds_enough_and_is_scaled_up(undisturbed: Story) -> None:
    assert "2 pairs of 2 wanted" in undisturbed.log
    assert all(f"round {n}," in undisturbed.log for n in range(1, 6))
    every_call_is_begun_once(undisturbed, undisturbed)
    assert undisturbed.spent > 0


def test_a_killed_run_ends_with_the_same_set_and_the_same_history_to_the_byte(sweep: Sweep) -> None:
    sweep.keeps_to(ends_the_same)


def test_after_a_kill_status_lists_every_call_that_was_paid_without_an_answer(sweep: Sweep) -> None:
    sweep.keeps_to(what_was_paid_is_listed)


def test_a_kill_leaves_no_more_calls_open_than_were_in_flight(sweep: Sweep) -> None:
    sweep.keeps_to(few_are_left_open)
    assert any(sum(newly_listed(story)) > 1 for story in sweep.killed)


def test_only_calls_that_status_listed_are_sent_again(sweep: Sweep) -> None:
    sweep.keeps_to(only_the_listed_is_repeated)
    assert any(story.repeated for story in sweep.killed)


def test_no_call_is_sent_again_after_its_answer_was_stored(sweep: Sweep) -> None:
    sweep.keeps_to(the_stored_is_not_repeated)


def test_what_is_spent_above_the_undisturbed_run_is_covered_by_what_the_listed_calls_reserved(sweep: Sweep) -> None:
    sweep.keeps_to(spent_above_is_reserved)


@at_once
def test_a_killed_run_leaves_the_guides_files_of_the_last_round_too(sweep: Sweep) -> None:
    assert all(story.guides == sweep.undisturbed.guides for story in sweep.killed)


@at_once
def test_status_tells_of_a_killed_run_that_it_died_wherever_that_was(sweep: Sweep) -> None:
    assert {kill.how for story in sweep.killed for kill in story.kills} == {"died"}


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


@pytest.fixture(scope="module")
def bugged() -> dict[str, list[Story]]:
    """The stories of each bug."""
    plans = [f"bug:{bug} {moment}" for bug, (moments, _) in PLANTED.items() for moment in moments]
    told = stories(plans, *SMALL)
    return {bug: [story for story in told if story.plan.split()[0] == f"bug:{bug}"] for bug in PLANTED}


@pytest.mark.parametrize("bug", PLANTED)
def test_each_planted_bug_is_caught_by_the_test_named_beside_it(
    bug: str, undisturbed: Story, bugged: dict[str, list[Story]]
) -> None:
    with pytest.raises(AssertionError):
        Sweep(undisturbed, bugged[bug]).keeps_to(PLANTED[bug][1])


def test_every_bug_that_can_be_planted_is() -> None:
    assert PLANTED.keys() == BUGS.keys()


def real(folder: Path, moment: str) -> tuple[int, int]:
    """The installed program with the real subject, killed from outside; its points are not counted."""
    command = [str(Path(sys.executable).with_name("cliffhanger")), "run", "--experiment", str(folder)]
    options = ["--traits", TRAIT, "--pilot", "6", "--batch", "4", "--target", "8"]
    with (folder / "log").open("a") as log:
        process = subprocess.Popen([*command, *options], stdout=log, stderr=log)
        try:
            return process.wait(None if moment == NEVER else float(moment[:-1])), 0
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return process.wait(), 0


@pytest.mark.slow
def test_the_real_subject_is_killed_at_random_times_and_ends_the_same(repository: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    undisturbed = told(copy_demo(repository, tmp_path / "undisturbed"), "", real)
    seconds, rng = time.monotonic() - began, random.Random(SEED)
    for number in range(2):
        moments = [f"{seconds * rng.uniform(0.3, 0.7):.1f}s", f"{seconds * rng.uniform(0.2, 0.4):.1f}s"]
        story = told(copy_demo(repository, tmp_path / str(number)), " ".join(moments[: 1 + number % 2]), real)
        assert story.kills
        assert (story.code, story.files) == (undisturbed.code, undisturbed.files), story.plan
        assert story.attempts <= undisturbed.attempts + len(story.listed), story.plan
        assert all(kill.told and not bought_again(story, kill) for kill in story.kills), story.plan
