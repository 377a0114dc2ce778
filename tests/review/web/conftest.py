"""What the tests of the page stand on."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.review.web.browser import Browser, Reader, launched
from tests.review.web.served import Served, serving
from tests.review.web.sessions import Night, night


@pytest.fixture(scope="module")  # while it is open, its event loop runs in this very thread
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def told(tmp_path: Path) -> Night:
    return night(tmp_path)


@pytest.fixture
def reader(chromium: Browser, told: Night, stack: ExitStack) -> Iterator[Reader]:
    made = Reader(chromium, stack.enter_context(serving([told.session()])))
    yield made
    made.page.close()
    assert made.complaints == []


@pytest.fixture
def page(told: Night) -> Iterator[Served]:
    with serving([told.session()]) as served:
        yield served
