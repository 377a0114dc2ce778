"""What a run leaves beside its ledger: the guide's files of the current set, and the proposal for the morning."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from agent.cli.compose import Job, Workshop
from agent.loop.standing import Standing
from agent.loop.tools import Tools
from agent.record.experiment import About, write_responses
from agent.record.files import write_atomically
from agent.record.layout import write_dataset
from agent.record.scores import Examined, write_first_token, write_scores
from agent.review.proposal import PROPOSAL, Proposal, final_pairs, propose
from agent.schema import Completion, Finding, History, Pair, Polarity, Stop


@dataclass(frozen=True)
class Result:
    """One trait at the end of a run."""

    job: Job
    tools: Tools
    history: History
    now: Standing
    stop: Stop
    seconds: float

    @cached_property
    def proposal(self) -> Proposal:
        """What is proposed to the human."""
        empty = Proposal(
            trait=self.job.trait.id,
            dataset=self.job.dataset.hashes,
            campaign=self.tools.campaign,
            rounds=len(self.history),
            stop=self.stop,
            mode=self.job.trait.mode,
            rules=self.tools.bench.rules,
            changes=(),
        )
        begun = {pair.id for pair in self.tools.dataset}
        left_out = [pair.id for pair in self.job.dataset.pairs if pair.id not in begun]
        return propose(empty, self.job.dataset.pairs, self.history, left_out)


def write_history(result: Result) -> None:
    """history.jsonl, whole or not at all."""
    history = result.tools.ledger.canonical(result.tools.campaign)
    write_atomically(result.job.folder.refinement / "history.jsonl", history)


def write_proposal(result: Result) -> None:
    """final/ and proposal.json, each whole or not at all."""
    folder = result.job.folder.refinement
    write_dataset(folder / "final", final_pairs(result.proposal, result.job.dataset.pairs, result.history))
    write_atomically(folder / PROPOSAL, result.proposal.model_dump_json(indent=1).encode() + b"\n")


def write_guides_files(workshop: Workshop, job: Job, now: Standing) -> None:
    """responses/ and vetting/ as the guide's readers expect them, of the set as it stands: by line, then the drafts."""
    pairs = sorted(now.pairs, key=lambda pair: (pair.line is None, pair.line or 0))
    findings = latest_findings(now)
    write_completions(workshop, job, pairs, {k: f.completion for k, f in findings.items() if f.completion})
    examined = Examined(pairs, findings, job.trait.definition, workshop.settings.rules, job.trait.mode)
    write_scores(job.folder, "scenario", examined)
    write_scores(job.folder, "response", examined)
    write_first_token(job.folder, examined)


def write_completions(
    workshop: Workshop, job: Job, pairs: Sequence[Pair], completions: Mapping[str, Completion]
) -> None:
    """responses/pos.json, neg.json and metadata.json."""
    settings = workshop.settings
    about = About(
        model=settings.subject.model,
        dtype=settings.subject.dtype,
        max_new_tokens=settings.rules.max_new_tokens,
        timestamp=datetime.now(UTC).isoformat(timespec="seconds"),
        hashes=job.dataset.hashes,
    )
    write_responses(job.folder, pairs, completions, about)


def latest_findings(now: Standing) -> dict[str, Finding]:
    """By scenario key, what is known of each text of the set."""
    found: Iterable[Finding | None] = (item.finding(p) for item in now.items.values() for p in Polarity)
    return {finding.key: finding for finding in found if finding is not None}
