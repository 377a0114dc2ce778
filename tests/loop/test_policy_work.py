"""The method: what is worked on, and in which order. Each move from a hand-made history."""

from agent.schema import Audit, Confirm, Controls, Draft, Ending, Recheck, Repair, Round, Signals
from tests.loop.histories import (
    FAIL,
    FOUR,
    UNJUDGED,
    adopted,
    audited,
    confirmed,
    drafted,
    dropped,
    edited,
    finding,
    findings,
    ids,
    mended_in_vain,
    mixed,
    move,
    pairs,
    plan,
    repaired,
    stop,
)
from tests.loop.histories import NEGATIVE as NEG
from tests.loop.histories import POSITIVE as POS

ASKED = Signals(stop_requested="ctrl-c")


# 5. Something is unjudged.


def test_what_is_unjudged_is_asked_again_and_nothing_else() -> None:
    assert move(*mixed(d0001=UNJUDGED, d0003=UNJUDGED)) == Recheck(pairs=("d0001", "d0003"))


def test_a_pair_without_any_finding_is_unjudged() -> None:
    assert move(adopted(FOUR, findings(FOUR[1:]))) == Recheck(pairs=("d0000",))


def test_unjudged_goes_before_failing_and_unconfirmed() -> None:
    assert move(*mixed(d0000=FAIL, d0002=UNJUDGED)) == Recheck(pairs=("d0002",))


# 6. Something fails.


def test_what_fails_is_repaired() -> None:
    assert move(*mixed(d0000=FAIL, d0002=FAIL)) == Repair(pairs=("d0000", "d0002"))


def test_a_failing_negative_makes_its_pair_fail() -> None:
    seen = [*findings(FOUR[:3]), finding(FOUR[3], POS), finding(FOUR[3], NEG, FAIL)]
    assert move(adopted(FOUR, seen)) == Repair(pairs=("d0003",))


def test_failing_goes_before_unconfirmed() -> None:
    assert isinstance(move(*mixed(d0003=FAIL)), Repair)


def test_a_pair_is_replaced_once_its_repairs_are_used_up() -> None:
    rounds = [*mixed(d0000=FAIL, d0001=FAIL), mended_in_vain(FOUR[0]), mended_in_vain(FOUR[0])]
    assert move(*rounds, by=plan(4, max_repairs=3)) == Repair(pairs=("d0000", "d0001"))
    assert move(*rounds, by=plan(4, max_repairs=2)) == Repair(pairs=("d0001",), replace=("d0000",))


def test_with_no_repairs_allowed_a_failing_pair_is_replaced_at_once() -> None:
    assert move(*mixed(d0000=FAIL), by=plan(4, max_repairs=0)) == Repair(pairs=(), replace=("d0000",))


def test_a_dropped_pair_leaves_a_place_for_a_draft() -> None:
    rounds = [*mixed(d0000=FAIL), dropped(FOUR[0]), confirmed(FOUR[1:])]
    assert move(*rounds) == Draft(goal=4, count=1)


# 7. Something passed but is not confirmed.


def test_what_passed_is_confirmed() -> None:
    assert move(adopted(FOUR)) == Confirm(pairs=ids(FOUR))


def test_only_what_is_not_yet_confirmed_is_confirmed() -> None:
    assert move(adopted(FOUR), confirmed(FOUR[:3])) == Confirm(pairs=("d0003",))


def test_a_repaired_pair_is_confirmed_anew() -> None:
    new = edited(FOUR[0], POS)
    rounds = [adopted(FOUR), confirmed(FOUR[1:]), repaired(FOUR[0], new, findings([new]))]
    assert move(*rounds) == Confirm(pairs=("d0000",))


def test_unconfirmed_goes_before_drafting_more() -> None:
    assert isinstance(move(adopted(FOUR), by=plan(target=8)), Confirm)


# Before 8: nothing is scaled up on a self-check that failed.


def checked(auc: float, high: float) -> Round:
    """The confirmation of the pilot, with its controls."""
    controls = Controls(committed=(90.0,) * 20, open=(9.0,) * 21, auc=auc, low=auc - 0.2, high=high)
    return confirmed(FOUR).model_copy(update={"controls": controls})


def test_nothing_is_scaled_up_by_a_judge_that_cannot_tell_committed_texts_from_open_ones() -> None:
    ended = stop(adopted(FOUR), checked(0.7, 0.89), by=plan(4, target=8))
    assert ended.ending is Ending.NOT_READY
    assert "20 + 21 controls" in ended.why
    assert "0.70 [0.50, 0.89]" in ended.why
    assert "--min-control-auc 0" in ended.why


def test_scaling_up_goes_on_where_the_interval_reaches_the_limit_or_where_one_is_told_to() -> None:
    assert isinstance(move(adopted(FOUR), checked(0.7, 0.9), by=plan(4, target=8)), Draft)
    assert isinstance(move(adopted(FOUR), checked(0.5, 0.6), by=plan(4, target=8, min_control_auc=0.0)), Draft)


def test_a_set_that_is_not_to_grow_is_audited_whatever_its_controls_say() -> None:
    assert isinstance(move(adopted(FOUR), checked(0.5, 0.6), by=plan(4, target=4)), Audit)


# 8. Fewer pairs than the goal.


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


def test_two_barren_drafts_in_a_row_stop_the_run() -> None:
    barren = drafted([])
    assert isinstance(move(barren), Draft)
    ended = stop(barren, barren)
    assert ended.ending is Ending.NOT_READY
    assert "added nothing" in ended.why


def test_a_draft_that_adds_something_makes_up_for_a_barren_one() -> None:
    rounds = [drafted([]), drafted(FOUR[:1]), confirmed(FOUR[:1]), drafted([])]
    assert isinstance(move(*rounds), Draft)


def test_moves_between_two_barren_drafts_do_not_separate_them() -> None:
    rounds = [drafted(FOUR[:1]), drafted([]), confirmed(FOUR[:1]), drafted([])]
    assert "added nothing" in stop(*rounds).why


def test_what_is_in_the_set_is_mended_before_barren_drafts_stop_the_run() -> None:
    rounds = [drafted(FOUR[:1], findings(FOUR[:1], FAIL)), drafted([]), drafted([])]
    assert isinstance(move(*rounds), Repair)


def test_barren_drafts_do_not_stop_a_set_that_a_lower_target_makes_full() -> None:
    rounds = [drafted(FOUR), confirmed(FOUR), drafted([]), drafted([])]
    assert isinstance(move(*rounds, by=plan(target=4)), Audit)


# 9. Everything is confirmed.


def test_a_full_confirmed_set_is_audited() -> None:
    assert move(adopted(FOUR), confirmed(FOUR)) == Audit(pairs=ids(FOUR))


def test_only_what_is_not_yet_audited_is_audited() -> None:
    assert move(adopted(FOUR), confirmed(FOUR), audited(FOUR[:2])) == Audit(pairs=("d0002", "d0003"))


def test_drafting_goes_before_the_audit() -> None:
    assert isinstance(move(adopted(FOUR), confirmed(FOUR), by=plan(4, target=5)), Draft)


def test_what_fails_its_audit_goes_to_the_ladder() -> None:
    rounds = [adopted(FOUR), confirmed(FOUR), audited(FOUR[:3]), audited(FOUR[3:], FAIL)]
    assert move(*rounds) == Repair(pairs=("d0003",))


def test_what_was_mended_after_its_audit_is_confirmed_and_audited_again() -> None:
    new = edited(FOUR[3], POS)
    mended = repaired(FOUR[3], new, findings([new]))
    rounds = [adopted(FOUR), confirmed(FOUR), audited(FOUR[:3]), audited(FOUR[3:], FAIL), mended]
    assert move(*rounds) == Confirm(pairs=("d0003",))
    assert move(*rounds, confirmed([new])) == Audit(pairs=("d0003",))
    assert stop(*rounds, confirmed([new]), audited([new])).ending is Ending.READY
