"""Reads replies of the page."""

import re
import threading
from html import unescape

from tests.review.web.served import Answer, Served
from tests.review.web.sessions import NEGATIVE_ENDING, STEM


def listed(answer: Answer) -> list[int]:
    """The indices of the listed pairs."""
    return [int(index) for index in re.findall(r'class="row [^"]*" data-index="(\d+)"', answer.text)]


def version_token(answer: Answer) -> str:
    found = re.search(r'name="version_token" value="([^"]*)"', answer.text)
    assert found, answer.text
    return found.group(1)


def plain(answer: Answer) -> str:
    """The text of a reply, without tags."""
    return unescape(re.sub(r"<[^>]*>", "", answer.text))


def edit(page: Served, index: int, positive: str, negative: str = STEM + NEGATIVE_ENDING, note: str = "") -> Answer:
    shown = page.get(f"pair/{index}/edit")
    return page.post(
        f"pair/{index}/edit", positive=positive, negative=negative, version_token=version_token(shown), note=note
    )


def until_checked(page: Served, index: int) -> Answer:
    """The pair once its check has ended."""
    for _ in range(200):
        answer = page.get(f"pair/{index}/checked")
        if answer.headers.get("hx-reswap") != "none":
            return answer
        threading.Event().wait(0.02)
    raise AssertionError("the check has not ended")
