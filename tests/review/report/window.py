"""A browser window on a page from disk that records its requests and console messages."""

from pathlib import Path
from typing import Any

from tests.review.web.browser import Browser


class Window:
    """A file opened in a browser. `requests` and `messages` record what it loads and what it logs."""

    def __init__(self, browser: Browser, path: Path, width: int = 1280, scheme: str = "light") -> None:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.tab: Any = context.new_page()
        self.requests: list[str] = []
        self.messages: list[str] = []
        context.on("request", lambda request: self.requests.append(request.url))
        self.tab.on("console", lambda message: self.messages.append(message.text))
        self.tab.on("pageerror", lambda error: self.messages.append(str(error)))
        self.tab.on("dialog", self._refuse)
        self.address = path.as_uri()
        self.tab.goto(self.address)

    @property
    def external_requests(self) -> list[str]:
        """Addresses other than the file and the pictures embedded in it."""
        return [
            url for url in self.requests if url != self.address and not url.startswith("data:image/svg+xml;base64,")
        ]

    def _refuse(self, dialog: Any) -> None:
        self.messages.append(dialog.message)
        dialog.dismiss()
