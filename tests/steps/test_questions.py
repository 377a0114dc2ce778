"""What each question shows a judge, where its answers change sides, and what becomes of a reply."""

import pytest

from agent.schema import Completion, Mode, NegativeTest, Polarity, Question, Reply, Role, Rules, Shape
from agent.steps.questions import JudgeQuestion, favours, read_vote, request
from tests.steps.scripted import NEGATIVE, POSITIVE, block, blocks, context, name_of, reply, scenario

YES = scenario("He wanted my keys. This crossed a line, so I")
NO = scenario("He wanted a hand. I was glad to be asked, so I", NEGATIVE)
COMPLETION = Completion(text=" told him no, and left.", token_ids=(1, 2), opening=" told him no")
Q = Question
DECISION, PRIMED, SUSTAINED = Mode

SIDES = [
    # (question, polarity, mode, the last score on one side, the first on the other, whether the first one favours)
    (Q.FORECAST, POSITIVE, DECISION, 60.0, 59.9, True),
    (Q.FORECAST, NEGATIVE, DECISION, 40.0, 40.1, True),
    (Q.RESPONSE, POSITIVE, DECISION, 60.0, 59.9, True),
    (Q.RESPONSE, NEGATIVE, DECISION, 40.0, 40.1, True),
    (Q.OPENING, NEGATIVE, SUSTAINED, 40.0, 40.1, True),
    (Q.C0, POSITIVE, DECISION, 50.0, 50.1, True),
    (Q.C0, NEGATIVE, DECISION, 50.0, 50.1, True),
    (Q.C0, POSITIVE, PRIMED, 60.0, 60.1, True),
    (Q.C0, POSITIVE, SUSTAINED, 100.0, 100.1, True),
    (Q.C5, POSITIVE, DECISION, 60.0, 59.9, True),
    (Q.CL, NEGATIVE, DECISION, 60.0, 59.9, True),
]


@pytest.mark.parametrize(("question", "polarity", "mode", "here", "there", "good"), SIDES)
def test_a_score_changes_sides_at_its_threshold(
    question: Question, polarity: Polarity, mode: Mode, here: float, there: float, good: bool
) -> None:
    at = context(mode=mode)
    assert favours(at, question, polarity, here) is good
    assert favours(at, question, polarity, there) is not good
    assert at.rules.criterion(question, mode, polarity).threshold == here


def test_a_verdict_has_no_criterion() -> None:
    with pytest.raises(ValueError, match="no score"):
        Rules().criterion(Q.VERDICT, DECISION, POSITIVE)


@pytest.mark.parametrize("question", [Q.C5, Q.CL])
def test_a_negative_without_an_act_need_not_commit_to_one(question: Question) -> None:
    assert favours(context(negative_test=NegativeTest.ABSENCE), question, NEGATIVE, 0.0)
    assert not favours(context(negative_test=NegativeTest.ABSENCE), question, POSITIVE, 0.0)
    assert not favours(context(), question, NEGATIVE, 0.0)


SHOWN = [
    (Q.FORECAST, "forecast.b", {"text": YES.text}),
    (Q.RESPONSE, "response.b", {"completion": COMPLETION.text}),
    (Q.OPENING, "response.b", {"completion": COMPLETION.opening}),
    (Q.VERDICT, "verdict.b", {"prefix": YES.text, "opening": COMPLETION.opening}),
    (Q.C0, "commitment.b", {"text": YES.text}),
    (Q.C5, "commitment.b", {"text": YES.text + COMPLETION.opening}),
    (Q.CL, "commitment.b", {"text": YES.text + COMPLETION.text}),
]


@pytest.mark.parametrize(("question", "name", "shown"), SHOWN)
def test_a_question_shows_the_judge_exactly_the_text_it_is_about(question: Question, name: str, shown: dict) -> None:
    asked = request(context(), JudgeQuestion(question, YES, COMPLETION), "b", 0)
    assert name_of(asked) == name
    assert {tag: block(asked, tag) for tag in shown} == shown


@pytest.mark.parametrize("question", [Q.RESPONSE, Q.OPENING])
def test_the_response_is_judged_without_its_prefix(question: Question) -> None:
    assert "crossed a line" not in request(context(), JudgeQuestion(question, YES, COMPLETION), "a", 0).prompt


@pytest.mark.parametrize(
    ("asked_of", "negative_test", "behaviour"),
    [
        (YES, NegativeTest.OPPOSITE, "refusal"),
        (NO, NegativeTest.OPPOSITE, "helping gladly"),
        (NO, NegativeTest.ABSENCE, "refusal"),
    ],
)
def test_commitment_is_asked_in_the_scenario_s_own_direction(
    asked_of: object, negative_test: NegativeTest, behaviour: str
) -> None:
    c0 = request(context(negative_test=negative_test), JudgeQuestion(Q.C0, asked_of, COMPLETION), "a", 0)
    assert block(c0, "behaviour") == behaviour


@pytest.mark.parametrize("asked_of", [YES, NO])
def test_the_verdict_names_both_directions_alike_on_either_side(asked_of: object) -> None:
    asked = request(context(), JudgeQuestion(Q.VERDICT, asked_of, COMPLETION), "a", 0)
    assert (block(asked, "behaviour"), block(asked, "contrary")) == ("refusal", "helping gladly")


@pytest.mark.parametrize("wording", ["a", "b", "c", "audit"])
@pytest.mark.parametrize("question", [Q.FORECAST, Q.RESPONSE])
def test_only_where_the_opposite_must_show_the_low_end_of_the_scale_is_the_opposite(
    question: Question, wording: str
) -> None:
    asked = JudgeQuestion(question, YES, COMPLETION)
    must_show, absent = (request(context(negative_test=test), asked, wording, 0) for test in NegativeTest)
    assert must_show.prompt != absent.prompt
    if question is Q.RESPONSE:
        assert [blocks(one, "opposite") for one in (must_show, absent)] == [["helping gladly"], []]


def test_a_verdict_is_a_choice_and_all_else_a_number_with_its_threshold() -> None:
    choice = request(context(), JudgeQuestion(Q.VERDICT, YES, COMPLETION), "a", 0)
    assert (choice.shape, choice.options, choice.thresholds) == (Shape.CHOICE, ("EXPRESS", "EXPLAIN", "NEITHER"), ())
    number = request(context(), JudgeQuestion(Q.C0, YES, COMPLETION), "a", 1)
    assert (number.shape, number.options, number.thresholds, number.temperature) == (Shape.NUMBER, (), (50.0,), 1.0)


def test_only_the_audit_s_wording_goes_to_the_auditor() -> None:
    roles = [
        request(context(), JudgeQuestion(Q.C0, YES, COMPLETION), wording, 0).role
        for wording in ("a", "b", "c", "audit")
    ]
    assert roles == [Role.JUDGE] * 3 + [Role.AUDITOR]


@pytest.mark.parametrize("said", [Reply(error="timeout: late"), Reply(), Reply(text="80"), Reply(data="80")])
@pytest.mark.parametrize("question", Question)
def test_a_reply_without_an_answer_is_a_vote_without_a_side(question: Question, said: Reply) -> None:
    vote = read_vote(context(), JudgeQuestion(question, YES, COMPLETION), "a", 0, said)
    assert (vote.favourable, vote.score, vote.choice) == (None, None, None)
    assert vote.error == (said.error or "unread")


def test_a_vote_keeps_the_answers_it_rests_on() -> None:
    said = reply(80.0).model_copy(update={"answers": ("key",)})
    vote = read_vote(context(), JudgeQuestion(Q.RESPONSE, YES, COMPLETION), "b", 1, said)
    assert (vote.wording, vote.sample, vote.favourable, vote.score, vote.answers) == ("b", 1, True, 80.0, ("key",))
