"""`cliffhanger init`: a trait from one line."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.options import Experiment, Similarity, Traits, Variant, backends_of

if TYPE_CHECKING:
    from agent.supervision.heartbeat import ProcessRecord, TraitProcess


def init(
    context: typer.Context,
    trait: Annotated[str, typer.Argument(metavar="CATEGORY/NAME", help="The trait's id.", show_default=False)],
    experiment: Annotated[
        Path,
        typer.Option("--experiment", "-e", help="The experiment's folder: it holds refine.toml.", show_default=False),
    ],
    description: Annotated[
        str | None,
        typer.Argument(help="One line that says what the trait is. Left out: its definition.txt.", show_default=False),
    ] = None,
    mode: Annotated[
        str | None, typer.Option(help="decision, primed or sustained, whatever the author proposes.")
    ] = None,
    negative_test: Annotated[
        str | None, typer.Option(help="opposite or absence: what a negative must show, whatever the author proposes.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what the author writes; write no file.")] = False,
) -> int:
    """Let the author describe a trait: its definition, its opposite, its mode and what a negative must show.

    Writes definition.txt into the trait's dataset folder, and the trait into refine.toml. For a trait that has its
    definition already, leave the description out: only refine.toml gains what the author proposes. Nothing that
    exists is overwritten. Read both and correct them: all verdicts rest on them.

    Examples:

        cliffhanger init craft/envy "resenting what others have" --experiment experiments/mine

        cliffhanger init chirp/refusal --experiment experiments/mine --mode decision
    """
    from agent.app.init_trait import TraitOverrides, describe

    return describe(trait, TraitOverrides(description, mode, negative_test), experiment, dry_run, backends_of(context))


_LOOP, _MONEY, _WAYS = "What the loop may do", "What the run may take", "Ways to run"


def _cap(help_text: str, panel: str = _LOOP) -> object:
    return typer.Option(help=help_text, rich_help_panel=panel)


def _way(name: str, help_text: str) -> object:
    return typer.Option(name, help=help_text, rich_help_panel=_WAYS)


def run(  # noqa: PLR0913 - every option of the command is a parameter
    context: typer.Context,
    experiment: Experiment,
    traits: Traits = None,
    model_variant: Variant = None,
    pair_by_similarity: Similarity = False,
    max_rounds: Annotated[int | None, _cap("Stop after so many rounds of a campaign. [40]")] = None,
    max_pairs: Annotated[int | None, _cap("Draft at most so many pairs. [200]")] = None,
    max_repairs: Annotated[int | None, _cap("Replace a pair after so many repairs. [4]")] = None,
    patience: Annotated[int | None, _cap("Stop after so many rounds without progress. [5]")] = None,
    pilot: Annotated[int | None, _cap("Pairs that must all be confirmed before scaling up. [16]")] = None,
    batch: Annotated[int | None, _cap("Pairs drafted at a time after the pilot. [16]")] = None,
    target: Annotated[int | None, _cap("Pairs wanted in the end. [48]")] = None,
    min_control_auc: Annotated[
        float | None, _cap("Scale up only if the judge tells controls apart so well; 0 goes on regardless. [0.9]")
    ] = None,
    max_usd: Annotated[float | None, _cap("Spend at most so many dollars, restarts included.", _MONEY)] = None,
    max_calls: Annotated[int | None, _cap("Make at most so many calls, restarts included.", _MONEY)] = None,
    max_minutes: Annotated[float | None, _cap("Run for so many minutes, restarts included.", _MONEY)] = None,
    max_pause: Annotated[float | None, _cap("Wait so many minutes for an endpoint that is out. [120]", _MONEY)] = None,
    until: Annotated[str | None, _cap("Stop at this time of day, such as 07:00.", _MONEY)] = None,
    new: Annotated[bool, _way("--new", "Begin another campaign; answers already bought are kept.")] = False,
    diagnostic: Annotated[
        bool,
        _way(
            "--diagnostic",
            "Judge the dataset as it is, repair nothing, and stop: 0 when all was judged, 2 when some was not.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, _way("--dry-run", "Say what would be asked, how many calls at most and what it may cost; change nothing.")
    ] = False,
    detach: Annotated[bool, _way("--detach", "Go on in the background: print one line of JSON and return.")] = False,
) -> int:
    """Refine traits unattended, until each set is confirmed and audited, or say why not.

    The same command goes on where an earlier one stopped. A signal (Ctrl-C), or a file named STOP in the trait's
    refinement folder, stops it after what is in flight; a second signal stops it at once. No dataset is changed.

    Examples:

        cliffhanger run --experiment experiments/demo

        cliffhanger run --experiment experiments/mine --max-usd 20 --until 07:00 --detach

        cliffhanger run --experiment experiments/mine --traits chirp/refusal --target 96 --dry-run

        cliffhanger run --experiment experiments/mine --diagnostic
    """
    from agent.app import run

    caps = {
        "caps.max_rounds": max_rounds,
        "caps.max_pairs": max_pairs,
        "caps.max_repairs": max_repairs,
        "caps.patience": patience,
        "caps.pilot": pilot,
        "caps.batch": batch,
        "caps.target": target,
        "caps.min_control_auc": min_control_auc,
        "budget.run.usd": max_usd,
        "budget.run.calls": max_calls,
        "budget.minutes": max_minutes,
        "budget.max_pause_minutes": max_pause,
    }
    order = run.ExperimentOptions(experiment, traits, model_variant, pair_by_similarity, caps, until)
    if dry_run:
        return run.dry_run(order)
    if diagnostic:
        return run.diagnose(order, backends_of(context))
    return run.detached(order) if detach else run.refine(order, new, backends_of(context))


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


def _resumed(place: "TraitProcess", taken: list[str]) -> str:
    if not taken:
        return "neither paused nor asked to stop: nothing to take back."
    what = " and ".join(taken)
    if not place.running:
        return f"{what} removed; nothing runs. The same `cliffhanger run` goes on where it stopped."
    unless = ", unless it was stopping already" if "STOP" in taken else ""
    return f"{what} removed; {_who(place)} goes on within a second{unless}."


def _places(experiment: Experiment, traits: str | None, variant: str | None) -> "list[TraitProcess]":
    """The traits' folders; where no variant is named, those of every variant that there is word for as well."""
    from agent.app.run import ExperimentOptions
    from agent.supervision.heartbeat import other_variants, trait_processes

    settings, now = ExperimentOptions(experiment, traits, variant).settings(), time.time()
    found, problems = trait_processes(settings, now)
    for problem in problems:
        _say(problem)
    return found if variant is not None else [*found, *other_variants(settings, now)]


def _running(places: "list[TraitProcess]") -> "list[TraitProcess]":
    """Those that a run works on; of the rest a sentence is said, and nothing written that a later run would find."""
    found = [place for place in places if _run_of(place) is not None]
    for place in places:
        if place.locked and place not in found:
            _say(f"{place.name}: a command without a heartbeat holds its ledger: end it where it was started.")
    if not any(place.running for place in places):
        _say("Nothing runs there: nothing was changed.")
    return found


def _run_of(place: "TraitProcess") -> "ProcessRecord | None":
    return place.process if place.process is not None and place.process.works_on(place.folder.trait) else None


def _who(place: "TraitProcess") -> str:
    process = _run_of(place)
    return "the command that writes its ledger" if process is None else f"process {process.beat.pid}"


def _resume_of(place: "TraitProcess") -> str:
    return f"`cliffhanger resume {place.options}`"


def _ended_now(process: "ProcessRecord") -> str:
    """End a process by the two signals that mean "now"; a sentence on what came of it."""
    import socket

    from agent.supervision.heartbeat import is_alive

    pid, host = process.beat.pid, process.beat.host
    if host != socket.gethostname():
        return f"process {pid} runs on {host}: give the command there."
    if end_now(pid, lambda: is_alive(process.path, process.beat, time.time())):
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
    from agent.text import safe_text

    typer.echo(safe_text(line))
