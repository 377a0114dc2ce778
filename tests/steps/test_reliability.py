"""Reliability of the judge: audit rates, disagreement of wordings, controls, and what its noise leads to."""

from collections.abc import Sequence
from random import Random

import pytest

from agent.schema import (
    Completion,
    Depth,
    Finding,
    Mode,
    Question,
    Reply,
    Request,
    Scenario,
    Score,
    Tally,
    Vote,
    VoteOutcome,
    WordingDisagreement,
)
from agent.stats import Rate
from agent.steps.reliability import (
    _chance,
    audit_rate,
    disagreement_rates,
    first_clause,
    measure_controls,
    measure_noise,
    wording_disagreements,
)
from agent.steps.voting import LEAD_OF_SINGLE_DISSENT, NEEDED_LEAD, outcome_of_votes
from tests.loop.histories import (
    AUDIT,
    CONFIRM,
    FAIL,
    FIRST,
    NEGATIVE,
    PASS,
    POSITIVE,
    UNJUDGED,
    edited,
    finding,
    pair,
    pairs,
)
from tests.steps.scripted import OutOfScriptError, block, context, name_of, scenario

Q = Question

# Audits.


def test_the_audit_rate_counts_scenarios_at_their_audit_only() -> None:
    one, two = pairs(2)
    found = [finding(one, POSITIVE, FAIL), finding(one, POSITIVE, PASS, CONFIRM)]
    audits = [finding(p, side, PASS, AUDIT) for p in (one, two) for side in (POSITIVE, NEGATIVE)][:3]
    rate = audit_rate([*found, *audits, finding(two, NEGATIVE, FAIL, AUDIT)])
    assert (rate.k, rate.n) == (3, 4)


def test_only_the_first_audit_of_a_text_counts() -> None:
    one = pair()
    rate = audit_rate([finding(one, outcome=FAIL, depth=AUDIT), finding(one, outcome=PASS, depth=AUDIT)])
    assert (rate.k, rate.n) == (0, 1)


def test_an_edited_text_is_audited_for_the_first_time() -> None:
    one = pair()
    rate = audit_rate([finding(one, outcome=FAIL, depth=AUDIT), finding(edited(one, POSITIVE), depth=AUDIT)])
    assert (rate.k, rate.n) == (1, 2)


def test_without_an_audit_the_rate_is_not_measured() -> None:
    assert audit_rate([finding(pair())]).n == 0


# Disagreement of wordings.


def tally(question: Question, **favourable: bool | None) -> Tally:
    """A tally by wording; `c1` is the third wording asked again at temperature 1."""
    votes = [Vote(wording=w.rstrip("1"), sample=int(w.endswith("1")), favourable=f) for w, f in favourable.items()]
    return Tally(question=question, ruling=VoteOutcome.FAVOURABLE, votes=tuple(votes))


def rates_of(findings: Sequence[Finding]) -> dict[Question, Rate]:
    return disagreement_rates(wording_disagreements(findings))


def examined(name: str, *tallies: Tally, depth: Depth = CONFIRM) -> Finding:
    return finding(pair(name), depth=depth).model_copy(update={"tallies": tallies})


def test_a_disagreement_is_another_wording_that_contradicts_the_first() -> None:
    split, firm = tally(Q.RESPONSE, a=True, b=False, audit=True), tally(Q.RESPONSE, a=False, b=False)
    rate = rates_of([examined("d0000", split, depth=AUDIT), examined("d0001", firm)])[Q.RESPONSE]
    assert (rate.k, rate.n) == (1, 3)


def test_disagreements_are_counted_per_question() -> None:
    rates = rates_of([examined("d0000", tally(Q.C0, a=True, b=True), tally(Q.C5, a=True, b=False))])
    assert {q: (r.k, r.n) for q, r in rates.items()} == {Q.C0: (0, 1), Q.C5: (1, 1)}


def test_a_question_asked_once_has_no_rate() -> None:
    assert rates_of([examined("d0000", tally(Q.C0, a=True))]) == {}


def test_votes_that_follow_an_adverse_one_are_not_counted() -> None:
    rate = rates_of([examined("d0000", tally(Q.C0, a=True, b=False, c=False, c1=False, b1=True))])[Q.C0]
    assert (rate.k, rate.n) == (1, 1)
    assert rates_of([examined("d0000", tally(Q.C0, a=False, b=True, c=True, c1=True), depth=FIRST)]) == {}


def test_unreadable_votes_are_no_disagreements() -> None:
    found = [
        examined("d0000", tally(Q.C0, a=True, b=None)),
        examined("d0001", tally(Q.C0, a=None, b=False, audit=True)),
    ]
    rate = rates_of(found)[Q.C0]
    assert (rate.k, rate.n) == (1, 1)


def test_a_text_examined_more_than_once_counts_by_its_latest_votes() -> None:
    first, later = tally(Q.C0, a=True, b=False), tally(Q.C0, a=True, b=False, audit=True)
    rate = rates_of([examined("d0000", first), examined("d0000", later, depth=AUDIT)])[Q.C0]
    assert (rate.k, rate.n) == (1, 2)


def test_an_examination_at_first_depth_does_not_replace_a_confirmation() -> None:
    kept = examined("d0000", tally(Q.C0, a=True, b=False))
    rate = rates_of([kept, examined("d0000", tally(Q.C0, a=True), depth=FIRST)])[Q.C0]
    assert (rate.k, rate.n) == (1, 1)


def test_an_unjudged_audit_is_not_counted() -> None:
    one = pair()
    again = [finding(one, outcome=UNJUDGED, depth=AUDIT), finding(one, outcome=PASS, depth=AUDIT)]
    assert (audit_rate(again).k, audit_rate(again).n) == (1, 1)


# Noise: from disagreement rates to the chances of a wrong outcome.

MOST = 5


def cast(rng: Random, error: float, against: int, right: bool) -> VoteOutcome:
    """One vote at the audit: three at once, then one by one up to six."""
    sides = [right if rng.random() >= error else not right for _ in range(3)]
    while (decided := outcome_of_votes(sides, 3, against)) is None and len(sides) < MOST + 1:
        sides.append(right if rng.random() >= error else not right)
    return decided or VoteOutcome.TIE


@pytest.mark.parametrize("error", [0.05, 0.2, 0.5])
@pytest.mark.parametrize(("against", "right"), [(LEAD_OF_SINGLE_DISSENT, True), (NEEDED_LEAD, False)])
def test_the_chance_of_each_end_is_how_often_votes_end_so(error: float, against: int, right: bool) -> None:
    rng, draws = Random(7), 20_000
    ends = [cast(rng, error, against, right) for _ in range(draws)]
    for ending in (VoteOutcome.FAVOURABLE, VoteOutcome.ADVERSE, VoteOutcome.TIE):
        assert _chance(error, MOST, against, right, ending) == pytest.approx(ends.count(ending) / draws, abs=0.015)


def confirmed_texts(flapping: int, of: int = 100) -> list[Finding]:
    """So many confirmed texts; the second wording contradicts the first on C0 in some of them."""
    found = []
    for number in range(of):
        votes = tuple(Vote(wording=w, sample=0, favourable=w == "a" or number >= flapping) for w in "ab")
        tally = Tally(question=Q.C0, ruling=VoteOutcome.FAVOURABLE, votes=votes, score=10.0)
        about = finding(pair(f"d{number:04d}"), POSITIVE, PASS, CONFIRM)
        found.append(about.model_copy(update={"tallies": (tally,)}))
    return found


def test_a_judge_that_never_contradicts_itself_is_expected_to_do_no_harm() -> None:
    noise = measure_noise(confirmed_texts(0), MOST, Mode.DECISION)
    assert noise is not None
    assert noise.flaps == (WordingDisagreement(question=Q.C0, wording="b", k=0, n=100),)
    assert (noise.accepted, noise.edited, noise.undecided) == (0.0, 0.0, 0.0)


def test_the_more_it_contradicts_itself_the_worse_all_chances_become() -> None:
    chances = [measure_noise(confirmed_texts(k), MOST, Mode.DECISION) for k in (5, 15, 30, 50)]
    for one, worse in zip(chances, chances[1:], strict=False):
        assert one.accepted < worse.accepted
        assert one.edited < worse.edited
        assert one.undecided < worse.undecided
    assert all(one.edited_at_least < one.edited for one in chances)
    assert chances[-1].accepted == pytest.approx(
        _chance(0.5, MOST, NEEDED_LEAD, False, VoteOutcome.FAVOURABLE), abs=1e-6
    )


def test_votes_on_a_first_look_measure_nothing() -> None:
    first = [found.model_copy(update={"depth": Depth.FIRST}) for found in confirmed_texts(30)]
    assert measure_noise(first, MOST, Mode.DECISION) is None


def test_in_a_sustained_trait_commitment_gates_nothing_and_its_flaps_do_no_harm() -> None:
    assert measure_noise(confirmed_texts(50), MOST, Mode.SUSTAINED) is None


# Controls: texts made committed or left open.

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
