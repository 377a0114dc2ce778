"""When a pilot is hopeless: what failed was repaired several times, and nothing rises any more."""

from collections.abc import Sequence

from agent.schema import (
    Cause,
    Change,
    Confirm,
    Ending,
    Pair,
    Recheck,
    Repair,
    Round,
    Rules,
    Signals,
)
from tests.loop.histories import (
    CONFIRM,
    FAIL,
    FOUR,
    PASS,
    UNJUDGED,
    adopted,
    edited,
    finding,
    findings,
    found,
    ids,
    move,
    pairs,
    plan,
    repaired,
    round_,
    stop,
)
from tests.loop.histories import NEGATIVE as NEG
from tests.loop.histories import POSITIVE as POS

STOP_ASKED = Signals(stop_requested="ctrl-c")


def test_a_stop_that_is_asked_for_beats_a_failing_pilot() -> None:
    assert stop(*failing_pilot(), by=plan(4, patience=9), signals=STOP_ASKED).ending is Ending.STOPPED


# The pilot fails.


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


# It rises, slowly or late.


def repair_all(bad: Sequence[Pair], passing: int, number: int) -> tuple[Round, list[Pair]]:
    """A Repair round that rewrote both sides of these pairs; the first `passing` of them pass. And those that fail."""
    new = [edited(edited(p, POS, f"Idea {number} came, so I"), NEG, f"Whim {number} came, so I") for p in bad]
    changes = [Change(pair=a.id, what="repair", before=a, after=b) for a, b in zip(bad, new, strict=True)]
    failing = [finding(p, side, FAIL) for p in new[passing:] for side in (POS, NEG)]
    return round_(Repair(pairs=ids(bad)), changes, [*findings(new[:passing]), *failing]), new


def test_a_pilot_that_rises_late_goes_on_until_all_pass() -> None:
    eight, by = pairs(8), plan(8, pilot=8, target=8)
    rounds = [adopted(eight, [finding(p, side, FAIL) for p in eight for side in (POS, NEG)], goal=8)]
    bad: Sequence[Pair] = eight
    for number, rise in enumerate((0, 4, 2, 2)):
        assert move(*rounds, by=by) == Repair(pairs=ids(bad))
        done, new = repair_all(bad, rise, number)
        rounds.append(done)
        bad = new[rise:]
    assert isinstance(move(*rounds, by=by), Confirm)


def test_one_side_that_rises_is_a_rise() -> None:
    rounds = failing_pilot()
    half = round_(Repair(pairs=ids(FOUR)), [], [finding(p, NEG) for p in FOUR])
    assert isinstance(move(*rounds[:-1], half, by=plan(4, patience=9)), Repair)


def confirmed_badly(*rounds: Round) -> list[Round]:
    """A pilot of which confirm finds both sides of three pairs failing."""
    failing = [finding(p, side, FAIL, CONFIRM) for p in FOUR[1:] for side in (POS, NEG)]
    return [*rounds, round_(Confirm(pairs=ids(FOUR)), found_=[*findings(FOUR[:1], depth=CONFIRM), *failing])]


def test_what_confirm_finds_gets_its_repairs_before_the_pilot_is_judged() -> None:
    late = [adopted(FOUR, findings(FOUR, FAIL)), *[failed_repair_of_both(FOUR)] * 3]
    rose = round_(Repair(pairs=ids(FOUR)), found_=findings(FOUR))
    rounds, by = confirmed_badly(*late, rose), plan(4, patience=9, max_repairs=9)
    for _ in range(3):
        assert move(*rounds, by=by) == Repair(pairs=ids(FOUR[1:]))
        rounds.append(failed_repair_of_both(FOUR[1:]))
    assert "the last 3 raised nothing" in stop(*rounds, by=by).why


def test_pairs_that_pass_after_each_repair_and_fail_each_confirm_do_not_rise() -> None:
    rounds, by, now = confirmed_badly(adopted(FOUR)), plan(4, patience=9, max_repairs=9), list(FOUR[1:])
    for number in range(3):
        assert isinstance(move(*rounds, by=by), Repair)
        done, now = repair_all(now, 3, number)
        again = round_(Confirm(pairs=ids(now)), found_=[finding(p, s, FAIL, CONFIRM) for p in now for s in (POS, NEG)])
        rounds += [done, again]
    assert stop(*rounds, by=by).cause is Cause.PILOT


def test_where_fewer_repairs_are_allowed_so_many_are_several() -> None:
    by = plan(4, patience=9, max_repairs=1)
    rounds = [*failing_pilot(repair_rounds=1), round_(Repair(pairs=(), replace=()))]
    assert isinstance(move(*rounds, by=by), Repair)
    assert stop(*rounds, round_(Repair(pairs=(), replace=())), by=by).cause is Cause.PILOT
