"""How another run goes on from an ending that an earlier one has reported."""

import pytest

from agent.loop.policy import next_move
from agent.loop.state import replay, unanswered
from agent.schema import (
    Cause,
    Confirm,
    Controls,
    Draft,
    Ending,
    JudgeNoise,
    Park,
    Plan,
    Question,
    Recheck,
    Repair,
    Resume,
    Round,
    Signals,
    Stop,
    Verdict,
    WordingDisagreement,
    canonical_lines,
)
from tests.loop.histories import (
    FAIL,
    FIRST,
    FOUR,
    NO_SIGNALS,
    PASS,
    UNJUDGED,
    adopted,
    audited,
    confirmed,
    drafted,
    failed_repair,
    findings,
    found,
    history,
    mixed,
    move,
    pair,
    plan,
    rechecked,
    round_,
    stop,
)

EXTRA = pair("n0000")
LENIENT = plan(4, pilot=16)  # one parked pair is not too much


def parking(done: Round, *names: str) -> Round:
    return done.model_copy(update={"parked": tuple(Park(pair=name, why="no readable judgement") for name in names)})


def unread(verdict: Verdict | None = None) -> list[Round]:
    """Five pairs, of which the last is parked after two rechecks: unread, or with this verdict."""
    first = adopted([*FOUR, EXTRA], [*findings(FOUR), *found(EXTRA, UNJUDGED, FIRST, verdict)])
    return [first, rechecked([EXTRA]), parking(rechecked([EXTRA]), "n0000"), confirmed(FOUR), audited(FOUR)]


def reported(*rounds: Round, anyway: bool = False) -> Signals:
    """Signals of a command that is given after a run reported its end after these rounds."""
    return Signals(reported_after=len(rounds), anyway_after=len(rounds) if anyway else None)


def test_a_pair_parked_for_want_of_an_answer_is_asked_again_once_its_ending_was_reported() -> None:
    rounds = unread()
    ended = stop(*rounds, by=LENIENT)
    assert (ended.ending, ended.cause) == (Ending.READY_WITH_PARKED, Cause.PARKED_UNANSWERED)
    assert move(*rounds, by=LENIENT, signals=reported(*rounds)) == Resume(pairs=("n0000",))


def test_a_run_that_was_killed_before_it_reported_only_reports() -> None:
    rounds = unread()
    assert isinstance(move(*rounds, by=LENIENT, signals=reported(*rounds[:-1])), Stop)


def test_a_pair_that_is_undecided_or_failed_two_audits_stays_parked() -> None:
    rounds = [adopted([*FOUR, EXTRA], [*findings(FOUR), *found(EXTRA, UNJUDGED, FIRST, Verdict.UNSURE)])]
    rounds = [parking(rounds[0], "n0000"), confirmed(FOUR), audited(FOUR)]
    assert stop(*rounds, by=LENIENT, signals=reported(*rounds)).cause is Cause.PARKED
    failed = [
        adopted([*FOUR, EXTRA]),
        confirmed([*FOUR, EXTRA]),
        audited(FOUR),
        parking(audited([EXTRA], FAIL), "n0000"),
    ]
    assert stop(*failed, by=LENIENT, signals=reported(*failed)).cause is Cause.PARKED


def test_too_many_pairs_without_an_answer_are_all_asked_again() -> None:
    rounds = [*mixed(d0000=UNJUDGED, d0002=UNJUDGED), rechecked([FOUR[0], FOUR[2]])]
    rounds.append(parking(rechecked([FOUR[0], FOUR[2]]), "d0000", "d0002"))
    ended = stop(*rounds)
    assert (ended.cause, "2 of 4 pairs had to be parked: they lack an answer" in ended.why) == (Cause.UNANSWERED, True)
    again = move(*rounds, signals=reported(*rounds))
    assert again == Resume(pairs=("d0000", "d0002"))
    answered = [*rounds, round_(again, found_=findings([FOUR[0], FOUR[2]]))]
    assert sorted(move(*answered).pairs) == [f"d000{n}" for n in range(4)]
    assert replay(history(*answered)).parked == ()


def test_a_pair_that_is_asked_in_vain_has_its_rechecks_and_is_parked_again() -> None:
    rounds = [*unread(), round_(Resume(pairs=("n0000",)), found_=found(EXTRA, UNJUDGED))]
    assert move(*rounds, by=LENIENT) == Recheck(pairs=("n0000",))
    rounds += [rechecked([EXTRA]), parking(rechecked([EXTRA]), "n0000")]
    assert stop(*rounds, by=LENIENT).cause is Cause.PARKED_UNANSWERED
    assert unanswered(replay(history(*rounds))) == ("n0000",)


def test_where_a_cap_leaves_no_room_to_ask_again_this_is_not_advised() -> None:
    rounds = unread()
    by = plan(4, pilot=16, max_rounds=len(rounds))
    assert stop(*rounds, by=by, signals=reported(*rounds)).cause is Cause.PARKED
    capped = Signals(reported_after=len(rounds), cap_reached="the cap of 9 minutes is reached")
    assert stop(*rounds, by=LENIENT, signals=capped).cause is Cause.PARKED


def test_a_stop_that_is_asked_for_keeps_parked_pairs_from_being_asked_again() -> None:
    rounds = unread()
    asked = Signals(reported_after=len(rounds), stop_requested="ctrl-c")
    assert isinstance(move(*rounds, by=LENIENT, signals=asked), Stop)


# --resume-anyway

NOISE = JudgeNoise(
    flaps=(WordingDisagreement(question=Question.C0, wording="b", k=31, n=64),),
    accepted=0.3,
    edited=0.4,
    edited_at_least=0.3,
    undecided=0.9,
)
CONTROLS = Controls(committed=(50.0,) * 20, open=(50.0,) * 20, auc=0.5, low=0.4, high=0.6)
HOPELESS = [adopted(FOUR, findings(FOUR, FAIL)), *[round_(Repair(pairs=()))] * 3]
TIED = [parking(adopted(FOUR, [*findings(FOUR[:3]), *found(FOUR[3], UNJUDGED, FIRST, Verdict.UNSURE)]), "d0003")]
NOT_READY: dict[Cause, tuple[list[Round], Plan]] = {
    Cause.PILOT: (HOPELESS, plan(4, patience=9, max_repairs=0)),
    Cause.PATIENCE: ([*mixed(d0000=FAIL), *[failed_repair(FOUR[0])] * 2], plan(4, patience=2, max_repairs=9)),
    Cause.UNDECIDED: (TIED, plan(4)),
    Cause.UNRELIABLE: ([adopted(FOUR), confirmed(FOUR).model_copy(update={"noise": NOISE})], plan(4)),
    Cause.CONTROLS: ([adopted(FOUR), confirmed(FOUR).model_copy(update={"controls": CONTROLS})], plan(4, target=6)),
    Cause.DRAFTS: ([drafted([]), drafted([])], plan()),
}


@pytest.mark.parametrize("cause", NOT_READY)
def test_every_other_not_ready_ends_so_again_unless_it_is_resumed_anyway(cause: Cause) -> None:
    rounds, by = NOT_READY[cause]
    assert stop(*rounds, by=by, signals=reported(*rounds)).cause is cause
    step = move(*rounds, by=by, signals=reported(*rounds, anyway=True))
    assert step == Resume(anyway=True)
    assert not isinstance(move(*rounds, round_(step), by=by, signals=reported(*rounds, anyway=True)), Stop)


@pytest.mark.parametrize("cause", NOT_READY)
def test_no_cap_is_overruled(cause: Cause) -> None:
    rounds, by = NOT_READY[cause]
    tight = by.model_copy(update={"caps": by.caps.model_copy(update={"max_rounds": len(rounds)})})
    assert stop(*rounds, by=tight, signals=reported(*rounds, anyway=True)).cause is Cause.ROUNDS


def test_after_it_patience_the_pilot_drafts_and_parked_pairs_count_anew() -> None:
    resumed = round_(Resume(anyway=True))
    rounds, by = NOT_READY[Cause.PATIENCE]
    again = [*rounds, resumed, failed_repair(FOUR[0])]
    assert isinstance(move(*again, by=by), Repair)
    assert stop(*again, failed_repair(FOUR[0]), by=by).cause is Cause.PATIENCE
    rounds, by = NOT_READY[Cause.DRAFTS]
    assert isinstance(move(*rounds, resumed, drafted([]), by=by), Draft)
    assert stop(*rounds, resumed, drafted([]), drafted([]), by=by).cause is Cause.DRAFTS
    rounds, by = NOT_READY[Cause.PILOT]
    again = [*rounds, resumed, *[round_(Repair(pairs=()))] * 2]
    assert isinstance(move(*again, by=by), Repair)
    assert stop(*again, round_(Repair(pairs=())), by=by).cause is Cause.PILOT
    rounds, by = NOT_READY[Cause.UNDECIDED]
    assert isinstance(move(*rounds, resumed, by=by), Confirm)
    one_more = parking(
        round_(Confirm(pairs=("d0000",)), found_=found(FOUR[0], UNJUDGED, FIRST, Verdict.UNSURE)), "d0000"
    )
    assert stop(*rounds, resumed, one_more, by=by).cause is Cause.UNDECIDED


def test_it_acts_once_and_only_where_the_run_is_not_ready() -> None:
    rounds, by = NOT_READY[Cause.PATIENCE]
    signals = reported(*rounds, anyway=True)
    more = [*rounds, round_(Resume(anyway=True)), *[failed_repair(FOUR[0])] * 2]
    assert stop(*more, by=by, signals=signals).cause is Cause.PATIENCE
    ready = [adopted(FOUR), confirmed(FOUR), audited(FOUR)]
    assert stop(*ready, signals=reported(*ready, anyway=True)).ending is Ending.READY


# What is recorded


def test_a_resume_reads_back_from_its_record_as_it_was() -> None:
    past = history(*unread(), round_(Resume(pairs=("n0000",)), found_=found(EXTRA)))
    read = tuple(Round.model_validate_json(done.model_dump_json()) for done in past)
    assert read == past
    assert replay(read) == replay(past)
    assert next_move(read, LENIENT, NO_SIGNALS) == Confirm(pairs=("n0000",))


def test_in_the_canonical_history_it_is_a_line_of_its_own_into_which_its_rechecks_are_merged() -> None:
    asked = round_(Resume(pairs=("n0000",)), found_=found(EXTRA, UNJUDGED))
    direct = round_(Resume(pairs=("n0000",)), found_=found(EXTRA, PASS))
    assert canonical_lines(history(*unread(), asked, rechecked([EXTRA], PASS))) == canonical_lines(
        history(*unread(), direct)
    )
    assert canonical_lines(history(*unread(), direct)).count(b"\n") == 4  # rechecks are no lines
