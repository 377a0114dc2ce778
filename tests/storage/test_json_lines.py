"""Lines of JSON are found in any encoding of Unicode, with any line ends, and in one whole list."""

import json

import pytest

from agent.storage.json_lines import json_lines

ROWS = [{"id": "a", "text": "Wo wärst du, só I\u2028"}, {"id": "b", "text": "two\nlines\r"}]
PLAIN = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)

FORMS = {
    "plain": PLAIN.encode(),
    "a byte order mark": PLAIN.encode("utf-8-sig"),
    "UTF-16": PLAIN.encode("utf-16"),
    "UTF-16 without its mark": PLAIN.encode("utf-16-be"),
    "UTF-32": PLAIN.encode("utf-32"),
    "Windows line ends": PLAIN.replace("\n", "\r\n").encode(),
    "line ends of old Macs": PLAIN.replace("\n", "\r").encode(),
    "no last line end": PLAIN.rstrip("\n").encode(),
    "one list": json.dumps(ROWS, indent=1).encode("utf-8-sig"),
}


@pytest.mark.parametrize("content", FORMS.values(), ids=FORMS.keys())
def test_the_same_rows_are_found_in_every_form(content: bytes) -> None:
    assert [(number, json.loads(line)) for number, line in json_lines(content)] == [(1, ROWS[0]), (2, ROWS[1])]


def test_blank_lines_count_and_damaged_ones_are_left_to_the_reader() -> None:
    assert json_lines(b'\n{"a": 1}\n \n[half\n\xff\n') == [(2, b'{"a": 1}'), (4, b"[half"), (5, b"\xff")]
    assert json_lines(b"[half\n[1]\n") == [(1, b"[half"), (2, b"[1]")]


def test_broken_utf_16_is_an_error() -> None:
    with pytest.raises(UnicodeDecodeError):
        json_lines(b"\xff\xfe{\x00\x00\xd8")
