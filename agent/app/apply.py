"""What `apply` does, trait by trait, and how it tells of it: one line each."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from agent.app.review import TraitFiles, places
from agent.app.run import ExperimentOptions
from agent.config.settings import Settings
from agent.errors import USAGE, UserError, worst
from agent.export.annotation import LABELING, argilla, label_studio, read_annotations
from agent.review.apply import VERDICTS, ApplyPlan, NothingToUndo, complete, plan_changes, undo, write
from agent.review.card_builder import build_cards
from agent.review.exchange import disagreements, merge_decisions
from agent.review.patch import patch_of
from agent.schema import Decision
from agent.storage.decision_log import in_force, line_of, parse_decisions
from agent.storage.durable import write_atomically
from agent.supervision.display import RunDisplay
from agent.text import pluralize


@dataclass(frozen=True)
class ApplyOptions:
    """The options of `apply`."""

    dry_run: bool = False
    patch: Path | None = None
    undo: bool = False
    shuffle: bool = False

    def require_sense(self) -> None:
        """Raise Refusal for options that contradict each other."""
        if self.undo and (self.patch or self.shuffle or self.dry_run):
            raise UserError("--undo goes with no other way of applying: give it alone.")
        if self.patch and self.dry_run:
            raise UserError("--patch writes no dataset anyway: leave --dry-run out.")


def apply_all(order: ExperimentOptions, how: ApplyOptions) -> int:
    """Apply each trait's approvals, or take the last apply back. One trait's trouble keeps no other from its turn."""
    how.require_sense()
    settings = order.settings()
    found = [place for place in places(order, settings) if place.has_proposal or order.traits is not None]
    if not found:
        raise UserError(f"Nothing is proposed for {', '.join(settings.traits)} yet. Run `cliffhanger run` first.")
    with RunDisplay() as screen:
        if how.undo:
            return _all_undone(screen, found)
        if how.patch is not None:
            return _patched(screen, found, how, settings)
        return worst([_guarded(screen, place, lambda place: _applied(place, how, settings)) for place in found])


def apply_now(order: ExperimentOptions, trait: str) -> list[str]:
    """Apply one trait's approvals, for a review that is open; sentences on what was done. Raises UserError."""
    settings = order.settings()
    return _applied(_place(order, settings, trait), ApplyOptions(), settings)


def undo_now(order: ExperimentOptions, trait: str) -> list[str]:
    """Take back one trait's last apply, for a review that is open."""
    return _undone(_place(order, order.settings(), trait))


def _place(order: ExperimentOptions, settings: Settings, trait: str) -> TraitFiles:
    return next(place for place in places(order, settings) if place.trait == trait)


def _guarded(screen: RunDisplay, place: TraitFiles, work: Callable[[TraitFiles], list[str]]) -> int:
    try:
        screen.print(*(f"{place.trait}: {line}" for line in work(place)))
    except UserError as error:
        screen.print(*(f"{place.trait}: {line}" for line in str(error).split("\n")))
        return USAGE
    except OSError as error:
        screen.print(
            f"{place.trait}: {error}. Mend that, then give the same command again: it completes what it began."
        )
        return USAGE
    return 0


def _all_undone(screen: RunDisplay, found: Sequence[TraitFiles]) -> int:
    """Take back what can be. Nothing to take back is no failure where another trait had something."""
    idle: list[TraitFiles] = []

    def undone(place: TraitFiles) -> list[str]:
        try:
            return _undone(place)
        except NothingToUndo as error:
            idle.append(place)
            return [str(error)]

    code = worst([_guarded(screen, place, undone) for place in found])
    return USAGE if len(idle) == len(found) else code


def _undone(place: TraitFiles) -> list[str]:
    when = undo(place.bound.folder, place.folder.refinement)
    return [f"undone: the dataset is as it was before {when}. Your decisions are kept."]


def _applied(place: TraitFiles, how: ApplyOptions, settings: Settings) -> list[str]:
    lines = []
    if not how.dry_run and complete(place.bound.folder):
        lines.append("an apply that had been interrupted was completed first.")
    plan, torn = _planned(place, how, settings)
    if not how.dry_run:
        write(plan, place.folder.refinement)
    return [*lines, *torn, _told(plan, "would" if how.dry_run else "done")]


def _planned(place: TraitFiles, how: ApplyOptions, settings: Settings) -> tuple[ApplyPlan, list[str]]:
    """What is to be done, and sentences on decisions that a crash cut short."""
    proposal, recorded = place.proposal(), place.log.read()
    dataset = place.bound.dataset()
    cards = build_cards(proposal, dataset.pairs, recorded.decisions)
    plan = plan_changes(place.bound.folder, dataset, cards, settings.seed if how.shuffle else None)
    return plan, [f"{where} was cut short by a crash and decides nothing." for where in recorded.torn]


def _patched(screen: RunDisplay, found: list[TraitFiles], how: ApplyOptions, settings: Settings) -> int:
    """One patch for all traits, to be applied at the root of the repository that holds the datasets."""
    root = _root(settings.datasets.resolve())
    parts: list[bytes] = []

    def planned(place: TraitFiles) -> list[str]:
        plan, torn = _planned(place, how, settings)
        where = PurePosixPath(place.bound.folder.resolve().relative_to(root))
        parts.append(patch_of(where, plan.before, plan.after))
        return [*torn, _told(plan, "patch")]

    code = worst([_guarded(screen, place, planned) for place in found])
    if how.patch is None or code:
        screen.print("No patch was written.")
        return code
    write_atomically(how.patch, b"".join(parts))
    screen.print(f"No dataset was changed. In {root}: git apply {how.patch.resolve()}")
    return code


def _root(folder: Path) -> Path:
    """The top of the git repository that holds a folder; without one, the folder itself."""
    return next((path for path in (folder, *folder.parents) if (path / ".git").exists()), folder)


def _told(plan: ApplyPlan, way: str = "done") -> str:
    """What a plan comes to, in one sentence; `way` says whether it is done, would be, or went into a patch."""
    done = _counted(plan, way)
    waiting = f"; {plan.undecided} undecided, left as they are" if plan.undecided else ""
    if not done or plan.changes_nothing:
        return f"nothing to write: {plan.size} pairs, unchanged{waiting}."
    notes = f" ({'; '.join(plan.notes)})" if plan.notes else ""
    prefix = {"would": "would ", "patch": "in the patch: "}.get(way, "")
    return f"{prefix}{done}; {plan.size} pairs in {plan.names}{waiting}{notes}."


def _counted(plan: ApplyPlan, way: str) -> str:
    """As in "1 changed, 2 added"; of what is only planned "change 1 pair, add 2 pairs"."""
    counts = (("change", "changed", plan.replaced), ("add", "added", plan.added), ("remove", "removed", plan.removed))
    would = way == "would"
    said = [f"{verb} {pluralize(n, 'pair')}" if would else f"{n} {past}" for verb, past, n in counts if n]
    if plan.seed is not None:
        said.append(f"{'shuffle' if would else 'shuffled'} by seed {plan.seed}")
    return ", ".join(said)


_LEFT_SOME = 2


def export_to(order: ExperimentOptions, path: Path, form: str) -> int:
    """Write the file; for Label Studio also the view that shows its tasks."""
    (place,) = places(order, order.settings())
    screen = RunDisplay()
    recorded = place.log.read()
    if form == "jsonl":
        write_atomically(path, b"".join(line_of(decision) for decision in recorded.decisions))
        screen.print(f"{place.trait}: {_exchanged(recorded.decisions)} in {path}")
        return 0
    proposal = place.proposal()
    cards = build_cards(proposal, place.bound.pairs(), recorded.decisions)
    rows = label_studio(proposal, cards) if form == "label-studio" else argilla(proposal, cards)
    write_atomically(path, (json.dumps(rows, indent=1, ensure_ascii=False) + "\n").encode())
    screen.print(f"{place.trait}: {len(rows)} pairs in {path}")
    if form == "label-studio":
        view = path.with_suffix(".xml")
        write_atomically(view, LABELING.encode())
        screen.print(f"The labeling interface to paste into the project's settings is in {view}")
    return 0


def _exchanged(recorded: Sequence[Decision]) -> str:
    pairs = len({decision.pair for decision in in_force(recorded) if decision.act in VERDICTS})
    more = f" ({len(recorded)} lines with edits and undos)" if len(recorded) > pairs else ""
    return f"{pluralize(pairs, 'pair')} decided{more}"


def import_from(order: ExperimentOptions, path: Path) -> int:
    """Append what fits, and tell the rest."""
    (place,) = places(order, order.settings())
    log = place.log.read().decisions
    cards = build_cards(place.proposal(), place.bound.pairs(), log)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}).") from error
    offered: list[Decision] | tuple[Decision, ...]
    if content.lstrip().startswith(b"["):
        offered = read_annotations(content, str(path), cards)
    else:
        offered = parse_decisions(content, str(path)).decisions
    intake = merge_decisions(place.trait, cards, log, offered)
    place.log.append(*intake.taken)
    with RunDisplay() as screen:
        screen.print(
            f"{place.trait}: {len(intake.taken)} taken in, {intake.known} known already, {len(intake.left)} left out"
        )
        for sentence in intake.left:
            screen.print(f"  left out: {sentence}")
        for sentence in disagreements(place.log.read().decisions):
            screen.print(f"  disagreement: {sentence}")
    return _LEFT_SOME if intake.left else 0
