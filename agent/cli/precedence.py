"""Whether a run's proposal takes the place of the one that lies there: no short night hides what a human has to do."""

from collections.abc import Sequence

from agent.cli.results import Result
from agent.loop.standing import Standing, Status, standing
from agent.record.decisions import NAME, DecisionLog
from agent.record.experiment import LayoutError
from agent.record.ledger import Ledger
from agent.review.cards import Card, State
from agent.review.laying import lay_out
from agent.review.proposal import PROPOSAL, Proposal, read_proposal
from agent.schema import Decision, Ending
from agent.schema.counting import counted

_REFUSED = (State.REJECTED, State.DROPPED)
_FINISHED = (Ending.READY, Ending.READY_WITH_PARKED)


def why_earlier_stays(result: Result) -> str | None:
    """Why an earlier campaign's proposal stays where it lies, as a sentence; None where this run's replaces it.

    It stays while something in it is to be decided or applied, and this campaign is not finished and has fewer
    confirmed pairs, or does not know of a decision that is to be applied.
    """
    try:
        earlier = read_proposal(result.job.folder.refinement / PROPOSAL)
    except LayoutError:  # there is none, or none that anybody can review
        return None
    mine = result.proposal
    if earlier.campaign == mine.campaign and earlier.rounds <= mine.rounds:
        return None
    recorded = DecisionLog(result.job.folder.refinement / NAME).read().decisions
    cards = lay_out(earlier, result.job.dataset.pairs, recorded)
    if not any(card.waits or card.effect for card in cards):
        return None
    return _fewer(result, earlier, cards) or _unaware(result, earlier, cards, recorded)


def _fewer(result: Result, earlier: Proposal, cards: Sequence[Card]) -> str | None:
    refused = {card.pair for card in cards if card.state in _REFUSED}
    had, now = _confirmed_then(result.tools.ledger, earlier), len(_confirmed(result.now))
    left = had - refused
    if result.stop.ending in _FINISHED or (result.history and now >= len(left)):
        return None
    since = f", {len(had) - len(left)} of them rejected since" if had != left else ""
    return f"{_shown(earlier)}, which had {len(had)} confirmed pairs{since}; this one has {now} so far."


def _unaware(result: Result, earlier: Proposal, cards: Sequence[Card], recorded: Sequence[Decision]) -> str | None:
    """What was decided while this campaign ran already, or has not had its turn in it."""
    here = {(c.pair, c.effect, c.key) for c in lay_out(result.proposal, result.job.dataset.pairs, recorded)}
    taken_in = {change.after.key for done in result.history for change in done.changes if change.after is not None}
    lines = {pair.line for pair in result.tools.dataset}
    lost = [card for card in cards if card.effect and (card.pair, card.effect, card.key) not in here]
    unknown = [c for c in lost if (c.line in lines if c.effect == "remove" else c.ours.key not in taken_in)]
    if not unknown:
        return None
    what = counted(len(unknown), "decision")
    return f"{_shown(earlier)}: {what} about it this one does not know. Apply first, then give the same command again."


def _shown(earlier: Proposal) -> str:
    return f"review and apply still show the proposal of campaign {earlier.campaign}"


def _confirmed(now: Standing) -> set[str]:
    return set(now.at(Status.CONFIRMED, Status.AUDITED))


def _confirmed_then(ledger: Ledger, earlier: Proposal) -> set[str]:
    """The pairs that were confirmed when it was made; those that pass, where its ledger is there no more."""
    history = ledger.history(earlier.campaign)[: earlier.rounds]
    if len(history) < earlier.rounds:
        return {change.pair for change in earlier.those("added", "changed", "unchanged") if change.passes}
    return _confirmed(standing(history))
