"""`cliffhanger status`: prints the status of every trait."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.options import Experiment, Traits, Variant

if TYPE_CHECKING:
    from rich.console import Console

    from agent.app.status import TraitState
    from agent.config.settings import Settings
    from agent.supervision.heartbeat import HeartbeatRecord


_INTERVAL = 2.0  # seconds between two reads of --watch
_CALLS_SHOWN = 3

ReadStates = Callable[[], "list[TraitState]"]


def status(
    experiment: Experiment,
    traits: Traits = None,
    model_variant: Variant = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per trait, in a list.")] = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Refresh every two seconds until no run is active; with --json, print a line per change."
        ),
    ] = False,
) -> int:
    """Show the status of every trait, of an active, finished or dead run. Only files are read.

    Examples:

        cliffhanger status --experiment experiments/demo

        cliffhanger status --experiment experiments/demo --watch

        cliffhanger status --experiment experiments/demo --json
    """
    from agent.app.run import ExperimentOptions
    from agent.app.status import read_states

    settings = ExperimentOptions(experiment, traits, model_variant).settings()
    if model_variant is None and not as_json:
        _print_other_variants(settings)

    def read() -> "list[TraitState]":
        return read_states(settings)

    if watch:
        return _watch(read, as_json)
    states = read()
    typer.echo(_as_json(states, indent=2) if as_json else "\n".join(_page(states, time.time())))
    return 0


def _print_other_variants(settings: "Settings") -> None:
    """Name the traits that run, or have a request, under another variant than the one shown."""
    from agent.supervision.heartbeat import other_variants
    from agent.text import safe_text

    for place in other_variants(settings, time.time()):
        what = "runs" if place.running else "has a request to stop or pause"
        under = f"under variant {place.folder.variant}" if place.folder.variant else "without a variant"
        more = f": `cliffhanger status {place.options}`" if place.folder.variant else ""
        typer.echo(safe_text(f"{place.folder.trait} {what} {under}{more}"))


def _as_json(states: "list[TraitState]", indent: int | None = None) -> str:
    return json.dumps([state.model_dump(mode="json") for state in states], indent=indent)


def _watch(read: ReadStates, as_json: bool) -> int:
    """Show the status until no run is active; Ctrl-C ends it too, with exit code 0."""
    from rich.console import Console

    console = Console()
    try:
        if console.is_terminal and not as_json:
            _redraw(read, console)
        else:
            print_changes(read, as_json)
    except KeyboardInterrupt:
        pass
    return 0


def _redraw(read: ReadStates, console: "Console") -> None:
    from rich.live import Live
    from rich.text import Text

    from agent.app.status import is_over

    with Live(console=console, auto_refresh=False) as live:
        while True:
            states, now = read(), time.time()
            last = "no run is active" if is_over(states) else "Ctrl-C to leave"
            live.update(Text("\n".join([*_page(states, now), "", f"{clock(now)}, {last}"])), refresh=True)
            if is_over(states):
                return
            time.sleep(_INTERVAL)


def print_changes(read: ReadStates, as_json: bool, sleep: Callable[[float], None] = time.sleep) -> None:
    """Print one block per change until no run is active."""
    from agent.app.status import is_over, watched_part

    printed = None
    while True:
        states, now = read(), time.time()
        watched = [watched_part(state) for state in states]
        if watched != printed:
            typer.echo(_as_json(states) if as_json else "\n".join([f"at {clock(now)}", *_page(states, now)]))
        printed = watched
        if is_over(states):
            return
        sleep(_INTERVAL)


def _page(states: "list[TraitState]", now: float) -> list[str]:
    """The traits, then what concerns several of them once: processes and files that cannot be read."""
    from agent.text import safe_text

    problems = [f"problem: {line}" for state in states for line in (state.trouble or "").split("\n") if line]
    lines = [line for state in states for line in trait_lines(state, now)]
    return [safe_text(line) for line in (*lines, *_process_lines(states, now), *dict.fromkeys(problems))]


def trait_lines(state: "TraitState", now: float) -> Iterator[str]:
    """One trait in a few lines; `now` is in seconds since 1970."""
    if state.campaign is None:
        manual = f" but {_counts(state.calls)} calls were made by hand" if state.calls else ""
        yield f"{state.trait}: no run yet{manual}" if state.how == "not begun" else f"{state.trait}: no round yet"
    else:
        rate = "" if state.pass_rate is None else f", {state.pass_rate:.0%} pass"
        yield (
            f"{state.trait}: campaign {state.campaign}, {state.rounds} rounds, {state.pairs} pairs of {state.goal} "
            f"wanted ({_counts(state.by_status) or 'empty'}){rate}, {state.parked} parked"
        )
    if state.how != "not begun":
        yield f"  {_run_state(state, now)}"
    if state.how == "stopped" and state.stop is not None:
        from agent.review.endings import next_step

        yield f"  next: {next_step(state.stop, 'in report.html')}"
    yield from (f"  {line}" for line in _details(state, now))


def _run_state(state: "TraitState", now: float) -> str:
    if state.how == "unreadable":
        return "its files cannot be read" + (", and a process works on it" if state.running else "")
    if state.how == "interrupted":
        return _interrupted(state)
    if state.how == "stopped" and state.stop is not None:
        return f"{state.stop.ending.value}: {state.stop.why}"
    if state.process is None:
        return "running: a command without a heartbeat uses its ledger"
    return _process_state(state, state.process, now)


def _interrupted(state: "TraitState") -> str:
    """How a run ended that left no report; where an error ended this trait, the same command meets it again."""
    from agent.text import RESUME, with_period

    if state.process is None:
        return f"interrupted. {RESUME}"
    ended, prefix = state.process.now.traits[state.trait].ended, f"{state.trait}: "
    errors = [error.removeprefix(prefix) for error in state.process.now.errors if error.startswith(prefix)]
    if ended is not None and errors:
        return f"the last run ended: {ended}: {with_period(errors[-1])} Remove this cause, then rerun the command."
    ended = ended or state.process.ended
    return f"{f'the last run ended: {ended}.' if ended else 'interrupted.'} {RESUME}"


def _process_state(state: "TraitState", process: "HeartbeatRecord", now: float) -> str:
    from agent.text import RESUME

    about = process.now.traits[state.trait]
    stage = f"{about.stage}, since {clock(about.since)} ({duration(now - about.since)})"
    if state.how == "died":
        return f"process {process.pid} died. {RESUME} Last heartbeat {clock(process.written)}: {stage}"
    if state.how == "stale":
        age = duration(now - process.written)
        return f"process {process.pid} is alive, but its heartbeat is {age} old; it may be blocked. Last: {stage}"
    if state.how == "paused":
        return f"process {process.pid} is paused ({stage}): {process.now.paused}"
    preflight = "" if process.checked is not None else ", in its pre-flight"
    return f"running, process {process.pid}{preflight}: {stage}"


def _details(state: "TraitState", now: float) -> Iterator[str]:
    if state.calls or state.attempts:
        tokens = ", ".join(f"{s.role.value} {s.tokens_in} in and {s.tokens_out} out" for s in state.spent)
        yield f"calls: {_counts(state.calls) or 'none'}{_unanswered(state)}"
        yield f"tokens: {tokens or 'none'}; spent: {_usd(state.micro_usd)}"
    if state.running and state.pace is not None:
        left = "" if state.eta is None else f"; ETA {duration(state.eta)} at the current rate"
        yield f"pace: {state.pace:g} answers per minute{left}"
    if requests := _unmentioned_requests(state):
        yield f"requested: {' and '.join(requests)}; `cliffhanger resume` removes the request"
    yield from _judge_reliability(state)
    yield from _open_calls(state)
    yield from _failures(state)


def _failures(state: "TraitState") -> Iterator[str]:
    """The last failures, oldest first; equal ones are one line with the time of the last."""
    equal: dict[str, list[float]] = {}
    for failure in reversed(state.failures):
        line = f"{failure.role} {failure.purpose}: {failure.error}: {failure.sentence}"
        equal.setdefault(line, []).append(failure.when)
    for line, times in equal.items():
        yield f"{clock(times[-1])} {line}" + (f" ({len(times)} times)" if len(times) > 1 else "")


def _unanswered(state: "TraitState") -> str:
    """How many attempts ended without an answer, by outcome; answers and calls in flight have lines of their own."""
    from agent.storage.ledger_database import ANSWERED, PENDING

    outcomes = {outcome: n for outcome, n in state.attempts.items() if outcome not in (ANSWERED, PENDING)}
    return f"; unanswered attempts: {_counts(outcomes)}" if outcomes else ""


def _unmentioned_requests(state: "TraitState") -> list[str]:
    """The requests whose file the state's own line does not name already."""
    paused = state.process.now.paused if state.process is not None and state.how == "paused" else None
    reason = paused or (state.stop.why if state.stop is not None else "")
    return [request for request in state.asked if f"/{request.upper()};" not in reason]


def _process_lines(states: "list[TraitState]", now: float) -> Iterator[str]:
    """The limits and errors of each running process, as of its last heartbeat."""
    running = {state.process.pid: state.process for state in states if state.process is not None and state.running}
    for process in running.values():
        about = [*(f"limit: {line}" for line in process.limits), *(f"error: {line}" for line in process.now.errors)]
        if about:
            yield f"process {process.pid}, {duration(now - process.written)} ago"
            yield from (f"  {line}" for line in about)


def _judge_reliability(state: "TraitState") -> Iterator[str]:
    """How often the judge's wordings disagree, what follows for a verdict, and how it scored the controls."""
    from agent.stats import wilson

    if (noise := state.noise) is not None:
        rate = wilson(sum(one.k for one in noise.flaps), sum(one.n for one in noise.flaps))
        yield (
            f"judge: its wordings disagree in {rate}; expected of the vote: false accept {noise.accepted:.2%}, "
            f"false reject {noise.edited:.2%} of good pairs"
        )
    if (found := state.controls) is not None:
        size = f"{len(found.committed)} + {len(found.open)}"
        kinds = (("committed", found.committed), ("open", found.open))
        ranges = " and ".join(f"{name} ones score {min(scores):.0f} to {max(scores):.0f}" for name, scores in kinds)
        yield (
            f"controls: AUC of C0 {found.auc:.3f} [{found.low:.3f}, {found.high:.3f}] over {size} texts, "
            f"which measures the order only; {ranges}"
        )


def _open_calls(state: "TraitState") -> Iterator[str]:
    """Calls in flight; of a run that has ended, calls that may have been paid without an answer."""
    calls = state.possibly_paid
    if not calls:
        return
    what = "in flight" if state.running else "possibly paid without an answer"
    reserved = sum(call.micro_usd or 0 for call in calls)
    most = f", at most {_usd(reserved)}" if reserved else ""
    yield f"{what}: {len(calls)} calls ({_counts(Counter(call.role for call in calls))}){most}"
    for call in calls[:_CALLS_SHOWN]:
        yield f"  {call.role} {call.purpose} since {clock(call.begun)}"
    if len(calls) > _CALLS_SHOWN:
        yield f"  and {len(calls) - _CALLS_SHOWN} more"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def _usd(micro: int) -> str:
    return f"{micro / 1e6:.4f} USD"


def clock(when: float) -> str:
    """A time (seconds since 1970) on the local clock."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))


def duration(seconds: float) -> str:
    """A duration in its two largest units."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"
