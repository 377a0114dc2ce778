"""`cliffhanger report`: the morning's page, at the end of a run and made again from files."""

import json
import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.app.composition import Backends
from agent.cli.main import app
from agent.review.report.markdown import summary
from agent.review.report.model import Report
from agent.review.report.page import page
from agent.schema import Ending
from agent.storage.ledger import Ledger
from tests.cli.scripted import POSITIVE, SETTINGS, cliffhanger, experiment, tree
from tests.review.report.examples import controls, example
from tests.review.report.hostile import hostile

PLACE = Path("extraction/toy/refusal/refinement")
PAGES = ("report.html", "report.json", "summary.md")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return experiment(tmp_path)


def command(name: str, folder: Path, *options: str) -> Result:
    return cliffhanger(name, folder, *options)


def pages(folder: Path) -> dict[str, bytes]:
    return {name: (folder / PLACE / name).read_bytes() for name in PAGES}


def reported(folder: Path) -> Report:
    return Report.model_validate_json((folder / PLACE / "report.json").read_bytes())


def everything_else(folder: Path) -> dict[str, bytes]:
    """All files but the report's own, and but SQLite's for its readers."""
    found = tree(folder).items()
    return {
        name: content for name, content in found if Path(name).name not in PAGES and not re.search("-(wal|shm)$", name)
    }


def test_a_run_leaves_a_page_and_data_that_tell_the_same(folder: Path) -> None:
    assert command("run", folder).exit_code == 0
    told = reported(folder)
    assert (folder / PLACE / "report.html").read_text() == page(told)
    assert (folder / PLACE / "summary.md").read_text() == summary(told)
    assert told.stop is not None
    assert (told.stop.ending, told.latest.audited, told.asked.plan.goal) == (Ending.READY, 6, 6)
    assert dict(told.asked.models)["judge"] == "toyworld at toyworld by logprobs"
    assert (told.first.k, told.first.n) == (5, 6)  # one of the four pairs of the dataset commits too early
    assert told.measured.rounds[-1].move == "audit"


@pytest.mark.usefixtures("real_pictures")
def test_made_again_from_files_the_pages_are_the_same_bytes(folder: Path) -> None:
    command("run", folder, "--target", "5")
    before, others = pages(folder), everything_else(folder)
    for name in ("report.html", "summary.md"):
        (folder / PLACE / name).unlink()
    done = command("report", folder)
    assert done.exit_code == 0, done.output
    assert str(folder / PLACE / "report.html") in done.output.replace("\n", "")
    assert pages(folder) == before
    assert everything_else(folder) == others


def test_it_needs_neither_the_dataset_nor_a_subject(folder: Path) -> None:
    command("run", folder)
    before = pages(folder)
    (folder / "datasets/traits/toy/refusal/positive.txt").write_text("Another text, so I\n")
    backends = Backends(open_subject=lambda settings: pytest.fail("a subject was loaded"))
    done = CliRunner().invoke(app, ["report", "--experiment", str(folder)], obj=backends)
    assert done.exit_code == 0
    assert pages(folder) == before


def test_a_run_that_was_killed_is_told_as_far_as_it_came(folder: Path) -> None:
    command("run", folder, "--max-rounds", "1")
    for name in (*PAGES, "proposal.json"):
        (folder / PLACE / name).unlink()
    assert command("report", folder).exit_code == 0
    told = reported(folder)
    assert told.stop is None
    assert len(told.measured.rounds) == 1
    assert (
        "Not finished: it was interrupted; rerun the command to resume." in (folder / PLACE / "report.html").read_text()
    )
    assert (folder / PLACE / "summary.md").read_text().startswith("# toy/refusal: not finished\n")
    assert {change.what for change in told.changes} == {"unchanged"}
    assert [change.sides[0].after.text for change in told.changes] == list(POSITIVE)


def test_while_a_run_writes_its_ledger_the_report_says_so(folder: Path) -> None:
    command("run", folder, "--max-rounds", "1")
    with Ledger(folder / PLACE / "ledger.sqlite"):
        assert command("report", folder).exit_code == 0
    assert "Not finished: it is running now." in (folder / PLACE / "report.html").read_text()


def test_before_any_run_the_remedy_is_named(folder: Path) -> None:
    done = command("report", folder)
    assert done.exit_code == 64
    assert "begin with `cliffhanger run`" in done.output
    assert not (folder / PLACE / "report.html").exists()


def test_one_trait_that_cannot_be_told_keeps_no_other_from_it(folder: Path) -> None:
    command("run", folder)
    (folder / PLACE / "report.html").unlink()
    (folder / "datasets" / "traits" / "toy" / "none").mkdir()
    done = command("report", folder, "--traits", "toy/none,toy/refusal")
    assert done.exit_code == 64
    assert "toy/none: there is nothing to report yet" in done.output
    assert (folder / PLACE / "report.html").is_file()


def test_a_report_of_another_version_is_written_anew(folder: Path) -> None:
    command("run", folder)
    before = pages(folder)
    (folder / PLACE / "report.json").write_text('{"version": 0}')
    assert command("report", folder).exit_code == 0
    assert pages(folder) == before


@pytest.mark.usefixtures("real_pictures")
def test_the_same_night_has_the_same_pages(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        folder = experiment(tmp_path / name, SETTINGS.replace("flips = 0.0", "flips = 0.05"))
        command("run", folder)
        found.append(pages(folder))
    assert found[0] == found[1]


@pytest.mark.usefixtures("real_pictures")
def test_no_path_of_this_machine_and_no_time_is_in_the_pages(folder: Path) -> None:
    command("run", folder)
    for content in pages(folder).values():
        assert str(folder).encode() not in content
        assert os.uname().nodename.encode() not in content or len(os.uname().nodename) < 4
        assert not re.search(rb"\b20\d\d-\d\d-\d\d", content)


@pytest.mark.parametrize("told", [example(), hostile()], ids=["harmless", "hostile"])
def test_the_summary_fits_one_screen(told: Report) -> None:
    rounds = tuple(told.measured.rounds[0].model_copy(update={"number": i}) for i in range(40))
    many = tuple(change.model_copy(update={"pair": f"x{i}"}) for i in range(40) for change in told.changes)
    measured = told.measured.model_copy(update={"rounds": rounds})
    full = told.model_copy(update={"measured": measured, "changes": many, "controls": controls(0.5)})
    lines = summary(full).split("\n")
    assert len(lines) <= 50
    assert max(map(len, lines)) < 500
    assert "are advice" in lines[2]
    assert "| … | 32 more |" in summary(full)


def test_the_summary_obeys_no_text(folder: Path) -> None:
    said = summary(hostile())
    assert not re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]", said)
    assert "\n<script>" not in said


def test_report_json_is_plain_json_with_its_version(folder: Path) -> None:
    command("run", folder)
    assert json.loads((folder / PLACE / "report.json").read_text())["version"] == 1
