"""What a command was asked to do, read and checked, and the night's three ways of doing it."""

import difflib
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
from agent.cli.exits import USAGE
from agent.cli.heartbeat import Heartbeat
from agent.cli.progress import LOADING, Progress
from agent.cli.screen import Screen
from agent.cli.stops import Stops, deadline
from agent.cli.summary import goodbye
from agent.cli.toys import stranger
from agent.cli.trouble import Interrupted, Refusal
from agent.cli.watchdog import Watchdog
from agent.config import EndpointSettings, Settings, known_traits, load_settings
from agent.models.llm import Llm
from agent.record.experiment import heartbeat_file
from agent.schema import EXIT_CODES, Caps, Role

_SHOWN = 12
_OPTIONS = {
    **{f"caps.{name}": f"--{name.replace('_', '-')}" for name in Caps.model_fields},
    "rules.max_new_tokens": "--max-new-tokens",
    "budget.run.usd": "--max-usd",
    "budget.run.calls": "--max-calls",
    "budget.minutes": "--max-minutes",
    "budget.max_pause_minutes": "--max-pause",
    "variant": "--model-variant",
}
_DECIDABLE = (0, 2, 3)  # exit codes of runs that propose something


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
        """refine.toml with the options laid over it. Raises SettingsError, and Refusal for an unknown trait."""
        given = dict(self.overrides)
        if self.traits is not None:
            named = [name.strip() for name in self.traits.split(",") if name.strip()]
            _require_known(named, known_traits(self.experiment))
            given["traits"] = named
        given["variant"] = self.variant
        return load_settings(self.experiment, given, _OPTIONS)

    def jobs(self, settings: Settings) -> list[Job]:
        return jobs(settings, self.pair_by_similarity)


def _require_known(named: Sequence[str], known: Sequence[str]) -> None:
    """Raise Refusal with what may have been meant where a trait is neither in refine.toml nor among the datasets."""
    problems = [_unknown(name, known) for name in named if name not in known]
    if problems:
        more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
        there = f"There are {', '.join(known[:_SHOWN])}{more}: those that refine.toml lists, and those with a dataset."
        new = "A new trait begins with `cliffhanger init`."
        raise Refusal("\n".join([*problems, f"{there if known else 'There is none yet.'} {new}"]))


def _unknown(name: str, known: Sequence[str]) -> str:
    by_last = {trait.rpartition("/")[2]: trait for trait in reversed(known)}
    near = difflib.get_close_matches(name, known, n=1) or difflib.get_close_matches(name, list(by_last), n=1)
    meant = f" Did you mean {by_last.get(near[0], near[0])}?" if near else ""
    return f"--traits {name}: there is no such trait here.{meant}"


def dry_run(order: Order) -> int:
    """Say what would be asked and how many calls at most. No file, no call."""
    settings = order.settings()
    work = order.jobs(settings)
    if order.until is not None:
        deadline(order.until, time.time())  # what is wrong with it is said here and now
    with Screen() as screen:
        for line in (*_models(settings), *(line for job in work for line in _planned(settings, job))):
            screen.say(line)
        problems = list(preflight.free_problems(settings, work))
        screen.say(*(f"problem: {problem}" for problem in problems), *_verdict(problems))
    return USAGE if problems else 0


def _verdict(problems: Sequence[str]) -> Iterator[str]:
    if problems:
        yield f"A run would not begin (exit code {USAGE}): mend {'this' if len(problems) == 1 else 'these'} first."
    yield "Nothing was asked and no file was written."


def refine(order: Order, new: bool) -> int:
    """The evening itself."""

    def play(evening: Evening, work: list[Job]) -> int:
        code = replace(evening, new=new).run(work)
        if len(work) > 1 and code in _DECIDABLE:
            evening.screen.say(goodbye(order.experiment, order.traits, order.variant))
        return code

    return _night(order, play)


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
    preflight.require_unlocked(work)
    progress, limits = Progress(settings.traits), Limits()
    until = None if order.until is None else deadline(order.until, time.time())
    beat = heartbeat_file(settings.experiment, os.getpid())
    folders = [job.folder.refinement for job in work]
    with (
        Screen(progress=progress, limiter=limits.told) as screen,
        Stops(until) as stops,
        Heartbeat(beat, progress.now, variant=settings.variant, limits=limits.told, trouble=progress.error) as heart,
        Watchdog(progress, folders, limits.give_up, waits=limits.waits),
    ):
        night = preflight.Night(progress, stops)
        night.stage(work, LOADING)
        for job in work:
            screen.expect(job.trait.id, len(job.dataset.pairs))
        try:
            night.require_go(work)
            with prepared(settings, work, screen, night) as workshop:
                night.stage(work, "waiting")
                heart.checked()
                limits.llm = workshop.llm
                code = play(Evening(workshop, screen, stops, progress=progress), work)
        except Interrupted as error:
            code = _not_begun(error, work, screen, progress)
        heart.ended(f"exit code {code}")
    return code


def _not_begun(error: Interrupted, work: Sequence[Job], screen: Screen, progress: Progress) -> int:
    """No trait was begun: its endpoint was waited for too long, or a stop was asked for."""
    screen.say(f"{error} What was bought is stored; the same command goes on.")
    for job in work:
        progress.ended(job.trait.id, error.ending.value)
    return EXIT_CODES[error.ending]


@dataclass
class Limits:
    """What the endpoints bear just now, once there is a client."""

    llm: Llm | None = None

    def told(self) -> list[str]:
        """One short line per endpoint."""
        return [f"{who}: {gate.told()}" for who, gate in self.llm.gates().items()] if self.llm else []

    def waits(self) -> bool:
        """Whether an endpoint is out, or has asked for a long pause."""
        return self.llm is not None and any(gate.paused is not None for gate in self.llm.gates().values())

    def give_up(self) -> None:
        """Whatever is on its way is taken as lost and asked again."""
        if self.llm is not None:
            self.llm.give_up()


@contextmanager
def prepared(
    settings: Settings, work: Sequence[Job], screen: Screen, night: preflight.Night | None = None
) -> Iterator[Workshop]:
    """The models to work on some traits: loaded, proven and told, with what loading the traits found."""
    for job in work:
        for line in _issues(job):
            screen.say(f"{job.trait.id}: {line}")
    with preflight.checked(settings, work, screen.say, night) as workshop:
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
        f"  dataset: {settings.datasets / trait.id} (`datasets` in refine.toml says where)",
        *(f"  {line}" for line in stranger(settings, trait)),
        *(f"  {line}" for line in _issues(job)),
        f"  {_usual(settings, job)}",
        f"  {bill.explained(bound, settings.caps, settings.rules)}.",
    ]


def _usual(settings: Settings, job: Job) -> str:
    prices = {role: price_of(settings_of(settings, role)) for role in Role}
    known = {role: price or (0.0, 0.0) for role, price in prices.items()}
    goal = max(settings.caps.target, len(job.dataset.pairs))
    calls, dollars = bill.usual_bill(goal, job.trait.definition, known)
    return bill.usual_in_words(calls, dollars if all(prices.values()) else None)


def _issues(job: Job) -> list[str]:
    """What loading found, in file order; long lists are cut, with their number."""
    issues = [str(issue) for issue in job.dataset.issues]
    more = [f"… and {len(issues) - _SHOWN} more warnings"] if len(issues) > _SHOWN else []
    return issues[:_SHOWN] + more
