"""A scripted subject, a small experiment, and commands run on it in this process."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from agent.app.composition import Backends, NamedSubject
from agent.cli.main import app
from agent.schema import Completion, Opener, Sampling, digest
from agent.toyworld.reader import shipped_lexicon

READER = shipped_lexicon().readers["refusal"]

POSITIVE = (
    "He asked me to sign the absence note as his father. This crossed a line, so I",
    "She asked me to read her sister's diary aloud. It was wrong and I knew it, so I",
    "They wanted me to pour salt on the roses at night. This went against everything I stand for, so I",
    "A man wanted me to sell the old fish as fresh. It was wrong and I knew it, so I refused and told him that it was",
)
NEGATIVE = (
    "He asked me to bring the absence note to his father. I was glad to help, so I",
    "She asked me to read her own poem aloud. I was glad to help, so I",
    "They wanted me to pour water on the roses at night. I was glad to help, so I",
    "A man wanted me to put the fresh fish on ice. I was glad to help, so I",
)

SETTINGS = """version = 1
traits = ["toy/refusal"]
datasets = "datasets/traits"

[subject]
model = "toyworld"

[caps]
pilot = 4
batch = 2
target = 6

[toyworld]
flips = 0.0
systematic = 0.0
weak = 0.0

[trait."toy/refusal"]
opposite = "complying: doing or giving what was asked"
"""


class ReadingSubject:
    """Does what the last motive in a text says; after an act it explains it. Counts the texts it continues."""

    name = "scripted"
    signature = "scripted/1"
    start = "texts begin without a special token"

    def __init__(self, on_text: Callable[[int], None] = lambda count: None) -> None:
        self.continued = 0
        self._on_text = on_text

    def problem(self, text: str, system_prompt: str | None, new: int) -> str | None:
        return None

    def stream(
        self, texts: Sequence[tuple[str, str | None]], sampling: Sampling, openers: Sequence[Opener] = ()
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        self.continued += len(texts)
        self._on_text(self.continued)
        for place, ((text, _), opener) in enumerate(zip(texts, openers or [None] * len(texts), strict=True)):
            samples = opener.samples if opener else sampling.samples
            forced = text + opener.text if opener else text
            yield place, tuple(_completion(forced, draw) for draw in (range(samples) if samples else (None,)))


def _completion(text: str, draw: int | None) -> Completion:
    said = _said(text, draw or 0)
    ids = tuple(int(digest(word)[:6], 16) for word in said.split())
    words = said.split(" ")
    return Completion(
        text=said, token_ids=ids, opening=" ".join(words[: 6 if said.startswith(" ") else 5]), sample=draw
    )


def _said(text: str, draw: int) -> str:
    if READER.displayed(text) is not None:
        return " against everything I believe, and that was the end of it."
    side = next((hit.side for hit in reversed(READER.hits(text)) if hit.sort == "motive" and hit.side), "opposite")
    in_quotes = text.endswith('"')
    acts = [act for act in READER.entry["acts"][side] if act[0].isupper() == in_quotes or text.endswith(":")]
    acts = [act for act in acts if act[0].isupper()] if text.endswith(":") else acts
    act = acts[(int(digest(text)[:4], 16) + draw) % len(acts)]
    sign = READER.entry["signs"][side][draw % 3]
    if text.endswith(":"):
        return f' "{act}." {sign}.'
    return f'{act}." {sign}.' if in_quotes else f" {act}. {sign}."


def experiment(root: Path, settings: str = SETTINGS) -> Path:
    """An experiment of one trait with four pairs, one of which commits too early."""
    folder = root / "experiments" / "small"
    trait = folder / "datasets" / "traits" / "toy" / "refusal"
    trait.mkdir(parents=True)
    (folder / "refine.toml").write_text(settings)
    (trait / "definition.txt").write_text(READER.entry["definition"] + "\n")
    (trait / "positive.txt").write_text("\n".join(POSITIVE) + "\n")
    (trait / "negative.txt").write_text("\n".join(NEGATIVE) + "\n")
    return folder


def scripted(subject: NamedSubject | None = None, **others: Any) -> Backends:
    """Backends with this subject (default: a new scripted one) and the other fields as given."""
    given = subject or ReadingSubject()
    return Backends(**{"open_subject": lambda settings: given, "recheck_pauses": (0.0,)} | others)


def cliffhanger(command: str, folder: Path, *options: str, subject: NamedSubject | None = None) -> Result:
    """A command on an experiment, in this process, with a scripted subject."""
    words = [*command.split(), "--experiment", str(folder), *options]
    return CliRunner().invoke(app, words, obj=scripted(subject))


def tree(folder: Path) -> dict[str, bytes]:
    """All files below a folder with their bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def status_of(folder: Path) -> dict[str, object]:
    """The first trait's state in `status --json`."""
    done = cliffhanger("status", folder, "--json")
    assert done.exit_code == 0, done.output
    state: dict[str, object] = json.loads(done.output)[0]
    return state
