"""What a trait's campaign begins from: its dataset, and what humans have decided about it so far."""

import json
import re
from collections.abc import Iterable, Sequence

from agent.cli.compose import Job
from agent.record.decisions import NAME, DecisionLog, in_force
from agent.record.ledger import Ledger
from agent.review.acts import edited_pair
from agent.review.carry import DECISIONS, STARTING_SET, VERDICTS, Start, rejected_texts, starting_pairs
from agent.review.laying import lay_out
from agent.review.proposal import PROPOSAL, Proposal, read_proposal
from agent.schema import Act, Decision, Pair, digest

_DRAFT = re.compile(r"n(\d+)")


def start_of(job: Job, ledger: Ledger) -> Start:
    """Where to begin, or where the campaign that rests on the very same decisions and dataset began."""
    recorded = DecisionLog(job.folder.refinement / NAME).read().decisions
    acts = [d for d in in_force(recorded) if d.trait == job.trait.id]
    path = job.folder.refinement / PROPOSAL
    decided = [d for d in acts if d.act in VERDICTS]
    if not decided or not path.is_file():
        return Start(pairs=job.dataset.pairs)
    key = digest(*(d.id for d in decided))
    return _begun_before(job, ledger, key) or _begun_now(job, ledger, read_proposal(path), recorded, key)


def _begun_before(job: Job, ledger: Ledger, key: str) -> Start | None:
    files = {f"dataset {name}": value or "" for name, value in job.dataset.hashes}
    for campaign in reversed(ledger.campaigns()):
        about = json.loads(campaign.about)
        if about.get(DECISIONS) == key and files.items() <= about.items():
            return Start.model_validate_json(about[STARTING_SET])
    return None


def _begun_now(job: Job, ledger: Ledger, proposal: Proposal, recorded: Sequence[Decision], key: str) -> Start:
    present = job.dataset.pairs
    acts = in_force([d for d in recorded if d.trait == job.trait.id])
    known = _known(ledger, proposal, acts)
    pairs = starting_pairs(present, lay_out(proposal, present, recorded), known)
    names = [*(d.pair for d in acts), *(change.pair for change in proposal.changes)]
    return Start(
        pairs=pairs,
        rejected=rejected_texts(acts, known, present),
        first_draft=max(_numbers(names), default=-1) + 1,
        decisions=key,
    )


def _numbers(names: Iterable[str]) -> Iterable[int]:
    return (int(found[1]) for name in names if (found := _DRAFT.fullmatch(name)))


def _known(ledger: Ledger, proposal: Proposal, acts: Sequence[Decision]) -> dict[str, Pair]:
    """Every pair that a campaign or a human ever wrote here, by its key."""
    rounds = (done for campaign in ledger.campaigns() for done in ledger.history(campaign.id))
    known = {c.after.key: c.after for done in rounds for c in done.changes if c.after is not None}
    proposed = {change.pair: change.after for change in proposal.changes}
    for edit in (d for d in acts if d.act is Act.EDIT and d.pair in proposed):
        pair = edited_pair(proposed[edit.pair], edit.positive or "", edit.negative or "")
        known[pair.key] = pair
    return known
