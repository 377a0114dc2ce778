"""The look of the page: it fits, is readable in both colour schemes, and only displays hostile texts."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from agent.review.web.views import ApplyActions
from agent.schema import Act
from tests.review.web.browser import Browser, PageDriver
from tests.review.web.served import serving
from tests.review.web.sessions import NEGATIVE_ENDING, STEM, TYPED_ENDING, ReviewedRun, drafted_run, pair_of

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 480])
def test_the_page_fits_its_window_in_both_schemes(
    chromium: Browser, run: ReviewedRun, stack: ExitStack, scheme: str, width: int
) -> None:
    run.dataset = (
        *run.dataset[:4],
        pair_of("d0004", "Somebody was here, and then they", stem="The letter was not for them. "),
    )
    driver = PageDriver(chromium, stack.enter_context(serving([run.session()])), width, scheme)
    driver.shot(f"review-{scheme}-{width}")
    for keys in (("o",), ("v",), ("j", "j", "j"), ("k", "e")):
        driver.keys(*keys)
        assert driver.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        driver.shot(f"review-{scheme}-{width}-{keys[-1]}")
    driver.keys("Escape", "k", "k", "?")
    driver.shot(f"review-{scheme}-{width}-help")
    assert driver.messages == []
    driver.page.close()


CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => { for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor);
    if (c[3] === 255) return c; } return [255, 255, 255]; };
  const poor = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.checkVisibility() || e.closest(":disabled, .visually-hidden, option, noscript")) continue;
    const [a, b] = [light(rgba(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.push(`${e.tagName}.${e.className}: ${ratio.toFixed(2)}`);
  }
  return poor;
}"""

NAMELESS = """() => [...document.querySelectorAll("button, a, input:not([type=hidden]), select, textarea")]
  .filter((e) => !(e.innerText || e.textContent || "").trim() && !e.labels?.length && !e.ariaLabel && !e.title)
  .map((e) => e.outerHTML)"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_has_a_name_and_enough_contrast(
    chromium: Browser, run: ReviewedRun, stack: ExitStack, scheme: str
) -> None:
    bob = run.session("bob")
    bob.edit("d0001", STEM + TYPED_ENDING, STEM + NEGATIVE_ENDING, bob.card("d0001").version_token)
    bob.decide("d0002", Act.REJECT, bob.card("d0002").version_token)
    driver = PageDriver(chromium, stack.enter_context(serving([run.session()])), scheme=scheme)
    driver.page.select_option("select[name=state]", "all")
    driver.wait_for(".shown", "7 pairs")
    for keys in ((), ("o",), ("v",), ("j",), ("e",), ("Escape", "?")):
        driver.keys(*keys)
        assert driver.page.evaluate(CONTRAST) == []
        assert driver.page.evaluate(NAMELESS) == []
    driver.page.close()


HOSTILE = (
    "<script>window.ran = 1; fetch('http://198.51.100.1/')</script>",
    "<img src=http://198.51.100.1/x onerror='window.ran = 1'>",
    "</textarea></template></script><svg onload='window.ran = 1'>",
    '"><a href="javascript:window.ran=1" autofocus onfocus="window.ran=1">x</a>',
    '" hx-on::load="window.ran = 1" hx-trigger="load" hx-get="http://198.51.100.1/',
    "{{ 7 * 7 }} {% for x in y %} ${window.ran = 1}",
    "\u202eDROP\u202c \u2066isolated\u2069 zero\u200bwidth",
    "\x1b[31mred\x1b]0;title\x07 nul\x00 bell\x07",
    "<style>@import 'http://198.51.100.1/x.css'; * { display: none }</style>",
    "<meta http-equiv=refresh content='0;url=http://198.51.100.1/'><base href='http://198.51.100.1/'>",
    "<iframe srcdoc='<script>parent.ran = 1</script>'></iframe><form action='http://198.51.100.1/'><input name=q>",
    "a" * 65536,
    "\u0300" * 300 + "[/bold] %s %n ../../etc",
)


def test_hostile_texts_are_shown_and_never_run(chromium: Browser, tmp_path: Path, stack: ExitStack) -> None:
    run = drafted_run(tmp_path, len(HOSTILE))
    session = run.session("<b onclick='window.ran=1'>ann")
    for card, text in zip(session.cards(), HOSTILE, strict=True):
        session.edit(
            card.pair, f"Once. {text} so I", "Once there was peace, so I", card.version_token, f"note {text[:300]}"
        )
    actions = ApplyActions(lambda trait: None, print, str, lambda trait: f"run {HOSTILE[0]}")  # type: ignore[arg-type,return-value]
    driver = PageDriver(chromium, stack.enter_context(serving([session], actions)))
    for text in HOSTILE:
        driver.keys("o", "v", "e")
        assert driver.page.input_value("#edit-positive").startswith("Once. ")
        driver.keys("Escape")
        shown = driver.page.inner_text('[data-of="positive"]')
        assert shown.startswith("Once. ")
        assert text.isascii() is False or not text.isprintable() or text in shown
        driver.keys("j")
    driver.page.click("#apply")
    driver.wait_for("#command", "<script>")
    assert driver.page.evaluate("window.ran") is None
    assert driver.page.title().startswith("toy/refusal")
    assert (
        driver.page.locator("#panel script, #panel img, #panel iframe, #panel svg, #panel style, #panel a").count() == 0
    )
    assert (driver.messages, driver.hosts) == ([], {driver.page.url.split("/")[2]})
    driver.page.close()


def test_a_thousand_pairs_can_be_reviewed(chromium: Browser, tmp_path: Path, stack: ExitStack) -> None:
    run = drafted_run(tmp_path, 1000)
    driver = PageDriver(chromium, stack.enter_context(serving([run.session()])))
    assert len(driver.list()) == 1000
    driver.keys("a", "j", "r")
    assert run.stored_acts() == [("approve", "n0000"), ("reject", "n0002")]
    driver.page.close()
