"""Every figure of a report, counted from hand-made histories."""

import pytest
from pydantic import ValidationError

from agent.review.report.model import Report
from agent.schema import Candidate, Polarity, Question, Rung, Verdict
from tests.loop.histories import FAIL, FIRST, PASS, POSITIVE, adopted, edited, history, pair, repaired
from tests.review.report.examples import REPAIRED, REPAIRED_AFTER, both, controls, example, rounds


def test_a_report_is_read_back_from_its_file_and_unknown_fields_or_versions_are_refused() -> None:
    report = example().model_copy(update={"controls": controls(0.95)})
    text = report.model_dump_json()
    assert Report.model_validate_json(text) == report
    for wrong in ('"version":2', '"version":1,"more":0'):
        with pytest.raises(ValidationError):
            Report.model_validate_json(text.replace('"version":1', wrong, 1))


def test_each_failing_text_counts_once_under_its_verdict() -> None:
    assert example().failures == ((Verdict.EXPLAIN, 1), (Verdict.LATE, 1))


def test_a_text_that_failed_its_audit_counts_as_failed() -> None:
    one = pair()
    report = example(history(adopted([one], [*both(one, depth=FIRST), *both(one, FAIL, Verdict.UNSTABLE)])))
    assert report.failures == ((Verdict.UNSTABLE, 1),)


def test_a_text_that_failed_once_and_passed_later_counts_as_failed() -> None:
    one = pair()
    report = example(history(adopted([one], both(one, FAIL, Verdict.UNSTABLE)), repaired(one, one, both(one))))
    assert report.failures == ((Verdict.UNSTABLE, 1),)


def test_rungs_are_counted_by_the_verdict_that_called_for_them() -> None:
    report = {(one.verdict, one.rung): (one.tried, one.mended) for one in example().repairs}
    assert report == {(Verdict.EXPLAIN, Rung.CUT): (2, 0), (Verdict.EXPLAIN, Rung.CLIFFHANGER): (1, 1)}


def test_the_rung_whose_candidate_was_taken_counts_as_the_repair() -> None:
    done = repaired(REPAIRED, REPAIRED_AFTER, both(REPAIRED_AFTER), (POSITIVE, Rung.CUT), (POSITIVE, Rung.CLIFFHANGER))
    taken = Candidate(text=REPAIRED_AFTER.positive.text, rung=Rung.CUT)
    change = done.changes[0].model_copy(update={"candidates": (taken,)})
    report = example(
        history(
            adopted([REPAIRED], both(REPAIRED, FAIL, Verdict.EXPLAIN)), done.model_copy(update={"changes": (change,)})
        )
    )
    assert [(one.rung, one.mended) for one in report.repairs] == [(Rung.CUT, 1), (Rung.CLIFFHANGER, 0)]


def test_an_edit_after_which_the_text_still_fails_is_no_repair() -> None:
    report = example(
        history(
            adopted([REPAIRED], both(REPAIRED, FAIL, Verdict.EXPLAIN)),
            repaired(REPAIRED, REPAIRED_AFTER, both(REPAIRED_AFTER, FAIL, Verdict.EXPLAIN), (POSITIVE, Rung.CUT)),
        )
    )
    assert [(one.tried, one.mended) for one in report.repairs] == [(1, 0)]


def test_the_first_pass_rate_counts_every_pair_at_its_first_examination() -> None:
    first = example().first
    assert (first.k, first.n) == (4, 6)


def test_before_is_the_first_examination_and_after_is_of_the_set_only() -> None:
    report = {(s.question, s.polarity): s for s in example().spreads}
    c0 = report[Question.C0, Polarity.POSITIVE]
    assert sorted(c0.before) == [8.0, 8.0, 8.0, 8.0, 94.0, 94.0]
    assert sorted(c0.after) == [8.0, 8.0, 8.0, 94.0]


def test_the_hardest_pairs_are_listed_repair_by_repair() -> None:
    (repairs,) = example().hardest
    failed, succeeded = repairs.steps
    assert (repairs.pair, failed.round, succeeded.round) == ("d0001", 2, 3)
    assert failed.found == ((POSITIVE, Verdict.EXPLAIN),)
    assert failed.texts == ()
    assert succeeded.texts == ((POSITIVE, REPAIRED_AFTER.positive.text),)


def test_a_pair_with_more_repairs_is_harder() -> None:
    easy, hard = pair("d0000"), pair("d0001")
    versions = [edited(hard, POSITIVE, f"Thought {i} came, so I") for i in range(3)]
    steps = [repaired(hard, versions[0], both(versions[0], FAIL), (POSITIVE, Rung.STRENGTHEN))]
    for old, new in ((versions[0], versions[1]), (versions[1], versions[2])):
        steps.append(repaired(old, new, both(new, PASS), (POSITIVE, Rung.STRENGTHEN)))
    again = [repaired(easy, easy, both(easy, FAIL), (POSITIVE, Rung.CUT))] * 2
    report = example(history(adopted([easy, hard], [*both(easy, FAIL), *both(hard, FAIL)]), *again, *steps))
    assert [(repairs.pair, len(repairs.steps)) for repairs in report.hardest] == [("d0001", 3), ("d0000", 2)]


def test_a_report_has_the_latest_controls() -> None:
    first, *rest = rounds()
    with_controls = (first.model_copy(update={"controls": controls(0.8)}), *rest)
    assert example().controls is None
    assert example(with_controls).controls == controls(0.8)
