"""Output files of a run: the guide's files of the current set, the proposal and the report; the last lines shown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from pydantic import ValidationError

from agent.app.composition import RunContext, TraitJob
from agent.errors import Interrupted
from agent.loop.act import Tools
from agent.loop.state import SetState, Status, replay
from agent.review.card_builder import build_cards
from agent.review.cards import Card, CardState
from agent.review.endings import next_step
from agent.review.proposal import PROPOSAL, Proposal, final_pairs, propose, read_proposal
from agent.review.report.build import RunRecord, build_report, measure_run
from agent.review.report.markdown import summary
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
from agent.text import pluralize, program_name, relative_path, verb_for, with_period


@dataclass(frozen=True)
class Result:
    """One trait at the end of a run."""

    job: TraitJob
    tools: Tools
    history: History
    state: SetState
    stop: Stop
    seconds: float

    @cached_property
    def proposal(self) -> Proposal:
        """The proposal for the human."""
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
        started = {pair.id for pair in self.tools.dataset}
        left_out = [pair.id for pair in self.job.dataset.pairs if pair.id not in started]
        return propose(empty, self.job.dataset.pairs, self.history, left_out)


def write_history(result: Result) -> None:
    """Write history.jsonl atomically."""
    history = result.tools.ledger.canonical(result.tools.campaign)
    write_atomically(result.job.folder.refinement / "history.jsonl", history)


def write_proposal(result: Result) -> None:
    """Write final/ and proposal.json, each atomically."""
    folder = result.job.folder.refinement
    write_dataset(folder / "final", final_pairs(result.proposal, result.job.dataset.pairs, result.history))
    write_atomically(folder / PROPOSAL, result.proposal.model_dump_json(indent=1).encode() + b"\n")


def write_guides_files(context: RunContext, job: TraitJob, state: SetState) -> None:
    """Write responses/ and vetting/ in the guide's format for the current set: by line, then the drafts."""
    pairs = sorted(state.pairs, key=lambda pair: (pair.line is None, pair.line or 0))
    findings = latest_findings(state)
    write_completions(context, job, pairs, {k: f.completion for k, f in findings.items() if f.completion})
    examined = SetFindings(pairs, findings, job.trait.definition, context.settings.rules, job.trait.mode)
    write_scores(job.folder, "scenario", examined)
    write_scores(job.folder, "response", examined)
    write_first_token(job.folder, examined)


def write_completions(
    context: RunContext, job: TraitJob, pairs: Sequence[Pair], completions: Mapping[str, Completion]
) -> None:
    """Write responses/pos.json, neg.json and metadata.json."""
    settings = context.settings
    about = GenerationInfo(
        model=settings.subject.model,
        dtype=settings.subject.dtype,
        max_new_tokens=settings.rules.max_new_tokens,
        timestamp=datetime.now(UTC).isoformat(timespec="seconds"),
        hashes=job.dataset.hashes,
    )
    write_responses(job.folder, pairs, completions, about)


def latest_findings(state: SetState) -> dict[str, Finding]:
    """The latest finding of each text of the set, by scenario key."""
    found: Iterable[Finding | None] = (item.finding(p) for item in state.items.values() for p in Polarity)
    return {finding.key: finding for finding in found if finding is not None}


def write_report(folder: ExperimentFolder, report: Report) -> None:
    """Write summary.md, report.json and report.html, each atomically."""
    write_atomically(folder.refinement / "summary.md", summary(report).encode())
    write_atomically(folder.refinement / "report.json", report.model_dump_json(indent=1).encode() + b"\n")
    write_atomically(folder.refinement / "report.html", page(report).encode())


def write_report_of(result: Result) -> None:
    """Write the report of a run at its end."""
    tools = result.tools
    campaign = next(one for one in tools.ledger.campaigns() if one.id == tools.campaign)
    report = report_of(tools.ledger, campaign, tools.plan, result.stop, tools.dataset)
    write_report(result.job.folder, report)


def earlier_report(folder: ExperimentFolder) -> Report | None:
    """The stored report; None if there is none that this version can read."""
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
    """A campaign's report, from its ledger. `dataset`: the pairs it began from, as far as they still exist."""
    history = ledger.history(campaign.id)
    basis = campaign.basis
    run_settings = RunSettings(trait=Trait.model_validate_json(basis.trait), plan=plan, models=basis.models)
    record = RunRecord(
        campaign=campaign.id,
        dataset=_starting_pairs(history, dataset),
        history=history,
        stop=stop,
        state=state,
        spent=ledger.spent_by_role(),
        completions=dict(ledger.total_usage().calls).get("subject", 0),
        answered_by=ledger.models(campaign.id),
    )
    return build_report(run_settings, record, measure_run(history))


def began_from(campaign: CampaignRecord, hashes: FileHashes) -> bool:
    """Whether a campaign began from the dataset with these hashes; its definition does not matter."""
    basis = campaign.basis
    return (basis.dataset_positive, basis.dataset_negative) == (hashes.positive or "", hashes.negative or "")


def _starting_pairs(history: History, dataset: Sequence[Pair]) -> tuple[Pair, ...]:
    """The dataset's pairs in file order, each as the loop adopted it, if a round has reached it."""
    adopted = {c.pair: c.after for done in history for c in done.changes if c.what == "adopt" and c.after}
    pairs = {**{pair.id: pair for pair in dataset}, **adopted}
    return tuple(sorted(pairs.values(), key=lambda pair: pair.line or 0))


_REFUSED = (CardState.REJECTED, CardState.DROPPED)
_FINISHED = (Ending.READY, Ending.READY_WITH_PARKED)


def reason_to_keep_earlier_proposal(result: Result) -> str | None:
    """Why an earlier campaign's proposal is kept, as a sentence; None if this run's replaces it.

    It is kept while it has pairs to decide on or to apply, and this campaign either is unfinished with fewer confirmed
    pairs, or was started without a decision that is still to be applied.
    """
    try:
        earlier = read_proposal(result.job.folder.refinement / PROPOSAL)
    except LayoutError:  # there is none that can be reviewed
        return None
    mine = result.proposal
    if earlier.campaign == mine.campaign and earlier.rounds <= mine.rounds:
        return None
    recorded = DecisionLog(result.job.folder.refinement / NAME).read().decisions
    cards = build_cards(earlier, result.job.dataset.pairs, recorded)
    if not any(card.is_pending or card.effect for card in cards):
        return None
    return _more_confirmed(result, earlier, cards) or _unknown_decisions(result, earlier, cards, recorded)


def _more_confirmed(result: Result, earlier: Proposal, cards: Sequence[Card]) -> str | None:
    rejected = {card.pair for card in cards if card.state in _REFUSED}
    had, has = _confirmed_at(result.tools.ledger, earlier), len(_confirmed(result.state))
    left = had - rejected
    if result.stop.ending in _FINISHED or (result.history and has >= len(left)):
        return None
    since = f", {len(had) - len(left)} of them rejected since" if had != left else ""
    return f"{_still_shown(earlier)}, which has {len(had)} confirmed pairs{since}; this campaign has {has} so far."


def _unknown_decisions(
    result: Result, earlier: Proposal, cards: Sequence[Card], recorded: Sequence[Decision]
) -> str | None:
    """Decisions made after this campaign started, or not yet used by it, as a sentence; None if there are none."""
    here = {(c.pair, c.effect, c.key) for c in build_cards(result.proposal, result.job.dataset.pairs, recorded)}
    used = {change.after.key for done in result.history for change in done.changes if change.after is not None}
    lines = {pair.line for pair in result.tools.dataset}
    lost = [card for card in cards if card.effect and (card.pair, card.effect, card.key) not in here]
    unknown = [c for c in lost if (c.line in lines if c.effect == "remove" else c.ours.key not in used)]
    if not unknown:
        return None
    what = f"{pluralize(len(unknown), 'decision')} about it {verb_for(len(unknown), 'is', 'are')}"
    return f"{_still_shown(earlier)}: {what} unknown to this campaign. Apply first, then rerun the command."


def _still_shown(earlier: Proposal) -> str:
    return f"review and apply still show the proposal of campaign {earlier.campaign}"


def _confirmed(state: SetState) -> set[str]:
    return set(state.at(Status.CONFIRMED, Status.AUDITED))


def _confirmed_at(ledger: Ledger, earlier: Proposal) -> set[str]:
    """Pairs confirmed when a proposal was made; those that pass, if its rounds are no longer in the ledger."""
    history = ledger.history(earlier.campaign)[: earlier.rounds]
    if len(history) < earlier.rounds:
        return {change.pair for change in earlier.those("added", "changed", "unchanged") if change.passes}
    return _confirmed(replay(history))


HEADINGS = ("trait", "ending", "confirmed/audited", "of", "parked", "dropped", "rounds", "calls", "USD", "minutes")


def table_row(result: Result, spent: Usage) -> tuple[str, ...]:
    """A trait's row under HEADINGS. Calls and dollars are of its whole ledger, earlier campaigns included."""
    state, counts = result.state, [len(result.proposal.those(what)) for what in ("parked", "dropped")]
    confirmed = f"{len(_confirmed(state))}/{len(state.at(Status.AUDITED))}"
    numbers = (result.tools.plan.goal, *counts, len(result.history), call_count(spent))
    minutes = f"{result.seconds / 60:.1f}"
    return (result.job.trait.id, result.stop.ending.value, confirmed, *map(str, numbers), usd(spent), minutes)


def next_steps(ends: Sequence[tuple[str, Stop | None]], options: str, folder: ExperimentFolder) -> list[str]:
    """What to do after a run whose traits ended so (None: did not run), one line per cause, the most urgent first.

    `options` name the experiment as typed, `folder` is the first trait's.
    """
    program = program_name()
    review, apply = f"`{program} review {options}` (or --web)", f"`{program} apply {options}`"
    if any(stop is None for _, stop in ends):
        return ["fix the errors named above, then rerun the command."]
    report = str(relative_path(folder.refinement / "report.html")) if len(ends) == 1 else "the report.html of each"
    stops = [(trait, stop) for trait, stop in ends if stop is not None]
    open_ = [(trait, stop) for trait, stop in stops if stop.ending not in _FINISHED]
    steps: dict[str, list[str]] = {}
    for trait, stop in sorted(open_ or stops, key=lambda end: _URGENCY.index(end[1].ending), reverse=True):
        step = next_step(stop, f"in {report}", review, apply, f"`{program} resume {options}`")
        steps.setdefault(f"{step[0].lower()}{step[1:]}", []).append(trait)
    if not open_:
        return [next(iter(steps))]
    lines = [f"{', '.join(traits)}: {step}" if len(steps) > 1 else step for step, traits in steps.items()]
    others = f" Finished traits can be reviewed now: {review}." if len(open_) < len(stops) else ""
    return [*lines[:-1], f"{lines[-1]} Details are in {report}.{others}"]


# By exit code as in agent.errors: what needs a human first comes last.
_URGENCY = (
    Ending.READY,
    Ending.READY_WITH_PARKED,
    Ending.CAP,
    Ending.NOT_READY,
    Ending.ERROR,
    Ending.STOPPED,
    Ending.STALLED,
    Ending.ENDPOINT,
    Ending.BUG,
)


def stop_of(error: Interrupted) -> Stop:
    """An interruption as the end of a run."""
    return Stop(ending=error.ending, cause=error.cause, why=f"{with_period(str(error))} Progress is saved.")


def advice_after(error: Interrupted) -> str:
    """An interruption as a sentence with what to do next, for commands that write no report."""
    stop = stop_of(error)
    return f"{stop.why} {next_step(stop, 'in the report')}"
