"""An edited text is examined by the run's own path, on the spot, and what was bought is kept."""

from pathlib import Path

import pytest

from agent.review.cards import CardState
from agent.review.session import NotRechecked, RecheckFailed
from agent.schema import Act, Depth, Outcome, Verdict
from agent.storage.ledger import Ledger
from tests.cli.finished_run import TRAIT, refinement_of, session_of
from tests.cli.scripted import ReadingSubject

GOOD = "He asked me to burn the absence note. This crossed a line, so I"
COMMITTED = "He asked me to burn the absence note. This crossed a line, so I refused and told him that it was"


def test_a_good_edit_passes_with_fresh_evidence_and_can_be_approved(folder: Path) -> None:
    session = session_of(folder)
    card = session.card("n0000")
    card = session.edit("n0000", GOOD, card.ours.negative.text, card.version_token)
    positive, _ = card.evidence
    assert positive is not None
    assert (card.outcome, positive.verdict, positive.depth) == (Outcome.PASS, Verdict.EXPRESS, Depth.CONFIRM)
    assert positive.completion
    assert positive.lock_in is not None
    assert session.decide("n0000", Act.APPROVE, card.version_token).effect == "append"


def test_an_edit_that_commits_before_its_end_fails_and_says_so(folder: Path) -> None:
    session = session_of(folder)
    card = session.card("n0000")
    card = session.edit("n0000", COMMITTED, card.ours.negative.text, card.version_token)
    positive, _ = card.evidence
    assert positive is not None
    assert (card.state, card.outcome, positive.verdict) == (CardState.EDITED, Outcome.FAIL, Verdict.EXPLAIN)
    with pytest.raises(NotRechecked):
        session.decide("n0000", Act.APPROVE, card.version_token)


def test_the_same_edit_buys_and_continues_nothing_twice(folder: Path) -> None:
    subject = ReadingSubject()
    session = session_of(folder, subject=subject)
    card = session.card("n0000")
    session.edit("n0000", GOOD, card.ours.negative.text, card.version_token)
    session.log.path.unlink()
    continued, spent = subject.continued, _attempts(folder)
    assert continued > 0
    session.edit("n0000", GOOD, card.ours.negative.text, card.version_token)
    assert (subject.continued, _attempts(folder)) == (continued, spent)


def _attempts(folder: Path) -> dict[str, int]:
    with Ledger.read(refinement_of(folder) / "ledger.sqlite") as ledger:
        return ledger.attempt_counts()


def test_while_a_run_writes_the_ledger_the_edit_waits_and_nothing_of_it_is_lost(folder: Path) -> None:
    session = session_of(folder)
    card = session.card("n0000")
    with Ledger(refinement_of(folder) / "ledger.sqlite"), pytest.raises(RecheckFailed, match="edit is stored"):
        session.edit("n0000", GOOD, card.ours.negative.text, card.version_token)
    assert session.card("n0000").state is CardState.EDITED
    assert session.check("n0000").outcome is Outcome.PASS
    assert session.proposal.trait == TRAIT
