"""What is doubtful about the texts of a dataset: within one side, and between the two members of a pair."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from agent.record.issues import Issue, error, warning
from agent.record.lines import Line, Side
from agent.record.pairing import sameness, words

SHORT, LONG = 10, 900  # characters
MAX_ENDING_SHARE = 0.2
_ENDING_WORDS = 3
_FEWEST_ALIKE = 3
_NEAR = 90.0

_COMPLETE = re.compile(r"""(?<!\.)[.!?。！？]["'”’」』)\]]*$""")  # noqa: RUF001 - full-width marks are meant


def side_issues(side: Side) -> Iterator[Issue]:
    """What can be said of one file by itself."""
    for line in side.lines:
        yield from _text_issues(side.name, line)
    yield from _repetitions(side)
    yield from _common_endings(side)


def _text_issues(file: str, line: Line) -> Iterator[Issue]:
    length = len(line.text)
    if length < SHORT:
        yield warning(file, line.number, "short", f"has only {length} characters: hardly a scenario.")
    if length > LONG:
        yield warning(file, line.number, "long", f"has {length} characters: the lock-in may drown in them.")
    if line.system_prompt is None and _COMPLETE.search(line.text.rstrip()):
        message = "ends on a complete sentence: nothing is left open for the first tokens."
        yield warning(file, line.number, "complete", message)


def _repetitions(side: Side) -> Iterator[Issue]:
    by_system_prompt: dict[str | None, list[Line]] = defaultdict(list)
    for line in side.lines:
        by_system_prompt[line.system_prompt].append(line)
    for lines in by_system_prompt.values():
        yield from _repeated(side.name, lines)


def _repeated(file: str, lines: Sequence[Line]) -> Iterator[Issue]:
    table = sameness([line.text for line in lines])
    for i, line in enumerate(lines):
        alike = [j for j in range(i) if table[i, j] >= _NEAR]
        if alike:
            same = words(lines[alike[0]].text) == words(line.text)
            degree, code = ("the same", "duplicate") if same else ("nearly the same", "near-duplicate")
            yield warning(file, line.number, code, f"says {degree} as line {lines[alike[0]].number}.")


def _common_endings(side: Side) -> Iterator[Issue]:
    ends = Counter(" ".join(words(line.text)[-_ENDING_WORDS:]) for line in side.lines)
    for ending, count in ends.most_common():
        if count >= _FEWEST_ALIKE and count > MAX_ENDING_SHARE * len(side.lines):
            share = f"{count} of {len(side.lines)} scenarios"
            yield warning(side.name, None, "common-ending", f'"{ending}" ends {share}: the vector may learn the words.')


def pair_issues(positive: Side, negative: Side, pairs: Sequence[tuple[int, int]]) -> Iterator[Issue]:
    """What can be said of members that were put together; `pairs` holds positions in the two sides."""
    for i, j in pairs:
        one, other = positive.lines[i], negative.lines[j]
        if (one.text, one.system_prompt) == (other.text, other.system_prompt):
            twin = f"{negative.name}:{other.number}"
            message = f"is identical to {twin}: a pair cannot be for and against at once. Rewrite one."
            yield error(positive.name, one.number, "identical", message)
        if words(one.text)[:1] != words(other.text)[:1]:
            message = f"shares no first word with {negative.name}:{other.number}."
            yield warning(positive.name, one.number, "first-word", message)
