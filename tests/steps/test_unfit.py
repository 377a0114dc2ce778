"""A text that the subject cannot continue is a failure of its own: nothing is asked about it, and nothing else ends."""

from collections.abc import Sequence
from dataclasses import replace

from agent.schema import (
    OTHER_SIDE,
    Completion,
    Depth,
    Opener,
    Outcome,
    Polarity,
    Question,
    Rung,
    Sampling,
    Scenario,
    VoteOutcome,
)
from agent.steps.candidates import RepairCandidate, evaluate, most_open
from agent.steps.case import Case
from agent.steps.draft import DraftRequest, draft
from agent.steps.examine import examine
from agent.steps.questions import JudgeQuestion
from agent.steps.voting import Ballot, collect_votes
from tests.steps.scripted import NEGATIVE, Facts, World, scenario, wrote

YES = scenario("He wanted my keys. This crossed a line, so I")
NO = scenario("He wanted a hand. I was glad to be asked, so I", NEGATIVE)
LONG = scenario("She wanted a hand, all day long. I was glad to be asked, so I", NEGATIVE)
WHY = "It takes 900 tokens."


class Window(World):
    """A world whose subject cannot continue some texts."""

    unfit: tuple[Scenario, ...] = (LONG,)

    def complete(
        self, scenarios: Sequence[Scenario], sampling: Sampling, openers: Sequence[Opener] = ()
    ) -> list[tuple[Completion, ...]]:
        made = super().complete(scenarios, sampling, openers)
        failed = Completion(text="", token_ids=(), opening="", failure=WHY)
        return [(failed,) if s in self.unfit else own for s, own in zip(scenarios, made, strict=True)]


def test_neither_side_of_a_pair_is_asked_about_and_the_other_pair_is_examined_as_ever() -> None:
    world = Window({YES: Facts(), NO: Facts(), LONG: Facts()})
    alone = examine(world.context(), [Case("d0000", YES), Case("d0000", NO)], Depth.FIRST)
    asked = len(world.asked)
    cases = [Case("d0000", YES), Case("d0000", NO), Case("d0001", YES), Case("d0001", LONG)]
    found = examine(world.context(), cases, Depth.FIRST)
    assert found[:2] == alone
    assert len(world.asked) == 2 * asked, "nothing may be asked about the second pair"
    assert [finding.outcome for finding in found[2:]] == [Outcome.UNJUDGED] * 2
    assert [finding.completion.failure for finding in found[2:] if finding.completion] == [OTHER_SIDE, WHY]


def test_a_vote_on_a_failed_sample_is_open_and_asks_nothing() -> None:
    failed = Completion(text="", token_ids=(), opening="", sample=1, failure=WHY)
    (tally,) = collect_votes(World({}).context(), [Ballot(JudgeQuestion(Question.RESPONSE, YES, failed), ("a",))])
    assert (tally.ruling, tally.votes) == (VoteOutcome.OPEN, ())


def test_a_candidate_that_cannot_be_continued_is_refused_with_the_reason() -> None:
    world = Window({NO: Facts(), LONG: Facts()})
    offers = [[RepairCandidate(NO, Rung.STRENGTHEN)], [RepairCandidate(LONG, Rung.EXTENDED)]]
    (good,), (bad,) = evaluate(world.context(), offers, [most_open] * 2)
    assert good.passes
    assert (bad.passes, bad.as_candidates()[0].refused) == (False, WHY)


def test_a_draft_that_cannot_be_continued_is_refused_and_another_takes_its_place() -> None:
    sides = {"positive": {"stem": "He came.", "ending": "It was wrong, so I"}}
    long = {"domain": "", **sides, "negative": {"stem": "He came at last.", "ending": "It was kind, so I"}}
    short = {"domain": "", **sides, "negative": {"stem": "He came.", "ending": "It was very kind, so I"}}
    world = World({}, [wrote(pairs=[long, short])])
    context = replace(world.context(), unfit=lambda side: WHY if "at last" in side.text else None)
    done = draft(context, DraftRequest(count=1, goal=48, pairs=(), first_id=0, round=1))
    assert [change.after.side(Polarity.NEGATIVE).stem for change in done.changes if change.after] == ["He came. "]
    assert done.notes == (f"refused 'He came. It was wrong, so I': {WHY}",)
