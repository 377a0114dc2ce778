"""One trait's context on its own, with real subject, judge and author, for benchmarks that do without the loop."""

from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from agent.app.composition import job_of
from agent.app.run import prepared
from agent.config.load import load_settings
from agent.schema import Pair
from agent.steps.context import StepContext
from agent.storage.ledger import Ledger
from agent.supervision.display import RunDisplay


class Opened(NamedTuple):
    """A context, the ledger behind it, and the trait's starting set."""

    context: StepContext
    ledger: Ledger
    pairs: tuple[Pair, ...]


@contextmanager
def opened(folder: Path, trait: str) -> Iterator[Opened]:
    """The context of one trait of this experiment, its ledger in a file of its own there."""
    settings = load_settings(folder)
    job = job_of(settings, trait)
    with (
        redirect_stdout(StringIO()),
        RunDisplay() as screen,
        prepared(settings, [job], screen) as workshop,
        Ledger(folder / "alone.sqlite") as ledger,
    ):
        yield Opened(workshop.context(job, ledger, lambda what: None), ledger, job.dataset.pairs)
