"""A review session: decide, edit, undo and approve many pairs of one trait."""

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
from agent.text import is_text, pluralize


class BulkKind(StrEnum):
    """Which pairs are approved together: those without a flag, or those that the reviewer has seen."""

    UNFLAGGED = "unflagged"
    SEEN = "seen"


@dataclass(frozen=True)
class BulkApproval:
    """The pairs of a trait that one decision would approve. `excluded` were seen too, but need their own decision."""

    trait: str
    kind: BulkKind
    cards: tuple[Card, ...]
    excluded: tuple[Card, ...] = ()

    @property
    def version_token(self) -> str:
        """Hash of all the texts: the approval hands it back as proof of what the reviewer was asked about."""
        return digest(self.kind, *(card.version_token for card in self.cards))

    @property
    def title(self) -> str:
        """The question, as one line."""
        noun = "unflagged pair" if self.kind is BulkKind.UNFLAGGED else "seen pair"
        return f"Approve {pluralize(len(self.cards), noun)} of {self.trait}?"

    @property
    def sentences(self) -> tuple[str, ...]:
        """What these pairs are, in counts."""
        return tuple(_about_unflagged() if self.kind is BulkKind.UNFLAGGED else _about_seen(self))

    @property
    def empty_reason(self) -> str:
        """Why there is no such pair."""
        if self.kind is BulkKind.UNFLAGGED:
            return "No undecided pair passes without a flag. Decide on the remaining pairs one by one."
        if self.excluded:
            return " ".join(_about_excluded(self))
        return "You have seen no undecided pair in this session."


def unflagged(trait: str, cards: Sequence[Card]) -> BulkApproval:
    """The open pairs that pass and have neither a warning nor a conflict."""
    calm = (card for card in cards if card.state is CardState.OPEN and not card.conflict and not card.warnings)
    return BulkApproval(trait, BulkKind.UNFLAGGED, tuple(card for card in calm if card.outcome is Outcome.PASS))


def seen(trait: str, cards: Sequence[Card], view_tokens: Mapping[str, str]) -> BulkApproval:
    """The pending pairs that were seen as they are now (by pair id and `Card.view_token`), flagged ones included.

    Excluded are conflicts, and whatever could not be approved on its own.
    """
    pending = [card for card in cards if card.is_pending and view_tokens.get(card.pair) == card.view_token]
    ready = [card for card in pending if card.has_proposal and not card.is_unverified and not card.conflict]
    return BulkApproval(trait, BulkKind.SEEN, tuple(ready), tuple(card for card in pending if card not in ready))


def _about_unflagged() -> Iterator[str]:
    yield "They pass every check, have no warning, and were not changed in the dataset since the run."
    yield "This includes pairs that you have not read. One undo takes all of them back."


def _about_seen(bulk: BulkApproval) -> Iterator[str]:
    flagged = [card for card in bulk.cards if card.warnings]
    yield "The texts of each were on your screen in this session."
    if flagged:
        counts = Counter(warning for card in flagged for warning in card.warnings)
        names = ", ".join(f"{count} {warning}" for warning, count in sorted(counts.items()))
        yield f"{pluralize(len(bulk.cards) - len(flagged), 'pair')} without a flag, {len(flagged)} flagged: {names}."
    else:
        yield "None has a flag."
    if removals := sum(card.is_removal for card in bulk.cards):
        yield f"Approving removes {pluralize(removals, 'pair')} from the dataset."
    yield from _about_excluded(bulk)
    yield "One undo takes all of them back."


def _about_excluded(bulk: BulkApproval) -> Iterator[str]:
    conflicts = sum(card.conflict for card in bulk.excluded)
    edits = sum(card.is_unverified and not card.conflict for card in bulk.excluded)
    if conflicts:
        yield f"Excluded: {pluralize(conflicts, 'conflict')}, where you have to choose between two texts."
    if edits:
        yield f"Excluded: {pluralize(edits, 'edit')} without a passed check."
    if others := len(bulk.excluded) - conflicts - edits:
        yield f"Excluded: {pluralize(others, 'pair')} with nothing proposed, to be dropped or rejected."


RecheckFunction = Callable[[Pair], Sequence[Finding]]


class ReviewError(UserError):
    """A decision that cannot be made; the message is a sentence for the reviewer."""


class UnknownPair(ReviewError):
    """The proposal has no such pair."""


class StaleText(ReviewError):
    """The texts are no longer those that the reviewer saw."""


class NotAllowed(ReviewError):
    """The decision has no effect on this pair in its present state."""


class NotRechecked(ReviewError):
    """An edited text was approved before it passed its check."""


class RecheckFailed(ReviewError):
    """An edit was stored, but could not be checked."""


class NoDecisionToUndo(ReviewError):
    """This reviewer has made no decision that is still in force."""


@dataclass(frozen=True)
class ReviewSession:
    """One reviewer's review of one trait's proposal. Any number of sessions may share a log.

    `dataset` returns the pairs as they are now. `recheck` examines an edited pair and returns its findings; without it
    edits are stored, and cannot be approved until a session with `recheck` has checked them.
    """

    proposal: Proposal
    dataset: Callable[[], Sequence[Pair]]
    log: DecisionLog
    reviewer: str
    recheck: RecheckFunction | None = None
    _live: LiveCards = field(init=False, repr=False, compare=False)
    _view_tokens: dict[str, str] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_live", LiveCards(self.proposal, self.dataset, self.log))

    def cards(self) -> tuple[Card, ...]:
        """Every pair, by the log and the dataset as they are now."""
        return self._live.cards()

    def card(self, pair: str) -> Card:
        """The card of one pair. Raises UnknownPair."""
        card = self._live.card(pair)
        if card is None:
            raise UnknownPair(f"The proposal of {self.proposal.trait} has no pair {pair}.")
        return card

    def decide(self, pair: str, act: Act, version_token: str, note: str = "") -> Card:
        """Approve, reject or drop the texts that the card with this token shows; return the card afterwards.

        Raises StaleText, NotAllowed, NotRechecked, UnknownPair.
        """
        card = self._unchanged_card(pair, version_token)
        _require_applicable(card, act)
        key = card.base or "" if act is Act.DROP else card.key
        self._store([self._decision(card, act, note).model_copy(update={"key": key})])
        return self.card(pair)

    def edit(self, pair: str, positive: str, negative: str, version_token: str, note: str = "") -> Card:
        """Store an edit, then check it; return the card with the new evidence.

        The edit is stored before its check: if the check fails (whatever `recheck` raises is raised here), the text is
        kept and `check` tries again.
        """
        card = self.store_edit(pair, positive, negative, version_token, note)
        return self.check(pair) if self.recheck else card

    def store_edit(self, pair: str, positive: str, negative: str, version_token: str, note: str = "") -> Card:
        """Store an edit without checking it; `check` does that later.

        Raises StaleText, NotAllowed, UnknownPair.
        """
        card = self._unchanged_card(pair, version_token)
        require_editable(card)
        new = edited_pair(card.change.after, positive, negative)
        _require_storable(new)
        update = {"key": new.key, "positive": positive, "negative": negative}
        decision = self._decision(card, Act.REJECT, note).model_dump() | update | {"act": Act.EDIT}
        self._store([Decision.model_validate(decision)])
        return self.card(pair)

    def check(self, pair: str) -> Card:
        """Check an edited text as a run would, and store the findings. Raises NotAllowed, ReviewError."""
        card = self.card(pair)
        if not card.edited or card.state is CardState.APPLIED:
            raise NotAllowed(f"{pair} was not edited: its evidence is that of the run.")
        if self.recheck is None:
            raise NotAllowed("Edits cannot be checked here: the review was opened with --no-recheck.")
        if card.outcome is Outcome.UNJUDGED:
            findings = tuple(self.recheck(card.ours))
            if {finding.key for finding in findings} != {side.key for side in card.ours.sides}:
                raise ReviewError(f"The check of {pair} did not judge both of its texts: check it again.")
            decision = self._decision(card, Act.REJECT, "").model_dump() | {"act": Act.RECHECK, "findings": findings}
            self._store([Decision.model_validate(decision)])
        return self.card(pair)

    def undo(self) -> tuple[Decision, ...]:
        """Undo this reviewer's last decision, or their last bulk approval as a whole; return what was undone.

        Raises NoDecisionToUndo.
        """
        own = [d for d in self._live.in_force() if d.who == self.reviewer]
        if not own:
            raise NoDecisionToUndo(f"{self.reviewer} has made no decision that could be undone.")
        undone = tuple(d for d in own if d.when == own[-1].when)
        changes = {"positive": None, "negative": None, "act": Act.UNDO, "note": ""}
        self._store([Decision.model_validate(d.model_dump() | changes | {"undone": d.id}) for d in undone])
        return undone

    def mark_seen(self, pair: str, view_token: str) -> None:
        """Note that the card with this token was on the reviewer's screen; kept for this session only."""
        self._view_tokens[pair] = view_token

    def bulk_approval(self, kind: BulkKind) -> BulkApproval:
        """The pairs that one bulk approval would approve now."""
        trait, cards = self.proposal.trait, self.cards()
        return seen(trait, cards, self._view_tokens) if kind is BulkKind.SEEN else unflagged(trait, cards)

    def approve_bulk(self, kind: BulkKind, version_token: str) -> tuple[Card, ...]:
        """Approve all pairs of the bulk approval with this token as one decision; return their cards afterwards.

        Raises StaleText if it is no longer what the reviewer was asked about.
        """
        bulk = self.bulk_approval(kind)
        if bulk.version_token != version_token:
            raise StaleText("These pairs have changed since you were asked. Nothing was approved; look at them again.")
        self._store([self._decision(card, Act.APPROVE, f"all {kind}") for card in bulk.cards])
        return tuple(self.card(card.pair) for card in bulk.cards)

    def _unchanged_card(self, pair: str, version_token: str) -> Card:
        card = self.card(pair)
        if card.version_token != version_token:
            raise StaleText(
                f"{pair} has changed since you saw it: by a new proposal, another reviewer's edit or a change of the "
                "dataset. Nothing was stored. Look at it again, then decide."
            )
        return card

    def _decision(self, card: Card, act: Act, note: str) -> Decision:
        _require_encodable(note + self.reviewer)
        return Decision(
            trait=self.proposal.trait,
            campaign=self.proposal.campaign,
            pair=card.pair,
            act=act,
            key=card.key,
            proposed=card.proposed,
            base=card.base,
            who=self.reviewer,
            when="1970-01-01T00:00:00.000000+00:00",  # `_store` sets it
            note=note,
        )

    def _store(self, decisions: Sequence[Decision]) -> None:
        """Store decisions with one time stamp, which makes them one for `undo`."""
        latest = self._live.latest()
        when = next_moment([latest] if latest else [])
        self.log.append(*(decision.model_copy(update={"when": when}) for decision in decisions))


def undone_message(undone: Sequence[Decision]) -> str:
    """What an undo took back, as a sentence."""
    what = f"{len(undone)} approvals" if len(undone) > 1 else f"{undone[0].act.value} of {undone[0].pair}"
    return f"Undone: {what}."


_APPLIED = "The dataset already holds this. `cliffhanger apply --undo` undoes the last apply."
_CONFLICT_MARK = re.compile(r"(?<!<)<{7}(?!<)|(?<!=)={7}(?!=)|(?<!>)>{7}(?!>)")


def _require_applicable(card: Card, act: Act) -> None:
    """Raise NotAllowed or NotRechecked if the decision has no effect on this card."""
    if act not in (Act.APPROVE, Act.REJECT, Act.DROP):
        raise NotAllowed(f"{act.value} is not a decision on a card.")
    if card.state is CardState.APPLIED:
        raise NotAllowed(_APPLIED)
    if not card.has_proposal and (act is Act.APPROVE or (act is Act.REJECT and card.decision is None)):
        leave = "leave it" if card.decision is None else "reject it to leave it"
        raise NotAllowed(f"Nothing is proposed for {card.pair}: edit it, drop it, or {leave} as it is.")
    if act is Act.DROP and card.now is None:
        raise NotAllowed(f"{card.pair} is not in the dataset: reject it instead.")
    if act is Act.APPROVE and card.is_unverified:
        raise NotRechecked(_unverified_reason(card))


def require_editable(card: Card) -> Card:
    """The card, if its texts can be edited in its present state. Raises NotAllowed."""
    if card.state is CardState.APPLIED:
        raise NotAllowed(_APPLIED)
    if card.state is CardState.CONFLICT and card.is_unverified:
        raise NotAllowed(f"{card.pair} is in conflict: reject it first, which keeps the dataset's text. Then edit it.")
    if card.state is CardState.CONFLICT:
        raise NotAllowed(
            f"{card.pair} is in conflict: first keep the dataset's text (reject) or the proposed one (approve). Then "
            "edit it."
        )
    return card


def _unverified_reason(card: Card) -> str:
    if card.outcome is Outcome.FAIL:
        return f"The edited text of {card.pair} fails its check: look at the evidence, and {after_failing(card)}."
    return f"The check of the edited text of {card.pair} has not finished: check it, then approve it."


def _require_storable(pair: Pair) -> None:
    """Raise NotAllowed for texts that a dataset cannot hold."""
    for side in pair.sides:
        if not side.text.strip():
            raise NotAllowed(f"The {side.polarity} text is empty.")
        if (mark := _CONFLICT_MARK.search(side.text)) is not None:
            raise NotAllowed(
                f"The {side.polarity} text contains a conflict mark ({mark[0]}): keep one of the versions and remove "
                "the marks."
            )
        _require_encodable(side.text)
    one, other = pair.sides
    if (one.text, one.system_prompt) == (other.text, other.system_prompt):
        raise NotAllowed("Both texts are the same: the two sides of a pair have to differ.")


def _require_encodable(text: str) -> None:
    if not is_text(text):
        raise NotAllowed("A text, a note or your name contains half of a surrogate pair, which is not a character.")
