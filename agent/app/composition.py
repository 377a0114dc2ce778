"""Composition root: builds clients, subjects, contexts and loop tools from the settings."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn, Protocol

from pydantic import SecretStr

from agent.app.model_calls import Control, NoControl, OnStage, make_ask, make_complete
from agent.config.settings import TOYWORLD, EndpointSettings, Settings
from agent.llm.budget import Amount, BudgetTracker, list_price
from agent.llm.capability import Questions
from agent.llm.client import LLMClient, OnWait
from agent.llm.endpoint import Endpoint
from agent.llm.retry import RetryPolicy
from agent.loop.act import RECHECK_PAUSES, Subject, Tools
from agent.prompts import PromptBook, shipped_folder
from agent.review.apply import StartingSet
from agent.schema import (
    CampaignBasis,
    Cause,
    Mode,
    NegativeTest,
    Plan,
    Polarity,
    Request,
    Role,
    Scenario,
    Signals,
    Trait,
    digest,
)
from agent.steps.context import StepContext
from agent.steps.probe_questions import probe_questions
from agent.storage.dataset import Dataset, DatasetError, load_dataset, read_definition
from agent.storage.durable import hash_of
from agent.storage.experiment import ExperimentFolder
from agent.storage.ledger import Ledger
from agent.supervision.stop_control import TraitControl

if TYPE_CHECKING:
    from agent.subject.model import HuggingFaceSubject
    from agent.subject.tokenizer import Tokens


class NamedSubject(Subject, Protocol):
    """A subject with a name to show, and with the special tokens that each text begins with, in words."""

    @property
    def name(self) -> str: ...

    @property
    def start(self) -> str: ...


@dataclass(frozen=True)
class TraitJob:
    """One trait of an experiment: its description, its dataset and its folders."""

    trait: Trait
    dataset: Dataset
    folder: ExperimentFolder

    @property
    def places(self) -> dict[str, str]:
        """File and line of the dataset's texts, by their key."""
        found: dict[str, str] = {}
        for pair, lines in zip(self.dataset.pairs, self.dataset.places, strict=False):
            for side, file, line in zip(pair.sides, self.dataset.files, lines, strict=True):
                found.setdefault(side.key, f"{file}:{line}")
        return found


def spent_so_far(ledger: Ledger) -> dict[Role, Amount]:
    """Usage of each role in all runs so far; a call without a recorded answer counts as paid."""
    return {s.role: Amount(s.micro_usd, s.calls, s.tokens_in, s.tokens_out) for s in ledger.spent_by_role()}


@dataclass(frozen=True)
class RunContext:
    """Settings, prompts, client and subject that all traits of a run share."""

    settings: Settings
    prompts: PromptBook
    llm: LLMClient
    subject: Subject
    recheck_pauses: tuple[float, ...] = RECHECK_PAUSES

    def context(self, job: TraitJob, ledger: Ledger, on_stage: OnStage, control: Control | None = None) -> StepContext:
        """The step context of one trait; its questions and completions go through its ledger."""
        self.llm.budget.open_account(ledger.identity, spent_so_far(ledger))
        return StepContext(
            trait=job.trait,
            rules=self.settings.rules,
            prompts=self.prompts,
            ask=make_ask(self.llm, ledger, on_stage, control or NoControl()),
            complete=make_complete(self.subject, ledger, on_stage, control or NoControl()),
            scales={role: self.llm.scale(role) for role in Role},
            seed=self.settings.seed,
            unfit=self.unfit,
        )

    def unfit(self, scenario: Scenario) -> str | None:
        """Why the subject cannot continue a text, as far as its tokenizer can tell; None if it can."""
        return self.subject.problem(scenario.text, scenario.system_prompt, self.settings.rules.max_new_tokens)

    def tools(  # noqa: PLR0913 - what one trait's loop is made of
        self,
        job: TraitJob,
        control: TraitControl,
        on_stage: OnStage,
        campaign: int,
        start: StartingSet,
        first: Signals,
    ) -> Tools:
        """The loop's tools for one trait. `first` are the signals that do not change during the run."""
        ledger = control.ledger

        def signals() -> Signals:
            cause, why = control.stops.request(job.folder.stop_file) or (Cause.SIGNAL, None)
            now = {"stop_requested": why, "stop_cause": cause, "cap_reached": control.cap_reached()}
            return first.model_copy(update=now)

        def wait(seconds: float, what: str) -> None:
            on_stage(what)
            control.wait(seconds)

        return Tools(
            context=self.context(job, ledger, on_stage, control),
            ledger=ledger,
            campaign=campaign,
            plan=Plan(caps=self.settings.caps, rules=self.settings.rules, dataset_size=len(start.pairs)),
            dataset=start.pairs,
            signals=signals,
            wait=wait,
            recheck_pauses=self.recheck_pauses,
            rejected=start.rejected,
            first_draft=start.first_draft,
            places=job.places,
        )

    def campaign(self, job: TraitJob, ledger: Ledger, new: bool, start: StartingSet) -> int:
        """The number of the campaign with this basis; a new one if there is none, or if `new`."""
        return ledger.campaign(self.basis(job, start), new)

    def basis(self, job: TraitJob, start: StartingSet) -> CampaignBasis:
        """Everything that starts another campaign when it changes: dataset, decisions, prompts, models."""
        hashes = job.dataset.hashes
        return CampaignBasis(
            dataset_positive=hashes.positive or "",
            dataset_negative=hashes.negative or "",
            dataset_definition=hashes.definition or "",
            trait=job.trait.model_dump_json(),
            settings=self.settings.meaning(job.trait.id),
            prompts=digest(*(str(hash_of(path)) for path in sorted(shipped_folder().glob("*.md")))),
            subject=self.subject.signature,
            author=self.llm.signature(Role.AUTHOR),
            judge=self.llm.signature(Role.JUDGE),
            auditor=self.llm.signature(Role.AUDITOR),
            decisions=start.decisions or None,
            starting_set=start.model_dump_json() if start.decisions else None,
            pairing="by line" if any(issue.code == "partner-empty" for issue in job.dataset.issues) else None,
        )


def trait_jobs(settings: Settings, pair_by_similarity: bool = False) -> list[TraitJob]:
    """The traits of a run with their datasets. Raises DatasetError, with a line for each dataset that is unusable."""
    found, problems = [], []
    for trait_id in settings.traits:
        try:
            found.append(job_of(settings, trait_id, pair_by_similarity))
        except DatasetError as error:
            problems.append(str(error))
    if problems:
        raise DatasetError("\n".join(problems))
    return found


def job_of(settings: Settings, trait_id: str, pair_by_similarity: bool = False) -> TraitJob:
    """One trait with its dataset. Raises DatasetError."""
    folder = settings.datasets / trait_id
    trait = described(settings, trait_id, read_definition(folder))
    dataset = load_dataset(folder, trait_id, pair_by_similarity)
    return TraitJob(trait, dataset, ExperimentFolder(settings.experiment, trait_id, settings.variant))


_LOW = re.compile(r"^\s*[-*]*\s*LOW\b[^:]*:\s*(\S.*?)\s*$", re.MULTILINE | re.IGNORECASE)


def described(settings: Settings, trait_id: str, definition: str) -> Trait:
    """The trait that its definition and refine.toml describe. The default opposite is the definition's LOW line."""
    about = settings.of(trait_id)
    low = _LOW.search(definition)
    name = trait_id.rpartition("/")[2].replace("_", " ")
    return Trait(
        id=trait_id,
        definition=definition,
        opposite=about.opposite or (low.group(1) if low else f"the opposite of {name}"),
        mode=about.mode or Mode.DECISION,
        negative_test=about.negative_test or NegativeTest.OPPOSITE,
        nature=about.nature or Trait.model_fields["nature"].default,
    )


PLAIN_TEXT = "I opened the door and looked outside, and"


def questions_for_probe(settings: Settings, prompts: PromptBook, jobs: Sequence[TraitJob]) -> Questions:
    """Questions of a run for the probe, about a text that no filter withholds; of a trait with all of them, if any."""
    job = next((job for job in jobs if job.trait.mode is not Mode.SUSTAINED), jobs[0])
    scenario = Scenario(polarity=Polarity.POSITIVE, stem="", ending=PLAIN_TEXT)

    def questions(scale: str) -> list[Request]:
        scales = dict.fromkeys(Role, scale)
        context = StepContext(job.trait, settings.rules, prompts, _not_asked, _not_asked, scales, settings.seed)
        return probe_questions(context, scenario)

    return questions


def _not_asked(*_: object, **__: object) -> NoReturn:
    raise AssertionError("the probe's questions are only written here")


def settings_of(settings: Settings, role: Role) -> EndpointSettings:
    """The endpoint settings of one role."""
    return {Role.AUTHOR: settings.author, Role.JUDGE: settings.judge, Role.AUDITOR: settings.auditor}[role]


def changes(ledger: Ledger, basis: CampaignBasis) -> tuple[str, ...]:
    """Names of what changed since the latest campaign; none where there is no campaign, or one with this basis."""
    earlier = [campaign.basis for campaign in ledger.campaigns()]
    return basis.changed_since(earlier[-1]) if earlier and basis not in earlier else ()


_FORCED_START, _OWN_START = "1", "2"  # versions of the subject's method; see `agent/subject/model.py`


def bought_again(ledger: Ledger, basis: CampaignBasis) -> list[str]:
    """What a new campaign cannot reuse of the latest one's answers, where the program is the cause and no setting."""
    (model, _, method), earlier = basis.subject.rpartition("/"), ledger.campaigns()[-1:]
    if method != _OWN_START or [one.basis.subject for one in earlier] != [f"{model}/{_FORCED_START}"]:
        return []
    return [
        "The subject reads each text as its own tokenizer does now. Earlier runs put a beginning-of-sequence token in "
        "front: all completions, and the answers about them, are made and bought again."
    ]


def price_of(about: EndpointSettings) -> tuple[float, float] | None:
    """(input, output) price in dollars per million tokens: from refine.toml, else the list price; None if unknown."""
    if about.input_price is not None and about.output_price is not None:
        return about.input_price, about.output_price
    published = None if about.free else list_price(about.model, about.base_url)
    if published is None:
        return (about.input_price or 0.0, about.output_price or 0.0) if about.free else None
    return (
        published[0] if about.input_price is None else about.input_price,
        published[1] if about.output_price is None else about.output_price,
    )


def key_of(about: EndpointSettings) -> str:
    """The key of an endpoint from its environment variable, without blanks around it; empty where there is none."""
    return os.environ.get(about.key_variable, "").strip()


def endpoint_of(about: EndpointSettings, app: object = None) -> Endpoint:
    """The endpoint with its key and prices. `app`, if given, is an ASGI app that answers in process."""
    prices = price_of(about) or (0.0, 0.0)
    return Endpoint(
        model=about.model,
        base_url=about.base_url,
        key=SecretStr("" if about.base_url == TOYWORLD else key_of(about)),
        concurrency=about.concurrency,
        starts_full="concurrency" in about.model_fields_set,
        timeout=about.timeout,
        input_price=prices[0],
        output_price=prices[1],
        app=app,
    )


def toy_app(settings: Settings) -> object:
    """The toy world's endpoint as an ASGI app."""
    from agent.toyworld.server import ToySettings, create_app

    return create_app(ToySettings(**settings.toyworld.model_dump()))


def open_subject(settings: Settings) -> "HuggingFaceSubject":
    """Load the subject. Raises SubjectError."""
    from agent.subject.model import load_subject

    about = settings.subject
    return load_subject(about.model, about.dtype, about.device, about.batch_tokens)


def open_tokens(settings: Settings) -> "Tokens":
    """The subject's tokenizer without the model. Raises SubjectError."""
    from agent.subject.model import load_tokens

    return load_tokens(settings.subject.model)


@dataclass(frozen=True)
class Backends:
    """Factories of the subject and the LLM client; tests pass their own.

    `toy_app` builds the toy world's endpoint. `retry` is the policy for all endpoints; its `max_pause` is replaced by
    the one in the settings. `recheck_pauses` are seconds (see `Tools`).
    """

    open_subject: Callable[[Settings], NamedSubject] = open_subject
    open_tokens: "Callable[[Settings], Tokens]" = open_tokens
    toy_app: Callable[[Settings], object] = toy_app
    retry: RetryPolicy = RetryPolicy()
    recheck_pauses: tuple[float, ...] = RECHECK_PAUSES

    def open_llm(
        self, settings: Settings, roles: Sequence[Role] = tuple(Role), on_wait: OnWait = lambda who, why: None
    ) -> LLMClient:
        """The client of these roles; nothing is sent yet."""
        by_settings: dict[EndpointSettings, Endpoint] = {}
        for about in (settings_of(settings, role) for role in roles):
            if about not in by_settings:
                app = self.toy_app(settings) if about.base_url == TOYWORLD else None
                by_settings[about] = endpoint_of(about, app)
        endpoints = {role: by_settings[settings_of(settings, role)] for role in roles}
        retry = replace(self.retry, max_pause=60 * settings.budget.max_pause_minutes)
        return LLMClient(endpoints, retry, budget=BudgetTracker(settings.budget), on_wait=on_wait)


BACKENDS = Backends()
