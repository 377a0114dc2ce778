"""The command `review`: sessions put together from each trait's files, run in the terminal or served as a page."""

import getpass
import socket
import sys
import threading
import webbrowser
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING

import uvicorn

from agent.app import preflight
from agent.app.composition import BACKENDS, Backends, RunContext, job_of, questions_for_probe
from agent.app.run import ExperimentOptions
from agent.app.server import bind
from agent.config.settings import Settings
from agent.errors import Interrupted, UserError
from agent.prompts import PromptBook
from agent.review.apply import ApplyPlan, plan_changes, undo, write
from agent.review.card_builder import build_cards
from agent.review.file_transaction import NAMES
from agent.review.labels import STATES, ActivityFunction
from agent.review.proposal import PROPOSAL, Proposal, read_proposal
from agent.review.session import RecheckFailed, RecheckFunction, ReviewSession
from agent.review.terminal import TerminalReview
from agent.review.web.routes import create_app
from agent.review.web.security import SecurityMiddleware, is_loopback, new_token
from agent.review.web.views import ApplyActions
from agent.schema import Depth, Finding, Pair
from agent.steps.case import cases_of
from agent.steps.examine import examine
from agent.storage.dataset import Dataset, load_dataset
from agent.storage.decision_log import NAME, DecisionLog
from agent.storage.experiment import ExperimentFolder
from agent.storage.ledger import Ledger
from agent.supervision.display import RunDisplay
from agent.text import discard_stream, experiment_options, pluralize, program_name

if TYPE_CHECKING:
    from agent.loop.act import Subject


FileStamp = tuple[int, int, int]  # inode, modification time in ns, size


@dataclass
class DatasetCache:
    """One trait's dataset, read again only when its files have changed."""

    folder: Path
    trait: str
    pair_by_similarity: bool = False
    _stamps: tuple[FileStamp | None, ...] | None = field(default=None, init=False)
    _dataset: Dataset | None = field(default=None, init=False)

    def load(self) -> Dataset:
        """The dataset as it is now. Raises DatasetError."""
        stamps = tuple(_stamp(self.folder / name) for name in NAMES)
        if self._dataset is None or stamps != self._stamps:
            self._dataset = load_dataset(self.folder, self.trait, self.pair_by_similarity)
            self._stamps = stamps
        return self._dataset

    def pairs(self) -> tuple[Pair, ...]:
        """Its pairs in file order."""
        return self.load().pairs


def _stamp(path: Path) -> FileStamp | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


@dataclass(frozen=True)
class TraitFiles:
    """One trait's files for review and apply: proposal, decision log, dataset."""

    folder: ExperimentFolder
    dataset: DatasetCache

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
        """What the last run proposes. Raises LayoutError if there is none, or none that can be read."""
        return read_proposal(self.folder.refinement / PROPOSAL)


def trait_files(options: ExperimentOptions, settings: Settings) -> list[TraitFiles]:
    """The files of all selected traits, with or without a proposal."""
    return [
        TraitFiles(
            ExperimentFolder(settings.experiment, trait, settings.variant),
            DatasetCache(settings.datasets / trait, trait, options.pair_by_similarity),
        )
        for trait in settings.traits
    ]


def open_sessions(
    options: ExperimentOptions,
    reviewer: str | None = None,
    on_activity: Callable[[str], None] = lambda line: None,
    recheck: bool = True,
    backends: Backends = BACKENDS,
) -> list[ReviewSession]:
    """A review session for each trait with a proposal. Raises UserError if none has one.

    `on_activity` is called with what a check of an edit is doing. Without `recheck`, edits are stored unchecked.
    """
    settings = options.settings()
    proposed = [files for files in trait_files(options, settings) if files.has_proposal]
    if not proposed:
        raise UserError(
            f"Nothing is proposed for {', '.join(settings.traits)} yet. Run `{program_name()} run {_options(options)}` "
            "first."
        )
    rechecks = Rechecks(settings, options.pair_by_similarity, on_activity, backends)
    return [
        ReviewSession(
            proposal=files.proposal(),
            dataset=files.dataset.pairs,
            log=files.log,
            reviewer=reviewer or user_name(),
            recheck=rechecks.of(files.trait) if recheck else None,
        )
        for files in proposed
    ]


def user_name() -> str:
    """The name that decisions are stored under by default: the user's login name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # the system has no name for this user id
        return "reviewer"


@dataclass
class Rechecks:
    """Checks of edits, for all traits of an experiment. The subject is loaded at the first check, and kept.

    The client and the ledger are opened anew for each check: the cost so far is read from the ledger, and a run may
    hold its lock between two checks. `on_activity` is called with what a check is doing.
    """

    settings: Settings
    pair_by_similarity: bool = False
    on_activity: Callable[[str], None] = lambda line: None
    backends: Backends = BACKENDS
    _subject: "Subject | None" = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, trait: str) -> RecheckFunction:
        """The check of one trait's edits. It raises RecheckFailed."""

        def recheck(pair: Pair) -> Sequence[Finding]:
            with self._lock:
                try:
                    return self._examine(trait, pair)
                except Interrupted as error:
                    raise RecheckFailed(f"{error} Your edit is stored; check it again later.") from error
                except UserError as error:
                    raise RecheckFailed(f"{error}\nYour edit is stored; fix this, then check it again.") from error

        return recheck

    def _examine(self, trait: str, pair: Pair) -> list[Finding]:
        job = job_of(self.settings, trait, self.pair_by_similarity)
        preflight.require_free(self.settings, [job])
        with Ledger(job.folder.ledger_path) as ledger, closing(self.backends.open_llm(self.settings)) as llm:
            subject = self._loaded_subject()
            prompts = PromptBook.load()
            llm.probe(questions=questions_for_probe(self.settings, prompts, [job]))
            context = RunContext(self.settings, prompts, llm, subject).context(job, ledger, self.on_activity)
            return examine(context, cases_of([pair], {}), Depth.CONFIRM)

    def _loaded_subject(self) -> "Subject":
        if self._subject is None:
            self.on_activity("loading the subject")
            self._subject = self.backends.open_subject(self.settings)
        return self._subject


def review_in_terminal(
    sessions: Sequence[ReviewSession], options: ExperimentOptions, activity: ActivityFunction = lambda: ""
) -> int:
    """Run the prompt loop on this process's terminal, then print each trait's state and the next command.

    Raises UserError if input or output is not a terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UserError(
            "Review needs an interactive terminal. In a browser: "
            f"`{program_name()} review {_options(options)} --web`. As files: `{program_name()} decisions export` and "
            f"`{program_name()} decisions import`."
        )
    apply = f"`{program_name()} apply {_options(options)}`"
    try:
        TerminalReview(sessions, activity, f"{apply} writes what was approved.").run()
        RunDisplay().print(*summary_of(sessions, apply))
    except OSError:  # the terminal was closed; every decision is stored
        discard_stream(sys.stdout)
    return 0


def summary_of(sessions: Sequence[ReviewSession], apply: str) -> list[str]:
    """The state of each trait's pairs in counts, and what to do next; `apply` is the command to type."""
    lines, pending, approved = [], 0, 0
    for session in sessions:
        cards = session.cards()
        states = Counter(STATES[card.state].name for card in cards)
        lines.append(f"{session.proposal.trait}: {', '.join(f'{n} {state}' for state, n in states.items())}")
        pending += sum(card.is_pending for card in cards)
        approved += sum(card.effect is not None for card in cards)
    if pending:
        lines.append(f"{pluralize(pending, 'pair')} still to decide: rerun the command to continue.")
    else:
        lines.append("Everything is decided.")
    if approved:
        lines.append(f"{apply} writes what was approved.")
    return lines


def _options(options: ExperimentOptions) -> str:
    return experiment_options(options.experiment, options.traits, options.variant)


def serve_review(
    sessions: Sequence[ReviewSession],
    options: ExperimentOptions,
    host: str = "127.0.0.1",
    port: int = 0,
    open_browser: bool = True,
    activity: ActivityFunction = lambda: "",
) -> int:
    """Serve the review page of these sessions until Ctrl-C; return the exit code. Port 0 takes a free one.

    `activity` says what a running check is doing. Raises UserError if the port cannot be bound.
    """
    display, token = RunDisplay(), new_token()
    with closing(bind(host, port)) as listening:
        address = f"http://{_url_host(host)}:{listening.getsockname()[1]}/{token}/"
        app = create_app(sessions, token, apply_actions(sessions, options), _allowed_hosts(host), activity)
        display.print("The review page is at", address, "Anyone with this address can decide: do not share it.")
        if not is_loopback(host):
            display.print("Other machines can reach it, and the connection is not encrypted.")
        display.print("Decisions are stored as they are made. Press Ctrl-C to stop.")
        if open_browser and not webbrowser.open(address):
            display.print("No browser could be started: open the address yourself.")
        try:
            _server(app).run(sockets=[listening])
        except KeyboardInterrupt:
            display.print("The review has ended. Your decisions are stored.")
    return 0


def _server(app: SecurityMiddleware) -> uvicorn.Server:
    """A server without an access log, which would hold the token, and without trust in a proxy's headers."""
    return uvicorn.Server(
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


def apply_actions(sessions: Sequence[ReviewSession], options: ExperimentOptions) -> ApplyActions:
    """What `cliffhanger apply` does, for the proposals that these sessions show."""
    files_of = {files.trait: files for files in trait_files(options, options.settings())}
    session_of = {session.proposal.trait: session for session in sessions}

    def plan(trait: str) -> ApplyPlan:
        files, session = files_of[trait], session_of[trait]
        dataset = files.dataset.load()
        cards = build_cards(session.proposal, dataset.pairs, session.log.read().decisions)
        return plan_changes(files.dataset.folder, dataset, cards)

    return ApplyActions(
        plan=plan,
        write=lambda plan: write(plan, files_of[plan.trait].folder.refinement),
        undo=lambda trait: undo(files_of[trait].dataset.folder, files_of[trait].folder.refinement),
        command=lambda trait: _apply_command(options, trait),
    )


def _apply_command(options: ExperimentOptions, trait: str) -> str:
    words = ["cliffhanger", "apply", "--experiment", str(options.experiment), "--traits", trait]
    if options.variant is not None:
        words += ["--model-variant", options.variant]
    if options.pair_by_similarity:
        words.append("--pair-by-similarity")
    return join(words)


def _url_host(host: str) -> str:
    """A host as written in a URL; the machine's name for "all addresses"."""
    if host in ("0.0.0.0", "::", ""):  # noqa: S104 - compared with, not bound to
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def _allowed_hosts(host: str) -> set[str]:
    """The Host headers to accept besides this machine's loopback names."""
    if is_loopback(host):
        return set()
    return {host, _url_host(host).strip("[]"), socket.gethostname(), socket.getfqdn()} - {""}
