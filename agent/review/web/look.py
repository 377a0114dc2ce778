"""What the page shows of a card: its line in the list, its texts beside each other, the proof for each."""

from collections.abc import Iterator
from typing import NamedTuple

from agent.review.cards import Card, State
from agent.review.proposal import Evidence
from agent.review.report.marks import Piece, Span, compare, ending_of, pieces
from agent.review.report.nouns import followed
from agent.review.web.diff import Stretch, merged
from agent.review.web.words import ASKED, ASKED_SUSTAINED
from agent.schema import Outcome, Pair, Polarity, Question, Rung, Scenario, Verdict

_TEASER = 120  # characters of an ending in a line of the list


class Row(NamedTuple):
    """One line of the list."""

    place: int
    card: Card
    checking: bool
    waits: bool
    verdicts: tuple[str, ...]
    teaser: str


class Proof(NamedTuple):
    """One version of a text with what was found of it: the text, the first tokens, the rest of the completion."""

    label: str
    pieces: list[Piece]
    opening: str
    rest: str
    system_prompt: str | None
    evidence: Evidence | None


class Score(NamedTuple):
    """One question's scores, one for each proof."""

    name: str
    meaning: str
    values: tuple[float | None, ...]


class Side(NamedTuple):
    """One side of a pair. `old` is None where there is nothing to compare with, and then nothing is marked.

    `rungs` are those that were tried for it or, where there were none, the side with which it was changed.
    """

    polarity: Polarity
    text: str
    old: list[Piece] | None
    new: list[Piece]
    merged: list[Stretch]
    proofs: list[Proof]
    scores: list[Score]
    rungs: tuple[Rung | Polarity, ...]
    system_prompt: str | None

    @property
    def found(self) -> Evidence | None:
        """What was found of the text at stake."""
        return self.proofs[-1].evidence


class Theirs(NamedTuple):
    """One side of a conflict: as the run read it, as it is now (what is new marked), and as we would have it."""

    polarity: Polarity
    base: str | None
    theirs: list[Piece] | None
    ours: str | None


def row(place: int, card: Card, checking: bool) -> Row:
    """A card's line."""
    found = (
        evidence.verdict if evidence and evidence.outcome is not Outcome.PASS else None for evidence in card.evidence
    )
    return Row(
        place=place,
        card=card,
        checking=checking,
        waits=card.waits,
        verdicts=tuple(dict.fromkeys(str(verdict) for verdict in found if verdict and verdict is not Verdict.EXPRESS)),
        teaser=ending_of(card.ours.positive.text.rstrip("\n"), _TEASER),
    )


def sides(card: Card) -> list[Side]:
    """Both sides of a card."""
    return [_side(card, index, polarity) for index, polarity in enumerate(Polarity)]


def conflict(card: Card) -> list[Theirs]:
    """What the run read, what somebody made of it since, what approving would make of it: for sides that differ."""
    found = []
    for polarity in Polarity:
        base, now = _text(card.change.before, polarity), _text(card.now, polarity)
        ours = None if card.leaves else card.ours.side(polarity).text
        theirs = None if now is None else pieces(now, compare(base or "", now)[1])
        if not base == now == ours:
            found.append(Theirs(polarity, base, theirs, ours))
    return found


def _side(card: Card, index: int, polarity: Polarity) -> Side:
    ours = card.ours.side(polarity)
    old = _text(_compared(card), polarity)
    new = "" if card.leaves else ours.text
    gone, added = compare(old, new) if old is not None else ([], [])
    proofs = list(_proofs(card, index, ours))
    change = card.change.sides[index]
    twin = followed(card.change, change)
    return Side(
        polarity=polarity,
        text=ours.text,
        old=None if old is None or old == new else pieces(old, gone),
        new=pieces(new, added),
        merged=merged(old, new) if old is not None else [Stretch(new, "same")],
        proofs=proofs,
        scores=list(_scores(proofs)),
        rungs=(twin,) if twin else change.rungs,
        system_prompt=ours.system_prompt,
    )


def _compared(card: Card) -> Pair | None:
    """What the text at stake is compared with: what it would replace, or has replaced."""
    return card.change.before if card.state is State.APPLIED or card.now is None else card.now


def _text(pair: Pair | None, polarity: Polarity) -> str | None:
    return pair.side(polarity).text if pair else None


def _proofs(card: Card, index: int, ours: Scenario) -> Iterator[Proof]:
    """Each version that this side has been through, the one at stake last."""
    change = card.change.sides[index]
    if change.before is not None and change.before.key not in (change.after.key, ours.key):
        yield _proof("before the run", change.before.text, change.before.system_prompt, change.before.evidence)
    if change.after.key != ours.key:
        yield _proof("after the run", change.after.text, change.after.system_prompt, change.after.evidence)
    label = "edited by hand" if card.edited else "after the run"
    yield _proof(label, ours.text, ours.system_prompt, card.evidence[index])


def _proof(label: str, text: str, system_prompt: str | None, evidence: Evidence | None) -> Proof:
    completion, opening = (evidence.completion or "", evidence.opening or "") if evidence else ("", "")
    if not completion.startswith(opening):
        opening = ""
    span = evidence.span if evidence else None
    none: list[Span] = []
    return Proof(label, pieces(text, none, span), opening, completion[len(opening) :], system_prompt, evidence)


def _scores(proofs: list[Proof]) -> Iterator[Score]:
    found = [proof.evidence for proof in proofs]
    sustained = any(one is not None and one.score(Question.OPENING) is not None for one in found)
    for question, (name, meaning) in (ASKED_SUSTAINED if sustained else ASKED).items():
        values = tuple(one.score(question) if one else None for one in found)
        if any(value is not None for value in values):
            yield Score(name, meaning, values)
