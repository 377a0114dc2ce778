"""The run command: options, dry run with its cost estimate, and the supervised run."""

import difflib
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.app import preflight
from agent.app.composition import BACKENDS, Backends, TraitJob, price_of, settings_of, trait_jobs
from agent.app.init_trait import toyworld_warning
from agent.app.outputs import advice_after
from agent.app.runner import HowToStart, Runner
from agent.config.load import known_traits, load_settings
from agent.config.settings import EndpointSettings, Settings
from agent.errors import USAGE, Interrupted, UserError
from agent.llm.client import LLMClient
from agent.schema import EXIT_CODES, Caps, FrozenModel, Mode, Role, Rules
from agent.steps.draft import PER_REQUEST, WAVES
from agent.steps.lock_in import TIMES
from agent.storage.experiment import heartbeat_file
from agent.subject.weights import NotDownloadedError, SubjectError
from agent.supervision.detach import detach
from agent.supervision.display import RunDisplay
from agent.supervision.heartbeat import Heartbeat
from agent.supervision.progress import LOADING, WAITING, Progress
from agent.supervision.stop_control import StopSignals, deadline
from agent.supervision.watchdog import Watchdog
from agent.text import experiment_options

_SPANS = 2  # requests for a committed span
_CUTS = 5  # candidate cut points of one text, including a borrowed hinge
_REFUSAL_ATTEMPTS = 2  # the author is asked once more after a refusal


class CostBound(FrozenModel):
    """Upper bound on the calls of each role and the subject's completions. Stored answers cost nothing."""

    texts: int
    judge: int
    auditor: int
    author: int
    subject: int


def upper_bound(caps: Caps, rules: Rules, mode: Mode, dataset_size: int) -> CostBound:
    """Calls of one trait under its caps if every text fails and every question takes all its votes."""
    goal = max(caps.target, dataset_size)
    pairs = min(dataset_size + caps.max_pairs, goal * caps.max_rounds)
    repairs = min(pairs * caps.max_repairs, goal * caps.max_rounds)
    texts = 2 * (pairs + repairs)
    questions = 7 if mode is Mode.SUSTAINED else 6
    candidates = 2 * repairs * (_CUTS + 2 * rules.candidates)
    votes = max(rules.max_votes, 2)
    samples = TIMES[-1] * rules.lock_in_samples
    flips = 2 * (rules.flip_samples + samples)  # two arms; one opener per sample, rounded up
    drafts = caps.max_rounds * WAVES * math.ceil(max(caps.batch, caps.pilot) / PER_REQUEST) if caps.max_pairs else 0
    return CostBound(
        texts=texts,
        judge=texts * (questions * votes + 2 * samples * votes + flips + _SPANS) + candidates * questions,
        auditor=texts * questions,
        author=drafts + 2 * repairs * _REFUSAL_ATTEMPTS,
        subject=texts * (1 + samples + flips) + candidates,
    )


class TypicalCost(FrozenModel):
    """A role's calls per wanted pair, and the tokens of one call without the definition."""

    calls: float
    tokens_in: int
    tokens_out: int


# Measured on experiments/demo, mean of 4 seeds.
_TYPICAL = {
    Role.JUDGE: TypicalCost(calls=38.3, tokens_in=410, tokens_out=1),
    Role.AUDITOR: TypicalCost(calls=4.2, tokens_in=415, tokens_out=1),
    Role.AUTHOR: TypicalCost(calls=0.8, tokens_in=1250, tokens_out=260),
}
_CHARACTERS_PER_TOKEN = 4  # the usual rule of thumb for English


def typical_cost(
    pairs: int, definition: str, prices: Mapping[Role, tuple[float, float]]
) -> tuple[dict[Role, int], float]:
    """(calls by role, dollars) of a typical run. `prices`: dollars per million input and output tokens."""
    calls = {role: round(typical.calls * pairs) for role, typical in _TYPICAL.items()}
    in_definition = len(definition) / _CHARACTERS_PER_TOKEN  # every prompt quotes the definition once
    micro_usd = sum(
        calls[role] * ((typical.tokens_in + in_definition) * prices[role][0] + typical.tokens_out * prices[role][1])
        for role, typical in _TYPICAL.items()
    )
    return calls, micro_usd / 1_000_000


def typical_sentence(calls: Mapping[Role, int], dollars: float | None) -> str:
    """The typical cost as a sentence; `dollars` is None where a price is unknown."""
    counts = ", ".join(f"{count} {role.value}" for role, count in calls.items())
    cost = "cost unknown" if dollars is None else f"about {dollars:.2f} USD" if dollars else "free"
    return f"typical run: about {counts} calls, {cost} (measured on the demo; harder traits need several times as many)"


def bound_sentence(bound: CostBound, caps: Caps, rules: Rules) -> str:
    """The upper bound as a sentence, with the caps that it comes from."""
    return (
        f"upper bound: {bound.judge} judge, {bound.auditor} auditor and {bound.author} author calls and "
        f"{bound.subject} completions, for up to {bound.texts} texts (--max-rounds {caps.max_rounds}, "
        f"--max-pairs {caps.max_pairs}, --max-repairs {caps.max_repairs}) with up to {rules.max_votes} votes per "
        "question. Stored answers cost nothing. An endpoint without log-probabilities takes up to 16 calls per score"
    )


_LISTED_TRAITS = 12
# Options of the command line by the key of refine.toml that they replace, so that errors name what the user typed.
_OPTIONS = {
    **{f"caps.{name}": f"--{name.replace('_', '-')}" for name in Caps.model_fields},
    "rules.max_new_tokens": "--max-new-tokens",
    "budget.run.usd": "--max-usd",
    "budget.run.calls": "--max-calls",
    "budget.minutes": "--max-minutes",
    "budget.max_pause_minutes": "--max-pause",
    "variant": "--model-variant",
}


@dataclass(frozen=True)
class ExperimentOptions:
    """Options common to all commands on an experiment. `overrides` has dotted keys of refine.toml."""

    experiment: Path
    traits: str | None = None
    variant: str | None = None
    pair_by_similarity: bool = False
    overrides: Mapping[str, object] = field(default_factory=dict)

    def settings(self) -> Settings:
        """The settings of refine.toml with these options applied. Raises UserError."""
        overrides = dict(self.overrides)
        if self.traits is not None:
            names = [name.strip() for name in self.traits.split(",") if name.strip()]
            _require_known(names, known_traits(self.experiment))
            overrides["traits"] = names
        overrides["variant"] = self.variant
        return load_settings(self.experiment, overrides, _OPTIONS)

    @property
    def words(self) -> str:
        """These options as they are typed."""
        return experiment_options(self.experiment, self.traits, self.variant)

    def jobs(self, settings: Settings) -> list[TraitJob]:
        """The traits with their datasets. Raises DatasetError."""
        return trait_jobs(settings, self.pair_by_similarity)


def _require_known(names: Sequence[str], known: Sequence[str]) -> None:
    """Raise UserError, with suggestions, for a trait that is neither in refine.toml nor among the datasets."""
    problems = [_unknown(name, known) for name in names if name not in known]
    if problems:
        more = f" and {len(known) - _LISTED_TRAITS} more" if len(known) > _LISTED_TRAITS else ""
        listed = f"Known traits: {', '.join(known[:_LISTED_TRAITS])}{more} (from refine.toml and the datasets)."
        new = "Create a trait with `cliffhanger init`."
        raise UserError("\n".join([*problems, f"{listed if known else 'There are no traits yet.'} {new}"]))


def _unknown(name: str, known: Sequence[str]) -> str:
    by_last = {trait.rpartition("/")[2]: trait for trait in reversed(known)}
    near = difflib.get_close_matches(name, known, n=1) or difflib.get_close_matches(name, list(by_last), n=1)
    suggestion = f" Did you mean {by_last.get(near[0], near[0])}?" if near else ""
    return f"--traits {name}: unknown trait.{suggestion}"


def dry_run(options: ExperimentOptions, until: str | None = None, backends: Backends = BACKENDS) -> int:
    """Print the plan, its cost and its problems. Writes no file, makes no call, and loads no more than a tokenizer."""
    settings = options.settings()
    jobs = options.jobs(settings)
    if until is not None:
        deadline(until, time.time())  # raises for a time that cannot be used
    problems = list(preflight.free_problems(settings, jobs))
    unfit: dict[str, list[str]] = {}
    try:
        problem = backends.open_tokens(settings).problem
        unfit = {job.trait.id: preflight.unfit_texts(job, problem, settings) for job in jobs}
    except NotDownloadedError as error:
        late = f"{error} The run downloads it, and checks then whether it can continue the texts."
        unfit = {jobs[0].trait.id: [late]} if jobs else {}
    except SubjectError as error:
        problems.append(str(error))
    with RunDisplay() as display:
        plans = (line for job in jobs for line in _plan(settings, job, unfit.get(job.trait.id, [])))
        for line in (*_models(settings), *plans):
            display.print(line)
        display.print(*(f"problem: {problem}" for problem in problems), *_verdict(problems))
    return USAGE if problems else 0


def _verdict(problems: Sequence[str]) -> Iterator[str]:
    if problems:
        yield f"Cannot start (exit code {USAGE}). Fix {'this' if len(problems) == 1 else 'these'} first."
    yield "No call was made and no file was written."


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


def _plan(settings: Settings, job: TraitJob, unfit: Sequence[str]) -> list[str]:
    trait, size = job.trait, len(job.dataset.pairs)
    bound = upper_bound(settings.caps, settings.rules, trait.mode, size)
    start = f"starts from {size} pairs" if size else "starts from its definition alone"
    return [
        f"{trait.id}: mode {trait.mode.value}; negatives show {trait.opposite!r} ({trait.negative_test.value}); "
        f"{start}; target {max(settings.caps.target, size)} pairs",
        f"  dataset: {settings.datasets / trait.id} (set by `datasets` in refine.toml)",
        *(f"  {line}" for line in toyworld_warning(settings, trait)),
        *(f"  {line}" for line in preflight.dataset_warnings(job)),
        *(f"  {line}" for line in unfit),
        f"  {_typical(settings, job)}.",
        f"  {bound_sentence(bound, settings.caps, settings.rules)}.",
    ]


def _typical(settings: Settings, job: TraitJob) -> str:
    prices = {role: price_of(settings_of(settings, role)) for role in Role}
    known = {role: price or (0.0, 0.0) for role, price in prices.items()}
    goal = max(settings.caps.target, len(job.dataset.pairs))
    calls, dollars = typical_cost(goal, job.trait.definition, known)
    return typical_sentence(calls, dollars if all(prices.values()) else None)


def refine(options: ExperimentOptions, how: HowToStart, until: str | None = None, backends: Backends = BACKENDS) -> int:
    """Refine all traits. Returns the exit code of the worst ending."""
    return run_supervised(options, lambda runner, jobs: replace(runner, how=how).run(jobs), until, backends)


def diagnose(options: ExperimentOptions, until: str | None = None, backends: Backends = BACKENDS) -> int:
    """Examine all datasets as they are. Returns 2 when something could not be judged."""
    return run_supervised(options, Runner.diagnose, until, backends)


def detached(options: ExperimentOptions) -> int:
    """Start the same command in the background and print one line of JSON."""
    options.settings()  # raises here what is wrong with them
    return detach(sys.argv[1:], options.experiment)


def run_supervised(
    options: ExperimentOptions,
    step: Callable[[Runner, list[TraitJob]], int],
    until: str | None = None,
    backends: Backends = BACKENDS,
) -> int:
    """Run `step` under signal handling, heartbeat and watchdog, all of which start before anything is loaded."""
    settings = options.settings()
    jobs = options.jobs(settings)
    preflight.require_free(settings, jobs)
    preflight.require_unlocked(jobs)
    progress, endpoints = Progress(settings.traits), EndpointMonitor()
    stop_at = None if until is None else deadline(until, time.time())
    beat = heartbeat_file(settings.experiment, os.getpid())
    folders = [job.folder.refinement for job in jobs]
    with (
        RunDisplay(progress=progress, limits=endpoints.states) as display,
        StopSignals(stop_at) as stops,
        Heartbeat(beat, progress, variant=settings.variant, limits=endpoints.states) as heart,
        Watchdog(progress, folders, endpoints.give_up, endpoints.waits),
    ):
        control = preflight.StartupControl(progress, stops)
        control.stage(jobs, LOADING)
        for job in jobs:
            display.add_trait(job.trait.id, len(job.dataset.pairs))
        try:
            control.raise_if_stopped(jobs)
            with preflight.open_context(settings, jobs, display.print, control, backends) as context:
                control.stage(jobs, WAITING)
                heart.preflight_passed()
                endpoints.llm = context.llm
                code = step(Runner(context, display, stops, progress, options.words), jobs)
        except Interrupted as error:
            code = _not_started(error, jobs, display, progress)
        heart.set_ending(f"exit code {code}")
    return code


def _not_started(error: Interrupted, jobs: Sequence[TraitJob], display: RunDisplay, progress: Progress) -> int:
    """Report that no trait was started, because an endpoint stayed unavailable or a stop was requested."""
    display.print(advice_after(error))
    for job in jobs:
        progress.finish(job.trait.id, error.ending.value)
    return EXIT_CODES[error.ending]


@dataclass
class EndpointMonitor:
    """State of the endpoints, for display, heartbeat and watchdog; empty until there is a client."""

    llm: LLMClient | None = None

    def states(self) -> list[str]:
        """One short line per endpoint."""
        return [f"{who}: {status.summary()}" for who, status in self.llm.statuses().items()] if self.llm else []

    def waits(self) -> bool:
        """Whether an endpoint is unavailable, has asked for a long pause, or may take as long as it does."""
        return self.llm is not None and any(status.waits for status in self.llm.statuses().values())

    def give_up(self) -> None:
        """Treat all calls in flight as lost; they are sent again."""
        if self.llm is not None:
            self.llm.give_up()
