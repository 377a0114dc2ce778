"""Which pairs are parked for the human, and that they stand in nobody's way."""

import pytest

from agent.loop.policy import parking
from agent.loop.state import replay
from agent.schema import Audit, Confirm, Draft, Park, Round, Verdict
from tests.loop.histories import (
    AUDIT,
    CONFIRM,
    FAIL,
    FIRST,
    FOUR,
    PASS,
    UNJUDGED,
    adopted,
    audited,
    confirmed,
    edited,
    finding,
    findings,
    found,
    history,
    ids,
    mixed,
    move,
    plan,
    rechecked,
    repaired,
    round_,
)
from tests.loop.histories import NEGATIVE as NEG
from tests.loop.histories import POSITIVE as POS

# Parking is an outcome, recorded by the round that brought it about.


def parks(*rounds: Round) -> dict[str, str]:
    return {note.pair: note.why for note in parking(replay(history(*rounds)))}


@pytest.mark.parametrize("depth", [FIRST, CONFIRM, AUDIT])
def test_an_unsure_scenario_is_parked_at_any_depth(depth: object) -> None:
    seen = found(FOUR[0], UNJUDGED, depth, Verdict.UNSURE)
    assert "UNSURE" in parks(adopted(FOUR[:1], seen))["d0000"]


def test_an_unsure_negative_parks_its_pair() -> None:
    seen = [finding(FOUR[0], POS), finding(FOUR[0], NEG, UNJUDGED, verdict=Verdict.UNSURE)]
    assert "negative" in parks(adopted(FOUR[:1], seen))["d0000"]


def test_an_unjudged_pair_is_parked_after_its_second_recheck_and_not_before() -> None:
    again = rechecked(FOUR[:1], UNJUDGED)
    assert parks(*mixed(d0000=UNJUDGED), again) == {}
    assert "2 rechecks" in parks(*mixed(d0000=UNJUDGED), again, again)["d0000"]


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


def test_a_parked_pair_stands_in_nobodys_way_and_its_place_is_filled() -> None:
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
    audit = round_(Audit(pairs=("d0000",)), seen=[failed, unread])
    assert parks(adopted(FOUR), confirmed(FOUR), audit, rechecked(FOUR[:1], FAIL, AUDIT)) == {}
