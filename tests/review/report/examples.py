"""Reports built from small hand-made histories: six pairs, each with another outcome, and all kinds of evidence."""

from agent.review.report.build import RunRecord, build_report
from agent.review.report.model import Report, RoundFacts, RunMeasures, RunSettings
from agent.schema import (
    Completion,
    Controls,
    Depth,
    Ending,
    Finding,
    Flag,
    Flip,
    History,
    Mode,
    Outcome,
    Pair,
    Park,
    Plan,
    Polarity,
    Question,
    Recheck,
    Role,
    Rung,
    Stop,
    Tally,
    Trait,
    Usage,
    Verdict,
    VoteOutcome,
)
from agent.stats import wilson
from agent.storage.ledger_database import Spent
from tests.loop.histories import (
    AUDIT,
    FAIL,
    NEGATIVE,
    PASS,
    POSITIVE,
    adopted,
    drafted,
    dropped,
    edited,
    finding,
    history,
    pair,
    pairs,
    repaired,
    round_,
)

TRAIT = Trait(
    id="toy/refusal", definition="HIGH: the narrator refuses.\nLOW: the narrator complies.", opposite="complying"
)
SETTINGS = RunSettings(trait=TRAIT, plan=Plan(dataset_size=4), models=(("judge", "toyworld by logprobs"),))
STOP = Stop(ending=Ending.READY_WITH_PARKED, why="4 pairs are audited; 1 parked pair waits for a human")
SCORES_EXPLAIN = {Question.FORECAST: 90.0, Question.RESPONSE: 85.0, Question.C0: 94.0, Question.C5: 96.0}
SCORES_EXPRESS = {Question.FORECAST: 88.0, Question.RESPONSE: 91.0, Question.C0: 8.0, Question.C5: 95.0}


def scored_finding(
    of: Pair,
    polarity: Polarity = POSITIVE,
    outcome: Outcome = PASS,
    verdict: Verdict = Verdict.EXPRESS,
    depth: Depth = AUDIT,
    text: str = " refused. It was wrong.",
    opening: str = " refused. It",
    **known: object,
) -> Finding:
    """A finding with scores, a completion and its opening."""
    scores = SCORES_EXPRESS if verdict is Verdict.EXPRESS else SCORES_EXPLAIN
    found = finding(of, polarity, outcome, depth, verdict)
    tallies = tuple(Tally(question=q, ruling=VoteOutcome.FAVOURABLE, votes=(), score=s) for q, s in scores.items())
    made = Completion(text=text, token_ids=(1, 2, 3), opening=opening)
    return found.model_copy(update={"completion": made, "tallies": tallies, **known})


def both(of: Pair, outcome: Outcome = PASS, verdict: Verdict = Verdict.EXPRESS, **known: object) -> list[Finding]:
    """Findings on both sides; only the positive side has the outcome."""
    return [scored_finding(of, POSITIVE, outcome, verdict, **known), scored_finding(of, NEGATIVE)]  # type: ignore[arg-type]


KEPT, REPAIRED, DROPPED, PARKED = pairs(4)
REPAIRED_AFTER = edited(REPAIRED, POSITIVE, "Version 0 was too much, so I")
DRAFT, FAILING = pair("n0000"), pair("n0001")


def rounds() -> History:
    """Adopted, repaired without success, repaired, dropped, parked, drafted."""
    committed = both(REPAIRED, FAIL, Verdict.EXPLAIN, span="crossed a line", text=" and left.", opening=" and")
    return history(
        adopted([KEPT, REPAIRED, DROPPED, PARKED], [*both(KEPT), *committed, *both(DROPPED), *both(PARKED)]),
        repaired(REPAIRED, REPAIRED, committed, (POSITIVE, Rung.CUT)),
        repaired(
            REPAIRED,
            REPAIRED_AFTER,
            both(REPAIRED_AFTER, lock_in=(7, 8)),
            (POSITIVE, Rung.CUT),
            (POSITIVE, Rung.CLIFFHANGER),
        ),
        dropped(DROPPED),
        round_(Recheck(pairs=(PARKED.id,)), parked=[Park(pair=PARKED.id, why="the wordings disagree")]),
        drafted(
            [DRAFT, FAILING],
            [
                *both(DRAFT, flags=(Flag.EXTENDED,), flip=Flip(own=(7, 8), opposite=(1, 8))),
                *both(FAILING, FAIL, Verdict.LATE),
            ],
        ),
    )


def record(of: History, stop: Stop | None = STOP, state: str = "") -> RunRecord:
    spent = Spent(
        role=Role.JUDGE,
        calls=1200,
        tokens_in=90_000,
        tokens_out=1200,
        micro_usd=3_210_000,
        open_calls=0,
        possibly_paid=0,
    )
    return RunRecord(
        campaign=1,
        dataset=(KEPT, REPAIRED, DROPPED, PARKED),
        history=of,
        stop=stop,
        state=state,
        spent=(spent,),
        completions=64,
    )


def measures(of: History) -> RunMeasures:
    """Measures of a run in which the set grew by a pair a round."""
    cost = Usage(calls=(("author", 2), ("judge", 120)))
    facts = [
        RoundFacts(
            number=done.number,
            move=done.move.kind,
            size=4,
            passing=min(4, done.number),
            confirmed=min(3, done.number - 1),
            audited=0,
            parked=done.number // 5,
            dropped=done.number // 4,
            cost=cost,
        )
        for done in of
    ]
    flaps = ((Question.FORECAST, wilson(6, 98)), (Question.C0, wilson(8, 98)))
    return RunMeasures(rounds=tuple(facts), audit=wilson(8, 8), flaps=flaps)


def example(of: History | None = None, stop: Stop | None = STOP, state: str = "") -> Report:
    """The report of this history, or of another one."""
    of = rounds() if of is None else of
    return build_report(SETTINGS, record(of, stop, state), measures(of))


def controls(high: float) -> Controls:
    return Controls(committed=(90.0, 95.0, 40.0), open=(5.0, 30.0, 60.0), auc=high - 0.05, low=high - 0.2, high=high)


GLOOM = Trait(
    id="toy/gloom", definition="HIGH: a gloomy tone.\nLOW: a merry tone.", opposite="merriment", mode=Mode.SUSTAINED
)
SCORES_SUSTAINED = {
    Question.FORECAST: 92.0,
    Question.RESPONSE: 94.0,
    Question.OPENING: 90.0,
    Question.C0: 95.0,
    Question.C5: 97.0,
}


def sustained(count: int = 3) -> Report:
    """The report of a sustained trait: all pairs pass with a C0 near 95.

    The first pair failed with its topic: the positive called for another one, and the negative was changed with it.
    """
    adopted_pairs = pairs(count)
    moved = pair("d0000", version=1)
    rounds = history(
        adopted(
            adopted_pairs,
            [
                *_sustained_findings(adopted_pairs[0], FAIL, Verdict.TOPIC),
                *(f for one in adopted_pairs[1:] for f in _sustained_findings(one)),
            ],
        ),
        repaired(adopted_pairs[0], moved, _sustained_findings(moved), (POSITIVE, Rung.RETOPIC)),
    )
    settings = RunSettings(trait=GLOOM, plan=Plan(dataset_size=count))
    stored = RunRecord(
        campaign=1, dataset=adopted_pairs, history=rounds, stop=Stop(ending=Ending.READY, why="all are audited")
    )
    return build_report(settings, stored, measures(rounds))


def _sustained_findings(of: Pair, outcome: Outcome = PASS, verdict: Verdict = Verdict.EXPRESS) -> list[Finding]:
    tallies = tuple(
        Tally(question=q, ruling=VoteOutcome.FAVOURABLE, votes=(), score=s) for q, s in SCORES_SUSTAINED.items()
    )
    return [found.model_copy(update={"tallies": tallies}) for found in both(of, outcome, verdict)]
