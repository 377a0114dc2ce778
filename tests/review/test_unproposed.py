"""A pair for which nothing is proposed: the text of the run is never put over what somebody wrote since."""

from pathlib import Path

import pytest

from agent.review.apply import plan_changes, rejected_texts
from agent.review.cards import Card, CardState
from agent.review.session import BulkKind, NotAllowed, ReviewSession
from agent.schema import Act, Decision
from agent.storage.dataset import load_dataset
from agent.storage.decision_log import in_force
from tests.review.story import DATASET, KEPT, TRAIT, Morning, morning, pair

THEIRS = pair("d0000", "The vicar asked for my umbrella again, so I", KEPT.negative.text, 0)


@pytest.fixture
def story(tmp_path: Path) -> Morning:
    return morning(tmp_path)


def decide(desk: ReviewSession, act: Act) -> Card:
    return desk.decide("d0000", act, desk.card("d0000").seal)


def somebody_edits(story: Morning) -> None:
    story.write([THEIRS, *DATASET[1:]])


def written(story: Morning) -> bool:
    """Whether apply would change the dataset."""
    return not plan_changes(story.folder, load_dataset(story.folder, TRAIT), story.desk().cards()).changes_nothing


def test_a_line_that_somebody_edited_after_it_was_dropped_is_not_approved_for_having_been_seen(story: Morning) -> None:
    desk = story.desk()
    decide(desk, Act.DROP)
    somebody_edits(story)
    card = desk.card("d0000")
    assert (card.state, card.conflict) == (CardState.STALE, False)
    desk.see("d0000", card.sight)
    batch = desk.batch(BulkKind.SEEN)
    assert batch.cards == ()
    assert batch.nothing == "Left out: 1 pair for which nothing is proposed, to be dropped or rejected."
    desk.approve_many(BulkKind.SEEN, batch.seal)
    assert not written(story)


def test_the_reviewer_who_had_dropped_it_keeps_what_is_there_now_by_a_rejection(story: Morning) -> None:
    desk = story.desk()
    decide(desk, Act.DROP)
    somebody_edits(story)
    with pytest.raises(NotAllowed, match="reject it to leave it as it is"):
        decide(desk, Act.APPROVE)
    card = decide(desk, Act.REJECT)
    assert (card.state, card.waits, card.effect) == (CardState.REJECTED, False, None)
    assert decide(desk, Act.DROP).effect == "remove"


def test_a_drop_is_overruled_by_a_colleague_and_nothing_by_nobody(story: Morning) -> None:
    with pytest.raises(NotAllowed, match="or leave it as it is"):
        decide(story.desk("ann"), Act.REJECT)
    decide(story.desk("bob"), Act.DROP)
    assert decide(story.desk("ann"), Act.REJECT).state is CardState.REJECTED


@pytest.mark.parametrize("edited_first", [False, True])
def test_whoever_keeps_a_line_has_refused_no_text_that_the_next_run_would_have_to_avoid(
    story: Morning, edited_first: bool
) -> None:
    desk = story.desk()
    decide(desk, Act.DROP)
    if edited_first:
        somebody_edits(story)
    decide(desk, Act.REJECT)
    somebody_edits(story)
    assert rejected_texts(in_force(story.log.read().decisions), {KEPT.key: KEPT}, story.pairs()) == ()


def test_an_approval_of_the_runs_own_text_does_not_overwrite_however_it_came(story: Morning) -> None:
    somebody_edits(story)
    smuggled = Decision(
        trait=TRAIT,
        campaign=1,
        pair="d0000",
        act=Act.APPROVE,
        key=KEPT.key,
        proposed=KEPT.key,
        base=THEIRS.key,
        who="mallory",
        when="2026-01-01T00:00:00.000000+00:00",
    )
    story.log.append(smuggled)
    assert story.cards()["d0000"].state is CardState.UNCHANGED
    assert not written(story)


def test_an_edit_of_a_line_that_somebody_edited_too_is_a_conflict(story: Morning) -> None:
    desk = story.desk()
    desk.edit("d0000", "The vicar wanted my umbrella, so I", KEPT.negative.text, desk.card("d0000").seal)
    somebody_edits(story)
    card = desk.card("d0000")
    assert (card.state, card.conflict) == (CardState.CONFLICT, True)
    desk.see("d0000", card.sight)
    assert desk.batch(BulkKind.SEEN).nothing == "Left out: 1 conflict, where you have to choose between two texts."
    assert decide(desk, Act.APPROVE).effect == "replace"
