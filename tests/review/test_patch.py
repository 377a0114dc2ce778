"""A patch, taken by real git, gives the same bytes as the apply."""

import shutil
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from agent.review.file_transaction import NAMES, FileContents, read_files
from agent.review.patch import patch_of

GIT = shutil.which("git")
pytestmark = pytest.mark.skipif(GIT is None, reason="git is not on the PATH")

NOTHING: FileContents = dict.fromkeys(NAMES, None)
PLACES = ("datasets/traits/toy/refusal", "da ta/ñandú/ref usal", 'q"uote/back\\slash/t\tab')
CASES: dict[str, tuple[FileContents, FileContents]] = {
    "a line changed": (
        {**NOTHING, "positive.txt": b"a\nb\nc\n", "negative.txt": b"d\n"},
        {**NOTHING, "positive.txt": b"a\nB\nc\n", "negative.txt": b"d\n"},
    ),
    "no final newline before": ({**NOTHING, "positive.txt": b"a\nb"}, {**NOTHING, "positive.txt": b"a\nb\n"}),
    "none before or after": ({**NOTHING, "positive.txt": b"a\nb"}, {**NOTHING, "positive.txt": b"a\nc"}),
    "carriage returns and a byte order mark": (
        {**NOTHING, "positive.txt": b"\xef\xbb\xbfa\r\nb\r\nc\rd\r\n"},
        {**NOTHING, "positive.txt": b"a\nb\nc\rd\n"},
    ),
    "other line ends and other scripts": (
        {**NOTHING, "positive.txt": "a\u2028b\x85\n我于是\n\x0c\n".encode()},
        {**NOTHING, "positive.txt": "a\u2028b\x85\n我就\n\x0c\n\x0bñ\n".encode()},
    ),
    "bytes that are no text": ({**NOTHING, "positive.txt": b"\xff\xfe\n"}, {**NOTHING, "positive.txt": b"\xff\n"}),
    "another form": (
        {**NOTHING, "positive.txt": b"a\n", "negative.txt": b"b"},
        {**NOTHING, "positive.jsonl": b'{"prompt": "a"}\n', "negative.jsonl": b'{"prompt": "b"}\n'},
    ),
    "from nothing": (NOTHING, {**NOTHING, "positive.txt": b"a\n", "negative.txt": b"b\n"}),
    "an empty file": ({**NOTHING, "positive.txt": b""}, {**NOTHING, "positive.txt": b"a\n", "negative.txt": b""}),
    "everything leaves": ({**NOTHING, "positive.txt": b"a\n", "negative.txt": b"b"}, NOTHING),
    "what looks like a patch": (
        {**NOTHING, "positive.txt": b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n"},
        {**NOTHING, "positive.txt": b"-- a/x\n+++ b/x\n@@ -1 +1 @@\n\\ No newline at end of file\n"},
    ),
}


def write(folder: Path, files: FileContents) -> None:
    folder.mkdir(parents=True)
    for name, content in files.items():
        if content is not None:
            (folder / name).write_bytes(content)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", CASES)
def test_git_makes_the_same_bytes_of_it(tmp_path: Path, case: str, place: str) -> None:
    before, after = CASES[case]
    write(tmp_path / place, before)
    (tmp_path / "p").write_bytes(patch_of(PurePosixPath(place), before, after))
    for command in (["init", "--quiet"], ["apply", "--check", "p"], ["apply", "p"]):
        done = subprocess.run([GIT, *command], cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603 - git
        assert done.returncode == 0, done.stderr
    assert read_files(tmp_path / place) == after


def test_where_nothing_changes_there_is_no_patch() -> None:
    before, _ = CASES["another form"]
    assert patch_of(PurePosixPath("x"), before, before) == b""
