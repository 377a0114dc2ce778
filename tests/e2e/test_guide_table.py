"""The four endings of the guide's table get the right verdict and the right committed span, by a real model's answers.

A change of the wording of V, C0 or the span question makes new requests, to which the recorded answers do not belong:
export them (`cliffhanger calibrate … --export-prompts`), have them answered, and replace tests/gold/*/answers.jsonl.
"""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.cli.main import app
from tests.cli.scripted import experiment
from tests.gold import FOLDER, gold_endings

LABELS = {"guide-1": "EXPRESS", "guide-2": "EXPLAIN", "guide-3": "EXPRESS", "guide-4": "EXPLAIN"}


def calibrated(tmp_path: Path, gold: Path, *options: str) -> dict:
    """What calibrate reports of these endings and the answers beside them."""
    folder = experiment(tmp_path)
    given = ["-e", str(folder), "--plain", "llm-by-chat", "--import", str(gold.with_name("answers.jsonl")), *options]
    done = CliRunner().invoke(app, ["calibrate", str(gold), *given])
    assert done.exit_code == 0, done.output
    (report,) = (folder / "calibration").glob("*.json")
    return json.loads(report.read_text())


def test_the_guides_four_endings_get_its_verdicts_and_their_committed_spans(tmp_path: Path) -> None:
    (found,) = calibrated(tmp_path, FOLDER / "guide" / "endings.jsonl")["wordings"]
    assert {row["id"]: row["predicted"] for row in found["rows"]} == LABELS
    assert (found["spans"]["k"], found["spans"]["n"]) == (2, 2)


@pytest.mark.parametrize(("part", "endings"), [("A", 102), ("B", 105)])
def test_a_language_model_by_our_prompts_agrees_with_the_labels_of_each_part(
    part: str, endings: int, tmp_path: Path
) -> None:
    assert len(gold_endings()) == 207
    (found,) = calibrated(tmp_path, FOLDER / "endings.jsonl", "--part", part)["wordings"]
    assert len(found["rows"]) == endings
    (whole,) = [one["measured"] for one in found["slices"] if one["name"] == "all"]
    accuracy = {one["predictor"]: one["balanced_accuracy"]["value"] for one in whole}
    assert accuracy["V and C0"] >= 0.95
