"""The method: how a run may end, and the order in which the rules speak. Each move from a hand-made history."""

from agent.loop.policy import RULES, next_move
from agent.schema import (
    Audit,
    Confirm,
    Draft,
    Ending,
    JudgeNoise,
    Pair,
    Park,
    Question,
    Recheck,
    Repair,
    Round,
    Rules,
    Signals,
    WordingDisagreement,
)
from tests.loop.histories import (
    AUDIT,
    CALM,
    CONFIRM,
    FAIL,
    FOUR,
    PASS,
    UNJUDGED,
    adopted,
    audited,
    confirmed,
    drafted,
    finding,
    findings,
    found,
    history,
    ids,
    mended_in_vain,
    mixed,
    move,
    pair,
    pairs,
    plan,
    rechecked,
    repaired,
    round_,
    stop,
)
from tests.loop.histories import NEGATIVE as NEG
from tests.loop.histories import POSITIVE as POS

ASKED = Signals(stop_requested="ctrl-c")


READY = (adopted(FOUR), confirmed(FOUR), audited(FOUR))


# 1. The full set is audited.


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
    seen = round_(Audit(pairs=ids(FOUR)), seen=[*findings(FOUR[:3], depth=AUDIT), *last])
    assert move(adopted(FOUR), confirmed(FOUR), seen) == Audit(pairs=("d0003",))


def test_an_audited_set_below_its_goal_is_filled_up_first() -> None:
    assert move(*READY, by=plan(4, target=6)) == Draft(goal=6, count=2)


def test_an_audited_set_is_ready_although_a_stop_is_asked_for_and_every_cap_is_reached() -> None:
    assert stop(*READY, by=plan(4, max_rounds=0, max_pairs=0), signals=ASKED).ending is Ending.READY


# 2. A stop was asked for, or the cap on rounds is reached.


def test_a_stop_that_is_asked_for_stops_and_says_who_asked() -> None:
    ended = stop(signals=ASKED)
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
    assert stop(by=plan(4, max_rounds=0), signals=ASKED).ending is Ending.STOPPED


def test_a_stop_that_is_asked_for_beats_a_hopeless_pilot() -> None:
    assert stop(*hopeless(), by=plan(4, patience=9), signals=ASKED).ending is Ending.STOPPED


def test_a_stop_that_is_asked_for_beats_something_unjudged() -> None:
    assert stop(*mixed(d0000=UNJUDGED), signals=ASKED).ending is Ending.STOPPED


# 3. The pilot is hopeless.


def hopeless(passing: int = 0, repair_rounds: int = 3, goal: int = 4) -> list[Round]:
    """A pilot of four pairs (eight scenarios), of which `passing` pass both ways and the others fail both ways."""
    bad = FOUR[passing:]
    failing = [finding(p, side, FAIL) for p in bad for side in (POS, NEG)]
    first = adopted(FOUR, [*findings(FOUR[:passing]), *failing], goal=goal)
    return [first, *[mended_both_in_vain(bad[0]) for _ in range(repair_rounds)]]


def mended_both_in_vain(of: Pair) -> Round:
    return repaired(of, of, [finding(of, POS, FAIL), finding(of, NEG, FAIL)])


def test_a_pilot_that_mostly_fails_after_three_repair_rounds_stops_with_the_dominating_verdict() -> None:
    ended = stop(*hopeless(passing=2), by=plan(4, patience=9))
    assert ended.ending is Ending.NOT_READY
    assert "4 of 8" in ended.why
    assert "WRONG dominates (4)" in ended.why
    assert "sharpen the definition" in ended.why


def test_a_pilot_is_not_judged_before_the_third_repair_round() -> None:
    assert isinstance(move(*hopeless(repair_rounds=2), by=plan(4, patience=9)), Repair)


def test_a_pilot_at_exactly_the_wanted_rate_goes_on() -> None:
    rules = Rules(min_pilot_rate=0.75)
    assert isinstance(move(*hopeless(passing=3), by=plan(4, rules, patience=9)), Repair)


def test_a_pilot_just_below_the_wanted_rate_stops() -> None:
    rules = Rules(min_pilot_rate=0.76)
    assert stop(*hopeless(passing=3), by=plan(4, rules, patience=9)).ending is Ending.NOT_READY


def test_unjudged_scenarios_are_not_counted_against_a_pilot() -> None:
    unjudged = [finding(p, side, UNJUDGED) for p in FOUR[1:] for side in (POS, NEG)]
    seen = adopted(FOUR, [*found(FOUR[0], PASS), *unjudged])
    rounds = [seen, *[repaired(FOUR[0], FOUR[0], found(FOUR[0], PASS)) for _ in range(3)]]
    assert move(*rounds, by=plan(4, patience=9)) == Recheck(pairs=ids(FOUR[1:]))


def test_a_set_that_has_left_the_pilot_is_no_longer_judged_as_one() -> None:
    by = plan(dataset_size=8, target=8, patience=9)
    assert isinstance(move(*hopeless(goal=8), by=by), Repair)


def test_a_hopeless_pilot_beats_patience_and_something_unjudged() -> None:
    rounds = hopeless()
    unjudged = rechecked([FOUR[3]], UNJUDGED)
    assert "of the pilot pass" in stop(*rounds, unjudged, by=plan(4, patience=1)).why


# 4. Nothing improves, or too much is parked.


def test_patience_ends_after_so_many_rounds_without_improvement() -> None:
    vain = [mended_in_vain(FOUR[0])] * 2
    assert isinstance(move(*mixed(d0000=FAIL), *vain, by=plan(4, patience=3)), Repair)
    ended = stop(*mixed(d0000=FAIL), *vain, by=plan(4, patience=2))
    assert ended.ending is Ending.NOT_READY
    assert "--patience" in ended.why
    assert "WRONG dominates (1)" in ended.why


def test_patience_does_not_keep_a_pair_whose_repairs_are_spent_from_being_replaced() -> None:
    vain = [mended_in_vain(FOUR[0])] * 3
    by = plan(4, patience=2, max_repairs=3)
    assert move(*mixed(d0000=FAIL), *vain, by=by) == Repair(pairs=(), replace=("d0000",))


def test_one_improved_pair_renews_patience() -> None:
    vain, mended = mended_in_vain(FOUR[0]), mended_in_vain(FOUR[1], PASS)
    rounds = [*mixed(d0000=FAIL, d0001=FAIL), vain, mended, vain]
    assert isinstance(move(*rounds, by=plan(4, patience=2)), Repair)


def parked(count: int) -> Round:
    """Ten adopted pairs of which `count` are parked at once."""
    ten = pairs(10)
    notes = tuple(Park(pair=p.id, why="the judge is torn") for p in ten[:count])
    return adopted(ten, goal=10).model_copy(update={"parked": notes})


def test_a_tenth_parked_is_borne_and_more_is_not() -> None:
    by = plan(dataset_size=10, pilot=10, target=10)
    assert isinstance(move(parked(1), by=by), Confirm)
    ended = stop(parked(2), by=by)
    assert ended.ending is Ending.NOT_READY
    assert "2 of 10" in ended.why
    assert "the judge is torn" in ended.why


def test_the_parked_share_is_of_all_pairs_that_ever_entered() -> None:
    refilled = drafted(pairs(10, start=10), goal=20)
    assert isinstance(move(parked(2), refilled, by=plan(10, pilot=10, target=20)), Confirm)


def test_one_parked_pair_in_the_first_rounds_of_a_pilot_is_measured_against_the_whole_pilot() -> None:
    few = adopted(FOUR).model_copy(update={"parked": (Park(pair="d0000", why="UNSURE"),)})
    assert isinstance(move(few, by=plan(4, pilot=10, target=10)), Confirm)


def test_too_much_parked_beats_something_unjudged() -> None:
    rest = rechecked(pairs(10)[2:], UNJUDGED)
    assert stop(parked(2), rest, by=plan(10, pilot=10, target=10)).ending is Ending.NOT_READY


# Before 4: a judge whose own flaps put the goal out of reach.


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


def test_a_judge_that_only_may_be_so_bad_is_worked_with() -> None:
    assert isinstance(move(adopted(FOUR), flapping(0.1)), Repair)


def test_patience_beats_something_unjudged() -> None:
    again = [rechecked(FOUR[:1], UNJUDGED)] * 2
    assert stop(*mixed(d0000=UNJUDGED), *again, by=plan(4, patience=2)).ending is Ending.NOT_READY


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
        "scaling_up_blindly",
        "draft_more",
        "audit_all",
    ]


def test_the_same_history_read_back_from_its_record_leads_to_the_same_move() -> None:
    rounds = [*mixed(d0000=FAIL, d0001=UNJUDGED), rechecked(FOUR[1:2], FAIL), mended_in_vain(FOUR[0])]
    told = history(*rounds)
    read = tuple(Round.model_validate_json(done.model_dump_json()) for done in told)
    for length in range(len(told) + 1):
        assert next_move(told[:length], plan(4), CALM) == next_move(read[:length], plan(4), CALM)
