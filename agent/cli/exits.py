"""How a command ends: its exit code, and errors as sentences."""

import errno
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import IO, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

USAGE = 64
STOPPED = 6

_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EPIPE)  # no room, or nobody there to read

# The worst first: what needs somebody's hand soonest.
_BY_GRAVITY = (1, 64, 4, 5, 6, 3, 2, 0)


def worst(codes: Iterable[int]) -> int:
    """One exit code for several traits: endpoint, stalled, stopped, cap or not ready, parked, ready."""
    return min(codes, key=_BY_GRAVITY.index, default=0)


def known_errors() -> tuple[type[Exception], ...]:
    """The errors whose messages are sentences for the user. Imported only when something has gone wrong."""
    from agent.cli.trouble import TROUBLE

    return TROUBLE


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
    except known_errors() as error:
        _complain(f"cliffhanger: {_shown(str(error))}")
        return USAGE
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        let_go(sys.stdout)
        _complain(f"cliffhanger: nothing more can be written: {error.strerror}.")
        return USAGE
    return code if isinstance(code, int) else 0


def _complain(sentence: str) -> None:
    """Say it on standard error; where that cannot be written, the exit code says it alone."""
    try:
        typer.echo(sentence, err=True)
    except OSError:
        let_go(sys.stderr)


def let_go(stream: IO[str]) -> None:
    """Give up what a stream still holds and cannot write: at the end of the process it would change the exit code."""
    try:
        stream.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _shown(sentences: str) -> str:
    """An error's sentences, each on its own line and harmless on a terminal: they may quote a dataset."""
    from agent.schema.visible import safe_text

    return "\n".join(safe_text(line) for line in sentences.split("\n"))
