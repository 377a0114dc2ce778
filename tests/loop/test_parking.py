"""What is parked, and when."""

import pytest

from agent.loop.policy import parking
from agent.loop.state import replay, unanswered
from agent.schema import (
    OTHER_SIDE,
    Audit,
    Completion,
    Confirm,
    Draft,
    Finding,
    Pair,
    Park,
    Question,
    Round,
    Tally,
    Verdict,
    Vote,
    VoteOutcome,
)
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
    edited,
    finding,
    findings,
    found,
    history,
    ids,
    mixed,
    move,
    pairs,
    plan,
    rechecked,
    repaired,
    round_,
)

# Parking: an outcome, recorded by the round that brought it about.


def parks(*rounds: Round) -> dict[str, str]:
    return {note.pair: note.why for note in parking(replay(history(*rounds)))}


@pytest.mark.parametrize("depth", [FIRST, CONFIRM, AUDIT])
def test_an_unsure_scenario_is_parked_at_any_depth(depth: object) -> None:
    of_both = found(FOUR[0], UNJUDGED, depth, Verdict.UNSURE)
    assert "UNSURE" in parks(adopted(FOUR[:1], of_both))["d0000"]


def test_an_unsure_negative_parks_its_pair() -> None:
    of_both = [finding(FOUR[0], POSITIVE), finding(FOUR[0], NEGATIVE, UNJUDGED, verdict=Verdict.UNSURE)]
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
    again = rechecked(FOUR[:1], UNJUDGED).model_copy(update={"findings": (unread, finding(FOUR[0], NEGATIVE))})
    why = parks(*mixed(d0000=UNJUDGED), again, again)["d0000"]
    assert why == "no readable judgement after 2 rechecks: refusal: filter b"


def test_a_pair_that_is_judged_at_its_second_recheck_stays() -> None:
    rounds = [*mixed(d0000=UNJUDGED), rechecked(FOUR[:1], UNJUDGED), rechecked(FOUR[:1], PASS)]
    assert parks(*rounds) == {}


def test_a_pair_is_parked_by_its_second_failed_audit_and_not_by_its_first() -> None:
    new = edited(FOUR[0], POSITIVE)
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
    new = edited(FOUR[0], POSITIVE)
    judged = [*mixed(d0000=UNJUDGED), rechecked(FOUR[:1], UNJUDGED), rechecked(FOUR[:1], FAIL)]
    assert parks(*judged, repaired(FOUR[0], new, findings([new], UNJUDGED))) == {}


def test_an_audit_that_fails_at_its_recheck_counts_as_a_failed_audit() -> None:
    failing = [audited(FOUR[:1], UNJUDGED), rechecked(FOUR[:1], FAIL, AUDIT)]
    assert "audits" in parks(adopted(FOUR), *failing, audited(FOUR[:1], FAIL)).get("d0000", "")


def test_one_failed_audit_is_counted_once_although_the_other_side_has_to_be_asked_again() -> None:
    failed, unread = finding(FOUR[0], POSITIVE, FAIL, AUDIT), finding(FOUR[0], NEGATIVE, UNJUDGED, AUDIT)
    audit = round_(Audit(pairs=("d0000",)), found_=[failed, unread])
    assert parks(adopted(FOUR), confirmed(FOUR), audit, rechecked(FOUR[:1], FAIL, AUDIT)) == {}


# Texts that the subject cannot continue.


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
