"""Many pairs approved in one act: which may be, and what the reviewer is asked before."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from agent.errors import UserError
from agent.review.card_builder import LiveCards, edited_pair
from agent.review.cards import Card, CardState, after_failing
from agent.review.proposal import Proposal
from agent.schema import Act, Decision, Finding, Outcome, Pair, digest
from agent.storage.decision_log import DecisionLog, next_moment
from agent.text import pluralize


class BulkKind(StrEnum):
    """Which pairs are approved at once: those without anything to look at twice, or those that were looked at."""

    UNFLAGGED = "unflagged"
    SEEN = "seen"


@dataclass(frozen=True)
class BulkApproval:
    """The pairs of a trait that one act would approve. `left` were seen too, and wait for a decision of their own."""

    trait: str
    many: BulkKind
    cards: tuple[Card, ...]
    left: tuple[Card, ...] = ()

    @property
    def version_token(self) -> str:
        """Stands for all the texts of these pairs: whoever approves hands it back, as proof of what was asked."""
        return digest(self.many, *(card.version_token for card in self.cards))

    @property
    def title(self) -> str:
        """What is asked, in a line."""
        kind = "unflagged pair" if self.many is BulkKind.UNFLAGGED else "seen pair"
        return f"Approve {pluralize(len(self.cards), kind)} of {self.trait}?"

    @property
    def sentences(self) -> tuple[str, ...]:
        """What these pairs are, in counts."""
        return tuple(_unflagged(self) if self.many is BulkKind.UNFLAGGED else _seen(self))

    @property
    def nothing(self) -> str:
        """Why there is none."""
        if self.many is BulkKind.UNFLAGGED:
            return "No open pair is free of flags and passes: read those that wait one by one."
        if self.left:
            return " ".join(_left(self))
        return "You have seen no pair in this session that still waits for a decision."


def _unflagged(batch: BulkApproval) -> Iterator[str]:
    yield "They pass every check, nothing about them is borderline, and nobody changed them meanwhile."
    yield "This includes pairs that you have not read. One undo takes all of it back."


def _seen(batch: BulkApproval) -> Iterator[str]:
    flagged = [card for card in batch.cards if card.warnings]
    yield "You have had the texts of each of them on the screen in this session."
    if flagged:
        counts = Counter(warning for card in flagged for warning in card.warnings)
        names = ", ".join(f"{count} {warning}" for warning, count in sorted(counts.items()))
        yield f"{pluralize(len(batch.cards) - len(flagged), 'pair')} without a flag, {len(flagged)} flagged: {names}."
    else:
        yield "None has a flag."
    if leaves := sum(card.is_removal for card in batch.cards):
        yield f"To approve takes {pluralize(leaves, 'pair')} out of the dataset."
    yield from _left(batch)
    yield "One undo takes all of it back."


def _left(batch: BulkApproval) -> Iterator[str]:
    conflicts = [card for card in batch.left if card.conflict]
    edits = [card for card in batch.left if card.is_unverified and not card.conflict]
    if conflicts:
        yield f"Left out: {pluralize(len(conflicts), 'conflict')}, where you have to choose between two texts."
    if edits:
        yield f"Left out: {pluralize(len(edits), 'edit')} without a passed check."
    if others := len(batch.left) - len(conflicts) - len(edits):
        yield f"Left out: {pluralize(others, 'pair')} for which nothing is proposed, to be dropped or rejected."


def unflagged(trait: str, cards: Sequence[Card]) -> BulkApproval:
    """The open pairs that pass and about which there is nothing to look at twice."""
    calm = (card for card in cards if card.state is CardState.OPEN and not card.conflict and not card.warnings)
    return BulkApproval(trait, BulkKind.UNFLAGGED, tuple(card for card in calm if card.outcome is Outcome.PASS))


def seen(trait: str, cards: Sequence[Card], view_tokens: Mapping[str, str]) -> BulkApproval:
    """The pairs that wait and were looked at as they are now, by pair id and `Card.view_token`; flagged ones too.

    Whose text stands in a conflict is no matter of approving many, nor may anything slip in that could not be approved
    by itself.
    """
    looked = [
        card
        for card in cards
        if card.is_pending and card.pair in view_tokens and view_tokens[card.pair] == card.view_token
    ]
    ready = [card.has_proposal and not card.is_unverified and not card.conflict for card in looked]
    picked = tuple(card for card, fit in zip(looked, ready, strict=True) if fit)
    return BulkApproval(
        trait, BulkKind.SEEN, picked, tuple(card for card, fit in zip(looked, ready, strict=True) if not fit)
    )


RecheckFunction = Callable[[Pair], Sequence[Finding]]


class ReviewError(UserError):
    """An act that cannot be done; the message is a sentence for the reviewer."""


class UnknownPair(ReviewError):
    """The proposal has no such pair."""


class StaleText(ReviewError):
    """The texts are no longer those that the reviewer saw."""


class NotAllowed(ReviewError):
    """This act makes no sense on this pair as it stands."""


class NotRechecked(ReviewError):
    """An edited text was approved before it was checked, or although it failed."""


class RecheckFailed(ReviewError):
    """An edit was stored, but could not be checked."""


class NoDecisionToUndo(ReviewError):
    """This reviewer has no act left to take back."""


@dataclass(frozen=True)
class ReviewSession:
    """One trait's proposal, decided by one reviewer. Any number of sessions may stand before the same log.

    `dataset` gives the pairs as they are now. `recheck` examines an edited pair and returns its findings; without it
    edits are stored, and stay unapproved until somebody rechecks them.
    """

    proposal: Proposal
    dataset: Callable[[], Sequence[Pair]]
    log: DecisionLog
    who: str
    recheck: RecheckFunction | None = None
    _follower: LiveCards = field(init=False, repr=False, compare=False)
    _view_tokens: dict[str, str] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_follower", LiveCards(self.proposal, self.dataset, self.log))

    def cards(self) -> tuple[Card, ...]:
        """Every pair as it stands at this moment, by the log and the dataset as they are now."""
        return self._follower.cards()

    def card(self, pair: str) -> Card:
        """One of them. Raises UnknownPair."""
        found = self._follower.card(pair)
        if found is None:
            raise UnknownPair(f"The proposal of {self.proposal.trait} has no pair {pair}.")
        return found

    def decide(self, pair: str, act: Act, version_token: str, note: str = "") -> Card:
        """Approve, reject or drop what the card with this version_token shows; the card as it stands then.

        Raises StaleText, NotAllowed, NotRechecked, UnknownPair.
        """
        card = self._as_shown(pair, version_token)
        _require_sense(card, act)
        key = card.base or "" if act is Act.DROP else card.key
        self._store([self._line(card, act, note).model_copy(update={"key": key})])
        return self.card(pair)

    def edit(self, pair: str, positive: str, negative: str, version_token: str, note: str = "") -> Card:
        """Store other texts, then have them rechecked; the card with the fresh evidence.

        The edit is stored before it is rechecked: where that fails (whatever `recheck` raises comes through), the
        text is kept, and `check` tries again.
        """
        card = self.store_edit(pair, positive, negative, version_token, note)
        return self.check(pair) if self.recheck else card

    def store_edit(self, pair: str, positive: str, negative: str, version_token: str, note: str = "") -> Card:
        """Store other texts; somebody who waits for it has them rechecked later, by `check`.

        Raises StaleText, NotAllowed, UnknownPair.
        """
        card = self._as_shown(pair, version_token)
        require_editable(card)
        new = edited_pair(card.change.after, positive, negative)
        _require_texts(new)
        update = {"key": new.key, "positive": positive, "negative": negative}
        line = self._line(card, Act.REJECT, note).model_dump() | update | {"act": Act.EDIT}
        self._store([Decision.model_validate(line)])
        return self.card(pair)

    def check(self, pair: str) -> Card:
        """Recheck an edited text by the same path as the run's, and store what was found."""
        card = self.card(pair)
        if not card.edited or card.state is CardState.APPLIED:
            raise NotAllowed(f"{pair} was not edited: its evidence is that of the run.")
        if self.recheck is None:
            raise NotAllowed("Edits cannot be checked here: there is no subject or judge at hand.")
        if card.outcome is Outcome.UNJUDGED:
            findings = tuple(self.recheck(card.ours))
            if {finding.key for finding in findings} != {side.key for side in card.ours.sides}:
                raise ReviewError(f"The check of {pair} did not answer for both of its texts: check it again.")
            line = self._line(card, Act.REJECT, "").model_dump() | {"act": Act.RECHECK, "findings": findings}
            self._store([Decision.model_validate(line)])
        return self.card(pair)

    def undo(self) -> tuple[Decision, ...]:
        """Take back this reviewer's last act (all of it, where many pairs were approved at once): what it was.

        Raises NothingToUndo.
        """
        mine = [d for d in self._follower.in_force() if d.who == self.who]
        if not mine:
            raise NoDecisionToUndo(f"{self.who} has decided nothing that could be taken back.")
        taken = tuple(d for d in mine if d.when == mine[-1].when)
        own = {"positive": None, "negative": None, "act": Act.UNDO, "note": ""}
        self._store([Decision.model_validate(d.model_dump() | own | {"undone": d.id}) for d in taken])
        return taken

    def mark_seen(self, pair: str, view_token: str) -> None:
        """Note that this reviewer has had a pair before their eyes: the one that a card with this `view_token` shows.

        It holds for as long as the session is open, and for just these texts with just this evidence.
        """
        self._view_tokens[pair] = view_token

    def bulk_approval(self, many: BulkKind) -> BulkApproval:
        """The pairs that could be approved in one act."""
        trait, cards = self.proposal.trait, self.cards()
        return seen(trait, cards, self._view_tokens) if many is BulkKind.SEEN else unflagged(trait, cards)

    def approve_bulk(self, many: BulkKind, version_token: str) -> tuple[Card, ...]:
        """Approve all pairs of the batch with this version_token in one act; the cards as they stand then.

        Raises StaleText where it is no longer what the reviewer was asked about.
        """
        asked = self.bulk_approval(many)
        if asked.version_token != version_token:
            raise StaleText(
                "These pairs have changed since you were asked about them. Nothing was approved; look at them again."
            )
        self._store([self._line(card, Act.APPROVE, f"all {many}") for card in asked.cards])
        return tuple(self.card(card.pair) for card in asked.cards)

    def _as_shown(self, pair: str, version_token: str) -> Card:
        card = self.card(pair)
        if card.version_token != version_token:
            raise StaleText(
                f"{pair} has changed since you saw it: by a new proposal, another reviewer's edit or a change of the "
                "dataset. Nothing was stored. Look at it again, then decide."
            )
        return card

    def _line(self, card: Card, act: Act, note: str) -> Decision:
        _require_characters(note + self.who)
        return Decision(
            trait=self.proposal.trait,
            campaign=self.proposal.campaign,
            pair=card.pair,
            act=act,
            key=card.key,
            proposed=card.proposed,
            base=card.base,
            who=self.who,
            when="1970-01-01T00:00:00.000000+00:00",
            note=note,
        )

    def _store(self, lines: Sequence[Decision]) -> None:
        """All lines at one moment, which makes them one act."""
        latest = self._follower.latest()
        when = next_moment([latest] if latest else [])
        self.log.append(*(line.model_copy(update={"when": when}) for line in lines))


def taken_back(taken: Sequence[Decision]) -> str:
    """What an undo took back, in a sentence."""
    what = f"{len(taken)} approvals" if len(taken) > 1 else f"{taken[0].act.value} of {taken[0].pair}"
    return f"Taken back: {what}."


_APPLIED = "This is in the dataset already. `cliffhanger apply --undo` takes the last apply back."


_MARKS = re.compile(r"(?<!<)<{7}(?!<)|(?<!=)={7}(?!=)|(?<!>)>{7}(?!>)")


def _require_sense(card: Card, act: Act) -> None:
    """Raise where an act has no meaning on a card."""
    if act not in (Act.APPROVE, Act.REJECT, Act.DROP):
        raise NotAllowed(f"{act.value} is not decided this way.")
    if card.state is CardState.APPLIED:
        raise NotAllowed(_APPLIED)
    if not card.has_proposal and (act is Act.APPROVE or (act is Act.REJECT and card.decision is None)):
        leave = "leave it" if card.decision is None else "reject it to leave it"
        raise NotAllowed(f"Nothing is proposed for {card.pair}: edit it, drop it, or {leave} as it is.")
    if act is Act.DROP and card.now is None:
        raise NotAllowed(f"{card.pair} is not in the dataset: reject it instead.")
    if act is Act.APPROVE and card.is_unverified:
        raise NotRechecked(_why_not(card))


def require_editable(card: Card) -> Card:
    """The card, if its texts can be edited as it stands. Raises NotAllowed."""
    if card.state is CardState.APPLIED:
        raise NotAllowed(_APPLIED)
    if card.state is CardState.CONFLICT and card.is_unverified:
        raise NotAllowed(f"{card.pair} is in conflict: reject it first, which keeps the dataset's text. Then edit it.")
    if card.state is CardState.CONFLICT:
        raise NotAllowed(
            f"{card.pair} is in conflict: first decide whose text shall stand, the dataset's (reject) or the one "
            "proposed (approve). Then edit it."
        )
    return card


def _why_not(card: Card) -> str:
    if card.outcome is Outcome.FAIL:
        return f"The edited text of {card.pair} fails: look at its evidence, and {after_failing(card)}."
    return f"The edited text of {card.pair} has not been checked to an end: check it, then approve it."


def _require_texts(pair: Pair) -> None:
    """Raise NotAllowed for texts that no dataset can hold."""
    for side in pair.sides:
        if not side.text.strip():
            raise NotAllowed(f"The {side.polarity} text is empty.")
        if (mark := _MARKS.search(side.text)) is not None:
            raise NotAllowed(
                f"The {side.polarity} text holds a conflict mark ({mark[0]}): keep one of the versions that it parts, "
                "and take the marks out."
            )
        _require_characters(side.text)
    one, other = pair.sides
    if (one.text, one.system_prompt) == (other.text, other.system_prompt):
        raise NotAllowed("Both texts are the same: a pair cannot be for and against at once.")


def _require_characters(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise NotAllowed("A text, a note or your name holds half of a surrogate pair, which is no character.") from None
