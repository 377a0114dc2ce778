"""How a command ends: its exit code, and errors as sentences."""

import errno
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from agent.cli import control, manual, review, run, status, toyworld
from agent.errors import STOPPED, USAGE, UserError
from agent.text import discard_stream

if TYPE_CHECKING:
    from agent.app.composition import Backends

_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EPIPE)  # no room, or nobody there to read


class Commands(TyperGroup):
    """The commands. A command returns its exit code; since 2 means "ready, parked remain", wrong usage ends with 64."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        given = list(sys.argv[1:] if args is None else args) or ["--help"]
        run = partial(super().main, given, prog_name, complete_var, False, windows_expand_args, **extra)
        if not standalone_mode:
            return run()
        sys.exit(_code(run))


def _code(run: Callable[[], Any]) -> int:
    """Run a command; errors that are known end in sentences on standard error."""
    try:
        code = run()
    except TyperException as error:
        what = _shown(error.format_message())
        _complain(f"cliffhanger: {what}{'.' if what[-1:].isalnum() else ''} Try --help.")
        return USAGE
    except typer.Abort:
        return STOPPED
    except UserError as error:
        _complain(f"cliffhanger: {_shown(str(error))}")
        return USAGE
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        discard_stream(sys.stdout)
        _complain(f"cliffhanger: nothing more can be written: {error.strerror}.")
        return USAGE
    return code if isinstance(code, int) else 0


def _complain(sentence: str) -> None:
    """Say it on standard error; where that cannot be written, the exit code says it alone."""
    try:
        typer.echo(sentence, err=True)
    except OSError:
        discard_stream(sys.stderr)


def _shown(sentences: str) -> str:
    """An error's sentences, each on its own line and harmless on a terminal: they may quote a dataset."""
    from agent.text import safe_text

    return "\n".join(safe_text(line) for line in sentences.split("\n"))


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
app.command(rich_help_panel="Evening")(run.init)
app.command(rich_help_panel="Evening")(run.run)
app.command(rich_help_panel="Night")(control.pause)
app.command(rich_help_panel="Night")(control.resume)
app.command(rich_help_panel="Night")(control.stop)
app.command(rich_help_panel="Morning")(status.status)
app.command(rich_help_panel="Morning")(review.report)
app.command(rich_help_panel="Morning")(review.review)
app.command(rich_help_panel="Morning")(review.apply)
app.add_typer(review.app, name="decisions", rich_help_panel="Morning")
app.command(rich_help_panel="By hand")(manual.vet)
app.command(rich_help_panel="By hand")(manual.failures)
app.command("first-tokens", rich_help_panel="By hand")(manual.first_tokens)
app.command(rich_help_panel="By hand")(manual.calibrate)
app.add_typer(toyworld.app, name="toyworld", rich_help_panel="Rehearsal")


def main(backends: "Backends | None" = None) -> None:
    """The console script. `backends`: how models are opened; None is as the settings say."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal without UTF-8 shows an escape where it lacks a character; it must not end the run.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="cliffhanger", obj=backends)
