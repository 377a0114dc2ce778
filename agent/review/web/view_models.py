"""View models of the review page: list rows, sides with their versions, conflicts, the filter of the list."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from agent.review.cards import Card, CardState
from agent.review.html import visible_lines
from agent.review.labels import questions
from agent.review.proposal import TextEvidence
from agent.review.report.model import changed_for_twin
from agent.review.text_diff import DiffSegment, Piece, Span, compare, ending_of, merged, pieces
from agent.schema import Mode, Outcome, Pair, Polarity, Rung, Scenario, Verdict
from agent.text import safe_text

_TEASER = 120  # characters of an ending in a line of the list


class ListRow(NamedTuple):
    """One row of the list; `position` is the pair's index in the proposal."""

    position: int
    card: Card
    checking: bool
    is_pending: bool
    verdicts: tuple[str, ...]
    teaser: str


class VersionView(NamedTuple):
    """One version of a text with its evidence: the text, the first tokens, the rest of the completion."""

    label: str
    pieces: list[Piece]
    opening: str
    rest: str
    system_prompt: str | None
    evidence: TextEvidence | None


class ScoreView(NamedTuple):
    """The scores of one question, one for each version."""

    name: str
    meaning: str
    values: tuple[float | None, ...]


class SideView(NamedTuple):
    """One side of a pair. `old` is None if there is nothing to compare with; then nothing is marked.

    `rungs` are those that were tried for it or, if there were none, the side with which it was changed.
    """

    polarity: Polarity
    text: str
    old: list[Piece] | None
    new: list[Piece]
    merged: list[DiffSegment]
    versions: list[VersionView]
    scores: list[ScoreView]
    rungs: tuple[Rung | Polarity, ...]
    system_prompt: str | None

    @property
    def evidence(self) -> TextEvidence | None:
        """The evidence for the text to decide on."""
        return self.versions[-1].evidence


class ConflictView(NamedTuple):
    """One side of a conflict: as the run read it, as the dataset has it now (changes marked), and as proposed."""

    polarity: Polarity
    original: str | None
    current: list[Piece] | None
    proposed: str | None


def row(position: int, card: Card, checking: bool) -> ListRow:
    """The row of a card."""
    found = (
        evidence.verdict if evidence and evidence.outcome is not Outcome.PASS else None for evidence in card.evidence
    )
    return ListRow(
        position=position,
        card=card,
        checking=checking,
        is_pending=card.is_pending,
        verdicts=tuple(dict.fromkeys(str(verdict) for verdict in found if verdict and verdict is not Verdict.EXPRESS)),
        teaser=ending_of(card.ours.positive.text.rstrip("\n"), _TEASER),
    )


def sides(card: Card, mode: Mode = Mode.DECISION) -> list[SideView]:
    """Both sides of a card."""
    return [_side(card, index, polarity, mode) for index, polarity in enumerate(Polarity)]


def conflict(card: Card) -> list[ConflictView]:
    """The three versions of each side that differs between them."""
    views = []
    for polarity in Polarity:
        original, now = _text(card.change.before, polarity), _text(card.now, polarity)
        proposed = None if card.is_removal else card.ours.side(polarity).text
        current = None if now is None else pieces(now, compare(original or "", now)[1])
        if not original == now == proposed:
            views.append(ConflictView(polarity, original, current, proposed))
    return views


def _side(card: Card, index: int, polarity: Polarity, mode: Mode) -> SideView:
    ours = card.ours.side(polarity)
    old = _text(_compared(card), polarity)
    new = "" if card.is_removal else ours.text
    gone, added = compare(old, new) if old is not None else ([], [])
    versions = list(_versions(card, index, ours))
    change = card.change.sides[index]
    twin = changed_for_twin(card.change, change)
    return SideView(
        polarity=polarity,
        text=ours.text,
        old=None if old is None or old == new else pieces(old, gone),
        new=pieces(new, added),
        merged=merged(old, new) if old is not None else [DiffSegment(new, "same")],
        versions=versions,
        scores=list(_scores(versions, mode)),
        rungs=(twin,) if twin else change.rungs,
        system_prompt=ours.system_prompt,
    )


def _compared(card: Card) -> Pair | None:
    """The pair that the text to decide on would replace, or has replaced."""
    return card.change.before if card.state is CardState.APPLIED or card.now is None else card.now


def _text(pair: Pair | None, polarity: Polarity) -> str | None:
    return pair.side(polarity).text if pair else None


def _versions(card: Card, index: int, ours: Scenario) -> Iterator[VersionView]:
    """Each version of this side, the one to decide on last."""
    change = card.change.sides[index]
    if change.before is not None and change.before.key not in (change.after.key, ours.key):
        yield _version("before the run", change.before.text, change.before.system_prompt, change.before.evidence)
    if change.after.key != ours.key:
        yield _version("after the run", change.after.text, change.after.system_prompt, change.after.evidence)
    label = "edited by hand" if card.edited else "after the run"
    yield _version(label, ours.text, ours.system_prompt, card.evidence[index])


def _version(label: str, text: str, system_prompt: str | None, evidence: TextEvidence | None) -> VersionView:
    completion, opening = (evidence.completion or "", evidence.opening or "") if evidence else ("", "")
    if not completion.startswith(opening):
        opening = ""
    span = evidence.span if evidence else None
    none: list[Span] = []
    return VersionView(label, pieces(text, none, span), opening, completion[len(opening) :], system_prompt, evidence)


def _scores(versions: list[VersionView], mode: Mode) -> Iterator[ScoreView]:
    found = [version.evidence for version in versions]
    for question, label in questions(mode).items():
        values = tuple(one.score(question) if one else None for one in found)
        if any(value is not None for value in values):
            yield ScoreView(label.symbol, label.meaning, values)


TODO, ALL, NONE = "todo", "all", "none"


@dataclass(frozen=True)
class Filter:
    """Filter of the list. An empty field matches every pair, an unknown value none."""

    q: str = ""
    state: str = TODO
    what: str = ""
    verdict: str = ""
    flag: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Filter":
        """From the fields of a query."""
        return cls(**{name: query[name] for name in ("q", "state", "what", "verdict", "flag") if name in query})

    @property
    def is_narrow(self) -> bool:
        """Whether it filters by anything besides the state."""
        return self != Filter(state=self.state)

    def matches(self, card: Card) -> bool:
        """Whether a pair is listed."""
        return (
            self._in_state(card)
            and self.what in ("", card.what)
            and self.verdict in ("", *_verdicts(card))
            and self.flag in ("", *(card.warnings or (NONE,)))
            and self._has_words(card)
        )

    def _in_state(self, card: Card) -> bool:
        return card.is_pending if self.state == TODO else self.state in (ALL, card.state)

    def _has_words(self, card: Card) -> bool:
        words = self.q.casefold().split()
        if not words:
            return True
        text = "\n".join(_texts(card)).casefold()
        return all(word in text for word in words)


def _verdicts(card: Card) -> Iterator[str]:
    for found in card.evidence:
        yield str(found.verdict) if found and found.verdict else NONE


def _texts(card: Card) -> Iterator[str]:
    yield card.pair
    yield card.change.why
    if card.decision:
        yield from (card.decision.note, card.decision.who)
    for pair in (card.ours, card.now, card.change.before):
        if pair is not None:
            yield from (side.text for side in pair.sides)


def restored(typed: str, original: str) -> str:
    """The typed text with the original's invisible characters, wherever their pictures are still in it.

    An untouched text comes back to the byte, although browsers send line ends as CR LF. See `visible_lines`.
    """
    typed = typed.replace("\r\n", "\n")
    if typed == visible_lines(original):
        return original
    hidden = {safe_text(char): char for char in sorted(set(original) - {"\n"}) if safe_text(char) != char}
    for picture, char in hidden.items():
        typed = typed.replace(picture, char)
    return typed
