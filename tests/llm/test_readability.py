"""When a run stops because its answers cannot be read, from replies in order."""

import pytest

from agent.llm.readability import FIRST, Readability
from agent.schema import Reply, Role, Score

GOOD = Reply(score=Score(value=50.0, mass=1.0))
BAD = Reply(error='unscored: The answer is "Sure"')


def after(*replies: Reply) -> str | None:
    state = Readability(Role.JUDGE)
    for reply in replies:
        state = state.after(reply)
    return state.complaint


def test_most_of_the_first_answers_unread_stop_the_run_with_a_quotation_and_a_remedy() -> None:
    why = after(*[GOOD] * 5, *[BAD] * (FIRST // 2 + 1))
    assert why is not None
    assert "judge's answers cannot be read (13 of 18)" in why
    assert '"Sure"' in why
    assert "thinking off" in why


def test_half_of_the_first_answers_unread_do_not_stop_it() -> None:
    assert after(*[BAD, GOOD] * FIRST) is None


def test_after_a_good_start_only_an_unbroken_row_stops_it() -> None:
    good = [GOOD] * FIRST
    assert after(*good, *[BAD] * (FIRST - 1), GOOD, *[BAD] * (FIRST - 1)) is None
    assert f"({FIRST} in a row)" in str(after(*good, *[BAD] * FIRST))


@pytest.mark.parametrize("kind", ["refusal", "transient", "rate", "timeout", "outage", "auth", "stopped", "budget"])
def test_a_topic_that_is_withheld_and_an_outage_do_not_stop_it(kind: str) -> None:
    assert after(*[Reply(error=f"{kind}: no")] * 100) is None


@pytest.mark.parametrize("kind", ["unscored", "truncated", "malformed"])
def test_every_kind_of_unreadable_answer_counts(kind: str) -> None:
    assert after(*[Reply(error=f"{kind}: no")] * FIRST) is not None
