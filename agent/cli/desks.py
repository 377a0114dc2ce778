"""Desks put together: each trait's proposal, its dataset as it is now, its decisions, and who decides."""

import getpass
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from agent.cli.orders import Order
from agent.cli.recheck import Rechecks
from agent.cli.trouble import Refusal
from agent.config import Settings
from agent.record.decisions import NAME, DecisionLog
from agent.record.experiment import ExperimentFolder
from agent.record.layout import Dataset, load_dataset
from agent.review.desk import Desk
from agent.review.journal import NAMES
from agent.review.proposal import PROPOSAL, Proposal, read_proposal
from agent.schema import Pair


@dataclass
class Bound:
    """One trait's dataset, read again only when its files have changed."""

    folder: Path
    trait: str
    pair_by_similarity: bool = False
    _seen: tuple[tuple[int, int, int] | None, ...] | None = field(default=None, init=False)
    _dataset: Dataset | None = field(default=None, init=False)

    def dataset(self) -> Dataset:
        """The dataset as it is now. Raises DatasetError."""
        seen = tuple(_stamp(self.folder / name) for name in NAMES)
        if self._dataset is None or seen != self._seen:
            self._dataset = load_dataset(self.folder, self.trait, self.pair_by_similarity)
            self._seen = seen
        return self._dataset

    def pairs(self) -> tuple[Pair, ...]:
        """Its pairs in file order."""
        return self.dataset().pairs


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


@dataclass(frozen=True)
class Place:
    """Where one trait's proposal and decisions lie, and the dataset they are about."""

    folder: ExperimentFolder
    bound: Bound

    @property
    def trait(self) -> str:
        return self.folder.trait

    @property
    def log(self) -> DecisionLog:
        return DecisionLog(self.folder.refinement / NAME)

    @property
    def has_proposal(self) -> bool:
        return (self.folder.refinement / PROPOSAL).is_file()

    def proposal(self) -> Proposal:
        """What the last run proposes. Raises LayoutError where there is nothing, or nothing that can be read."""
        return read_proposal(self.folder.refinement / PROPOSAL)


def places(order: Order, settings: Settings) -> list[Place]:
    """All traits of an order, with a proposal or without."""
    return [
        Place(
            ExperimentFolder(settings.experiment, trait, settings.variant),
            Bound(settings.datasets / trait, trait, order.pair_by_similarity),
        )
        for trait in settings.traits
    ]


def open_desks(
    order: Order, who: str | None = None, said: Callable[[str], None] = lambda line: None, recheck: bool = True
) -> list[Desk]:
    """A desk for each trait that has a proposal. Raises Refusal where none has one.

    `said` hears what a recheck is doing. Without `recheck`, edits are stored unchecked.
    """
    settings = order.settings()
    found = [place for place in places(order, settings) if place.has_proposal]
    if not found:
        raise Refusal(
            f"Nothing is proposed for {', '.join(settings.traits)} yet. `cliffhanger run -e {order.experiment}` makes "
            "a proposal; then decide about it."
        )
    rechecks = Rechecks(settings, order.pair_by_similarity, said)
    return [
        Desk(
            proposal=place.proposal(),
            dataset=place.bound.pairs,
            log=place.log,
            who=who or user(),
            recheck=rechecks.of(place.trait) if recheck else None,
        )
        for place in found
    ]


def user() -> str:
    """The name under which this user decides."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # nobody of this number is known to the system
        return "reviewer"
