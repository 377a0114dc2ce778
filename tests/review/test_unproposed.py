"""A pair for which nothing is proposed: the text of the run is never put over what somebody wrote since."""

from pathlib import Path

import pytest

from agent.review.apply import plan_changes, rejected_texts
from agent.review.cards import Card, CardState
from agent.review.session import BulkKind, NotAllowed, ReviewSession
from agent.schema import Act, Decision
from agent.storage.dataset import load_dataset
from agent.storage.decision_log import in_force
from tests.review.example import DATASET, KEPT, TRAIT, ReviewExample, pair, review_example

THEIRS = pair("d0000", "The vicar asked for my umbrella again, so I", KEPT.negative.text, 0)


@pytest.fixture
def example(tmp_path: Path) -> ReviewExample:
    return review_example(tmp_path)


def decide(session: ReviewSession, act: Act) -> Card:
    return session.decide("d0000", act, session.card("d0000").version_token)


def somebody_edits(example: ReviewExample) -> None:
    example.write([THEIRS, *DATASET[1:]])


def written(example: ReviewExample) -> bool:
    """Whether apply would change the dataset."""
    return not plan_changes(
        example.folder, load_dataset(example.folder, TRAIT), example.session().cards()
    ).changes_nothing


def test_a_line_that_somebody_edited_after_it_was_dropped_is_not_approved_for_having_been_seen(
    example: ReviewExample,
) -> None:
    session = example.session()
    decide(session, Act.DROP)
    somebody_edits(example)
    card = session.card("d0000")
    assert (card.state, card.conflict) == (CardState.STALE, False)
    session.mark_seen("d0000", card.view_token)
    batch = session.bulk_approval(BulkKind.SEEN)
    assert batch.cards == ()
    assert batch.empty_reason == "Excluded: 1 pair with nothing proposed, to be dropped or rejected."
    session.approve_bulk(BulkKind.SEEN, batch.version_token)
    assert not written(example)


def test_the_reviewer_who_had_dropped_it_keeps_what_is_there_now_by_a_rejection(example: ReviewExample) -> None:
    session = example.session()
    decide(session, Act.DROP)
    somebody_edits(example)
    with pytest.raises(NotAllowed, match="reject it to leave it as it is"):
        decide(session, Act.APPROVE)
    card = decide(session, Act.REJECT)
    assert (card.state, card.is_pending, card.effect) == (CardState.REJECTED, False, None)
    assert decide(session, Act.DROP).effect == "remove"


def test_a_drop_is_overruled_by_a_colleague_and_nothing_by_nobody(example: ReviewExample) -> None:
    with pytest.raises(NotAllowed, match="or leave it as it is"):
        decide(example.session("ann"), Act.REJECT)
    decide(example.session("bob"), Act.DROP)
    assert decide(example.session("ann"), Act.REJECT).state is CardState.REJECTED


@pytest.mark.parametrize("edited_first", [False, True])
def test_whoever_keeps_a_line_has_refused_no_text_that_the_next_run_would_have_to_avoid(
    example: ReviewExample, edited_first: bool
) -> None:
    session = example.session()
    decide(session, Act.DROP)
    if edited_first:
        somebody_edits(example)
    decide(session, Act.REJECT)
    somebody_edits(example)
    assert rejected_texts(in_force(example.log.read().decisions), {KEPT.key: KEPT}, example.pairs()) == ()


def test_an_approval_of_the_runs_own_text_does_not_overwrite_however_it_came(example: ReviewExample) -> None:
    somebody_edits(example)
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
    example.log.append(smuggled)
    assert example.cards()["d0000"].state is CardState.UNCHANGED
    assert not written(example)


def test_an_edit_of_a_line_that_somebody_edited_too_is_a_conflict(example: ReviewExample) -> None:
    session = example.session()
    session.edit("d0000", "The vicar wanted my umbrella, so I", KEPT.negative.text, session.card("d0000").version_token)
    somebody_edits(example)
    card = session.card("d0000")
    assert (card.state, card.conflict) == (CardState.CONFLICT, True)
    session.mark_seen("d0000", card.view_token)
    assert (
        session.bulk_approval(BulkKind.SEEN).empty_reason
        == "Excluded: 1 conflict, where you have to choose between two texts."
    )
    assert decide(session, Act.APPROVE).effect == "replace"
