"""Where everything is put together: settings become models, and a trait's folders become the tools of its loop."""

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from pydantic import SecretStr

from agent.config.settings import TOYWORLD, EndpointSettings, Settings
from agent.errors import Interrupted
from agent.llm.budget import Amount, BudgetTracker, list_price
from agent.llm.client import LLMClient, OnWait
from agent.llm.endpoint import Endpoint
from agent.llm.retry import RetryPolicy
from agent.loop.act import Subject, Tools
from agent.prompts import PromptBook, shipped_folder
from agent.review.apply import StartingSet
from agent.schema import (
    CampaignBasis,
    Completion,
    Ending,
    ErrorKind,
    Mode,
    NegativeTest,
    Opener,
    Plan,
    Reply,
    Request,
    Role,
    Sampling,
    Scenario,
    Signals,
    Trait,
    digest,
    kind_of,
)
from agent.steps.context import Ask, Complete, StepContext
from agent.storage.dataset import Dataset, DatasetError, load_dataset, read_definition
from agent.storage.durable import hash_of
from agent.storage.experiment import ExperimentFolder
from agent.storage.ledger import Ledger
from agent.supervision.stop_control import TraitControl
from agent.text import pluralize

if TYPE_CHECKING:
    from agent.subject.model import HuggingFaceSubject


class NamedSubject(Subject, Protocol):
    """A subject with a name to show."""

    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class TraitJob:
    """One trait of an experiment: what it is, what there is of it already, and where its files go."""

    trait: Trait
    dataset: Dataset
    folder: ExperimentFolder


def spent_so_far(ledger: Ledger) -> dict[Role, Amount]:
    """What each role has cost in all runs so far; calls that may have been paid without an answer count as paid."""
    return {s.role: Amount(s.micro_usd, s.calls, s.tokens_in, s.tokens_out) for s in ledger.spent_by_role()}


_STORED_TOGETHER = 64  # completions
_STORED_AFTER = 2.0  # seconds


def cached_completions(subject: Subject, ledger: Ledger, made: Callable[[int], None] = lambda count: None) -> Complete:
    """The subject behind the ledger: a completion is stored when made and never recomputed.

    `made` hears how many have just been stored; what it raises ends the work, with everything made so far kept.
    """

    def complete(
        scenarios: Sequence[Scenario], sampling: Sampling, openers: Sequence[Opener] = ()
    ) -> list[tuple[Completion, ...]]:
        of_each: Sequence[Opener | None] = openers or [None] * len(scenarios)
        asked = list(zip(scenarios, of_each, strict=True))
        keys = [_keys(subject.signature, scenario, sampling, opener) for scenario, opener in asked]
        known = ledger.completions([key for own in keys for key in own])
        missing = {own: one for own, one in zip(keys, asked, strict=True) if any(key not in known for key in own)}
        for new in _made(subject, missing, sampling):
            ledger.store_completions({key: c for key, c in new.items() if key not in known})
            known = {**new, **known}
            made(len(new))
        return [tuple(known[key] for key in own) for own in keys]

    return complete


def _made(
    subject: Subject, missing: Mapping[tuple[str, ...], tuple[Scenario, Opener | None]], sampling: Sampling
) -> Iterator[dict[str, Completion]]:
    """Completions by key, some at a time: a commit for each would cost more than a small subject's completion."""
    if not missing:
        return
    own, texts = list(missing), [(s.text, s.system_prompt) for s, _ in missing.values()]
    openers = [opener for _, opener in missing.values() if opener]
    new: dict[str, Completion] = {}
    since = time.monotonic()
    for place, drawn in subject.stream(texts, sampling, openers):
        new |= zip(own[place], drawn, strict=True)
        if len(new) >= _STORED_TOGETHER or time.monotonic() - since > _STORED_AFTER:
            yield new
            new, since = {}, time.monotonic()
    if new:
        yield new


def _keys(signature: str, scenario: Scenario, sampling: Sampling, opener: Opener | None) -> tuple[str, ...]:
    """One key per completion wanted. The number of samples is not in it: the third of four is the third of eight.

    An opener is a part of its own: read apart from its text, it may round otherwise than both read as one.
    """
    samples = opener.samples if opener else sampling.samples
    how = sampling.model_copy(update={"samples": 0}).model_dump_json() if samples else _greedy(sampling)
    draws = range(samples) if samples else (-1,)
    sent = (signature, scenario.system_prompt or "", scenario.text, how)
    forced = (opener.text,) if opener else ()
    return tuple(digest(*sent, str(draw), *forced) for draw in draws)


def _greedy(sampling: Sampling) -> str:
    return f"greedy {sampling.max_new_tokens} {sampling.first_k}"


Watch = Callable[[str], None]

# What no text is to blame for, and how the work ends with it. The first that occurs counts.
_ENDINGS = {
    ErrorKind.BUDGET: Ending.CAP,
    ErrorKind.QUOTA: Ending.ENDPOINT,
    ErrorKind.AUTH: Ending.ENDPOINT,
    ErrorKind.OUTAGE: Ending.ENDPOINT,
}


class Control(Protocol):
    """What may hold the work up: see Guard."""

    def should_stop(self) -> bool: ...

    def check(self) -> None: ...

    def step(self, kind: str, count: int = 1) -> None: ...


class NoControl:
    """Nothing holds the work up; what a single command by hand uses."""

    def should_stop(self) -> bool:
        return False

    def check(self) -> None:
        """Go on."""

    def step(self, kind: str, count: int = 1) -> None:
        """Nobody looks."""


def make_ask(llm: LLMClient, ledger: Ledger, watch: Watch, guard: Control) -> Ask:
    """Questions through the ledger. Raises Interrupted; what a stop or a pause cut off is asked again, if at all."""

    def on_reply(reply: Reply) -> None:
        if reply.error is None:
            guard.step("answers")

    def ask(requests: Sequence[Request]) -> list[Reply]:
        if not requests:
            return []
        while True:
            guard.check()
            watch(f"asks {pluralize(len(requests), 'question')}")
            replies = llm.ask_all(requests, ledger, guard.should_stop, on_reply)
            require_supply(replies)
            if all(kind_of(reply.error) is not ErrorKind.STOPPED for reply in replies):
                return replies

    return ask


def require_supply(replies: Sequence[Reply]) -> None:
    """Raise Interrupted when nothing can be bought any more, so that an outage never counts against a text."""
    errors = {kind_of(reply.error): str(reply.error) for reply in reversed(replies)}
    for kind, ending in _ENDINGS.items():
        if kind in errors:
            raise Interrupted(ending, errors[kind])


def make_complete(subject: Subject, ledger: Ledger, watch: Watch, guard: Control) -> Complete:
    """Completions through the ledger, each stored when made. Raises Interrupted between two of them."""

    def made(count: int) -> None:
        guard.step("completions", count)
        guard.check()

    complete = cached_completions(subject, ledger, made)

    def watched(
        scenarios: Sequence[Scenario], sampling: Sampling, openers: Sequence[Opener] = ()
    ) -> list[tuple[Completion, ...]]:
        if scenarios:
            guard.check()
            watch(f"continues {pluralize(len(scenarios), 'text')}")
        return complete(scenarios, sampling, openers)

    return watched


@dataclass(frozen=True)
class RunContext:
    """What all traits of a run share."""

    settings: Settings
    prompts: PromptBook
    llm: LLMClient
    subject: Subject

    def context(self, job: TraitJob, ledger: Ledger, watch: Watch, guard: Control | None = None) -> StepContext:
        """The context of one trait: its questions and completions go through its ledger."""
        self.llm.budget.open_account(ledger.identity, spent_so_far(ledger))
        return StepContext(
            trait=job.trait,
            rules=self.settings.rules,
            prompts=self.prompts,
            ask=make_ask(self.llm, ledger, watch, guard or NoControl()),
            complete=make_complete(self.subject, ledger, watch, guard or NoControl()),
            scales={role: self.llm.scale(role) for role in Role},
            seed=self.settings.seed,
        )

    def tools(self, job: TraitJob, guard: TraitControl, watch: Watch, campaign: int, start: StartingSet) -> Tools:
        """All that the loop needs for one trait."""
        ledger = guard.ledger

        def signals() -> Signals:
            why = guard.stops.stop_reason(job.folder.stop_file)
            return Signals(stop_requested=why, cap_reached=guard.cap_reached())

        return Tools(
            context=self.context(job, ledger, watch, guard),
            ledger=ledger,
            campaign=campaign,
            plan=Plan(caps=self.settings.caps, rules=self.settings.rules, dataset_size=len(start.pairs)),
            dataset=start.pairs,
            signals=signals,
            rejected=start.rejected,
            first_draft=start.first_draft,
        )

    def campaign(self, job: TraitJob, ledger: Ledger, new: bool, start: StartingSet) -> int:
        """The campaign that rests on just this, or another one."""
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
        )


def trait_jobs(settings: Settings, pair_by_similarity: bool = False) -> list[TraitJob]:
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


def job_of(settings: Settings, trait_id: str, pair_by_similarity: bool = False) -> TraitJob:
    """One trait with its dataset."""
    folder = settings.datasets / trait_id
    trait = described(settings, trait_id, read_definition(folder))
    dataset = load_dataset(folder, trait_id, pair_by_similarity)
    return TraitJob(trait, dataset, ExperimentFolder(settings.experiment, trait_id, settings.variant))


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


def changes(ledger: Ledger, basis: CampaignBasis) -> tuple[str, ...]:
    """Names of what changed since the latest campaign; none where there is no campaign, or one with this basis."""
    earlier = [campaign.basis for campaign in ledger.campaigns()]
    return basis.changed_since(earlier[-1]) if earlier and basis not in earlier else ()


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


def endpoint_of(about: EndpointSettings, app: object = None) -> Endpoint:
    """The endpoint that the settings describe, with its key and prices. `app` answers in process, where given."""
    prices = price_of(about) or (0.0, 0.0)
    return Endpoint(
        model=about.model,
        base_url=about.base_url,
        key=SecretStr("" if about.base_url == TOYWORLD else os.environ.get(about.key_variable, "")),
        concurrency=about.concurrency,
        input_price=prices[0],
        output_price=prices[1],
        app=app,
    )


def toy_app(settings: Settings) -> object:
    """The toy world's endpoint as an application that is called in process."""
    from agent.toyworld.server import ToySettings, create_app

    return create_app(ToySettings(**settings.toyworld.model_dump()))


def open_subject(settings: Settings) -> "HuggingFaceSubject":
    """The subject, loaded."""
    from agent.subject.model import load_subject

    about = settings.subject
    return load_subject(about.model, about.dtype, about.device, about.batch_tokens)


@dataclass(frozen=True)
class Backends:
    """How a command opens its subject and its endpoints; tests pass their own.

    `toy_app` makes the toy world's endpoint, `retry` is the policy towards all endpoints, but for `max_pause`, which
    the settings give.
    """

    open_subject: Callable[[Settings], NamedSubject] = open_subject
    toy_app: Callable[[Settings], object] = toy_app
    retry: RetryPolicy = RetryPolicy()

    def open_llm(
        self, settings: Settings, roles: Sequence[Role] = tuple(Role), on_wait: OnWait = lambda who, why: None
    ) -> LLMClient:
        """The client for these roles; nothing is sent yet. `on_wait` is called with who waits, and why."""
        by_settings: dict[EndpointSettings, Endpoint] = {}
        for about in (settings_of(settings, role) for role in roles):
            if about not in by_settings:
                app = self.toy_app(settings) if about.base_url == TOYWORLD else None
                by_settings[about] = endpoint_of(about, app)
        endpoints = {role: by_settings[settings_of(settings, role)] for role in roles}
        retry = replace(self.retry, max_pause=60 * settings.budget.max_pause_minutes)
        return LLMClient(endpoints, retry, budget=BudgetTracker(settings.budget), on_wait=on_wait)


BACKENDS = Backends()
