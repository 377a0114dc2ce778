"""One line that the subject cannot continue: named by the dry run, parked by the run, and the rest goes on."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.cli.main import app
from agent.review.proposal import Proposal
from agent.schema import Completion, Opener, Sampling
from tests.cli.scripted import NEGATIVE, ReadingSubject, cliffhanger, experiment, tree

LONG = "She asked me to read her own poem aloud, all day long. I was glad to help, so I"


class WindowSubject(ReadingSubject):
    """Cannot continue what lasts all day; `by_tokenizer`: its tokenizer is enough to know."""

    def __init__(self, by_tokenizer: bool) -> None:
        super().__init__()
        self.by_tokenizer = by_tokenizer

    def problem(self, text: str, system_prompt: str | None, new: int) -> str | None:
        return "It takes 900 tokens." if self.by_tokenizer and "all day" in text else None

    def stream(
        self, texts: Sequence[tuple[str, str | None]], sampling: Sampling, openers: Sequence[Opener] = ()
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        for place, made in super().stream(texts, sampling, openers):
            bad = "all day" in texts[place][0]
            yield place, tuple(_failed(one) for one in made) if bad else made


def _failed(made: Completion) -> Completion:
    return Completion(text="", token_ids=(), opening="", sample=made.sample, failure="It takes 900 tokens.")


def with_long_line(root: Path) -> Path:
    folder = experiment(root)
    lines = [NEGATIVE[0], LONG, *NEGATIVE[2:]]
    (folder / "datasets/traits/toy/refusal/negative.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize("by_tokenizer", [True, False])
def test_its_pair_is_parked_with_file_and_line_and_a_draft_fills_its_place(tmp_path: Path, by_tokenizer: bool) -> None:
    folder = with_long_line(tmp_path)
    done = cliffhanger("run", folder, subject=WindowSubject(by_tokenizer))
    assert done.exit_code == 2, done.output
    warned = "negative.txt:2: warning: the subject cannot continue this text: its pair is parked. It takes 900 tokens."
    assert (warned in done.output) == by_tokenizer
    place = folder / "extraction/toy/refusal/refinement"
    proposal = Proposal.model_validate_json((place / "proposal.json").read_bytes())
    assert [change.what for change in proposal.changes if change.pair == "d0001"] == ["parked"]
    assert "negative.txt:2: the subject cannot continue this text. It takes 900 tokens." in (
        place / "history.jsonl"
    ).read_text(encoding="utf-8")
    assert len((place / "final/positive.txt").read_text().splitlines()) == 6
    assert (place / "report.html").is_file()
    before = tree(place / "final")
    again = cliffhanger("run", folder, subject=WindowSubject(by_tokenizer))
    assert (again.exit_code, tree(place / "final")) == (2, before)


def test_the_manual_steps_leave_it_unjudged(tmp_path: Path) -> None:
    done = cliffhanger("vet", with_long_line(tmp_path), "--only-stage", "2", subject=WindowSubject(True))
    assert done.exit_code == 2, done.output
    assert "1 could not be judged" in done.output


def dry_run(folder: Path, **subject: str) -> tuple[int, str]:
    path = folder / "refine.toml"
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in subject.items())
    path.write_text(path.read_text().replace('model = "toyworld"\n', lines or 'model = "toyworld"\n', 1))
    done = CliRunner().invoke(app, ["run", "--experiment", str(folder), "--dry-run"])
    return done.exit_code, done.output


def test_the_dry_run_names_it_and_loads_no_weights(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    path = folder / "datasets/traits/toy/refusal/positive.txt"
    path.write_text(path.read_text().replace("They", "It was late. " * 300 + "They", 1))
    code, said = dry_run(folder)
    assert code == 0
    assert "positive.txt:3: warning: the subject cannot continue this text: its pair is parked. It takes 1" in said
    assert "exceed the subject's window of 512: shorten it, or lower rules.max_new_tokens." in said


def test_the_dry_run_says_what_is_no_model_and_what_is_not_downloaded_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gguf").mkdir()
    (tmp_path / "gguf" / "tiny.gguf").write_bytes(b"GGUF")
    code, said = dry_run(experiment(tmp_path / "one"), model=str(tmp_path / "gguf"))
    assert code == 64
    assert f"problem: gguf in {tmp_path / 'gguf'} is a GGUF file, which is for llama.cpp" in said
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    _, said = dry_run(experiment(tmp_path / "two"), model="nobody/no-such-model")
    assert "problem: nobody" not in said
    assert "nobody/no-such-model is not in the local cache yet. The run downloads it" in said


def test_a_run_with_another_start_of_texts_says_what_it_buys_again(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    earlier, now = ReadingSubject(), ReadingSubject()
    earlier.signature, now.signature = "tiny@abc/float32/1", "tiny@abc/float32/2"
    cliffhanger("run", folder, "--max-rounds", "1", subject=earlier)
    said = cliffhanger("run", folder, "--max-rounds", "1", subject=now).output
    assert "new campaign, because subject changed" in said
    assert "Earlier runs put a beginning-of-sequence token in front: all completions" in said
    assert "Earlier runs" not in cliffhanger("run", folder, "--max-rounds", "2", subject=now).output
