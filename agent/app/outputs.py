"""What a run leaves beside its ledger: the guide's files of the current set, and the proposal for the morning."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from agent.app.composition import RunContext, TraitJob
from agent.loop.act import Tools
from agent.loop.state import SetState, Status, replay
from agent.review.card_builder import build_cards
from agent.review.cards import Card, CardState
from agent.review.proposal import PROPOSAL, Proposal, final_pairs, propose, read_proposal
from agent.review.report.build import RunRecord, build_report, calls_by_role, measure_run
from agent.review.report.markdown import confidence, dropped_and_parked, summary
from agent.review.report.model import Report, RunSettings
from agent.review.report.page import page
from agent.schema import Completion, Decision, Ending, Finding, History, Pair, Plan, Polarity, Stop, Trait, Usage
from agent.storage.dataset import FileHashes, write_dataset
from agent.storage.decision_log import NAME, DecisionLog
from agent.storage.durable import write_atomically
from agent.storage.experiment import ExperimentFolder, GenerationInfo, LayoutError, write_responses
from agent.storage.ledger import Ledger
from agent.storage.ledger_database import CampaignRecord
from agent.storage.vetting_files import SetFindings, write_first_token, write_scores
from agent.supervision.display import call_count, usd
from agent.text import experiment_options, pluralize, program_name, relative_path


@dataclass(frozen=True)
class Result:
    """One trait at the end of a run."""

    job: TraitJob
    tools: Tools
    history: History
    now: SetState
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
            rules=self.tools.context.rules,
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


def write_guides_files(workshop: RunContext, job: TraitJob, now: SetState) -> None:
    """responses/ and vetting/ as the guide's readers expect them, of the set as it stands: by line, then the drafts."""
    pairs = sorted(now.pairs, key=lambda pair: (pair.line is None, pair.line or 0))
    findings = latest_findings(now)
    write_completions(workshop, job, pairs, {k: f.completion for k, f in findings.items() if f.completion})
    examined = SetFindings(pairs, findings, job.trait.definition, workshop.settings.rules, job.trait.mode)
    write_scores(job.folder, "scenario", examined)
    write_scores(job.folder, "response", examined)
    write_first_token(job.folder, examined)


def write_completions(
    workshop: RunContext, job: TraitJob, pairs: Sequence[Pair], completions: Mapping[str, Completion]
) -> None:
    """responses/pos.json, neg.json and metadata.json."""
    settings = workshop.settings
    about = GenerationInfo(
        model=settings.subject.model,
        dtype=settings.subject.dtype,
        max_new_tokens=settings.rules.max_new_tokens,
        timestamp=datetime.now(UTC).isoformat(timespec="seconds"),
        hashes=job.dataset.hashes,
    )
    write_responses(job.folder, pairs, completions, about)


def latest_findings(now: SetState) -> dict[str, Finding]:
    """By scenario key, what is known of each text of the set."""
    found: Iterable[Finding | None] = (item.finding(p) for item in now.items.values() for p in Polarity)
    return {finding.key: finding for finding in found if finding is not None}


def write_report(folder: ExperimentFolder, told: Report) -> None:
    """summary.md, report.json and report.html, each whole or not at all."""
    write_atomically(folder.refinement / "summary.md", summary(told).encode())
    write_atomically(folder.refinement / "report.json", told.model_dump_json(indent=1).encode() + b"\n")
    write_atomically(folder.refinement / "report.html", page(told).encode())


def write_report_of(result: Result) -> None:
    """The report of a run at its end."""
    tools = result.tools
    campaign = next(one for one in tools.ledger.campaigns() if one.id == tools.campaign)
    told = report_of(tools.ledger, campaign, tools.plan, result.stop, tools.dataset)
    write_report(result.job.folder, told)


def earlier_report(folder: ExperimentFolder) -> Report | None:
    """The report that lies there, if this version of the program can read it."""
    try:
        return Report.model_validate_json((folder.refinement / "report.json").read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def report_of(
    ledger: Ledger,
    campaign: CampaignRecord,
    plan: Plan,
    stop: Stop | None,
    dataset: Sequence[Pair] = (),
    state: str = "",
) -> Report:
    """A campaign's report, from its ledger. `dataset`: the pairs it began from, as far as they are still there."""
    history = ledger.history(campaign.id)
    basis = campaign.basis
    run_settings = RunSettings(trait=Trait.model_validate_json(basis.trait), plan=plan, models=basis.models)
    record = RunRecord(
        campaign=campaign.id,
        dataset=_begun_from(history, dataset),
        history=history,
        stop=stop,
        state=state,
        spent=ledger.spent_by_role(),
        completions=dict(ledger.total_usage().calls).get("subject", 0),
    )
    return build_report(run_settings, record, measure_run(history))


def began_from(campaign: CampaignRecord, hashes: FileHashes) -> bool:
    """Whether a campaign began from the dataset with these hashes; its definition does not matter."""
    basis = campaign.basis
    return (basis.dataset_positive, basis.dataset_negative) == (hashes.positive or "", hashes.negative or "")


def _begun_from(history: History, dataset: Sequence[Pair]) -> tuple[Pair, ...]:
    """The pairs as the loop took them in, then those of the dataset that no round has reached, in file order."""
    adopted = {c.pair: c.after for done in history for c in done.changes if c.what == "adopt" and c.after}
    pairs = {**{pair.id: pair for pair in dataset}, **adopted}
    return tuple(sorted(pairs.values(), key=lambda pair: pair.line or 0))


_REFUSED = (CardState.REJECTED, CardState.DROPPED)
_FINISHED = (Ending.READY, Ending.READY_WITH_PARKED)


def reason_to_keep_earlier_proposal(result: Result) -> str | None:
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
    cards = build_cards(earlier, result.job.dataset.pairs, recorded)
    if not any(card.is_pending or card.effect for card in cards):
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
    here = {(c.pair, c.effect, c.key) for c in build_cards(result.proposal, result.job.dataset.pairs, recorded)}
    taken_in = {change.after.key for done in result.history for change in done.changes if change.after is not None}
    lines = {pair.line for pair in result.tools.dataset}
    lost = [card for card in cards if card.effect and (card.pair, card.effect, card.key) not in here]
    unknown = [c for c in lost if (c.line in lines if c.effect == "remove" else c.ours.key not in taken_in)]
    if not unknown:
        return None
    what = pluralize(len(unknown), "decision")
    return f"{_shown(earlier)}: {what} about it this one does not know. Apply first, then give the same command again."


def _shown(earlier: Proposal) -> str:
    return f"review and apply still show the proposal of campaign {earlier.campaign}"


def _confirmed(now: SetState) -> set[str]:
    return set(now.at(Status.CONFIRMED, Status.AUDITED))


def _confirmed_then(ledger: Ledger, earlier: Proposal) -> set[str]:
    """The pairs that were confirmed when it was made; those that pass, where its ledger is there no more."""
    history = ledger.history(earlier.campaign)[: earlier.rounds]
    if len(history) < earlier.rounds:
        return {change.pair for change in earlier.those("added", "changed", "unchanged") if change.passes}
    return _confirmed(replay(history))


HEADINGS = ("trait", "ending", "confirmed/audited", "of", "parked", "dropped", "rounds", "calls", "USD", "minutes")


def trait_summary(result: Result) -> tuple[str, str, str, str, str]:
    """What passed, what left and why, how sure one may be, what it cost, what to do next."""
    trait = result.job.trait.id
    return (
        f"{trait}: {result.stop.ending.value}: {result.stop.why}. {passed(result)}",
        f"  left: {dropped_and_parked(result.proposal)}",
        f"  sure: {confidence(measure_run(result.history))}",
        f"  cost: {cost(result)}",
        f"  next: {advice(result)}",
    )


def table_row(result: Result, spent: Usage) -> tuple[str, ...]:
    """A trait's row under HEADINGS. Calls and money are all that its ledger has bought, earlier campaigns included."""
    now, counts = result.now, [len(result.proposal.those(what)) for what in ("parked", "dropped")]
    sure = f"{len(now.at(Status.CONFIRMED, Status.AUDITED))}/{len(now.at(Status.AUDITED))}"
    numbers = (result.tools.plan.goal, *counts, len(result.history), call_count(spent))
    minutes = f"{result.seconds / 60:.1f}"
    return (result.job.trait.id, result.stop.ending.value, sure, *map(str, numbers), usd(spent), minutes)


def passed(result: Result) -> str:
    """Where the set stands."""
    now, proposal = result.now, result.proposal
    confirmed = len(now.at(Status.CONFIRMED, Status.AUDITED))
    kinds = Counter(change.what for change in proposal.changes)
    return (
        f"{confirmed} of {len(now.items)} pairs are confirmed, {len(now.at(Status.AUDITED))} audited; "
        f"against the dataset: {kinds['unchanged']} unchanged, {kinds['changed']} changed, {kinds['added']} added"
    )


def cost(result: Result) -> str:
    calls = calls_by_role(result.history)
    told = ", ".join(f"{n} {role}" for role, n in sorted(calls.items())) or "no call"
    unfinished = "" if result.stop.ready else " (what an unfinished round bought is not in it)"
    rounds = f"{pluralize(len(result.history), 'round')}, all of the campaign{unfinished}"
    return f"{told} in {rounds}; this run took {result.seconds:.0f} s"


_NEXT = {
    Ending.READY: "open {report} (or summary.md); decide: `{program} review {place}` (on a page: with --web); write "
    "what you approved: `{program} apply {place}`. The proposed set is in {final}; the dataset is as it was",
    Ending.READY_WITH_PARKED: "open {report} (or summary.md); decide, the parked pairs too: `{program} review {place}` "
    "(on a page: with --web); write what you approved: `{program} apply {place}`. The proposed set is in {final}; the "
    "dataset is as it was",
    Ending.CAP: "the same command goes on where it stopped, with a higher cap if one was reached; see {report}",
    Ending.NOT_READY: "follow the reason above, then give the same command again; the evidence is in {report}",
    Ending.ENDPOINT: "mend the endpoint, then give the same command again; nothing that was paid for is lost",
    Ending.STALLED: "give the same command again; it goes on from the last recorded round",
    Ending.STOPPED: "the same command goes on from the last recorded round",
}


def advice(result: Result) -> str:
    folder, of = result.job.folder.refinement, result.job.folder
    where = experiment_options(of.root, of.trait, of.variant)
    if result.stop.ending is Ending.STOPPED and result.job.folder.stop_file.exists():
        take_back = f"`{program_name()} resume {where}`"
        return f"take the stop back with {take_back}; then the same command goes on from the last recorded round"
    report, final = relative_path(folder / "report.html"), relative_path(folder / "final")
    return _NEXT[result.stop.ending].format(report=report, final=final, program=program_name(), place=where)


def next_steps(experiment: Path, traits: str | None, variant: str | None) -> str:
    """What to do next about all traits of a run."""
    where = experiment_options(experiment, traits, variant)
    return (
        f"Next, for all of them: `{program_name()} review {where}` shows each proposed change (on a page: with --web), and "
        f"`{program_name()} apply {where}` writes what you approved. No dataset has been changed yet."
    )
