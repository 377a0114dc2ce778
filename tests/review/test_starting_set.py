"""The next campaign begins from what humans decided, and loses nothing that nobody has decided yet."""

from pathlib import Path

import pytest

from agent.review.apply import rejected_texts, starting_pairs
from agent.schema import Act, Outcome, Pair
from agent.storage.decision_log import in_force
from tests.review.example import (
    BETTER,
    CHANGES,
    DATASET,
    DRAFT,
    DROPPED,
    KEPT,
    LATER,
    POOR,
    REPAIRED,
    UNDECIDED,
    ReviewExample,
    both,
    change,
    pair,
    proposal,
    review_example,
)

KNOWN = {p.key: p for p in (*DATASET, BETTER, DRAFT, POOR, LATER)}


@pytest.fixture
def made(tmp_path: Path) -> ReviewExample:
    return review_example(tmp_path)


def decide(of: ReviewExample, act: Act, *names: str) -> None:
    session = of.session()
    for name in names:
        session.decide(name, act, session.card(name).version_token)


def started(of: ReviewExample) -> list[tuple[str, str]]:
    return [(p.id, p.positive.text) for p in starting_pairs(of.pairs(), of.session().cards(), KNOWN)]


def told(*pairs: Pair) -> list[tuple[str, str]]:
    return [(p.id, p.positive.text) for p in pairs]


def test_undecided_texts_that_pass_go_along_and_failing_ones_do_not(made: ReviewExample) -> None:
    assert started(made) == told(KEPT, BETTER, DROPPED, UNDECIDED, DRAFT, LATER)


def test_what_was_rejected_stands_as_in_the_dataset_or_is_gone(made: ReviewExample) -> None:
    decide(made, Act.REJECT, "d0001", "d0002", "n0000")
    assert started(made) == told(KEPT, REPAIRED, DROPPED, UNDECIDED, LATER)


def test_what_was_approved_is_in_place_whether_it_passes_or_not(made: ReviewExample) -> None:
    decide(made, Act.APPROVE, "d0001", "d0002", "n0001")
    assert started(made) == told(KEPT, BETTER, UNDECIDED, DRAFT, POOR, LATER)


def test_the_same_comes_out_once_it_was_applied(made: ReviewExample) -> None:
    decide(made, Act.APPROVE, "d0001", "d0002", "n0000")
    decide(made, Act.REJECT, "n0002")
    before = [text for _, text in started(made)]
    made.write([KEPT, BETTER, UNDECIDED, DRAFT])
    assert [text for _, text in started(made)] == before


def test_an_approved_edit_goes_along_and_a_failing_one_does_not(made: ReviewExample) -> None:
    session = made.session()
    card = session.edit("n0000", "Forge it, he said, so I", DRAFT.negative.text, session.card("n0000").version_token)
    session.decide("n0000", Act.APPROVE, card.version_token)
    made.outcome = Outcome.FAIL
    session.edit("d0001", "She wanted them all, so I", REPAIRED.negative.text, session.card("d0001").version_token)
    assert [text for _, text in started(made)][1] == REPAIRED.positive.text
    assert ("n0000", "Forge it, he said, so I") in started(made)


def test_drafts_keep_the_domain_and_kind_that_their_author_gave_them(made: ReviewExample) -> None:
    known = {DRAFT.key: DRAFT.model_copy(update={"domain": "work", "kind": "quote"})}
    pairs = starting_pairs(made.pairs(), made.session().cards(), known)
    assert [(p.domain, p.kind) for p in pairs if p.id == "n0000"] == [("work", "quote")]


def test_only_texts_that_were_rejected_last_and_that_the_dataset_lacks_are_refused(made: ReviewExample) -> None:
    def refused() -> tuple[str, ...]:
        return rejected_texts(in_force(made.log.read().decisions), KNOWN, made.pairs())

    decide(made, Act.REJECT, "d0001", "d0002", "n0000", "n0002")
    assert refused() == (BETTER.positive.text, *both(DRAFT), *both(LATER))
    decide(made, Act.APPROVE, "n0000")
    assert refused() == (BETTER.positive.text, *both(LATER))
    made.write([*DATASET, LATER])
    assert refused() == (BETTER.positive.text,)


def test_an_approval_holds_for_the_proposal_of_the_campaign_that_began_with_it(made: ReviewExample) -> None:
    decide(made, Act.APPROVE, "d0001", "d0002")
    decide(made, Act.DROP, "d0003")
    session = made.session()
    card = session.edit("n0000", "Forge it, he said, so I", DRAFT.negative.text, session.card("n0000").version_token)
    session.decide("n0000", Act.APPROVE, card.version_token)
    edited = pair("n0000", "Forge it, he said, so I", DRAFT.negative.text)
    dropped = change("dropped", UNDECIDED, UNDECIDED)
    made.proposal = proposal([*CHANGES[:3], dropped, change("added", None, edited)], campaign=2)
    assert {c.pair: c.effect for c in made.session().cards()} == {
        "d0000": None,
        "d0001": "replace",
        "d0002": "remove",
        "d0003": "remove",
        "n0000": "append",
    }


def test_a_dataset_with_lines_left_out_loses_none_of_its_pairs() -> None:
    present = [KEPT, UNDECIDED.model_copy(update={"line": 7})]
    assert [pair.line for pair in starting_pairs(present, (), {})] == [0, 7]
