"""Before the first paid call: everything free is checked first, and each failure is a sentence with its remedy."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.cli import app
from agent.cli.compose import described
from agent.config import load_settings
from agent.schema import Completion, Mode, NegativeTest, Sampling
from tests.cli.scripted import SETTINGS, ReadingSubject, experiment, tree

REMOTE = SETTINGS + '\n[judge]\nmodel = "gpt-4.1-mini"\n'
# The discard port of this machine: nothing listens there.
UNREACHABLE = SETTINGS + '\n[judge]\nmodel = "any"\nbase_url = "http://127.0.0.1:9/v1"\n'


def run(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["run", "--experiment", str(folder), *options])


@pytest.fixture
def nothing_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a model may be loaded nor an endpoint opened."""

    def forbidden(*_: object) -> None:
        raise AssertionError("this is not for before the free checks")

    monkeypatch.setattr("agent.cli.preflight.open_subject", forbidden)
    monkeypatch.setattr("agent.cli.preflight.open_llm", forbidden)


class SilentSubject(ReadingSubject):
    """Ends every text at once, as a chat model without its template may."""

    def stream(
        self, texts: Sequence[tuple[str, str | None]], sampling: Sampling
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        for place in range(len(texts)):
            yield place, (Completion(text="", token_ids=(), opening=""),)


@pytest.mark.usefixtures("nothing_loads")
def test_a_missing_key_is_named_with_its_variable_before_anything_is_loaded(tmp_path: Path) -> None:
    folder = experiment(tmp_path, REMOTE)
    before = tree(folder)
    done = run(folder)
    assert done.exit_code == 64
    assert "OPENAI_API_KEY" in done.output
    assert "author and judge and auditor" in done.output
    assert tree(folder) == before


@pytest.mark.usefixtures("nothing_loads")
def test_all_free_problems_are_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.cli.preflight.ENOUGH_DISK", 10**18)
    done = run(experiment(tmp_path, REMOTE))
    assert done.exit_code == 64
    assert "OPENAI_API_KEY" in done.output
    assert "free some space" in done.output


@pytest.mark.usefixtures("nothing_loads")
def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    (folder / "extraction").write_text("not a folder")
    done = run(folder)
    assert done.exit_code == 64
    assert "cannot be written in" in done.output


@pytest.mark.usefixtures("nothing_loads")
def test_every_dataset_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    trait = folder / "datasets/traits/toy/refusal"
    (trait / "positive.txt").write_text("one line only, so I\n")
    done = run(folder, "--traits", "toy/refusal,toy/missing")
    assert done.exit_code == 64
    assert "--pair-by-similarity" in done.output
    assert "There is no definition.txt" in done.output


def test_a_subject_that_says_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.cli.preflight.open_subject", lambda settings: SilentSubject())
    done = run(experiment(tmp_path))
    assert done.exit_code == 64
    assert "use a base model" in done.output


def test_an_endpoint_that_is_not_there_is_named_with_its_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.cli.preflight.open_subject", lambda settings: ReadingSubject())
    done = run(experiment(tmp_path, UNREACHABLE))
    assert done.exit_code == 64
    assert "127.0.0.1:9" in done.output
    assert "Traceback" not in done.output


@pytest.mark.usefixtures("nothing_loads")
def test_a_dry_run_tells_all_and_changes_nothing(tmp_path: Path) -> None:
    folder = experiment(tmp_path, REMOTE)
    before = tree(tmp_path)
    done = run(folder, "--dry-run", "--max-rounds", "3")
    assert done.exit_code == 0, done.output
    assert tree(tmp_path) == before
    assert "starts from 4 pairs; wants 6" in done.output
    assert "judge: gpt-4.1-mini at https://api.openai.com/v1" in done.output
    assert "before a run: The environment variable OPENAI_API_KEY is empty" in done.output
    assert "under --max-rounds 3" in done.output
    assert "Nothing was asked" in done.output


def test_an_opposite_left_unsaid_is_read_from_the_definition(tmp_path: Path) -> None:
    settings = load_settings(experiment(tmp_path, SETTINGS.partition("[trait")[0]))
    told = "HIGH (70-100): it refuses\nMID (30-70): it hedges\nLOW (0-30): it complies, plainly \nKey: the act"
    trait = described(settings, "toy/refusal", told)
    assert trait.opposite == "it complies, plainly"
    assert (trait.mode, trait.negative_test) == (Mode.DECISION, NegativeTest.OPPOSITE)
    assert described(settings, "toy/refusal", "no such lines").opposite == "the opposite of refusal"
