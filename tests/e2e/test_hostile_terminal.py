"""One corpus of hostile texts through every way to a terminal: no byte of it is obeyed, none hides or turns a text."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from agent.cli.main import app
from agent.review.proposal import PROPOSAL
from agent.schema import Ending, Role, Stop
from agent.storage.experiment import ExperimentFolder
from agent.storage.ledger import Ledger
from agent.supervision.display import RunDisplay
from agent.supervision.progress import Progress
from agent.text import safe_text
from tests.cli.pseudo_terminal import stray_controls
from tests.cli.scripted import experiment
from tests.hostile import AWAY, HALVES, TEXTS
from tests.loop.histories import adopted, history
from tests.review.example import proposal
from tests.support.bases import basis

TRAIT = "toy/refusal"
TYPED = [text for text in TEXTS if len(text) < 1000]  # what a command line can hold


def is_harmless(shown: str) -> bool:
    """Whether a terminal shows each character of it as itself, line by line."""
    return all(safe_text(line) == line for line in shown.split("\n"))


def test_whatever_is_typed_is_refused_in_harmless_sentences(tmp_path: Path) -> None:
    folder = str(experiment(tmp_path))
    for text in (*TYPED, *HALVES):
        for words in (
            [text],
            ["status", text],
            ["status", "-e", f"{folder}/{text}"],
            ["status", "-e", folder, "--traits", text],
            ["run", "-e", folder, "--dry-run", "--until", text],
            ["init", text, "-e", folder],
            ["decisions", "import", "-e", folder, "--trait", text, "--from", text],
        ):
            done = CliRunner().invoke(app, words)
            assert done.exception is None or isinstance(done.exception, SystemExit), (words, done.exception)
            assert done.exit_code in (0, 64), words
            assert is_harmless(done.output), words


def cliffhanger(folder: Path, *words: str) -> Result:
    done = CliRunner().invoke(app, [*words, "-e", str(folder)])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert is_harmless(done.output)
    return done


def damaged(folder: Path, text: str) -> list[tuple[Path, str, tuple[str, ...]]]:
    """(file, what a text makes of it, the command that reads it) of all files that somebody may have spoilt."""
    settings, dataset = folder / "refine.toml", folder / "datasets" / "traits" / TRAIT
    told, gold = json.dumps(text), folder / "gold.jsonl"
    unknown = f"{settings.read_text(encoding='utf-8')}\n[judge]\n{told} = {told}"
    return [
        (settings, text, ("status",)),
        (settings, f"version = {text}", ("status",)),
        (settings, unknown, ("status",)),
        (ExperimentFolder(folder, TRAIT).refinement / "decisions.jsonl", f"{text}\n{{}}\n", ("apply",)),
        (dataset / "positive.jsonl", f"{text}\n{{{text}\n", ("run", "--dry-run")),
        (gold, f"{text}\n{json.dumps({'id': text, 'span': text, 'trait': text})}\n", ("calibrate", str(gold))),
    ]


def test_files_that_cannot_be_read_are_named_and_quoted_harmlessly(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    refinement = ExperimentFolder(folder, TRAIT).refinement
    refinement.mkdir(parents=True)
    (refinement / PROPOSAL).write_bytes(proposal([]).model_dump_json().encode())
    for text in TEXTS:
        for place, content, words in damaged(folder, text):
            before = place.read_bytes() if place.exists() else None
            place.write_bytes(content.encode())
            done = cliffhanger(folder, *words)
            assert (done.exit_code, place.name in done.output) == (64, True), (words, text[:80], done.output[:300])
            if before is None:
                place.unlink()
            else:
                place.write_bytes(before)


def test_the_state_of_a_run_is_told_harmlessly(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    place = ExperimentFolder(folder, TRAIT)
    for group in (TEXTS[i::40] for i in range(40)):
        with Ledger(place.ledger_path) as ledger:
            campaign = ledger.campaign(basis(), new=True)
            ledger.append(campaign, history(adopted([]))[0])
            for text in group:
                ledger.record_failure(ledger.begin_attempt("key", Role.JUDGE, text), f"Malformed {text}", text)
                ledger.begin_attempt("open", Role.JUDGE, text)
        told = proposal([]).model_copy(update={"campaign": campaign, "rounds": 1})
        stop = Stop(ending=Ending.NOT_READY, why=" ".join(group))
        (place.refinement / PROPOSAL).write_bytes(told.model_copy(update={"stop": stop}).model_dump_json().encode())
        said = cliffhanger(folder, "status").output
        assert safe_text(group[0][:500]) in said
        assert json.loads(cliffhanger(folder, "status", "--json").output)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_the_screen_of_a_run_obeys_nothing(is_terminal: bool) -> None:
    sink, progress = io.StringIO(), Progress((TRAIT,))
    console = Console(file=sink, force_terminal=is_terminal, width=100, height=40)
    with RunDisplay(console, progress, lambda: [TEXTS[0]], poll=60.0) as screen:
        screen.add_trait(TRAIT, 4)
        for text in (*TEXTS, *HALVES):
            progress.error(text)
            progress.pause("who", text)
            progress.stage(TRAIT, text)
            screen.refresh()
        screen.print(*TEXTS, *HALVES)
        screen.print_table(("a", "b"), [("x", text[:300]) for text in (*TEXTS, *HALVES)])
    shown = sink.getvalue()
    assert stray_controls(shown.encode()) == ""
    assert AWAY in shown
    assert not any(code in shown for code in ("\x1b[1;7;35m", "\x1b[8m", "\x1b[999;999H", "\x1b[c", "\x1b[6n", "\x1bc"))
    assert is_terminal or is_harmless(shown)
