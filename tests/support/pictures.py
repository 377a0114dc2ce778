"""Reports with and without their pictures: drawing takes two thirds of a scripted run's CPU (measured: 1.0 of 1.5 s).

`python -m tests.support.pictures ARGUMENTS` is the command without pictures, for tests that start it as a program.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from agent.review.report import charts

_REAL = charts._svg


@contextmanager
def empty() -> Iterator[None]:
    """Every picture of a report is an empty one; the rest of each page is made as ever."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(charts, "_svg", lambda *about: b"<svg/>")
        yield


@contextmanager
def real() -> Iterator[None]:
    """Every picture of a report is drawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(charts, "_svg", _REAL)
        yield


if __name__ == "__main__":
    from agent.cli.main import main

    with empty():
        main()
