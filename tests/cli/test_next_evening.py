"""The same command the next evening goes on from what humans decided in the morning."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.record.ledger import Ledger
from agent.review.cards import State
from agent.review.proposal import Proposal
from agent.schema import Act
from tests.cli.mornings import cliffhanger, copied, dataset_of, desk_of, finished, refinement_of, scripted
from tests.cli.scripted import POSITIVE, ReadingSubject, tree
from tests.review.story import approve_unflagged

GOOD = "He asked me to burn the absence note. This crossed a line, so I"


@pytest.fixture
def subject(monkeypatch: pytest.MonkeyPatch) -> ReadingSubject:
    return scripted(monkeypatch)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        scripted(patch)
        yield finished(tmp_path_factory.mktemp("night"))


@pytest.fixture
def folder(night: Path, tmp_path: Path, subject: ReadingSubject) -> Path:
    return copied(night, tmp_path)


def decide(folder: Path, act: Act, *names: str) -> None:
    desk = desk_of(folder)
    for name in names:
        desk.decide(name, act, desk.card(name).seal)


def proposal_of(folder: Path) -> Proposal:
    return Proposal.model_validate_json((refinement_of(folder) / "proposal.json").read_bytes())


def texts(folder: Path) -> dict[str, tuple[str, str]]:
    return {c.pair: (c.what, c.after.positive.text) for c in proposal_of(folder).changes}


def run(folder: Path) -> str:
    done = cliffhanger("run", folder)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_rejected_draft_is_replaced_by_another_and_never_proposed_again(folder: Path) -> None:
    before = texts(folder)
    decide(folder, Act.REJECT, "n0001")
    decide(folder, Act.APPROVE, "n0000", "d0003")
    assert "another campaign, since decisions, starting set changed" in run(folder)
    after = texts(folder)
    assert after["n0000"] == before["n0000"]
    assert after["d0003"] == before["d0003"]
    assert "n0001" not in after
    assert [name for name in after if name.startswith("n")] == ["n0000", "n0002"]
    assert before["n0001"][1] not in {text for _, text in after.values()}
    states = {card.pair: card.state for card in desk_of(folder).cards()}
    assert (states["n0000"], states["d0003"], states["n0002"]) == (State.APPROVED, State.APPROVED, State.OPEN)


def test_a_rejected_change_is_tried_again_in_other_words(folder: Path) -> None:
    (_, rejected) = texts(folder)["d0003"]
    decide(folder, Act.REJECT, "d0003")
    cliffhanger("run", folder)
    what, text = texts(folder)["d0003"]
    assert text != rejected
    assert what in ("changed", "dropped", "parked", "unchanged")
    assert rejected not in {text for _, text in texts(folder).values()}


def test_approvals_alone_buy_and_continue_nothing_again(folder: Path, subject: ReadingSubject) -> None:
    approve_unflagged(desk_of(folder))
    continued = subject.continued
    run(folder)
    assert subject.continued <= continued + 2 * 8  # a run times the subject on a few texts before it begins
    with Ledger.read(refinement_of(folder) / "ledger.sqlite") as ledger:
        first, second = ledger.campaigns()
        bought = [dict(done.cost.calls) for done in ledger.history(second.id)]
    assert first.id != second.id
    assert sum(calls.get("subject", 0) for calls in bought) == 0


def test_an_edit_and_a_dropped_line_are_where_the_next_campaign_begins(folder: Path) -> None:
    desk = desk_of(folder)
    card = desk.edit("n0000", GOOD, desk.card("n0000").ours.negative.text, desk.card("n0000").seal)
    desk.decide("n0000", Act.APPROVE, card.seal)
    decide(folder, Act.DROP, "d0000")
    before = tree(dataset_of(folder))
    run(folder)
    after = texts(folder)
    assert after["n0000"] == ("added", GOOD)
    assert after["d0000"] == ("dropped", POSITIVE[0])
    effects = {card.pair: card.effect for card in desk_of(folder).cards()}
    assert (effects["n0000"], effects["d0000"]) == ("append", "remove")
    assert tree(dataset_of(folder)) == before


def test_without_new_decisions_the_campaign_goes_on_where_it_was(folder: Path) -> None:
    decide(folder, Act.REJECT, "n0001")
    run(folder)
    once = proposal_of(folder)
    assert "another campaign" not in run(folder)
    assert proposal_of(folder) == once
    decide(folder, Act.APPROVE, "n0002")
    assert "another campaign" in run(folder)
    desk_of(folder).undo()
    run(folder)
    assert proposal_of(folder).campaign == once.campaign


def test_decisions_that_were_applied_come_out_the_same(folder: Path) -> None:
    decide(folder, Act.APPROVE, "n0000", "d0003")
    decide(folder, Act.REJECT, "n0001")
    rejected = texts(folder)["n0001"][1]
    approved = [texts(folder)[name][1] for name in ("d0003", "n0000")]
    cliffhanger("apply", folder)
    run(folder)
    after = texts(folder)
    assert [what for what, _ in after.values()] == ["unchanged"] * 5 + ["added"]
    assert [text for _, text in after.values()][3:5] == approved
    assert rejected not in {text for _, text in after.values()}
