"""A decision applies to exactly the texts that the reviewer saw, or is refused."""

from pathlib import Path

import pytest

from agent.review.cards import CardState
from agent.review.session import NoDecisionToUndo, NotAllowed, NotRechecked, ReviewSession, StaleText, UnknownPair
from agent.schema import Act, Decision, Outcome, Verdict
from tests.review.example import (
    BETTER,
    CHANGES,
    DATASET,
    DRAFT,
    DROPPED,
    KEPT,
    REPAIRED,
    UNDECIDED,
    ReviewExample,
    approve_unflagged,
    change,
    pair,
    proposal,
    review_example,
)

THEIRS = pair("d0001", "She wanted the exam answers at once, so I", "She wanted the exam date, so I", 1)


@pytest.fixture
def example(tmp_path: Path) -> ReviewExample:
    return review_example(tmp_path)


def decide(session: ReviewSession, name: str, act: Act) -> CardState:
    return session.decide(name, act, session.card(name).version_token).state


def test_each_pair_is_open_until_it_is_decided_and_dropped_drafts_have_no_card(example: ReviewExample) -> None:
    assert {name: card.state.value for name, card in example.cards().items()} == {
        "d0000": "unchanged",
        "d0001": "open",
        "d0002": "open",
        "d0003": "open",
        "n0000": "open",
        "n0001": "open",
        "n0002": "open",
    }


def test_what_an_act_does_follows_from_what_is_proposed(example: ReviewExample) -> None:
    session = example.session()
    got = {}
    for name in ("d0001", "d0002", "d0003", "n0000"):
        decide(session, name, Act.APPROVE)
        got[name] = session.card(name).effect
    assert got == {"d0001": "replace", "d0002": "remove", "d0003": "replace", "n0000": "append"}
    for name in got:
        assert decide(session, name, Act.REJECT) is CardState.REJECTED
        assert session.card(name).effect is None
    for name in ("d0000", "d0003"):
        assert decide(session, name, Act.DROP) is CardState.DROPPED
        assert session.card(name).effect == "remove"
    with pytest.raises(NotAllowed, match="reject it instead"):
        decide(session, "n0000", Act.DROP)
    with pytest.raises(NotAllowed, match="Nothing is proposed"):
        decide(session, "d0000", Act.APPROVE)
    with pytest.raises(UnknownPair):
        session.card("n0003")


def test_a_decision_is_seen_by_the_next_session(example: ReviewExample) -> None:
    decide(example.session("ann"), "d0001", Act.APPROVE)
    card = example.session("bob").card("d0001")
    assert card.state is CardState.APPROVED
    assert card.decision is not None
    assert (card.decision.who, card.decision.key) == ("ann", BETTER.key)


def test_whoever_saw_another_text_cannot_decide(example: ReviewExample) -> None:
    ann, bob = example.session("ann"), example.session("bob")
    seen = ann.card("d0001")
    bob.edit("d0001", "She wanted the answers, so I", "She wanted the date, so I", seen.version_token)
    with pytest.raises(StaleText, match="Look at it again"):
        ann.decide("d0001", Act.APPROVE, seen.version_token)
    seen = ann.card("d0003")
    example.write([KEPT, REPAIRED, DROPPED, pair("d0003", "Somebody rang about the fence, so I", "Gate, so I", 3)])
    with pytest.raises(StaleText):
        ann.decide("d0003", Act.APPROVE, seen.version_token)
    assert [d.who for d in example.log.read().decisions] == ["bob", "bob"]


def test_a_decision_on_a_text_that_the_run_has_since_replaced_does_not_count(example: ReviewExample) -> None:
    decide(example.session(), "d0001", Act.APPROVE)
    newer = pair("d0001", "She begged for the exam answers, so I", "She wanted the exam date, so I", 1)
    example.proposal = proposal([*CHANGES[:1], change("changed", REPAIRED, newer), *CHANGES[2:]])
    card = example.cards()["d0001"]
    assert (card.state, card.effect) == (CardState.STALE, None)
    example.proposal = proposal([*CHANGES[:1], change("dropped", REPAIRED, BETTER, Outcome.FAIL), *CHANGES[2:]])
    assert example.cards()["d0001"].effect is None
    example.proposal = proposal([*CHANGES[:1], change("changed", REPAIRED, newer), *CHANGES[2:]], campaign=2)
    assert example.cards()["d0001"].state is CardState.OPEN


def test_an_edit_is_rechecked_on_the_spot_and_approved_only_when_it_passes(example: ReviewExample) -> None:
    session = example.session()
    example.outcome = Outcome.FAIL
    card = session.edit(
        "n0000", "Forge it, he said, so I", DRAFT.negative.text, session.card("n0000").version_token, "shorter"
    )
    assert (card.state, card.outcome, card.edited) == (CardState.EDITED, Outcome.FAIL, True)
    assert (card.ours.positive.text, card.change.after.positive.text) == (
        "Forge it, he said, so I",
        DRAFT.positive.text,
    )
    with pytest.raises(NotRechecked, match="fails"):
        session.decide("n0000", Act.APPROVE, card.version_token)
    example.outcome = Outcome.PASS
    card = session.edit("n0000", "Forge it now, he said, so I", DRAFT.negative.text, card.version_token)
    assert [found.verdict for found in card.evidence if found] == [Verdict.EXPRESS, Verdict.EXPRESS]
    card = session.decide("n0000", Act.APPROVE, card.version_token)
    assert (card.state, card.effect, card.ours.positive.text) == (
        CardState.APPROVED,
        "append",
        "Forge it now, he said, so I",
    )
    assert [of.positive.text for of in example.rechecked] == ["Forge it, he said, so I", "Forge it now, he said, so I"]


def test_an_edit_back_to_the_proposed_texts_has_the_runs_evidence_and_its_approval_counts(
    example: ReviewExample,
) -> None:
    session = example.session()
    shown = session.card("d0001")
    session.edit("d0001", "She wanted the answers. I said no, so I", shown.ours.negative.text, shown.version_token)
    session.undo()
    card = session.card("d0001")
    card = session.edit("d0001", card.ours.positive.text, card.ours.negative.text, card.version_token)
    assert card.outcome is Outcome.PASS
    assert decide(session, "d0001", Act.APPROVE) is CardState.APPROVED
    assert session.card("d0001").effect == "replace"


def test_an_edit_outlives_a_recheck_that_fails_and_waits_for_one_that_does_not(example: ReviewExample) -> None:
    def broken(of: object) -> list[object]:
        raise RuntimeError("the judge is out")

    session = example.session()
    cut_off = ReviewSession(session.proposal, session.dataset, session.log, "ann", broken)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="the judge is out"):
        cut_off.edit("d0003", "The fence again, so I", "The gate again, so I", session.card("d0003").version_token)
    card = session.card("d0003")
    assert (card.state, card.ours.positive.text) == (CardState.EDITED, "The fence again, so I")
    with pytest.raises(NotRechecked, match="check it"):
        session.decide("d0003", Act.APPROVE, card.version_token)
    card = session.check("d0003")
    assert session.decide("d0003", Act.APPROVE, card.version_token).effect == "replace"


def test_an_approved_edit_that_nobody_rechecked_does_not_count_however_it_came(example: ReviewExample) -> None:
    session = ReviewSession(example.proposal, example.pairs, example.log, "ann")
    card = session.edit(
        "n0000", "Forge it, he said, so I", "Check it, he said, so I", session.card("n0000").version_token
    )
    smuggled = Decision(
        trait="toy/refusal",
        campaign=1,
        pair="n0000",
        act=Act.APPROVE,
        key=card.key,
        proposed=card.proposed,
        base=None,
        who="mallory",
        when="2030-01-01T00:00:00.000000+00:00",
    )
    example.log.append(smuggled)
    assert (session.card("n0000").state, session.card("n0000").effect) == (CardState.EDITED, None)


@pytest.mark.parametrize(
    ("positive", "negative", "match"),
    [
        ("  ", "b", "empty"),
        ("a", "a", "the same"),
        ("a\ud800", "b", "surrogate"),
        ("<<<<<<< ours\nSo I", "b", "conflict mark"),
        ("Then\n=======\nso I", "b", "conflict mark"),
        ("a", "so I >>>>>>> theirs", "negative text contains a conflict mark"),
    ],
)
def test_a_text_that_no_dataset_can_hold_is_refused(
    example: ReviewExample, positive: str, negative: str, match: str
) -> None:
    session = example.session()
    with pytest.raises(NotAllowed, match=match):
        session.edit("n0000", positive, negative, session.card("n0000").version_token)
    assert example.log.read().decisions == ()


def test_undo_takes_back_the_reviewers_own_last_act_and_deletes_nothing(example: ReviewExample) -> None:
    ann, bob = example.session("ann"), example.session("bob")
    decide(ann, "d0001", Act.APPROVE)
    decide(ann, "d0002", Act.REJECT)
    decide(bob, "n0000", Act.APPROVE)
    assert [d.pair for d in ann.undo()] == ["d0002"]
    assert [example.cards()[name].state.value for name in ("d0001", "d0002", "n0000")] == [
        "approved",
        "open",
        "approved",
    ]
    assert [d.pair for d in ann.undo()] == ["d0001"]
    with pytest.raises(NoDecisionToUndo):
        ann.undo()
    assert len(example.log.read().decisions) == 5


def test_all_unflagged_are_approved_in_one_act_and_undone_in_one(example: ReviewExample) -> None:
    session = example.session()
    decide(session, "n0002", Act.REJECT)
    assert [card.pair for card in approve_unflagged(session)] == ["d0001", "n0000"]
    assert [d.pair for d in session.undo()] == ["d0001", "n0000"]
    assert session.card("n0002").state is CardState.REJECTED


def test_a_pair_that_somebody_changed_in_the_dataset_is_a_conflict_until_it_is_decided(example: ReviewExample) -> None:
    session = example.session()
    decide(session, "d0001", Act.APPROVE)
    example.write([KEPT, THEIRS, DROPPED, UNDECIDED])
    card = session.card("d0001")
    assert (card.state, card.effect, card.conflict) == (CardState.CONFLICT, None, True)
    assert card.change.before is not None
    assert card.now is not None
    assert [p.positive.text for p in (card.change.before, card.now, card.ours)] == [
        p.positive.text for p in (REPAIRED, THEIRS, BETTER)
    ]
    assert "d0001" not in [c.pair for c in approve_unflagged(session)]
    assert decide(session, "d0001", Act.REJECT) is CardState.REJECTED
    assert decide(session, "d0001", Act.APPROVE) is CardState.APPROVED
    assert session.card("d0001").effect == "replace"
    example.write([KEPT, pair("d0001", "She wanted the exam answers now, so I", "x", 1), DROPPED, UNDECIDED])
    assert session.card("d0001").state is CardState.CONFLICT


def test_a_pair_that_somebody_removed_is_a_conflict_and_comes_back_only_when_approved(example: ReviewExample) -> None:
    example.write([KEPT, DROPPED, UNDECIDED])
    card = example.cards()["d0001"]
    assert (card.state, card.now) == (CardState.CONFLICT, None)
    assert decide(example.session(), "d0001", Act.APPROVE) is CardState.APPROVED
    assert example.cards()["d0001"].effect == "append"


def test_lines_that_only_moved_are_no_conflict(example: ReviewExample) -> None:
    session = example.session()
    decide(session, "d0001", Act.APPROVE)
    example.write([pair("x", "A new line, so I", "A newer line, so I"), *reversed(DATASET)])
    cards = example.cards()
    assert (cards["d0001"].state, cards["d0001"].line) == (CardState.APPROVED, 3)
    assert not any(card.conflict for card in cards.values())


def test_what_the_dataset_holds_already_is_applied_and_is_not_decided_again(example: ReviewExample) -> None:
    example.write([KEPT, BETTER, UNDECIDED, DRAFT])
    cards = example.cards()
    assert [cards[name].state.value for name in ("d0001", "d0002", "n0000")] == ["applied"] * 3
    with pytest.raises(NotAllowed, match="--undo"):
        decide(example.session(), "n0000", Act.REJECT)


def test_of_two_lines_with_the_same_text_only_the_one_that_was_dropped_leaves(tmp_path: Path) -> None:
    twin = KEPT.model_copy(update={"id": "d0001", "line": 1})
    made = review_example(tmp_path, [KEPT, twin])
    made.proposal = proposal([change("unchanged", KEPT, KEPT), change("dropped", twin, twin, Outcome.FAIL)])
    decide(made.session(), "d0001", Act.APPROVE)
    assert [(card.line, card.effect) for card in made.cards().values()] == [(0, None), (1, "remove")]


def test_a_line_with_the_same_text_does_not_stand_in_for_one_that_somebody_changed(tmp_path: Path) -> None:
    twin = KEPT.model_copy(update={"id": "d0001", "line": 1})
    made = review_example(tmp_path, [pair("d0000", "The vicar asked for my umbrella twice, so I", "x"), twin])
    better = pair("d0000", "The vicar wanted my umbrella, so I", KEPT.negative.text, 0)
    made.proposal = proposal([change("changed", KEPT, better), change("dropped", twin, twin, Outcome.FAIL)])
    decide(made.session(), "d0001", Act.APPROVE)
    assert [card.effect for card in made.cards().values()] == [None, "remove"]


def test_a_line_drawn_in_a_text_is_no_conflict_mark(example: ReviewExample) -> None:
    session = example.session()
    drawn = "The letter ended ======== and <<here>>, so I"
    assert session.edit("n0000", drawn, "b", session.card("n0000").version_token).ours.positive.text == drawn


def test_an_undecided_conflict_is_decided_before_it_is_edited(example: ReviewExample) -> None:
    example.write([KEPT, THEIRS, DROPPED, UNDECIDED])
    session = example.session()
    with pytest.raises(NotAllowed, match="first keep the dataset's text"):
        session.edit("d0001", "A third text, so I", "b", session.card("d0001").version_token)
    assert example.log.read().decisions == ()
    decide(session, "d0001", Act.APPROVE)
    assert (
        session.edit("d0001", "A third text, so I", "b", session.card("d0001").version_token).state is CardState.EDITED
    )
