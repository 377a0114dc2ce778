"""Control of running processes: requests to stop or pause, in files, and the signals of `stop --now`."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence

from agent.config.settings import Settings
from agent.supervision.heartbeat import ProcessRecord, TraitProcess, is_alive, other_variants, trait_processes

_SIGNALS = 10  # sent a second apart before a process counts as blocked; chosen by judgement


def stop(settings: Settings, variant: str | None, now: bool) -> Iterator[str]:
    """Create the STOP file of each trait that runs; with `now`, end the processes too. Yields what was done."""
    places, problems = _traits(settings, variant)
    yield from problems
    running = _with_run(places)
    for place in running:
        place.folder.stop_file.parent.mkdir(parents=True, exist_ok=True)
        place.folder.stop_file.touch()
        yield (
            f"{place.name}: {_process(place)} stops after the calls in flight, with exit code 6. "
            f"Before the next run, remove the request: {_resume_command(place)}."
        )
    yield from _not_asked(places, running)
    if now:
        for process in {place.process.path: place.process for place in running if place.process}.values():
            yield _end_now(process)


def pause(settings: Settings, variant: str | None) -> Iterator[str]:
    """Create the PAUSE file of each trait that runs. Yields what was done."""
    places, problems = _traits(settings, variant)
    yield from problems
    running = _with_run(places)
    for place in running:
        place.folder.pause_file.parent.mkdir(parents=True, exist_ok=True)
        place.folder.pause_file.touch()
        yield f"{place.name}: {_process(place)} pauses after the calls in flight, until {_resume_command(place)}."
    yield from _not_asked(places, running)


def resume(settings: Settings, variant: str | None) -> Iterator[str]:
    """Remove the PAUSE and STOP files of each trait. Yields what was done."""
    places, problems = _traits(settings, variant)
    yield from problems
    for place in places:
        requests = place.requests
        for file in requests:
            file.unlink(missing_ok=True)
        yield f"{place.name}: {_resumed(place, [file.name for file in requests])}"


def _resumed(place: TraitProcess, removed: list[str]) -> str:
    if not removed:
        return "no request to pause or to stop; nothing changed."
    files = " and ".join(removed)
    if not place.running:
        return f"{files} removed. No run is active; the next `cliffhanger run` continues."
    unless = ", unless it was stopping already" if "STOP" in removed else ""
    return f"{files} removed. {_process(place).capitalize()} continues within a second{unless}."


def _traits(settings: Settings, variant: str | None) -> tuple[list[TraitProcess], list[str]]:
    """The traits under the variant, or where none is named, under every variant that runs or has a request file."""
    now = time.time()
    found, problems = trait_processes(settings, now)
    return (found if variant is not None else [*found, *other_variants(settings, now)]), problems


def _with_run(places: Sequence[TraitProcess]) -> list[TraitProcess]:
    return [place for place in places if _run_of(place) is not None]


def _not_asked(places: Sequence[TraitProcess], running: Sequence[TraitProcess]) -> Iterator[str]:
    """Sentences on the traits without a run. No file is created for them, which a later run would find."""
    for place in places:
        if place.locked and place not in running:
            yield f"{place.name}: another command without a heartbeat uses its ledger. Stop it where it was started."
    if not any(place.running for place in places):
        yield "No run is active; nothing changed."


def _run_of(place: TraitProcess) -> ProcessRecord | None:
    return place.process if place.process is not None and place.process.works_on(place.folder.trait) else None


def _process(place: TraitProcess) -> str:
    process = _run_of(place)
    return "the command that uses its ledger" if process is None else f"process {process.heartbeat.pid}"


def _resume_command(place: TraitProcess) -> str:
    return f"`cliffhanger resume {place.options}`"


def _end_now(process: ProcessRecord) -> str:
    """End a process by signals; returns a sentence on the result."""
    pid, host = process.heartbeat.pid, process.heartbeat.host
    if host != socket.gethostname():
        return f"Process {pid} runs on {host}. Run this command there."
    if end_process(pid, lambda: is_alive(process.path, process.heartbeat, time.time())):
        return f"Process {pid} has ended. Progress is saved; `cliffhanger status` lists the calls that were in flight."
    return (
        f"Process {pid} does not react; it may be blocked in the subject. `kill -9 {pid}` ends it; progress is saved."
    )


def end_process(pid: int, alive: Callable[[], bool], sleep: Callable[[float], None] = time.sleep) -> bool:
    """Send SIGTERM, a second apart, until a process has ended; returns whether it has.

    The first signal only requests a stop, and two at once would count as one.
    """
    for _ in range(_SIGNALS):
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
