"""What an answer of the page says."""

import re
import threading
from html import unescape

from tests.review.web.served import Answer, Served
from tests.review.web.sessions import KEPT, STEM


def places(answer: Answer) -> list[int]:
    """The places of the lines in a list."""
    return [int(place) for place in re.findall(r'class="row [^"]*" data-place="(\d+)"', answer.text)]


def version_token(answer: Answer) -> str:
    found = re.search(r'name="version_token" value="([^"]*)"', answer.text)
    assert found, answer.text
    return found.group(1)


def plain(answer: Answer) -> str:
    """The text of an answer, without its marks."""
    return unescape(re.sub(r"<[^>]*>", "", answer.text))


def edit(page: Served, place: int, positive: str, negative: str = STEM + KEPT, note: str = "") -> Answer:
    shown = page.get(f"pair/{place}/edit")
    return page.post(
        f"pair/{place}/edit", positive=positive, negative=negative, version_token=version_token(shown), note=note
    )


def until_checked(page: Served, place: int) -> Answer:
    """The pair once its check has ended."""
    for _ in range(200):
        answer = page.get(f"pair/{place}/checked")
        if answer.headers.get("hx-reswap") != "none":
            return answer
        threading.Event().wait(0.02)
    raise AssertionError("the check has not ended")
