"""Keys of the review page in a real browser, and which pairs count as seen."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from agent.review.session import BulkKind
from tests.review.web.browser import Browser, PageDriver
from tests.review.web.served import serving
from tests.review.web.sessions import STEM, TYPED_ENDING, ReviewedRun, drafted_run, pair_of

pytestmark = pytest.mark.browser

# Until the page's own observer of the verdicts has run.
OBSERVED = """() => new Promise((done) =>
  new IntersectionObserver(() => requestAnimationFrame(done)).observe(document.querySelector(".brief")))"""


def test_only_pairs_that_were_on_the_screen_are_approved_as_seen(driver: PageDriver, run: ReviewedRun) -> None:
    driver.wait_for("#seen", "Approve all seen (1)")
    driver.keys("j")
    driver.wait_for("#seen", "(2)")
    driver.keys("S")
    driver.wait_for("#panel h2", "Approve 2 seen pairs of toy/refusal?")
    assert run.stored_acts() == []
    driver.page.click("text=Yes, approve these 2")
    driver.wait_for("#progress", "2 of 6 decided")
    assert run.stored_acts() == [("approve", "d0001"), ("approve", "d0002")]
    driver.keys("u")
    driver.wait_for("#progress", "0 of 6 decided")


def test_a_pair_below_the_edge_of_a_small_window_counts_as_seen_once_scrolled_to(
    chromium: Browser, run: ReviewedRun, stack: ExitStack
) -> None:
    driver = PageDriver(chromium, stack.enter_context(serving([run.session()])), 480)
    requested: list[str] = []
    driver.page.on("request", lambda request: requested.append(request.url.rpartition("/")[2]))
    driver.page.reload()
    driver.page.evaluate(OBSERVED)
    assert "seen" not in requested
    assert driver.page.inner_text("#seen") == "Approve all seen (0)…"
    driver.page.locator(".brief").last.scroll_into_view_if_needed()
    driver.wait_for("#seen", "(1)")
    assert driver.messages == []
    driver.page.close()


def test_a_text_behind_the_button_bar_does_not_count_as_seen(
    chromium: Browser, run: ReviewedRun, tmp_path: Path, stack: ExitStack
) -> None:
    sessions = [drafted_run(tmp_path).session(), run.session()]
    driver = PageDriver(chromium, stack.enter_context(serving(sessions)), 480)
    driver.page.evaluate(OBSERVED)
    bar, last = (driver.page.locator(name).last.bounding_box() for name in (".acts", ".texts .brief"))
    assert bar["y"] < last["y"] + last["height"]
    assert driver.page.inner_text("#seen") == "Approve all seen (0)…"
    driver.keys(" ")
    driver.wait_for("#seen", "(1)")
    assert driver.messages == []
    driver.page.close()


def test_a_long_text_counts_as_seen_at_its_end(chromium: Browser, tmp_path: Path, stack: ExitStack) -> None:
    run = drafted_run(tmp_path, 1)
    session = run.session()
    session.edit("n0000", "It rained. " * 500 + "So I", "So they", session.cards()[0].version_token)
    driver = PageDriver(chromium, stack.enter_context(serving([session])))
    driver.page.evaluate(OBSERVED)
    driver.keys(" ")
    assert driver.page.inner_text("#seen") == "Approve all seen (0)…"
    driver.page.keyboard.press("End")
    driver.wait_for("#seen", "(1)")
    driver.page.close()


def test_a_bulk_key_says_why_it_is_disabled(chromium: Browser, run: ReviewedRun, stack: ExitStack) -> None:
    bob = run.session("bob")
    bob.approve_bulk(BulkKind.UNFLAGGED, bob.bulk_approval(BulkKind.UNFLAGGED).version_token)
    driver = PageDriver(chromium, stack.enter_context(serving([run.session()])), 480)
    driver.page.evaluate(OBSERVED)
    driver.keys("A")
    driver.wait_for("#message", "No undecided pair passes without a flag")
    driver.keys("S")
    driver.wait_for("#message", "You have seen no undecided pair")
    driver.page.locator(".brief").last.scroll_into_view_if_needed()
    driver.wait_for("#seen", "(1)")
    assert driver.page.get_attribute("#seen", "title") == "key S"
    driver.keys("S")
    driver.wait_for("#panel h2", "Approve 1 seen pair of toy/refusal?")
    assert driver.messages == []
    driver.page.close()


def test_a_button_replaced_during_its_request_leaves_the_keys_usable(driver: PageDriver) -> None:
    driver.wait_for("#seen", "(1)")
    driver.page.evaluate("""() => { const button = document.getElementById("seen");
      button.click(); button.replaceWith(button.cloneNode(true)); }""")
    driver.wait_for("#panel h2", "Approve 1 seen pair of toy/refusal?")
    driver.wait_idle()
    driver.keys("u")
    driver.wait_for("#message", "ann has made no decision that could be undone")


def test_a_pair_in_the_editor_counts_only_as_it_was_seen(driver: PageDriver, run: ReviewedRun) -> None:
    bob = run.session("bob")
    driver.wait_for("#seen", "(1)")
    bob.edit("d0001", STEM + TYPED_ENDING, bob.card("d0001").ours.negative.text, bob.card("d0001").version_token)
    driver.keys("e", "S", "Escape")
    driver.wait_for("#seen", "(1)")
    driver.keys("S")
    driver.wait_for("#panel h2", "Approve 1 seen pair of toy/refusal?")
    assert [act for act, _ in run.stored_acts()] == ["edit", "recheck"]


@pytest.mark.parametrize("stores", ["Control+s", "Control+Enter"])
def test_an_edit_is_saved_by_either_key(driver: PageDriver, run: ReviewedRun, stores: str) -> None:
    driver.keys("e")
    driver.page.fill("#edit-positive", STEM + TYPED_ENDING)
    driver.keys(stores)
    driver.wait_for("p.checking.good", "passed their check")
    assert [act for act, _ in run.stored_acts()] == ["edit", "recheck"]


def test_escape_ends_a_search_in_its_field_and_after_it(driver: PageDriver) -> None:
    for ends in (("Escape",), ("Enter", "Escape")):
        driver.keys("/")
        driver.page.keyboard.type("purse")
        driver.wait_for(".shown", "2 pairs of 7")
        driver.keys(*ends)
        driver.wait_for(".shown", "6 pairs of 7")
        assert driver.page.input_value("#q") == ""
        assert driver.page.evaluate("document.activeElement.id") != "q"


def test_skip_conflict_trait_filter_reload_and_check_by_key(driver: PageDriver, run: ReviewedRun) -> None:
    driver.keys("s", "s")
    assert driver.pair == "d0003"
    driver.keys("c")
    driver.wait_for("#message", "No conflict:")
    driver.keys("t")
    driver.wait_for("#message", "one trait with a proposal")
    driver.keys("f")
    driver.wait_for(".shown", "7 pairs")
    bob = replace(run.session("bob"), recheck=None)
    bob.edit("d0003", STEM + TYPED_ENDING, bob.card("d0003").ours.negative.text, bob.card("d0003").version_token)
    driver.keys("Enter")
    driver.wait_for("#panel .chip", "edited, not checked")
    driver.keys("x")
    driver.wait_for("p.checking.good", "passed their check")


def test_c_focuses_the_three_versions_and_a_conflict_is_not_edited(
    chromium: Browser, run: ReviewedRun, stack: ExitStack
) -> None:
    theirs = pair_of("d0001", "He knew it, and he was no thief, so he carried it to the owner")
    run.dataset = (run.dataset[0], theirs, *run.dataset[2:])
    driver = PageDriver(chromium, stack.enter_context(serving([run.session()])))
    driver.keys("c")
    assert driver.page.evaluate("document.activeElement.className") == "conflict"
    driver.keys("e")
    driver.wait_for("#message", "Resolve the conflict first")
    assert driver.page.locator(".editor").count() == 0
    assert driver.messages == []
    driver.page.close()


@pytest.mark.parametrize("width", [1280, 480])
def test_tabs_count_pending_pairs_and_a_bulk_approval_scrolls_to_them(
    chromium: Browser, run: ReviewedRun, stack: ExitStack, width: int
) -> None:
    other = ReviewedRun(run.folder / "other", run.dataset, run.rounds, "toy/gloom")
    driver = PageDriver(chromium, stack.enter_context(serving([run.session(), other.session()])), width)

    def tabs() -> list[str]:
        return [str(count) for count in driver.page.locator("nav .count").all_text_contents()]

    assert tabs() == ["6", "6"]
    driver.keys("j", "j", "r")
    assert tabs() == ["5", "6"]
    driver.page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    driver.keys("A")
    driver.wait_for("#panel h2", "Approve 3 unflagged pairs of toy/refusal?")
    driver.page.locator("text=Yes, approve these 3").press("Enter")
    driver.wait_for("#progress", "4 of 6 decided")
    driver.wait_idle()
    assert tabs() == ["2", "6"]
    assert driver.page.evaluate("window.scrollY") == 0
    driver.shot(f"review-approved-{width}")
    driver.keys("u")
    assert tabs() == ["5", "6"]
    assert driver.messages == []
    driver.page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_message_covers_nothing_of_a_narrow_panel_and_disappears_at_the_next_key(
    chromium: Browser, run: ReviewedRun, stack: ExitStack, scheme: str
) -> None:
    driver = PageDriver(chromium, stack.enter_context(serving([run.session()])), 480, scheme)
    driver.keys("r")
    driver.wait_for("#message", "d0001 rejected.")
    driver.shot(f"review-message-480-{scheme}")
    message, head = (driver.page.locator(name).bounding_box() for name in ("#message", "#panel h2"))
    assert message["y"] + message["height"] <= head["y"]
    driver.page.click("#apply")
    assert driver.page.inner_text("#message") == ""
    driver.keys("Escape", "c")
    driver.wait_for("#message", "No conflict:")
    driver.keys("v")
    assert driver.page.inner_text("#message") == ""
    driver.page.close()


def test_t_goes_to_the_next_trait(chromium: Browser, run: ReviewedRun, stack: ExitStack) -> None:
    other = ReviewedRun(run.folder / "other", run.dataset, run.rounds, "toy/gloom")
    driver = PageDriver(chromium, stack.enter_context(serving([run.session(), other.session()])))
    driver.page.keyboard.press("t")
    driver.wait_for("nav a[aria-current]", "toy/gloom")
    driver.page.close()
