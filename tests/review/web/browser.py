"""A browser, and somebody with a keyboard before it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import BROWSERS
from tests.review.web.served import Served

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SHOTS = "CLIFFHANGER_SCREENSHOTS"  # a folder to keep the pictures in, for whoever wants to look at them

# A refusal is an answer, and a request that a newer one overtakes is given up.
HARMLESS = ("409 (Conflict)", "htmx:sendAbort", "htmx:afterRequest")

Browser = Any  # playwright is imported where it is used: a machine without it skips these tests


@contextmanager
def launched() -> Iterator[Browser]:
    """The first browser on the PATH."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        path = next(found for name in BROWSERS if (found := shutil.which(name)))
        browser = play.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


class Reader:
    """Somebody with a keyboard before the page. Whatever the page complains of, and whoever it calls, is noted."""

    def __init__(self, browser: Browser, served: Served, width: int = 1280, scheme: str = "light") -> None:
        self.page: Any = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.complaints: list[str] = []
        self.called: set[str] = set()
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        self.page.on("console", self._note)
        self.page.on("request", lambda request: self.called.add(request.url.split("/")[2]))
        self.page.goto(served.address)
        self.rest()

    def _note(self, line: Any) -> None:
        if line.type in ("error", "warning") and not any(said in line.text for said in HARMLESS):
            self.complaints.append(line.text)

    def rest(self) -> None:
        """Until nothing is on its way."""
        self.page.wait_for_selector('#panel[aria-busy="false"]')

    def keys(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.rest()

    def waits_for(self, selector: str, text: str = "") -> None:
        self.page.locator(selector, has_text=text).first.wait_for()

    @property
    def pair(self) -> str:
        return str(self.page.inner_text("#panel h2"))

    def list(self) -> list[str]:
        return [str(name) for name in self.page.locator(".row .id").all_text_contents()]

    def shot(self, name: str) -> bytes:
        picture: bytes = self.page.screenshot()
        if folder := os.environ.get(SHOTS):
            Path(folder).mkdir(parents=True, exist_ok=True)
            (Path(folder) / f"{name}.png").write_bytes(picture)
        return picture
