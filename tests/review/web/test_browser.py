"""The review page in a real browser, by keyboard: read, edit, approve, reject, undo, apply."""

import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from agent.app.review import apply_actions, open_sessions
from agent.app.run import ExperimentOptions
from agent.schema import Act, Finding, Pair
from tests.cli.finished_run import dataset_of, finished, session_of
from tests.cli.scripted import NEGATIVE, POSITIVE, scripted, tree
from tests.review.web.browser import Browser, PageDriver
from tests.review.web.served import serving
from tests.review.web.sessions import STEM, TYPED_ENDING, ReviewedRun, findings_for

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


def test_a_finished_run_is_edited_and_decided_by_keyboard(chromium: Browser, folder: Path, stack: ExitStack) -> None:
    before = tree(dataset_of(folder))
    sessions = open_sessions(ExperimentOptions(folder), "ann", backends=scripted())
    driver = PageDriver(chromium, stack.enter_context(serving(sessions)))
    assert driver.list() == ["d0003", "n0000", "n0001"]
    assert driver.page.locator("#panel del").count() > 0
    driver.keys("a")
    assert driver.pair == "n0000"
    driver.keys("e", "Control+a")
    driver.page.keyboard.type(GOOD)
    driver.keys("Control+Enter")
    driver.wait_for("p.checking.good", "passed their check")
    driver.keys("a")
    assert driver.pair == "n0001"
    driver.keys("a", "u", "r")
    assert acts(folder) == [
        ("ann", "approve", "d0003"),
        ("ann", "edit", "n0000"),
        ("ann", "approve", "n0000"),
        ("ann", "approve", "n0001"),
        ("ann", "undo", "n0001"),
        ("ann", "reject", "n0001"),
    ]
    assert tree(dataset_of(folder)) == before
    assert (driver.messages, len(driver.hosts)) == ([], 1)
    driver.page.close()


def test_the_folder_changes_by_exactly_what_was_approved_and_back(
    chromium: Browser, folder: Path, stack: ExitStack
) -> None:
    order, before, session = ExperimentOptions(folder), tree(dataset_of(folder)), session_of(folder)
    sessions = open_sessions(order, "ann", backends=scripted())
    driver = PageDriver(chromium, stack.enter_context(serving(sessions, apply_actions(sessions, order))))
    driver.keys("a", "a", "r")
    driver.page.locator("#apply").press("Enter")
    driver.wait_for("#panel h2", "Apply approved changes")
    assert tree(dataset_of(folder)) == before
    driver.page.locator("text=Write 2 changes to the dataset").press("Enter")
    driver.wait_for(".done", "1 changed, 1 added, 0 removed")
    for name, texts in (("positive", POSITIVE), ("negative", NEGATIVE)):
        changed, added = (getattr(session.card(pair).ours, name).text for pair in ("d0003", "n0000"))
        assert (dataset_of(folder) / f"{name}.txt").read_text().split("\n") == [*texts[:3], changed, added, ""]
    driver.page.locator("text=Undo the last apply").press("Enter")
    driver.wait_for(".done", "Your decisions are kept")
    assert tree(dataset_of(folder)) == before
    assert (driver.messages, len(driver.hosts)) == ([], 1)
    driver.page.close()


def test_arrows_and_letters_move_through_the_list(driver: PageDriver) -> None:
    assert driver.pair == "d0001"
    driver.keys("j", "ArrowDown")
    assert driver.pair == "d0003"
    driver.keys("k", "ArrowUp", "k")
    assert driver.pair == "d0001"
    assert driver.page.locator('.row[aria-current="true"] .id').all_inner_texts() == ["d0001"]
    assert driver.page.evaluate("document.activeElement.tagName") == "H2"


def test_a_search_narrows_the_list_and_its_keys_decide_nothing(driver: PageDriver, run: ReviewedRun) -> None:
    driver.keys("/")
    driver.page.keyboard.type("purse ard")
    driver.wait_for(".nothing", "No pair matches")
    driver.page.keyboard.press("Control+a")
    driver.page.keyboard.type("purse")
    driver.wait_for(".shown", "2 pairs of 7")
    assert driver.list() == ["n0000", "n0001"]
    driver.keys("Enter", "j", "a")
    assert run.stored_acts() == [("approve", "n0000")]
    driver.page.select_option("select[name=state]", "approved")
    driver.wait_for(".shown", "1 pair of 7")


def test_the_evidence_and_the_diff_view_stay_as_chosen(driver: PageDriver) -> None:
    assert not driver.page.locator(".evidence .opening").first.is_visible()
    driver.keys("o", "v")
    assert driver.page.locator(".evidence .opening").first.is_visible()
    assert driver.page.locator(".two").first.is_visible()
    assert not driver.page.locator(".one").first.is_visible()
    driver.keys("j")
    assert driver.page.locator(".evidence .opening").first.is_visible()
    assert driver.page.locator(".two").first.is_visible()
    driver.keys("o")
    assert not driver.page.locator(".evidence .opening").first.is_visible()


def test_an_edit_is_shown_as_being_checked_and_cannot_be_approved_before(driver: PageDriver, run: ReviewedRun) -> None:
    may_end = threading.Event()

    def slow_check(pair: Pair) -> list[Finding]:
        may_end.wait(20)
        return findings_for(pair)

    run.recheck = slow_check
    driver.keys("e")
    driver.page.fill("#edit-positive", STEM + TYPED_ENDING)
    driver.keys("Control+Enter")
    try:
        driver.wait_for(".checking", "Checking the edit")
        driver.keys("a", "j", "r")
        assert run.stored_acts() == [("edit", "d0001"), ("reject", "d0002")]
        driver.wait_for("#row-1 .chip", "checking…")
    finally:
        may_end.set()
    driver.wait_for("#row-1 .chip", "edited, ready to approve")
    driver.keys("k", "k")
    assert driver.pair == "d0001"
    driver.keys("a")
    assert run.session().card("d0001").effect == "replace"


def test_escape_leaves_an_edit_and_stores_nothing(driver: PageDriver, run: ReviewedRun) -> None:
    driver.keys("e")
    driver.page.keyboard.type("something else")
    driver.keys("Escape")
    assert driver.page.locator(".editor").count() == 0
    assert run.stored_acts() == []


def test_unsaved_texts_are_not_discarded_without_asking(driver: PageDriver, run: ReviewedRun) -> None:
    driver.keys("e")
    driver.page.keyboard.type(" more")
    driver.page.click("#unflagged")
    assert driver.messages.pop() == "Discard your unsaved texts?"
    assert driver.page.input_value("#edit-positive").endswith(" more")
    driver.keys("Control+Enter")
    driver.wait_for("p.checking.good")
    assert run.session().card("d0001").ours.positive.text.endswith(" more")


def test_a_note_is_stored_with_the_decision(driver: PageDriver, run: ReviewedRun) -> None:
    driver.keys("n")
    driver.page.keyboard.type("darker than the rest")
    driver.keys("Enter", "r")
    assert [(d.act, d.note) for d in run.log.read().decisions] == [(Act.REJECT, "darker than the rest")]


def test_help_opens_and_closes_by_key_and_blocks_other_keys(driver: PageDriver, run: ReviewedRun) -> None:
    driver.keys("?")
    assert driver.page.locator("#help").is_visible()
    driver.keys("a")
    driver.keys("Escape")
    assert not driver.page.locator("#help").is_visible()
    assert run.stored_acts() == []


def test_a_stopped_server_is_reported(chromium: Browser, run: ReviewedRun) -> None:
    with serving([run.session()]) as served:
        driver = PageDriver(chromium, served)
    driver.page.keyboard.press("a")
    driver.wait_for("#message", "The review server has stopped")
    assert run.stored_acts() == []
    driver.page.close()
