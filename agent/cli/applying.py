"""What `apply` does, trait by trait, and how it tells of it: one line each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from agent.cli.desks import Place, places
from agent.cli.exits import USAGE, worst
from agent.cli.orders import Order
from agent.cli.screen import Screen
from agent.cli.trouble import TROUBLE, Refusal
from agent.config import Settings
from agent.record.files import write_atomically
from agent.review.apply import NothingToUndo, Plan, complete, plan_changes, undo, write
from agent.review.laying import lay_out
from agent.review.patch import patch_of
from agent.schema.counting import counted


@dataclass(frozen=True)
class How:
    """The options of `apply`."""

    dry_run: bool = False
    patch: Path | None = None
    undo: bool = False
    shuffle: bool = False

    def require_sense(self) -> None:
        """Raise Refusal for options that contradict each other."""
        if self.undo and (self.patch or self.shuffle or self.dry_run):
            raise Refusal("--undo goes with no other way of applying: give it alone.")
        if self.patch and self.dry_run:
            raise Refusal("--patch writes no dataset anyway: leave --dry-run out.")


def apply_all(order: Order, how: How) -> int:
    """Apply each trait's approvals, or take the last apply back. One trait's trouble keeps no other from its turn."""
    how.require_sense()
    settings = order.settings()
    found = [place for place in places(order, settings) if place.has_proposal or order.traits is not None]
    if not found:
        raise Refusal(f"Nothing is proposed for {', '.join(settings.traits)} yet. Run `cliffhanger run` first.")
    with Screen() as screen:
        if how.undo:
            return _all_undone(screen, found)
        if how.patch is not None:
            return _patched(screen, found, how, settings)
        return worst([_guarded(screen, place, lambda place: _applied(place, how, settings)) for place in found])


def apply_now(order: Order, trait: str) -> list[str]:
    """Apply one trait's approvals, for a review that is open; sentences on what was done. Raises what TROUBLE names."""
    settings = order.settings()
    return _applied(_place(order, settings, trait), How(), settings)


def undo_now(order: Order, trait: str) -> list[str]:
    """Take back one trait's last apply, for a review that is open."""
    return _undone(_place(order, order.settings(), trait))


def _place(order: Order, settings: Settings, trait: str) -> Place:
    return next(place for place in places(order, settings) if place.trait == trait)


def _guarded(screen: Screen, place: Place, work: Callable[[Place], list[str]]) -> int:
    try:
        screen.say(*(f"{place.trait}: {line}" for line in work(place)))
    except TROUBLE as error:
        screen.say(*(f"{place.trait}: {line}" for line in str(error).split("\n")))
        return USAGE
    except OSError as error:
        screen.say(f"{place.trait}: {error}. Mend that, then give the same command again: it completes what it began.")
        return USAGE
    return 0


def _all_undone(screen: Screen, found: Sequence[Place]) -> int:
    """Take back what can be. Nothing to take back is no failure where another trait had something."""
    idle: list[Place] = []

    def undone(place: Place) -> list[str]:
        try:
            return _undone(place)
        except NothingToUndo as error:
            idle.append(place)
            return [str(error)]

    code = worst([_guarded(screen, place, undone) for place in found])
    return USAGE if len(idle) == len(found) else code


def _undone(place: Place) -> list[str]:
    when = undo(place.bound.folder, place.folder.refinement)
    return [f"undone: the dataset is as it was before {when}. Your decisions are kept."]


def _applied(place: Place, how: How, settings: Settings) -> list[str]:
    lines = []
    if not how.dry_run and complete(place.bound.folder):
        lines.append("an apply that had been interrupted was completed first.")
    plan, torn = _planned(place, how, settings)
    if not how.dry_run:
        write(plan, place.folder.refinement)
    return [*lines, *torn, _told(plan, "would" if how.dry_run else "done")]


def _planned(place: Place, how: How, settings: Settings) -> tuple[Plan, list[str]]:
    """What is to be done, and sentences on decisions that a crash cut short."""
    proposal, recorded = place.proposal(), place.log.read()
    dataset = place.bound.dataset()
    cards = lay_out(proposal, dataset.pairs, recorded.decisions)
    plan = plan_changes(place.bound.folder, dataset, cards, settings.seed if how.shuffle else None)
    return plan, [f"{where} was cut short by a crash and decides nothing." for where in recorded.torn]


def _patched(screen: Screen, found: list[Place], how: How, settings: Settings) -> int:
    """One patch for all traits, to be applied at the root of the repository that holds the datasets."""
    root = _root(settings.datasets.resolve())
    parts: list[bytes] = []

    def planned(place: Place) -> list[str]:
        plan, torn = _planned(place, how, settings)
        where = PurePosixPath(place.bound.folder.resolve().relative_to(root))
        parts.append(patch_of(where, plan.before, plan.after))
        return [*torn, _told(plan, "patch")]

    code = worst([_guarded(screen, place, planned) for place in found])
    if how.patch is None or code:
        screen.say("No patch was written.")
        return code
    write_atomically(how.patch, b"".join(parts))
    screen.say(f"No dataset was changed. In {root}: git apply {how.patch.resolve()}")
    return code


def _root(folder: Path) -> Path:
    """The top of the git repository that holds a folder; without one, the folder itself."""
    return next((path for path in (folder, *folder.parents) if (path / ".git").exists()), folder)


def _told(plan: Plan, way: str = "done") -> str:
    """What a plan comes to, in one sentence; `way` says whether it is done, would be, or went into a patch."""
    done = _counted(plan, way)
    waiting = f"; {plan.undecided} undecided, left as they are" if plan.undecided else ""
    if not done or plan.changes_nothing:
        return f"nothing to write: {plan.size} pairs, unchanged{waiting}."
    notes = f" ({'; '.join(plan.notes)})" if plan.notes else ""
    prefix = {"would": "would ", "patch": "in the patch: "}.get(way, "")
    return f"{prefix}{done}; {plan.size} pairs in {plan.names}{waiting}{notes}."


def _counted(plan: Plan, way: str) -> str:
    """As in "1 changed, 2 added"; of what is only planned "change 1 pair, add 2 pairs"."""
    counts = (("change", "changed", plan.replaced), ("add", "added", plan.added), ("remove", "removed", plan.removed))
    would = way == "would"
    said = [f"{verb} {counted(n, 'pair')}" if would else f"{n} {past}" for verb, past, n in counts if n]
    if plan.seed is not None:
        said.append(f"{'shuffle' if would else 'shuffled'} by seed {plan.seed}")
    return ", ".join(said)
