"""What a command was asked to do, read and checked, and the night's three ways of doing it."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.cli import bill, preflight
from agent.cli.compose import Job, Workshop, jobs, price_of, settings_of
from agent.cli.detach import detach
from agent.cli.evening import Evening
from agent.cli.heartbeat import Heartbeat
from agent.cli.progress import LOADING, Progress
from agent.cli.screen import Screen
from agent.cli.stops import Stops, deadline
from agent.cli.watchdog import Watchdog
from agent.config import EndpointSettings, Settings, load_settings
from agent.models.llm import Llm
from agent.record.experiment import heartbeat_file
from agent.schema import Role

_SHOWN = 12


@dataclass(frozen=True)
class Order:
    """The options that all commands on an experiment share; `overrides` are dotted keys of refine.toml."""

    experiment: Path
    traits: str | None = None
    variant: str | None = None
    pair_by_similarity: bool = False
    overrides: Mapping[str, object] = field(default_factory=dict)
    until: str | None = None

    def settings(self) -> Settings:
        """refine.toml with the options laid over it. Raises SettingsError."""
        given = dict(self.overrides)
        if self.traits is not None:
            given["traits"] = [name.strip() for name in self.traits.split(",") if name.strip()]
        given["variant"] = self.variant
        return load_settings(self.experiment, {key: value for key, value in given.items() if value is not None})

    def jobs(self, settings: Settings) -> list[Job]:
        return jobs(settings, self.pair_by_similarity)


def dry_run(order: Order) -> int:
    """Say what would be asked and how many calls at most. No file, no call."""
    settings = order.settings()
    work = order.jobs(settings)
    if order.until is not None:
        deadline(order.until, time.time())  # what is wrong with it is said here and now
    with Screen() as screen:
        for line in (*_models(settings), *(line for job in work for line in _planned(settings, job))):
            screen.say(line)
        for problem in preflight.free_problems(settings, work):
            screen.say(f"before a run: {problem}")
        screen.say("Nothing was asked and no file was written.")
    return 0


def refine(order: Order, new: bool) -> int:
    """The evening itself."""
    return _night(order, lambda evening, work: replace(evening, new=new).run(work))


def diagnose(order: Order) -> int:
    """Judge everything, repair nothing."""
    return _night(order, Evening.diagnose)


def detached(order: Order) -> int:
    """The same command in the background; one line of JSON says where."""
    order.settings()  # what is wrong with them is said here and now
    return detach(sys.argv[1:], order.experiment)


def _night(order: Order, play: Callable[[Evening, list[Job]], int]) -> int:
    """A run with all that watches over it: armed before anything is loaded, told when it has ended."""
    settings = order.settings()
    work = order.jobs(settings)
    preflight.require_free(settings, work)
    progress, limits = Progress(settings.traits), Limits()
    until = None if order.until is None else deadline(order.until, time.time())
    beat = heartbeat_file(settings.experiment, os.getpid())
    folders = [job.folder.refinement for job in work]
    with (
        Screen(progress=progress, limiter=limits.told) as screen,
        Stops(until) as stops,
        Heartbeat(beat, progress.now, variant=settings.variant, limits=limits.told, trouble=progress.error) as heart,
        Watchdog(progress, folders, limits.give_up),
    ):
        for job in work:
            progress.stage(job.trait.id, LOADING)
        with prepared(settings, work, screen, progress) as workshop:
            for job in work:
                progress.stage(job.trait.id, "waiting")
            heart.checked()
            limits.llm = workshop.llm
            code = play(Evening(workshop, screen, stops, progress=progress), work)
        heart.ended(f"exit code {code}")
    return code


@dataclass
class Limits:
    """What the endpoints bear just now, once there is a client."""

    llm: Llm | None = None

    def told(self) -> list[str]:
        """One short line per endpoint."""
        return [f"{who}: {gate.told()}" for who, gate in self.llm.gates().items()] if self.llm else []

    def give_up(self) -> None:
        """Whatever is on its way is taken as lost and asked again."""
        if self.llm is not None:
            self.llm.give_up()


@contextmanager
def prepared(
    settings: Settings, work: Sequence[Job], screen: Screen, progress: Progress | None = None
) -> Iterator[Workshop]:
    """The models to work on some traits: loaded, proven and told, with what loading the traits found."""
    for job in work:
        for line in _issues(job):
            screen.say(f"{job.trait.id}: {line}")
    told = progress.pause if progress else lambda who, why: None
    with preflight.checked(settings, work, screen.say, told) as workshop:
        yield workshop


def _models(settings: Settings) -> list[str]:
    roles = [(role, settings_of(settings, role)) for role in Role]
    return [
        f"subject: {settings.subject.model}, {settings.subject.dtype} on {settings.subject.device}",
        *(f"{role.value}: {about.model} at {about.base_url}, {_price(about)}" for role, about in roles),
    ]


def _price(about: EndpointSettings) -> str:
    prices = price_of(about)
    if prices is None:
        return "price unknown"
    return f"{prices[0]:g} USD in and {prices[1]:g} out per million tokens" if any(prices) else "free"


def _planned(settings: Settings, job: Job) -> list[str]:
    trait, size = job.trait, len(job.dataset.pairs)
    bound = bill.upper_bound(settings.caps, settings.rules, trait.mode, size)
    start = f"starts from {size} pairs" if size else "starts from its definition alone"
    return [
        f"{trait.id}: mode {trait.mode.value}; a negative shows {trait.opposite!r} ({trait.negative_test.value}); "
        f"{start}; wants {max(settings.caps.target, size)}",
        *(f"  {line}" for line in _issues(job)),
        f"  {_usual(settings, job)}",
        f"  {bill.explained(bound, settings.caps, settings.rules)}.",
    ]


def _usual(settings: Settings, job: Job) -> str:
    prices = {role: price_of(settings_of(settings, role)) or (0.0, 0.0) for role in Role}
    goal = max(settings.caps.target, len(job.dataset.pairs))
    return bill.usual_in_words(*bill.usual_bill(goal, job.trait.definition, prices))


def _issues(job: Job) -> list[str]:
    """What loading found, in file order; long lists are cut, with their number."""
    issues = [str(issue) for issue in job.dataset.issues]
    more = [f"… and {len(issues) - _SHOWN} more warnings"] if len(issues) > _SHOWN else []
    return issues[:_SHOWN] + more
