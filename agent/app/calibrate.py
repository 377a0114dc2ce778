"""What `calibrate` does: read labelled endings, have them judged (live, or by files), and report."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.app import preflight
from agent.app.composition import (
    BACKENDS,
    Backends,
    NoControl,
    described,
    endpoint_of,
    make_ask,
    settings_of,
    spent_so_far,
)
from agent.app.init_trait import toy_judge
from agent.calibration.judge_rows import VOTES, JudgedEnding, answered
from agent.calibration.labels import LabelDefaults, LabelError, LabelledEnding, read_gold, read_openers, read_traits
from agent.calibration.metrics import CalibrationRun, summary
from agent.calibration.report import gist, write_report
from agent.config.load import load_settings
from agent.config.settings import Settings
from agent.errors import Interrupted, UserError
from agent.llm.batch import (
    AnswerLine,
    BatchFileError,
    BatchJudge,
    ImportReport,
    read_answers,
    write_batch,
    write_prompts,
)
from agent.llm.client import LLMClient
from agent.llm.endpoint import Capability
from agent.prompts import PromptBook
from agent.schema import EXIT_CODES, Completion, Opener, Role, Sampling, Scenario, Trait
from agent.steps.context import Ask, StepContext
from agent.steps.questions import AUDIT, WORDINGS
from agent.storage.dataset import read_definition
from agent.storage.ledger import Ledger
from agent.supervision.display import RunDisplay

FOLDER = "calibration"
TRAITS = "traits.json"
_UNJUDGED = 2
_SHOWN = 12

EndingsByWording = dict[str, list[JudgedEnding]]  # by wording
OpenContext = Callable[[Trait], StepContext]


@dataclass(frozen=True)
class UnusableRows:
    """What is said of rows that only name their trait or have no opener."""

    traits: Path | None = None
    definition: Path | None = None
    opposite: str | None = None
    openers: Path | None = None


@dataclass(frozen=True)
class BatchFiles:
    """How a judge is reached without asking it here. `plain` names one that answers once, in plain text."""

    batch: Path | None = None
    prompts: Path | None = None
    answers: tuple[Path, ...] = ()
    plain: str | None = None

    @property
    def wanted(self) -> bool:
        return bool(self.batch or self.prompts or self.answers or self.plain)

    @property
    def only_written(self) -> bool:
        """Requests go out and nothing comes back yet: there is nothing to report."""
        return bool(self.batch or self.prompts) and not self.answers


@dataclass(frozen=True)
class CalibrationJob:
    """One calibration as it was ordered."""

    experiment: Path
    gold: Path
    part: str
    wordings: str
    votes: bool
    spans: bool
    missing: UnusableRows
    files: BatchFiles
    backends: Backends = BACKENDS

    def run(self) -> int:
        """Judge and report; 2 when something is unjudged."""
        settings = load_settings(self.experiment, {})
        rows, ways = self._rows(settings), self._ways()
        folder = settings.experiment / FOLDER
        with RunDisplay() as screen, Ledger(folder / "ledger.sqlite") as ledger:
            screen.print(f"{len(rows)} endings of {len({row.trait for row in rows})} traits from {self.gold.name}")
            try:
                judge, found = self._judged(settings, rows, ways, ledger, screen)
            except Interrupted as error:
                screen.print(f"{error} What was bought is stored; the same command goes on.")
                return EXIT_CODES[error.ending]
            if self.files.only_written:
                return 0
            heading = CalibrationRun(self.gold.name, self.part, judge, _prompts_of(ledger, found))
            done = summary(heading, found, settings.rules)
            page = write_report(folder, done)
            worth = () if self.files.plain else toy_judge(settings)
            screen.print(*gist(done), *worth, f"In full: {page}")
            return _UNJUDGED if any(way.unjudged for way in done.wordings) else 0

    def _rows(self, settings: Settings) -> tuple[LabelledEnding, ...]:
        """The endings of the part asked for. Raises Refusal."""
        if self.part not in ("A", "B", "all"):
            raise UserError(f"--part {self.part!r} is no part: write A, B or all.")
        try:
            rows = read_gold(_bytes(self.gold), self.gold.name, self._beside(settings))
        except LabelError as error:
            raise UserError(str(error)) from error
        chosen = tuple(row for row in rows if self.part in ("all", row.part))
        if not chosen:
            raise UserError(
                f'No ending in {self.gold.name} has "part": "{self.part}": add it to the rows, or use --part all.'
            )
        return chosen

    def _beside(self, settings: Settings) -> LabelDefaults:
        """What stands beside the rows: a file of traits is found by itself where it lies in the same folder."""
        openers, traits = self.missing.openers, self.missing.traits
        if traits is None and self.gold.with_name(TRAITS).is_file():
            traits = self.gold.with_name(TRAITS)
        return LabelDefaults(
            _describes(self.missing, settings),
            read_traits(_bytes(traits), traits.name) if traits and not self.missing.definition else {},
            read_openers(_bytes(openers), openers.name) if openers else {},
        )

    def _ways(self) -> tuple[str, ...]:
        known = (*WORDINGS, AUDIT)
        named = tuple(dict.fromkeys(name.strip() for name in self.wordings.split(",") if name.strip()))
        if not named or set(named) - set(known):
            raise UserError(f"--wordings {self.wordings!r} names no wordings: write some of {', '.join(known)}.")
        return (*named, VOTES) if self.votes else named

    def _judged(
        self,
        settings: Settings,
        rows: Sequence[LabelledEnding],
        ways: Sequence[str],
        ledger: Ledger,
        screen: RunDisplay,
    ) -> tuple[str, EndingsByWording]:
        """(who the judge is, what it says in each wording). Raises Interrupted."""

        def ask_all(ask: Ask, known: Mapping[Role, Capability]) -> EndingsByWording:
            context_of = _contexts(settings, ask, known)
            return {way: answered(context_of, rows, way, self.spans and way == ways[0]) for way in ways}

        if self.files.plain:
            desk = BatchJudge.by_hand(self.files.plain, ledger)
            judge = f"{self.files.plain}, one plain text per question (samples, n = 1)"
            return judge, self._by_file(desk, lambda: ask_all(desk.ask, desk.known), screen)
        roles = (Role.JUDGE, *([Role.AUDITOR] if AUDIT in ways else []))
        with _reached(settings, roles, screen, self.backends) as (llm, known):
            judge = " and ".join(dict.fromkeys(llm.signature(role) for role in roles))
            if self.files.wanted:
                desk = BatchJudge({role: endpoint_of(settings_of(settings, role)) for role in roles}, known, ledger)
                return judge, self._by_file(desk, lambda: ask_all(desk.ask, known), screen)
            llm.budget.open_account(ledger.identity, spent_so_far(ledger))
            screen.print(f"asking {judge}; what the ledger holds is not asked again")
            return judge, ask_all(make_ask(llm, ledger, lambda what: None, NoControl()), known)

    def _by_file(
        self, desk: BatchJudge, ask_all: Callable[[], EndingsByWording], screen: RunDisplay
    ) -> EndingsByWording:
        """Read in what has come back, then write what is still unanswered."""
        found = ask_all()
        if self.files.answers:
            found = _receive(desk, self.files.answers, ask_all, screen)
        bodies = {key: call.body for key, call in desk.missing.items()}
        for path, write in ((self.files.batch, write_batch), (self.files.prompts, write_prompts)):
            if path:
                write(path, bodies)
                screen.print(f"{len(bodies)} unanswered requests written to {path}")
        return found


def _receive(
    desk: BatchJudge, paths: Sequence[Path], ask_all: Callable[[], EndingsByWording], screen: RunDisplay
) -> EndingsByWording:
    """Store what the files hold: an answer can raise a further question, which another line may answer."""
    report = ImportReport()
    left: list[AnswerLine] = []
    broken: list[str] = []
    for path in paths:
        try:
            rows, problems = read_answers(path)
        except BatchFileError as error:
            raise UserError(str(error)) from error
        left += rows
        broken += problems
    while len(rest := desk.import_answers(left, report)) < len(left):
        left = rest
        ask_all()
    screen.print(f"{report.stored} answers stored, {report.repeated} lines repeat one that was already there")
    unknown = [f"{row.where}: {row.custom_id[:80]}" for row in rest]
    for what, lines in (
        ("lines that cannot be read", broken),
        ("lines without a usable answer", report.failed),
        ("repeated answers that differ; the first counts", report.conflicting),
        ("lines that answer nothing asked here", unknown),
    ):
        if lines:
            more = [f"  … and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
            screen.print(f"{len(lines)} {what}:", *(f"  {line}" for line in lines[:_SHOWN]), *more)
    return ask_all()


def _describes(about: UnusableRows, settings: Settings) -> Callable[[str], Trait]:
    """What a trait is that rows only name: by the options, else by the experiment's own trait of that name."""

    def describe(name: str) -> Trait:
        ids = [i for i in settings.traits if name in (i, i.rpartition("/")[2])]
        if about.definition:
            text = _bytes(about.definition).decode("utf-8-sig", "replace").strip()
        elif ids:
            text = read_definition(settings.datasets / ids[0])
        else:
            raise LabelError(
                f"The trait {name!r} is only named, and {settings.experiment.name} has no such trait: hand in "
                "its definition with --definition FILE (and --opposite), or many traits' with --trait-file FILE."
            )
        trait = described(settings, ids[0] if ids else name, text)
        return trait.model_copy(update={"opposite": about.opposite}) if about.opposite else trait

    return describe


@contextmanager
def _reached(
    settings: Settings, roles: Sequence[Role], screen: RunDisplay, backends: Backends
) -> Iterator[tuple[LLMClient, Mapping[Role, Capability]]]:
    """The client of the roles, proven to work, and what it can do."""
    problems = [*preflight.missing_keys(settings, roles), *preflight.unpriced(settings, roles)]
    if problems:
        raise UserError("\n".join(problems))
    with closing(backends.open_llm(settings, roles)) as llm:
        found = llm.probe()
        for role, known in found.items():
            about = settings_of(settings, role)
            screen.print(f"{role}: {about.model} at {about.base_url}, scores by {known.method}. {known.note}".rstrip())
        yield llm, found


def _prompts_of(ledger: Ledger, found: EndingsByWording) -> tuple[str, ...]:
    """The ids of the prompts whose answers were used."""
    keys = {key for answers in found.values() for one in answers for vote in one.votes for key in vote.answers}
    stored = [ledger.answer(key) for key in keys]
    return tuple(sorted({answer.prompt_id for answer in stored if answer}))


def _contexts(settings: Settings, ask: Ask, known: Mapping[Role, Capability]) -> OpenContext:
    prompts = PromptBook.load()
    scales = {role: capability.scale for role, capability in known.items()}

    def context(trait: Trait) -> StepContext:
        return StepContext(trait, settings.rules, prompts, ask, _nothing_to_continue, scales)

    return context


def _nothing_to_continue(
    scenarios: Sequence[Scenario], sampling: Sampling, openers: Sequence[Opener] = ()
) -> list[tuple[Completion, ...]]:
    raise AssertionError("calibration needs no subject")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): name an existing file.") from error
