"""An apply killed anywhere leaves a dataset of before, of after, or one that nobody loads until it is completed."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.review.apply import complete, plan_changes, undo, write
from agent.review.file_transaction import NAMES, FileContents, read_files
from agent.schema import Act
from agent.storage import durable
from agent.storage.dataset import JOURNAL, DatasetError, load_dataset
from tests.cli.scripted import tree
from tests.review.example import DATASET, DRAFT, TRAIT, ReviewExample, pair, review_example

SEEDS = range(50)
JSONL = pair("d0004", "Two lines\nin one, so I", "Two lines\nof one, so I", 4)
STARTS = {"plain": DATASET, "json lines": (*DATASET, JSONL), "nothing": ()}


def killed(work: Callable[[], object], plan: str) -> bool:
    """Whether a child process died at that point of the work."""
    pid = os.fork()
    if pid == 0:
        os.environ[durable.VARIABLE] = plan
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


def apply_approved(made: ReviewExample) -> None:
    """What the command does: complete what was interrupted, then plan and write."""
    complete(made.folder)
    plan = plan_changes(made.folder, load_dataset(made.folder, TRAIT), made.session().cards())
    write(plan, made.refinement)


def undo_applied(made: ReviewExample) -> None:
    undo(made.folder, made.refinement)


def told(root: Path, start: str) -> tuple[ReviewExample, FileContents, FileContents]:
    """A morning with approvals, and its files before and after the apply."""
    made = review_example(root, STARTS[start])
    if start == "nothing":
        for path in made.folder.iterdir():
            path.unlink()
    (made.folder / "definition.txt").write_text("HIGH: refuses")
    session = made.session()
    for card in session.cards():
        if card.what in ("changed", "dropped", "added") and card.state.value != "applied":
            session.decide(card.pair, Act.APPROVE, card.version_token)
    if start == "plain":
        card = session.edit("n0000", "One\nmore line, so I", DRAFT.negative.text, session.card("n0000").version_token)
        session.decide("n0000", Act.APPROVE, card.version_token)
    before = read_files(made.folder)
    apply_approved(made)
    after = read_files(made.folder)
    undo_applied(made)
    assert read_files(made.folder) == before != after
    return made, before, after


def linked(made: ReviewExample, store: Path) -> None:
    """Move the files to a store, with links in their places."""
    store.mkdir()
    for path in sorted(made.folder.glob("*tive.txt")):
        path.rename(store / path.name)
        path.symlink_to(store / path.name)


def check_state(made: ReviewExample, before: FileContents, after: FileContents) -> None:
    files = read_files(made.folder)
    if (made.folder / JOURNAL).exists():
        assert all(files[name] in (before[name], after[name]) for name in NAMES)
        with pytest.raises(DatasetError, match="interrupted"):
            load_dataset(made.folder, TRAIT)
    else:
        assert files in (before, after)


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_at_a_seeded_point_it_is_all_or_nothing_and_the_same_command_completes_it(
    tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    made, before, after = told(tmp_path, rng.choice(list(STARTS)))
    work, goal = (apply_approved, after) if rng.random() < 0.6 else (undo_applied, before)
    if work is undo_applied:
        apply_approved(made)
    for number in (rng.randint(1, 12), rng.randint(1, 8)):  # the resumption is killed as well
        killed(lambda: work(made), str(number))
        check_state(made, before, after)
    complete(made.folder)
    if read_files(made.folder) != goal:
        work(made)
    assert read_files(made.folder) == goal
    assert {path.name for path in made.folder.iterdir() if path.name.startswith(".")} == set()
    assert (made.folder / "definition.txt").read_text() == "HIGH: refuses"
    if work is apply_approved:
        undo_applied(made)
        assert read_files(made.folder) == before


@pytest.mark.parametrize("start", STARTS)
def test_every_single_point_of_an_apply_is_survived(tmp_path: Path, start: str) -> None:
    made, before, after = told(tmp_path, start)
    number = 1
    while killed(lambda: apply_approved(made), str(number)):
        check_state(made, before, after)
        apply_approved(made)
        assert read_files(made.folder) == after
        assert [name for name in tree(made.folder) if name.startswith(".")] == []
        undo_applied(made)
        assert read_files(made.folder) == before
        number += 1
    assert number > 8
    assert read_files(made.folder) == after


def test_every_point_of_an_apply_through_links_is_survived_and_leaves_nothing_beside_their_targets(
    tmp_path: Path,
) -> None:
    made = review_example(tmp_path)
    session = made.session()
    session.decide("d0001", Act.APPROVE, session.card("d0001").version_token)
    linked(made, tmp_path / "store")
    before = read_files(made.folder)
    apply_approved(made)
    after = read_files(made.folder)
    undo_applied(made)
    number = 1
    while killed(lambda: apply_approved(made), str(number)):
        check_state(made, before, after)
        apply_approved(made)
        assert read_files(made.folder) == after
        assert {path.name for path in (tmp_path / "store").iterdir()} == {"positive.txt", "negative.txt"}
        undo_applied(made)
        number += 1
    assert number > 8
    assert all(path.is_symlink() for path in made.folder.glob("*tive.txt"))
