"""The commands `apply` and `decisions`: approvals written to the datasets, decisions exchanged as files."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.app.review import TraitFiles, trait_files
from agent.app.run import ExperimentOptions
from agent.errors import USAGE, UserError, worst
from agent.export.annotation import LABELING_INTERFACE, argilla_records, label_studio_tasks
from agent.export.import_file import read_import
from agent.review.apply import VERDICTS, ApplyPlan, NothingToUndo, complete, plan_changes, undo, write
from agent.review.card_builder import build_cards
from agent.review.exchange import disagreements, merge_decisions
from agent.schema import Decision
from agent.storage.decision_log import in_force, line_of
from agent.storage.durable import write_atomically
from agent.supervision.display import RunDisplay
from agent.text import pluralize


@dataclass(frozen=True)
class ApplyOptions:
    """The options of `apply`."""

    dry_run: bool = False
    undo: bool = False
    shuffle: bool = False

    def validate(self) -> None:
        """Raise UserError for options that exclude each other."""
        if self.undo and (self.shuffle or self.dry_run):
            raise UserError("--undo cannot be combined with --dry-run or --shuffle. Give it alone.")


def apply_all(options: ExperimentOptions, how: ApplyOptions) -> int:
    """Apply each trait's approvals, or undo its last apply; return the exit code. A trait that fails stops no other."""
    how.validate()
    settings = options.settings()
    traits = [files for files in trait_files(options, settings) if files.has_proposal or options.traits is not None]
    if not traits:
        raise UserError(f"Nothing is proposed for {', '.join(settings.traits)} yet. Run `cliffhanger run` first.")
    with RunDisplay() as display:
        if how.undo:
            return _undo_all(display, traits)
        seed = settings.seed if how.shuffle else None
        return worst([_guarded(display, files, lambda files: _apply(files, how.dry_run, seed)) for files in traits])


def _guarded(display: RunDisplay, files: TraitFiles, work: Callable[[TraitFiles], list[str]]) -> int:
    """Print what the work on one trait reports, or why it failed; return its exit code."""
    try:
        display.print(*(f"{files.trait}: {line}" for line in work(files)))
    except UserError as error:
        display.print(*(f"{files.trait}: {line}" for line in str(error).split("\n")))
        return USAGE
    except OSError as error:
        display.print(f"{files.trait}: {error}. Fix this and rerun the command: it completes an interrupted apply.")
        return USAGE
    return 0


def _undo_all(display: RunDisplay, traits: Sequence[TraitFiles]) -> int:
    """Undo the last apply of each trait. It is an error only if no trait has one."""
    nothing: list[TraitFiles] = []

    def undo_one(files: TraitFiles) -> list[str]:
        try:
            when = undo(files.dataset.folder, files.folder.refinement)
        except NothingToUndo as error:
            nothing.append(files)
            return [str(error)]
        return [f"undone: the dataset is as it was before {when}. Your decisions are kept."]

    code = worst([_guarded(display, files, undo_one) for files in traits])
    return USAGE if len(nothing) == len(traits) else code


def _apply(files: TraitFiles, dry_run: bool, seed: int | None) -> list[str]:
    """Apply one trait's approvals; return the sentences to print."""
    lines = []
    if not dry_run and complete(files.dataset.folder):
        lines.append("completed an interrupted apply first.")
    recorded = files.log.read()
    dataset = files.dataset.load()
    cards = build_cards(files.proposal(), dataset.pairs, recorded.decisions)
    plan = plan_changes(files.dataset.folder, dataset, cards, seed)
    if not dry_run:
        write(plan, files.folder.refinement)
    lines += [f"{where} was cut short by a crash and is ignored." for where in recorded.torn]
    return [*lines, _plan_summary(plan, dry_run)]


def _plan_summary(plan: ApplyPlan, dry_run: bool) -> str:
    """What a plan changes, or would change, in one sentence."""
    done = _change_counts(plan, dry_run)
    undecided = f"; {plan.undecided} undecided, left as they are" if plan.undecided else ""
    if not done or plan.changes_nothing:
        return f"nothing to write: {plan.size} pairs, unchanged{undecided}."
    notes = f" ({'; '.join(plan.notes)})" if plan.notes else ""
    return f"{'would ' if dry_run else ''}{done}; {plan.size} pairs in {plan.names}{undecided}{notes}."


def _change_counts(plan: ApplyPlan, dry_run: bool) -> str:
    """As in "1 changed, 2 added"; for a dry run as in "change 1 pair, add 2 pairs"."""
    counts = (("change", "changed", plan.replaced), ("add", "added", plan.added), ("remove", "removed", plan.removed))
    parts = [f"{verb} {pluralize(n, 'pair')}" if dry_run else f"{n} {past}" for verb, past, n in counts if n]
    if plan.seed is not None:
        parts.append(f"{'shuffle' if dry_run else 'shuffled'} by seed {plan.seed}")
    return ", ".join(parts)


_SOME_REFUSED = 2  # exit code of an import that left something out


def export_to(options: ExperimentOptions, path: Path, form: str) -> int:
    """Write one trait's decisions to a file; for Label Studio, its tasks and the labeling interface."""
    (files,) = trait_files(options, options.settings())
    display = RunDisplay()
    recorded = files.log.read()
    if form == "jsonl":
        write_atomically(path, b"".join(line_of(decision) for decision in recorded.decisions))
        display.print(f"{files.trait}: {_decision_counts(recorded.decisions)} in {path}")
        return 0
    proposal = files.proposal()
    cards = build_cards(proposal, files.dataset.pairs(), recorded.decisions)
    rows = label_studio_tasks(proposal, cards) if form == "label-studio" else argilla_records(proposal, cards)
    write_atomically(path, (json.dumps(rows, indent=1, ensure_ascii=False) + "\n").encode())
    display.print(f"{files.trait}: {len(rows)} pairs in {path}")
    if form == "label-studio":
        interface = path.with_suffix(".xml")
        write_atomically(interface, LABELING_INTERFACE.encode())
        display.print(f"Labeling interface for the project's settings: {interface}")
    return 0


def _decision_counts(recorded: Sequence[Decision]) -> str:
    pairs = len({decision.pair for decision in in_force(recorded) if decision.act in VERDICTS})
    more = f" ({len(recorded)} lines with edits and undos)" if len(recorded) > pairs else ""
    return f"{pluralize(pairs, 'pair')} decided{more}"


def import_from(options: ExperimentOptions, path: Path) -> int:
    """Append the decisions of a file that fit this proposal, print the others; return the exit code."""
    (files,) = trait_files(options, options.settings())
    log = files.log.read().decisions
    cards = build_cards(files.proposal(), files.dataset.pairs(), log)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}).") from error
    found = read_import(content, str(path), cards)
    result = merge_decisions(files.trait, cards, log, found.offered)
    files.log.append(*result.accepted)
    left_out = (*found.left_out, *result.refused)
    with RunDisplay() as display:
        display.print(
            f"{files.trait}: {len(result.accepted)} imported, {result.known} already known, {len(left_out)} left out"
        )
        display.print(*(f"  left out: {sentence}" for sentence in left_out))
        display.print(*(f"  note: {sentence}" for sentence in found.notes))
        display.print(*(f"  disagreement: {sentence}" for sentence in disagreements(files.log.read().decisions)))
    return _SOME_REFUSED if left_out else 0
