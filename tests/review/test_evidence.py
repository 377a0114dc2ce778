"""What the terminal's and the page's evidence say of a trait whose tone may show in the text already."""

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from agent.review import labels
from agent.review.proposal import Proposal
from agent.review.report.model import changed_for_twin
from agent.review.session import ReviewSession
from agent.review.terminal_view import card_view
from agent.review.web import view_models
from agent.schema import Mode, Pair, Polarity
from agent.storage.decision_log import DecisionLog
from tests.review.report.examples import example, sustained
from tests.review.test_proposal import proposal


def session(folder: Path, of: Proposal, dataset: Sequence[Pair]) -> ReviewSession:
    return ReviewSession(of, lambda: tuple(dataset), DecisionLog(folder / "decisions.jsonl"), "ann", None)


@pytest.fixture
def toned(tmp_path: Path) -> ReviewSession:
    changes = sustained().changes
    dataset = [change.before for change in changes if change.before]
    of = proposal(tuple(dataset), ()).model_copy(update={"mode": Mode.SUSTAINED, "changes": changes})
    return session(tmp_path, of, dataset)


@pytest.fixture
def open_until_the_end(tmp_path: Path) -> ReviewSession:
    changes = example().changes
    dataset = [change.before for change in changes if change.before]
    return session(tmp_path, proposal(tuple(dataset), ()).model_copy(update={"changes": changes}), dataset)


def on_terminal(of: ReviewSession) -> str:
    sink = io.StringIO()
    Console(file=sink, width=160).print(card_view(of.cards()[0], of.proposal))
    return sink.getvalue()


def test_in_the_terminal_only_the_first_tokens_are_held_to_a_threshold(
    toned: ReviewSession, open_until_the_end: ReviewSession
) -> None:
    said = on_terminal(toned)
    assert "J5 90 → 90 ≥60" in said
    assert "C0 95 → 95 (no criterion)" in said
    assert "C5 97 → 97 (no criterion)" in said
    assert "no criterion" not in on_terminal(open_until_the_end)


def test_on_the_page_each_score_says_whether_it_is_a_criterion(
    toned: ReviewSession, open_until_the_end: ReviewSession
) -> None:
    said = {score.name: score.meaning for score in view_models.sides(toned.cards()[0], Mode.SUSTAINED)[0].scores}
    assert "the criterion in sustained mode" in said["J5"]
    assert "not a criterion" in said["C0"]
    assert "not a criterion" in said["C5"]
    others = {score.name: score.meaning for score in view_models.sides(open_until_the_end.cards()[0])[0].scores}
    assert "the delete test" in others["C0"]


def test_a_side_that_was_changed_with_its_twin_says_so_in_both_reviews(toned: ReviewSession) -> None:
    assert on_terminal(toned).count("changed with the positive: another topic for the pair") == 1
    positive, negative = view_models.sides(toned.cards()[0], Mode.SUSTAINED)
    assert [labels.RUNGS[rung] for rung in positive.rungs] == ["another topic"]
    assert negative.rungs == (Polarity.POSITIVE,)
    assert labels.RUNGS[Polarity.POSITIVE] == "another topic for the pair, because the positive failed"


def test_only_a_text_that_became_another_has_followed_its_twin() -> None:
    change = sustained().changes[0]
    negative = change.sides[1]
    assert changed_for_twin(change, negative) is Polarity.POSITIVE
    assert changed_for_twin(change, negative.model_copy(update={"after": negative.before})) is None
    assert changed_for_twin(change, negative.model_copy(update={"before": None})) is None
