"""What is made sure of before the first paid call: everything free first, each failure a sentence with its remedy."""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.app.composition import BACKENDS, Backends, RunContext, TraitJob, price_of, settings_of
from agent.config.settings import TOYWORLD, EndpointSettings, Settings
from agent.errors import Interrupted, UserError
from agent.llm.circuit_breaker import EndpointUnavailable
from agent.llm.client import LLMClient
from agent.llm.endpoint import Capability
from agent.llm.errors import Cancelled
from agent.loop.act import Subject
from agent.prompts import PromptBook
from agent.schema import Ending, Role, Sampling
from agent.storage.durable import is_locked
from agent.storage.ledger import Ledger
from agent.storage.ledger_database import LedgerError
from agent.subject.weights import SubjectError
from agent.supervision.progress import Progress
from agent.supervision.stop_control import StopSignals
from agent.text import experiment_options, pluralize, program_name

ENOUGH_DISK = 500_000_000  # bytes: a long night's ledger with its write-ahead log
_TIMED = 8  # texts in the timed batch
_PLAIN_TEXT = "I opened the door and looked outside, and"
_ASKING = "asks the endpoints what they can do"


@dataclass(frozen=True)
class StartupControl:
    """Who hears that a run waits, and who may stop it meanwhile."""

    progress: Progress
    stops: StopSignals

    def stage(self, jobs: Sequence[TraitJob], what: str) -> None:
        for job in jobs:
            self.progress.stage(job.trait.id, what)

    def is_over(self, jobs: Sequence[TraitJob]) -> bool:
        """Whether every trait is to stop."""
        return all(self.stops.stop_reason(job.folder.stop_file) is not None for job in jobs)

    def require_go(self, jobs: Sequence[TraitJob]) -> None:
        """Raise Interrupted where every trait is to stop before anything is loaded or asked."""
        if self.is_over(jobs):
            whys = dict.fromkeys(str(self.stops.stop_reason(job.folder.stop_file)) for job in jobs)
            raise Interrupted(Ending.STOPPED, f"nothing was begun: a stop was asked for ({'; '.join(whys)}).")


@contextmanager
def checked(
    settings: Settings,
    jobs: Sequence[TraitJob],
    say: Callable[[str], None],
    night: StartupControl | None = None,
    backends: Backends = BACKENDS,
) -> Iterator[RunContext]:
    """All that a run shares, proven to work. Raises Refusal with one sentence per problem; nothing is paid before.

    An unattended run waits for an endpoint that is out or too busy and has served its traits before, here as later on:
    raises Interrupted when that takes too long. Every wait, also a first run's, ends when a stop is asked for.
    """
    require_free(settings, jobs)
    prompts = PromptBook.load()
    subject = backends.open_subject(settings)
    say(f"subject: {subject.name}, {settings.subject.dtype}; {_timed(subject, jobs, settings)}")
    on_wait = night.progress.pause if night else lambda who, why: None
    with closing(backends.open_llm(settings, on_wait=on_wait)) as llm:
        for role, found in _probed(llm, jobs, night).items():
            about = settings_of(settings, role)
            note = f" {found.note}" if found.note else ""
            say(f"{role.value}: {about.model} at {about.base_url}, scores by {found.method}.{note}")
        yield RunContext(settings, prompts, llm, subject)


def require_free(settings: Settings, jobs: Sequence[TraitJob]) -> None:
    """Raise Refusal with all that can be found wrong without a model and without a call."""
    problems = list(free_problems(settings, jobs))
    if problems:
        raise UserError("\n".join(problems))


def free_problems(settings: Settings, jobs: Sequence[TraitJob]) -> Iterator[str]:
    """What can be found wrong without a model and without a call, as sentences."""
    yield from missing_keys(settings, tuple(Role))
    yield from unpriced(settings, tuple(Role))
    for folder in sorted({job.folder.refinement for job in jobs}):
        yield from _unwritable(folder)
    if jobs:
        yield from _little_room(jobs[0].folder.refinement)


def require_unlocked(jobs: Sequence[TraitJob]) -> None:
    """Raise Refusal where every trait's ledger is being written. Where only some are, the others' turn comes."""
    if all(is_locked(Path(f"{job.folder.ledger_path}.lock")) for job in jobs):
        raise UserError("\n".join(_busy(job) for job in jobs))


def _busy(job: TraitJob) -> str:
    where = experiment_options(job.folder.root, job.folder.trait, job.folder.variant)
    look = f"Look at it with `{program_name()} status {where}`, or wait until it has ended."
    return f"{job.trait.id}: another run is writing its ledger. {look}"


def missing_keys(settings: Settings, roles: Sequence[Role]) -> Iterator[str]:
    """The environment variables that should hold a key and do not; the toy world and keyless servers need none."""
    named: dict[str, list[str]] = {}
    for role in roles:
        about = settings_of(settings, role)
        if about.base_url != TOYWORLD and about.key_variable and not os.environ.get(about.key_variable, "").strip():
            named.setdefault(about.key_variable, []).append(role.value)
    for variable, whose in named.items():
        yield (
            f"The environment variable {variable} is empty, but {' and '.join(whose)} need the key in it: "
            f"export {variable}=…, or name another one as key_variable in refine.toml."
        )


def unpriced(settings: Settings, roles: Sequence[Role]) -> Iterator[str]:
    """Models whose calls would count as nothing: no price is stated, none is published, and none is waived."""
    named: dict[EndpointSettings, list[str]] = {}
    for role in roles:
        about = settings_of(settings, role)
        if price_of(about) is None:
            named.setdefault(about, []).append(role.value)
    for about, whose in named.items():
        yield (
            f"No price is known for {about.model} at {about.base_url} ({' and '.join(whose)}): write input_price and "
            "output_price (dollars per million tokens) in refine.toml, or free = true where its calls cost nothing."
        )


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _unwritable(folder: Path) -> Iterator[str]:
    above = _existing(folder)
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        yield f"{folder} cannot be written in ({above} forbids it): change its permissions, or copy the experiment."


def _little_room(folder: Path) -> Iterator[str]:
    free = shutil.disk_usage(_existing(folder)).free
    if free < ENOUGH_DISK:
        yield (
            f"Only {free / 1e6:.0f} MB are free on the disk of {folder}; a night may need {ENOUGH_DISK / 1e6:.0f}: "
            "free some space, or move the experiment."
        )


def _timed(subject: Subject, jobs: Sequence[TraitJob], settings: Settings) -> str:
    """One batch of completions, timed; a subject that says nothing at all is refused."""
    texts = [pair.positive.text for job in jobs for pair in job.dataset.pairs][:_TIMED] or [_PLAIN_TEXT]
    began = time.monotonic()
    how = Sampling(max_new_tokens=settings.rules.max_new_tokens)
    made = [own for _, own in subject.stream([(text, None) for text in texts], how)]
    seconds = time.monotonic() - began
    if not any(completion.text.strip() for own in made for completion in own):
        raise SubjectError(
            f"The subject {settings.subject.model} continues {texts[0]!r} with nothing: use a base model, not one that "
            "waits for a chat template."
        )
    return f"{pluralize(len(texts), 'text')} continued in {seconds:.1f} s"


def _probed(llm: LLMClient, jobs: Sequence[TraitJob], night: StartupControl | None) -> Mapping[Role, Capability]:
    """What each endpoint can do. Raises ProbeError and, at night, Interrupted."""
    if night is None:
        return llm.probe()
    night.stage(jobs, _ASKING)
    try:
        return llm.probe(_served(llm, jobs), lambda: night.is_over(jobs))
    except EndpointUnavailable as error:
        raise Interrupted(Ending.ENDPOINT, error.named) from error
    except Cancelled as error:
        raise Interrupted(Ending.STOPPED, error.sentence) from error


def _served(llm: LLMClient, jobs: Sequence[TraitJob]) -> set[Role]:
    """The roles whose model and endpoint have served a campaign of these traits: one that is silent was once right."""
    served = {address for job in jobs for address in _addresses(job)}
    return {role for role in Role if llm.address(role) in served}


def _addresses(job: TraitJob) -> set[str]:
    """Models and endpoints that this trait's campaigns used."""
    try:
        with Ledger.read(job.folder.ledger_path) as ledger:
            return {address for campaign in ledger.campaigns() for address in campaign.basis.addresses}
    except LedgerError:  # there is none yet, or the trait's own part says later what is wrong with it
        return set()
