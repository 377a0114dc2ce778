"""`calibrate`: judge labelled endings, over the network or by batch files, and report."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.app import preflight
from agent.app.composition import (
    BACKENDS,
    Backends,
    described,
    endpoint_of,
    settings_of,
    spent_so_far,
)
from agent.app.init_trait import toy_judge_warning
from agent.app.model_calls import NoControl, make_ask
from agent.app.outputs import advice_after
from agent.calibration.judge_rows import VOTES, ContextOf, JudgedEnding, judge_endings
from agent.calibration.labels import LabelDefaults, LabelError, LabelledEnding, read_endings, read_openers, read_traits
from agent.calibration.metrics import CalibrationRun, summarize
from agent.calibration.report import summary_lines, write_report
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
from agent.text import pluralize

FOLDER = "calibration"
TRAITS = "traits.json"
_UNJUDGED = 2
_SHOWN = 12

EndingsByWording = dict[str, list[JudgedEnding]]  # by wording


@dataclass(frozen=True)
class RowDefaults:
    """Options for rows that only name their trait or have no opener."""

    traits: Path | None = None
    definition: Path | None = None
    opposite: str | None = None
    openers: Path | None = None


@dataclass(frozen=True)
class BatchFiles:
    """Batch files to write and read. `plain` names a judge that answers each question once in plain text."""

    batch: Path | None = None
    prompts: Path | None = None
    answers: tuple[Path, ...] = ()
    plain: str | None = None

    @property
    def is_used(self) -> bool:
        return bool(self.batch or self.prompts or self.answers or self.plain)

    @property
    def is_export_only(self) -> bool:
        """Whether requests are written and no answers are read, so that there is nothing to report."""
        return bool(self.batch or self.prompts) and not self.answers


@dataclass(frozen=True)
class CalibrationJob:
    """One calibration with its options."""

    experiment: Path
    gold: Path
    part: str
    wordings: str
    votes: bool
    spans: bool
    defaults: RowDefaults
    files: BatchFiles
    backends: Backends = BACKENDS

    def run(self) -> int:
        """Judge and report. Returns 2 when something is unjudged."""
        settings = load_settings(self.experiment, {})
        rows, wordings = self._rows(settings), self._wordings()
        folder = settings.experiment / FOLDER
        with RunDisplay() as display, Ledger(folder / "ledger.sqlite") as ledger:
            traits = pluralize(len({row.trait for row in rows}), "trait")
            display.print(f"{pluralize(len(rows), 'ending')} of {traits} from {self.gold.name}")
            try:
                judge, found = self._judge(settings, rows, wordings, ledger, display)
            except Interrupted as error:
                display.print(advice_after(error))
                return EXIT_CODES[error.ending]
            if self.files.is_export_only:
                return 0
            run = CalibrationRun(self.gold.name, self.part, judge, _prompts_of(ledger, found))
            done = summarize(run, found, settings.rules)
            page = write_report(folder, done)
            warnings = () if self.files.plain else toy_judge_warning(settings)
            display.print(*summary_lines(done), *warnings, f"Full report: {page}")
            return _UNJUDGED if any(wording.unjudged for wording in done.wordings) else 0

    def _rows(self, settings: Settings) -> tuple[LabelledEnding, ...]:
        """The endings of the requested part. Raises UserError."""
        if self.part not in ("A", "B", "all"):
            raise UserError(f"--part {self.part!r}: unknown part. Use A, B or all.")
        try:
            rows = read_endings(_bytes(self.gold), self.gold.name, self._label_defaults(settings))
        except LabelError as error:
            raise UserError(str(error)) from error
        chosen = tuple(row for row in rows if self.part in ("all", row.part))
        if not chosen:
            raise UserError(
                f'No ending in {self.gold.name} has "part": "{self.part}". Add it to the rows, or use --part all.'
            )
        return chosen

    def _label_defaults(self, settings: Settings) -> LabelDefaults:
        """Traits and openers for incomplete rows. A file of traits next to the rows is used by default."""
        openers, traits = self.defaults.openers, self.defaults.traits
        if traits is None and self.gold.with_name(TRAITS).is_file():
            traits = self.gold.with_name(TRAITS)
        return LabelDefaults(
            _describer(self.defaults, settings),
            read_traits(_bytes(traits), traits.name) if traits and not self.defaults.definition else {},
            read_openers(_bytes(openers), openers.name) if openers else {},
        )

    def _wordings(self) -> tuple[str, ...]:
        known = (*WORDINGS, AUDIT)
        named = tuple(dict.fromkeys(name.strip() for name in self.wordings.split(",") if name.strip()))
        if not named or set(named) - set(known):
            raise UserError(f"--wordings {self.wordings!r}: unknown wording. Use any of {', '.join(known)}.")
        return (*named, VOTES) if self.votes else named

    def _judge(
        self,
        settings: Settings,
        rows: Sequence[LabelledEnding],
        wordings: Sequence[str],
        ledger: Ledger,
        display: RunDisplay,
    ) -> tuple[str, EndingsByWording]:
        """(the judge's name, its answers by wording). Raises Interrupted."""

        def ask_all(ask: Ask, known: Mapping[Role, Capability]) -> EndingsByWording:
            context_of = _contexts(settings, ask, known)
            return {one: judge_endings(context_of, rows, one, self.spans and one == wordings[0]) for one in wordings}

        if self.files.plain:
            batch = BatchJudge.by_hand(self.files.plain, ledger)
            judge = f"{self.files.plain}, one plain text per question (samples, n = 1)"
            return judge, self._by_file(batch, lambda: ask_all(batch.ask, batch.known), display)
        roles = (Role.JUDGE, *([Role.AUDITOR] if AUDIT in wordings else []))
        with _open_client(settings, roles, display, self.backends) as (llm, known):
            judge = " and ".join(dict.fromkeys(llm.signature(role) for role in roles))
            if self.files.is_used:
                batch = BatchJudge({role: endpoint_of(settings_of(settings, role)) for role in roles}, known, ledger)
                return judge, self._by_file(batch, lambda: ask_all(batch.ask, known), display)
            llm.budget.open_account(ledger.identity, spent_so_far(ledger))
            display.print(f"asking {judge}; stored answers are reused")
            return judge, ask_all(make_ask(llm, ledger, lambda what: None, NoControl()), known)

    def _by_file(
        self, batch: BatchJudge, ask_all: Callable[[], EndingsByWording], display: RunDisplay
    ) -> EndingsByWording:
        """Read the answers, then write the requests that are still unanswered."""
        found = ask_all()
        if self.files.answers:
            found = _import_answers(batch, self.files.answers, ask_all, display)
        bodies = {key: call.body for key, call in batch.missing.items()}
        for path, write in ((self.files.batch, write_batch), (self.files.prompts, write_prompts)):
            if path:
                write(path, bodies)
                display.print(f"{pluralize(len(bodies), 'unanswered request')} written to {path}")
        return found


def _import_answers(
    batch: BatchJudge, paths: Sequence[Path], ask_all: Callable[[], EndingsByWording], display: RunDisplay
) -> EndingsByWording:
    """Store the answers in the files; an answer can raise a further question, which another line may answer."""
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
    while len(rest := batch.import_answers(left, report)) < len(left):
        left = rest
        ask_all()
    display.print(f"{pluralize(report.stored, 'answer')} stored, {pluralize(report.repeated, 'duplicate line')}")
    unknown = [f"{row.where}: {row.custom_id[:80]}" for row in rest]
    for what, lines in (
        ("unreadable lines", broken),
        ("lines without an answer", report.failed),
        ("duplicate answers that differ (the first counts)", report.conflicting),
        ("lines that match no request", unknown),
    ):
        if lines:
            more = [f"  … and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
            display.print(f"{what}: {len(lines)}", *(f"  {line}" for line in lines[:_SHOWN]), *more)
    return ask_all()


def _describer(about: RowDefaults, settings: Settings) -> Callable[[str], Trait]:
    """A function that describes a trait by name, from the options, else from the experiment's trait of that name."""

    def describe(name: str) -> Trait:
        ids = [i for i in settings.traits if name in (i, i.rpartition("/")[2])]
        if about.definition:
            text = _bytes(about.definition).decode("utf-8-sig", "replace").strip()
        elif ids:
            text = read_definition(settings.datasets / ids[0])
        else:
            raise LabelError(
                f"The rows name the trait {name!r}, and {settings.experiment.name} has no such trait. Give its "
                "definition with --definition FILE (and --opposite), or those of several with --trait-file FILE."
            )
        trait = described(settings, ids[0] if ids else name, text)
        return trait.model_copy(update={"opposite": about.opposite}) if about.opposite else trait

    return describe


@contextmanager
def _open_client(
    settings: Settings, roles: Sequence[Role], display: RunDisplay, backends: Backends
) -> Iterator[tuple[LLMClient, Mapping[Role, Capability]]]:
    """The client of the roles, after probing it, and its capabilities."""
    problems = [*preflight.missing_keys(settings, roles), *preflight.unpriced(settings, roles)]
    if problems:
        raise UserError("\n".join(problems))
    with closing(backends.open_llm(settings, roles)) as llm:
        found = llm.probe()
        for role, known in found.items():
            about = settings_of(settings, role)
            display.print(f"{role}: {about.model} at {about.base_url}, scores by {known.method}. {known.note}".rstrip())
        yield llm, found


def _prompts_of(ledger: Ledger, found: EndingsByWording) -> tuple[str, ...]:
    """Ids of the prompts whose answers were used."""
    keys = {key for answers in found.values() for one in answers for vote in one.votes for key in vote.answers}
    stored = [ledger.answer(key) for key in keys]
    return tuple(sorted({answer.prompt_id for answer in stored if answer}))


def _contexts(settings: Settings, ask: Ask, known: Mapping[Role, Capability]) -> ContextOf:
    prompts = PromptBook.load()
    scales = {role: capability.scale for role, capability in known.items()}

    def context(trait: Trait) -> StepContext:
        return StepContext(trait, settings.rules, prompts, ask, _no_subject, scales)

    return context


def _no_subject(
    scenarios: Sequence[Scenario], sampling: Sampling, openers: Sequence[Opener] = ()
) -> list[tuple[Completion, ...]]:
    raise AssertionError("calibration needs no subject")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}). Give an existing file.") from error
