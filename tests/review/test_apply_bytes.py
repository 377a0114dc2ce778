"""What was not approved stays byte for byte: line ends, marks, keys, links; undo gives back exactly what was there."""

import json
import os
from pathlib import Path

import pytest

from agent.review.apply import ApplyPlan, plan_changes, undo, write
from agent.review.file_transaction import ApplyError
from agent.schema import Act
from agent.storage.dataset import load_dataset
from tests.cli.scripted import tree
from tests.review.example import (
    BETTER,
    DATASET,
    DRAFT,
    REPAIRED,
    TRAIT,
    ReviewExample,
    both,
    review_example,
)

SIDES = ("positive", "negative")


@pytest.fixture
def made(tmp_path: Path) -> ReviewExample:
    return review_example(tmp_path)


def content(of: ReviewExample, side: str) -> bytes:
    return (of.folder / f"{side}.txt").read_bytes()


def rewrite(of: ReviewExample, **by_side: bytes) -> None:
    for side, new in by_side.items():
        (of.folder / f"{side}.txt").write_bytes(new)


def applied(of: ReviewExample, *names: str, seed: int | None = None, similar: bool = False) -> ApplyPlan:
    """Approve these pairs, apply, and check that an undo would give back what was there."""
    session = of.session()
    for name in names:
        session.decide(name, Act.APPROVE, session.card(name).version_token)
    before = tree(of.folder)
    plan = plan_changes(of.folder, load_dataset(of.folder, TRAIT, similar), of.session().cards(), seed)
    write(plan, of.refinement)
    after = tree(of.folder)
    undo(of.folder, of.refinement)
    assert tree(of.folder) == before
    write(plan, of.refinement)
    assert tree(of.folder) == after
    return plan


def test_line_ends_a_mark_and_a_missing_last_one_stay(made: ReviewExample) -> None:
    positive = b"\xef\xbb\xbf" + content(made, "positive").replace(b"\n", b"\r\n")
    negative = content(made, "negative").removesuffix(b"\n")
    rewrite(made, positive=positive, negative=negative)
    applied(made, "d0001", "n0000")
    was, now = REPAIRED.positive.text.encode(), BETTER.positive.text.encode()
    assert content(made, "positive") == positive.replace(was, now) + DRAFT.positive.text.encode() + b"\r\n"
    assert content(made, "negative") == negative + b"\n" + DRAFT.negative.text.encode()


def test_mixed_line_ends_stay_each_on_its_line(made: ReviewExample) -> None:
    rows = content(made, "positive").split(b"\n")[:-1]
    mixed = b"".join(row + end for row, end in zip(rows, (b"\n", b"\r\n", b"\n", b"\r\n"), strict=True))
    rewrite(made, positive=mixed)
    applied(made, "d0001")
    assert content(made, "positive") == mixed.replace(REPAIRED.positive.text.encode(), BETTER.positive.text.encode())


def test_a_removed_line_leaves_with_its_end_and_the_others_stay(made: ReviewExample) -> None:
    rewrite(made, positive=content(made, "positive").replace(b"\n", b"\r\n").removesuffix(b"\r\n"))
    rows = content(made, "positive").split(b"\r\n")
    applied(made, "d0002")
    assert content(made, "positive") == b"\r\n".join([*rows[:2], rows[3]])


def test_lines_that_were_left_out_stay_beside_each_other(made: ReviewExample) -> None:
    positive, negative = (content(made, side).split(b"\n") for side in SIDES)
    rewrite(
        made,
        positive=b"\n".join([*positive[:1], b"  ", *positive[1:4], b"", b""]),
        negative=b"\n".join([*negative[:1], b"Nobody knows its partner, so I", *negative[1:4], b"", b""]),
    )
    applied(made, "d0001", "d0002", "n0000")
    assert content(made, "positive").split(b"\n")[1:4] == [b"  ", BETTER.positive.text.encode(), positive[3]]
    assert content(made, "negative").split(b"\n")[1:3] == [b"Nobody knows its partner, so I", negative[1]]
    assert [row for row in content(made, "positive").split(b"\n") if row][-1] == DRAFT.positive.text.encode()
    assert made.texts()[-1] == both(DRAFT)
    assert {place[0] - place[1] for place in load_dataset(made.folder, TRAIT).places} == {0}


def test_json_lines_keep_their_other_keys_their_form_and_every_other_byte(made: ReviewExample) -> None:
    rows = {side: [] for side in SIDES}  # type: ignore[var-annotated]
    for number, of in enumerate(DATASET):
        for side in SIDES:
            text = getattr(of, side).text
            rows[side].append(f'{{"id": {number},  "prompt": {json.dumps(text)}, "tags": ["a"]}}')
    for side in SIDES:
        (made.folder / f"{side}.txt").unlink()
        (made.folder / f"{side}.jsonl").write_text("\n".join(rows[side]) + "\n")
    applied(made, "d0001")
    after = (made.folder / "positive.jsonl").read_text().split("\n")
    assert [after[0], *after[2:4]] == [rows["positive"][0], *rows["positive"][2:]]
    assert json.loads(after[1]) == {"id": 1, "prompt": BETTER.positive.text, "tags": ["a"]}
    assert (made.folder / "negative.jsonl").read_text() == "\n".join(rows["negative"]) + "\n"


def test_a_file_that_is_not_read_is_not_touched(made: ReviewExample) -> None:
    for side in SIDES:
        lines = [json.dumps({"prompt": getattr(of, side).text}) for of in DATASET]
        (made.folder / f"{side}.jsonl").write_text("\n".join(lines) + "\n")
    rewrite(made, positive=b"an older version, so I\n", negative=b"an older version of it, so I\n")
    plan = applied(made, "d0001")
    assert content(made, "positive") == b"an older version, so I\n"
    assert plan.names == "positive.jsonl and negative.jsonl"


def test_a_shuffle_moves_the_lines_and_keeps_their_bytes(made: ReviewExample) -> None:
    rewrite(made, positive=content(made, "positive").replace(b"\n", b"\r\n"))
    before = sorted(content(made, "positive").split(b"\r\n"))
    applied(made, seed=3)
    assert sorted(content(made, "positive").split(b"\r\n")) == before
    assert made.texts() != [both(of) for of in DATASET]
    assert sorted(made.texts()) == sorted(both(of) for of in DATASET)


def test_a_pairing_by_similarity_moves_lines_and_says_so(made: ReviewExample) -> None:
    rows = content(made, "negative").split(b"\n")[:-1]
    rewrite(made, negative=b"\n".join(reversed(rows)) + b"\n")
    loaded = load_dataset(made.folder, TRAIT, pair_by_similarity=True)
    made.pairs = lambda: loaded.pairs  # type: ignore[method-assign]
    plan = applied(made, "d0001", similar=True)
    assert plan.notes == ("lines move to stand beside their partners",)
    assert content(made, "negative") == b"\n".join([rows[0], rows[1], *rows[2:]]) + b"\n"


def test_a_line_without_a_partner_leaves_with_a_pairing_by_similarity_and_is_counted(made: ReviewExample) -> None:
    rows = content(made, "negative").split(b"\n")[:-1]
    rewrite(made, positive=b"Nobody answered the bell at noon, so I\n\n" + content(made, "positive"))
    loaded = load_dataset(made.folder, TRAIT, pair_by_similarity=True)
    made.pairs = lambda: loaded.pairs  # type: ignore[method-assign]
    plan = applied(made, "d0002", similar=True)
    assert plan.notes == ("lines move to stand beside their partners, and 1 line without a partner leaves",)
    assert content(made, "negative").split(b"\n")[0] == rows[0]
    assert {one - other for one, other in load_dataset(made.folder, TRAIT).places} == {0}


def test_a_text_that_needs_json_makes_all_lines_json_and_says_so(made: ReviewExample) -> None:
    session = made.session()
    card = session.edit("n0000", "First\nsecond, so I", DRAFT.negative.text, session.card("n0000").version_token)
    session.decide("n0000", Act.APPROVE, card.version_token)
    plan = plan_changes(made.folder, load_dataset(made.folder, TRAIT), made.session().cards())
    assert plan.notes == ("all lines become JSON, because an approved text does not fit on a line of text",)


# Links


def linked(of: ReviewExample, store: Path, target: str = "{side}-store.txt", relative: bool = False) -> None:
    """Move both files to a store and leave links behind."""
    store.mkdir(parents=True, exist_ok=True)
    for side in SIDES:
        path, there = of.folder / f"{side}.txt", store / target.format(side=side)
        path.rename(there)
        path.symlink_to(os.path.relpath(there, of.folder) if relative else there)


def test_a_link_stays_and_the_file_behind_it_is_written_and_restored(made: ReviewExample, tmp_path: Path) -> None:
    linked(made, tmp_path / "store", relative=True)
    (tmp_path / "store" / "positive-store.txt").chmod(0o640)
    links = {side: (made.folder / f"{side}.txt").readlink() for side in SIDES}
    before = tree(tmp_path / "store")
    plan = applied(made, "d0001", "n0000")
    assert {side: (made.folder / f"{side}.txt").readlink() for side in SIDES} == links
    assert made.texts()[1] == both(BETTER)
    assert BETTER.positive.text.encode() in tree(tmp_path / "store")["positive-store.txt"].split(b"\n")
    assert (tmp_path / "store" / "positive-store.txt").stat().st_mode & 0o777 == 0o640
    store = tmp_path / "store"
    assert plan.notes == tuple(f"{s}.txt is a link to {store / f'{s}-store.txt'}, which is written" for s in SIDES)
    undo(made.folder, made.refinement)
    assert tree(tmp_path / "store") == before
    assert {side: (made.folder / f"{side}.txt").readlink() for side in SIDES} == links


def test_a_link_to_a_link_and_a_linked_folder_are_followed(made: ReviewExample, tmp_path: Path) -> None:
    linked(made, tmp_path / "store")
    linked(made, tmp_path / "links", "{side}.lnk")
    assert (tmp_path / "links" / "positive.lnk").is_symlink()
    moved = made.folder.rename(made.folder.with_name("elsewhere"))
    made.folder.symlink_to(moved)
    applied(made, "d0001")
    assert made.folder.is_symlink()
    assert (tmp_path / "links" / "positive.lnk").is_symlink()
    assert BETTER.positive.text.encode() in (tmp_path / "store" / "positive-store.txt").read_bytes().split(b"\n")


STORES = {
    "git-annex": (".git/annex/objects/Zx/91", "SHA256E-s12--{side}.txt"),
    "DVC": (".dvc/cache/files/md5/3f", "0123456789abcdef0123456789ab{side}".replace("{side}", "cd{side}")),
    "a hub": ("hub/blobs", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b{side}"),
}


@pytest.mark.parametrize(("folder", "name"), STORES.values(), ids=STORES.keys())
def test_a_link_into_a_store_by_content_is_refused_before_anything_is_written(
    made: ReviewExample, tmp_path: Path, folder: str, name: str
) -> None:
    linked(made, tmp_path / folder, name)
    before, records = tree(tmp_path), list(made.refinement.glob("applied*"))
    with pytest.raises(ApplyError, match=r"into a store that keeps files by their content.*(?s:.*)Nothing was written"):
        applied(made, "d0001")
    decisions = {"refinement/decisions.jsonl", "refinement/decisions.jsonl.lock"}
    assert {name: data for name, data in tree(tmp_path).items() if name not in decisions} == before
    assert list(made.refinement.glob("applied*")) == records


def test_a_link_is_not_replaced_by_a_file_in_another_form(made: ReviewExample, tmp_path: Path) -> None:
    linked(made, tmp_path / "store")
    session = made.session()
    card = session.edit("n0000", "First\nsecond, so I", DRAFT.negative.text, session.card("n0000").version_token)
    session.decide("n0000", Act.APPROVE, card.version_token)
    with pytest.raises(ApplyError, match="is a link, and an approved text needs a file in JSON lines instead"):
        applied(made)


@pytest.mark.parametrize("what", ["file", "folder", "folder of the link"])
def test_what_is_read_only_is_named_before_anything_is_written(made: ReviewExample, tmp_path: Path, what: str) -> None:
    if what == "folder of the link":
        linked(made, tmp_path / "store")
    path = {"file": made.folder / "positive.txt", "folder": made.folder}.get(what, tmp_path / "store")
    mode = path.stat().st_mode
    path.chmod(mode & ~0o222)
    try:
        with pytest.raises(ApplyError, match=rf"{path}.* is read-only"):
            applied(made, "d0001")
        assert [both(of) for of in made.pairs()] == [both(of) for of in DATASET]
    finally:
        path.chmod(mode)
    applied(made, "d0001")
    assert made.texts()[1] == both(BETTER)


def test_an_undo_is_refused_as_an_apply_is(made: ReviewExample) -> None:
    applied(made, "d0001")
    (made.folder / "positive.txt").chmod(0o444)
    with pytest.raises(ApplyError, match="read-only"):
        undo(made.folder, made.refinement)
    (made.folder / "positive.txt").chmod(0o644)
    undo(made.folder, made.refinement)
    assert [both(of) for of in made.pairs()] == [both(of) for of in DATASET]


def test_another_name_of_a_file_keeps_the_old_text_and_is_told(made: ReviewExample, tmp_path: Path) -> None:
    (tmp_path / "snapshot.txt").hardlink_to(made.folder / "positive.txt")
    before = content(made, "positive")
    plan = applied(made, "d0001")
    assert plan.notes == ("positive.txt has another name, which keeps the old text (hard link)",)
    assert (tmp_path / "snapshot.txt").read_bytes() == before != content(made, "positive")
