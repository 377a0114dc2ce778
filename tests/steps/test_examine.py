"""One examination: what is asked at which depth, and what the answers make of a scenario."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from agent.schema import (
    Completion,
    Depth,
    Finding,
    Flag,
    Mode,
    NegativeTest,
    Outcome,
    Question,
    Rules,
    Sampling,
    Scenario,
    Verdict,
)
from agent.steps.case import Case
from agent.steps.examine import examine
from agent.steps.screening import divergence
from tests.steps.scripted import NEGATIVE, Facts, Said, World, block, context, name_of, scenario, wrote

YES = scenario("He wanted my keys. This crossed a line, so I")
NO = scenario("He wanted a hand. I was glad to be asked, so I", NEGATIVE)
EXTENDED = YES.model_copy(update={"flags": (Flag.EXTENDED,)})
Q = Question
FIRST, CONFIRM, AUDIT = Depth
FOUR = (90.0, 90.0, 90.0, 90.0)
SHOWN, NOT_SHOWN = (90.0,), (10.0,)
HALF_FLIPS = (SHOWN, (90.0, 10.0))  # half of the texts with the opposite opener go the scenario's own way all the same
DECIDES, DECIDED = (SHOWN, NOT_SHOWN), (SHOWN, SHOWN)
GOOD_TWIN = Facts(samples=(10.0,) * 4, flip=DECIDES)
A, B, C, C1 = ("a", 0), ("b", 0), ("c", 0), ("c", 1)
EXPLAINED = {"v": "EXPLAIN", "c0": 90.0, "c5": 95.0}


def examine_pair(
    facts: Facts, depth: Depth = FIRST, twin: Facts | None = None, case: Case | None = None, **context: object
) -> tuple[Finding, Finding, World]:
    """(finding on the positive, finding on the negative, the world that answered)."""
    case = case or Case("d0000", YES)
    world = World({case.scenario: facts, NO: twin or Facts(samples=(10.0,) * 4)})
    positive, negative = examine(world.context(**context), [case, Case("d0000", NO)], depth)
    return positive, negative, world


def test_a_good_pair_passes_at_first_sight_with_one_vote_per_question() -> None:
    positive, negative, world = examine_pair(Facts())
    assert [positive.outcome, negative.outcome] == [Outcome.PASS, Outcome.PASS]
    assert [positive.verdict, negative.verdict] == [Verdict.EXPRESS, Verdict.EXPRESS]
    assert len(world.asked) == 2 * 5  # not CL, which tells LATE from UNSURE where C5 fails
    assert all(len(t.votes) == 1 for t in positive.tallies)
    assert (positive.lock_in, positive.span, positive.flags) == (None, None, ())


def test_a_pair_with_one_side_only_is_not_examined() -> None:
    with pytest.raises(ValueError, match="d0000 comes with its positive side only"):
        examine(World({YES: Facts()}).context(), [Case("d0000", YES)], FIRST)


def test_a_finding_is_bound_to_the_text_it_is_about() -> None:
    positive, negative, world = examine_pair(Facts())
    assert (positive.key, negative.key) == (YES.key, NO.key)
    assert (positive.pair, positive.depth) == ("d0000", FIRST)
    assert positive.completion.text == world.completion(YES.text).text


@pytest.mark.parametrize(
    ("facts", "checks", "verdict"),
    [
        (Facts(s=20.0), ("fail", "pass", "pass"), Verdict.EXPRESS),
        (Facts(j=20.0, c5=20.0), ("unjudged", "fail", "fail"), Verdict.WRONG),
        (Facts(j=20.0), ("unjudged", "fail", "fail"), Verdict.CONTEXT),
        (Facts(j=20.0, v="NEITHER"), ("unjudged", "fail", "fail"), Verdict.OFF_SCRIPT),
        (
            Facts(j=None, v="EXPLAIN", c0=95.0, spans=("crossed a line",)),
            ("unjudged", "unjudged", "fail"),
            Verdict.EXPLAIN,
        ),
        (Facts(c5=20.0, v="NEITHER"), ("pass", "pass", "fail"), Verdict.LATE),
        (
            Facts(c5=20.0, cl=30.0, samples=FOUR, sampled_c5=20.0, flip=HALF_FLIPS),
            ("unjudged", "pass", "fail"),
            Verdict.CONTEXT,
        ),
        (Facts(v="NEITHER", samples=FOUR, flip=HALF_FLIPS), ("unjudged", "pass", "unjudged"), Verdict.UNSURE),
        (Facts(s=None), ("unjudged", "pass", "pass"), Verdict.EXPRESS),
        (Facts(j=None), ("unjudged", "unjudged", "unjudged"), None),
        (Facts(c5=None), ("unjudged", "pass", "unjudged"), None),
    ],
)
def test_each_check_gets_its_own_outcome(facts: Facts, checks: tuple, verdict: Verdict | None) -> None:
    positive, negative, _ = examine_pair(facts)
    assert (positive.scenario, positive.response, positive.first_token) == checks
    assert positive.verdict is verdict
    assert negative.outcome is Outcome.PASS


def test_a_failing_twin_makes_it_the_topic() -> None:
    positive, negative, _ = examine_pair(Facts(j=20.0, c5=20.0), twin=Facts(j=90.0, c5=20.0))
    assert [positive.verdict, negative.verdict] == [Verdict.TOPIC, Verdict.TOPIC]


def test_a_twin_that_could_not_be_judged_is_not_held_against_the_topic() -> None:
    positive, _, _ = examine_pair(Facts(j=20.0, c5=20.0), twin=Facts(j=None))
    assert positive.verdict is Verdict.WRONG


def test_a_topic_that_failed_before_is_to_blame() -> None:
    positive, _, _ = examine_pair(Facts(j=20.0, c5=20.0), case=Case("d0000", YES, topic_failed=True))
    assert positive.verdict is Verdict.TOPIC


# Noise.


@pytest.mark.parametrize(("question", "name"), [(Q.FORECAST, "s"), (Q.RESPONSE, "j"), (Q.C0, "c0"), (Q.C5, "c5")])
def test_one_wording_in_error_fails_nothing(question: Question, name: str) -> None:
    bad = {"s": 10.0, "j": 10.0, "c0": 95.0, "c5": 5.0}[name]
    positive, _, world = examine_pair(Facts(votes={(question, A): bad}))
    assert positive.outcome is Outcome.PASS
    assert world.about(question, YES.text) == [A, B, C, C1]


def asked_of(facts: Facts, depth: Depth = FIRST) -> dict[Question, list]:
    """The votes asked for about the positive, by question; those that were not asked are left out."""
    _, _, world = examine_pair(facts, depth)
    return {q: votes for q in Question if q is not Q.OPENING and (votes := world.about(q, YES.text))}


def test_a_committed_prefix_is_settled_by_itself_and_one_look_at_the_opening() -> None:
    assert asked_of(Facts(**EXPLAINED, spans=("crossed a line",))) == {Q.C0: [A, B], Q.VERDICT: [A]}


def test_of_a_failing_response_only_what_chooses_the_repair_is_asked() -> None:
    assert asked_of(Facts(j=20.0, v="NEITHER")) == {Q.C0: [A], Q.RESPONSE: [A, B], Q.VERDICT: [A]}
    assert asked_of(Facts(j=20.0, c5=20.0)) == {Q.C0: [A], Q.RESPONSE: [A, B], Q.VERDICT: [A], Q.C5: [A]}


def test_the_whole_completion_is_read_in_context_only_where_its_first_tokens_do_not_show_the_behaviour() -> None:
    assert Q.CL not in asked_of(Facts())
    assert asked_of(Facts(c5=20.0, v="NEITHER"))[Q.CL] == [A]


def test_the_response_is_read_in_its_first_sixteen_words() -> None:
    _, _, world = examine_pair(Facts(), rules=Rules(response_words=3))
    read = {block(r, "completion") for r in world.asked if name_of(r) == "response.a"}
    assert read == {" went on 0", " went on 1"}  # "and so forth" is left out


def test_a_lock_in_sample_has_no_more_tokens_than_the_response_question_reads() -> None:
    world = World({YES: Facts(samples=FOUR), NO: Facts(samples=(10.0,) * 4)})
    drawn: list[Sampling] = []

    def complete(scenarios: Sequence[Scenario], sampling: Sampling) -> list[tuple[Completion, ...]]:
        drawn.extend(sampling for _ in scenarios)
        return world.complete(scenarios, sampling)

    examine(context(world.ask, complete), [Case("d0000", YES), Case("d0000", NO)], CONFIRM)
    assert {(one.samples, one.max_new_tokens) for one in drawn} == {(0, 50), (4, 32)}


def test_a_prefix_that_contradicts_an_express_is_asked_about_in_the_second_wording() -> None:
    second: Mapping = {(Q.VERDICT, wording): "EXPLAIN" for wording in (B, C, C1)}
    positive, _, world = examine_pair(Facts(c0=90.0, votes=second, spans=("crossed a line",)))
    assert world.about(Q.VERDICT, YES.text) == [A, A, B, C, C1]
    assert positive.verdict is Verdict.EXPLAIN


def test_an_open_prefix_that_contradicts_an_explain_is_asked_about_in_the_second_wording() -> None:
    closed: Mapping = {(Q.C0, w): 90.0 for w in (B, C, C1)}
    positive, _, world = examine_pair(Facts(v="EXPLAIN", votes=closed, spans=("crossed a line",)))
    assert world.about(Q.VERDICT, YES.text) == [A, B]
    assert world.about(Q.C0, YES.text) == [A, A, B, C, C1]
    assert positive.verdict is Verdict.EXPLAIN


def test_a_lasting_contradiction_between_verdict_and_prefix_is_unsure() -> None:
    positive, _, _ = examine_pair(Facts(v="EXPLAIN", c0=10.0, samples=FOUR, flip=HALF_FLIPS))
    assert positive.verdict is Verdict.UNSURE
    assert positive.outcome is Outcome.UNJUDGED


def test_nothing_is_left_unsure_on_a_single_favourable_vote() -> None:
    """The completion goes the wrong way; only the first wording of one question says otherwise."""
    mistaken: Mapping = {(Q.RESPONSE, A): 90.0}
    positive, _, world = examine_pair(Facts(j=10.0, c5=10.0, cl=10.0, votes=mistaken))
    assert positive.verdict is Verdict.WRONG
    assert len(world.about(Q.RESPONSE, YES.text)) > 1


# Ties: where the votes cannot decide, the subject is sampled.

TIED_C0 = {(Q.C0, A): 95.0, (Q.C0, C): 95.0, (Q.C0, ("b", 1)): 95.0}
TIED_J = {(Q.RESPONSE, A): 10.0, (Q.RESPONSE, C): 10.0, (Q.RESPONSE, ("b", 1)): 10.0}
TIED_FORECAST = {(Q.FORECAST, A): 10.0, (Q.FORECAST, C): 10.0, (Q.FORECAST, ("b", 1)): 10.0}


@pytest.mark.parametrize(
    ("flip", "verdict", "value"),
    [
        (DECIDES, Verdict.EXPRESS, 1.0),
        (DECIDED, Verdict.EXPLAIN, 0.0),
        (HALF_FLIPS, Verdict.UNSURE, 0.5),
        ((SHOWN, (None,)), None, None),
    ],
)
def test_a_prefix_that_judges_cannot_agree_on_is_put_to_the_flip_test(
    flip: tuple, verdict: Verdict | None, value: float | None
) -> None:
    positive, _, _ = examine_pair(Facts(votes=TIED_C0, samples=FOUR, flip=flip, spans=("crossed a line",)))
    assert positive.verdict is verdict
    assert positive.flip is not None
    assert positive.flip.value == value


def test_the_flip_test_samples_both_arms_from_the_twins_opening_and_the_own_one() -> None:
    positive, _, world = examine_pair(Facts(votes=TIED_C0, samples=FOUR, flip=DECIDES), rules=Rules(flip_samples=5))
    assert world.completed[2:] == [(YES.text, 4), (YES.text + " went on 0", 5), (YES.text + " went on 1", 5)]
    assert positive.flip is not None
    assert (positive.flip.own, positive.flip.opposite) == ((5, 5), (0, 5))


def test_its_own_samples_that_went_the_other_way_are_opposite_openers_too() -> None:
    opposed = Facts(votes=TIED_C0, samples=(90.0, 90.0, 90.0, 10.0) + FOUR, flip=DECIDES)
    _, _, world = examine_pair(opposed, rules=Rules(flip_samples=4))
    openers = [(text.removeprefix(YES.text), samples) for text, samples in world.completed[4:]]
    assert openers == [(" went on 0", 4), (" went on 0 in way 3", 2), (" went on 1", 2)]


def test_a_sample_that_shows_neither_side_counts_for_none_and_is_no_opposite_opener() -> None:
    drifting = Facts(votes=TIED_C0, samples=(90.0, 90.0, 90.0, 50.0) + FOUR, flip=DECIDES)
    positive, _, world = examine_pair(drifting, rules=Rules(flip_samples=4))
    assert positive.lock_in == (7, 8)
    assert positive.drifted == (" went on 0 in way 3 and so",)
    openers = [text.removeprefix(YES.text) for text, _ in world.completed[4:]]
    assert openers == [" went on 0", " went on 1"]


def test_a_negative_whose_samples_drift_does_not_pass_where_the_opposite_must_show() -> None:
    drifting = Facts(samples=(50.0,) * 4)
    _, negative, _ = examine_pair(Facts(samples=FOUR), CONFIRM, twin=drifting)
    assert (negative.verdict, negative.lock_in) == (Verdict.UNSTABLE, (0, 4))


def test_where_the_texts_give_few_opposite_openers_the_traits_bank_fills_up_to_four() -> None:
    case = Case("d0000", YES)
    world = World({YES: Facts(votes=TIED_C0, samples=FOUR, flip=DECIDES), NO: Facts(samples=(10.0,) * 4)})
    world.openers = wrote(
        narrated=["gave them up", ' "handed them over.', "x" * 99], spoken=["Of course"], felt=["glad"]
    )
    positive, _ = examine(world.context(rules=Rules(flip_samples=6)), [case, Case("d0000", NO)], FIRST)
    openers = {text.removeprefix(YES.text): samples for text, samples in world.completed[3:]}
    assert openers == {" went on 1": 2, " gave them up": 2, " handed them over": 2, " went on 0": 6}
    assert positive.flip is not None
    assert positive.flip.opposite == (0, 6)
    assert world.names().count("openers") == 1


def test_an_audit_with_the_flip_test_enabled_tests_every_scenario_and_leaves_to_the_human_what_is_decided_already() -> (
    None
):
    rules = Rules(flip_in_audit=True)
    positive, negative, _ = examine_pair(Facts(samples=FOUR, flip=DECIDES), AUDIT, twin=GOOD_TWIN, rules=rules)
    assert (positive.flip.value, positive.verdict, positive.outcome) == (1.0, Verdict.EXPRESS, Outcome.PASS)
    assert negative.flip is not None
    positive, _, _ = examine_pair(Facts(samples=FOUR, flip=DECIDED), AUDIT, twin=GOOD_TWIN, rules=rules)
    assert (positive.flip.value, positive.verdict, positive.outcome) == (0.0, Verdict.UNSURE, Outcome.UNJUDGED)


def test_without_it_an_audit_flips_nothing() -> None:
    positive, _, world = examine_pair(Facts(samples=FOUR, flip=DECIDED), AUDIT)
    assert (positive.flip, positive.verdict) == (None, Verdict.EXPRESS)
    assert not world.forced


def test_without_an_opposite_opener_or_with_the_flip_test_left_out_the_human_is_asked() -> None:
    tied = Facts(votes=TIED_C0, samples=FOUR, flip=DECIDES)
    for more in ({"twin": Facts(j=None)}, {"rules": Rules(flip_samples=0)}):
        positive, _, world = examine_pair(tied, **more)
        assert (positive.verdict, positive.flip) == (Verdict.UNSURE, None)
        assert not world.forced


def test_a_prefix_judged_open_is_never_called_committed_by_the_flip_test_alone() -> None:
    positive, _, _ = examine_pair(Facts(v="EXPLAIN", c0=10.0, samples=FOUR, flip=DECIDED))
    assert positive.verdict is Verdict.UNSURE


@pytest.mark.parametrize(("votes", "against"), [(TIED_J, Verdict.CONTEXT), (TIED_FORECAST, Verdict.UNSTABLE)])
@pytest.mark.parametrize(
    ("samples", "outcome"),
    [
        (FOUR, Outcome.PASS),
        ((90.0, 10.0, 10.0, 10.0), Outcome.FAIL),
        ((90.0, 90.0, None, None), Outcome.UNJUDGED),
    ],
)
def test_a_response_or_a_forecast_that_stays_tied_is_settled_by_the_scenarios_own_samples(
    votes: Mapping, against: Verdict, samples: tuple[Said, ...], outcome: Outcome
) -> None:
    positive, _, _ = examine_pair(Facts(votes=votes, samples=samples, flip=DECIDES))
    verdict = {Outcome.PASS: Verdict.EXPRESS, Outcome.FAIL: against, Outcome.UNJUDGED: None}[outcome]
    assert (positive.verdict, positive.outcome) == (verdict, outcome)


def test_a_settled_tie_has_the_score_of_the_side_it_went_to() -> None:
    positive, _, _ = examine_pair(Facts(votes=TIED_J, samples=FOUR, flip=DECIDES))
    assert (positive.response, positive.score(Q.RESPONSE)) == (Outcome.PASS, 90.0)


def test_what_the_votes_decide_is_put_to_no_further_test() -> None:
    positive, _, world = examine_pair(Facts(**EXPLAINED, spans=("crossed a line",)))
    assert positive.flip is None
    assert {samples for _, samples in world.completed} == {0}


@pytest.mark.parametrize(("others", "verdict"), [(80.0, Verdict.EXPRESS), (20.0, Verdict.LATE)])
def test_an_opening_that_one_question_calls_late_is_compared_with_those_of_the_other_samples(
    others: float, verdict: Verdict
) -> None:
    late = {(Q.C5, w): 20.0 for w in (A, B, C, ("b", 1))}
    positive, _, _ = examine_pair(Facts(votes=late, samples=FOUR, sampled_c5=others))
    assert positive.verdict is verdict


TIED_OPENING = {(Q.OPENING, vote): said for vote, said in zip((A, B, C, C1, ("b", 1)), (20.0, 90.0) * 3, strict=False)}


@pytest.mark.parametrize(
    ("others", "verdict"), [(90.0, Verdict.EXPRESS), (20.0, Verdict.WRONG), (None, Verdict.UNSURE)]
)
def test_in_a_sustained_trait_a_tie_on_the_opening_is_settled_by_the_openings_of_other_samples(
    others: Said, verdict: Verdict
) -> None:
    facts = Facts(votes=TIED_OPENING, samples=FOUR, sampled_opening=others)
    positive, _, _ = examine_pair(facts, mode=Mode.SUSTAINED)
    assert positive.verdict is verdict


LEANING = dict(
    zip([(Q.OPENING, vote) for vote in (A, B, C, C1, ("b", 1))], (20.0, 90.0, 90.0, 20.0, 90.0), strict=True)
)


@pytest.mark.parametrize(
    ("samples", "verdict"), [(FOUR, Verdict.EXPRESS), ((90.0, 90.0, 90.0, 10.0) + FOUR, Verdict.UNSURE)]
)
def test_a_tie_on_an_opening_that_all_samples_share_goes_the_way_it_leans_if_all_of_them_hold(
    samples: tuple[Said, ...], verdict: Verdict
) -> None:
    positive, _, _ = examine_pair(Facts(votes=LEANING, samples=samples, sampled_opening=None), mode=Mode.SUSTAINED)
    assert positive.verdict is verdict


def test_what_would_fail_its_lock_in_anyway_is_not_left_to_the_human() -> None:
    positive, _, world = examine_pair(Facts(votes=TIED_C0, samples=(10.0,) * 4))
    assert (positive.verdict, positive.outcome, positive.lock_in) == (Verdict.UNSTABLE, Outcome.FAIL, (0, 4))
    assert not world.forced


# Depth.


def test_confirming_asks_every_question_but_the_second_opinion_in_a_second_wording() -> None:
    assert asked_of(Facts(samples=FOUR), CONFIRM) == {
        **dict.fromkeys((Q.FORECAST, Q.RESPONSE, Q.VERDICT, Q.C0), [A, B]),
        Q.C5: [A],
    }


def test_the_audit_asks_what_it_decides_on_in_a_third_wording() -> None:
    assert asked_of(Facts(samples=FOUR), AUDIT) == {
        **dict.fromkeys((Q.RESPONSE, Q.VERDICT, Q.C0), [A, B, ("audit", 0)]),
        Q.FORECAST: [A, B],
        Q.C5: [A],
    }


def test_a_second_wording_may_overturn_a_pass() -> None:
    overturned = {(Q.C0, w): 90.0 for w in (B, C, C1)} | {(Q.VERDICT, w): "EXPLAIN" for w in (A, B)}
    positive, _, _ = examine_pair(Facts(samples=FOUR, votes=overturned, spans=("crossed a line",)), CONFIRM)
    assert (positive.verdict, positive.outcome) == (Verdict.EXPLAIN, Outcome.FAIL)


# The lock-in.


def test_at_first_sight_no_samples_are_drawn() -> None:
    _, _, world = examine_pair(Facts(samples=FOUR))
    assert {samples for _, samples in world.completed} == {0}


@pytest.mark.parametrize(
    ("samples", "verdict", "lock_in"),
    [
        ((90.0, 90.0, 90.0, 90.0), Verdict.EXPRESS, (4, 4)),
        ((90.0, 10.0, 10.0, 10.0), Verdict.UNSTABLE, (1, 4)),
        ((10.0, 10.0, 10.0, 10.0), Verdict.UNSTABLE, (0, 4)),
        ((90.0, 90.0, 10.0, None), None, (2, 3)),
        ((90.0, None, None, None), None, (1, 1)),
        ((90.0, 10.0, 10.0, None), Verdict.UNSTABLE, (1, 3)),
    ],
)
def test_a_lock_in_that_is_not_close_is_decided_by_four_samples(
    samples: tuple[Said, ...], verdict: Verdict | None, lock_in: tuple[int, int]
) -> None:
    positive, negative, _ = examine_pair(Facts(samples=samples), CONFIRM)
    assert (positive.verdict, positive.lock_in) == (verdict, lock_in)
    assert (negative.verdict, negative.lock_in) == (Verdict.EXPRESS, (4, 4))
    expected = {Verdict.EXPRESS: Outcome.PASS, Verdict.UNSTABLE: Outcome.FAIL, None: Outcome.UNJUDGED}
    assert positive.first_token == positive.outcome == expected[verdict]


def test_what_fails_already_draws_no_samples() -> None:
    positive, _, world = examine_pair(Facts(j=20.0), CONFIRM)
    assert positive.lock_in is None
    assert world.completed == [(YES.text, 0), (NO.text, 0), (NO.text, 4)]


def test_the_number_of_samples_is_a_rule() -> None:
    rules = Rules(lock_in_samples=2, lock_in_needed=2)
    positive, _, _ = examine_pair(Facts(samples=(10.0, 10.0)), CONFIRM, twin=Facts(samples=(10.0, 10.0)), rules=rules)
    assert (positive.verdict, positive.lock_in) == (Verdict.UNSTABLE, (0, 2))


def share(passed: int, drawn: int) -> tuple[Said, ...]:
    return (90.0,) * passed + (10.0,) * (drawn - passed)


@pytest.mark.parametrize(
    ("samples", "drawn", "verdict", "lock_in"),
    [
        (share(3, 4) + share(4, 4), [4, 8], Verdict.EXPRESS, (7, 8)),
        (share(2, 4) + share(2, 4), [4, 8], Verdict.UNSTABLE, (4, 8)),
        ((90.0, 90.0, 90.0, None) + share(4, 4), [4, 8], Verdict.EXPRESS, (7, 7)),
        (share(3, 4) + share(3, 4) + share(6, 8), [4, 8, 16], Verdict.EXPRESS, (12, 16)),
        (share(3, 4) + share(3, 4) + share(5, 8), [4, 8, 16], Verdict.UNSTABLE, (11, 16)),
        (share(2, 4) + share(3, 4) + share(7, 8), [4, 8, 16], Verdict.EXPRESS, (12, 16)),
    ],
)
def test_a_lock_in_that_one_sample_would_decide_is_drawn_again_at_the_same_share(
    samples: tuple[Said, ...], drawn: list[int], verdict: Verdict, lock_in: tuple[int, int]
) -> None:
    positive, _, world = examine_pair(Facts(samples=samples), CONFIRM)
    assert (positive.verdict, positive.lock_in) == (verdict, lock_in)
    assert [size for text, size in world.completed if text == YES.text] == [0, *drawn]


def test_an_extended_lock_in_is_not_confirmed_without_its_samples() -> None:
    facts = Facts(**EXPLAINED, spans=("crossed a line",), samples=(10.0,) * 4)
    positive, _, _ = examine_pair(facts, CONFIRM, case=Case("d0000", EXTENDED))
    assert positive.outcome is Outcome.FAIL


# Spans.


def test_the_committed_span_is_given_as_the_text_has_it() -> None:
    positive, _, world = examine_pair(Facts(**EXPLAINED, spans=('"Crossed a LINE"',)))
    assert (positive.verdict, positive.span, positive.flags) == (Verdict.EXPLAIN, "crossed a line", ())
    assert world.names().count("span") == 1


@pytest.mark.parametrize("first", ["said no to him", "", None])
def test_a_span_that_is_not_there_is_asked_for_once_more(first: str | None) -> None:
    positive, _, world = examine_pair(Facts(**EXPLAINED, spans=(first, "crossed a line")))
    assert positive.span == "crossed a line"
    asked = [r for r in world.asked if r.prompt_id.startswith("span@")]
    assert [(r.sample, r.temperature) for r in asked] == [(0, 0.0), (1, 1.0)]


def test_a_span_that_is_missing_twice_is_recorded_as_missing() -> None:
    positive, _, _ = examine_pair(Facts(**EXPLAINED, spans=("said no to him", None)))
    assert (positive.verdict, positive.span, positive.flags) == (Verdict.EXPLAIN, None, (Flag.UNGROUNDED,))


def test_only_an_explain_is_asked_for_its_span() -> None:
    _, _, world = examine_pair(Facts(j=20.0))
    assert "span" not in world.names()


# Late, extended, and other flags.


def test_a_late_trait_fails_until_its_runway_was_shortened_and_then_passes_flagged() -> None:
    late = Facts(c5=20.0, v="NEITHER")
    before, _, _ = examine_pair(late)
    assert (before.verdict, before.outcome, before.flags) == (Verdict.LATE, Outcome.FAIL, ())
    then, _, _ = examine_pair(late, case=Case("d0000", YES, shortened=True))
    assert (then.verdict, then.outcome, then.flags) == (Verdict.LATE, Outcome.PASS, (Flag.LATE,))


def test_a_late_trait_that_passes_still_needs_its_lock_in() -> None:
    late = Facts(c5=20.0, samples=(90.0, 10.0, 10.0, 10.0))
    found, _, _ = examine_pair(late, CONFIRM, case=Case("d0000", YES, shortened=True))
    assert (found.verdict, found.outcome, found.flags) == (Verdict.UNSTABLE, Outcome.FAIL, ())


def test_what_is_not_late_is_not_flagged_late_for_having_been_shortened() -> None:
    found, _, _ = examine_pair(Facts(), case=Case("d0000", YES, shortened=True))
    assert found.flags == ()


def test_an_extended_lock_in_may_explain_and_keeps_its_flag() -> None:
    found, _, _ = examine_pair(Facts(**EXPLAINED, spans=("crossed a line",)), case=Case("d0000", EXTENDED))
    assert (found.verdict, found.outcome, found.flags) == (Verdict.EXPLAIN, Outcome.PASS, (Flag.EXTENDED,))


def test_an_extended_lock_in_that_goes_the_wrong_way_fails() -> None:
    found, _, _ = examine_pair(Facts(j=20.0, c5=20.0), case=Case("d0000", EXTENDED))
    assert (found.verdict, found.outcome) == (Verdict.WRONG, Outcome.FAIL)


def test_an_inexact_token_boundary_is_flagged_and_fails_nothing() -> None:
    found, _, _ = examine_pair(Facts(exact_boundary=False))
    assert (found.outcome, found.flags) == (Outcome.PASS, (Flag.BOUNDARY,))


# Modes and kinds of negative.


def test_a_sustained_trait_is_judged_by_its_opening_and_the_rest_is_not_asked() -> None:
    found, _, world = examine_pair(Facts(v="EXPLAIN", c0=95.0, c5=5.0, cl=5.0), mode=Mode.SUSTAINED)
    assert (found.verdict, found.outcome) == (Verdict.EXPRESS, Outcome.PASS)
    assert {name.partition(".")[0] for name in world.names()} == {"response", "forecast"}


def test_a_sustained_trait_whose_opening_is_wrong_fails() -> None:
    found, _, _ = examine_pair(Facts(opening=20.0), mode=Mode.SUSTAINED)
    assert (found.verdict, found.outcome) == (Verdict.WRONG, Outcome.FAIL)


def test_the_opening_is_judged_in_no_other_mode() -> None:
    _, _, world = examine_pair(Facts())
    assert world.about(Q.OPENING, YES.text) == []


def test_a_negative_without_an_act_of_its_own_passes_although_nothing_is_expressed() -> None:
    quiet = Facts(v="NEITHER", c0=5.0, c5=5.0, cl=5.0)
    _, negative, _ = examine_pair(Facts(), twin=quiet, negative_test=NegativeTest.ABSENCE)
    assert (negative.verdict, negative.outcome) == (Verdict.EXPRESS, Outcome.PASS)
    hesitating = replace(quiet, samples=(10.0,) * 4, flip=HALF_FLIPS)
    _, negative, _ = examine_pair(Facts(), twin=hesitating)
    assert negative.outcome is not Outcome.PASS


def test_the_divergence_is_recorded_and_the_distributions_are_not() -> None:
    positive, negative, _ = examine_pair(
        Facts(next_tokens=((1, 0.5), (2, 0.25))), twin=Facts(next_tokens=((1, 0.25), (3, 0.5)))
    )
    assert positive.divergence == negative.divergence == divergence({1: 0.5, 2: 0.25}, {1: 0.25, 3: 0.5})
    assert positive.completion.next_tokens == ()
    assert examine_pair(Facts())[0].divergence is None
