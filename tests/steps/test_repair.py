"""Repairs: the smallest edit that passes is taken, and without a passing candidate nothing changes."""

from collections.abc import Mapping

import pytest

from agent.schema import Change, Flag, Pair, Question, Reply, Rules, Rung, Verdict
from agent.steps.candidates import CLOSED, UNTRIED, WEAK
from agent.steps.repair import SetContext, repair
from agent.steps.screening import rejected_side
from tests.steps.repair_tasks import (
    CUTS,
    CUTTING,
    FIRST,
    LONG,
    LONGEST,
    MIDDLE,
    ONE,
    SECOND,
    SHORT,
    STEM,
    STILL,
    TEXT,
    THIRD,
    WRONG,
    judged,
    only_change,
    repair_task,
    world,
)
from tests.steps.scripted import POSITIVE, REFUSED, Facts, pair, wrote

A = ("a", 0)

# Cutting.


def test_a_cut_that_passes_is_taken_and_the_author_is_not_asked() -> None:
    answering = world({SHORT: Facts(), MIDDLE: Facts(), LONG: STILL, LONGEST: STILL})
    change = only_change(answering)
    assert change.after.positive.text == MIDDLE
    assert change.after.negative == ONE.negative
    assert (change.what, change.before, change.rungs) == ("repair", ONE, ((POSITIVE, Rung.CUT),))
    assert "rewrite" not in answering.names()


def test_the_longest_cut_that_passes_wins() -> None:
    assert only_change(world(dict.fromkeys(CUTS, Facts()))).after.positive.text == LONGEST
    only = {text: Facts() if text == SHORT else STILL for text in CUTS}
    assert only_change(world(only)).after.positive.text == SHORT


def test_openness_is_not_taken_to_be_monotone() -> None:
    facts = {SHORT: STILL, MIDDLE: Facts(c0=20.0), LONG: STILL, LONGEST: STILL}
    assert only_change(world(facts)).after.positive.text == MIDDLE


def test_a_cut_is_a_deletion_and_nothing_else() -> None:
    change = only_change(world(dict.fromkeys(CUTS, Facts())))
    assert TEXT.startswith(change.after.positive.text)
    assert change.after.positive.flags == ()


def test_a_candidate_that_shows_the_behaviour_is_asked_nothing_beyond_its_commitment() -> None:
    answering = world({SHORT: Facts(), MIDDLE: Facts(), LONG: STILL, LONGEST: STILL})
    only_change(answering)
    assert [answering.about(q, LONG) for q in Question] == [[], [], [], [], [("a", 0)], [], []]
    assert answering.about(Question.RESPONSE, MIDDLE) == [("a", 0)]


def test_a_candidate_gets_one_vote_per_question_even_where_two_contradict_each_other() -> None:
    answering = world(dict.fromkeys(CUTS, Facts(v="EXPLAIN")), wrote(endings=[]))
    only_change(answering)
    assert answering.about(Question.VERDICT, SHORT) == [("a", 0)]
    assert set(answering.about(Question.C0, SHORT)) == {("a", 0)}


def test_every_candidate_is_recorded_with_its_verdict_and_scores() -> None:
    facts = {SHORT: Facts(), MIDDLE: Facts(c5=10.0), LONG: WRONG, LONGEST: STILL}
    by_text = {c.text: c for c in only_change(world(facts)).candidates}
    verdicts = {text: c.verdict for text, c in by_text.items()}
    assert verdicts == {
        SHORT: Verdict.EXPRESS,
        MIDDLE: Verdict.LATE,
        LONG: Verdict.CONTEXT,
        LONGEST: Verdict.EXPLAIN,
    }
    assert [text for text, c in by_text.items() if c.refused is None] == [SHORT]
    assert {c.refused for c in by_text.values()} == {None, "does not pass", "has committed already"}
    assert {c.polarity for c in by_text.values()} == {POSITIVE}
    assert [bool(by_text[text].opening) for text in (SHORT, LONGEST)] == [True, False]
    assert dict(by_text[LONGEST].scores) == {Question.C0: 90.0}
    assert dict(by_text[SHORT].scores)[Question.C0] == 15.0


NOT_PASSING = [Facts(s=10.0), Facts(j=10.0), Facts(c5=10.0), Facts(v="NEITHER"), Facts(s=None), Facts(c5=None)]


@pytest.mark.parametrize("facts", [*NOT_PASSING, Facts(j=None)])
def test_a_candidate_that_fails_or_leaves_open_any_check_is_not_taken(facts: Facts) -> None:
    change = only_change(world(dict.fromkeys(CUTS, facts), wrote(endings=[])))
    assert change.after == change.before == ONE


def test_a_candidate_that_does_not_lead_there_is_neither_continued_nor_judged_further() -> None:
    answering = world({SHORT: Facts(s=30.0), MIDDLE: Facts(), LONG: Facts(s=30.0), LONGEST: STILL})
    change = only_change(answering)
    refused = {c.text: c.refused for c in change.candidates}
    assert refused == {SHORT: WEAK, MIDDLE: None, LONG: WEAK, LONGEST: CLOSED}
    assert [text for text, _ in answering.completed] == [MIDDLE]
    assert [answering.about(q, LONG) for q in (Question.C0, Question.FORECAST, Question.RESPONSE)] == [[A], [A], []]


def test_once_a_smaller_cut_passes_a_larger_one_is_not_asked_about() -> None:
    answering = world({SHORT: Facts(), MIDDLE: Facts(), LONG: Facts(), LONGEST: STILL})
    change = only_change(answering)
    assert change.after.positive.text == LONG
    refused = {c.text: c.refused for c in change.candidates}
    assert refused == {LONGEST: CLOSED, LONG: None, MIDDLE: UNTRIED, SHORT: UNTRIED}
    assert [answering.about(q, SHORT) for q in Question] == [[]] * len(Question)


def test_rewrites_are_continued_two_at_a_time_the_most_open_first_until_one_passes() -> None:
    endings = {FIRST: Facts(c0=45.0), SECOND: Facts(c0=5.0, j=20.0), THIRD: Facts(c0=20.0)}
    answering = world({STEM + end: facts for end, facts in endings.items()}, wrote(endings=list(endings)))
    change = only_change(answering, repair_task(ONE, Rung.STRENGTHEN))
    assert [text for text, _ in answering.completed] == [STEM + SECOND, STEM + THIRD]
    assert change.after.positive.text == STEM + THIRD


# Rewriting.


def test_a_cut_that_helps_nothing_is_followed_by_a_rewrite_in_the_same_round() -> None:
    answering = world({**dict.fromkeys(CUTS, STILL), STEM + FIRST: Facts()}, wrote(endings=[FIRST]))
    change = only_change(answering)
    assert change.after.positive.text == STEM + FIRST
    assert change.rungs == ((POSITIVE, Rung.CUT), (POSITIVE, Rung.CLIFFHANGER))
    assert [c.rung for c in change.candidates] == [Rung.CUT] * 4 + [Rung.CLIFFHANGER]


def rewritten(facts: Mapping[str, Facts], rung: Rung = Rung.STRENGTHEN, **more: object) -> Change:
    endings = list(facts)
    answering = world({STEM + end: known for end, known in facts.items()}, wrote(endings=endings))
    return only_change(answering, repair_task(ONE, rung), **more)


def test_of_the_rewrites_that_pass_the_most_open_wins() -> None:
    change = rewritten({FIRST: Facts(c0=40.0), SECOND: Facts(c0=12.0), THIRD: Facts(c0=5.0, j=10.0)})
    assert change.after.positive.text == STEM + SECOND


def test_of_equally_open_rewrites_the_firmer_forecast_wins_and_then_the_first() -> None:
    clear = rewritten({FIRST: Facts(s=70.0), SECOND: Facts(s=95.0)})
    assert clear.after.positive.text == STEM + SECOND
    alike = rewritten({FIRST: Facts(), SECOND: Facts()})
    assert alike.after.positive.text == STEM + FIRST


def test_a_repair_that_helps_nothing_keeps_the_pair_and_says_so() -> None:
    change = rewritten({FIRST: WRONG, SECOND: WRONG})
    assert change.after == change.before == ONE
    assert change.why == "no candidate passed"
    assert len(change.candidates) == 2


def test_an_extended_lock_in_may_explain_and_is_flagged() -> None:
    change = rewritten({FIRST: Facts(v="EXPLAIN", c0=90.0)}, Rung.EXTENDED)
    assert change.after.positive.text == STEM + FIRST
    assert change.after.positive.flags == (Flag.EXTENDED,)
    assert rewritten({FIRST: Facts(v="EXPLAIN", c0=90.0)}).after == ONE


def test_an_extended_lock_in_whose_response_fails_is_not_taken() -> None:
    assert rewritten({FIRST: Facts(v="EXPLAIN", c0=90.0, j=10.0)}, Rung.EXTENDED).after == ONE


def test_a_refusing_author_leaves_the_pair_and_is_named() -> None:
    change = only_change(world({}, REFUSED, REFUSED), repair_task(ONE, Rung.STRENGTHEN))
    assert change.after == ONE
    assert change.why == REFUSED.error
    assert change.candidates == ()


def test_an_unreadable_author_leaves_the_pair_and_says_why() -> None:
    change = only_change(world({}, Reply(data="{}")), repair_task(ONE, Rung.STRENGTHEN))
    assert (change.after, change.why[:9]) == (ONE, "malformed")


# Screening.


@pytest.mark.parametrize(
    ("ending", "why"),
    [
        ("I shook my head and told him no, because", "changes nothing"),
        ("I refused.", "ends on a finished sentence"),
        ("I had had\nenough, so I", "holds a control character or line break"),
        ("x" * 900, "characters long"),
    ],
)
def test_what_the_screen_refuses_is_recorded_and_never_completed(ending: str, why: str) -> None:
    answering = world({}, wrote(endings=[ending]))
    change = only_change(answering, repair_task(ONE, Rung.STRENGTHEN))
    assert change.after == ONE
    assert [why in (refused or "") for refused in judged(change).values()] == [True]
    assert answering.completed == []


def test_the_text_of_the_other_member_is_no_repair() -> None:
    twin = pair(TEXT, STEM + FIRST)
    change = only_change(world({}, wrote(endings=[FIRST])), repair_task(twin, Rung.STRENGTHEN))
    assert judged(change) == {STEM + FIRST: "changes nothing"}


def test_a_near_duplicate_of_another_pair_is_refused() -> None:
    other = pair(STEM + FIRST, "She came by. It was fine, so I", "d0001")
    change = only_change(world({}, wrote(endings=[FIRST])), repair_task(ONE, Rung.STRENGTHEN), others=[other])
    assert "nearly the same" in (judged(change)[STEM + FIRST] or "")


def crowd(ending: str, count: int = 2) -> list[Pair]:
    stems = ("A clown sang at noon. ", "My aunt lost both her shoes. ", "Rain fell on the harbour all week. ")
    return [pair(stem + ending, f"{stem}All went well, so I", f"d{i}") for i, stem in enumerate(stems[:count], 1)]


def test_an_ending_that_too_many_share_is_refused() -> None:
    change = only_change(
        world({}, wrote(endings=[FIRST])),
        repair_task(ONE, Rung.STRENGTHEN),
        others=crowd(FIRST),
        rules=Rules(),
        goal=10,
    )
    assert "already end in" in (judged(change)[STEM + FIRST] or "")


def test_a_cut_may_end_as_many_others_do() -> None:
    others = crowd("I shook my head and told him", count=3)
    change = only_change(world(dict.fromkeys(CUTS, Facts())), others=others, goal=10)
    assert change.after.positive.text == LONGEST


def test_the_same_candidate_is_tried_once() -> None:
    answering = world({STEM + FIRST: Facts()}, wrote(endings=[FIRST, FIRST]))
    only_change(answering, repair_task(ONE, Rung.STRENGTHEN))
    assert answering.completed == [(STEM + FIRST, 0)]


# Borrowed hinges.


def test_a_hinge_borrowed_from_a_sibling_is_tried_beside_the_cuts_but_a_passing_cut_is_preferred() -> None:
    two = pair("He wanted my keys. It was theft. I told him no, because", ONE.negative.text)
    task = repair_task(two, Rung.CUT, span="told him no", examples=("She lied, so I",))
    before, borrowed = "He wanted my keys. It was theft. I", "He wanted my keys. It was theft, so I"
    cuts = [before, f"{before} told", f"{before} told him"]
    taken = only_change(world({**dict.fromkeys(cuts, STILL), borrowed: Facts()}), task)
    assert taken.after.positive.text == borrowed
    assert taken.rungs == ((POSITIVE, Rung.CUT), (POSITIVE, Rung.CLIFFHANGER))
    preferred = only_change(world({**dict.fromkeys(cuts, STILL), before: Facts(), borrowed: Facts()}), task)
    assert preferred.after.positive.text == before


def test_an_ending_that_makes_its_side_twice_as_long_as_the_other_is_refused_unless_the_pair_was_so_before() -> None:
    longer = "I stood there for a while and thought of all that he had taken from us over the years, so I"
    change = only_change(world({**dict.fromkeys(CUTS, STILL)}, wrote(endings=[longer])))
    assert change.after == ONE
    assert "differ too much in length" in judged(change)[STEM + longer]
    unmatched = pair(TEXT, "He wanted a hand, so I")
    kept = only_change(
        world({**dict.fromkeys(CUTS, STILL), STEM + longer: Facts()}, wrote(endings=[longer])),
        repair_task(unmatched, Rung.CUT, span="told him no"),
    )
    assert kept.after.positive.text == STEM + longer


def test_a_rejected_edit_is_not_taken_but_one_close_to_it_is() -> None:
    def taken(rejected: tuple[str, ...]) -> Pair | None:
        answering = world(dict.fromkeys(CUTS, Facts()))
        (change,) = repair(answering.context(), [CUTTING], SetContext((ONE,), 48, rejected))
        return change.after

    first, second = taken(()), taken((LONGEST.upper(),))
    assert first is not None
    assert second is not None
    assert (first.positive.text, second.positive.text) == (LONGEST, LONG)


@pytest.mark.parametrize(("same", "refused"), [(93.0, True), (100.0, False)])
def test_the_caller_says_how_close_counts_as_the_same(same: float, refused: bool) -> None:
    near = (ONE.positive.text + " then",)
    assert bool(rejected_side(ONE.sides, near, same)) is refused
    assert rejected_side(ONE.sides, (), same) is None
