"""One trait's context on its own, with real subject, judge and author, for benchmarks that do without the loop."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from agent.app.composition import job_of
from agent.app.preflight import open_context
from agent.config.load import load_settings
from agent.schema import Pair
from agent.steps.context import StepContext
from agent.storage.ledger import Ledger


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
        open_context(settings, [job], lambda line: None) as run,
        Ledger(folder / "alone.sqlite") as ledger,
    ):
        yield Opened(run.context(job, ledger, lambda what: None), ledger, job.dataset.pairs)
