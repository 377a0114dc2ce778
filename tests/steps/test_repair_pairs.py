"""Mending pairs: both members, many pairs in one round, and what a pair may not take from another."""

from collections.abc import Sequence

import pytest

from agent.schema import Change, Role, Rung, Scenario
from tests.steps.repair_tasks import (
    CUTS,
    CUTTING,
    FIRST,
    LONG,
    LONGEST,
    ONE,
    SECOND,
    STEM,
    STILL,
    WRONG,
    changes_by,
    only_change,
    repair_task,
    world,
)
from tests.steps.scripted import NEGATIVE, POSITIVE, REFUSED, Facts, World, name_of, pair, scenario, wrote

NEW = {
    "domain": "travel",
    "positive": {"stem": "She wanted my seat.", "ending": "It was mine, so I"},
    "negative": {"stem": "She wanted a map.", "ending": "I like to help, so I"},
}
NEW_YES = scenario("She wanted my seat. It was mine, so I")
NEW_NO = scenario("She wanted a map. I like to help, so I", NEGATIVE)


def retopiced(yes: Facts, no: Facts) -> Change:
    return only_change(World({NEW_YES: yes, NEW_NO: no}, [wrote(pairs=[NEW])]), repair_task(ONE, Rung.RETOPIC))


def test_a_new_topic_changes_both_members_together() -> None:
    change = retopiced(Facts(), Facts())
    assert (change.after.id, change.after.positive, change.after.negative) == ("d0000", NEW_YES, NEW_NO)
    assert change.after.domain == "travel"
    assert [c.text for c in change.candidates] == [NEW_YES.text, NEW_NO.text]


@pytest.mark.parametrize(("yes", "no"), [(WRONG, Facts()), (Facts(), Facts(j=90.0))])
def test_a_new_topic_is_not_taken_when_one_member_fails(yes: Facts, no: Facts) -> None:
    assert retopiced(yes, no).after == ONE


def test_a_new_topic_that_keeps_one_member_as_it_was_is_refused() -> None:
    half = NEW | {"negative": {"stem": "He wanted a hand.", "ending": "I was glad to be asked, so I"}}
    change = only_change(world({}, wrote(pairs=[half])), repair_task(ONE, Rung.RETOPIC))
    assert [c.refused for c in change.candidates] == ["changes nothing"]


def test_both_members_of_a_pair_can_be_repaired_in_one_round() -> None:
    negative = "He wanted a hand. I was glad, and I"
    facts = {scenario(text): Facts() for text in CUTS} | {scenario(negative, NEGATIVE): Facts()}
    answering = World(facts, [wrote(endings=["I was glad, and I"])])
    (change,) = changes_by(answering, CUTTING, repair_task(ONE, Rung.STRENGTHEN, NEGATIVE))
    assert (change.after.positive.text, change.after.negative.text) == (LONGEST, negative)
    assert change.rungs == ((POSITIVE, Rung.CUT), (NEGATIVE, Rung.STRENGTHEN))


def test_a_member_that_nothing_helped_does_not_hold_back_the_other() -> None:
    facts = {scenario(text): Facts() for text in CUTS}
    (change,) = changes_by(World(facts, [wrote(endings=[])]), CUTTING, repair_task(ONE, Rung.STRENGTHEN, NEGATIVE))
    assert (change.after.positive.text, change.after.negative) == (LONGEST, ONE.negative)
    assert change.why == "no candidate passed"


OTHER = pair("She wanted my bike. I was cross, so", "She wanted a tip. I was keen, so", "d0001")
HEALTHY = pair("They wanted my boat. It was mine, so I", "They wanted a song. I love songs, so I", "d0002")
BIKE = "She wanted my bike. "


def test_only_failing_pairs_are_sent_to_author_judge_and_subject() -> None:
    answering = world({**dict.fromkeys(CUTS, Facts()), BIKE + FIRST: Facts()}, wrote(endings=[FIRST]))
    changes = changes_by(answering, repair_task(OTHER, Rung.STRENGTHEN), CUTTING, others=[HEALTHY])
    assert [(c.pair, c.after != c.before) for c in changes] == [("d0001", True), ("d0000", True)]
    assert {text for text, _ in answering.completed} == {LONGEST, LONG, BIKE + FIRST}
    untouched = ("glad to be asked", "wanted a tip", "wanted my boat", "wanted a song")
    assert not [r for r in answering.asked if any(words in r.prompt for words in untouched)]
    assert [name_of(r) for r in answering.asked if r.role is Role.AUTHOR] == ["rewrite"]


def test_candidates_of_all_pairs_are_completed_in_one_batch() -> None:
    batches = []
    answering = world({BIKE + FIRST: Facts(), STEM + SECOND: Facts()}, *[wrote(endings=[e]) for e in (FIRST, SECOND)])
    complete = answering.complete

    def counted(scenarios: Sequence[Scenario], sampling: object) -> list:
        batches.append(len(scenarios))
        return complete(scenarios, sampling)

    answering.complete = counted
    changes_by(answering, repair_task(OTHER, Rung.STRENGTHEN), repair_task(ONE, Rung.STRENGTHEN))
    assert [size for size in batches if size] == [2]


def test_two_pairs_repaired_in_one_round_never_end_up_with_the_same_text() -> None:
    close = pair(STEM + "I was cross, so", "She wanted a tip. I was keen, so", "d0001")
    answering = world({STEM + FIRST: Facts()}, wrote(endings=[FIRST]), wrote(endings=[FIRST]))
    changes = changes_by(answering, repair_task(close, Rung.STRENGTHEN), repair_task(ONE, Rung.STRENGTHEN))
    assert len({c.after.positive.text for c in changes}) == 2


def test_a_refusal_is_named_first_also_after_cuts_that_failed() -> None:
    change = only_change(world(dict.fromkeys(CUTS, STILL), REFUSED, REFUSED))
    assert change.why.startswith("refusal")


def test_nothing_to_repair_changes_nothing_and_asks_nothing() -> None:
    answering = world({})
    assert changes_by(answering) == []
    assert answering.asked == answering.completed == []


def test_the_members_of_one_pair_may_be_as_alike_after_a_repair_as_matched_texts_are() -> None:
    stem = "We had shared the workshop behind the station for eleven years, and on Monday Ruth came in with a form. "
    no, yes = "I was appalled by it, so I", "I was pleased by it, so I"
    alike = pair(stem + "I was odd, so I", stem + "I was even, so I")
    facts = {scenario(stem + no): Facts(), scenario(stem + yes, NEGATIVE): Facts()}
    answering = World(facts, [wrote(endings=[no]), wrote(endings=[yes])])
    (change,) = changes_by(
        answering, repair_task(alike, Rung.STRENGTHEN), repair_task(alike, Rung.STRENGTHEN, NEGATIVE)
    )
    assert (change.after.positive.text, change.after.negative.text) == (stem + no, stem + yes)
