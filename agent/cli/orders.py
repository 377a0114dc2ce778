"""What a command was asked to do, read and checked, and the night's three ways of doing it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from agent.cli import bill, preflight
from agent.cli.compose import Job, Workshop, jobs, price_of, settings_of
from agent.cli.evening import Evening
from agent.cli.screen import Screen
from agent.cli.stops import Stops
from agent.config import EndpointSettings, Settings, load_settings
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
    with Screen() as screen:
        for line in (*_models(settings), *(line for job in work for line in _planned(settings, job))):
            screen.say(line)
        for problem in preflight.free_problems(settings, work):
            screen.say(f"before a run: {problem}")
        screen.say("Nothing was asked and no file was written.")
    return 0


def refine(order: Order, new: bool) -> int:
    """The evening itself."""
    with Screen() as screen, Stops() as stops, prepared(order, screen) as (workshop, work):
        return Evening(workshop, screen, stops, new).run(work)


def diagnose(order: Order) -> int:
    """Judge everything, repair nothing."""
    with Screen() as screen, Stops() as stops, prepared(order, screen) as (workshop, work):
        return Evening(workshop, screen, stops).diagnose(work)


@contextmanager
def prepared(order: Order, screen: Screen) -> Iterator[tuple[Workshop, list[Job]]]:
    """The traits of an order, and the models to work on them: loaded, proven and told."""
    settings = order.settings()
    work = order.jobs(settings)
    for job in work:
        for line in _issues(job):
            screen.say(f"{job.trait.id}: {line}")
    with preflight.checked(settings, work, screen.say) as workshop:
        yield workshop, work


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
