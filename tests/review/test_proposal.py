"""A proposal is the difference between a dataset and a run's set, with the evidence for each text."""

import pytest
from pydantic import ValidationError

from agent.review.proposal import Proposal, final_pairs, propose
from agent.schema import (
    Completion,
    Ending,
    Flag,
    History,
    Pair,
    Park,
    Question,
    Recheck,
    Resume,
    Rung,
    Stop,
    Tally,
    Verdict,
    VoteOutcome,
)
from agent.storage.dataset import FileHashes
from tests.loop.histories import (
    CONFIRM,
    FAIL,
    NEGATIVE,
    PASS,
    POSITIVE,
    UNJUDGED,
    adopted,
    confirmed,
    drafted,
    dropped,
    edited,
    finding,
    findings,
    found,
    history,
    pair,
    pairs,
    repaired,
    round_,
)

STOP = Stop(ending=Ending.READY, why="all is well")


def proposal(dataset: tuple[Pair, ...], rounds: History) -> Proposal:
    empty = Proposal(
        trait="toy/refusal",
        dataset=FileHashes(positive="a", negative="b", definition="c"),
        campaign=1,
        rounds=len(rounds),
        stop=STOP,
        changes=(),
    )
    return propose(empty, dataset, rounds)


def whats(of: Proposal) -> dict[str, str]:
    return {change.pair: change.what for change in of.changes}


def test_every_pair_is_unchanged_changed_added_dropped_or_parked() -> None:
    kept, mended, lost, doubtful = pairs(4)
    draft, stillborn = pair("n0000"), pair("n0001")
    after = edited(mended, POSITIVE)
    rounds = history(
        adopted([kept, mended, lost, doubtful], [*found(kept), *found(mended, FAIL), *found(lost), *found(doubtful)]),
        repaired(mended, after, found(after), (POSITIVE, Rung.CUT)),
        dropped(lost),
        drafted([draft, stillborn]),
        dropped(stillborn),
        round_(Recheck(pairs=(doubtful.id,)), parked=[Park(pair=doubtful.id, why="undecided")]),
    )
    got = proposal((kept, mended, lost, doubtful), rounds)
    assert whats(got) == {
        "d0000": "unchanged",
        "d0001": "changed",
        "d0002": "dropped",
        "d0003": "parked",
        "n0000": "added",
        "n0001": "dropped",
    }
    assert [c.why for c in got.those("parked")] == ["undecided"]
    assert final_pairs(got, (kept, mended, lost, doubtful), rounds) == (kept, after, draft)


def test_a_parked_pair_that_another_run_asked_again_is_parked_no_more() -> None:
    (one,) = pairs(1)
    parking = round_(Recheck(pairs=(one.id,)), parked=[Park(pair=one.id, why="no readable judgement")])
    rounds = history(adopted([one], found(one, UNJUDGED)), parking, round_(Resume(pairs=(one.id,)), found_=found(one)))
    assert whats(proposal((one,), rounds)) == {"d0000": "unchanged"}
    again = history(*rounds, parking)
    assert whats(proposal((one,), again)) == {"d0000": "parked"}


def test_a_pair_that_no_round_reached_stays_in_the_set_without_evidence() -> None:
    first, second = pairs(2)
    rounds = history(adopted([first]))
    got = proposal((first, second), rounds)
    assert whats(got) == {"d0000": "unchanged", "d0001": "unchanged"}
    assert [side.after.evidence for side in got.changes[1].sides] == [None, None]
    assert got.changes[1].outcome is UNJUDGED
    assert final_pairs(got, (first, second), rounds) == (first, second)


def test_a_draft_that_does_not_pass_is_not_in_the_final_set() -> None:
    good, bad, open_one = (pair(f"n{i:04d}") for i in range(3))
    rounds = history(drafted([good, bad, open_one], [*found(good), *found(bad, FAIL), *found(open_one, UNJUDGED)]))
    assert final_pairs(proposal((), rounds), (), rounds) == (good,)


def test_an_existing_pair_that_fails_is_kept_for_the_human_and_never_trimmed() -> None:
    bad = pair()
    rounds = history(adopted([bad], found(bad, FAIL)))
    got = proposal((bad,), rounds)
    assert not got.changes[0].passes
    assert final_pairs(got, (bad,), rounds) == (bad,)


def test_the_evidence_before_is_of_the_old_text_and_after_of_the_new_one() -> None:
    old = pair()
    new = edited(old, POSITIVE)
    rounds = history(
        adopted([old], found(old, FAIL, verdict=Verdict.EXPLAIN)),
        repaired(old, new, found(new), (POSITIVE, Rung.CUT), (POSITIVE, Rung.CLIFFHANGER), (NEGATIVE, Rung.SIMPLIFY)),
        confirmed([new]),
    )
    positive, negative = proposal((old,), rounds).changes[0].sides
    assert positive.before is not None
    assert positive.before.evidence is not None
    assert positive.after.evidence is not None
    assert positive.before.text == old.positive.text
    assert positive.before.evidence.verdict is Verdict.EXPLAIN
    assert (positive.after.text, positive.after.key) == (new.positive.text, new.positive.key)
    assert (positive.after.evidence.verdict, positive.after.evidence.depth) == (Verdict.EXPRESS, CONFIRM)
    assert positive.rungs == (Rung.CUT, Rung.CLIFFHANGER)
    assert negative.rungs == (Rung.SIMPLIFY,)
    assert negative.before is not None
    assert negative.before.key == negative.after.key


def test_scores_span_opening_lock_in_and_flags_are_carried_over() -> None:
    of = pair()
    made = Completion(text=" refused. It was wrong.", token_ids=(1, 2), opening=" refused. It")
    tallies = (
        Tally(question=Question.C0, ruling=VoteOutcome.FAVOURABLE, votes=(), score=12.5),
        Tally(question=Question.CL, ruling=VoteOutcome.OPEN, votes=()),
    )
    seen = finding(of).model_copy(
        update={"completion": made, "tallies": tallies, "span": "wrong", "lock_in": (3, 4), "flags": (Flag.LATE,)}
    )
    rounds = history(adopted([of], [seen, finding(of, NEGATIVE)]))
    evidence = proposal((of,), rounds).changes[0].sides[0].after.evidence
    assert evidence is not None
    assert evidence.scores == ((Question.C0, 12.5),)
    assert (evidence.score(Question.C0), evidence.score(Question.CL)) == (12.5, None)
    assert (evidence.opening, evidence.completion) == (made.opening, made.text)
    assert (evidence.span, evidence.lock_in, evidence.flags) == ("wrong", (3, 4), (Flag.LATE,))


def test_a_pair_passes_only_when_both_sides_do() -> None:
    of = pair()
    for outcome in (FAIL, UNJUDGED):
        rounds = history(adopted([of], [finding(of), finding(of, NEGATIVE, outcome)]))
        assert proposal((of,), rounds).changes[0].outcome is outcome
    assert proposal((of,), history(adopted([of], findings([of], PASS)))).changes[0].passes


def test_a_proposal_survives_its_file_and_an_unknown_field_does_not() -> None:
    of = pair()
    got = proposal((of,), history(adopted([of])))
    assert Proposal.model_validate_json(got.model_dump_json()) == got
    with pytest.raises(ValidationError):
        Proposal.model_validate_json(got.model_dump_json().replace('"version":1', '"version":2'))
    with pytest.raises(ValidationError):
        Proposal.model_validate_json(got.model_dump_json().replace('"version":1', '"version":1,"approved":true'))
