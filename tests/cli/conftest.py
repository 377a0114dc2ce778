"""A finished run to decide about, made once for each module of tests and copied for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.finished_run import copied, finished, scripted


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        scripted(patch)
        yield finished(tmp_path_factory.mktemp("night"))


@pytest.fixture
def folder(night: Path, tmp_path: Path) -> Path:
    return copied(night, tmp_path)
