"""Where everything is put together: settings become models, and a trait's folders become the tools of its loop."""

import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import SecretStr

from agent.cli.guard import Guard
from agent.cli.supply import Guarding, Unguarded, Watch, asking, completing
from agent.config import TOYWORLD, EndpointSettings, Settings
from agent.loop.tools import Continues, Tools
from agent.models.budget import Amount, Treasury
from agent.models.endpoint import Endpoint
from agent.models.llm import Llm
from agent.models.manners import Manners
from agent.models.prices import list_price
from agent.prompts import PromptBook, shipped_folder
from agent.record.experiment import ExperimentFolder
from agent.record.files import hash_of
from agent.record.layout import Dataset, DatasetError, load_dataset, read_definition
from agent.record.ledger import Ledger
from agent.review.carry import Start
from agent.schema import (
    Mode,
    NegativeTest,
    Plan,
    Role,
    Signals,
    Trait,
    digest,
)
from agent.steps.bench import Bench

if TYPE_CHECKING:
    from agent.models.subject import HuggingFaceSubject


@dataclass(frozen=True)
class Job:
    """One trait of an experiment: what it is, what there is of it already, and where its files go."""

    trait: Trait
    dataset: Dataset
    folder: ExperimentFolder


def spent_so_far(ledger: Ledger) -> dict[Role, Amount]:
    """What each role has cost in all runs so far; calls that may have been paid without an answer count as paid."""
    return {s.role: Amount(s.micro_usd, s.calls, s.tokens_in, s.tokens_out) for s in ledger.spent()}


@dataclass(frozen=True)
class Workshop:
    """What all traits of a run share."""

    settings: Settings
    prompts: PromptBook
    llm: Llm
    subject: Continues

    def bench(self, job: Job, ledger: Ledger, watch: Watch, guard: Guarding | None = None) -> Bench:
        """The bench of one trait: its questions and completions go through its ledger."""
        self.llm.treasury.spent_before(id(ledger), spent_so_far(ledger))
        return Bench(
            trait=job.trait,
            rules=self.settings.rules,
            prompts=self.prompts,
            ask=asking(self.llm, ledger, watch, guard or Unguarded()),
            complete=completing(self.subject, ledger, watch, guard or Unguarded()),
            scales={role: self.llm.scale(role) for role in Role},
            seed=self.settings.seed,
        )

    def tools(self, job: Job, guard: Guard, watch: Watch, campaign: int, start: Start) -> Tools:
        """All that the loop needs for one trait."""
        ledger = guard.ledger

        def signals() -> Signals:
            why = guard.stops.requested(job.folder.stop_file)
            return Signals(now=time.time(), stop_requested=why, cap_reached=guard.cap_reached())

        return Tools(
            bench=self.bench(job, ledger, watch, guard),
            ledger=ledger,
            campaign=campaign,
            plan=Plan(caps=self.settings.caps, rules=self.settings.rules, dataset_size=len(start.pairs)),
            dataset=start.pairs,
            signals=signals,
            rejected=start.rejected,
            first_draft=start.first_draft,
        )

    def campaign(self, job: Job, ledger: Ledger, new: bool, start: Start) -> int:
        """The campaign that rests on just this, or another one."""
        about = self.about(job, start)
        return ledger.campaign(digest(*(part for item in sorted(about.items()) for part in item)), about, new)

    def about(self, job: Job, start: Start) -> dict[str, str]:
        """What a campaign rests on, by name: another dataset, decision, definition, prompt or model is another."""
        return {
            **{f"dataset {name}": value or "" for name, value in job.dataset.hashes},
            "trait": job.trait.model_dump_json(),
            "settings": self.settings.meaning(job.trait.id),
            "prompts": digest(*(str(hash_of(path)) for path in sorted(shipped_folder().glob("*.md")))),
            "subject": self.subject.signature,
            **{role.value: self.llm.signature(role) for role in Role},
            **start.about,
        }


def jobs(settings: Settings, pair_by_similarity: bool = False) -> list[Job]:
    """The traits of a run with their datasets. Raises DatasetError with the sentences of all that cannot be read."""
    found, problems = [], []
    for trait_id in settings.traits:
        try:
            found.append(job_of(settings, trait_id, pair_by_similarity))
        except DatasetError as error:
            problems.append(str(error))
    if problems:
        raise DatasetError("\n".join(problems))
    return found


def job_of(settings: Settings, trait_id: str, pair_by_similarity: bool = False) -> Job:
    """One trait with its dataset."""
    folder = settings.datasets / trait_id
    trait = described(settings, trait_id, read_definition(folder))
    dataset = load_dataset(folder, trait_id, pair_by_similarity)
    return Job(trait, dataset, ExperimentFolder(settings.experiment, trait_id, settings.variant))


_LOW = re.compile(r"^\s*[-*]*\s*LOW\b[^:]*:\s*(\S.*?)\s*$", re.MULTILINE | re.IGNORECASE)


def described(settings: Settings, trait_id: str, definition: str) -> Trait:
    """The trait as its definition and its section of refine.toml say; unsaid, the opposite is the LOW line."""
    about = settings.of(trait_id)
    low = _LOW.search(definition)
    name = trait_id.rpartition("/")[2].replace("_", " ")
    return Trait(
        id=trait_id,
        definition=definition,
        opposite=about.opposite or (low.group(1) if low else f"the opposite of {name}"),
        mode=about.mode or Mode.DECISION,
        negative_test=about.negative_test or NegativeTest.OPPOSITE,
    )


def settings_of(settings: Settings, role: Role) -> EndpointSettings:
    """What the settings say of one role."""
    return {Role.AUTHOR: settings.author, Role.JUDGE: settings.judge, Role.AUDITOR: settings.auditor}[role]


def changes(ledger: Ledger, about: Mapping[str, str]) -> tuple[str, ...]:
    """What is otherwise than in the latest campaign, by name; nothing where there was none, or one just like this."""
    campaigns = ledger.campaigns()
    before = [json.loads(campaign.about) for campaign in campaigns]
    if not before or dict(about) in before:
        return ()
    return tuple(sorted(name for name, value in about.items() if before[-1].get(name) != value))


def open_llm(
    settings: Settings, roles: Sequence[Role] = tuple(Role), told: Callable[[str, str | None], None] = lambda *_: None
) -> Llm:
    """The client for these roles; nothing is sent yet. `told` hears who waits, and why."""
    by_settings: dict[EndpointSettings, Endpoint] = {}
    endpoints = {}
    for role in roles:
        about = settings_of(settings, role)
        endpoints[role] = by_settings.setdefault(about, _endpoint(about, settings))
    manners = Manners(max_pause=60 * settings.budget.max_pause_minutes)
    return Llm(endpoints, manners, treasury=Treasury(settings.budget), told=told)


def price_of(about: EndpointSettings) -> tuple[float, float] | None:
    """(input, output) in dollars per million tokens: as refine.toml says, else as published; None if nobody knows."""
    if about.input_price is not None and about.output_price is not None:
        return about.input_price, about.output_price
    published = None if about.free else list_price(about.model, about.base_url)
    if published is None:
        return (about.input_price or 0.0, about.output_price or 0.0) if about.free else None
    return (
        published[0] if about.input_price is None else about.input_price,
        published[1] if about.output_price is None else about.output_price,
    )


def _endpoint(about: EndpointSettings, settings: Settings) -> Endpoint:
    toy = about.base_url == TOYWORLD
    prices = price_of(about) or (0.0, 0.0)
    return Endpoint(
        model=about.model,
        base_url=about.base_url,
        key=SecretStr("" if toy else os.environ.get(about.key_variable, "")),
        concurrency=about.concurrency,
        input_price=prices[0],
        output_price=prices[1],
        app=toy_app(settings) if toy else None,
    )


def toy_app(settings: Settings) -> object:
    """The toy world's endpoint as an application that is called in process."""
    from agent.toyworld.endpoint import ToySettings, create_app

    return create_app(ToySettings(**settings.toyworld.model_dump()))


def open_subject(settings: Settings) -> "HuggingFaceSubject":
    """The subject, loaded."""
    from agent.models.subject import load_subject

    about = settings.subject
    return load_subject(about.model, about.dtype, about.device, about.batch_tokens)
