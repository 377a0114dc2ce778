"""The step context of one trait with the real subject, judge and author, for benchmarks without the loop."""

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


class TraitContext(NamedTuple):
    """A step context, its ledger, and the trait's starting set."""

    context: StepContext
    ledger: Ledger
    pairs: tuple[Pair, ...]


@contextmanager
def trait_context(folder: Path, trait: str) -> Iterator[TraitContext]:
    """The context of one trait of this experiment, with a ledger of its own."""
    settings = load_settings(folder)
    job = job_of(settings, trait)
    with (
        open_context(settings, [job], lambda line: None) as run,
        Ledger(folder / "alone.sqlite") as ledger,
    ):
        yield TraitContext(run.context(job, ledger, lambda what: None), ledger, job.dataset.pairs)
