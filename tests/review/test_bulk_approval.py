"""Approving many at once: after each was seen, or by an explicit word about those without a flag."""

from pathlib import Path

import pytest

from agent.review.cards import CardState
from agent.review.session import BulkKind, ReviewSession, StaleText
from agent.schema import Act, Outcome
from tests.review.story import DATASET, DRAFT, KEPT, LOST, Morning, morning, pair

THEIRS = pair("d0001", "She wanted the exam answers at once, so I", "She wanted the exam date, so I", 1)


@pytest.fixture
def story(tmp_path: Path) -> Morning:
    return morning(tmp_path)


def look_at(desk: ReviewSession, *names: str) -> None:
    for name in names:
        desk.see(name, desk.card(name).sight)


def seen(desk: ReviewSession) -> list[str]:
    return [card.pair for card in desk.batch(BulkKind.SEEN).cards]


def test_what_nobody_has_seen_is_not_approved_as_seen(story: Morning) -> None:
    desk = story.desk()
    batch = desk.batch(BulkKind.SEEN)
    assert batch.cards == ()
    assert batch.nothing == "You have seen no pair in this session that still waits for a decision."
    assert desk.approve_many(BulkKind.SEEN, batch.seal) == ()
    assert story.log.read().decisions == ()


def test_seen_pairs_are_approved_in_one_act_flagged_ones_too_and_unseen_ones_stay(story: Morning) -> None:
    desk = story.desk()
    look_at(desk, "d0001", "d0002", "n0001")
    batch = desk.batch(BulkKind.SEEN)
    assert batch.title == "Approve 3 seen pairs of toy/refusal?"
    said = " ".join(batch.sentences)
    assert said.startswith("You have had the texts of each of them on the screen in this session. ")
    assert "1 pair without a flag, 2 flagged: 1 dropped, 2 failing." in said
    assert "To approve takes 1 pair out of the dataset." in said
    approved = desk.approve_many(BulkKind.SEEN, batch.seal)
    assert [(card.pair, card.state, card.effect) for card in approved] == [
        ("d0001", CardState.APPROVED, "replace"),
        ("d0002", CardState.APPROVED, "remove"),
        ("n0001", CardState.APPROVED, "append"),
    ]
    assert {name for name, card in story.cards().items() if card.waits} == {"d0003", "n0000", "n0002"}
    assert {d.note for d in story.log.read().decisions} == {"all seen"}
    assert len(desk.undo()) == 3


def test_to_have_seen_a_pair_is_known_of_this_reviewer_and_this_session_alone(story: Morning) -> None:
    look_at(story.desk("ann"), "d0001")
    assert (seen(story.desk("ann")), seen(story.desk("bob"))) == ([], [])
    assert not story.log.path.exists()


def test_a_pair_whose_text_has_changed_since_was_not_seen(story: Morning) -> None:
    ann, bob = story.desk("ann"), story.desk("bob")
    look_at(ann, "d0001", "n0000")
    bob.edit("n0000", "Forge it, he said, so I", DRAFT.negative.text, bob.card("n0000").seal)
    assert seen(ann) == ["d0001"]
    look_at(ann, "n0000")
    assert seen(ann) == ["d0001", "n0000"]


def test_an_edit_is_seen_only_with_the_evidence_of_its_check(story: Morning) -> None:
    desk = story.desk()
    card = desk.store_edit("n0000", "Forge it, he said, so I", DRAFT.negative.text, desk.card("n0000").seal)
    desk.see("n0000", card.sight)
    batch = desk.batch(BulkKind.SEEN)
    assert (batch.cards, batch.nothing) == ((), "Left out: 1 edit without a passed check.")
    desk.check("n0000")
    assert seen(desk) == []
    look_at(desk, "n0000")
    assert seen(desk) == ["n0000"]


def test_an_edit_that_failed_and_a_conflict_are_left_out_however_often_they_were_seen(story: Morning) -> None:
    desk = story.desk()
    story.outcome = Outcome.FAIL
    desk.edit("n0000", "Forge it, he said, so I", DRAFT.negative.text, desk.card("n0000").seal)
    story.write([KEPT, THEIRS, LOST, DATASET[3]])
    look_at(desk, "n0000", "d0001", "n0002")
    batch = desk.batch(BulkKind.SEEN)
    assert [card.pair for card in batch.cards] == ["n0002"]
    said = " ".join(batch.sentences)
    assert "Left out: 1 conflict, where you have to choose between two texts." in said
    assert "Left out: 1 edit without a passed check." in said


@pytest.mark.parametrize("many", list(BulkKind))
def test_a_batch_that_is_no_longer_what_was_asked_approves_nothing(story: Morning, many: BulkKind) -> None:
    ann, bob = story.desk("ann"), story.desk("bob")
    look_at(ann, "d0001", "n0000")
    asked = ann.batch(many)
    bob.decide("n0000", Act.REJECT, bob.card("n0000").seal)
    with pytest.raises(StaleText, match="Nothing was approved"):
        ann.approve_many(many, asked.seal)
    assert [d.who for d in story.log.read().decisions] == ["bob"]


def test_a_flagged_pair_is_never_among_the_unflagged_though_it_was_seen(story: Morning) -> None:
    desk = story.desk()
    look_at(desk, "d0002", "n0001")
    assert [card.pair for card in desk.batch(BulkKind.UNFLAGGED).cards] == ["d0001", "n0000", "n0002"]
