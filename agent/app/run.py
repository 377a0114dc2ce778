"""How many calls: what a run made, what judging all afresh would have made, and what a night can make at most."""

import difflib
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.app import preflight
from agent.app.composition import BACKENDS, Backends, RunContext, TraitJob, price_of, settings_of, trait_jobs
from agent.app.init_trait import toyworld_warning
from agent.app.outputs import next_steps
from agent.app.runner import Runner
from agent.config.load import known_traits, load_settings
from agent.config.settings import EndpointSettings, Settings
from agent.errors import USAGE, Interrupted, UserError
from agent.llm.client import LLMClient
from agent.schema import EXIT_CODES, Caps, FrozenModel, Mode, Role, Rules
from agent.steps.draft import PER_REQUEST, WAVES
from agent.steps.lock_in import TIMES
from agent.storage.experiment import heartbeat_file
from agent.supervision.detach import detach
from agent.supervision.display import RunDisplay
from agent.supervision.heartbeat import Heartbeat
from agent.supervision.progress import LOADING, Progress
from agent.supervision.stop_control import StopSignals, deadline
from agent.supervision.watchdog import Watchdog

_SPANS = 2  # how often a committed span is asked for
_CUTS = 5  # cut points of one text, a borrowed hinge included
_ASKED_TWICE = 2  # a refusal is asked once more


class CostBound(FrozenModel):
    """At most so many answers of each role, and completions of the subject. Answers already bought are free."""

    texts: int
    judge: int
    auditor: int
    author: int
    subject: int


def upper_bound(caps: Caps, rules: Rules, mode: Mode, dataset_size: int) -> CostBound:
    """What one trait can cost at most under its caps, if everything fails and every ballot goes to the last vote."""
    goal = max(caps.target, dataset_size)
    pairs = min(dataset_size + caps.max_pairs, goal * caps.max_rounds)
    repairs = min(pairs * caps.max_repairs, goal * caps.max_rounds)
    texts = 2 * (pairs + repairs)
    questions = 7 if mode is Mode.SUSTAINED else 6
    tried = 2 * repairs * (_CUTS + 2 * rules.candidates)
    votes = max(rules.max_votes, 2)
    samples = TIMES[-1] * rules.lock_in_samples
    flips = 2 * (rules.flip_samples + samples)  # two arms; an opener of its own for each sample, rounded up
    drafts = caps.max_rounds * WAVES * math.ceil(max(caps.batch, caps.pilot) / PER_REQUEST) if caps.max_pairs else 0
    return CostBound(
        texts=texts,
        judge=texts * (questions * votes + 2 * samples * votes + flips + _SPANS) + tried * questions,
        auditor=texts * questions,
        author=drafts + 2 * repairs * _ASKED_TWICE,
        subject=texts * (1 + samples + flips) + tried,
    )


class TypicalCost(FrozenModel):
    """What a role's calls come to in a usual night: measured on the demo (4 seeds), per pair wanted and per call."""

    calls: float
    tokens_in: int
    tokens_out: int


_USUAL = {
    Role.JUDGE: TypicalCost(calls=62, tokens_in=335, tokens_out=1),
    Role.AUDITOR: TypicalCost(calls=11.5, tokens_in=355, tokens_out=1),
    Role.AUTHOR: TypicalCost(calls=0.9, tokens_in=1080, tokens_out=240),
}
_LETTERS = 4  # characters to a token, about


def usual_bill(
    pairs: int, definition: str, prices: Mapping[Role, tuple[float, float]]
) -> tuple[dict[Role, int], float]:
    """(calls by role, dollars) of a usual night for so many pairs; every prompt holds the definition once."""
    calls = {role: round(usual.calls * pairs) for role, usual in _USUAL.items()}
    micro = sum(
        calls[role]
        * ((usual.tokens_in + len(definition) / _LETTERS) * prices[role][0] + usual.tokens_out * prices[role][1])
        for role, usual in _USUAL.items()
    )
    return calls, micro / 1_000_000


def usual_in_words(calls: Mapping[Role, int], dollars: float | None) -> str:
    """The usual bill in words; None where not every price is known."""
    counted = ", ".join(f"{count} {role.value}" for role, count in calls.items())
    cost = "cost unknown" if dollars is None else f"about {dollars:.2f} USD" if dollars else "nothing to pay"
    return f"a usual night: about {counted} calls, {cost} (as the demo took; a harder set takes a few times as much)"


def explained(bound: CostBound, caps: Caps, rules: Rules) -> str:
    """The bound in words."""
    return (
        f"at most {bound.judge} judge, {bound.auditor} auditor and {bound.author} author calls, and {bound.subject} "
        f"completions of the subject: {bound.texts} texts can be examined under --max-rounds {caps.max_rounds}, "
        f"--max-pairs {caps.max_pairs} and --max-repairs {caps.max_repairs}, each question by up to {rules.max_votes} "
        "votes. A usual night takes a small part of it; what is in the ledger already costs nothing; an endpoint "
        "without log-probabilities is asked up to 16 times for one score"
    )


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
class ExperimentOptions:
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

    def jobs(self, settings: Settings) -> list[TraitJob]:
        return trait_jobs(settings, self.pair_by_similarity)


def _require_known(named: Sequence[str], known: Sequence[str]) -> None:
    """Raise Refusal with what may have been meant where a trait is neither in refine.toml nor among the datasets."""
    problems = [_unknown(name, known) for name in named if name not in known]
    if problems:
        more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
        there = f"There are {', '.join(known[:_SHOWN])}{more}: those that refine.toml lists, and those with a dataset."
        new = "A new trait begins with `cliffhanger init`."
        raise UserError("\n".join([*problems, f"{there if known else 'There is none yet.'} {new}"]))


def _unknown(name: str, known: Sequence[str]) -> str:
    by_last = {trait.rpartition("/")[2]: trait for trait in reversed(known)}
    near = difflib.get_close_matches(name, known, n=1) or difflib.get_close_matches(name, list(by_last), n=1)
    meant = f" Did you mean {by_last.get(near[0], near[0])}?" if near else ""
    return f"--traits {name}: there is no such trait here.{meant}"


def dry_run(order: ExperimentOptions) -> int:
    """Say what would be asked and how many calls at most. No file, no call."""
    settings = order.settings()
    work = order.jobs(settings)
    if order.until is not None:
        deadline(order.until, time.time())  # what is wrong with it is said here and now
    with RunDisplay() as screen:
        for line in (*_models(settings), *(line for job in work for line in _planned(settings, job))):
            screen.print(line)
        problems = list(preflight.free_problems(settings, work))
        screen.print(*(f"problem: {problem}" for problem in problems), *_verdict(problems))
    return USAGE if problems else 0


def _verdict(problems: Sequence[str]) -> Iterator[str]:
    if problems:
        yield f"A run would not begin (exit code {USAGE}): mend {'this' if len(problems) == 1 else 'these'} first."
    yield "Nothing was asked and no file was written."


def refine(order: ExperimentOptions, new: bool, backends: Backends = BACKENDS) -> int:
    """The evening itself."""

    def play(evening: Runner, work: list[TraitJob]) -> int:
        code = replace(evening, new=new).run(work)
        if len(work) > 1 and code in _DECIDABLE:
            evening.screen.print(next_steps(order.experiment, order.traits, order.variant))
        return code

    return run_supervised(order, play, backends)


def diagnose(order: ExperimentOptions, backends: Backends = BACKENDS) -> int:
    """Judge everything, repair nothing."""
    return run_supervised(order, Runner.diagnose, backends)


def detached(order: ExperimentOptions) -> int:
    """The same command in the background; one line of JSON says where."""
    order.settings()  # what is wrong with them is said here and now
    return detach(sys.argv[1:], order.experiment)


def run_supervised(
    order: ExperimentOptions, play: Callable[[Runner, list[TraitJob]], int], backends: Backends = BACKENDS
) -> int:
    """A run with all that watches over it: armed before anything is loaded, told when it has ended."""
    settings = order.settings()
    work = order.jobs(settings)
    preflight.require_free(settings, work)
    preflight.require_unlocked(work)
    progress, limits = Progress(settings.traits), EndpointMonitor()
    until = None if order.until is None else deadline(order.until, time.time())
    beat = heartbeat_file(settings.experiment, os.getpid())
    folders = [job.folder.refinement for job in work]
    with (
        RunDisplay(progress=progress, limits=limits.told) as screen,
        StopSignals(until) as stops,
        Heartbeat(beat, progress, variant=settings.variant, limits=limits.told) as heart,
        Watchdog(progress, folders, limits.give_up, limits.waits),
    ):
        night = preflight.StartupControl(progress, stops)
        night.stage(work, LOADING)
        for job in work:
            screen.add_trait(job.trait.id, len(job.dataset.pairs))
        try:
            night.require_go(work)
            with prepared(settings, work, screen, night, backends) as workshop:
                night.stage(work, "waiting")
                heart.preflight_passed()
                limits.llm = workshop.llm
                code = play(Runner(workshop, screen, stops, progress=progress), work)
        except Interrupted as error:
            code = _not_begun(error, work, screen, progress)
        heart.set_ending(f"exit code {code}")
    return code


def _not_begun(error: Interrupted, work: Sequence[TraitJob], screen: RunDisplay, progress: Progress) -> int:
    """No trait was begun: its endpoint was waited for too long, or a stop was asked for."""
    screen.print(f"{error} What was bought is stored; the same command goes on.")
    for job in work:
        progress.finish(job.trait.id, error.ending.value)
    return EXIT_CODES[error.ending]


@dataclass
class EndpointMonitor:
    """What the endpoints bear just now, once there is a client."""

    llm: LLMClient | None = None

    def told(self) -> list[str]:
        """One short line per endpoint."""
        return [f"{who}: {status.summary()}" for who, status in self.llm.statuses().items()] if self.llm else []

    def waits(self) -> bool:
        """Whether an endpoint is out, or has asked for a long pause."""
        return self.llm is not None and any(status.paused is not None for status in self.llm.statuses().values())

    def give_up(self) -> None:
        """Whatever is on its way is taken as lost and asked again."""
        if self.llm is not None:
            self.llm.give_up()


@contextmanager
def prepared(
    settings: Settings,
    work: Sequence[TraitJob],
    screen: RunDisplay,
    night: preflight.StartupControl | None = None,
    backends: Backends = BACKENDS,
) -> Iterator[RunContext]:
    """The models to work on some traits: loaded, proven and told, with what loading the traits found."""
    for job in work:
        for line in _issues(job):
            screen.print(f"{job.trait.id}: {line}")
    with preflight.checked(settings, work, screen.print, night, backends) as workshop:
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


def _planned(settings: Settings, job: TraitJob) -> list[str]:
    trait, size = job.trait, len(job.dataset.pairs)
    bound = upper_bound(settings.caps, settings.rules, trait.mode, size)
    start = f"starts from {size} pairs" if size else "starts from its definition alone"
    return [
        f"{trait.id}: mode {trait.mode.value}; a negative shows {trait.opposite!r} ({trait.negative_test.value}); "
        f"{start}; wants {max(settings.caps.target, size)}",
        f"  dataset: {settings.datasets / trait.id} (`datasets` in refine.toml says where)",
        *(f"  {line}" for line in toyworld_warning(settings, trait)),
        *(f"  {line}" for line in _issues(job)),
        f"  {_usual(settings, job)}",
        f"  {explained(bound, settings.caps, settings.rules)}.",
    ]


def _usual(settings: Settings, job: TraitJob) -> str:
    prices = {role: price_of(settings_of(settings, role)) for role in Role}
    known = {role: price or (0.0, 0.0) for role, price in prices.items()}
    goal = max(settings.caps.target, len(job.dataset.pairs))
    calls, dollars = usual_bill(goal, job.trait.definition, known)
    return usual_in_words(calls, dollars if all(prices.values()) else None)


def _issues(job: TraitJob) -> list[str]:
    """What loading found, in file order; long lists are cut, with their number."""
    issues = [str(issue) for issue in job.dataset.issues]
    more = [f"… and {len(issues) - _SHOWN} more warnings"] if len(issues) > _SHOWN else []
    return issues[:_SHOWN] + more
