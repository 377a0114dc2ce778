"""A finished run, made once per session and copied for each test that changes it."""

from pathlib import Path

import pytest

from tests.cli.finished_run import copied, finished


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def folder(finished_run: Path, tmp_path: Path) -> Path:
    return copied(finished_run, tmp_path)
