"""How a set grows: the pilot, the batches of a dataset, drafts."""

from collections.abc import Callable

import pytest

from agent.loop import policy
from agent.loop.policy import RULES
from agent.loop.state import SetState, apply_round
from agent.schema import Audit, Caps, Cause, Change, Confirm, Draft, Ending, Move, Plan, Repair, Stop
from tests.loop.histories import (
    AUDIT,
    CONFIRM,
    FAIL,
    FIRST,
    FOUR,
    NO_SIGNALS,
    PASS,
    POSITIVE,
    adopted,
    confirmed,
    drafted,
    dropped,
    edited,
    findings,
    found,
    mixed,
    move,
    pairs,
    plan,
    round_,
    stop,
)

# Fewer pairs than the goal.


def test_a_run_from_nothing_drafts_the_whole_pilot_first() -> None:
    assert move(by=plan(pilot=6, batch=2, target=9)) == Draft(goal=6, count=6)


def test_an_existing_dataset_is_adopted_in_file_order_before_anything_is_drafted() -> None:
    by = plan(dataset_size=5, pilot=4, batch=3, target=8)
    assert move(by=by) == Draft(goal=4, count=4, adopt=4)
    eight = pairs(8)
    rounds = [adopted(eight[:4]), confirmed(eight[:4])]
    assert move(*rounds, by=by) == Draft(goal=8, count=3, adopt=1)


def test_a_small_dataset_is_filled_up_to_the_pilot_by_drafts() -> None:
    assert move(by=plan(dataset_size=1)) == Draft(goal=4, count=4, adopt=1)


def test_the_goal_is_the_larger_of_target_and_dataset() -> None:
    eight = pairs(8)
    four_of_eight = [adopted(eight[:4]), confirmed(eight[:4])]
    assert move(*four_of_eight, by=plan(dataset_size=8, target=4)) == Draft(goal=8, count=4, adopt=4)
    assert move(*four_of_eight, by=plan(dataset_size=4, target=6)) == Draft(goal=6, count=2)
    assert isinstance(move(*four_of_eight, by=plan(dataset_size=4, target=1)), Audit)


def test_a_target_below_the_pilot_is_not_overshot() -> None:
    assert move(by=plan(target=2)) == Draft(goal=2, count=2)


def test_scaling_up_goes_in_batches_and_ends_at_the_goal() -> None:
    by = plan(target=9, batch=3)
    counts, size = [], 4
    rounds = [drafted(FOUR), confirmed(FOUR)]
    while isinstance(wanted := move(*rounds, by=by), Draft):
        counts.append(wanted.count)
        new = pairs(wanted.count, start=size)
        rounds += [drafted(new, goal=wanted.goal), confirmed(new)]
        size += wanted.count
    assert counts == [3, 2]


def test_a_replaced_pilot_pair_is_drafted_before_scaling_up() -> None:
    rounds = [*mixed(d0000=FAIL), dropped(FOUR[0]), confirmed(FOUR[1:])]
    assert move(*rounds, by=plan(dataset_size=8, target=8)) == Draft(goal=4, count=1, adopt=1)


def test_the_cap_on_drafts_limits_a_batch_and_then_stops() -> None:
    rounds = [drafted(FOUR), confirmed(FOUR)]
    assert move(*rounds, by=plan(target=8, max_pairs=6)) == Draft(goal=8, count=2)
    ended = stop(*rounds, by=plan(target=8, max_pairs=4))
    assert ended.ending is Ending.CAP
    assert "4 of 8" in ended.why
    assert "--max-pairs" in ended.why


def test_adopted_pairs_do_not_count_against_the_cap_on_drafts() -> None:
    by = plan(dataset_size=4, target=8, max_pairs=4)
    assert move(adopted(FOUR), confirmed(FOUR), by=by) == Draft(goal=8, count=4)


def test_with_no_drafts_allowed_a_dataset_is_still_adopted_whole() -> None:
    by = plan(dataset_size=4, target=8, max_pairs=0)
    assert move(by=by) == Draft(goal=4, count=4, adopt=4)
    assert stop(adopted(FOUR), confirmed(FOUR), by=by).ending is Ending.CAP


def test_with_no_drafts_allowed_and_no_dataset_a_run_stops_at_once() -> None:
    assert stop(by=plan(max_pairs=0)).ending is Ending.CAP


def test_dropped_drafts_count_against_the_cap_on_drafts() -> None:
    rounds = [drafted(FOUR, findings(FOUR, FAIL)), *map(dropped, FOUR)]
    assert stop(*rounds, by=plan(max_pairs=4, patience=9)).ending is Ending.CAP


# Batches of an existing dataset.


def drafts_of(by: Plan, fails: Callable[[str], bool] = lambda name: False) -> tuple[list[Draft], Stop, int]:
    """The drafts, the end and the number of rounds of a run over a dataset whose pairs fail at first as `fails` says.

    One repair mends a pair.
    """
    state, drafts = SetState(), []
    while not isinstance(step := next_move_of(state, by), Stop):
        changes: list[Change] = []
        depth = {Confirm: CONFIRM, Audit: AUDIT}.get(type(step), FIRST)
        if isinstance(step, Draft):
            drafts.append(step)
            now = pairs(step.adopt, start=state.adopted)
            changes = [Change(pair=p.id, what="adopt", before=None, after=p) for p in now]
        elif isinstance(step, Repair):
            before = [state.items[key].pair for key in step.pairs]
            now = tuple(edited(p, POSITIVE) for p in before)
            changes = [Change(pair=p.id, what="repair", before=p, after=q) for p, q in zip(before, now, strict=True)]
        else:
            now = tuple(state.items[key].pair for key in step.pairs)
        bad = [p for p in now if isinstance(step, Draft) and fails(p.id)]
        results = [f for p in now for f in found(p, FAIL if p in bad else PASS, depth)]
        state = apply_round(state, round_(step, changes, results))
    return drafts, step, state.rounds


def next_move_of(state: SetState, by: Plan) -> Move:
    return next(step for rule in RULES if (step := rule(state, by, NO_SIGNALS)) is not None)


@pytest.mark.parametrize(("size", "rounds"), [(48, 5), (150, 9), (400, 11), (470, 11)])
def test_a_clean_dataset_ends_audited_in_rounds_that_grow_with_its_logarithm(size: int, rounds: int) -> None:
    drafts, end, taken = drafts_of(Plan(caps=Caps(), dataset_size=size))
    assert (end.ending, taken) == (Ending.READY, rounds)
    sizes = [step.adopt for step in drafts]
    assert sizes[:-1] == [16 * 2**n for n in range(len(sizes) - 1)]


def test_a_batch_with_many_failures_is_followed_by_one_of_the_usual_size() -> None:
    by = Plan(caps=Caps(max_rounds=99), dataset_size=80)
    drafts, _, _ = drafts_of(by, lambda name: int(name[1:]) % 3 == 0)
    assert [step.adopt for step in drafts] == [16] * 5


def test_a_few_failures_do_not_keep_batches_small() -> None:
    drafts, end, _ = drafts_of(Plan(caps=Caps(), dataset_size=470), lambda name: name.endswith("7"))
    assert [step.adopt for step in drafts] == [16, 32, 64, 128, 230]
    assert end.ending is Ending.READY


def test_a_batch_never_exceeds_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "LARGEST_BATCH", 50)
    drafts, end, _ = drafts_of(Plan(caps=Caps(), dataset_size=200))
    assert [step.adopt for step in drafts] == [16, 32, 50, 50, 50, 2]
    assert end.ending is Ending.READY


def test_pairs_that_the_author_writes_come_in_the_usual_batches_however_clean_they_are() -> None:
    by, size = plan(target=32, batch=4), 4
    rounds = [drafted(FOUR), confirmed(FOUR)]
    while isinstance(wanted := move(*rounds, by=by), Draft):
        assert (wanted.count, wanted.adopt) == (4, 0)
        new = pairs(wanted.count, start=size)
        rounds += [drafted(new, goal=wanted.goal), confirmed(new)]
        size += wanted.count


def test_the_cap_on_rounds_binds_however_large_the_batches() -> None:
    _, end, rounds = drafts_of(Plan(caps=Caps(max_rounds=7), dataset_size=470))
    assert (end.cause, rounds) == (Cause.ROUNDS, 7)
