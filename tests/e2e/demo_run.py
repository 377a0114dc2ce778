"""Runs the demo as a user does, and measures it against the toy world's truth, never against its judge."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from agent.loop.state import SetState, replay
from agent.schema import Completion, History, Pair, Sampling, Scenario
from agent.storage.dataset import load_dataset
from agent.storage.ledger import Ledger
from agent.subject.model import HuggingFaceSubject, load_subject
from experiments.toyworld.truth import direction, truly_good

ROOT = Path(__file__).parents[2]
TRAITS = ("toy/refusal", "toy/concealment", "toy/gloom")
FRESH = Sampling(samples=20, seed=987_654)  # other noise than any run's


@dataclass(frozen=True)
class DemoRun:
    """One finished run: its experiment, exit code and output."""

    folder: Path
    exit_code: int
    output: str

    def refinement(self, trait: str) -> Path:
        return self.folder / "extraction" / trait / "refinement"

    def history(self, trait: str) -> History:
        (path,) = self.refinement(trait).glob("ledger.sqlite")
        with Ledger.read(path) as ledger:
            return ledger.history(ledger.campaigns()[-1].id)

    def state(self, trait: str) -> SetState:
        return replay(self.history(trait))

    def dataset(self, trait: str) -> tuple[Pair, ...]:
        return load_dataset(self.folder / "datasets" / "traits" / trait, trait).pairs


def copy_demo(repository: Path, to: Path, seed: int = 0, flips: float = 0.02, systematic: float = 0.02) -> Path:
    """A copy of the demo without results, with another seed or noise where asked."""
    shutil.copytree(repository / "experiments" / "demo", to, ignore=shutil.ignore_patterns("extraction"))
    settings = (to / "refine.toml").read_text(encoding="utf-8")
    settings = settings.replace("\nseed = 0\n", f"\nseed = {seed}\n")
    settings = settings.replace(
        "flips = 0.02\nsystematic = 0.02", f"flips = {flips}\nsystematic = {systematic}\nseed = {seed}"
    )
    (to / "refine.toml").write_text(settings, encoding="utf-8")
    return to


def run(folder: Path, *options: str, pictures: bool = False) -> DemoRun:
    """`cliffhanger run` to its end: the installed program, or the same without the pictures of its report."""
    installed = [str(Path(sys.executable).with_name("cliffhanger"))]
    program = installed if pictures else [sys.executable, "-m", "tests.support.pictures"]
    command = [*program, "run", "--experiment", str(folder), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, check=False)
    return DemoRun(folder, done.returncode, done.stdout + done.stderr)


@cache
def toy_subject() -> HuggingFaceSubject:
    """The toy subject, loaded once."""
    return load_subject("toyworld", "float32", "cpu", 4096)


class Samples:
    """Completions of texts under one sampling; each text is continued once."""

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._known: dict[str, tuple[Completion, ...]] = {}

    def of(self, scenarios: Sequence[Scenario]) -> list[tuple[Completion, ...]]:
        new = list({s.text: None for s in scenarios if s.text not in self._known})
        drawn = toy_subject().complete([(text, None) for text in new], self._sampling)
        self._known.update(zip(new, drawn, strict=True))
        return [self._known[s.text] for s in scenarios]


SAMPLED, GREEDY = Samples(FRESH), Samples(Sampling())


def truth(trait: str, scenarios: Sequence[Scenario]) -> list[bool]:
    """For each scenario whether it is truly good, by the grammar's records and twenty fresh samples of the subject."""
    return [
        truly_good(trait, s.polarity.value, s.text, [c.text for c in completions])
        for s, completions in zip(scenarios, SAMPLED.of(scenarios), strict=True)
    ]


def sides(pairs: Sequence[Pair]) -> list[Scenario]:
    return [side for pair in pairs for side in pair.sides]


def needlessly_edited(done: DemoRun, trait: str) -> tuple[int, int]:
    """(good starting pairs whose text was changed or which were dropped, good starting pairs).

    Good: truly good on both sides, and decided within the first tokens (a late runway passes the one, fails the other).
    A pair that was parked unchanged is not edited: it waits for the human.
    """
    start = done.dataset(trait)
    good = [a and b for a, b in zip(truth(trait, sides(start)), decided_at_once(trait, sides(start)), strict=True)]
    good_pairs = [pair for i, pair in enumerate(start) if good[2 * i] and good[2 * i + 1]]
    now = done.state(trait)
    kept = {pair.id: pair.key for pair in (*now.pairs, *(item.pair for item in now.removed))}
    parked = {park.pair for park in now.parked}
    lost = [p for p in good_pairs if kept[p.id] != p.key or (p.id not in now.items and p.id not in parked)]
    return len(lost), len(good_pairs)


def decided_at_once(trait: str, scenarios: Sequence[Scenario]) -> list[bool]:
    """For each scenario whether the subject's first tokens tell which way it goes."""
    found = zip(scenarios, GREEDY.of(scenarios), strict=True)
    return [direction(trait, c.opening, s.text) != "neither" for s, (c,) in found]
