"""The policy: each rule's move from a hand-made history, the order of the rules, and what is parked."""

from collections.abc import Sequence

import pytest

from agent.loop.policy import RULES, next_move, parking
from agent.loop.state import replay, unanswered
from agent.schema import (
    OTHER_SIDE,
    Audit,
    Change,
    Completion,
    Confirm,
    Controls,
    Draft,
    Ending,
    Finding,
    JudgeNoise,
    Pair,
    Park,
    Question,
    Recheck,
    Repair,
    Round,
    Rules,
    Signals,
    Tally,
    Verdict,
    Vote,
    VoteOutcome,
    WordingDisagreement,
)
from tests.loop.histories import (
    AUDIT,
    CONFIRM,
    FAIL,
    FIRST,
    FOUR,
    NEGATIVE,
    NO_SIGNALS,
    PASS,
    POSITIVE,
    UNJUDGED,
    adopted,
    audited,
    confirmed,
    drafted,
    dropped,
    edited,
    failed_repair,
    finding,
    findings,
    found,
    history,
    ids,
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

STOP_ASKED = Signals(stop_requested="ctrl-c")


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
    of_both = round_(Audit(pairs=ids(FOUR)), found_=[*findings(FOUR[:3], depth=AUDIT), *last])
    assert move(adopted(FOUR), confirmed(FOUR), of_both) == Audit(pairs=("d0003",))


def test_an_audited_set_below_its_goal_is_filled_up_first() -> None:
    assert move(*READY, by=plan(4, target=6)) == Draft(goal=6, count=2)


def test_an_audited_set_is_ready_although_a_stop_is_asked_for_and_every_cap_is_reached() -> None:
    assert stop(*READY, by=plan(4, max_rounds=0, max_pairs=0), signals=STOP_ASKED).ending is Ending.READY


# 2. A stop was asked for, or the cap on rounds is reached.


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


def test_a_stop_that_is_asked_for_beats_a_failing_pilot() -> None:
    assert stop(*failing_pilot(), by=plan(4, patience=9), signals=STOP_ASKED).ending is Ending.STOPPED


def test_a_stop_that_is_asked_for_beats_something_unjudged() -> None:
    assert stop(*mixed(d0000=UNJUDGED), signals=STOP_ASKED).ending is Ending.STOPPED


# 3. The pilot fails.


def failing_pilot(passing: int = 0, repair_rounds: int = 3, goal: int = 4) -> list[Round]:
    """A pilot of four pairs (eight scenarios), of which `passing` pass both ways and the others fail both ways."""
    bad = FOUR[passing:]
    failing = [finding(p, side, FAIL) for p in bad for side in (POS, NEG)]
    first = adopted(FOUR, [*findings(FOUR[:passing]), *failing], goal=goal)
    return [first, *[failed_repair_of_both(bad)] * repair_rounds]


def failed_repair_of_both(bad: Sequence[Pair]) -> Round:
    """A Repair round that kept these pairs as they were: both sides of each still fail."""
    changes = [Change(pair=p.id, what="repair", before=p, after=p) for p in bad]
    return round_(Repair(pairs=ids(bad)), changes, [finding(p, side, FAIL) for p in bad for side in (POS, NEG)])


def test_a_pilot_that_mostly_fails_after_three_repair_rounds_stops_with_the_dominating_verdict() -> None:
    ended = stop(*failing_pilot(passing=2), by=plan(4, patience=9))
    assert ended.ending is Ending.NOT_READY
    assert "4 of 8" in ended.why
    assert "WRONG dominates (4)" in ended.why
    assert "sharpen the definition" in ended.why


def test_a_pilot_is_not_judged_before_the_third_repair_round() -> None:
    assert isinstance(move(*failing_pilot(repair_rounds=2), by=plan(4, patience=9)), Repair)


def test_a_pilot_at_exactly_the_wanted_rate_goes_on() -> None:
    rules = Rules(min_pilot_rate=0.75)
    assert isinstance(move(*failing_pilot(passing=3), by=plan(4, rules, patience=9)), Repair)


def test_a_pilot_just_below_the_wanted_rate_stops() -> None:
    rules = Rules(min_pilot_rate=0.76)
    assert stop(*failing_pilot(passing=3), by=plan(4, rules, patience=9)).ending is Ending.NOT_READY


def test_unjudged_scenarios_are_not_counted_against_a_pilot() -> None:
    unjudged = [finding(p, side, UNJUDGED) for p in FOUR[1:] for side in (POS, NEG)]
    of_both = adopted(FOUR, [*found(FOUR[0], PASS), *unjudged])
    rounds = [of_both, *[repaired(FOUR[0], FOUR[0], found(FOUR[0], PASS)) for _ in range(3)]]
    assert move(*rounds, by=plan(4, patience=9)) == Recheck(pairs=ids(FOUR[1:]))


def test_a_set_that_has_left_the_pilot_is_no_longer_judged_as_one() -> None:
    by = plan(dataset_size=8, target=8, patience=9)
    assert isinstance(move(*failing_pilot(goal=8), by=by), Repair)


def test_a_failing_pilot_beats_patience_and_something_unjudged() -> None:
    rounds = failing_pilot()
    unjudged = round_(Recheck(pairs=("d0003",)), found_=[finding(FOUR[3], side, UNJUDGED) for side in (POS, NEG)])
    assert "of the pilot pass" in stop(*rounds, unjudged, by=plan(4, patience=1)).why


# 4. Nothing improves, or too much is parked.


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


def unfit(of: Pair, why: str = "It takes 900 tokens.") -> list[Finding]:
    """Findings on a pair whose positive the subject cannot continue."""
    failures = {POSITIVE: why, NEGATIVE: OTHER_SIDE}
    return [
        finding(of, side, UNJUDGED).model_copy(
            update={"completion": Completion(text="", token_ids=(), opening="", failure=failures[side])}
        )
        for side in (NEGATIVE, POSITIVE)
    ]


def test_a_text_that_the_subject_cannot_continue_parks_its_pair_at_once_with_file_and_line() -> None:
    bad, good = pairs(2)
    state = replay(history(adopted([bad, good], [*unfit(bad), *found(good)])))
    assert parking(state, {bad.positive.key: "positive.txt:7"}) == (
        Park(pair=bad.id, why="positive.txt:7: the subject cannot continue this text. It takes 900 tokens."),
    )
    assert parking(state)[0].why.startswith("the positive scenario: the subject cannot continue")


def test_such_pairs_are_no_fault_of_the_judge_and_are_not_asked_about_again() -> None:
    ten = pairs(10)
    bad = ten[:3]
    parks = [Park(pair=p.id, why="too long") for p in bad]
    entered = adopted(ten, [f for p in ten for f in (unfit(p) if p in bad else found(p))], goal=10)
    entered = entered.model_copy(update={"parked": tuple(parks)})
    assert isinstance(move(entered, by=plan(10, pilot=10, target=10)), Confirm)
    assert unanswered(replay(history(entered))) == ()


def test_a_question_longer_than_the_judges_context_parks_its_pair_at_once_and_is_asked_again_later() -> None:
    (of,) = pairs(1)
    vote = Vote(wording="a", sample=0, favourable=None, error="too long: HTTP 400: maximum context length")
    tally = Tally(question=Question.C0, ruling=VoteOutcome.OPEN, votes=(vote,))
    long = finding(of, POSITIVE, UNJUDGED).model_copy(update={"tallies": (tally,)})
    entered = adopted([of], [long, finding(of, NEGATIVE)])
    (park,) = parking(replay(history(entered)), {of.positive.key: "positive.txt:7"})
    assert park.why == (
        "positive.txt:7: a question about this text exceeds the judge's context (too long: HTTP 400: maximum context "
        "length). Shorten the text, or use a judge with a longer context"
    )
    assert unanswered(replay(history(entered.model_copy(update={"parked": (park,)})))) == (of.id,)


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


def test_a_judge_that_only_may_be_so_bad_is_kept() -> None:
    assert isinstance(move(adopted(FOUR), flapping(0.1)), Repair)


def test_patience_beats_something_unjudged() -> None:
    again = [rechecked(FOUR[:1], UNJUDGED)] * 2
    assert stop(*mixed(d0000=UNJUDGED), *again, by=plan(4, patience=2)).ending is Ending.NOT_READY


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
    assert "--min-control-auc" in ended.why


def test_scaling_up_goes_on_where_the_interval_reaches_the_limit_or_where_the_option_says_so() -> None:
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


# 9. Everything is confirmed.


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


# Parking: an outcome, recorded by the round that brought it about.


def parks(*rounds: Round) -> dict[str, str]:
    return {note.pair: note.why for note in parking(replay(history(*rounds)))}


@pytest.mark.parametrize("depth", [FIRST, CONFIRM, AUDIT])
def test_an_unsure_scenario_is_parked_at_any_depth(depth: object) -> None:
    of_both = found(FOUR[0], UNJUDGED, depth, Verdict.UNSURE)
    assert "UNSURE" in parks(adopted(FOUR[:1], of_both))["d0000"]


def test_an_unsure_negative_parks_its_pair() -> None:
    of_both = [finding(FOUR[0], POS), finding(FOUR[0], NEG, UNJUDGED, verdict=Verdict.UNSURE)]
    assert "negative" in parks(adopted(FOUR[:1], of_both))["d0000"]


def test_an_unjudged_pair_is_parked_after_its_second_recheck_and_not_before() -> None:
    again = rechecked(FOUR[:1], UNJUDGED)
    assert parks(*mixed(d0000=UNJUDGED), again) == {}
    assert "2 rechecks" in parks(*mixed(d0000=UNJUDGED), again, again)["d0000"]


def test_an_unjudged_pair_is_parked_with_the_commonest_error_of_the_commonest_kind() -> None:
    errors = ["timeout: slow", "refusal: filter a", "refusal: filter b", "timeout: late", "refusal: filter b"]
    votes = tuple(Vote(wording="a", sample=0, favourable=None, error=error) for error in errors)
    tally = Tally(question=Question.RESPONSE, ruling=VoteOutcome.OPEN, votes=votes)
    unread = finding(FOUR[0], outcome=UNJUDGED).model_copy(update={"tallies": (tally,)})
    again = rechecked(FOUR[:1], UNJUDGED).model_copy(update={"findings": (unread, finding(FOUR[0], NEG))})
    why = parks(*mixed(d0000=UNJUDGED), again, again)["d0000"]
    assert why == "no readable judgement after 2 rechecks: refusal: filter b"


def test_a_pair_that_is_judged_at_its_second_recheck_stays() -> None:
    rounds = [*mixed(d0000=UNJUDGED), rechecked(FOUR[:1], UNJUDGED), rechecked(FOUR[:1], PASS)]
    assert parks(*rounds) == {}


def test_a_pair_is_parked_by_its_second_failed_audit_and_not_by_its_first() -> None:
    new = edited(FOUR[0], POS)
    once = [adopted(FOUR), confirmed(FOUR), audited(FOUR[:1], FAIL)]
    assert parks(*once) == {}
    twice = [repaired(FOUR[0], new, findings([new])), confirmed([new]), audited([new], FAIL)]
    assert parks(*once, *twice) == {"d0000": "failed 2 audits"}


def test_a_passed_audit_between_does_not_make_a_failed_one_forgotten() -> None:
    rounds = [adopted(FOUR), audited(FOUR[:1], FAIL), audited(FOUR[:1], PASS), audited(FOUR[:1], FAIL)]
    assert "audits" in parks(*rounds)["d0000"]


def test_what_fails_or_passes_is_never_parked() -> None:
    assert parks(*mixed(d0000=FAIL, d0001=PASS)) == {}


def test_a_parked_pair_is_out_of_the_way_and_its_place_is_filled() -> None:
    rounds = [*mixed(d0000=UNJUDGED), rechecked(FOUR[:1])]
    last = rechecked(FOUR[:1]).model_copy(update={"parked": (Park(pair="d0000", why="unreadable"),)})
    by = plan(4, pilot=10)
    assert move(*rounds, last, by=by) == Confirm(pairs=ids(FOUR[1:]))
    assert move(*rounds, last, confirmed(FOUR[1:]), by=by) == Draft(goal=4, count=1)


def test_rechecks_of_an_earlier_text_are_not_held_against_the_present_one() -> None:
    new = edited(FOUR[0], POS)
    judged = [*mixed(d0000=UNJUDGED), rechecked(FOUR[:1], UNJUDGED), rechecked(FOUR[:1], FAIL)]
    assert parks(*judged, repaired(FOUR[0], new, findings([new], UNJUDGED))) == {}


def test_an_audit_that_fails_at_its_recheck_counts_as_a_failed_audit() -> None:
    failing = [audited(FOUR[:1], UNJUDGED), rechecked(FOUR[:1], FAIL, AUDIT)]
    assert "audits" in parks(adopted(FOUR), *failing, audited(FOUR[:1], FAIL)).get("d0000", "")


def test_one_failed_audit_is_counted_once_although_the_other_side_has_to_be_asked_again() -> None:
    failed, unread = finding(FOUR[0], POS, FAIL, AUDIT), finding(FOUR[0], NEG, UNJUDGED, AUDIT)
    audit = round_(Audit(pairs=("d0000",)), found_=[failed, unread])
    assert parks(adopted(FOUR), confirmed(FOUR), audit, rechecked(FOUR[:1], FAIL, AUDIT)) == {}
