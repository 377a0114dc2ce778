"""The policy: each rule's move from a hand-made history, and the order of the rules."""

from agent.loop.policy import RULES, next_move
from agent.schema import (
    Audit,
    Confirm,
    Draft,
    Ending,
    Park,
    Recheck,
    Repair,
    Round,
    Signals,
)
from tests.loop.histories import (
    AUDIT,
    CONFIRM,
    FAIL,
    FOUR,
    NO_SIGNALS,
    UNJUDGED,
    adopted,
    audited,
    confirmed,
    dropped,
    edited,
    failed_repair,
    finding,
    findings,
    history,
    ids,
    mixed,
    move,
    pair,
    plan,
    rechecked,
    repaired,
    round_,
    stop,
)
from tests.loop.histories import NEGATIVE as NEG
from tests.loop.histories import POSITIVE as POS

STOP_ASKED = Signals(stop_requested="ctrl-c")


READY = (adopted(FOUR), confirmed(FOUR), audited(FOUR))


# The full set is audited.


def test_a_full_audited_set_is_ready() -> None:
    assert stop(*READY).ending is Ending.READY


def test_a_full_audited_set_with_parked_pairs_says_that_they_wait() -> None:
    extra = pair("n0000")
    parked = adopted([*FOUR, extra]).model_copy(update={"parked": (Park(pair="n0000", why="UNSURE"),)})
    ended = stop(parked, confirmed(FOUR), audited(FOUR), by=plan(dataset_size=4, pilot=16))
    assert ended.ending is Ending.READY_WITH_PARKED
    assert "1 parked" in ended.why


def test_a_set_is_not_ready_while_one_side_of_one_pair_lacks_its_audit() -> None:
    last = [finding(FOUR[3], POS, depth=AUDIT), finding(FOUR[3], NEG, depth=CONFIRM)]
    of_both = round_(Audit(pairs=ids(FOUR)), found_=[*findings(FOUR[:3], depth=AUDIT), *last])
    assert move(adopted(FOUR), confirmed(FOUR), of_both) == Audit(pairs=("d0003",))


def test_an_audited_set_below_its_goal_is_filled_up_first() -> None:
    assert move(*READY, by=plan(4, target=6)) == Draft(goal=6, count=2)


def test_an_audited_set_is_ready_although_a_stop_is_asked_for_and_every_cap_is_reached() -> None:
    assert stop(*READY, by=plan(4, max_rounds=0, max_pairs=0), signals=STOP_ASKED).ending is Ending.READY


# A stop was asked for, or the cap on rounds is reached.


def test_a_stop_that_is_asked_for_stops_and_says_who_asked() -> None:
    ended = stop(signals=STOP_ASKED)
    assert ended.ending is Ending.STOPPED
    assert "ctrl-c" in ended.why


def test_the_cap_on_rounds_counts_every_round_in_history() -> None:
    by = plan(4, max_rounds=2)
    assert isinstance(move(adopted(FOUR), by=by), Confirm)
    ended = stop(adopted(FOUR), confirmed(FOUR), by=by)
    assert ended.ending is Ending.CAP
    assert "--max-rounds" in ended.why


def test_a_cap_of_no_rounds_stops_before_the_first() -> None:
    assert stop(by=plan(4, max_rounds=0)).ending is Ending.CAP


def test_a_stop_that_is_asked_for_is_named_rather_than_the_cap() -> None:
    assert stop(by=plan(4, max_rounds=0), signals=STOP_ASKED).ending is Ending.STOPPED


def test_a_stop_that_is_asked_for_beats_something_unjudged() -> None:
    assert stop(*mixed(d0000=UNJUDGED), signals=STOP_ASKED).ending is Ending.STOPPED


# Something is unjudged.


def test_what_is_unjudged_is_asked_again_and_nothing_else() -> None:
    assert move(*mixed(d0001=UNJUDGED, d0003=UNJUDGED)) == Recheck(pairs=("d0001", "d0003"))


def test_a_pair_without_any_finding_is_unjudged() -> None:
    assert move(adopted(FOUR, findings(FOUR[1:]))) == Recheck(pairs=("d0000",))


def test_unjudged_goes_before_failing_and_unconfirmed() -> None:
    assert move(*mixed(d0000=FAIL, d0002=UNJUDGED)) == Recheck(pairs=("d0002",))


# Something fails.


def test_what_fails_is_repaired() -> None:
    assert move(*mixed(d0000=FAIL, d0002=FAIL)) == Repair(pairs=("d0000", "d0002"))


def test_a_failing_negative_makes_its_pair_fail() -> None:
    of_both = [*findings(FOUR[:3]), finding(FOUR[3], POS), finding(FOUR[3], NEG, FAIL)]
    assert move(adopted(FOUR, of_both)) == Repair(pairs=("d0003",))


def test_failing_goes_before_unconfirmed() -> None:
    assert isinstance(move(*mixed(d0003=FAIL)), Repair)


def test_a_pair_is_replaced_once_its_repairs_are_used_up() -> None:
    rounds = [*mixed(d0000=FAIL, d0001=FAIL), failed_repair(FOUR[0]), failed_repair(FOUR[0])]
    assert move(*rounds, by=plan(4, max_repairs=3)) == Repair(pairs=("d0000", "d0001"))
    assert move(*rounds, by=plan(4, max_repairs=2)) == Repair(pairs=("d0001",), replace=("d0000",))


def test_with_no_repairs_allowed_a_failing_pair_is_replaced_at_once() -> None:
    assert move(*mixed(d0000=FAIL), by=plan(4, max_repairs=0)) == Repair(pairs=(), replace=("d0000",))


def test_a_dropped_pair_leaves_a_place_for_a_draft() -> None:
    rounds = [*mixed(d0000=FAIL), dropped(FOUR[0]), confirmed(FOUR[1:])]
    assert move(*rounds) == Draft(goal=4, count=1)


# Something passed but is not confirmed.


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


# Everything is confirmed.


def test_a_full_confirmed_set_is_audited() -> None:
    assert move(adopted(FOUR), confirmed(FOUR)) == Audit(pairs=ids(FOUR))


def test_only_what_is_not_yet_audited_is_audited() -> None:
    assert move(adopted(FOUR), confirmed(FOUR), audited(FOUR[:2])) == Audit(pairs=("d0002", "d0003"))


def test_drafting_goes_before_the_audit() -> None:
    assert isinstance(move(adopted(FOUR), confirmed(FOUR), by=plan(4, target=5)), Draft)


def test_what_fails_its_audit_is_repaired() -> None:
    rounds = [adopted(FOUR), confirmed(FOUR), audited(FOUR[:3]), audited(FOUR[3:], FAIL)]
    assert move(*rounds) == Repair(pairs=("d0003",))


def test_what_was_repaired_after_its_audit_is_confirmed_and_audited_again() -> None:
    new = edited(FOUR[3], POS)
    edit = repaired(FOUR[3], new, findings([new]))
    rounds = [adopted(FOUR), confirmed(FOUR), audited(FOUR[:3]), audited(FOUR[3:], FAIL), edit]
    assert move(*rounds) == Confirm(pairs=("d0003",))
    assert move(*rounds, confirmed([new])) == Audit(pairs=("d0003",))
    assert stop(*rounds, confirmed([new]), audited([new])).ending is Ending.READY


# The order is the method.


def test_the_rules_stand_in_the_order_of_the_method() -> None:
    assert [rule.__name__ for rule in RULES] == [
        "everything_is_audited",
        "stop_or_cap",
        "pilot_failed",
        "judge_unreliable",
        "no_progress",
        "recheck_unjudged",
        "repair_failing",
        "confirm_passes",
        "controls_failed",
        "draft_more",
        "audit_all",
    ]


def test_the_same_history_read_back_from_its_record_leads_to_the_same_move() -> None:
    rounds = [*mixed(d0000=FAIL, d0001=UNJUDGED), rechecked(FOUR[1:2], FAIL), failed_repair(FOUR[0])]
    past = history(*rounds)
    read = tuple(Round.model_validate_json(done.model_dump_json()) for done in past)
    for length in range(len(past) + 1):
        assert next_move(past[:length], plan(4), NO_SIGNALS) == next_move(read[:length], plan(4), NO_SIGNALS)
