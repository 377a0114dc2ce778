"""Lines of JSON in whatever encoding of Unicode and with whatever line ends another program wrote them."""

import json
import re

_LINE_END = re.compile(rb"\r\n|\n|\r")  # raw ones are not part of JSON texts


def as_utf8(content: bytes) -> bytes:
    """The same text in UTF-8 without a byte order mark. Raises UnicodeDecodeError where UTF-16 or UTF-32 is broken.

    Bytes that are taken for UTF-8 already are not checked.
    """
    encoding = json.detect_encoding(content)
    if encoding not in ("utf-8", "utf-8-sig"):
        content = content.decode(encoding).encode()
    return content.removeprefix(b"\xef\xbb\xbf")


def json_lines(content: bytes) -> list[tuple[int, bytes]]:
    """(number from 1, UTF-8) of the lines that are not blank; of a whole JSON list, its items as lines.

    Raises UnicodeDecodeError as `as_utf8` does.
    """
    content = as_utf8(content)
    if content.lstrip()[:1] == b"[":
        try:
            return [(number, json.dumps(item).encode()) for number, item in enumerate(json.loads(content), 1)]
        except (ValueError, RecursionError):
            pass  # not one list: each line is judged by itself
    return [(number, line) for number, line in enumerate(_LINE_END.split(content), 1) if line.strip()]
