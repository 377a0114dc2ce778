"""What holds for every history: the policy always answers, always alike, with a move that can be carried out."""

from collections.abc import Callable, Iterator

from hypothesis import event, given
from hypothesis import strategies as st

from agent.loop.policy import next_move, parking
from agent.loop.state import SetState, Status, apply_round, replay
from agent.schema import (
    Audit,
    Change,
    Confirm,
    Depth,
    Draft,
    Finding,
    History,
    Move,
    Outcome,
    Pair,
    Park,
    Plan,
    Polarity,
    Recheck,
    Repair,
    Resume,
    Round,
    Rules,
    Signals,
    Stop,
    Verdict,
)
from tests.loop.histories import NO_SIGNALS, edited, finding, history, pair, plan, round_

VERDICTS = {
    Outcome.PASS: (Verdict.EXPRESS, Verdict.LATE, Verdict.EXPLAIN),
    Outcome.FAIL: tuple(Verdict),
    Outcome.UNJUDGED: (None, Verdict.UNSURE),
}
OUTCOMES = (Outcome.PASS,) * 4 + (Outcome.FAIL, Outcome.UNJUDGED)  # mostly well, so that runs get somewhere


def draw_finding(draw: Callable, of: Pair, polarity: Polarity, depth: Depth) -> Finding:
    outcome = draw(st.sampled_from(OUTCOMES))
    return finding(of, polarity, outcome, depth, draw(st.sampled_from(VERDICTS[outcome])))


def draw_findings(draw: Callable, of: list[Pair], depth: Depth) -> list[Finding]:
    """Findings on most sides; some are missing, as after a run that was cut short."""
    sides = [(p, polarity) for p in of for polarity in Polarity]
    return [draw_finding(draw, p, polarity, depth) for p, polarity in sides if draw(st.integers(0, 9))]


def draw_subset(draw: Callable, of: list[Pair]) -> list[Pair]:
    return [p for p in of if draw(st.booleans())]


def draft_round(draw: Callable, items: dict[str, Pair], number: int) -> Round:
    new = [pair(f"n{number:02d}{i}") for i in range(draw(st.integers(0, 3)))]
    what = draw(st.sampled_from(["draft", "adopt"]))
    changes = [Change(pair=p.id, what=what, before=None, after=p) for p in new]
    items |= {p.id: p for p in new}
    goal = draw(st.integers(1, 9))
    return round_(Draft(goal=goal, count=max(1, len(new))), changes, draw_findings(draw, new, Depth.FIRST))


def repair_round(draw: Callable, items: dict[str, Pair], number: int) -> Round:
    chosen = draw_subset(draw, list(items.values()))
    gone = draw_subset(draw, [p for p in items.values() if p not in chosen])
    new = [edited(p, draw(st.sampled_from(Polarity)), f"Idea {draw(st.integers(0, 2))} came, so I") for p in chosen]
    changes = [Change(pair=a.id, what="repair", before=a, after=b) for a, b in zip(chosen, new, strict=True)] + [
        Change(pair=p.id, what="drop", before=p, after=None) for p in gone
    ]
    for p in gone:
        del items[p.id]
    items |= {p.id: p for p in new}
    move = Repair(pairs=tuple(p.id for p in chosen), replace=tuple(p.id for p in gone))
    return round_(move, changes, draw_findings(draw, new, Depth.FIRST))


def look_round(draw: Callable, items: dict[str, Pair], number: int) -> Round:
    chosen = draw_subset(draw, list(items.values()))
    kind = draw(st.sampled_from([Recheck, Confirm, Audit]))
    depth = {Confirm: Depth.CONFIRM, Audit: Depth.AUDIT}.get(kind) or draw(st.sampled_from(Depth))
    return round_(kind(pairs=tuple(p.id for p in chosen)), found_=draw_findings(draw, chosen, depth))


@st.composite
def histories(draw: Callable) -> History:
    """Any history in which changes and findings are about pairs that are in the set, sensible or not otherwise."""
    items: dict[str, Pair] = {}
    rounds = []
    for number in range(draw(st.integers(0, 7))):
        make = draw(st.sampled_from([draft_round, repair_round, look_round]))
        done = make(draw, items, number)
        gone = [key for key in items if draw(st.integers(0, 9)) == 0]
        for key in gone:
            del items[key]
        rounds.append(done.model_copy(update={"parked": tuple(Park(pair=key, why="UNSURE") for key in gone)}))
    return history(*rounds)


@st.composite
def plans(draw: Callable) -> Plan:
    small = st.integers(0, 8)
    caps = {name: draw(small) for name in ("max_rounds", "max_pairs", "max_repairs")}
    caps |= {name: draw(st.integers(1, 8)) for name in ("patience", "pilot", "batch", "target")}
    rules = Rules(min_pilot_rate=draw(st.floats(0, 1)), max_parked_share=draw(st.floats(0, 1)))
    return plan(draw(small), rules, **caps)


signals = st.builds(Signals, stop_requested=st.none() | st.just("ctrl-c"))


@given(histories(), plans(), signals)
def test_there_is_always_a_next_move_and_always_the_same(past: History, by: Plan, signals_: Signals) -> None:
    move = next_move(past, by, signals_)
    event(move.kind)
    assert next_move(past, by, signals_) == move
    assert next_move(tuple(Round.model_validate_json(r.model_dump_json()) for r in past), by, signals_) == move


def wanted_status(move: Move) -> Status | None:
    statuses = {Recheck: Status.UNJUDGED, Confirm: Status.PASSED, Audit: Status.CONFIRMED, Repair: Status.FAILING}
    return statuses.get(type(move))


@given(histories(), plans(), signals)
def test_a_move_names_exactly_the_pairs_that_stand_where_it_helps(past: History, by: Plan, signals_: Signals) -> None:
    move, items = next_move(past, by, signals_), replay(past)
    status = wanted_status(move)
    if status is not None:
        named = (*move.pairs, *(move.replace if isinstance(move, Repair) else ()))
        assert sorted(named) == sorted(items.at(status))
        assert named
    if isinstance(move, Draft):
        assert 0 < move.count <= move.goal - len(items.items)


@given(histories(), plans())
def test_only_a_stop_that_is_ready_is_not_overruled_by_asking_for_a_stop(past: History, by: Plan) -> None:
    asked = next_move(past, by, Signals(stop_requested="ctrl-c"))
    assert isinstance(asked, Stop)
    calm = next_move(past, by, NO_SIGNALS)
    if asked.ready:
        assert calm == asked
    assert asked.ready == (isinstance(calm, Stop) and calm.ready)


# A world that answers at random: the loop as it runs, without models.


def examined(state: SetState, move: Move, number: int) -> Iterator[tuple[Pair, Depth]]:
    depth = {"confirm": Depth.CONFIRM, "audit": Depth.AUDIT}.get(move.kind, Depth.FIRST)
    for key in getattr(move, "pairs", ()):
        old = state.items[key].pair
        yield (edited(old, Polarity.POSITIVE, f"Idea {number} came, so I") if move.kind == "repair" else old), depth


def carried_out(draw: Callable, state: SetState, move: Move, number: int) -> Round:
    """A round that does what the move says, with random results; a draft may bring less than it was asked for."""
    before = state
    if isinstance(move, Draft):
        new = [pair(f"d{state.adopted + i:04d}") for i in range(move.adopt)]
        authored = draw(st.integers(0, move.count - move.adopt))
        own = [pair(f"n{state.drafted + i:04d}") for i in range(authored)]
        changes = [Change(pair=p.id, what="adopt", before=None, after=p) for p in new]
        changes += [Change(pair=p.id, what="draft", before=None, after=p) for p in own]
        found_so_far = [(p, Depth.FIRST) for p in (*new, *own)]
    else:
        state = apply_round(state, round_(move)) if isinstance(move, Resume) else state
        found_so_far = list(examined(state, move, number))
        is_repair = isinstance(move, Repair)
        changes = [
            Change(pair=p.id, what="repair", before=state.items[p.id].pair, after=p)
            for p, _ in found_so_far
            if is_repair
        ]
        gone = move.replace if is_repair else ()
        changes += [Change(pair=k, what="drop", before=state.items[k].pair, after=None) for k in gone]
    found = [draw_finding(draw, p, polarity, depth) for p, depth in found_so_far for polarity in Polarity]
    done = round_(move, changes, found).model_copy(update={"number": number})
    return done.model_copy(update={"parked": parking(apply_round(before, done))})


@given(st.data(), plans())
def test_whatever_the_judges_say_a_run_ends_within_its_caps(data: st.DataObject, by: Plan) -> None:
    past: History = ()
    while not isinstance(move := next_move(past, by, NO_SIGNALS), Stop):
        past = (*past, carried_out(data.draw, replay(past), move, len(past) + 1))
        assert len(past) <= by.caps.max_rounds
    state = replay(past)
    event(move.ending)
    assert state.drafted <= by.caps.max_pairs
    assert state.adopted <= by.dataset_size
    assert all(item.repairs <= by.caps.max_repairs for item in state.items.values())
    if move.ready:
        assert set(state.at(Status.AUDITED)) == set(state.items)
        assert len(state.items) >= by.goal


@given(st.data(), plans())
def test_commands_given_again_and_again_even_anyway_end_within_the_same_caps(data: st.DataObject, by: Plan) -> None:
    past: History = ()
    for command in range(4):
        began = len(past)
        anyway = began if data.draw(st.booleans()) else None
        signals_ = Signals(reported_after=began if command else None, anyway_after=anyway)
        while not isinstance(move := next_move(past, by, signals_), Stop):
            assert not isinstance(move, Resume) or len(past) == began, "a run resumes where it begins, or not at all"
            past = (*past, carried_out(data.draw, replay(past), move, len(past) + 1))
            assert len(past) <= by.caps.max_rounds
        event(f"{command} {move.cause}")
    state = replay(past)
    assert state.drafted <= by.caps.max_pairs
    assert state.adopted <= by.dataset_size
    assert all(item.repairs <= by.caps.max_repairs for item in state.items.values())
    assert len({park.pair for park in state.parked}) == len(state.parked)
    assert not {park.pair for park in state.parked} & set(state.items)


@given(st.data(), plans(), st.integers(0, 30))
def test_a_run_that_is_killed_and_given_again_has_the_history_of_one_that_was_not(
    data: st.DataObject, by: Plan, killed_after: int
) -> None:
    whole: History = ()
    while not isinstance(move := next_move(whole, by, NO_SIGNALS), Stop):
        whole = (*whole, carried_out(data.draw, replay(whole), move, len(whole) + 1))
    kept = whole[:killed_after]  # nothing was reported: the process was killed
    for done in (*whole[killed_after:], None):
        move = next_move(kept, by, Signals())
        assert isinstance(move, Stop) if done is None else move == done.move
        kept = kept if done is None else (*kept, done)
