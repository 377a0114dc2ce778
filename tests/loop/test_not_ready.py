"""The other reasons to end "not ready": patience, parked pairs, an unreliable judge, controls, empty drafts."""

from agent.schema import (
    Audit,
    Confirm,
    Controls,
    Draft,
    Ending,
    JudgeNoise,
    Park,
    Question,
    Repair,
    Round,
    WordingDisagreement,
)
from tests.loop.histories import (
    FAIL,
    FOUR,
    PASS,
    UNJUDGED,
    adopted,
    confirmed,
    drafted,
    failed_repair,
    findings,
    mixed,
    move,
    pairs,
    plan,
    rechecked,
    stop,
)

# Nothing improves, or too much is parked.


def test_patience_ends_after_so_many_rounds_without_improvement() -> None:
    failed = [failed_repair(FOUR[0])] * 2
    assert isinstance(move(*mixed(d0000=FAIL), *failed, by=plan(4, patience=3)), Repair)
    ended = stop(*mixed(d0000=FAIL), *failed, by=plan(4, patience=2))
    assert ended.ending is Ending.NOT_READY
    assert "--patience" in ended.why
    assert "WRONG dominates (1)" in ended.why


def test_patience_does_not_keep_a_pair_without_repairs_left_from_being_replaced() -> None:
    failed = [failed_repair(FOUR[0])] * 3
    by = plan(4, patience=2, max_repairs=3)
    assert move(*mixed(d0000=FAIL), *failed, by=by) == Repair(pairs=(), replace=("d0000",))


def test_one_improved_pair_renews_patience() -> None:
    failed, improved = failed_repair(FOUR[0]), failed_repair(FOUR[1], PASS)
    rounds = [*mixed(d0000=FAIL, d0001=FAIL), failed, improved, failed]
    assert isinstance(move(*rounds, by=plan(4, patience=2)), Repair)


def parked(count: int) -> Round:
    """Ten adopted pairs of which `count` are parked at once."""
    ten = pairs(10)
    notes = tuple(Park(pair=p.id, why="the judge is undecided") for p in ten[:count])
    return adopted(ten, goal=10).model_copy(update={"parked": notes})


def test_a_tenth_may_be_parked_and_more_may_not() -> None:
    by = plan(dataset_size=10, pilot=10, target=10)
    assert isinstance(move(parked(1), by=by), Confirm)
    ended = stop(parked(2), by=by)
    assert ended.ending is Ending.NOT_READY
    assert "2 of 10" in ended.why
    assert "the judge is undecided" in ended.why


def test_the_parked_share_is_of_all_pairs_that_ever_entered() -> None:
    refilled = drafted(pairs(10, start=10), goal=20)
    assert isinstance(move(parked(2), refilled, by=plan(10, pilot=10, target=20)), Confirm)


def test_one_parked_pair_in_the_first_rounds_of_a_pilot_is_measured_against_the_whole_pilot() -> None:
    few = adopted(FOUR).model_copy(update={"parked": (Park(pair="d0000", why="UNSURE"),)})
    assert isinstance(move(few, by=plan(4, pilot=10, target=10)), Confirm)


def test_too_much_parked_beats_something_unjudged() -> None:
    rest = rechecked(pairs(10)[2:], UNJUDGED)
    assert stop(parked(2), rest, by=plan(10, pilot=10, target=10)).ending is Ending.NOT_READY


# A judge whose own flaps put the goal out of reach.


def flapping(at_least: float) -> Round:
    noise = JudgeNoise(
        flaps=(
            WordingDisagreement(question=Question.C0, wording="b", k=31, n=64),
            WordingDisagreement(question=Question.RESPONSE, wording="b", k=2, n=64),
        ),
        accepted=0.3,
        edited=0.4,
        edited_at_least=at_least,
        undecided=0.9,
    )
    return confirmed(FOUR, FAIL).model_copy(update={"noise": noise})


def test_a_judge_whose_flaps_put_the_goal_out_of_reach_is_named_with_its_figures() -> None:
    ended = stop(adopted(FOUR), flapping(0.15))
    assert ended.ending is Ending.NOT_READY
    assert "disagree on c0 in 31 of 64 texts" in ended.why
    assert "at least 15% of good pairs" in ended.why


def test_a_judge_that_only_may_be_so_bad_is_kept() -> None:
    assert isinstance(move(adopted(FOUR), flapping(0.1)), Repair)


def test_patience_beats_something_unjudged() -> None:
    again = [rechecked(FOUR[:1], UNJUDGED)] * 2
    assert stop(*mixed(d0000=UNJUDGED), *again, by=plan(4, patience=2)).ending is Ending.NOT_READY


# Nothing is scaled up on a self-check that failed.


def checked(auc: float, high: float) -> Round:
    """The confirmation of the pilot, with its controls."""
    controls = Controls(committed=(90.0,) * 20, open=(9.0,) * 21, auc=auc, low=auc - 0.2, high=high)
    return confirmed(FOUR).model_copy(update={"controls": controls})


def test_nothing_is_scaled_up_by_a_judge_that_cannot_tell_committed_texts_from_open_ones() -> None:
    ended = stop(adopted(FOUR), checked(0.7, 0.89), by=plan(4, target=8))
    assert ended.ending is Ending.NOT_READY
    assert "20 + 21 controls" in ended.why
    assert "0.70 [0.50, 0.89]" in ended.why
    assert "--min-control-auc" in ended.why


def test_scaling_up_goes_on_where_the_interval_reaches_the_limit_or_where_the_option_says_so() -> None:
    assert isinstance(move(adopted(FOUR), checked(0.7, 0.9), by=plan(4, target=8)), Draft)
    assert isinstance(move(adopted(FOUR), checked(0.5, 0.6), by=plan(4, target=8, min_control_auc=0.0)), Draft)


def test_a_set_that_is_not_to_grow_is_audited_whatever_its_controls_say() -> None:
    assert isinstance(move(adopted(FOUR), checked(0.5, 0.6), by=plan(4, target=4)), Audit)


def test_two_empty_drafts_in_a_row_stop_the_run() -> None:
    empty = drafted([])
    assert isinstance(move(empty), Draft)
    ended = stop(empty, empty)
    assert ended.ending is Ending.NOT_READY
    assert "added nothing" in ended.why


def test_a_draft_that_adds_something_makes_up_for_an_empty_one() -> None:
    rounds = [drafted([]), drafted(FOUR[:1]), confirmed(FOUR[:1]), drafted([])]
    assert isinstance(move(*rounds), Draft)


def test_moves_between_two_empty_drafts_do_not_separate_them() -> None:
    rounds = [drafted(FOUR[:1]), drafted([]), confirmed(FOUR[:1]), drafted([])]
    assert "added nothing" in stop(*rounds).why


def test_what_is_in_the_set_is_repaired_before_empty_drafts_stop_the_run() -> None:
    rounds = [drafted(FOUR[:1], findings(FOUR[:1], FAIL)), drafted([]), drafted([])]
    assert isinstance(move(*rounds), Repair)


def test_empty_drafts_do_not_stop_a_set_that_a_lower_target_makes_full() -> None:
    rounds = [drafted(FOUR), confirmed(FOUR), drafted([]), drafted([])]
    assert isinstance(move(*rounds, by=plan(target=4)), Audit)
