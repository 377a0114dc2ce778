"""The page's keys are the terminal's, and what was on the screen is known to have been seen."""

from contextlib import ExitStack
from dataclasses import replace

import pytest

from agent.review.batch import Many
from tests.review.web.browser import Browser, Reader
from tests.review.web.desks import STEM, TYPED, Night, of
from tests.review.web.served import serving

pytestmark = pytest.mark.browser

# Until whoever watched the verdicts before has been told where they are.
LOOKED = """() => new Promise((done) =>
  new IntersectionObserver(() => requestAnimationFrame(done)).observe(document.querySelector(".brief")))"""


def test_what_was_on_the_screen_is_approved_at_once_and_nothing_else(reader: Reader, told: Night) -> None:
    reader.waits_for("#seen", "Approve all seen (1)")
    reader.keys("j")
    reader.waits_for("#seen", "(2)")
    reader.keys("S")
    reader.waits_for("#panel h2", "Approve 2 seen pairs of toy/refusal?")
    assert told.acts() == []
    reader.page.click("text=Yes, approve these 2")
    reader.waits_for("#progress", "2 of 6 decided")
    assert told.acts() == [("approve", "d0001"), ("approve", "d0002")]
    reader.keys("u")
    reader.waits_for("#progress", "0 of 6 decided")


def test_a_pair_below_the_edge_of_a_small_window_is_seen_once_it_was_scrolled_to(
    chromium: Browser, told: Night, stack: ExitStack
) -> None:
    reader = Reader(chromium, stack.enter_context(serving([told.desk()])), 480)
    told_of: list[str] = []
    reader.page.on("request", lambda request: told_of.append(request.url.rpartition("/")[2]))
    reader.page.reload()
    reader.page.evaluate(LOOKED)
    assert "seen" not in told_of
    assert reader.page.inner_text("#seen") == "Approve all seen (0)…"
    reader.page.locator(".brief").last.scroll_into_view_if_needed()
    reader.waits_for("#seen", "(1)")
    assert reader.complaints == []
    reader.page.close()


def test_a_key_that_approves_many_says_why_it_does_nothing_until_it_does_something(
    chromium: Browser, told: Night, stack: ExitStack
) -> None:
    bob = told.desk("bob")
    bob.approve_many(Many.UNFLAGGED, bob.batch(Many.UNFLAGGED).seal)
    reader = Reader(chromium, stack.enter_context(serving([told.desk()])), 480)
    reader.page.evaluate(LOOKED)
    reader.keys("A")
    reader.waits_for("#said", "No open pair is free of flags and passes")
    reader.keys("S")
    reader.waits_for("#said", "You have seen no pair in this session that still waits")
    reader.page.locator(".brief").last.scroll_into_view_if_needed()
    reader.waits_for("#seen", "(1)")
    assert reader.page.get_attribute("#seen", "title") == "key S"
    reader.keys("S")
    reader.waits_for("#panel h2", "Approve 1 seen pair of toy/refusal?")
    assert reader.complaints == []
    reader.page.close()


def test_a_pair_behind_its_editor_counts_only_as_it_was_seen(reader: Reader, told: Night) -> None:
    bob = told.desk("bob")
    reader.waits_for("#seen", "(1)")
    bob.edit("d0001", STEM + TYPED, bob.card("d0001").ours.negative.text, bob.card("d0001").seal)
    reader.keys("e", "S", "Escape")
    reader.waits_for("#seen", "(1)")
    reader.keys("S")
    reader.waits_for("#panel h2", "Approve 1 seen pair of toy/refusal?")
    assert [act for act, _ in told.acts()] == ["edit", "recheck"]


@pytest.mark.parametrize("stores", ["Control+s", "Control+Enter"])
def test_an_edit_is_stored_by_the_terminals_key_and_by_the_browsers(reader: Reader, told: Night, stores: str) -> None:
    reader.keys("e")
    reader.page.fill("#edit-positive", STEM + TYPED)
    reader.keys(stores)
    reader.waits_for("p.checking.good", "passed their check")
    assert [act for act, _ in told.acts()] == ["edit", "recheck"]


def test_escape_ends_a_search_in_its_field_and_after_it(reader: Reader) -> None:
    for ends in (("Escape",), ("Enter", "Escape")):
        reader.keys("/")
        reader.page.keyboard.type("purse")
        reader.waits_for(".shown", "2 pairs of 7")
        reader.keys(*ends)
        reader.waits_for(".shown", "6 pairs of 7")
        assert reader.page.input_value("#q") == ""
        assert reader.page.evaluate("document.activeElement.id") != "q"


def test_skip_filter_and_check_answer_to_the_keys_of_the_terminal(reader: Reader, told: Night) -> None:
    reader.keys("s", "s")
    assert reader.pair == "d0003"
    reader.keys("c")
    reader.waits_for("#said", "No conflict here")
    reader.keys("t")
    reader.waits_for("#said", "one trait with a proposal")
    reader.keys("f")
    reader.waits_for(".shown", "7 pairs")
    bob = replace(told.desk("bob"), recheck=None)
    bob.edit("d0003", STEM + TYPED, bob.card("d0003").ours.negative.text, bob.card("d0003").seal)
    reader.keys("Enter")
    reader.waits_for("#panel .chip", "edited, not checked")
    reader.keys("x")
    reader.waits_for("p.checking.good", "passed their check")


def test_c_goes_to_the_three_versions_and_back_and_a_conflict_is_not_edited(
    chromium: Browser, told: Night, stack: ExitStack
) -> None:
    theirs = of("d0001", "He knew it, and he was no thief, so he carried it to the owner")
    told.dataset = (told.dataset[0], theirs, *told.dataset[2:])
    reader = Reader(chromium, stack.enter_context(serving([told.desk()])))
    reader.keys("c")
    assert reader.page.evaluate("document.activeElement.className") == "conflict"
    reader.keys("e")
    reader.waits_for("#said", "Decide first whose text shall stand")
    assert reader.page.locator(".editor").count() == 0
    assert reader.complaints == []
    reader.page.close()


def test_t_goes_to_the_next_trait(chromium: Browser, told: Night, stack: ExitStack) -> None:
    other = Night(told.folder / "other", told.dataset, told.rounds, "toy/gloom")
    reader = Reader(chromium, stack.enter_context(serving([told.desk(), other.desk()])))
    reader.page.keyboard.press("t")
    reader.waits_for("nav a[aria-current]", "toy/gloom")
    reader.page.close()
