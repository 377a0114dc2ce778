"""`cliffhanger status`: where every trait stands, from files alone."""

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


_EVERY = 2.0
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
            "--watch",
            help="ReadStates again every two seconds until nothing runs any more; with --json, a line per change.",
        ),
    ] = False,
) -> int:
    """Say where every trait stands, of a running, finished or dead run: only files are read, nothing is asked.

    Examples:

        cliffhanger status --experiment experiments/demo

        cliffhanger status --experiment experiments/demo --watch

        cliffhanger status --experiment experiments/demo --json
    """
    from agent.app.run import ExperimentOptions
    from agent.app.status import read_states

    settings = ExperimentOptions(experiment, traits, model_variant).settings()
    if model_variant is None and not as_json:
        _point_elsewhere(settings)

    def look() -> "list[TraitState]":
        return read_states(settings)

    if watch:
        return _watch(look, as_json)
    states = look()
    typer.echo(_as_json(states, indent=2) if as_json else "\n".join(_page(states, time.time())))
    return 0


def _point_elsewhere(settings: "Settings") -> None:
    """Say which traits are worked on under another variant than the one that is told of."""
    from agent.supervision.heartbeat import other_variants
    from agent.text import safe_text

    for place in other_variants(settings, time.time()):
        what = "runs" if place.running else "was asked to stop or pause"
        under = f"under variant {place.folder.variant}" if place.folder.variant else "without a variant"
        more = f": `cliffhanger status {place.options}`" if place.folder.variant else ""
        typer.echo(safe_text(f"{place.folder.trait} {what} {under}{more}"))


def _as_json(states: "list[TraitState]", indent: int | None = None) -> str:
    return json.dumps([state.model_dump(mode="json") for state in states], indent=indent)


def _watch(look: ReadStates, as_json: bool) -> int:
    """Show the states again and again until nothing runs any more; Ctrl-C is another way out and no failure."""
    from rich.console import Console

    console = Console()
    try:
        if console.is_terminal and not as_json:
            _redraw(look, console)
        else:
            _blocks(look, as_json)
    except KeyboardInterrupt:
        pass
    return 0


def _redraw(look: ReadStates, console: "Console") -> None:
    from rich.live import Live
    from rich.text import Text

    with Live(console=console, auto_refresh=False) as live:
        while True:
            states, now = look(), time.time()
            last = "nothing runs any more" if _is_over(states) else "Ctrl-C to leave"
            live.update(Text("\n".join([*_page(states, now), "", f"{clock(now)}, {last}"])), refresh=True)
            if _is_over(states):
                return
            time.sleep(_EVERY)


def _blocks(look: ReadStates, as_json: bool) -> None:
    """One block whenever a stage, a round or an ending is another; what only grows (calls, time) is no change."""
    shown = None
    while True:
        states, now = look(), time.time()
        marks = [_mark(state) for state in states]
        if marks != shown:
            typer.echo(_as_json(states) if as_json else "\n".join([f"at {clock(now)}", *_page(states, now)]))
        shown = marks
        if _is_over(states):
            return
        time.sleep(_EVERY)


def _is_over(states: "list[TraitState]") -> bool:
    """Whether something has run and nothing does; before a first run there is something to wait for."""
    idle = all(not state.running for state in states)
    return idle and any(state.how != "not begun" for state in states)


def _mark(state: "TraitState") -> tuple[object, ...]:
    about = state.process.now.traits[state.trait] if state.process else None
    moving = about and (about.stage, about.since)
    return (
        state.how,
        state.rounds,
        state.by_status,
        state.parked,
        state.stop,
        state.asked,
        state.trouble,
        state.failures,
        moving,
    )


def _page(states: "list[TraitState]", now: float) -> list[str]:
    from agent.text import safe_text

    return [safe_text(line) for state in states for line in told(state, now)]


def told(state: "TraitState", now: float) -> Iterator[str]:
    """The state in a few lines."""
    if state.campaign is None:
        bought = f" but {_counted(state.calls)} calls were made by hand" if state.calls else ""
        yield f"{state.trait}: no run yet{bought}" if state.how == "not begun" else f"{state.trait}: no round yet"
    else:
        rate = "" if state.pass_rate is None else f", {state.pass_rate:.0%} pass"
        yield (
            f"{state.trait}: campaign {state.campaign}, {state.rounds} rounds, {state.pairs} pairs of {state.goal} "
            f"wanted ({_counted(state.by_status) or 'empty'}){rate}, {state.parked} parked"
        )
    if state.how != "not begun":
        yield f"  {_how_it_is(state, now)}"
    yield from (f"  {line}" for line in _details(state, now))
    yield from (f"  trouble: {line}" for line in (state.trouble or "").split("\n") if line)


def _how_it_is(state: "TraitState", now: float) -> str:
    if state.how == "unreadable":
        return "its files cannot be read" + (", and a process works on it" if state.running else "")
    if state.how == "interrupted":
        ended = state.process and (state.process.now.traits[state.trait].ended or state.process.ended)
        return f"{f'its last run ended: {ended}' if ended else 'it was interrupted'}; the same command goes on"
    if state.how == "stopped" and state.stop is not None:
        kind = "" if state.stop.ending.value == "stopped" else f"{state.stop.ending.value}: "
        return f"it stopped: {kind}{state.stop.why}"
    if state.process is None:
        return "running now: a command without a heartbeat writes its ledger"
    return _how_the_process_is(state, state.process, now)


def _how_the_process_is(state: "TraitState", process: "HeartbeatRecord", now: float) -> str:
    about = process.now.traits[state.trait]
    doing = f"{about.stage}, since {clock(about.since)} ({lasting(now - about.since)})"
    if state.how == "died":
        return f"the process {process.pid} died; the same command goes on. Last seen {clock(process.written)}: {doing}"
    if state.how == "stale":
        silent = lasting(now - process.written)
        return f"process {process.pid} lives, but its heartbeat is {silent} old: blocked? Last seen: {doing}"
    if state.how == "paused":
        return f"process {process.pid} is paused: {process.now.paused}; {doing}"
    preflight = "" if process.checked is not None else ", in its pre-flight"
    return f"running, process {process.pid}{preflight}: {doing}"


def _details(state: "TraitState", now: float) -> Iterator[str]:
    if state.calls or state.attempts:
        tokens = ", ".join(f"{s.role.value} {s.tokens_in} in and {s.tokens_out} out" for s in state.spent)
        yield f"calls: {_counted(state.calls) or 'none'}; attempts: {_counted(state.attempts) or 'none'}"
        yield f"tokens: {tokens or 'none'}; spent: {_usd(state.micro_usd)}"
    if state.running and state.pace is not None:
        left = "" if state.eta is None else f"; about {lasting(state.eta)} to go, if pairs come on as so far"
        yield f"pace: {state.pace:g} answers per minute{left}"
    if state.asked:
        yield f"asked to {' and '.join(state.asked)}, until `cliffhanger resume`"
    yield from _trust(state)
    yield from _open_calls(state)
    for failure in reversed(state.failures):
        yield f"{clock(failure.when)} {failure.role} {failure.purpose}: {failure.error}: {failure.sentence}"
    if state.process is not None and state.running:
        ago = lasting(now - state.process.written)  # as of the last heartbeat; the calls in flight are those of now
        yield from (f"limit {ago} ago: {line}" for line in state.process.limits)
        yield from (f"error: {line}" for line in state.process.now.errors)


def _trust(state: "TraitState") -> Iterator[str]:
    """Whether to believe the judge today: how often its wordings disagree and what comes of it, and the controls."""
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
        lie = " and ".join(f"{name} ones at {min(scores):.0f} to {max(scores):.0f}" for name, scores in kinds)
        yield (
            f"controls: AUC of C0 {found.auc:.3f} [{found.low:.3f}, {found.high:.3f}] over {size} texts; "
            f"it tells the order only: {lie}"
        )


def _open_calls(state: "TraitState") -> Iterator[str]:
    """What is in flight; of a run that is no more, what may have been paid without an answer."""
    calls = state.possibly_paid
    if not calls:
        return
    what = "in flight" if state.running else "possibly paid without an answer"
    reserved = sum(call.micro_usd or 0 for call in calls)
    most = f", at most {_usd(reserved)}" if reserved else ""
    yield f"{what}: {len(calls)} calls ({_counted(Counter(call.role for call in calls))}){most}"
    for call in calls[:_CALLS_SHOWN]:
        yield f"  {call.role} {call.purpose} since {clock(call.begun)}"
    if len(calls) > _CALLS_SHOWN:
        yield f"  and {len(calls) - _CALLS_SHOWN} more"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def _usd(micro: int) -> str:
    return f"{micro / 1e6:.4f} USD"


def clock(when: float) -> str:
    """A moment by the local clock."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))


def lasting(seconds: float) -> str:
    """A length of time in its two largest units."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"
