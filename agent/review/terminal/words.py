"""Untrusted texts as styled words of a terminal: each character passes `safe_text`, none is read as markup."""

from collections.abc import Sequence

from rich.text import Text

from agent.review.proposal import TextEvidence
from agent.review.text_diff import Span, pieces
from agent.schema import Outcome
from agent.text import safe_text

GOOD, BAD, DOUBT, LABEL, QUIET = "#7ee787", "#ff8f8f", "#ffd166", "#8fa3bf", "dim"
OUTCOMES = {Outcome.PASS: GOOD, Outcome.FAIL: f"bold {BAD}", Outcome.UNJUDGED: f"bold {DOUBT}"}
GONE, ADDED = f"strike {BAD}", f"underline bold {GOOD}"
_COMMITTED, _OPENING = f"#1a1a1a on {DOUBT}", "#10202a on #8ecae6"
_HEAD, _TAIL = 8_000, 12_000  # characters; what lies between them is left out of a longer text
_BOUNDARY = "│"


def plain(text: str, style: str = "") -> Text:
    """A text as it is, made harmless; the middle of a very long one is left out, and its length told."""
    if len(text) <= _HEAD + _TAIL:
        return Text(safe_text(text), style)
    left_out = len(text) - _HEAD - _TAIL
    shown = (
        Text().append(safe_text(text[:_HEAD]), style).append(f" [… {left_out} characters are not shown here …] ", DOUBT)
    )
    return shown.append(safe_text(text[-_TAIL:]), style)


def marked(text: str, edited: Sequence[Span], style: str, committed: str | None) -> Text:
    """A text with its edited stretches in a style, and the words that commit marked."""
    shown = Text()
    for piece in pieces(text, edited, committed):
        mark = f"{style if piece.edited else ''} {_COMMITTED if piece.committed else ''}".strip()
        shown.append_text(plain(piece.text, mark))
    return shown


def continued(found: TextEvidence | None) -> Text:
    """What the subject went on with: the first k tokens marked, a bar at their exact end; its verdict before it."""
    if found is None:
        return Text("was never examined", QUIET)
    verdict = found.verdict.value if found.verdict else "no verdict"
    shown = Text().append(f"{verdict} ", OUTCOMES[found.outcome])
    completion, opening = found.completion or "", found.opening or ""
    if not completion.startswith(opening):  # tokens that split a character
        shown.append("opening ", LABEL).append_text(plain(opening, _OPENING)).append(" whole ", LABEL)
        return shown.append_text(plain(completion))
    if opening:
        shown.append_text(plain(opening, _OPENING)).append(_BOUNDARY, "bold #8ecae6")
    return shown.append_text(plain(completion[len(opening) :], QUIET))
