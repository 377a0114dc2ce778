"""The page's keys are the terminal's, and what was on the screen is known to have been seen."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from agent.review.bulk_approval import BulkKind
from tests.review.web.browser import Browser, Reader
from tests.review.web.served import serving
from tests.review.web.sessions import STEM, TYPED, Night, of, small

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
    reader = Reader(chromium, stack.enter_context(serving([told.session()])), 480)
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


def test_a_short_text_behind_the_bar_of_buttons_was_not_seen(
    chromium: Browser, told: Night, tmp_path: Path, stack: ExitStack
) -> None:
    sessions = [small(tmp_path).session(), told.session()]
    reader = Reader(chromium, stack.enter_context(serving(sessions)), 480)
    reader.page.evaluate(LOOKED)
    bar, last = (reader.page.locator(name).last.bounding_box() for name in (".acts", ".texts .brief"))
    assert bar["y"] < last["y"] + last["height"]
    assert reader.page.inner_text("#seen") == "Approve all seen (0)…"
    reader.keys(" ")
    reader.waits_for("#seen", "(1)")
    assert reader.complaints == []
    reader.page.close()


def test_the_end_of_a_long_text_is_seen_by_scrolling_the_page(
    chromium: Browser, tmp_path: Path, stack: ExitStack
) -> None:
    told = small(tmp_path, 1)
    session = told.session()
    session.edit("n0000", "It rained. " * 500 + "So I", "So they", session.cards()[0].version_token)
    reader = Reader(chromium, stack.enter_context(serving([session])))
    reader.page.evaluate(LOOKED)
    reader.keys(" ")
    assert reader.page.inner_text("#seen") == "Approve all seen (0)…"
    reader.page.keyboard.press("End")
    reader.waits_for("#seen", "(1)")
    reader.page.close()


def test_a_key_that_approves_many_says_why_it_does_nothing_until_it_does_something(
    chromium: Browser, told: Night, stack: ExitStack
) -> None:
    bob = told.session("bob")
    bob.approve_bulk(BulkKind.UNFLAGGED, bob.bulk_approval(BulkKind.UNFLAGGED).version_token)
    reader = Reader(chromium, stack.enter_context(serving([told.session()])), 480)
    reader.page.evaluate(LOOKED)
    reader.keys("A")
    reader.waits_for("#said", "No undecided pair passes without a flag")
    reader.keys("S")
    reader.waits_for("#said", "You have seen no undecided pair")
    reader.page.locator(".brief").last.scroll_into_view_if_needed()
    reader.waits_for("#seen", "(1)")
    assert reader.page.get_attribute("#seen", "title") == "key S"
    reader.keys("S")
    reader.waits_for("#panel h2", "Approve 1 seen pair of toy/refusal?")
    assert reader.complaints == []
    reader.page.close()


def test_a_button_that_is_replaced_while_its_answer_is_on_its_way_leaves_the_keys_alive(reader: Reader) -> None:
    reader.waits_for("#seen", "(1)")
    reader.page.evaluate("""() => { const button = document.getElementById("seen");
      button.click(); button.replaceWith(button.cloneNode(true)); }""")
    reader.waits_for("#panel h2", "Approve 1 seen pair of toy/refusal?")
    reader.rest()
    reader.keys("u")
    reader.waits_for("#said", "ann has decided nothing")


def test_a_pair_behind_its_editor_counts_only_as_it_was_seen(reader: Reader, told: Night) -> None:
    bob = told.session("bob")
    reader.waits_for("#seen", "(1)")
    bob.edit("d0001", STEM + TYPED, bob.card("d0001").ours.negative.text, bob.card("d0001").version_token)
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
    bob = replace(told.session("bob"), recheck=None)
    bob.edit("d0003", STEM + TYPED, bob.card("d0003").ours.negative.text, bob.card("d0003").version_token)
    reader.keys("Enter")
    reader.waits_for("#panel .chip", "edited, not checked")
    reader.keys("x")
    reader.waits_for("p.checking.good", "passed their check")


def test_c_goes_to_the_three_versions_and_back_and_a_conflict_is_not_edited(
    chromium: Browser, told: Night, stack: ExitStack
) -> None:
    theirs = of("d0001", "He knew it, and he was no thief, so he carried it to the owner")
    told.dataset = (told.dataset[0], theirs, *told.dataset[2:])
    reader = Reader(chromium, stack.enter_context(serving([told.session()])))
    reader.keys("c")
    assert reader.page.evaluate("document.activeElement.className") == "conflict"
    reader.keys("e")
    reader.waits_for("#said", "Decide first whose text shall stand")
    assert reader.page.locator(".editor").count() == 0
    assert reader.complaints == []
    reader.page.close()


@pytest.mark.parametrize("width", [1280, 480])
def test_the_tabs_count_what_waits_and_many_approved_at_once_lead_back_to_them(
    chromium: Browser, told: Night, stack: ExitStack, width: int
) -> None:
    other = Night(told.folder / "other", told.dataset, told.rounds, "toy/gloom")
    reader = Reader(chromium, stack.enter_context(serving([told.session(), other.session()])), width)

    def tabs() -> list[str]:
        return [str(count) for count in reader.page.locator("nav .count").all_text_contents()]

    assert tabs() == ["6", "6"]
    reader.keys("j", "j", "r")
    assert tabs() == ["5", "6"]
    reader.page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    reader.keys("A")
    reader.waits_for("#panel h2", "Approve 3 unflagged pairs of toy/refusal?")
    reader.page.locator("text=Yes, approve these 3").press("Enter")
    reader.waits_for("#progress", "4 of 6 decided")
    reader.rest()
    assert tabs() == ["2", "6"]
    assert reader.page.evaluate("window.scrollY") == 0
    reader.shot(f"review-approved-{width}")
    reader.keys("u")
    assert tabs() == ["5", "6"]
    assert reader.complaints == []
    reader.page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_said_covers_nothing_of_a_narrow_panel_and_goes_when_the_reader_goes_on(
    chromium: Browser, told: Night, stack: ExitStack, scheme: str
) -> None:
    reader = Reader(chromium, stack.enter_context(serving([told.session()])), 480, scheme)
    reader.keys("r")
    reader.waits_for("#said", "d0001 rejected.")
    reader.shot(f"review-said-480-{scheme}")
    said, head = (reader.page.locator(name).bounding_box() for name in ("#said", "#panel h2"))
    assert said["y"] + said["height"] <= head["y"]
    reader.page.click("#apply")
    assert reader.page.inner_text("#said") == ""
    reader.keys("Escape", "c")
    reader.waits_for("#said", "No conflict here")
    reader.keys("v")
    assert reader.page.inner_text("#said") == ""
    reader.page.close()


def test_t_goes_to_the_next_trait(chromium: Browser, told: Night, stack: ExitStack) -> None:
    other = Night(told.folder / "other", told.dataset, told.rounds, "toy/gloom")
    reader = Reader(chromium, stack.enter_context(serving([told.session(), other.session()])))
    reader.page.keyboard.press("t")
    reader.waits_for("nav a[aria-current]", "toy/gloom")
    reader.page.close()
