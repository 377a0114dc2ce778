"""The page in a real browser: from a file, without a request, a script or a complaint."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.review.report.page import page
from agent.schema import Ending, Stop
from tests.review.report.examples import example, rounds
from tests.review.report.window import Window
from tests.review.web.browser import Browser, connected
from tests.support import pictures

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("real_pictures")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with connected() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    with pictures.real():
        path.write_text(page(example()), encoding="utf-8")
    return path


def test_it_opens_from_disk_and_asks_for_nothing(browser: Browser, harmless: Path) -> None:
    window = Window(browser, harmless)
    assert window.tab.title() == "toy/refusal · Cliffhanger report"
    assert window.external_requests == []
    assert window.messages == []
    assert window.tab.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")


def test_a_dot_opens_its_scenario(browser: Browser, harmless: Path) -> None:
    from playwright.sync_api import expect

    tab = Window(browser, harmless).tab
    evidence = tab.locator("#s-d0001-positive")
    assert not evidence.is_visible()
    tab.locator("svg a[href='#s-d0001-positive']").first.click()  # in the map before, where nothing covers it
    evidence.locator("ins", has_text="was too much").wait_for(state="visible")
    assert tab.evaluate("[...document.querySelectorAll('details[open]')].map(one => one.id)") == ["p-d0001"]
    expect(evidence).to_be_in_viewport()


def test_a_dot_opens_its_scenario_by_keyboard_alone(browser: Browser, harmless: Path) -> None:
    tab = Window(browser, harmless).tab
    tab.locator("svg a[href='#s-n0000-negative']").focus()
    tab.keyboard.press("Enter")
    tab.locator("#s-n0000-negative").wait_for(state="visible")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 480])
def test_it_fits_its_window_in_both_schemes(
    browser: Browser, harmless: Path, tmp_path: Path, width: int, scheme: str
) -> None:
    tab = Window(browser, harmless, width, scheme).tab
    folder = Path(os.environ.get("CLIFFHANGER_SCREENSHOTS", tmp_path))  # the README's picture is made here
    assert len(tab.screenshot(path=folder / f"report-{scheme}-{width}.png")) > 10_000
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.locator("svg a").last.click()
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    bright = (
        sum(map(int, tab.evaluate("getComputedStyle(document.body).backgroundColor").strip("rgb()").split(","))) > 382
    )
    assert bright is (scheme == "light")


def test_a_long_path_in_the_reason_makes_a_narrow_page_no_wider(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    why = f"a stop was asked for (the file /{'a_long_name' * 12}/STOP; `cliffhanger resume` removes it)"
    path.write_text(page(example(rounds()[:1], stop=Stop(ending=Ending.STOPPED, why=why))), encoding="utf-8")
    tab = Window(browser, path, 480).tab
    assert tab.evaluate("document.documentElement.scrollWidth") == 480


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_ground(browser: Browser, harmless: Path, scheme: str) -> None:
    tab = Window(browser, harmless, scheme=scheme).tab
    tab.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    faint = tab.evaluate(CONTRAST)
    assert faint == []


def test_on_paper_everything_is_open_and_light(browser: Browser, harmless: Path) -> None:
    tab = Window(browser, harmless, 760, "dark").tab
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.locator("#s-d0001-positive").evaluate("one => one.getBoundingClientRect().height") > 100
    assert tab.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--ink')") == "#1d2129"
    light = tab.locator(".plot img").first
    assert light.evaluate("image => image.currentSrc === image.src")


# Texts whose contrast with the nearest painted ground behind them is under 4.5 to 1 (WCAG AA).
CONTRAST = """() => {
  const parts = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = one => {
    for (let at = one; at; at = at.parentElement) {
      const colour = parts(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const one of document.querySelectorAll('body *')) {
    const words = [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!words || one.closest('title')) continue;
    const style = getComputedStyle(one);
    const ink = parts(one.closest('svg') ? style.fill : style.color);
    const [a, b] = [light(ink), light(ground(one))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) found.push(`${one.tagName} ${one.getAttribute('class')} ${style.color}`);
  }
  return [...new Set(found)];
}"""
