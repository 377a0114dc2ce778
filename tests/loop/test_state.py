"""State replayed from history: what edits, examinations and losses do to it."""

import pytest

from agent.loop.state import PairState, SetState, Status, apply_round, replay
from agent.schema import Change, Depth, Draft, Outcome, Park, Recheck, Round, Rung, Verdict
from tests.loop.histories import (
    AUDIT,
    CONFIRM,
    FAIL,
    FIRST,
    FOUR,
    NEGATIVE,
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
    mixed,
    pair,
    rechecked,
    repaired,
    round_,
)

ONE = FOUR[0]


def fold(*rounds: Round) -> SetState:
    return replay(history(*rounds))


def item(*rounds: Round, key: str = "d0000") -> PairState:
    return fold(*rounds).items[key]


def test_the_state_is_empty_before_the_first_round() -> None:
    assert fold() == SetState()


@pytest.mark.parametrize(
    ("depth", "status"), [(FIRST, Status.PASSED), (CONFIRM, Status.CONFIRMED), (AUDIT, Status.AUDITED)]
)
def test_a_pass_reaches_as_far_as_its_depth(depth: Depth, status: Status) -> None:
    assert item(adopted([ONE], findings([ONE], depth=depth))).status is status


def test_a_pair_has_come_no_further_than_its_lesser_side() -> None:
    both = [finding(ONE, POSITIVE, depth=AUDIT), finding(ONE, NEGATIVE, depth=CONFIRM)]
    assert item(adopted([ONE], both)).status is Status.CONFIRMED


@pytest.mark.parametrize(
    ("positive", "negative", "status"),
    [
        (PASS, FAIL, Status.FAILING),
        (FAIL, FAIL, Status.FAILING),
        (PASS, UNJUDGED, Status.UNJUDGED),
        (FAIL, UNJUDGED, Status.UNJUDGED),
        (UNJUDGED, UNJUDGED, Status.UNJUDGED),
    ],
)
def test_a_pair_is_unjudged_while_one_side_is_and_fails_when_one_side_does(
    positive: Outcome, negative: Outcome, status: Status
) -> None:
    both = [finding(ONE, POSITIVE, positive), finding(ONE, NEGATIVE, negative)]
    assert item(adopted([ONE], both)).status is status


def test_the_latest_finding_counts() -> None:
    assert item(adopted([ONE]), confirmed([ONE]), rechecked([ONE], FAIL)).status is Status.FAILING
    assert item(*mixed(d0000=FAIL), rechecked([ONE], PASS)).status is Status.PASSED


def test_an_edited_pair_must_be_examined_again() -> None:
    new = edited(ONE, POSITIVE)
    edit = repaired(ONE, new, [], (POSITIVE, Rung.CUT))
    assert item(adopted([ONE]), confirmed([ONE]), edit).status is Status.UNJUDGED


@pytest.mark.parametrize("polarity", [POSITIVE, NEGATIVE])
def test_editing_one_member_makes_both_count_anew(polarity: object) -> None:
    new = edited(ONE, polarity)
    edit = repaired(ONE, new, findings([new]), (polarity, Rung.CUT))
    rounds = [adopted([ONE]), confirmed([ONE]), audited([ONE])]
    assert item(*rounds).status is Status.AUDITED
    assert item(*rounds, edit).status is Status.PASSED
    assert item(*rounds, edit, confirmed([new])).status is Status.CONFIRMED


def test_findings_about_another_text_do_not_count() -> None:
    other = edited(ONE, POSITIVE, "Something else came, so I")
    stray = round_(Recheck(pairs=("d0000",)), found_=findings([other], depth=AUDIT))
    assert item(adopted([ONE], []), stray).finding(POSITIVE) is None
    assert item(adopted([ONE], []), stray).finding(NEGATIVE) is not None
    assert item(adopted([ONE], []), stray).status is Status.UNJUDGED


def test_findings_from_before_an_edit_do_not_count_after_it() -> None:
    new = edited(ONE, POSITIVE)
    before = item(adopted([ONE]), confirmed([ONE]), repaired(ONE, new, []))
    assert before.finding(POSITIVE) is None
    assert len(before.findings) == 4


def test_another_system_prompt_makes_another_text() -> None:
    prompted = ONE.positive.model_copy(update={"system_prompt": "Be brief."})
    new = ONE.model_copy(update={"positive": prompted})
    assert item(adopted([ONE]), repaired(ONE, new, [])).status is Status.UNJUDGED


def test_a_repair_that_kept_the_pair_keeps_what_is_known_of_it() -> None:
    assert item(adopted([ONE]), confirmed([ONE]), repaired(ONE, ONE, [])).status is Status.CONFIRMED


# Counts.


def test_repairs_are_counted_per_pair_whether_they_helped_or_not() -> None:
    new = edited(ONE, POSITIVE)
    rounds = [*mixed(d0000=FAIL), failed_repair(ONE), repaired(ONE, new, findings([new]))]
    state = fold(*rounds)
    assert {key: i.repairs for key, i in state.items.items()} == {"d0000": 2, "d0001": 0, "d0002": 0, "d0003": 0}
    assert state.repair_rounds == 2


def test_rechecks_count_only_rounds_that_asked_again() -> None:
    rounds = [*mixed(d0000=UNJUDGED), rechecked([ONE]), confirmed(FOUR[1:]), rechecked([ONE])]
    assert [item(*rounds).rechecks, item(*rounds, key="d0001").rechecks] == [2, 0]


def test_a_failed_audit_is_counted_once_per_round_even_if_both_sides_fail() -> None:
    both = [finding(ONE, side, FAIL, AUDIT) for side in (POSITIVE, NEGATIVE)]
    failed = audited([ONE]).model_copy(update={"findings": tuple(both)})
    assert item(adopted([ONE]), failed).failed_audits == 1
    assert item(adopted([ONE]), audited([ONE], PASS)).failed_audits == 0
    assert item(adopted([ONE]), audited([ONE], UNJUDGED)).failed_audits == 0


def test_adopted_and_drafted_pairs_are_counted_apart_and_for_good() -> None:
    state = fold(adopted(FOUR[:2]), drafted([pair("n0000")]), dropped(ONE))
    assert (state.adopted, state.drafted, state.entered, len(state.items)) == (2, 1, 3, 2)


def test_a_draft_without_anything_is_empty_and_anything_ends_that() -> None:
    empty = drafted([])
    assert fold(empty, empty).empty_drafts == 2
    assert fold(empty, adopted([ONE])).empty_drafts == 0
    assert fold(empty, drafted([ONE])).empty_drafts == 0
    assert fold(empty, drafted([ONE]), confirmed([ONE])).empty_drafts == 0


def test_the_goal_is_the_largest_any_draft_had() -> None:
    assert fold(adopted(FOUR, goal=16), drafted([], goal=4)).goal == 16
    assert fold(round_(Draft(goal=16, count=1))).goal == 16


# Idle rounds.


def test_a_round_in_which_no_pair_improves_is_idle() -> None:
    failed = failed_repair(ONE)
    assert fold(*mixed(d0000=FAIL)).idle == 0
    assert fold(*mixed(d0000=FAIL), failed).idle == 1
    assert fold(*mixed(d0000=FAIL), failed, failed).idle == 2


@pytest.mark.parametrize(
    "better",
    [failed_repair(ONE, PASS), drafted([pair("n0000")]), confirmed(FOUR[1:2])],
    ids=["improved", "new", "confirmed"],
)
def test_one_improved_or_new_pair_ends_idleness(better: Round) -> None:
    assert fold(*mixed(d0000=FAIL), failed_repair(ONE), better).idle == 0


def test_a_pair_that_is_dropped_makes_room_and_ends_idleness() -> None:
    assert fold(*mixed(d0000=FAIL), failed_repair(ONE), dropped(ONE)).idle == 0


def test_a_round_in_which_pairs_only_fall_back_is_idle() -> None:
    assert fold(adopted(FOUR), confirmed(FOUR), audited(FOUR[:1], FAIL)).idle == 1


def test_a_empty_draft_is_idle() -> None:
    assert fold(adopted(FOUR), drafted([])).idle == 1


# What leaves the set.


def test_a_dropped_pair_leaves_the_set_and_stays_on_record() -> None:
    state = fold(*mixed(d0000=FAIL), dropped(ONE))
    assert "d0000" not in state.items
    assert [gone.pair for gone in state.removed] == [ONE]
    assert state.parked == ()


def test_a_parked_pair_leaves_the_set_with_what_its_last_round_found() -> None:
    note = Park(pair="d0000", why="UNSURE")
    last = rechecked([ONE]).model_copy(update={"parked": (note,)})
    state = fold(*mixed(d0000=UNJUDGED), last)
    assert "d0000" not in state.items
    assert state.parked == (note,)
    assert [gone.rechecks for gone in state.removed] == [1]


def test_a_set_keeps_the_order_in_which_its_pairs_came() -> None:
    new = edited(FOUR[1], POSITIVE)
    state = fold(adopted(FOUR), drafted([pair("n0000")]), repaired(FOUR[1], new, findings([new])), dropped(ONE))
    assert [p.id for p in state.pairs] == ["d0001", "d0002", "d0003", "n0000"]
    assert state.pairs[0] == new


# What a repair reads of the past.


def test_rungs_are_kept_for_the_stem_they_were_tried_on() -> None:
    cut = edited(ONE, POSITIVE, "A shorter end, so I")
    moved = edited(cut, POSITIVE, "End, so I", stem="Another story. ")
    rounds = [*mixed(d0000=FAIL), repaired(ONE, cut, [], (POSITIVE, Rung.CUT), (POSITIVE, Rung.CLIFFHANGER))]
    assert item(*rounds).rungs(POSITIVE) == (Rung.CUT, Rung.CLIFFHANGER)
    assert item(*rounds).rungs(NEGATIVE) == ()
    assert item(*rounds, repaired(cut, moved, [], (POSITIVE, Rung.SIMPLIFY))).rungs(POSITIVE) == ()


def test_every_examined_version_is_kept_with_its_verdict() -> None:
    new = edited(ONE, POSITIVE)
    known = item(*mixed(d0000=FAIL), repaired(ONE, new, found(new, FAIL, verdict=Verdict.LATE)))
    versions = {(one.polarity, one.text, one.verdict) for one in known.past}
    assert (POSITIVE, ONE.positive.text, Verdict.WRONG) in versions
    assert (POSITIVE, new.positive.text, Verdict.LATE) in versions


def test_the_fold_never_changes_what_it_was_given() -> None:
    start = fold(adopted(FOUR))
    kept = dict(start.items)
    end = apply_round(start, dropped(ONE))
    assert start.items == kept
    assert len(end.items) == 3


def test_a_change_to_a_pair_that_is_not_there_is_an_error() -> None:
    gone = round_(Recheck(pairs=("d0009",)), [Change(pair="d0009", what="drop", before=ONE, after=None)])
    with pytest.raises(KeyError, match="d0009"):
        fold(gone)


def test_a_history_folds_alike_in_one_go_and_step_by_step() -> None:
    past = history(*mixed(d0000=FAIL), failed_repair(ONE), confirmed(FOUR[1:]), drafted([pair("n0000")]))
    state = SetState()
    for done in past:
        state = apply_round(state, done)
    assert state == replay(past)


def test_one_pair_of_each_status_is_listed_under_it() -> None:
    both = [*findings(FOUR[:1], FAIL), *findings(FOUR[1:2], UNJUDGED), *findings(FOUR[2:3])]
    state = fold(adopted(FOUR, [*both, *findings(FOUR[3:], depth=CONFIRM)]))
    listed = {status: state.at(status) for status in Status}
    assert listed == {
        Status.FAILING: ("d0000",),
        Status.UNJUDGED: ("d0001",),
        Status.PASSED: ("d0002",),
        Status.CONFIRMED: ("d0003",),
        Status.AUDITED: (),
    }
    assert state.at(Status.PASSED, Status.CONFIRMED) == ("d0002", "d0003")
