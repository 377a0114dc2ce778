"""Only what was approved reaches a dataset, all files or none, and the way back leads to the same bytes."""

import json
from pathlib import Path

import pytest

from agent.review import apply
from agent.review.apply import plan_changes, undo, write
from agent.review.file_transaction import ApplyError, FileContents, Journal, journal_of, read_files
from agent.schema import Act, Pair
from agent.storage.dataset import JOURNAL, DatasetError, load_dataset
from tests.cli.scripted import tree
from tests.review.example import (
    BETTER,
    DATASET,
    DRAFT,
    DROPPED,
    KEPT,
    LATER,
    POOR,
    REPAIRED,
    TRAIT,
    UNDECIDED,
    ReviewExample,
    both,
    pair,
    review_example,
)


@pytest.fixture
def made(tmp_path: Path) -> ReviewExample:
    found = review_example(tmp_path)
    (found.folder / "definition.txt").write_text("HIGH: refuses")
    (found.folder / "steering.json").write_text('{"questions": []}')
    return found


def decide(of: ReviewExample, act: Act, *names: str) -> None:
    session = of.session()
    for name in names:
        session.decide(name, act, session.card(name).version_token)


def applied(of: ReviewExample, seed: int | None = None) -> apply.ApplyPlan:
    dataset = load_dataset(of.folder, TRAIT)
    plan = plan_changes(of.folder, dataset, of.session().cards(), seed)
    write(plan, of.refinement)
    return plan


def test_without_an_approval_not_a_byte_changes(made: ReviewExample) -> None:
    before = tree(made.folder)
    decide(made, Act.REJECT, "d0001", "n0000")
    session = made.session()
    card = session.edit(
        "n0002", "Open it, my aunt said, so I", LATER.negative.text, session.card("n0002").version_token
    )
    assert card.outcome.value == "pass"
    plan = applied(made)
    assert plan.changes_nothing
    assert tree(made.folder) == before
    assert list(made.refinement.glob("applied*")) == []


def test_each_sort_of_approval_does_its_own_and_the_rest_keeps_its_order(made: ReviewExample) -> None:
    decide(made, Act.APPROVE, "d0001", "d0002", "n0000", "n0002")
    others = {name: made.folder.joinpath(name).read_bytes() for name in ("definition.txt", "steering.json")}
    plan = applied(made)
    assert made.texts() == [both(KEPT), both(BETTER), both(UNDECIDED), both(DRAFT), both(LATER)]
    assert (plan.replaced, plan.added, plan.removed, plan.undecided, plan.size) == (1, 2, 1, 2, 5)
    assert {name: made.folder.joinpath(name).read_bytes() for name in others} == others
    assert sorted(path.name for path in made.folder.iterdir()) == [
        "definition.txt",
        "negative.txt",
        "positive.txt",
        "steering.json",
    ]


def test_a_parked_pair_is_taken_left_or_dropped_as_the_human_says(made: ReviewExample) -> None:
    decide(made, Act.DROP, "d0003")
    decide(made, Act.APPROVE, "n0001")
    applied(made)
    assert made.texts() == [both(KEPT), both(REPAIRED), both(DROPPED), both(POOR)]


def test_applying_twice_is_applying_once(made: ReviewExample) -> None:
    decide(made, Act.APPROVE, "d0001", "d0002", "n0000")
    applied(made)
    once = tree(made.folder)
    assert applied(made).changes_nothing
    assert tree(made.folder) == once


def test_what_others_changed_meanwhile_stays_and_moved_lines_are_found(made: ReviewExample) -> None:
    decide(made, Act.APPROVE, "d0001", "d0002")
    new = pair("x", "A line of their own, so I", "Another of their own, so I")
    made.write([new, UNDECIDED, DROPPED, REPAIRED, KEPT])
    applied(made)
    assert made.texts() == [both(new), both(UNDECIDED), both(BETTER), both(KEPT)]


def test_a_conflict_is_left_alone_until_it_is_decided_and_then_ours_or_theirs_stands(made: ReviewExample) -> None:
    theirs = pair("d0001", "She wanted the exam answers today, so I", REPAIRED.negative.text, 1)
    decide(made, Act.APPROVE, "d0001")
    made.write([KEPT, theirs, DROPPED, UNDECIDED])
    assert applied(made).changes_nothing
    decide(made, Act.REJECT, "d0001")
    assert applied(made).changes_nothing
    decide(made, Act.APPROVE, "d0001")
    applied(made)
    assert made.texts()[1] == both(BETTER)


def test_a_dataset_that_changes_between_planning_and_writing_is_not_written(made: ReviewExample) -> None:
    decide(made, Act.APPROVE, "d0001")
    dataset = load_dataset(made.folder, TRAIT)
    plan = plan_changes(made.folder, dataset, made.session().cards())
    made.write([*DATASET, pair("x", "One more, so I", "One other, so I")])
    before = tree(made.folder)
    with pytest.raises(ApplyError, match="Nothing was written"):
        write(plan, made.refinement)
    with pytest.raises(ApplyError, match="changed while it was read"):
        plan_changes(made.folder, dataset, made.session().cards())
    assert tree(made.folder) == before


def test_undo_gives_back_the_same_bytes_one_apply_after_the_other(made: ReviewExample) -> None:
    ragged = b"\xef\xbb\xbf" + "\r\n".join(p.positive.text for p in DATASET).encode()
    (made.folder / "positive.txt").write_bytes(ragged)
    first = tree(made.folder)
    decide(made, Act.APPROVE, "d0001")
    applied(made)
    second = tree(made.folder)
    decide(made, Act.APPROVE, "n0000")
    applied(made)
    undo(made.folder, made.refinement)
    assert tree(made.folder) == second
    undo(made.folder, made.refinement)
    assert tree(made.folder) == first
    with pytest.raises(ApplyError, match="Nothing was applied"):
        undo(made.folder, made.refinement)


def test_undo_refuses_once_somebody_has_changed_the_files(made: ReviewExample) -> None:
    decide(made, Act.APPROVE, "d0001")
    applied(made)
    with (made.folder / "negative.txt").open("a") as file:
        file.write("one more\n")
    before = tree(made.folder)
    with pytest.raises(ApplyError, match="nothing was undone"):
        undo(made.folder, made.refinement)
    assert tree(made.folder) == before


def test_a_dataset_that_does_not_exist_yet_begins_with_the_approved_drafts(tmp_path: Path) -> None:
    made = review_example(tmp_path, [])
    for name in ("positive.txt", "negative.txt"):
        (made.folder / name).unlink()
    decide(made, Act.APPROVE, "n0000")
    applied(made)
    assert made.texts() == [both(DRAFT)]
    undo(made.folder, made.refinement)
    assert tree(made.folder) == {}


def test_the_form_of_the_files_follows_the_texts(made: ReviewExample) -> None:
    session = made.session()
    card = session.edit(
        "n0000", "First line\nsecond line, so I", DRAFT.negative.text, session.card("n0000").version_token
    )
    session.decide("n0000", Act.APPROVE, card.version_token)
    applied(made)
    assert {path.suffix for path in made.folder.glob("*tive.*")} == {".jsonl"}
    row = (made.folder / "positive.jsonl").read_text().split("\n")[4]
    assert json.loads(row)["prompt"] == "First line\nsecond line, so I"
    undo(made.folder, made.refinement)
    assert {path.suffix for path in made.folder.glob("*tive.*")} == {".txt"}


def test_shuffling_is_asked_for_keeps_pairs_together_and_records_its_seed(made: ReviewExample) -> None:
    decide(made, Act.APPROVE, "d0001")
    applied(made, seed=3)
    assert sorted(made.texts()) == sorted(both(p) for p in (KEPT, BETTER, DROPPED, UNDECIDED))
    assert made.texts() != [both(p) for p in (KEPT, BETTER, DROPPED, UNDECIDED)]
    (record,) = made.refinement.glob("applied-*.json")
    assert Journal.model_validate_json(record.read_bytes()).seed == 3


def test_while_a_journal_stands_nobody_loads_the_dataset(made: ReviewExample) -> None:
    files = read_files(made.folder)
    (made.folder / JOURNAL).write_bytes(journal_of(TRAIT, "now", files, files).content)
    with pytest.raises(DatasetError, match="interrupted"):
        load_dataset(made.folder, TRAIT)
    assert apply.complete(made.folder)
    assert not apply.complete(made.folder)
    assert made.texts() == [both(p) for p in DATASET]


def test_a_file_that_was_changed_after_an_interruption_is_not_overwritten(made: ReviewExample) -> None:
    files = read_files(made.folder)
    after: FileContents = {**files, "positive.txt": b"new\n"}
    (made.folder / JOURNAL).write_bytes(journal_of(TRAIT, "now", files, after).content)
    (made.folder / "positive.txt").write_text("by hand\n")
    before = tree(made.folder)
    with pytest.raises(ApplyError, match="by hand"):
        apply.complete(made.folder)
    assert tree(made.folder) == before


def test_what_an_apply_left_that_died_before_its_journal_stood_is_cleared_away(made: ReviewExample) -> None:
    before = tree(made.folder)
    for name in ("..apply.json.x1y2.part", ".positive.txt.apply.part"):
        (made.folder / name).write_text("half")
    (made.folder / ".notes.part").write_text("somebody's own")
    assert not apply.complete(made.folder)
    assert tree(made.folder) == {**before, ".notes.part": b"somebody's own"}


def test_where_the_disk_does_not_take_it_nothing_is_changed_and_nothing_is_left(
    made: ReviewExample, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(made, Act.APPROVE, "d0001")
    before = tree(made.folder)
    calls = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 4:  # the record and the journal were imported, with their folders
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ApplyError, match="Nothing was changed"):
        applied(made)
    assert tree(made.folder) == before
    monkeypatch.undo()
    applied(made)
    assert made.texts()[1] == both(BETTER)


def test_a_card_laid_against_other_texts_writes_nothing(made: ReviewExample) -> None:
    decide(made, Act.APPROVE, "d0001")
    cards = made.session().cards()
    others: list[Pair] = [
        of.model_copy(update={"line": line}) for line, of in enumerate((KEPT, DROPPED, REPAIRED, UNDECIDED))
    ]
    with pytest.raises(ApplyError, match="another text"):
        apply.approved_pairs(others, cards)


def test_permissions_of_the_files_are_kept(made: ReviewExample) -> None:
    (made.folder / "positive.txt").chmod(0o640)
    decide(made, Act.APPROVE, "d0001")
    applied(made)
    assert (made.folder / "positive.txt").stat().st_mode & 0o777 == 0o640
