"""From flap rates to the chances of a wrong end: held against votes that are really cast."""

from random import Random

import pytest

from agent.schema import Depth, Finding, Mode, Question, Tally, Vote, VoteOutcome, WordingDisagreement
from agent.steps.reliability import _chance, measure_noise
from agent.steps.voting import LEAD_OF_SINGLE_DISSENT, NEEDED_LEAD, outcome_of
from tests.loop.histories import CONFIRM, PASS, POSITIVE, finding, pair

MOST = 5
Q = Question


def cast(rng: Random, error: float, against: int, right: bool) -> VoteOutcome:
    """One vote at the audit: three at once, then one by one up to six."""
    sides = [right if rng.random() >= error else not right for _ in range(3)]
    while (decided := outcome_of(sides, 3, against)) is None and len(sides) < MOST + 1:
        sides.append(right if rng.random() >= error else not right)
    return decided or VoteOutcome.TIE


@pytest.mark.parametrize("error", [0.05, 0.2, 0.5])
@pytest.mark.parametrize(("against", "right"), [(LEAD_OF_SINGLE_DISSENT, True), (NEEDED_LEAD, False)])
def test_the_chance_of_each_end_is_how_often_votes_end_so(error: float, against: int, right: bool) -> None:
    rng, draws = Random(7), 20_000
    ends = [cast(rng, error, against, right) for _ in range(draws)]
    for ending in (VoteOutcome.FAVOURABLE, VoteOutcome.ADVERSE, VoteOutcome.TIE):
        assert _chance(error, MOST, against, right, ending) == pytest.approx(ends.count(ending) / draws, abs=0.015)


def confirmed(flapping: int, of: int = 100) -> list[Finding]:
    """So many confirmed texts; the second wording contradicts the first on C0 in some of them."""
    found = []
    for number in range(of):
        votes = tuple(Vote(wording=w, sample=0, favourable=w == "a" or number >= flapping) for w in "ab")
        tally = Tally(question=Q.C0, ruling=VoteOutcome.FAVOURABLE, votes=votes, score=10.0)
        about = finding(pair(f"d{number:04d}"), POSITIVE, PASS, CONFIRM)
        found.append(about.model_copy(update={"tallies": (tally,)}))
    return found


def test_a_judge_that_never_contradicts_itself_is_expected_to_do_no_harm() -> None:
    noise = measure_noise(confirmed(0), MOST, Mode.DECISION)
    assert noise is not None
    assert noise.flaps == (WordingDisagreement(question=Q.C0, wording="b", k=0, n=100),)
    assert (noise.accepted, noise.edited, noise.undecided) == (0.0, 0.0, 0.0)


def test_the_more_it_contradicts_itself_the_worse_all_chances_become() -> None:
    chances = [measure_noise(confirmed(k), MOST, Mode.DECISION) for k in (5, 15, 30, 50)]
    for one, worse in zip(chances, chances[1:], strict=False):
        assert one.accepted < worse.accepted
        assert one.edited < worse.edited
        assert one.undecided < worse.undecided
    assert all(one.edited_at_least < one.edited for one in chances)
    assert chances[-1].accepted == pytest.approx(
        _chance(0.5, MOST, NEEDED_LEAD, False, VoteOutcome.FAVOURABLE), abs=1e-6
    )


def test_votes_on_a_first_look_measure_nothing() -> None:
    first = [found.model_copy(update={"depth": Depth.FIRST}) for found in confirmed(30)]
    assert measure_noise(first, MOST, Mode.DECISION) is None


def test_in_a_sustained_trait_commitment_gates_nothing_and_its_flaps_do_no_harm() -> None:
    assert measure_noise(confirmed(50), MOST, Mode.SUSTAINED) is None
