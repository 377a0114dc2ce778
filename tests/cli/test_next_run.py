"""The next run continues from the decisions of the review."""

from pathlib import Path

import pytest

from agent.review.cards import CardState
from agent.review.proposal import Proposal
from agent.schema import Act
from agent.storage.ledger import Ledger
from tests.cli.finished_run import cliffhanger, dataset_of, refinement_of, session_of
from tests.cli.scripted import POSITIVE, ReadingSubject, status_of, tree
from tests.review.example import approve_unflagged

GOOD = "He asked me to burn the absence note. This crossed a line, so I"


def decide(folder: Path, act: Act, *names: str) -> None:
    session = session_of(folder)
    for name in names:
        session.decide(name, act, session.card(name).version_token)


def proposal_of(folder: Path) -> Proposal:
    return Proposal.model_validate_json((refinement_of(folder) / "proposal.json").read_bytes())


def texts(folder: Path) -> dict[str, tuple[str, str]]:
    return {c.pair: (c.what, c.after.positive.text) for c in proposal_of(folder).changes}


def run(folder: Path, *options: str, code: int = 0, subject: ReadingSubject | None = None) -> str:
    done = cliffhanger("run", folder, *options, subject=subject)
    assert done.exit_code == code, done.output
    return " ".join(done.output.split())


def laid_out(folder: Path) -> dict[str, bytes]:
    """What review and apply go by."""
    found = tree(refinement_of(folder))
    return {name: content for name, content in found.items() if name.startswith(("final/", "proposal."))}


def test_a_rejected_draft_is_replaced_by_another_and_never_proposed_again(folder: Path) -> None:
    before = texts(folder)
    decide(folder, Act.REJECT, "n0001")
    decide(folder, Act.APPROVE, "n0000", "d0003")
    assert "new campaign, because decisions, starting set changed" in run(folder)
    after = texts(folder)
    assert after["n0000"] == before["n0000"]
    assert after["d0003"] == before["d0003"]
    assert "n0001" not in after
    assert [name for name in after if name.startswith("n")] == ["n0000", "n0002"]
    assert before["n0001"][1] not in {text for _, text in after.values()}
    states = {card.pair: card.state for card in session_of(folder).cards()}
    assert (states["n0000"], states["d0003"], states["n0002"]) == (
        CardState.APPROVED,
        CardState.APPROVED,
        CardState.OPEN,
    )


def test_a_rejected_change_is_repaired_differently(folder: Path) -> None:
    (_, rejected) = texts(folder)["d0003"]
    decide(folder, Act.REJECT, "d0003")
    cliffhanger("run", folder)
    what, text = texts(folder)["d0003"]
    assert text != rejected
    assert what in ("changed", "dropped", "parked", "unchanged")
    assert rejected not in {text for _, text in texts(folder).values()}


def test_approvals_alone_ask_and_complete_nothing_again(folder: Path) -> None:
    approve_unflagged(session_of(folder))
    subject = ReadingSubject()
    run(folder, subject=subject)
    assert subject.continued <= 8  # the timed batch of the preflight
    with Ledger.read(refinement_of(folder) / "ledger.sqlite") as ledger:
        first, second = ledger.campaigns()
        bought = [dict(done.cost.calls) for done in ledger.history(second.id)]
    assert first.id != second.id
    assert sum(calls.get("subject", 0) for calls in bought) == 0


def test_the_next_campaign_starts_from_the_edited_and_without_the_dropped_pair(folder: Path) -> None:
    session = session_of(folder)
    card = session.edit("n0000", GOOD, session.card("n0000").ours.negative.text, session.card("n0000").version_token)
    session.decide("n0000", Act.APPROVE, card.version_token)
    decide(folder, Act.DROP, "d0000")
    before = tree(dataset_of(folder))
    run(folder)
    after = texts(folder)
    assert after["n0000"] == ("added", GOOD)
    assert after["d0000"] == ("dropped", POSITIVE[0])
    effects = {card.pair: card.effect for card in session_of(folder).cards()}
    assert (effects["n0000"], effects["d0000"]) == ("append", "remove")
    assert tree(dataset_of(folder)) == before


def test_without_new_decisions_the_campaign_continues(folder: Path) -> None:
    decide(folder, Act.REJECT, "n0001")
    run(folder)
    once = proposal_of(folder)
    assert "new campaign" not in run(folder)
    assert proposal_of(folder) == once
    decide(folder, Act.APPROVE, "n0002")
    assert "new campaign" in run(folder)
    session_of(folder).undo()
    run(folder)
    assert proposal_of(folder).campaign == once.campaign


def test_applied_decisions_lead_to_the_same_set(folder: Path) -> None:
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


@pytest.mark.parametrize("rounds", ["0", "1"])
def test_a_short_run_of_a_new_campaign_keeps_the_earlier_proposal_and_its_approvals(folder: Path, rounds: str) -> None:
    decide(folder, Act.APPROVE, "n0000", "d0003")
    before = laid_out(folder)
    said = run(folder, "--new", "--max-rounds", rounds, code=3)
    assert laid_out(folder) == before
    assert (
        "review and apply still show the proposal of campaign 1, which has 6 confirmed pairs; "
        "this campaign has 0 so far." in said
    )
    assert "would change 1 pair, add 1 pair" in cliffhanger("apply", folder, "--dry-run").output
    assert session_of(folder).card("n0001").state is CardState.OPEN
    about = status_of(folder)
    assert (about["campaign"], about["how"]) == (2, "stopped")
    assert "still show" not in run(folder)
    assert proposal_of(folder).campaign == 2
    assert {card.pair: card.effect for card in session_of(folder).cards() if card.effect} == {
        "n0000": "append",
        "d0003": "replace",
    }


def test_decisions_on_the_earlier_proposal_after_a_short_run_are_used_by_the_next_one(folder: Path) -> None:
    run(folder, "--new", "--max-rounds", "0", code=3)
    rejected = texts(folder)["n0001"][1]
    decide(folder, Act.APPROVE, "n0000")
    decide(folder, Act.REJECT, "n0001")
    assert "new campaign, because decisions, starting set changed" in run(folder)
    assert proposal_of(folder).campaign == 3
    assert session_of(folder).card("n0000").effect == "append"
    assert rejected not in {text for _, text in texts(folder).values()}


def test_rejected_pairs_do_not_keep_the_earlier_proposal(folder: Path) -> None:
    decide(folder, Act.REJECT, "n0000", "n0001")
    assert "6 confirmed pairs, 2 of them rejected since; this campaign has 0" in run(
        folder, "--max-rounds", "1", code=3
    )
    assert "still show" not in run(folder, "--max-rounds", "2", code=3)
    assert proposal_of(folder).campaign == 2


def test_a_fully_applied_proposal_is_replaced_at_once(folder: Path) -> None:
    decide(folder, Act.APPROVE, "d0003", "n0000", "n0001")
    cliffhanger("apply", folder)
    assert "still show" not in run(folder, "--max-rounds", "0", code=3)
    assert proposal_of(folder).campaign == 2


def test_pairs_approved_during_a_new_campaign_can_still_be_applied(folder: Path) -> None:
    def approve(continued: int) -> None:
        if continued > 4 and session_of(folder).card("n0000").state is CardState.OPEN:  # after the timed batch
            decide(folder, Act.APPROVE, "n0000")

    settings, definition = folder / "refine.toml", dataset_of(folder) / "definition.txt"
    settings.write_text(settings.read_text().replace("[toyworld]", "[toyworld]\nseed = 3"))
    definition.write_text(f"{definition.read_text()}Note: mind the refusal.\n")  # so that the author is asked again
    before, subject = texts(folder)["n0000"], ReadingSubject(approve)
    said = run(folder, subject=subject)
    assert "toy/refusal: ready" in said
    assert session_of(folder).card("n0000").effect == "append"
    assert texts(folder)["n0000"] == before
    assert "campaign 1: 1 decision about it is unknown to this campaign. Apply first" in said
    assert "add 1 pair" in cliffhanger("apply", folder, "--dry-run").output


def test_a_dataset_with_one_empty_line_is_another_campaign_than_before_lines_took_their_partners_along(
    folder: Path,
) -> None:
    path = dataset_of(folder) / "positive.txt"
    path.write_text(path.read_text().replace(POSITIVE[1], ""))
    run(folder)
    with Ledger(refinement_of(folder) / "ledger.sqlite") as ledger:
        assert [campaign.basis.pairing for campaign in ledger.campaigns()] == [None, "by line"]
