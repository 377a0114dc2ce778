"""`cliffhanger stop`, `pause` and `resume`: word for a running run, left as files that it looks for."""

import os
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.run import Experiment, Traits, Variant

if TYPE_CHECKING:
    from agent.cli.heartbeat import Sighting, Whereabouts

_PATIENCE = 10  # signals sent, a second apart, before a process counts as blocked


def stop(
    experiment: Experiment,
    traits: Traits = None,
    model_variant: Variant = None,
    now: Annotated[
        bool, typer.Option("--now", help="End its process at once, with all of its traits: calls in flight are lost.")
    ] = False,
) -> int:
    """Ask a running run to stop: what is in flight is finished and stored, nothing new is begun.

    The request is a file named STOP in each trait's refinement folder. It stays until `resume` takes it away. Without
    --model-variant, runs under every variant are asked.

    Examples:

        cliffhanger stop --experiment experiments/demo

        cliffhanger stop --experiment experiments/demo --traits toy/refusal

        cliffhanger stop --experiment experiments/demo --now
    """
    running = _running(_places(experiment, traits, model_variant))
    for place in running:
        place.folder.stop_file.parent.mkdir(parents=True, exist_ok=True)
        place.folder.stop_file.touch()
        _say(
            f"{place.name}: {_who(place)} finishes and stores what is in flight, begins nothing more and ends "
            f"with exit code 6. To run it again, first take the request back: {_resume_of(place)}."
        )
    if now:
        for process in {place.process.path: place.process for place in running if place.process}.values():
            _say(_ended_now(process))
    return 0


def pause(experiment: Experiment, traits: Traits = None, model_variant: Variant = None) -> int:
    """Hold up a running run: what is in flight is finished and stored, then it waits for `resume`.

    Without --model-variant, runs under every variant are held up.

    Example:

        cliffhanger pause --experiment experiments/demo
    """
    for place in _running(_places(experiment, traits, model_variant)):
        place.folder.pause_file.parent.mkdir(parents=True, exist_ok=True)
        place.folder.pause_file.touch()
        _say(
            f"{place.name}: {_who(place)} finishes and stores what is in flight, then begins nothing more "
            f"until {_resume_of(place)}."
        )
    return 0


def resume(experiment: Experiment, traits: Traits = None, model_variant: Variant = None) -> int:
    """Take back `pause`, and `stop` too: a paused run goes on within a second, and a stopped one may be run again.

    Without --model-variant, it is taken back under every variant.

    Example:

        cliffhanger resume --experiment experiments/demo
    """
    for place in _places(experiment, traits, model_variant):
        taken = place.asked
        for file in taken:
            file.unlink(missing_ok=True)
        _say(f"{place.name}: {_resumed(place, [file.name for file in taken])}")
    return 0


def _resumed(place: "Whereabouts", taken: list[str]) -> str:
    if not taken:
        return "neither paused nor asked to stop: nothing to take back."
    what = " and ".join(taken)
    if not place.running:
        return f"{what} removed; nothing runs. The same `cliffhanger run` goes on where it stopped."
    unless = ", unless it was stopping already" if "STOP" in taken else ""
    return f"{what} removed; {_who(place)} goes on within a second{unless}."


def _places(experiment: Experiment, traits: str | None, variant: str | None) -> "list[Whereabouts]":
    """The traits' folders; where no variant is named, those of every variant that there is word for as well."""
    from agent.cli.heartbeat import elsewhere, whereabouts
    from agent.cli.orders import Order

    settings, now = Order(experiment, traits, variant).settings(), time.time()
    found, problems = whereabouts(settings, now)
    for problem in problems:
        _say(problem)
    return found if variant is not None else [*found, *elsewhere(settings, now)]


def _running(places: "list[Whereabouts]") -> "list[Whereabouts]":
    """Those that a run works on; of the rest a sentence is said, and nothing written that a later run would find."""
    found = [place for place in places if _run_of(place) is not None]
    for place in places:
        if place.locked and place not in found:
            _say(f"{place.name}: a command without a heartbeat holds its ledger: end it where it was started.")
    if not any(place.running for place in places):
        _say("Nothing runs there: nothing was changed.")
    return found


def _run_of(place: "Whereabouts") -> "Sighting | None":
    return place.process if place.process is not None and place.process.works_on(place.folder.trait) else None


def _who(place: "Whereabouts") -> str:
    process = _run_of(place)
    return "the command that writes its ledger" if process is None else f"process {process.beat.pid}"


def _resume_of(place: "Whereabouts") -> str:
    return f"`cliffhanger resume {place.options}`"


def _ended_now(process: "Sighting") -> str:
    """End a process by the two signals that mean "now"; a sentence on what came of it."""
    import socket

    from agent.cli.heartbeat import lives

    pid, host = process.beat.pid, process.beat.host
    if host != socket.gethostname():
        return f"process {pid} runs on {host}: give the command there."
    if end_now(pid, lambda: lives(process.path, process.beat, time.time())):
        return f"process {pid} has ended. What was bought is stored; `cliffhanger status` lists what was in flight."
    return f"process {pid} does not react: it may be blocked in the subject. `kill -9 {pid}` ends it; nothing is lost."


def end_now(pid: int, alive: Callable[[], bool], sleep: Callable[[float], None] = time.sleep) -> bool:
    """Send SIGTERM until a process is gone; whether it is. Two at once would count as one, so they come apart."""
    for _ in range(_PATIENCE):
        if not alive():
            return True
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        for _ in range(10):
            if not alive():
                return True
            sleep(0.1)
    return not alive()


def _say(line: str) -> None:
    from agent.cli.screen import safe_text

    typer.echo(safe_text(line))
