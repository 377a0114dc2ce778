"""A browser window on a page from disk, with all that the page asked for and complained about."""

from pathlib import Path
from typing import Any

from tests.review.web.browser import Browser


class Window:
    """A file opened in a browser. Whatever it asks for beyond pictures in itself, and whatever it says, is noted."""

    def __init__(self, browser: Browser, path: Path, width: int = 1280, scheme: str = "light") -> None:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.tab: Any = context.new_page()
        self.asked: list[str] = []
        self.complaints: list[str] = []
        context.on("request", lambda request: self.asked.append(request.url))
        self.tab.on("console", lambda message: self.complaints.append(message.text))
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("dialog", self._refuse)
        self.address = path.as_uri()
        self.tab.goto(self.address)

    @property
    def outside(self) -> list[str]:
        """Addresses other than the file's and the pictures in it."""
        return [url for url in self.asked if url != self.address and not url.startswith("data:image/svg+xml;base64,")]

    def _refuse(self, dialog: Any) -> None:
        self.complaints.append(dialog.message)
        dialog.dismiss()
