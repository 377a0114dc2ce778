"""The command-line application: its commands, exit codes, and errors as sentences."""

import errno
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from agent.cli import manual, review, run, status, toyworld
from agent.errors import STOPPED, USAGE, UserError
from agent.text import discard_stream

if TYPE_CHECKING:
    from agent.app.composition import Backends


_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EPIPE)  # no space, or a closed pipe


class Commands(TyperGroup):
    """Command group. A command returns its exit code; wrong usage is 64, because 2 means "ready, parked remain"."""

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
    """Run a command and return its exit code; user errors become sentences on standard error."""
    try:
        code = run()
    except TyperException as error:
        what = _safe_lines(error.format_message())
        _print_error(f"cliffhanger: {what}{'.' if what[-1:].isalnum() else ''} Try --help.")
        return USAGE
    except typer.Abort:
        return STOPPED
    except UserError as error:
        _print_error(f"cliffhanger: {_safe_lines(str(error))}")
        return USAGE
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        discard_stream(sys.stdout)
        _print_error(f"cliffhanger: cannot write any further output: {error.strerror}.")
        return USAGE
    return code if isinstance(code, int) else 0


def _print_error(sentence: str) -> None:
    """Print to standard error; if that cannot be written, only the exit code is left."""
    try:
        typer.echo(sentence, err=True)
    except OSError:
        discard_stream(sys.stderr)


def _safe_lines(sentences: str) -> str:
    """Lines of an error made safe for a terminal; they may quote a dataset."""
    from agent.text import safe_text

    return "\n".join(safe_text(line) for line in sentences.split("\n"))


_OVERVIEW = """
Turn flawed contrastive pairs into a dataset for extracting trait vectors. Each text ends on a cliffhanger: right before
the trait is expressed.

**Run**: `init` describes a trait, `run --dry-run` prints the plan and its cost, `run` starts it. A run drafts, vets,
completes, tests the first tokens, repairs, confirms and audits pairs without supervision.

**Control**: `status --watch` shows a run from any terminal. `pause` and `resume`, or `stop` after the calls in flight.

**Review**: open `refinement/report.html`. `review` (in the terminal, or in a browser with `--web`) shows each proposed
change with its evidence: approve, reject or edit it. `apply` writes the approved changes, and can undo them. Nothing
else changes a dataset. The next `run` continues from your decisions.

**Manual steps**: `vet`, `failures` and `first-tokens` are the guide's own steps; `calibrate` measures the judge on
labelled endings.
"""

_EXITS = (
    "Exit codes: 0 ready and audited · 2 ready, but parked pairs need your decision · 3 a limit was reached, or not "
    "ready, or an error ended the run · 4 an endpoint failed · 5 stalled · 6 stopped · 64 wrong usage, settings or "
    "files: nothing was run · 1 a bug."
)


def _accept_trait(word: str) -> str:
    """Accept --trait for --traits."""
    return "traits" if word == "trait" else word


app = typer.Typer(
    cls=Commands,
    help=_OVERVIEW,
    epilog=_EXITS,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "token_normalize_func": _accept_trait},
)
app.command(rich_help_panel="Run")(run.init)
app.command(rich_help_panel="Run")(run.run)
app.command(rich_help_panel="Control")(status.status)
app.command(rich_help_panel="Control")(run.pause)
app.command(rich_help_panel="Control")(run.resume)
app.command(rich_help_panel="Control")(run.stop)
app.command(rich_help_panel="Review")(review.report)
app.command(rich_help_panel="Review")(review.review)
app.command(rich_help_panel="Review")(review.apply)
app.add_typer(review.app, name="decisions", rich_help_panel="Review")
app.command(rich_help_panel="Manual steps")(manual.vet)
app.command(rich_help_panel="Manual steps")(manual.failures)
app.command("first-tokens", rich_help_panel="Manual steps")(manual.first_tokens)
app.command(rich_help_panel="Manual steps")(manual.calibrate)
app.add_typer(toyworld.app, name="toyworld", rich_help_panel="Toy world")


def main(backends: "Backends | None" = None) -> None:
    """Entry point of the console script. `backends` opens models; None opens those in the settings."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal without UTF-8 shows an escape for a missing character instead of ending the run.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="cliffhanger", obj=backends)
