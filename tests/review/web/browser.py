"""A browser, and a driver that operates the review page by keyboard."""

import atexit
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.conftest import BROWSERS
from tests.review.web.served import Served

OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars"]
SHOTS = "CLIFFHANGER_SCREENSHOTS"  # a folder to keep the screenshots in

# Refusals are replies, and htmx aborts a request that a newer one replaces.
HARMLESS = ("409 (Conflict)", "htmx:sendAbort", "htmx:afterRequest")

Browser = Any  # playwright is imported where it is used: a machine without it skips these tests


@cache
def _address() -> str:
    """Starts Chromium once for the whole test process, which also ends it; the address of its DevTools."""
    profile = TemporaryDirectory()
    path = next(found for name in BROWSERS if (found := shutil.which(name)))
    options = [*OPTIONS, "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={profile.name}"]
    process = subprocess.Popen([path, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    atexit.register(profile.cleanup)
    atexit.register(process.wait)
    atexit.register(process.terminate)
    ready = Path(profile.name) / "DevToolsActivePort"
    while not (ready.exists() and ready.read_text().count("\n")):
        if process.poll() is not None:
            raise RuntimeError(f"{path} ended with exit code {process.returncode}")
        time.sleep(0.02)
    return f"http://127.0.0.1:{ready.read_text().split()[0]}"


_PATIENCE = 180_000  # milliseconds to connect: a browser's first start on a busy machine takes over half a minute


@contextmanager
def connected() -> Iterator[Browser]:
    """The first browser on the PATH. While the connection is open, its event loop runs in the calling thread."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.connect_over_cdp(_address(), timeout=_PATIENCE)
        yield browser
        browser.close()


class PageDriver:
    """Operates the page by keyboard. `messages` and `hosts` record what it logs and which hosts it contacts."""

    def __init__(self, browser: Browser, served: Served, width: int = 1280, scheme: str = "light") -> None:
        self.page: Any = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.messages: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.messages.append(dialog.message), dialog.dismiss()))
        self.page.on("console", self._record)
        self.page.on("request", lambda request: self.hosts.add(request.url.split("/")[2]))
        self.page.goto(served.address)
        self.wait_idle()

    def _record(self, line: Any) -> None:
        if line.type in ("error", "warning") and not any(text in line.text for text in HARMLESS):
            self.messages.append(line.text)

    def wait_idle(self) -> None:
        """Wait until the panel is loaded."""
        self.page.wait_for_selector('#panel[aria-busy="false"]')

    def keys(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.wait_idle()

    def wait_for(self, selector: str, text: str = "") -> None:
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
