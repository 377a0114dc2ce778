"""Fixtures of the review page: a browser, a run, the page served and driven."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.review.web.browser import Browser, PageDriver, connected
from tests.review.web.served import Served, serving
from tests.review.web.sessions import ReviewedRun, mixed_run


@pytest.fixture(scope="module")  # while it is open, no other event loop can run in this thread
def chromium() -> Iterator[Browser]:
    with connected() as browser:
        yield browser


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def run(tmp_path: Path) -> ReviewedRun:
    return mixed_run(tmp_path)


@pytest.fixture
def driver(chromium: Browser, run: ReviewedRun, stack: ExitStack) -> Iterator[PageDriver]:
    made = PageDriver(chromium, stack.enter_context(serving([run.session()])))
    yield made
    made.page.close()
    assert made.messages == []


@pytest.fixture
def page(run: ReviewedRun) -> Iterator[Served]:
    with serving([run.session()]) as served:
        yield served
