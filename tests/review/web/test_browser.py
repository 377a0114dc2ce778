"""The morning in a real browser, by keys alone: read, edit, approve, reject, undo, apply."""

import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from agent.app.review import apply_actions, open_sessions
from agent.app.run import ExperimentOptions
from agent.schema import Act, Finding, Pair
from tests.cli.finished_run import dataset_of, finished, session_of
from tests.cli.scripted import NEGATIVE, POSITIVE, tree
from tests.review.web.browser import Browser, Reader
from tests.review.web.served import serving
from tests.review.web.sessions import KEPT, STEM, TYPED, Night, seen

pytestmark = pytest.mark.browser

GOOD = "He asked me to burn the absence note. This crossed a line, so I"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished run: d0003 changed, n0000 and n0001 added, the rest unchanged."""
    return finished(tmp_path)


def acts(folder: Path) -> list[tuple[str, str, str]]:
    """(who, act, pair) of every line stored, rechecks left out."""
    stored = session_of(folder).log.read().decisions
    return [(d.who, d.act.value, d.pair) for d in stored if d.act is not Act.RECHECK]


def test_a_finished_run_is_read_edited_and_decided_by_keys(chromium: Browser, folder: Path, stack: ExitStack) -> None:
    before = tree(dataset_of(folder))
    reader = Reader(chromium, stack.enter_context(serving(open_sessions(ExperimentOptions(folder), "ann"))))
    assert reader.list() == ["d0003", "n0000", "n0001"]
    assert reader.page.locator("#panel del").count() > 0
    reader.keys("a")
    assert reader.pair == "n0000"
    reader.keys("e", "Control+a")
    reader.page.keyboard.type(GOOD)
    reader.keys("Control+Enter")
    reader.waits_for("p.checking.good", "passed their check")
    reader.keys("a")
    assert reader.pair == "n0001"
    reader.keys("a", "u", "r")
    assert acts(folder) == [
        ("ann", "approve", "d0003"),
        ("ann", "edit", "n0000"),
        ("ann", "approve", "n0000"),
        ("ann", "approve", "n0001"),
        ("ann", "undo", "n0001"),
        ("ann", "reject", "n0001"),
    ]
    assert tree(dataset_of(folder)) == before
    assert (reader.complaints, len(reader.called)) == ([], 1)
    reader.page.close()


def test_the_folder_changes_by_exactly_what_was_approved_and_back(
    chromium: Browser, folder: Path, stack: ExitStack
) -> None:
    order, before, session = ExperimentOptions(folder), tree(dataset_of(folder)), session_of(folder)
    sessions = open_sessions(order, "ann")
    reader = Reader(chromium, stack.enter_context(serving(sessions, apply_actions(sessions, order))))
    reader.keys("a", "a", "r")
    reader.page.locator("#apply").press("Enter")
    reader.waits_for("#panel h2", "Apply what was approved")
    assert tree(dataset_of(folder)) == before
    reader.page.locator("text=Write 2 changes to the dataset").press("Enter")
    reader.waits_for(".done", "1 changed, 1 added, 0 removed")
    for name, texts in (("positive", POSITIVE), ("negative", NEGATIVE)):
        mended, added = (getattr(session.card(pair).ours, name).text for pair in ("d0003", "n0000"))
        assert (dataset_of(folder) / f"{name}.txt").read_text().split("\n") == [*texts[:3], mended, added, ""]
    reader.page.locator("text=Undo the last apply").press("Enter")
    reader.waits_for(".done", "Your decisions are kept")
    assert tree(dataset_of(folder)) == before
    assert (reader.complaints, len(reader.called)) == ([], 1)
    reader.page.close()


def test_two_reviewers_decide_at_once_and_nothing_of_either_is_lost(
    chromium: Browser, folder: Path, stack: ExitStack
) -> None:
    readers = [
        Reader(chromium, stack.enter_context(serving(open_sessions(ExperimentOptions(folder), who))))
        for who in ("ann", "bob")
    ]
    for reader in readers:
        reader.keys("a")
    assert acts(folder) == [("ann", "approve", "d0003"), ("bob", "approve", "d0003")]
    for reader in readers:
        reader.page.close()


def test_arrows_and_letters_move_through_the_list(reader: Reader) -> None:
    assert reader.pair == "d0001"
    reader.keys("j", "ArrowDown")
    assert reader.pair == "d0003"
    reader.keys("k", "ArrowUp", "k")
    assert reader.pair == "d0001"
    assert reader.page.locator('.row[aria-current="true"] .id').all_inner_texts() == ["d0001"]
    assert reader.page.evaluate("document.activeElement.tagName") == "H2"


def test_a_search_by_slash_narrows_the_list_and_keys_typed_there_decide_nothing(reader: Reader, told: Night) -> None:
    reader.keys("/")
    reader.page.keyboard.type("purse ard")
    reader.waits_for(".nothing", "No pair is like that")
    reader.page.keyboard.press("Control+a")
    reader.page.keyboard.type("purse")
    reader.waits_for(".shown", "2 pairs of 7")
    assert reader.list() == ["n0000", "n0001"]
    reader.keys("Enter", "j", "a")
    assert told.acts() == [("approve", "n0000")]
    reader.page.select_option("select[name=state]", "approved")
    reader.waits_for(".shown", "1 pair of 7")


def test_evidence_and_the_way_of_comparing_stay_as_chosen_from_pair_to_pair(reader: Reader) -> None:
    assert not reader.page.locator(".evidence .opening").first.is_visible()
    reader.keys("o", "v")
    assert reader.page.locator(".evidence .opening").first.is_visible()
    assert reader.page.locator(".two").first.is_visible()
    assert not reader.page.locator(".one").first.is_visible()
    reader.keys("j")
    assert reader.page.locator(".evidence .opening").first.is_visible()
    assert reader.page.locator(".two").first.is_visible()
    reader.keys("o")
    assert not reader.page.locator(".evidence .opening").first.is_visible()


def test_an_edit_shows_that_it_is_checked_and_cannot_be_approved_before(reader: Reader, told: Night) -> None:
    gate = threading.Event()

    def patient(pair: Pair) -> list[Finding]:
        gate.wait(20)
        return seen(pair)

    told.recheck = patient
    reader.keys("e")
    reader.page.fill("#edit-positive", STEM + TYPED)
    reader.keys("Control+Enter")
    try:
        reader.waits_for(".checking", "Checking the new texts")
        reader.keys("a", "j", "r")
        assert told.acts() == [("edit", "d0001"), ("reject", "d0002")]
        reader.waits_for("#row-1 .chip", "checking…")
    finally:
        gate.set()
    reader.waits_for("#row-1 .chip", "edited, to approve")
    reader.keys("k", "k")
    assert reader.pair == "d0001"
    reader.keys("a")
    assert told.session().card("d0001").effect == "replace"


def test_escape_leaves_an_edit_and_stores_nothing(reader: Reader, told: Night) -> None:
    reader.keys("e")
    reader.page.keyboard.type("something else")
    reader.keys("Escape")
    assert reader.page.locator(".editor").count() == 0
    assert told.acts() == []


def test_typed_texts_are_not_left_by_mistake(reader: Reader, told: Night) -> None:
    reader.keys("e")
    reader.page.keyboard.type(" more")
    reader.page.click("#unflagged")
    assert reader.complaints.pop() == "Leave the texts that you have not stored?"
    assert reader.page.input_value("#edit-positive").endswith(" more")
    reader.keys("Control+Enter")
    reader.waits_for("p.checking.good")
    assert told.session().card("d0001").ours.positive.text.endswith(" more")


def test_a_note_is_written_by_key_and_goes_with_the_decision(reader: Reader, told: Night) -> None:
    reader.keys("n")
    reader.page.keyboard.type("aye, darker than the rest")
    reader.keys("Enter", "r")
    assert [(d.act, d.note) for d in told.log.read().decisions] == [(Act.REJECT, "aye, darker than the rest")]


def test_two_reviewers_see_each_other_before_they_decide(reader: Reader, told: Night) -> None:
    bob = told.session("bob")
    bob.edit("d0001", STEM + TYPED, STEM + KEPT, bob.card("d0001").version_token)
    reader.keys("a")
    reader.waits_for(".alarm", "d0001 has changed since you saw it")
    assert "Edited by bob" in reader.page.inner_text("#panel")
    assert [act for act, _ in told.acts()] == ["edit", "recheck"]
    reader.keys("a")
    assert told.acts()[-1] == ("approve", "d0001")


def test_all_unflagged_are_approved_after_a_step_that_says_how_many(reader: Reader, told: Night) -> None:
    reader.page.click("#unflagged")
    reader.waits_for("#panel h2", "Approve 3 unflagged pairs of toy/refusal?")
    reader.keys("Escape")
    assert told.acts() == []
    reader.page.click("#unflagged")
    reader.page.click("text=Yes, approve these 3")
    reader.waits_for("#progress", "3 of 6 decided")
    reader.waits_for(".shown", "3 pairs of 7")
    assert reader.list() == ["d0002", "d0003", "d0004"]
    reader.keys("u")
    reader.waits_for("#progress", "0 of 6 decided")


def test_help_opens_and_closes_by_key_and_keys_do_nothing_behind_it(reader: Reader, told: Night) -> None:
    reader.keys("?")
    assert reader.page.locator("#help").is_visible()
    reader.keys("a")
    reader.keys("Escape")
    assert not reader.page.locator("#help").is_visible()
    assert told.acts() == []


def test_a_server_that_has_gone_is_told(chromium: Browser, told: Night) -> None:
    with serving([told.session()]) as served:
        reader = Reader(chromium, served)
    reader.page.keyboard.press("a")
    reader.waits_for("#said", "The review has ended in the terminal")
    assert told.acts() == []
    reader.page.close()
