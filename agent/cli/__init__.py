"""The command line: the one place where everything is put together, and the only one that prints."""

import sys

import typer

from agent.cli import apply, calibrate, control, decisions, init, inspect, report, review, run, status, toyworld
from agent.cli.exits import Commands

_MAP = """
Contrastive pairs that end on a cliffhanger: right before the trait is expressed.

**In the evening**: `init` describes a trait, `run --dry-run` says what a night would ask, `run` starts it.
It drafts, vets, completes, tests the first tokens, repairs, confirms, scales up and audits, all by itself.

**At night**: `status --watch` shows it from any terminal; `pause` and `resume` hold it up, `stop` ends it well.

**In the morning**: `refinement/report.html` tells the night on one page; `review` (in the terminal, or `--web`) shows
each proposed change with its evidence, to approve, reject or edit; `apply` writes what was approved, and can undo it.
Nothing else ever changes a dataset. The same `run` the next evening goes on from your decisions.

**At any time**: `vet`, `failures` and `first-tokens` do the guide's own steps by hand; `calibrate` holds the judge
against labelled endings.
"""

_EXITS = (
    "Exit codes: 0 ready and audited · 2 ready, but parked pairs wait for you · 3 a cap was reached, or not ready · "
    "4 an endpoint failed · 5 stalled · 6 stopped · 64 wrong usage or settings, or a disk that cannot be written · "
    "1 a bug."
)


def _in_our_spelling(word: str) -> str:
    """--trait is taken for --traits: with one trait, either comes to mind."""
    return "traits" if word == "trait" else word


app = typer.Typer(
    cls=Commands,
    help=_MAP,
    epilog=_EXITS,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "token_normalize_func": _in_our_spelling},
)
app.command(rich_help_panel="Evening")(init.init)
app.command(rich_help_panel="Evening")(run.run)
app.command(rich_help_panel="Night")(control.pause)
app.command(rich_help_panel="Night")(control.resume)
app.command(rich_help_panel="Night")(control.stop)
app.command(rich_help_panel="Morning")(status.status)
app.command(rich_help_panel="Morning")(report.report)
app.command(rich_help_panel="Morning")(review.review)
app.command(rich_help_panel="Morning")(apply.apply)
app.add_typer(decisions.app, name="decisions", rich_help_panel="Morning")
app.command(rich_help_panel="By hand")(inspect.vet)
app.command(rich_help_panel="By hand")(inspect.failures)
app.command("first-tokens", rich_help_panel="By hand")(inspect.first_tokens)
app.command(rich_help_panel="By hand")(calibrate.calibrate)
app.add_typer(toyworld.app, name="toyworld", rich_help_panel="Rehearsal")


def main() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal without UTF-8 shows an escape where it lacks a character; it must not end the run.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="cliffhanger")
