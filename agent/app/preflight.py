"""Preflight checks before the first paid call, the free ones first; each failure is a sentence with its remedy."""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.app.composition import (
    BACKENDS,
    PLAIN_TEXT,
    Backends,
    RunContext,
    TraitJob,
    price_of,
    questions_for_probe,
    settings_of,
)
from agent.config.settings import TOYWORLD, EndpointSettings, Settings
from agent.errors import Interrupted, UserError
from agent.llm.capability import Questions
from agent.llm.circuit_breaker import EndpointUnavailable
from agent.llm.client import LLMClient
from agent.llm.endpoint import Capability
from agent.llm.errors import Cancelled
from agent.llm.surroundings import connection_problem, key_problem
from agent.loop.act import Subject
from agent.prompts import PromptBook
from agent.schema import Cause, Ending, Role, Sampling
from agent.storage.durable import is_locked
from agent.storage.ledger import Ledger
from agent.storage.ledger_database import LedgerError
from agent.subject.weights import SubjectError
from agent.supervision.progress import Progress
from agent.supervision.stop_control import StopSignals
from agent.text import experiment_options, pluralize, program_name, verb_for

# Room for the ledger of a large trait with its write-ahead log; chosen by judgement.
MIN_FREE_BYTES = 500_000_000
_TIMED_TEXTS = 8
_PROBING = "asks the endpoints what they can do"
_LISTED_WARNINGS = 12


@dataclass(frozen=True)
class StartupControl:
    """Progress and stop signals of a run that is still starting."""

    progress: Progress
    stops: StopSignals

    def stage(self, jobs: Sequence[TraitJob], what: str) -> None:
        for job in jobs:
            self.progress.stage(job.trait.id, what)

    def should_stop(self, jobs: Sequence[TraitJob]) -> bool:
        """Whether a stop is requested for every trait."""
        return all(request is not None for request in self._requests(jobs))

    def stop_cause(self, jobs: Sequence[TraitJob]) -> Cause | None:
        """What requests the stop of the first trait for which one is requested."""
        return next((cause for cause, _ in filter(None, self._requests(jobs))), None)

    def raise_if_stopped(self, jobs: Sequence[TraitJob]) -> None:
        """Raise Interrupted where a stop is requested for every trait."""
        if self.should_stop(jobs):
            reasons = "; ".join(dict.fromkeys(why for _, why in filter(None, self._requests(jobs))))
            why = f"Not started, because a stop is requested ({reasons})."
            raise Interrupted(Ending.STOPPED, why, self.stop_cause(jobs))

    def _requests(self, jobs: Sequence[TraitJob]) -> list[tuple[Cause, str] | None]:
        return [self.stops.request(job.folder.stop_file) for job in jobs]


@contextmanager
def open_context(
    settings: Settings,
    jobs: Sequence[TraitJob],
    say: Callable[[str], None],
    control: StartupControl | None = None,
    backends: Backends = BACKENDS,
) -> Iterator[RunContext]:
    """Load the subject, probe the endpoints and report both; nothing is paid before the free checks pass.

    Raises UserError with one line per problem. With `control`, waits for an endpoint that served these traits before
    and is now unavailable or rate limited; raises Interrupted when that takes too long or a stop is requested.
    """
    for job in jobs:
        for warning in dataset_warnings(job):
            say(f"{job.trait.id}: {warning}")
    require_free(settings, jobs)
    prompts = PromptBook.load()
    subject = backends.open_subject(settings)
    for job in jobs:
        for line in unfit_texts(job, subject.problem, settings):
            say(f"{job.trait.id}: {line}")
    timed = _timed(subject, jobs, settings)
    say(f"subject: {subject.name}, {settings.subject.dtype}; {subject.start}; {timed}")
    on_wait = control.progress.pause if control else lambda who, why: None
    with closing(backends.open_llm(settings, on_wait=on_wait)) as llm:
        questions = questions_for_probe(settings, prompts, jobs)
        for role, found in _probed(llm, jobs, questions, control).items():
            about = settings_of(settings, role)
            note = f" {found.note}" if found.note else ""
            say(f"{role.value}: {about.model} at {about.base_url}, scores by {found.method}.{note}")
        yield RunContext(settings, prompts, llm, subject, backends.recheck_pauses)


def dataset_warnings(job: TraitJob) -> list[str]:
    """Warnings of loading the dataset, in file order; a long list is cut, with the number left out.

    Different first words are common and come last: no other warning is cut in their favour.
    """
    issues = sorted(job.dataset.issues, key=lambda issue: issue.code == "first-word")
    warnings = [str(issue) for issue in issues]
    more = [f"… and {len(warnings) - _LISTED_WARNINGS} more warnings"] if len(warnings) > _LISTED_WARNINGS else []
    return warnings[:_LISTED_WARNINGS] + more


Problem = Callable[[str, str | None, int], str | None]  # a text, its system prompt, the number of new tokens


def unfit_texts(job: TraitJob, problem: Problem, settings: Settings) -> list[str]:
    """A warning for each text of the dataset that the subject cannot continue, by file and line."""
    places, new = job.places, settings.rules.max_new_tokens
    found = [
        f"{places.get(side.key, pair.id)}: warning: the subject cannot continue this text: its pair is parked. {why}"
        for pair in job.dataset.pairs
        for side in pair.sides
        if (why := problem(side.text, side.system_prompt, new))
    ]
    more = [f"… and {len(found) - _LISTED_WARNINGS} more texts"] if len(found) > _LISTED_WARNINGS else []
    return found[:_LISTED_WARNINGS] + more


def require_free(settings: Settings, jobs: Sequence[TraitJob]) -> None:
    """Raise UserError with every problem found without loading a model and without a call."""
    problems = list(free_problems(settings, jobs))
    if problems:
        raise UserError("\n".join(problems))


def free_problems(settings: Settings, jobs: Sequence[TraitJob]) -> Iterator[str]:
    """Problems found without loading a model and without a call, as sentences."""
    yield from missing_keys(settings, tuple(Role))
    yield from unpriced(settings, tuple(Role))
    yield from unreachable_by_settings(settings, tuple(Role))
    for folder in sorted({job.folder.refinement for job in jobs}):
        yield from _unwritable(folder)
    if jobs:
        yield from _low_disk(jobs[0].folder.refinement)


def require_unlocked(jobs: Sequence[TraitJob]) -> None:
    """Raise UserError where every trait's ledger is locked; where only some are, the others can run."""
    if all(is_locked(Path(f"{job.folder.ledger_path}.lock")) for job in jobs):
        raise UserError("\n".join(_busy(job) for job in jobs))


def _busy(job: TraitJob) -> str:
    where = experiment_options(job.folder.root, job.folder.trait, job.folder.variant)
    status = f"See `{program_name()} status {where}`, or wait until it has ended."
    return f"{job.trait.id}: another run is writing its ledger. {status}"


def missing_keys(settings: Settings, roles: Sequence[Role]) -> Iterator[str]:
    """Environment variables that should hold a key and are empty; the toy world and keyless servers need none."""
    named: dict[str, list[str]] = {}
    for role in roles:
        about = settings_of(settings, role)
        if about.base_url != TOYWORLD and about.key_variable and not os.environ.get(about.key_variable, "").strip():
            named.setdefault(about.key_variable, []).append(role.value)
    for variable in dict.fromkeys(settings_of(settings, role).key_variable for role in roles):
        if problem := key_problem(variable, os.environ.get(variable, "").strip()):
            yield problem
    for variable, roles_of in named.items():
        yield (
            f"The environment variable {variable} is empty, but {' and '.join(roles_of)} "
            f"{verb_for(len(roles_of), 'needs', 'need')} an API key from it. Set it with export {variable}=…, or name "
            "another variable as key_variable in refine.toml."
        )


def unreachable_by_settings(settings: Settings, roles: Sequence[Role]) -> Iterator[str]:
    """Proxies and certificates, as the environment names them, with which no connection can be made."""
    urls = dict.fromkeys(settings_of(settings, role).base_url for role in roles)
    problems = [problem for url in urls if url != TOYWORLD and (problem := connection_problem(url))]
    yield from dict.fromkeys(problems)


def unpriced(settings: Settings, roles: Sequence[Role]) -> Iterator[str]:
    """Models without a price: none in refine.toml, no list price, and not declared free."""
    named: dict[EndpointSettings, list[str]] = {}
    for role in roles:
        about = settings_of(settings, role)
        if price_of(about) is None:
            named.setdefault(about, []).append(role.value)
    for about, roles_of in named.items():
        yield (
            f"No price is known for {about.model} at {about.base_url} ({' and '.join(roles_of)}). Set input_price and "
            "output_price (dollars per million tokens) in refine.toml, or free = true if its calls cost nothing."
        )


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _unwritable(folder: Path) -> Iterator[str]:
    above = _existing(folder)
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        yield f"{folder} is not writable ({above} denies it). Change its permissions, or copy the experiment."


def _low_disk(folder: Path) -> Iterator[str]:
    free = shutil.disk_usage(_existing(folder)).free
    if free < MIN_FREE_BYTES:
        yield (
            f"Only {free / 1e6:.0f} MB are free on the disk of {folder}; a run may need {MIN_FREE_BYTES / 1e6:.0f} MB. "
            "Free some space, or move the experiment."
        )


def _timed(subject: Subject, jobs: Sequence[TraitJob], settings: Settings) -> str:
    """Time one batch of completions. Raises SubjectError for a subject that generates nothing."""
    new = settings.rules.max_new_tokens
    whole = [pair.positive.text for job in jobs for pair in job.dataset.pairs]
    texts = [text for text in whole if subject.problem(text, None, new) is None][:_TIMED_TEXTS] or [PLAIN_TEXT]
    began = time.monotonic()
    how = Sampling(max_new_tokens=new)
    made = [own for _, own in subject.stream([(text, None) for text in texts], how)]
    seconds = time.monotonic() - began
    if all(completion.failure for own in made for completion in own):
        raise SubjectError(
            f"The subject {settings.subject.model} cannot continue any of {pluralize(len(texts), 'text')}, such as "
            f"{texts[0]!r}. {made[0][0].failure}"
        )
    if not any(completion.text.strip() for own in made for completion in own):
        raise SubjectError(
            f"The subject {settings.subject.model} generates nothing after {texts[0]!r}. Use a base model, not "
            "one that needs a chat template."
        )
    return f"{pluralize(len(texts), 'text')} continued in {seconds:.1f} s"


def _probed(
    llm: LLMClient, jobs: Sequence[TraitJob], questions: Questions, control: StartupControl | None
) -> Mapping[Role, Capability]:
    """Capability of each endpoint. Raises ProbeError and, with `control`, Interrupted."""
    if control is None:
        return llm.probe(questions=questions)
    control.stage(jobs, _PROBING)
    try:
        return llm.probe(_served(llm, jobs), lambda: control.should_stop(jobs), questions)
    except EndpointUnavailable as error:
        raise Interrupted(Ending.ENDPOINT, error.named) from error
    except Cancelled as error:
        raise Interrupted(Ending.STOPPED, error.sentence, control.stop_cause(jobs)) from error


def _served(llm: LLMClient, jobs: Sequence[TraitJob]) -> set[Role]:
    """Roles whose model and endpoint served an earlier campaign of these traits; they are worth waiting for."""
    served = {address for job in jobs for address in _addresses(job)}
    return {role for role in Role if llm.address(role) in served}


def _addresses(job: TraitJob) -> set[str]:
    """Models and endpoints that this trait's campaigns used."""
    try:
        with Ledger.read(job.folder.ledger_path) as ledger:
            return {address for campaign in ledger.campaigns() for address in campaign.basis.addresses}
    except LedgerError:  # there is none yet, or the trait's own run reports later what is wrong with it
        return set()
