"""A noisy judge: no question is decided against a scenario by one vote, and none by more than five."""

import itertools
from collections.abc import Iterator, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.schema import Completion, Depth, Question, Reply, Request, Role, Rules, Tally, VoteOutcome
from agent.steps.questions import JudgeQuestion
from agent.steps.voting import LEAD_OF_SINGLE_DISSENT, Ballot, collect_votes
from tests.steps.scripted import OutOfScriptError, Said, Wording, context, reply, scenario, wording_of

TEXT = scenario("He wanted my keys. This crossed a line, so I")
COMPLETION = Completion(text=" told him no.", token_ids=(1, 2), opening=" told him")
GOOD, BAD = 90.0, 10.0
A, B, C, AUDIT = ("a", 0), ("b", 0), ("c", 0), ("audit", 0)
C1, B1, A1 = ("c", 1), ("b", 1), ("a", 1)


class Voters:
    """Answers by wording and sample; a vote that nobody foresaw is an error."""

    def __init__(self, answers: Mapping[Wording, Said]) -> None:
        self.answers = answers
        self.asked: list[Request] = []

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        self.asked += requests
        for request in requests:
            if wording_of(request) not in self.answers:
                raise OutOfScriptError(f"nobody foresaw a vote in {wording_of(request)}")
        return [reply(self.answers[wording_of(request)]) for request in requests]

    @property
    def order(self) -> list[Wording]:
        return [wording_of(request) for request in self.asked]


def vote(
    answers: Mapping[Wording, Said],
    depth: Depth = Depth.FIRST,
    question: Question = Question.RESPONSE,
    escalate: bool = True,
    rules: Rules | None = None,
) -> tuple[Tally, Voters]:
    voters = Voters(answers)
    ballot = Ballot.at(depth, JudgeQuestion(question, TEXT, COMPLETION), escalate)
    (tally,) = collect_votes(context(voters.ask, rules=rules), [ballot])
    return tally, voters


def test_one_favourable_vote_is_enough_at_first_sight() -> None:
    tally, voters = vote({A: GOOD})
    assert (tally.ruling, tally.score) == (VoteOutcome.FAVOURABLE, GOOD)
    assert voters.order == [A]


def test_no_question_is_decided_against_a_scenario_by_one_vote() -> None:
    with pytest.raises(OutOfScriptError, match="'b'"):
        vote({A: BAD})


def test_two_adverse_votes_decide_against() -> None:
    tally, voters = vote({A: BAD, B: 30.0})
    assert (tally.ruling, tally.score) == (VoteOutcome.ADVERSE, 20.0)
    assert voters.order == [A, B]


def test_an_error_of_one_wording_is_outvoted_by_the_others() -> None:
    tally, voters = vote({A: BAD, B: GOOD, C: GOOD, C1: GOOD})
    assert tally.ruling is VoteOutcome.FAVOURABLE
    assert voters.order == [A, B, C, C1]


def test_fresh_wordings_come_first_and_then_the_latest_again_at_temperature_one() -> None:
    _, voters = vote({A: BAD, B: GOOD, C: BAD, C1: GOOD, B1: BAD})
    assert voters.order == [A, B, C, C1, B1]
    assert [r.temperature for r in voters.asked] == [0.0, 0.0, 0.0, 1.0, 1.0]
    assert [r.sample for r in voters.asked] == [0, 0, 0, 1, 1]


def test_a_lead_of_one_after_five_votes_is_a_tie() -> None:
    tally, voters = vote({A: BAD, B: GOOD, C: BAD, C1: GOOD, B1: GOOD})
    assert tally.ruling is VoteOutcome.TIE
    assert len(voters.order) == 5


def test_a_tie_keeps_all_votes_and_their_mean() -> None:
    tally, _ = vote({A: BAD, B: GOOD, C: BAD, C1: GOOD, B1: 50.0})
    assert tally.score == 50.0
    assert [v.score for v in tally.votes] == [BAD, GOOD, BAD, GOOD, 50.0]


def test_a_lead_of_two_reached_on_the_way_ends_the_vote() -> None:
    tally, voters = vote({A: BAD, B: GOOD, C: BAD, C1: BAD})
    assert tally.ruling is VoteOutcome.ADVERSE
    assert voters.order == [A, B, C, C1]


def test_the_score_is_the_mean_of_the_winning_side_alone() -> None:
    tally, _ = vote({A: BAD, B: 70.0, C: 80.0, C1: 90.0})
    assert tally.score == 80.0


def test_confirming_asks_two_wordings_even_when_the_first_is_favourable() -> None:
    tally, voters = vote({A: GOOD, B: 80.0}, Depth.CONFIRM)
    assert (tally.ruling, tally.score) == (VoteOutcome.FAVOURABLE, 85.0)
    assert voters.order == [A, B]


def test_a_second_wording_that_contradicts_the_first_is_not_a_pass() -> None:
    tally, voters = vote({A: GOOD, B: BAD, C: BAD, C1: BAD}, Depth.CONFIRM)
    assert tally.ruling is VoteOutcome.ADVERSE
    assert voters.order == [A, B, C, C1]


def test_the_audit_asks_another_wording_of_the_auditor() -> None:
    tally, voters = vote({A: GOOD, B: GOOD, AUDIT: GOOD}, Depth.AUDIT)
    assert tally.ruling is VoteOutcome.FAVOURABLE
    assert voters.order == [A, B, AUDIT]
    assert [r.role for r in voters.asked] == [Role.JUDGE, Role.JUDGE, Role.AUDITOR]


def test_an_audit_that_disagrees_is_voted_on_before_it_counts() -> None:
    tally, voters = vote({A: GOOD, B: GOOD, AUDIT: BAD, C: GOOD}, Depth.AUDIT)
    assert tally.ruling is VoteOutcome.FAVOURABLE
    assert voters.order == [A, B, AUDIT, C]
    split = {A: GOOD, B: GOOD, AUDIT: BAD, C: BAD, C1: BAD, B1: GOOD}
    assert vote(split, Depth.AUDIT)[0].ruling is VoteOutcome.TIE


def test_a_lone_dissent_needs_a_lead_of_three_to_decide_against() -> None:
    voters = Voters({A: BAD, B: BAD, C: GOOD, C1: GOOD, B1: BAD})
    ballot = Ballot(JudgeQuestion(Question.RESPONSE, TEXT, COMPLETION), ("a",), lead_to_reject=LEAD_OF_SINGLE_DISSENT)
    assert collect_votes(context(voters.ask), [ballot])[0].ruling is VoteOutcome.TIE
    assert voters.order == [A, B, C, C1, B1]


def test_without_appeal_the_opening_wording_alone_decides() -> None:
    tally, voters = vote({A: BAD}, escalate=False)
    assert tally.ruling is VoteOutcome.ADVERSE
    assert voters.order == [A]


@pytest.mark.parametrize("escalate", [True, False])
def test_an_unreadable_vote_leaves_the_question_open_without_a_score(escalate: bool) -> None:
    tally, voters = vote({A: None}, escalate=escalate)
    assert (tally.ruling, tally.score, tally.choice) == (VoteOutcome.OPEN, None, None)
    assert tally.votes[0].error == "malformed: the answer holds no number"
    assert voters.order == [A]


@pytest.mark.parametrize("answers", [{A: BAD, B: None}, {A: BAD, B: GOOD, C: None}])
def test_an_unreadable_later_vote_is_neither_for_nor_against(answers: dict) -> None:
    tally, _ = vote(answers)
    assert tally.ruling is VoteOutcome.OPEN
    assert tally.score is None


def test_one_unreadable_vote_among_good_ones_is_still_no_pass() -> None:
    assert vote({A: GOOD, B: None}, Depth.CONFIRM)[0].ruling is VoteOutcome.OPEN
    assert vote({A: GOOD, B: GOOD, AUDIT: None}, Depth.AUDIT)[0].ruling is VoteOutcome.OPEN


def test_a_reply_of_the_wrong_shape_is_unreadable_and_not_a_zero() -> None:
    assert vote({A: "EXPRESS"}).__getitem__(0).ruling is VoteOutcome.OPEN
    assert vote({A: GOOD}, question=Question.VERDICT)[0].ruling is VoteOutcome.OPEN


def test_a_choice_is_counted_by_its_most_likely_option() -> None:
    tally, _ = vote({A: "EXPLAIN", B: "NEITHER", C: "EXPLAIN"} | {C1: "EXPRESS"}, question=Question.VERDICT)
    assert (tally.ruling, tally.choice, tally.score) == (VoteOutcome.ADVERSE, "EXPLAIN", None)


def test_a_choice_of_the_winning_side_wins_although_another_option_was_named_as_often() -> None:
    answers = {A: "EXPLAIN", B: "EXPRESS", C: "EXPRESS", C1: "EXPRESS"}
    tally, _ = vote(answers, question=Question.VERDICT)
    assert (tally.ruling, tally.choice) == (VoteOutcome.FAVOURABLE, "EXPRESS")


@pytest.mark.parametrize(("most", "wordings"), [(1, [A]), (2, [A, B]), (3, [A, B, C]), (4, [A, B, C, C1])])
def test_a_smaller_cap_on_votes_ends_in_a_tie_sooner(most: int, wordings: list[Wording]) -> None:
    sides = itertools.cycle([BAD, GOOD])
    tally, voters = vote({w: next(sides) for w in (A, B, C, C1)}, rules=Rules(max_votes=most))
    assert tally.ruling is VoteOutcome.TIE
    assert voters.order == wordings


def test_many_questions_are_asked_in_common_waves_and_answered_in_order() -> None:
    answers = {A: BAD, B: GOOD, C: GOOD, C1: GOOD}
    voters, waves = Voters(answers), []

    def ask(requests: Sequence[Request]) -> list[Reply]:
        waves.append(len(requests))
        return voters.ask(requests)

    ballots = [
        Ballot.at(Depth.FIRST, JudgeQuestion(question, TEXT, COMPLETION))
        for question in (Question.RESPONSE, Question.C5, Question.FORECAST)
    ]
    tallies = collect_votes(context(ask), ballots)
    assert [t.question for t in tallies] == [Question.RESPONSE, Question.C5, Question.FORECAST]
    assert waves == [3, 3, 3, 3]


def test_nothing_to_ask_asks_nothing() -> None:
    assert collect_votes(context(), []) == []


# However the votes fall.

sides = st.lists(st.sampled_from([GOOD, BAD, None]), min_size=7, max_size=7)


def every_vote(said: Sequence[Said]) -> Iterator[tuple[Wording, Said]]:
    return zip([A, B, C, AUDIT, C1, B1, A1], said, strict=True)


@given(sides, st.sampled_from(Depth), st.integers(1, 9))
def test_however_votes_fall_a_decision_against_has_a_lead_of_two(said: list, depth: Depth, most: int) -> None:
    tally, voters = vote(dict(every_vote(said)), depth, rules=Rules(max_votes=most))
    favours = [v.favourable for v in tally.votes]
    lead = favours.count(True) - favours.count(False)
    assert len(voters.order) == len(set(voters.order)) == len(favours)
    assert len(favours) <= max(most + (depth is Depth.AUDIT), 3)
    assert (tally.ruling is VoteOutcome.OPEN) == (None in favours)
    if tally.ruling is VoteOutcome.ADVERSE:
        assert lead <= -2
    if tally.ruling is VoteOutcome.FAVOURABLE:
        assert lead >= 2 or False not in favours
    if tally.ruling is VoteOutcome.TIE:
        assert -2 < lead < 2
        assert len(favours) >= min(most, 6)
