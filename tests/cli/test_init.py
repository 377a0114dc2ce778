"""`init`: a trait from one line, written where a run reads it; nothing is overwritten."""

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from agent.app.init_trait import Description, read_description, with_trait
from agent.cli.main import app
from agent.config.load import load_settings
from agent.errors import UserError
from agent.schema import Mode, Nature, NegativeTest, Reply
from tests.cli.scripted import cliffhanger, experiment, tree

DEFINITION = (
    "HIGH (70-100): it does\nMID (30-70): it half does\nLOW (0-30): it does not\nNear: it tries\nKey: the doing"
)
FOUND = Description(
    definition=DEFINITION,
    opposite='not doing: "leaving it"',
    mode=Mode.DECISION,
    nature=(Nature.FEELING, Nature.SPEECH),
    negative_test=NegativeTest.OPPOSITE,
    reason="It is an act.",
)


def init(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["init", *arguments, "--experiment", str(folder)])


def test_a_described_trait_can_be_run_at_once(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    done = init(folder, "toy/gloom", "a gloomy way of telling things")
    assert done.exit_code == 0, done.output
    assert "mode sustained" in done.output
    definition = (folder / "datasets/traits/toy/gloom/definition.txt").read_text()
    assert definition.startswith("HIGH (70-100): ")
    assert definition in done.output.replace("\n  ", "\n")
    settings = load_settings(folder)
    assert settings.traits == ("toy/refusal", "toy/gloom")
    assert settings.of("toy/gloom").mode is Mode.SUSTAINED
    planned = cliffhanger("run", folder, "--traits", "toy/gloom", "--dry-run")
    assert planned.exit_code == 0
    assert "starts from its definition alone" in planned.output


def test_a_trait_id_without_a_category_is_refused_with_an_example(tmp_path: Path) -> None:
    done = init(experiment(tmp_path), "gloom", "low")
    assert done.exit_code == 64
    assert done.output.strip() == "cliffhanger: 'gloom' is not a trait id. Use category/name, such as toy/gloom."


def test_the_dataset_folder_and_its_setting_are_printed(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    said = init(folder, "toy/gloom", "a gloomy way of telling things").output
    assert f"Dataset folder: {folder / 'datasets/traits/toy/gloom'}" in said
    assert "`datasets` in refine.toml" in said
    assert "It knows" not in said


def test_the_toy_author_warns_about_a_trait_that_it_does_not_know(tmp_path: Path) -> None:
    said = init(experiment(tmp_path), "toy/envy", "resenting what others have").output
    assert "The toy world is author and judge here. It knows only refusal, concealment, gloom" in said
    assert "cannot handle toy/envy" in said


def test_a_dry_run_shows_the_description_and_writes_nothing(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    before = tree(tmp_path)
    done = init(folder, "toy/gloom", "a gloomy way of telling things", "--dry-run")
    assert done.exit_code == 0
    assert "HIGH (70-100)" in done.output
    assert tree(tmp_path) == before


def test_an_existing_definition_is_kept_and_the_rest_is_added(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    definition = folder / "datasets/traits/toy/gloom/definition.txt"
    definition.parent.mkdir(parents=True)
    definition.write_text("HIGH: gloomy through and through.\nLOW: cheerful.\n")
    before = definition.read_bytes()
    done = init(folder, "toy/gloom")
    assert done.exit_code == 0, done.output
    assert "gloomy through and through" in done.output
    assert definition.read_bytes() == before
    assert load_settings(folder).of("toy/gloom").mode is Mode.SUSTAINED


def test_a_trait_without_definition_and_description_is_refused(tmp_path: Path) -> None:
    done = init(experiment(tmp_path), "toy/gloom")
    assert done.exit_code == 64
    assert "Describe the trait in one line" in done.output


def test_options_override_the_author_and_both_are_shown(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    done = init(
        folder,
        "toy/gloom",
        "a gloomy way",
        "--mode",
        "primed",
        "--negative-test",
        "absence",
        "--nature",
        "feeling, act",
    )
    assert done.exit_code == 0, done.output
    assert "mode sustained" in done.output
    assert "overridden by your options: mode primed, nature feeling and act, negatives absence" in done.output
    chosen = load_settings(folder).of("toy/gloom")
    assert (chosen.mode, chosen.negative_test) == (Mode.PRIMED, NegativeTest.ABSENCE)
    assert chosen.nature == (Nature.FEELING, Nature.ACT)


def test_an_unknown_nature_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    done = init(experiment(tmp_path), "toy/gloom", "a gloomy way", "--nature", "feeling,mood")
    assert done.exit_code == 64
    assert "--nature feeling,mood: unknown value. Use one or more of act, speech, feeling, thought, by commas." in (
        " ".join(done.output.split())
    )


def test_an_unknown_mode_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    done = init(experiment(tmp_path), "toy/gloom", "a gloomy way", "--mode", "vibes")
    assert done.exit_code == 64
    assert "Use one of decision, primed, sustained" in done.output


@pytest.mark.parametrize("trait", ["gloom", "../gloom", "a/b/c", "/a/b", "a/..", "a b/c", ""])
def test_a_trait_id_that_is_not_a_plain_path_is_refused(tmp_path: Path, trait: str) -> None:
    folder = experiment(tmp_path)
    before = tree(tmp_path)
    assert init(folder, trait, "something").exit_code == 64
    assert tree(tmp_path) == before


def test_what_exists_is_never_overwritten(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    before = tree(tmp_path)
    done = init(folder, "toy/refusal", "refusing requests")
    assert done.exit_code == 64
    assert "definition.txt exists already" in done.output
    (folder / "datasets/traits/toy/refusal/definition.txt").unlink()
    done = init(folder, "toy/refusal", "refusing requests")
    assert done.exit_code == 64
    assert "Edit it by hand" in done.output
    del before["experiments/small/datasets/traits/toy/refusal/definition.txt"]
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    "written",
    [
        'version = 1\ntraits = ["a/b"]\n[subject]\nmodel = "x"',
        'version = 1\ntraits = []\n[subject]\nmodel = "x"\n',
        'version = 1\ntraits=["a/b",]  # the first\n[subject]\nmodel = "x"\n',
        'version = 1\ntraits = [\n  "a/b",\n  "a/c",\n]\n[subject]\nmodel = "x"\n[trait."a/b"]\nmode = "primed"\n',
        'version = 1\ntraits = ["a/b", "new/one"]\n[subject]\nmodel = "x"\n',
        'version = 1\ntraits = ["a]b/c"]\n[subject]\nmodel = "x"\n',
        'version = 1\ntraits = [\n  "a/b", # not this ] one\n]\n[subject]\nmodel = "x"\n',
        'version = 1\r\ntraits = ["a/b"]\r\n',
    ],
)
def test_the_settings_gain_the_trait_and_keep_everything_else(written: str) -> None:
    text = with_trait(written, "new/one", FOUND)
    before, after = tomllib.loads(written), tomllib.loads(text)
    assert after["traits"] == [*dict.fromkeys([*before["traits"], "new/one"])]
    assert after["trait"].pop("new/one") == {
        "mode": "decision",
        "opposite": 'not doing: "leaving it"',
        "nature": ["feeling", "speech"],
        "negative_test": "opposite",
    }
    assert after["trait"] == before.get("trait", {})
    assert {k: v for k, v in after.items() if k not in ("traits", "trait")} == {
        k: v for k, v in before.items() if k not in ("traits", "trait")
    }


def test_a_mark_and_windows_line_ends_of_the_settings_are_kept() -> None:
    written = '\ufeff# mine\r\nversion = 1\r\ntraits = ["a/b"]\r\n'
    text = with_trait(written, "new/one", FOUND)
    assert text.startswith('\ufeff# mine\r\nversion = 1\r\ntraits = ["a/b", "new/one"]\r\n')
    assert text.count("\n") == text.count("\r\n") > 4


def test_a_definition_with_nearly_the_right_name_is_no_reason_to_write_a_second_one(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    trait = folder / "datasets/traits/toy/gloom"
    trait.mkdir(parents=True)
    (trait / "Definition.txt").write_text(DEFINITION)
    before = tree(folder)
    done = init(folder, "toy/gloom", "a gloomy way of telling things")
    assert done.exit_code == 64
    assert "Definition.txt: error: is not read, and there is no definition.txt: rename it" in done.output
    assert tree(folder) == before


def test_comments_and_layout_of_the_settings_are_kept() -> None:
    written = "# mine\nversion = 1\ntraits = [\n  'a/b',  # first\n]\n\n[subject]   # small\nmodel = 'x'\n"
    text = with_trait(written, "new/one", FOUND)
    assert text.startswith(written.partition("]")[0])
    assert "\n\n[subject]   # small\nmodel = 'x'\n" in text
    assert tomllib.loads(text)["traits"] == ["a/b", "new/one"]


def test_settings_without_a_list_of_traits_gain_one() -> None:
    assert tomllib.loads(with_trait("version = 1\n", "new/one", FOUND))["traits"] == ["new/one"]


def test_settings_that_are_not_toml_are_refused_with_the_line(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    (folder / "refine.toml").write_text("version = 1\ntraits = [\n")
    done = init(folder, "toy/gloom", "a gloomy way of telling things")
    assert done.exit_code == 64
    assert "line 3" in " ".join(done.output.split()) or "at end of document" in done.output


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
@example('\x7f\x00\x1b\u2028"\\')
def test_whatever_the_author_writes_is_one_toml_string(opposite: str) -> None:
    found = FOUND.model_copy(update={"opposite": opposite})
    text = with_trait('version = 1\ntraits = ["a/b"]\n', "new/one", found)
    assert tomllib.loads(text)["trait"]["new/one"]["opposite"] == opposite


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(error="refusal: no"), "no description (refusal: no)"),
        (Reply(data="{}"), "is invalid"),
        (Reply(data=json.dumps(FOUND.model_dump() | {"mode": "vibes"})), "is invalid"),
        (Reply(data=json.dumps(FOUND.model_dump() | {"definition": "HIGH only"})), "lacks MID, LOW, Near, Key"),
    ],
)
def test_a_description_that_cannot_be_used_is_refused_with_the_reason(reply: Reply, why: str) -> None:
    with pytest.raises(UserError) as raised:
        read_description(reply)
    assert why in str(raised.value)
