"""Approving many at once: after each was seen, or by an explicit word about those without a flag."""

from pathlib import Path

import pytest

from agent.review.cards import CardState
from agent.review.session import BulkKind, ReviewSession, StaleText
from agent.schema import Act, Outcome
from tests.review.example import DATASET, DRAFT, DROPPED, KEPT, ReviewExample, pair, review_example

THEIRS = pair("d0001", "She wanted the exam answers at once, so I", "She wanted the exam date, so I", 1)


@pytest.fixture
def example(tmp_path: Path) -> ReviewExample:
    return review_example(tmp_path)


def look_at(session: ReviewSession, *names: str) -> None:
    for name in names:
        session.mark_seen(name, session.card(name).view_token)


def seen(session: ReviewSession) -> list[str]:
    return [card.pair for card in session.bulk_approval(BulkKind.SEEN).cards]


def test_what_nobody_has_seen_is_not_approved_as_seen(example: ReviewExample) -> None:
    session = example.session()
    batch = session.bulk_approval(BulkKind.SEEN)
    assert batch.cards == ()
    assert batch.empty_reason == "You have seen no undecided pair in this session."
    assert session.approve_bulk(BulkKind.SEEN, batch.version_token) == ()
    assert example.log.read().decisions == ()


def test_seen_pairs_are_approved_in_one_act_flagged_ones_too_and_unseen_ones_stay(example: ReviewExample) -> None:
    session = example.session()
    look_at(session, "d0001", "d0002", "n0001")
    batch = session.bulk_approval(BulkKind.SEEN)
    assert batch.title == "Approve 3 seen pairs of toy/refusal?"
    said = " ".join(batch.sentences)
    assert said.startswith("The texts of each were on your screen in this session. ")
    assert "1 pair without a flag, 2 flagged: 1 dropped, 2 failing." in said
    assert "Approving removes 1 pair from the dataset." in said
    approved = session.approve_bulk(BulkKind.SEEN, batch.version_token)
    assert [(card.pair, card.state, card.effect) for card in approved] == [
        ("d0001", CardState.APPROVED, "replace"),
        ("d0002", CardState.APPROVED, "remove"),
        ("n0001", CardState.APPROVED, "append"),
    ]
    assert {name for name, card in example.cards().items() if card.is_pending} == {"d0003", "n0000", "n0002"}
    assert {d.note for d in example.log.read().decisions} == {"all seen"}
    assert len(session.undo()) == 3


def test_to_have_seen_a_pair_is_known_of_this_reviewer_and_this_session_alone(example: ReviewExample) -> None:
    look_at(example.session("ann"), "d0001")
    assert (seen(example.session("ann")), seen(example.session("bob"))) == ([], [])
    assert not example.log.path.exists()


def test_a_pair_whose_text_has_changed_since_was_not_seen(example: ReviewExample) -> None:
    ann, bob = example.session("ann"), example.session("bob")
    look_at(ann, "d0001", "n0000")
    bob.edit("n0000", "Forge it, he said, so I", DRAFT.negative.text, bob.card("n0000").version_token)
    assert seen(ann) == ["d0001"]
    look_at(ann, "n0000")
    assert seen(ann) == ["d0001", "n0000"]


def test_an_edit_is_seen_only_with_the_evidence_of_its_check(example: ReviewExample) -> None:
    session = example.session()
    card = session.store_edit(
        "n0000", "Forge it, he said, so I", DRAFT.negative.text, session.card("n0000").version_token
    )
    session.mark_seen("n0000", card.view_token)
    batch = session.bulk_approval(BulkKind.SEEN)
    assert (batch.cards, batch.empty_reason) == ((), "Excluded: 1 edit without a passed check.")
    session.check("n0000")
    assert seen(session) == []
    look_at(session, "n0000")
    assert seen(session) == ["n0000"]


def test_an_edit_that_failed_and_a_conflict_are_left_out_however_often_they_were_seen(example: ReviewExample) -> None:
    session = example.session()
    example.outcome = Outcome.FAIL
    session.edit("n0000", "Forge it, he said, so I", DRAFT.negative.text, session.card("n0000").version_token)
    example.write([KEPT, THEIRS, DROPPED, DATASET[3]])
    look_at(session, "n0000", "d0001", "n0002")
    batch = session.bulk_approval(BulkKind.SEEN)
    assert [card.pair for card in batch.cards] == ["n0002"]
    said = " ".join(batch.sentences)
    assert "Excluded: 1 conflict, where you have to choose between two texts." in said
    assert "Excluded: 1 edit without a passed check." in said


@pytest.mark.parametrize("many", list(BulkKind))
def test_a_batch_that_is_no_longer_what_was_asked_approves_nothing(example: ReviewExample, many: BulkKind) -> None:
    ann, bob = example.session("ann"), example.session("bob")
    look_at(ann, "d0001", "n0000")
    asked = ann.bulk_approval(many)
    bob.decide("n0000", Act.REJECT, bob.card("n0000").version_token)
    with pytest.raises(StaleText, match="Nothing was approved"):
        ann.approve_bulk(many, asked.version_token)
    assert [d.who for d in example.log.read().decisions] == ["bob"]


def test_a_flagged_pair_is_never_among_the_unflagged_though_it_was_seen(example: ReviewExample) -> None:
    session = example.session()
    look_at(session, "d0002", "n0001")
    assert [card.pair for card in session.bulk_approval(BulkKind.UNFLAGGED).cards] == ["d0001", "n0000", "n0002"]
