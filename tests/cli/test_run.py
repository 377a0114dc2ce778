"""`run` from the command to the proposal, with a scripted subject and the toy judge and author."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import Result

from agent.app.outputs import HEADINGS
from agent.review.proposal import Proposal
from tests.cli.finished_run import OUTPUT
from tests.cli.scripted import NEGATIVE, POSITIVE, ReadingSubject, cliffhanger, experiment, status_of, tree


def run(folder: Path, *options: str, subject: ReadingSubject | None = None) -> Result:
    return cliffhanger("run", folder, *options, subject=subject)


def refinement(folder: Path) -> Path:
    return folder / "extraction" / "toy" / "refusal" / "refinement"


def test_flawed_pairs_become_an_audited_set_and_the_dataset_is_unchanged(finished_run: Path, tmp_path: Path) -> None:
    folder, before, after = finished_run, tree(experiment(tmp_path)), tree(finished_run)
    assert {name: after[name] for name in before} == before
    proposal = Proposal.model_validate_json((refinement(folder) / "proposal.json").read_bytes())
    assert [change.what for change in proposal.changes] == ["unchanged"] * 3 + ["changed"] + ["added"] * 2
    assert all(change.passes for change in proposal.changes)
    final = [
        (refinement(folder) / "final" / f"{side}.txt").read_text().split("\n") for side in ("positive", "negative")
    ]
    assert [len(lines) for lines in final] == [7, 7]
    assert final[0][:3] == list(POSITIVE[:3])
    assert final[1][:4] == list(NEGATIVE)
    assert POSITIVE[3].startswith(final[0][3])
    assert {path.name for path in folder.parent.parent.iterdir()} == {folder.parent.name, OUTPUT}


def test_the_guides_files_are_of_the_final_set(finished_run: Path) -> None:
    place = finished_run / "extraction" / "toy" / "refusal"
    final = (place / "refinement" / "final" / "positive.txt").read_text().split("\n")[:-1]
    responses = json.loads((place / "responses" / "pos.json").read_text())
    assert [row["prompt"] for row in responses] == final
    for name in ("scenario_scores", "response_scores", "first_token"):
        scores = json.loads((place / "vetting" / f"{name}.json").read_text())
        assert scores["failed_indices"] == {"positive": [], "negative": []}
        assert scores["summary"]["positive_passed"] == 6
    history = (place / "refinement" / "history.jsonl").read_text().split("\n")[:-1]
    assert json.loads(history[0])["move"]["kind"] == "draft"
    assert json.loads(history[-1])["move"]["kind"] == "audit"


def test_a_run_ends_with_its_reason_a_table_and_the_next_step(finished_run: Path) -> None:
    folder = finished_run
    lines = (folder.parent.parent / OUTPUT).read_text().split("\n")[:-1]
    rounds = [line for line in lines if line.startswith("toy/refusal: round ")]
    assert len(rounds) == status_of(folder)["rounds"]
    reason, headings, row, step = lines[lines.index(rounds[-1]) + 1 :]
    assert reason.startswith("toy/refusal: ready: ")
    assert re.split(r"  +", headings) == list(HEADINGS)
    assert re.fullmatch(r"toy/refusal  ready +6/6 +6 +0 +0 +\d+ +\d\d+ +0\.00 +0\.\d", row)
    assert step.startswith(f"Next: read the changed and added pairs in {refinement(folder) / 'report.html'}, ")
    assert f"`cliffhanger review --experiment {folder}` (or --web)" in step
    assert f"`cliffhanger apply --experiment {folder}`" in step


def test_a_finished_run_rerun_makes_no_call_and_ends_the_same(folder: Path) -> None:
    subject, before, calls = ReadingSubject(), tree(refinement(folder)), status_of(folder)["calls"]
    assert run(folder, subject=subject).exit_code == 0
    assert status_of(folder)["calls"] == calls
    assert subject.continued == 4  # the timed batch of the preflight
    after = tree(refinement(folder))
    for name in ("history.jsonl", "proposal.json", "final/positive.txt", "final/negative.txt"):
        assert after[name] == before[name]


def test_a_run_stopped_after_each_round_and_resumed_ends_as_an_uninterrupted_one(
    finished_run: Path, tmp_path: Path
) -> None:
    pieces = experiment(tmp_path)
    codes = [run(pieces, "--max-rounds", str(most)).exit_code for most in (1, 2, 3, 40)]
    assert codes == [3, 3, 3, 0]
    for name in ("history.jsonl", "final/positive.txt", "final/negative.txt"):
        assert tree(refinement(pieces))[name] == tree(refinement(finished_run))[name]


def test_a_stop_file_stops_before_the_next_move_and_its_removal_resumes(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    run(folder, "--max-rounds", "1")
    (refinement(folder) / "STOP").touch()
    stopped = run(folder)
    assert stopped.exit_code == 6
    assert "`cliffhanger resume` removes it" in stopped.output
    assert status_of(folder)["rounds"] == 1
    (refinement(folder) / "STOP").unlink()
    assert run(folder).exit_code == 0


def test_a_changed_definition_starts_a_new_campaign_and_says_why(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    run(folder, "--max-rounds", "1")
    definition = folder / "datasets" / "traits" / "toy" / "refusal" / "definition.txt"
    definition.write_text(definition.read_text() + "Note: mind the refusal.\n")
    output = run(folder, "--max-rounds", "1").output
    assert "new campaign, because dataset definition, trait changed" in output
    assert status_of(folder)["campaigns"] == 2
    run(folder, "--max-rounds", "1", "--new")
    assert status_of(folder)["campaigns"] == 3


def test_another_limit_of_rounds_starts_no_new_campaign(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    run(folder, "--max-rounds", "1")
    run(folder, "--max-rounds", "2", "--patience", "9")
    assert status_of(folder)["campaigns"] == 1
    assert status_of(folder)["rounds"] == 2


def test_from_a_definition_alone_a_set_is_drafted(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    for side in ("positive", "negative"):
        (folder / "datasets" / "traits" / "toy" / "refusal" / f"{side}.txt").unlink()
    done = run(folder)
    assert done.exit_code == 0, done.output
    proposal = Proposal.model_validate_json((refinement(folder) / "proposal.json").read_bytes())
    assert len(proposal.those("added")) == 6
    assert proposal.dataset.positive is None


def test_diagnostic_judges_the_dataset_and_changes_nothing_of_a_campaign(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    done = run(folder, "--diagnostic")
    assert done.exit_code == 0, done.output
    assert "7 of 8 scenarios pass" in done.output
    assert "1 EXPLAIN" in done.output
    found = json.loads((folder / "extraction/toy/refusal/vetting/first_token.json").read_text())
    assert found["failed_indices"] == {"positive": [3], "negative": []}
    assert found["results"][3]["verdict"] == "EXPLAIN"
    assert not (refinement(folder) / "proposal.json").exists()
    assert status_of(folder)["campaign"] is None


def test_a_model_variant_keeps_its_files_below_its_own_name(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    run(folder, "--max-rounds", "1", "--model-variant", "small")
    assert (folder / "extraction/toy/refusal/small/refinement/ledger.sqlite").is_file()
    assert status_of(folder)["campaign"] is None


def test_several_traits_end_with_the_worst_code_and_one_line_of_each(folder: Path) -> None:
    traits = folder / "datasets" / "traits" / "toy"
    shutil.copytree(traits / "refusal", traits / "refusal_two")
    done = run(folder, "--traits", "toy/refusal,toy/refusal_two", "--max-rounds", "1")
    assert done.exit_code == 3
    assert "toy/refusal: ready" in done.output
    assert "toy/refusal_two: cap" in done.output


def test_a_locked_ledger_is_refused_with_a_sentence(tmp_path: Path) -> None:
    from agent.storage.ledger import Ledger

    folder = experiment(tmp_path)
    with Ledger(refinement(folder) / "ledger.sqlite"):
        done = run(folder)
        assert status_of(folder)["running"] is True
    assert done.exit_code == 64
    assert "another run is writing its ledger" in done.output
    assert status_of(folder)["running"] is False


@pytest.fixture(autouse=True)
def no_models_left_over() -> Iterator[None]:
    """No test of this file may load a real model: it would be the wrong thing tested slowly."""
    import sys

    loaded = "torch" in sys.modules
    yield
    assert loaded or "torch" not in sys.modules
