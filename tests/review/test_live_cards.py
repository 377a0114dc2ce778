"""Live cards keep what they have read, and are never behind the files on disk."""

import random
import sys
import threading
from pathlib import Path

import pytest

from agent.review.card_builder import build_cards
from agent.review.cards import CardState
from agent.review.session import BulkKind, NoDecisionToUndo, ReviewError, ReviewSession, StaleText
from agent.schema import Act, Decision
from agent.storage.decision_log import DecisionError, line_of
from tests.review.example import BETTER, DATASET, DRAFT, DROPPED, KEPT, UNDECIDED, ReviewExample, pair, review_example

THEIRS = pair("d0001", "She wanted the exam answers at once, so I", "She wanted the exam date, so I", 1)
OTHER = pair("d0000", "The vicar asked for my umbrella again, so I", KEPT.negative.text, 0)
DATASETS = (
    DATASET,
    (KEPT, THEIRS, DROPPED, UNDECIDED),
    (KEPT, BETTER, UNDECIDED, DRAFT),
    (DROPPED, KEPT, UNDECIDED),
    (),
)


@pytest.fixture
def example(tmp_path: Path) -> ReviewExample:
    return review_example(tmp_path)


def act(session: ReviewSession, name: str, kind: Act) -> None:
    """One act on a pair; most combinations have no meaning, and are refused."""
    card = session.card(name)
    try:
        if kind is Act.EDIT:
            session.edit(name, f"{card.ours.positive.text} again", card.ours.negative.text, card.version_token)
        elif kind is Act.UNDO:
            session.undo()
        elif kind is Act.RECHECK:
            session.check(name)
        else:
            session.decide(name, kind, card.version_token)
    except ReviewError:
        pass


@pytest.mark.parametrize("seed", range(6))
def test_live_cards_equal_those_of_a_session_that_reads_everything_again(example: ReviewExample, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - the same example each time
    sessions = [example.session("ann"), example.session("bob")]
    names = [card.pair for card in sessions[0].cards()]
    for _ in range(40):
        if dice.random() < 0.1:
            example.write(dice.choice(DATASETS))
        act(dice.choice(sessions), dice.choice(names), dice.choice(list(Act)))
        anew = build_cards(example.proposal, example.pairs(), example.log.read().decisions)
        assert [session.cards() for session in sessions] == [anew, anew]


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_only_what_could_be_approved_by_itself_is_approved_for_having_been_seen(
    example: ReviewExample, seed: int
) -> None:
    dice = random.Random(seed)  # noqa: S311 - the same example each time
    session = example.session("ann")
    names, approved = [card.pair for card in session.cards()], 0
    for _ in range(40):
        if dice.random() < 0.1:
            example.write(dice.choice((*DATASETS, (OTHER, *DATASET[1:]))))
        act(session, dice.choice(names), dice.choice([Act.APPROVE, Act.REJECT, Act.DROP, Act.EDIT]))
        for card in session.cards():
            session.mark_seen(card.pair, card.view_token)
        for card in session.bulk_approval(BulkKind.SEEN).cards:
            assert session.decide(card.pair, Act.APPROVE, card.version_token).state is CardState.APPROVED
            session.undo()
            approved += 1
    assert approved > 0


def test_an_undo_beside_another_thread_returns_the_current_cards(example: ReviewExample) -> None:
    session, bob = example.session(), example.session("bob")
    bob.decide("d0001", Act.REJECT, bob.card("d0001").version_token)
    line = example.log.read().decisions[0]
    first, *later = (line.model_copy(update={"note": str(i)}) for i in range(10_000))  # long to go through
    example.log.append(first, *later[:-30])
    session.cards()
    ended = threading.Event()

    def hear() -> None:
        for more in later[-30:]:
            example.log.append(more)
            session.cards()
        ended.set()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threading.Thread(target=hear, daemon=True).start()
        while not ended.is_set():
            with pytest.raises(NoDecisionToUndo):
                session.undo()
    finally:
        sys.setswitchinterval(before)


def test_a_decision_lays_out_its_own_card_and_no_other(example: ReviewExample) -> None:
    session = example.session()
    before = {card.pair: card for card in session.cards()}
    session.decide("d0001", Act.APPROVE, session.card("d0001").version_token)
    assert [card.pair for card in session.cards() if card is not before[card.pair]] == ["d0001"]


def test_where_nothing_has_changed_the_cards_are_the_very_same(example: ReviewExample) -> None:
    session = example.session()
    assert session.cards() is session.cards()
    example.session("bob").decide("d0002", Act.REJECT, session.card("d0002").version_token)
    assert session.card("d0002").state is CardState.REJECTED


def test_a_dataset_that_was_edited_in_between_is_seen_before_the_decision(example: ReviewExample) -> None:
    session = example.session()
    card = session.card("d0001")
    example.write([KEPT, THEIRS, DROPPED, UNDECIDED])
    with pytest.raises(StaleText):
        session.decide("d0001", Act.APPROVE, card.version_token)
    assert session.card("d0001").state is CardState.CONFLICT


def test_an_edit_that_becomes_what_the_dataset_holds_already_finds_its_line(example: ReviewExample) -> None:
    twin = pair("x", "Somebody typed this already, so I", "Somebody typed that already, so I")
    example.write([*DATASET, twin])
    session = example.session()
    card = session.store_edit("n0000", twin.positive.text, twin.negative.text, session.card("n0000").version_token)
    assert (card.state, card.line) == (CardState.APPLIED, 4)
    session.undo()
    assert session.card("n0000").state is CardState.OPEN


def test_a_log_that_was_replaced_is_read_from_its_beginning(example: ReviewExample) -> None:
    session = example.session()
    for name in ("d0001", "d0002"):
        session.decide(name, Act.REJECT, session.card(name).version_token)
    kept = example.log.path.read_bytes().splitlines(keepends=True)[1]
    example.log.path.write_bytes(kept)
    assert [session.card(name).state for name in ("d0001", "d0002")] == [CardState.OPEN, CardState.REJECTED]
    example.log.path.unlink()
    assert session.card("d0002").state is CardState.OPEN


def test_a_line_that_is_being_written_counts_once_it_is_whole(example: ReviewExample) -> None:
    session = example.session()
    session.decide("d0001", Act.REJECT, session.card("d0001").version_token)
    last = example.log.read().decisions[-1]
    more = line_of(last.model_copy(update={"act": Act.APPROVE, "when": "2099-01-01T00:00:00.000000+00:00"}))
    for part, state in ((more[:40], "rejected"), (more[40:-1], "approved"), (more[-1:], "approved")):
        with example.log.path.open("ab") as file:
            file.write(part)
        assert session.card("d0001").state == state
    session.undo()
    assert session.card("d0001").state is CardState.REJECTED


def test_a_damaged_line_is_named_by_its_number_in_the_whole_file(example: ReviewExample) -> None:
    session = example.session()
    session.decide("d0001", Act.REJECT, session.card("d0001").version_token)
    session.cards()
    with example.log.path.open("ab") as file:
        file.write(b"{}\n")
    with pytest.raises(DecisionError, match=r"decisions\.jsonl:2 is not a decision"):
        session.cards()


def test_an_undo_that_a_merge_put_before_what_it_takes_back_holds(example: ReviewExample) -> None:
    session, bob = example.session(), example.session("bob")
    bob.decide("d0001", Act.REJECT, bob.card("d0001").version_token)
    bob.undo()
    done, undone = example.log.read().decisions
    example.log.path.unlink()
    for line in (undone, done, done):
        example.log.append(Decision.model_validate(line.model_dump()))
        assert session.card("d0001").state is CardState.OPEN
