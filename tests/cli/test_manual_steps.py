"""Manual steps: the guide's options, files and one-liners."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import Result

from tests.cli.scripted import NEGATIVE, POSITIVE, cliffhanger, experiment, status_of, tree

PLACE = Path("extraction/toy/refusal")

# As the guide writes them.
FAILED = "import json,sys; d=json.load(sys.stdin); print(d['failed_indices'])"
FIRST_FIVE = (
    "import json,sys; [print(f\"{i}: {' '.join(r['response'].split()[:5])}\") "
    "for i,r in enumerate(json.load(sys.stdin)[:10])]"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return experiment(tmp_path)


def command(name: str, folder: Path, *options: str) -> Result:
    return cliffhanger(name, folder, *options)


def one_liner(program: str, path: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], input=path.read_text(), capture_output=True, text=True, check=True
    )
    return done.stdout


GUIDE = (
    "--traits",
    "toy/refusal",
    "--only-stage",
    "0,1,2",
    "--vet-scenarios",
    "--base-model",
    "--max-new-tokens",
    "50",
)


def test_the_guides_command_and_one_liners_work_on_our_files(folder: Path) -> None:
    before = tree(folder / "datasets")
    done = command("vet", folder, *GUIDE)
    assert done.exit_code == 0, done.output
    assert tree(folder / "datasets") == before
    failed = one_liner(FAILED, folder / PLACE / "vetting" / "response_scores.json")
    assert failed == "{'positive': [], 'negative': []}\n"
    lines = one_liner(FIRST_FIVE, folder / PLACE / "responses" / "pos.json").split("\n")
    assert lines[3] == "3: against everything I believe, and"
    assert len(lines) == len(POSITIVE) + 1
    assert "no run yet but" in command("status", folder).output


@pytest.mark.parametrize(
    ("stages", "files"),
    [
        ("0", {"vetting/scenario_scores.json"}),
        ("1", {"responses/pos.json", "responses/neg.json", "responses/metadata.json"}),
        ("0,1", {"vetting/scenario_scores.json", *(f"responses/{n}.json" for n in ("pos", "neg", "metadata"))}),
    ],
)
def test_only_the_requested_stages_are_run(folder: Path, stages: str, files: set[str]) -> None:
    assert command("vet", folder, "--only-stage", stages).exit_code == 0
    found = {name for name in tree(folder / PLACE) if not name.startswith("refinement/")}
    assert found == files


def test_vetting_twice_makes_no_further_call(folder: Path) -> None:
    command("vet", folder)
    bought = status_of(folder)["calls"]
    command("vet", folder)
    assert status_of(folder)["calls"] == bought


@pytest.mark.parametrize("stages", ["3", "", "zero", "0;1"])
def test_a_stage_that_does_not_exist_is_refused(folder: Path, stages: str) -> None:
    done = command("vet", folder, "--only-stage", stages)
    assert done.exit_code == 64
    assert "--only-stage" in done.output


def test_failures_are_printed_with_their_texts_and_the_boundary(folder: Path) -> None:
    trait = folder / "datasets/traits/toy/refusal"
    (trait / "positive.txt").write_text("\n".join((*POSITIVE[:3], NEGATIVE[3].replace("man", "woman"))) + "\n")
    command("run", folder, "--diagnostic")
    told = command("failures", folder, "--traits", "toy/refusal").output
    assert "response_scores.json: 1 failed or unjudged" in told
    assert "positive 3 failed" in told
    assert "I was glad to help, so I¦ " in told


def test_by_default_all_traits_are_printed_and_those_not_vetted_are_named(folder: Path) -> None:
    settings = folder / "refine.toml"
    settings.write_text(settings.read_text().replace('["toy/refusal"]', '["toy/refusal", "toy/gloom"]'))
    command("vet", folder, "--traits", "toy/refusal", "--only-stage", "0")
    told = command("failures", folder)
    assert told.exit_code == 0
    assert told.output.startswith("toy/refusal:\nscenario_scores.json: ")
    assert f"There are no scores in {folder / 'extraction/toy/gloom/vetting'} yet" in told.output


def test_trait_is_accepted_for_traits(folder: Path) -> None:
    command("vet", folder, "--trait", "toy/refusal", "--only-stage", "1")
    told = {command("first-tokens", folder, option, "toy/refusal").output for option in ("--traits", "--trait", "-t")}
    assert len(told) == 1
    assert "positive 0: " in told.pop()


def test_first_tokens_show_the_boundary_and_the_verdict(folder: Path) -> None:
    command("run", folder, "--diagnostic")
    lines = command("first-tokens", folder, "--traits", "toy/refusal", "-n", "4").output.split("\n")
    assert len([line for line in lines if line.startswith(("positive", "negative"))]) == 8
    assert lines[3].startswith("positive 3: …")
    assert lines[3].endswith("told him that it was¦ against everything I believe, and¦ EXPLAIN")
    assert lines[0].endswith("EXPRESS")


def test_without_a_first_token_test_the_first_words_are_shown(folder: Path) -> None:
    command("vet", folder, "--only-stage", "1")
    told = command("first-tokens", folder, "--traits", "toy/refusal").output
    assert told.startswith("No first-token test yet")
    assert "¦ against everything I believe, and¦\n" in told


@pytest.mark.parametrize("name", ["failures", "first-tokens"])
def test_without_vetting_files_the_command_that_creates_them_is_named(folder: Path, name: str) -> None:
    done = command(name, folder, "--traits", "toy/refusal")
    assert done.exit_code == 64
    assert "cliffhanger vet" in done.output


def test_a_hostile_response_is_made_safe(folder: Path) -> None:
    command("vet", folder, "--only-stage", "1")
    path = folder / PLACE / "responses" / "pos.json"
    rows = json.loads(path.read_text())
    rows[0]["response"] = "\x1b]0;owned\x07 [red]\u202ename"
    path.write_text(json.dumps(rows))
    told = command("first-tokens", folder, "--traits", "toy/refusal").output
    assert "\x1b" not in told
    assert "␛]0;owned␇ [red]\\u202ename" in told


def test_unreadable_judge_replies_leave_items_unjudged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from agent.llm.client import LLMClient
    from agent.schema import Reply

    unread = Reply(error="unscored: the reply holds no number")
    monkeypatch.setattr(LLMClient, "ask_all", lambda self, requests, *_: [unread] * len(requests))
    done = command("vet", folder)
    assert done.exit_code == 2
    assert "8 could not be judged" in done.output
    scores = json.loads((folder / PLACE / "vetting" / "response_scores.json").read_text())
    assert scores["failed_indices"] == {"positive": [], "negative": []}
    assert scores["unjudged_indices"]["positive"] == [0, 1, 2, 3]
    told = command("failures", folder, "--traits", "toy/refusal").output
    assert "positive 0 unjudged (unscored: the reply holds no number)" in told
