"""For any proposal and any decisions, a dataset changes by exactly what was approved."""

import tempfile
from pathlib import Path
from typing import NamedTuple

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agent.review.apply import plan_changes, undo, write
from agent.review.proposal import ChangeKind
from agent.schema import Act, Outcome, Pair
from agent.storage.dataset import load_dataset
from tests.cli.scripted import tree
from tests.review.example import TRAIT, both, change, pair, proposal, review_example

ODD = (
    "plain",
    "{brace",
    "tab\tinside",
    "\u2028",
    "\x85",
    "trailing ",
    "two\nlines",
    "\x0b",
    "¡ñandú!",
    "我于是",
    '"quoted',
)
WHATS: tuple[ChangeKind, ...] = ("unchanged", "changed", "dropped", "parked", "added")
ACTS = ("none", "approve", "reject", "drop", "edit", "approve an edit", "undo")


class Fate(NamedTuple):
    """What is proposed for one pair, what a human does to it, and how strange its texts are."""

    what: ChangeKind
    act: str
    odd: str


fates = st.builds(Fate, st.sampled_from(WHATS), st.sampled_from(ACTS), st.sampled_from(ODD))


def text_of(number: int, version: str, odd: str) -> Pair:
    return pair(f"p{number:04}", f"p{number} {version} {odd}", f"n{number} {version} {odd}")


@hypothesis_settings(max_examples=150)
@given(st.lists(fates, max_size=8), st.lists(st.sampled_from(ODD), max_size=2), st.booleans())
def test_apply_changes_exactly_what_was_approved_and_nothing_else(
    told: list[Fate], strangers: list[str], moved: bool
) -> None:
    with tempfile.TemporaryDirectory() as root:
        _check(Path(root), told, strangers, moved)


def _check(root: Path, told: list[Fate], strangers: list[str], moved: bool) -> None:
    old = {i: text_of(i, "old", fate.odd) for i, fate in enumerate(told) if fate.what != "added"}
    old = {i: of.model_copy(update={"line": line}) for line, (i, of) in enumerate(old.items())}
    present = [*old.values(), *(text_of(100 + i, "theirs", odd) for i, odd in enumerate(strangers))]
    made = review_example(root, present[::-1] if moved else present)
    made.proposal = proposal(_proposed(i, fate, old.get(i)) for i, fate in enumerate(told))
    became = {i: _decided(made.session(), i, fate) for i, fate in enumerate(told)}
    start, expected, untouched = tree(made.folder), [], []
    for of in made.pairs():
        number = next((i for i, before in old.items() if before.key == of.key), None)
        stays = number is None or became[number] == "stays"
        expected.append(both(of) if stays else became[number])
        untouched += [of.line] if stays else []
    expected += [became[i] for i, fate in enumerate(told) if fate.what == "added" and became[i] != "stays"]
    left = [texts for texts in expected if texts != "leaves"]

    plan = plan_changes(made.folder, load_dataset(made.folder, TRAIT), made.session().cards())
    write(plan, made.refinement)

    assert made.texts() == left
    if any(result != "stays" for result in became.values()):
        _check_bytes(start, tree(made.folder), untouched)
        undo(made.folder, made.refinement)
    assert tree(made.folder) == start


def _check_bytes(before: dict[str, bytes], after: dict[str, bytes], untouched: list[int]) -> None:
    """Lines that nobody decided on are the same bytes in the same order, unless the files became JSON lines."""
    for name in before.keys() & after.keys():
        left = iter(after[name].split(b"\n"))
        rows = before[name].split(b"\n")
        assert all(rows[line] in left for line in untouched)
    assert before.keys() == after.keys() or after.keys() == {"positive.jsonl", "negative.jsonl"}


def _proposed(number: int, fate: Fate, before: Pair | None):  # type: ignore[no-untyped-def]
    outcome = Outcome.FAIL if number % 3 == 0 else Outcome.PASS
    same = fate.what in ("unchanged", "dropped") or (fate.what == "parked" and number % 2)
    after = before if same and before else text_of(number, "new", fate.odd)
    return change(fate.what, before, after, outcome)


def _decided(session, number: int, fate: Fate):  # type: ignore[no-untyped-def]
    """Do it, and say by plain rules what is to become of the pair: its new texts, "leaves" or "stays"."""
    name, proposed = f"p{number:04}", session.card(f"p{number:04}").change.after
    approvable = fate.what != "unchanged"
    if fate.act in ("edit", "approve an edit"):
        edited = text_of(number, "edited", fate.odd)
        card = session.edit(name, *both(edited), session.card(name).version_token)
        if fate.act == "approve an edit":
            session.decide(name, Act.APPROVE, card.version_token)
            return both(edited)
    elif fate.act == "drop" and fate.what != "added":
        session.decide(name, Act.DROP, session.card(name).version_token)
        return "leaves"
    elif fate.act in ("approve", "reject", "undo") and approvable:
        session.decide(name, Act.REJECT if fate.act == "reject" else Act.APPROVE, session.card(name).version_token)
        if fate.act == "undo":
            session.undo()
        if fate.act == "approve":
            return _approved(fate, both(proposed), session.card(name).change)
    return "stays"


def _approved(fate: Fate, proposed: tuple[str, str], of):  # type: ignore[no-untyped-def]
    if fate.what == "dropped":
        return "leaves"
    return "stays" if of.before is not None and both(of.before) == proposed else proposed
