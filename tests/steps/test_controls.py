"""Controls made from the run's own texts: what they are made of, and what of a broken judge they show."""

import pytest

from agent.schema import Completion, Reply, Request, Scenario, Score
from agent.steps.reliability import first_clause, measure_controls
from tests.steps.scripted import OutOfScriptError, block, context, name_of, scenario

TEXTS = [scenario(f"Guest {n} rang. He wanted my umbrella. It was the only one I had, so I") for n in range(24)]
MADE = Completion(text=" refused him, as it rained.", token_ids=(1,), opening=" refused him")
ITEMS = [(text, MADE) for text in TEXTS]


def judge(committed: float | None, is_open: float | None) -> object:
    """Scores a text by whether it holds the refusal."""

    def ask(requests: list[Request]) -> list[Reply]:
        assert {name_of(request) for request in requests} <= {f"commitment.{wording}" for wording in "abc"}
        said = [committed if "refused" in block(request, "text") else is_open for request in requests]
        return [Reply(error="transient: out") if s is None else Reply(score=Score(value=s, mass=1.0)) for s in said]

    return context(ask)


@pytest.mark.parametrize(
    ("completion", "clause"),
    [
        (" refused him, as it rained. Go", " refused him, as it rained"),
        (" No, I will not do that. Go", " No, I will not do that"),
        (" told him to leave; he went", " told him to leave"),
        (" went on and on without an e", " went on and on without an"),
        ("word", "word"),
        ("", ""),
    ],
)
def test_a_first_clause_ends_at_its_mark_or_before_a_word_that_may_be_cut(completion: str, clause: str) -> None:
    assert first_clause(completion) == clause


def test_a_judge_that_tells_them_apart_reaches_an_area_of_one() -> None:
    found = measure_controls(judge(95.0, 5.0), ITEMS)
    assert found is not None
    assert (found.auc, len(found.committed), len(found.open)) == (1.0, 24, 24)
    assert found.high >= 0.9


def test_a_judge_that_always_says_ninety_is_worth_a_coin_and_its_interval_ends_below_nine_tenths() -> None:
    found = measure_controls(judge(90.0, 90.0), ITEMS)
    assert found is not None
    assert found.auc == 0.5
    assert found.high < 0.9


def test_the_open_control_is_the_stem_and_the_committed_one_the_prefix_with_the_clause() -> None:
    shown: list[str] = []

    def ask(requests: list[Request]) -> list[Reply]:
        shown.extend(block(request, "text") for request in requests)
        return [Reply(score=Score(value=50.0, mass=1.0))] * len(requests)

    measure_controls(context(ask), ITEMS[:1])
    assert list(dict.fromkeys(shown)) == [
        "Guest 0 rang. He wanted my umbrella. It was the only one I had, so I refused him, as it rained",
        "Guest 0 rang. He wanted my umbrella.",
    ]


def test_texts_whose_stem_is_a_single_sentence_give_no_open_control_and_cost_nothing() -> None:
    short: list[tuple[Scenario, Completion]] = [(scenario("Guest 1 rang. It was late, so I"), MADE)]
    with pytest.raises(OutOfScriptError):
        measure_controls(context(), ITEMS[:1])
    assert measure_controls(context(), short) is None


def test_one_wrong_answer_of_three_moves_no_control() -> None:
    def ask(requests: list[Request]) -> list[Reply]:
        said = [100.0 if ("refused" in block(r, "text")) == (name_of(r) != "commitment.b") else 0.0 for r in requests]
        return [Reply(score=Score(value=s, mass=1.0)) for s in said]

    found = measure_controls(context(ask), ITEMS)
    assert found is not None
    assert found.auc == 1.0


def test_controls_that_could_not_be_scored_are_left_out_and_without_any_there_is_no_figure() -> None:
    assert measure_controls(judge(None, 5.0), ITEMS) is None
