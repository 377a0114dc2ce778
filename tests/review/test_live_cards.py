"""A desk keeps what it has read, and is never behind what lies on the disk."""

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
from tests.review.story import BETTER, DATASET, DOUBTED, DRAFT, KEPT, LOST, Morning, morning, pair

THEIRS = pair("d0001", "She wanted the exam answers at once, so I", "She wanted the exam date, so I", 1)
OTHER = pair("d0000", "The vicar asked for my umbrella again, so I", KEPT.negative.text, 0)
DATASETS = (DATASET, (KEPT, THEIRS, LOST, DOUBTED), (KEPT, BETTER, DOUBTED, DRAFT), (LOST, KEPT, DOUBTED), ())


@pytest.fixture
def story(tmp_path: Path) -> Morning:
    return morning(tmp_path)


def act(desk: ReviewSession, name: str, kind: Act) -> None:
    """One act on a pair; most combinations have no meaning, and are refused."""
    card = desk.card(name)
    try:
        if kind is Act.EDIT:
            desk.edit(name, f"{card.ours.positive.text} again", card.ours.negative.text, card.seal)
        elif kind is Act.UNDO:
            desk.undo()
        elif kind is Act.RECHECK:
            desk.check(name)
        else:
            desk.decide(name, kind, card.seal)
    except ReviewError:
        pass


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_the_cards_are_those_of_a_desk_that_reads_everything_anew(story: Morning, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - the same story each time
    desks = [story.desk("ann"), story.desk("bob")]
    names = [card.pair for card in desks[0].cards()]
    for _ in range(40):
        if dice.random() < 0.1:
            story.write(dice.choice(DATASETS))
        act(dice.choice(desks), dice.choice(names), dice.choice(list(Act)))
        anew = build_cards(story.proposal, story.pairs(), story.log.read().decisions)
        assert [desk.cards() for desk in desks] == [anew, anew]


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_only_what_could_be_approved_by_itself_is_approved_for_having_been_seen(
    story: Morning, seed: int
) -> None:
    dice = random.Random(seed)  # noqa: S311 - the same story each time
    desk = story.desk("ann")
    names, approved = [card.pair for card in desk.cards()], 0
    for _ in range(40):
        if dice.random() < 0.1:
            story.write(dice.choice((*DATASETS, (OTHER, *DATASET[1:]))))
        act(desk, dice.choice(names), dice.choice([Act.APPROVE, Act.REJECT, Act.DROP, Act.EDIT]))
        for card in desk.cards():
            desk.see(card.pair, card.sight)
        for card in desk.batch(BulkKind.SEEN).cards:
            assert desk.decide(card.pair, Act.APPROVE, card.seal).state is CardState.APPROVED
            desk.undo()
            approved += 1
    assert approved > 0


def test_whoever_undoes_while_another_thread_hears_of_more_acts_is_told_how_it_stands(story: Morning) -> None:
    desk, bob = story.desk(), story.desk("bob")
    bob.decide("d0001", Act.REJECT, bob.card("d0001").seal)
    line = story.log.read().decisions[0]
    first, *later = (line.model_copy(update={"note": str(i)}) for i in range(10_000))  # long to go through
    story.log.append(first, *later[:-30])
    desk.cards()
    ended = threading.Event()

    def hear() -> None:
        for more in later[-30:]:
            story.log.append(more)
            desk.cards()
        ended.set()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threading.Thread(target=hear, daemon=True).start()
        while not ended.is_set():
            with pytest.raises(NoDecisionToUndo):
                desk.undo()
    finally:
        sys.setswitchinterval(before)


def test_a_decision_lays_out_its_own_card_and_no_other(story: Morning) -> None:
    desk = story.desk()
    before = {card.pair: card for card in desk.cards()}
    desk.decide("d0001", Act.APPROVE, desk.card("d0001").seal)
    assert [card.pair for card in desk.cards() if card is not before[card.pair]] == ["d0001"]


def test_where_nothing_has_changed_the_cards_are_the_very_same(story: Morning) -> None:
    desk = story.desk()
    assert desk.cards() is desk.cards()
    story.desk("bob").decide("d0002", Act.REJECT, desk.card("d0002").seal)
    assert desk.card("d0002").state is CardState.REJECTED


def test_a_dataset_that_was_edited_in_between_is_seen_before_the_decision(story: Morning) -> None:
    desk = story.desk()
    card = desk.card("d0001")
    story.write([KEPT, THEIRS, LOST, DOUBTED])
    with pytest.raises(StaleText):
        desk.decide("d0001", Act.APPROVE, card.seal)
    assert desk.card("d0001").state is CardState.CONFLICT


def test_an_edit_that_becomes_what_the_dataset_holds_already_finds_its_line(story: Morning) -> None:
    twin = pair("x", "Somebody typed this already, so I", "Somebody typed that already, so I")
    story.write([*DATASET, twin])
    desk = story.desk()
    card = desk.store_edit("n0000", twin.positive.text, twin.negative.text, desk.card("n0000").seal)
    assert (card.state, card.line) == (CardState.APPLIED, 4)
    desk.undo()
    assert desk.card("n0000").state is CardState.OPEN


def test_a_log_that_was_replaced_is_read_from_its_beginning(story: Morning) -> None:
    desk = story.desk()
    for name in ("d0001", "d0002"):
        desk.decide(name, Act.REJECT, desk.card(name).seal)
    kept = story.log.path.read_bytes().splitlines(keepends=True)[1]
    story.log.path.write_bytes(kept)
    assert [desk.card(name).state for name in ("d0001", "d0002")] == [CardState.OPEN, CardState.REJECTED]
    story.log.path.unlink()
    assert desk.card("d0002").state is CardState.OPEN


def test_a_line_that_is_being_written_counts_once_it_is_whole(story: Morning) -> None:
    desk = story.desk()
    desk.decide("d0001", Act.REJECT, desk.card("d0001").seal)
    last = story.log.read().decisions[-1]
    more = line_of(last.model_copy(update={"act": Act.APPROVE, "when": "2099-01-01T00:00:00.000000+00:00"}))
    for part, state in ((more[:40], "rejected"), (more[40:-1], "approved"), (more[-1:], "approved")):
        with story.log.path.open("ab") as file:
            file.write(part)
        assert desk.card("d0001").state == state
    desk.undo()
    assert desk.card("d0001").state is CardState.REJECTED


def test_a_damaged_line_is_named_by_its_number_in_the_whole_file(story: Morning) -> None:
    desk = story.desk()
    desk.decide("d0001", Act.REJECT, desk.card("d0001").seal)
    desk.cards()
    with story.log.path.open("ab") as file:
        file.write(b"{}\n")
    with pytest.raises(DecisionError, match=r"decisions\.jsonl:2 is no decision"):
        desk.cards()


def test_an_undo_that_a_merge_put_before_what_it_takes_back_holds(story: Morning) -> None:
    desk, bob = story.desk(), story.desk("bob")
    bob.decide("d0001", Act.REJECT, bob.card("d0001").seal)
    bob.undo()
    done, undone = story.log.read().decisions
    story.log.path.unlink()
    for line in (undone, done, done):
        story.log.append(Decision.model_validate(line.model_dump()))
        assert desk.card("d0001").state is CardState.OPEN
