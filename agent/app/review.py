"""Desks put together: each trait's proposal, its dataset as it is now, its decisions, and who decides."""

import getpass
import socket
import threading
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING

import uvicorn

from agent.app import preflight
from agent.app.composition import BACKENDS, Backends, RunContext, job_of
from agent.app.run import ExperimentOptions
from agent.app.server import bind
from agent.config.settings import Settings
from agent.errors import Interrupted, UserError
from agent.prompts import PromptBook
from agent.review.apply import ApplyPlan, plan_changes, undo, write
from agent.review.card_builder import build_cards
from agent.review.file_transaction import NAMES
from agent.review.proposal import PROPOSAL, Proposal, read_proposal
from agent.review.session import RecheckFailed, RecheckFunction, ReviewSession
from agent.review.web.routes import create_app
from agent.review.web.security import is_loopback, new_token
from agent.review.web.views import ApplyActions
from agent.schema import Depth, Finding, Pair
from agent.steps.case import cases_of
from agent.steps.examine import examine
from agent.storage.dataset import Dataset, load_dataset
from agent.storage.decision_log import NAME, DecisionLog
from agent.storage.experiment import ExperimentFolder
from agent.storage.ledger import Ledger
from agent.supervision.display import RunDisplay

if TYPE_CHECKING:
    from agent.loop.act import Subject


@dataclass
class DatasetCache:
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
class TraitFiles:
    """Where one trait's proposal and decisions lie, and the dataset they are about."""

    folder: ExperimentFolder
    bound: DatasetCache

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


def places(order: ExperimentOptions, settings: Settings) -> list[TraitFiles]:
    """All traits of an order, with a proposal or without."""
    return [
        TraitFiles(
            ExperimentFolder(settings.experiment, trait, settings.variant),
            DatasetCache(settings.datasets / trait, trait, order.pair_by_similarity),
        )
        for trait in settings.traits
    ]


def open_sessions(
    order: ExperimentOptions,
    who: str | None = None,
    said: Callable[[str], None] = lambda line: None,
    recheck: bool = True,
    backends: Backends = BACKENDS,
) -> list[ReviewSession]:
    """A session for each trait that has a proposal. Raises Refusal where none has one.

    `said` hears what a recheck is doing. Without `recheck`, edits are stored unchecked.
    """
    settings = order.settings()
    found = [place for place in places(order, settings) if place.has_proposal]
    if not found:
        raise UserError(
            f"Nothing is proposed for {', '.join(settings.traits)} yet. `cliffhanger run -e {order.experiment}` makes "
            "a proposal; then decide about it."
        )
    rechecks = Rechecks(settings, order.pair_by_similarity, said, backends)
    return [
        ReviewSession(
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


@dataclass
class Rechecks:
    """Rechecks for all traits of an experiment. The subject is loaded when the first edit comes, and then kept.

    The client and the ledger are opened for each edit anew: what was spent is read from the ledger, and between two
    edits a run may hold its lock. `said` hears what goes on, for whoever waits.
    """

    settings: Settings
    pair_by_similarity: bool = False
    said: Callable[[str], None] = lambda line: None
    backends: Backends = BACKENDS
    _subject: "Subject | None" = None
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def of(self, trait: str) -> RecheckFunction:
        """The recheck of one trait's edits. It raises RecheckFailed with a sentence."""

        def recheck(pair: Pair) -> Sequence[Finding]:
            with self._one_at_a_time:
                try:
                    return self._examined(trait, pair)
                except Interrupted as error:
                    raise RecheckFailed(f"{error} Your edit is stored; check it again later.") from error
                except UserError as error:
                    raise RecheckFailed(
                        f"{error}\nYour edit is stored; check it again once this is settled."
                    ) from error

        return recheck

    def _examined(self, trait: str, pair: Pair) -> list[Finding]:
        job = job_of(self.settings, trait, self.pair_by_similarity)
        preflight.require_free(self.settings, [job])
        with Ledger(job.folder.ledger_path) as ledger, closing(self.backends.open_llm(self.settings)) as llm:
            subject = self._loaded()
            llm.probe()
            context = RunContext(self.settings, PromptBook.load(), llm, subject).context(job, ledger, self.said)
            return examine(context, cases_of([pair], {}), Depth.CONFIRM)

    def _loaded(self) -> "Subject":
        if self._subject is None:
            self.said("loads the subject")
            self._subject = self.backends.open_subject(self.settings)
        return self._subject


def serve_review(
    sessions: Sequence[ReviewSession],
    order: ExperimentOptions,
    host: str = "127.0.0.1",
    port: int = 0,
    show: bool = True,
    doing: Callable[[], str] = lambda: "",
) -> int:
    """Serve the review of these sessions until Ctrl-C. Port 0 takes a free one.

    `doing` says what a recheck that goes on is doing. Raises Refusal where the port cannot be had.
    """
    screen, token = RunDisplay(), new_token()
    with closing(bind(host, port)) as listening:
        address = f"http://{_named(host)}:{listening.getsockname()[1]}/{token}/"
        app = create_app(sessions, token, writer_of(sessions, order), hosts=_names(host), doing=doing)
        screen.print("The review is at", address, "Whoever has this address can decide: keep it to yourself.")
        if not is_loopback(host):
            screen.print("Other machines can reach it, and what they send is not encrypted.")
        screen.print("Decisions are stored at once. Ctrl-C ends the review.")
        if show and not webbrowser.open(address):
            screen.print("No browser could be started: open the address yourself.")
        server = uvicorn.Server(
            # The access log would hold the token; what a proxy claims about a request is not to be believed here.
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ws="none",
                lifespan="off",
            )
        )
        try:
            server.run(sockets=[listening])
        except KeyboardInterrupt:
            screen.print("The review has ended. What you decided is stored.")
    return 0


def writer_of(sessions: Sequence[ReviewSession], order: ExperimentOptions) -> ApplyActions:
    """What `cliffhanger apply` does, for these sessions: it goes by the proposals that the page shows."""
    of = {place.trait: place for place in places(order, order.settings())}
    seats = {session.proposal.trait: session for session in sessions}

    def planned(trait: str) -> ApplyPlan:
        dataset, session = of[trait].bound.dataset(), seats[trait]
        cards = build_cards(session.proposal, dataset.pairs, session.log.read().decisions)
        return plan_changes(of[trait].bound.folder, dataset, cards)

    return ApplyActions(
        plan=planned,
        write=lambda plan: write(plan, of[plan.trait].folder.refinement),
        undo=lambda trait: undo(of[trait].bound.folder, of[trait].folder.refinement),
        command=lambda trait: _command(order, trait),
    )


def _command(order: ExperimentOptions, trait: str) -> str:
    words = ["cliffhanger", "apply", "--experiment", str(order.experiment), "--traits", trait]
    if order.variant is not None:
        words += ["--model-variant", order.variant]
    if order.pair_by_similarity:
        words.append("--pair-by-similarity")
    return join(words)


def _named(host: str) -> str:
    """A host as it stands in an address; for "every own address" the machine's name."""
    if host in ("0.0.0.0", "::", ""):  # noqa: S104 - compared with, not bound to
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def _names(host: str) -> set[str]:
    """The names under which the page may be asked for besides this machine's own."""
    return (
        {host, _named(host).strip("[]"), socket.gethostname(), socket.getfqdn()} - {""}
        if not is_loopback(host)
        else set()
    )
