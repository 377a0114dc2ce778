"""Preflight: free checks come before the first paid call, and each failure is a sentence with its remedy."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import copytree
from typing import NoReturn

import pytest
from typer.testing import CliRunner, Result

from agent.app import preflight
from agent.app.composition import Backends, described
from agent.cli.main import app
from agent.config.load import load_settings
from agent.config.settings import Settings
from agent.llm.client import LLMClient
from agent.schema import Completion, Mode, NegativeTest, Opener, Sampling
from agent.storage.experiment import ExperimentFolder
from agent.storage.ledger import Ledger
from tests.cli.scripted import SETTINGS, ReadingSubject, cliffhanger, experiment, tree

REMOTE = SETTINGS + '\n[judge]\nmodel = "gpt-4.1-mini"\n'
# The discard port of this machine: nothing listens there.
UNREACHABLE = SETTINGS + '\n[judge]\nmodel = "any"\nbase_url = "http://127.0.0.1:9/v1"\n'


def run(folder: Path, *options: str, subject: ReadingSubject | None = None) -> Result:
    return cliffhanger("run", folder, *options, subject=subject)


def _too_early(*_: object) -> NoReturn:
    raise AssertionError("this is not for before the free checks")


class NoBackends(Backends):
    """Neither a model may be loaded nor an endpoint opened."""

    def open_llm(self, settings: Settings, roles: object = (), on_wait: object = None) -> LLMClient:
        _too_early()


def checked(folder: Path, *options: str) -> Result:
    """A run that may load and open nothing."""
    words = ["run", "--experiment", str(folder), *options]
    return CliRunner().invoke(app, words, obj=NoBackends(open_subject=_too_early))


class SilentSubject(ReadingSubject):
    """Ends every text at once, as a chat model without its template may."""

    def stream(
        self, texts: Sequence[tuple[str, str | None]], sampling: Sampling, openers: Sequence[Opener] = ()
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        for place in range(len(texts)):
            yield place, (Completion(text="", token_ids=(), opening=""),)


def test_a_missing_key_is_named_with_its_variable_before_anything_is_loaded(tmp_path: Path) -> None:
    folder = experiment(tmp_path, REMOTE)
    before = tree(folder)
    done = checked(folder)
    assert done.exit_code == 64
    assert "OPENAI_API_KEY" in done.output
    assert "author and judge and auditor" in done.output
    assert tree(folder) == before


def test_all_free_problems_are_listed_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "MIN_FREE_BYTES", 10**18)
    done = checked(experiment(tmp_path, REMOTE))
    assert done.exit_code == 64
    assert "OPENAI_API_KEY" in done.output
    assert "Free some space" in done.output


def test_a_folder_that_is_not_writable_is_named(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    (folder / "extraction").write_text("not a folder")
    done = checked(folder)
    assert done.exit_code == 64
    assert "is not writable" in done.output


@pytest.mark.parametrize("way", [(), ("--diagnostic",)])
def test_a_second_run_of_a_trait_ends_before_anything_is_loaded(tmp_path: Path, way: tuple[str, ...]) -> None:
    folder = experiment(tmp_path)
    with Ledger(ExperimentFolder(folder, "toy/refusal").ledger_path):
        done = checked(folder, *way)
    assert done.exit_code == 64
    assert "toy/refusal: another run is writing its ledger." in done.output
    assert f"status --experiment {folder} --traits toy/refusal`" in done.output


def test_a_file_named_stop_ends_a_run_before_anything_is_loaded(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    stop_file = ExperimentFolder(folder, "toy/refusal").stop_file
    stop_file.parent.mkdir(parents=True)
    stop_file.touch()
    done = checked(folder)
    assert done.exit_code == 6
    assert (
        f"Not started, because a stop is requested (the file {stop_file}; `cliffhanger resume` removes it)."
        in " ".join(done.output.split())
    )


def test_a_locked_trait_does_not_keep_another_from_running(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    trait = folder / "datasets/traits/toy"
    copytree(trait / "refusal", trait / "denial")
    with Ledger(ExperimentFolder(folder, "toy/refusal").ledger_path):
        done = run(folder, "--traits", "toy/refusal,toy/denial", "--max-rounds", "0")
    assert done.exit_code == 64
    assert "toy/refusal: Another run is writing" in done.output
    assert "toy/denial: cap" in done.output


def test_every_unusable_dataset_is_named(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    trait = folder / "datasets/traits/toy/refusal"
    (trait / "positive.txt").write_text("one line only, so I\n")
    (trait.parent / "missing").mkdir()
    done = checked(folder, "--traits", "toy/refusal,toy/missing")
    assert done.exit_code == 64
    assert "--pair-by-similarity" in done.output
    assert "There is no definition.txt" in done.output


def test_a_subject_that_generates_nothing_is_refused(tmp_path: Path) -> None:
    done = run(experiment(tmp_path), subject=SilentSubject())
    assert done.exit_code == 64
    assert "Use a base model" in done.output


def test_an_unreachable_endpoint_is_named_with_its_url(tmp_path: Path) -> None:
    done = run(experiment(tmp_path, UNREACHABLE))
    assert done.exit_code == 64
    assert "127.0.0.1:9" in done.output
    assert "Traceback" not in done.output


def test_a_dry_run_prints_the_plan_and_its_problems_and_changes_nothing(tmp_path: Path) -> None:
    folder = experiment(tmp_path, REMOTE)
    before = tree(tmp_path)
    done = checked(folder, "--dry-run", "--max-rounds", "3")
    assert done.exit_code == 64, done.output
    assert tree(tmp_path) == before
    assert "starts from 4 pairs; target 6 pairs" in done.output
    assert f"dataset: {folder / 'datasets/traits/toy/refusal'} (set by `datasets` in refine.toml" in done.output
    assert "judge: gpt-4.1-mini at https://api.openai.com/v1" in done.output
    assert "problem: The environment variable OPENAI_API_KEY is empty" in done.output
    assert "Cannot start (exit code 64). Fix this first." in done.output
    assert "(--max-rounds 3," in done.output
    assert "No call was made" in done.output


@pytest.mark.parametrize("option", ["--max-usd", "--max-calls", "--max-minutes", "--max-pause", "--max-rounds"])
def test_an_invalid_option_is_named_as_it_was_typed(tmp_path: Path, option: str) -> None:
    done = run(experiment(tmp_path), f"{option}=-3", "--dry-run")
    assert done.exit_code == 64
    assert done.output.startswith(f"cliffhanger: {option} should be greater than")
    assert "refine.toml" not in done.output


def test_a_dry_run_does_not_call_a_model_without_a_price_free(tmp_path: Path) -> None:
    said = checked(experiment(tmp_path, UNREACHABLE), "--dry-run").output
    assert "price unknown" in said
    assert "cost unknown" in said
    assert "calls, free" not in said
    assert "calls, free" in checked(experiment(tmp_path / "free"), "--dry-run").output


def test_a_dry_run_without_a_problem_ends_with_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none-of-your-business")
    done = checked(experiment(tmp_path, REMOTE), "--dry-run")
    assert done.exit_code == 0, done.output
    assert "problem" not in done.output


UNKNOWN_TRAIT = "HIGH (70-100): envies\nMID (30-70): half\nLOW (0-30): is glad for others\nKey: the envy"


@pytest.mark.parametrize(
    ("definition", "result"),
    [(UNKNOWN_TRAIT, "cannot handle"), (f"{UNKNOWN_TRAIT}: it must refuse", "treats toy/envy as refusal")],
)
def test_a_dry_run_warns_about_a_trait_that_the_toy_world_does_not_know(
    tmp_path: Path, definition: str, result: str
) -> None:
    folder = experiment(tmp_path)
    (folder / "datasets/traits/toy/envy").mkdir()
    (folder / "datasets/traits/toy/envy/definition.txt").write_text(definition)
    output = run(folder, "--dry-run", "--traits", "toy/envy").output
    assert "It knows only refusal, concealment, gloom" in output
    assert result in output
    assert "under [author] and [judge]" in output
    assert "It knows" not in run(folder, "--dry-run").output


@pytest.mark.parametrize("command", ["run", "status", "review", "failures"])
@pytest.mark.parametrize("named", ["toy/refusl", "refusal", "tie/refusal"])
def test_an_unknown_trait_is_refused_with_a_suggestion(tmp_path: Path, command: str, named: str) -> None:
    done = CliRunner().invoke(app, [command, "-e", str(experiment(tmp_path)), "--traits", named])
    assert done.exit_code == 64
    assert f"--traits {named}: unknown trait. Did you mean toy/refusal?" in done.output


def test_a_trait_without_its_category_is_suggested_by_its_name(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    (folder / "datasets/traits/emotion_set/fear").mkdir(parents=True)
    assert "Did you mean emotion_set/fear?" in run(folder, "--traits", "fear").output


def test_an_unknown_trait_without_a_similar_one_is_refused_with_all_known_ones(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    (folder / "datasets/traits/toy/gloom").mkdir()
    done = run(folder, "--traits", "toy/refusal,chirp/envy", "--dry-run")
    assert done.exit_code == 64
    assert "Known traits: toy/refusal, toy/gloom (" in done.output
    assert "Did you mean" not in done.output


def test_a_trait_without_a_dataset_is_refused_with_the_folder_searched(tmp_path: Path) -> None:
    folder = experiment(tmp_path, SETTINGS.replace('"toy/refusal"', '"toy/envy"').partition("[trait")[0])
    done = run(folder)
    assert done.exit_code == 64
    assert f"no definition.txt in {folder / 'datasets/traits/toy/envy'}" in done.output
    assert "set `datasets` in refine.toml" in done.output


def test_the_default_opposite_is_read_from_the_definition(tmp_path: Path) -> None:
    settings = load_settings(experiment(tmp_path, SETTINGS.partition("[trait")[0]))
    told = "HIGH (70-100): it refuses\nMID (30-70): it hedges\nLOW (0-30): it complies, plainly \nKey: the act"
    trait = described(settings, "toy/refusal", told)
    assert trait.opposite == "it complies, plainly"
    assert (trait.mode, trait.negative_test) == (Mode.DECISION, NegativeTest.OPPOSITE)
    assert described(settings, "toy/refusal", "no such lines").opposite == "the opposite of refusal"
