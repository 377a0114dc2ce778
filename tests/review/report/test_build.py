"""The facts of a report, each counted from a night made by hand."""

import pytest
from pydantic import ValidationError

from agent.review.report.model import Report
from agent.schema import Candidate, Polarity, Question, Rung, Verdict
from tests.loop.histories import FAIL, FIRST, PASS, POSITIVE, adopted, edited, history, pair, repaired
from tests.review.report.examples import BETTER, MENDED, both, controls, example, rounds


def test_a_report_survives_its_file_and_an_unknown_field_or_version_does_not() -> None:
    told = example().model_copy(update={"controls": controls(0.95)})
    text = told.model_dump_json()
    assert Report.model_validate_json(text) == told
    for wrong in ('"version":2', '"version":1,"more":0'):
        with pytest.raises(ValidationError):
            Report.model_validate_json(text.replace('"version":1', wrong, 1))


def test_each_failing_text_counts_once_under_its_verdict() -> None:
    assert example().failures == ((Verdict.EXPLAIN, 1), (Verdict.LATE, 1))


def test_a_text_that_failed_at_the_audit_has_failed_though_it_passed_before() -> None:
    of = pair()
    told = example(history(adopted([of], [*both(of, depth=FIRST), *both(of, FAIL, Verdict.UNSTABLE)])))
    assert told.failures == ((Verdict.UNSTABLE, 1),)


def test_a_text_that_passed_when_asked_again_has_failed_all_the_same() -> None:
    of = pair()
    told = example(history(adopted([of], both(of, FAIL, Verdict.UNSTABLE)), repaired(of, of, both(of))))
    assert told.failures == ((Verdict.UNSTABLE, 1),)


def test_rungs_are_counted_by_the_verdict_that_called_for_them() -> None:
    told = {(one.verdict, one.rung): (one.tried, one.mended) for one in example().repairs}
    assert told == {(Verdict.EXPLAIN, Rung.CUT): (2, 0), (Verdict.EXPLAIN, Rung.CLIFFHANGER): (1, 1)}


def test_the_rung_whose_candidate_was_taken_is_the_one_that_mended() -> None:
    done = repaired(MENDED, BETTER, both(BETTER), (POSITIVE, Rung.CUT), (POSITIVE, Rung.CLIFFHANGER))
    taken = Candidate(text=BETTER.positive.text, rung=Rung.CUT)
    change = done.changes[0].model_copy(update={"candidates": (taken,)})
    told = example(
        history(adopted([MENDED], both(MENDED, FAIL, Verdict.EXPLAIN)), done.model_copy(update={"changes": (change,)}))
    )
    assert [(one.rung, one.mended) for one in told.repairs] == [(Rung.CUT, 1), (Rung.CLIFFHANGER, 0)]


def test_an_edit_after_which_the_text_still_fails_has_mended_nothing() -> None:
    told = example(
        history(
            adopted([MENDED], both(MENDED, FAIL, Verdict.EXPLAIN)),
            repaired(MENDED, BETTER, both(BETTER, FAIL, Verdict.EXPLAIN), (POSITIVE, Rung.CUT)),
        )
    )
    assert [(one.tried, one.mended) for one in told.repairs] == [(1, 0)]


def test_the_first_pass_rate_counts_every_pair_as_it_came() -> None:
    first = example().first
    assert (first.k, first.n) == (4, 6)


def test_before_is_the_first_examination_and_after_is_of_the_set_only() -> None:
    told = {(s.question, s.polarity): s for s in example().spreads}
    c0 = told[Question.C0, Polarity.POSITIVE]
    assert sorted(c0.before) == [8.0, 8.0, 8.0, 8.0, 94.0, 94.0]
    assert sorted(c0.after) == [8.0, 8.0, 8.0, 94.0]


def test_the_hardest_pairs_are_told_step_by_step() -> None:
    (journey,) = example().hardest
    in_vain, mended = journey.steps
    assert (journey.pair, in_vain.round, mended.round) == ("d0001", 2, 3)
    assert in_vain.found == ((POSITIVE, Verdict.EXPLAIN),)
    assert in_vain.texts == ()
    assert mended.texts == ((POSITIVE, BETTER.positive.text),)


def test_a_pair_with_more_repairs_is_harder() -> None:
    easy, hard = pair("d0000"), pair("d0001")
    versions = [edited(hard, POSITIVE, f"Thought {i} came, so I") for i in range(3)]
    steps = [repaired(hard, versions[0], both(versions[0], FAIL), (POSITIVE, Rung.STRENGTHEN))]
    for old, new in ((versions[0], versions[1]), (versions[1], versions[2])):
        steps.append(repaired(old, new, both(new, PASS), (POSITIVE, Rung.STRENGTHEN)))
    again = [repaired(easy, easy, both(easy, FAIL), (POSITIVE, Rung.CUT))] * 2
    told = example(history(adopted([easy, hard], [*both(easy, FAIL), *both(hard, FAIL)]), *again, *steps))
    assert [(journey.pair, len(journey.steps)) for journey in told.hardest] == [("d0001", 3), ("d0000", 2)]


def test_the_latest_controls_are_the_reports() -> None:
    first, *rest = rounds()
    with_controls = (first.model_copy(update={"controls": controls(0.8)}), *rest)
    assert example().controls is None
    assert example(with_controls).controls == controls(0.8)
