"""What a move does to the set, and at which depth its pairs are examined."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from agent.loop.act import Tools, act, examine_changed, excluded_topics
from agent.loop.state import apply_round, replay
from agent.schema import (
    Audit,
    Candidate,
    Change,
    Confirm,
    Depth,
    Draft,
    Flag,
    Move,
    Pair,
    Plan,
    Polarity,
    Recheck,
    Repair,
    Reply,
    Request,
    Round,
    Rung,
    Scenario,
    Verdict,
)
from agent.steps.candidates import WEAK
from agent.storage.ledger import Ledger
from tests.loop.histories import (
    AUDIT,
    CONFIRM,
    FAIL,
    FIRST,
    FOUR,
    NEGATIVE,
    PASS,
    POSITIVE,
    adopted,
    audited,
    confirmed,
    drafted,
    edited,
    failed_repair,
    finding,
    findings,
    found,
    history,
    mixed,
    pair,
    plan,
    rechecked,
    repaired,
    round_,
)
from tests.steps.scripted import REFUSED, Facts, World, block, blocks, wrote
from tests.steps.test_draft import batch, written_pair

ONE, TWO = FOUR[:2]
GOOD = Facts(samples=(90.0,) * 4)
GOOD_NO = Facts(samples=(10.0,) * 4)


def world(of: Sequence[Pair], *author: Reply, more: dict[Scenario, Facts] | None = None) -> World:
    """All sides of these pairs are fine, unless past otherwise."""
    facts = {p.side(side): GOOD if side is POSITIVE else GOOD_NO for p in of for side in Polarity}
    return World(facts | (more or {}), author)


def make_tools(of: World, tmp_path: Path, by: Plan | None = None, dataset: Sequence[Pair] = FOUR) -> Tools:
    return Tools(of.context(), Ledger(tmp_path / "ledger.sqlite"), 1, by or plan(4), tuple(dataset))


def depths(move: Move, *rounds: Round, of: World, tmp_path: Path) -> dict[str, Depth]:
    past, tools = history(*rounds), make_tools(of, tmp_path)
    done = examine_changed(act(move, past, tools), past, tools)
    return {f.pair: f.depth for f in done.findings}


# Drafting.


def test_a_draft_adopts_the_next_pairs_in_file_order_before_anything_is_written(tmp_path: Path) -> None:
    tools = make_tools(world([]), tmp_path)
    first = act(Draft(goal=4, count=3, adopt=3), (), tools)
    assert [c.after for c in first.changes] == list(FOUR[:3])
    second = act(Draft(goal=4, count=1, adopt=1), history(first), tools)
    assert [c.after for c in second.changes] == [FOUR[3]]
    assert (first.number, second.number) == (1, 2)


def test_what_the_dataset_lacks_is_drafted(tmp_path: Path) -> None:
    side = {"stem": "The well froze.", "ending": "That was too much, so I"}
    other = {"stem": "The well thawed.", "ending": "What a morning it was, so I"}
    author = wrote(pairs=[{"domain": "work", "positive": side, "negative": other}])
    answering = world([], author, *[wrote(pairs=[])] * 3)
    done = act(Draft(goal=4, count=2, adopt=1), (), make_tools(answering, tmp_path, dataset=FOUR[:1]))
    assert [(c.pair, c.what) for c in done.changes] == [("d0000", "adopt"), ("n0000", "draft")]
    assert blocks(answering.asked[0], "accepted") == [ONE.positive.text, ONE.negative.text]


def test_drafts_are_numbered_over_all_that_were_ever_drafted(tmp_path: Path) -> None:
    gone = Change(pair="n0000", what="drop", before=ONE, after=None)
    past = history(drafted([ONE.model_copy(update={"id": "n0000"})], []), round_(Repair(pairs=()), [gone]))
    side = {"stem": "The well froze.", "ending": "That was too much, so I"}
    other = {"stem": "The well thawed.", "ending": "What a morning it was, so I"}
    author = wrote(pairs=[{"domain": "work", "positive": side, "negative": other}])
    done = act(Draft(goal=4, count=1), past, make_tools(world([], author), tmp_path))
    assert [c.pair for c in done.changes] == ["n0001"]


def drafted_texts(tmp_path: Path, rejected: tuple[str, ...], first_draft: int = 0) -> list[tuple[str, str]]:
    """(id, positive text) of what comes of a request for two pairs, where the author offers three."""
    answering = World({}, [batch(0, 1, 2), *[wrote(pairs=[])] * 20])
    changed = replace(make_tools(answering, tmp_path, dataset=()), rejected=rejected, first_draft=first_draft)
    return [(c.pair, c.after.positive.text) for c in act(Draft(goal=4, count=2), (), changed).changes]


def text_of(number: int) -> str:
    side = written_pair(number)["positive"]
    return f"{side['stem']} {side['ending']}"


def test_a_rejected_draft_is_refused_when_it_comes_again_nearly_the_same(tmp_path: Path) -> None:
    assert [text for _, text in drafted_texts(tmp_path / "a", ())] == [text_of(0), text_of(1)]
    again = text_of(0).replace("the frozen well", "a frozen well")
    assert [text for _, text in drafted_texts(tmp_path / "b", (again,))] == [text_of(1), text_of(2)]


def test_drafts_are_numbered_on_from_those_of_earlier_campaigns(tmp_path: Path) -> None:
    assert [name for name, _ in drafted_texts(tmp_path, (), first_draft=7)] == ["n0007", "n0008"]


# Examination.


@pytest.mark.parametrize(("move", "depth"), [(Confirm(pairs=("d0001",)), CONFIRM), (Audit(pairs=("d0001",)), AUDIT)])
def test_only_the_pairs_of_a_move_are_examined_as_deep_as_it_says(move: Move, depth: Depth, tmp_path: Path) -> None:
    assert depths(move, adopted(FOUR), of=world(FOUR), tmp_path=tmp_path) == {"d0001": depth}


def test_new_pairs_are_examined_in_the_first_wording(tmp_path: Path) -> None:
    found_depths = depths(Draft(goal=4, count=2, adopt=2), of=world(FOUR), tmp_path=tmp_path)
    assert found_depths == {"d0000": FIRST, "d0001": FIRST}


@pytest.mark.parametrize("depth", Depth)
def test_a_recheck_asks_as_deep_as_was_asked_before(depth: Depth, tmp_path: Path) -> None:
    rounds = [adopted(FOUR, findings(FOUR, depth=depth))]
    assert depths(Recheck(pairs=("d0000",)), *rounds, of=world(FOUR), tmp_path=tmp_path) == {"d0000": depth}


def test_an_edit_of_a_confirmed_pair_sends_both_members_back_to_the_first_wording(tmp_path: Path) -> None:
    ending = "I had had enough of it, and I"
    new = edited(ONE, POSITIVE, ending)
    answering = world(FOUR, wrote(endings=[ending]), more={new.positive: GOOD})
    past = history(adopted(FOUR), confirmed(FOUR), audited([ONE], FAIL))
    tools = make_tools(answering, tmp_path)
    done = examine_changed(act(Repair(pairs=("d0000",)), past, tools), past, tools)
    assert [(f.polarity, f.depth) for f in done.findings] == [(POSITIVE, FIRST), (NEGATIVE, FIRST)]
    assert apply_round(replay(past), done).items["d0000"].pair.positive.text == new.positive.text


def test_a_shortened_runway_lets_a_late_trait_pass_in_the_next_examination(tmp_path: Path) -> None:
    late = world([ONE], more={ONE.positive: Facts(c5=10.0, v="NEITHER")})
    tried = repaired(ONE, ONE, found(ONE, FAIL, verdict=Verdict.LATE), (POSITIVE, Rung.SHORTEN))
    past = history(adopted([ONE], found(ONE, FAIL, verdict=Verdict.LATE)), tried)
    tools = make_tools(late, tmp_path)
    found_now = examine_changed(act(Recheck(pairs=("d0000",)), past, tools), past, tools).findings[0]
    assert (found_now.outcome, found_now.flags) == (PASS, (Flag.LATE,))


def test_a_topic_is_blamed_once_strengthening_did_not_help(tmp_path: Path) -> None:
    wrong = world([ONE], more={ONE.positive: Facts(j=10.0, c5=10.0)})
    past = history(adopted([ONE], found(ONE, FAIL)), failed_repair(ONE))
    tools = make_tools(wrong, tmp_path)
    assert (
        examine_changed(act(Recheck(pairs=("d0000",)), past, tools), past, tools).findings[0].verdict is Verdict.TOPIC
    )


# Repairs.


def repair_round(answering: World, *rounds: Round, tmp_path: Path, move: Repair, by: Plan | None = None) -> Round:
    return act(move, history(*rounds), make_tools(answering, tmp_path, by))


def test_a_pair_that_used_up_its_repairs_is_dropped_with_its_last_verdict(tmp_path: Path) -> None:
    rounds = [*mixed(d0000=FAIL), failed_repair(ONE), failed_repair(ONE)]
    done = repair_round(world([]), *rounds, tmp_path=tmp_path, move=Repair(pairs=(), replace=("d0000",)))
    (change,) = done.changes
    assert (change.what, change.before, change.after) == ("drop", ONE, None)
    assert change.why == "still WRONG after 2 repairs"


def test_one_new_topic_serves_both_members(tmp_path: Path) -> None:
    both = [finding(ONE, side, FAIL, verdict=Verdict.TOPIC) for side in (POSITIVE, NEGATIVE)]
    answering = world([], wrote(pairs=[]))
    done = repair_round(answering, adopted([ONE], both), tmp_path=tmp_path, move=Repair(pairs=("d0000",)))
    assert len(answering.asked) == 1
    assert [rung for _, rung in done.changes[0].rungs] == [Rung.RETOPIC]


def test_a_new_topic_for_one_member_spares_the_other_its_own_repair(tmp_path: Path) -> None:
    both = [finding(ONE, POSITIVE, FAIL, verdict=Verdict.TOPIC), finding(ONE, NEGATIVE, FAIL, verdict=Verdict.LATE)]
    answering = world([], wrote(pairs=[]))
    repair_round(answering, adopted([ONE], both), tmp_path=tmp_path, move=Repair(pairs=("d0000",)))
    assert len(answering.asked) == 1


def attempt(ending: str, polarity: Polarity = POSITIVE, stem: str = ONE.positive.stem, **more: object) -> Candidate:
    """A candidate that a judge refused, unless `more` says otherwise."""
    about = {"rung": Rung.STRENGTHEN, "refused": "does not pass", "verdict": Verdict.LATE, "polarity": polarity}
    return Candidate(text=stem + ending, **{**about, **more})


def after_attempts(*candidates: Candidate) -> list[Round]:
    """Rounds in which a first repair of the positive tried these candidates, and took a text that fails as well."""
    new = edited(ONE, POSITIVE, "I had had enough of it, so I")
    first = repaired(ONE, new, found(new, FAIL), (POSITIVE, Rung.STRENGTHEN))
    change = first.changes[0].model_copy(update={"candidates": candidates})
    return [*mixed(d0000=FAIL), first.model_copy(update={"changes": (change,)})]


def asked_of_author(tmp_path: Path, *candidates: Candidate, reply: Reply | None = None) -> Request:
    answering = world([], reply or wrote(endings=[]))
    move = Repair(pairs=("d0000",))
    repair_round(answering, *after_attempts(*candidates), tmp_path=tmp_path, move=move)
    return answering.asked[0]


def test_the_author_sees_this_sides_earlier_texts_with_what_was_found_and_what_the_model_said(tmp_path: Path) -> None:
    asked = asked_of_author(tmp_path, attempt("It was odd, so I", opening=" paused"), attempt("Why, I", refused=WEAK))
    assert blocks(asked, "earlier") == [ONE.positive.ending, "It was odd, so I", "Why, I"]
    assert [line for line in asked.prompt.splitlines() if line.startswith("Found:")] == [
        "Found: WRONG",
        "Found: LATE",
        "Found: WEAK",
    ]
    assert " paused" in blocks(asked, "continued")


def test_the_author_sees_neither_the_other_sides_texts_nor_another_situations(tmp_path: Path) -> None:
    other_side = attempt("She smiled, so I", NEGATIVE, ONE.negative.stem)
    elsewhere = attempt("It was a boat, so I", stem="Nobody came that day. ")
    asked = asked_of_author(tmp_path, other_side, elsewhere, attempt("It was odd, so I"))
    assert blocks(asked, "earlier") == [ONE.positive.ending, "It was odd, so I"]


def test_what_was_never_judged_is_not_shown_as_an_attempt(tmp_path: Path) -> None:
    same = attempt("It was odd, so I", refused="nearly the same as 'x'", verdict=None)
    assert blocks(asked_of_author(tmp_path, same), "earlier") == [ONE.positive.ending]


def test_a_new_topic_is_asked_for_with_the_latest_attempts_of_both_sides_and_the_topics_tried(tmp_path: Path) -> None:
    tried = [
        attempt("It was odd, so I", rung=Rung.RETOPIC, stem="He came for the boat. ", verdict=Verdict.WRONG),
        attempt("It was fun, so I", NEGATIVE, "She came for the boat. ", rung=Rung.RETOPIC, verdict=Verdict.EXPRESS),
        attempt("It was bad, so I"),
        attempt("It was good, so I", NEGATIVE, ONE.negative.stem),
    ]
    rounds = after_attempts(*tried)
    finding = rounds[-1].findings[0].model_copy(update={"verdict": Verdict.TOPIC})
    rounds[-1] = rounds[-1].model_copy(update={"findings": (finding, *rounds[-1].findings[1:])})
    answering = world([], wrote(pairs=[]))
    repair_round(answering, *rounds, tmp_path=tmp_path, move=Repair(pairs=("d0000",)))
    (asked,) = answering.asked
    assert blocks(asked, "latest") == [tried[2].text, tried[3].text]
    assert blocks(asked, "tried") == ["He came for the boat. ", "She came for the boat. "]
    assert "Found: WRONG" in asked.prompt


def test_the_author_is_shown_two_confirmed_endings_of_the_same_kind_first(tmp_path: Path) -> None:
    kinds = ["quote", "so", "so", "quote"]
    of = [pair(p.id, version=i).model_copy(update={"kind": kinds[i]}) for i, p in enumerate(FOUR)]
    rounds = [adopted(of), confirmed(of[1:]), rechecked(of[:1], FAIL)]
    answering = world([], wrote(endings=[]))
    repair_round(answering, *rounds, tmp_path=tmp_path, move=Repair(pairs=("d0000",)))
    assert blocks(answering.asked[0], "example") == [of[3].positive.ending, of[1].positive.ending]


def wrong_twice(of: Pair) -> list[Round]:
    return [repaired(of, of, found(of, FAIL), (POSITIVE, rung)) for rung in (Rung.STRENGTHEN, Rung.RETOPIC)]


def extending(answering: World, *names: str, goal: int, tmp_path: Path) -> list[bool]:
    """Whether each failing pair is sent to the author for an extended lock-in."""
    failing = [p for p in FOUR if p.id in names]
    rounds = [*mixed(**dict.fromkeys(names, FAIL)), *[r for p in failing for r in wrong_twice(p)]]
    repair_round(answering, *rounds, tmp_path=tmp_path, move=Repair(pairs=names), by=plan(4, target=goal))
    return ["Goal: extended" in r.prompt for r in answering.asked]


def test_a_text_is_extended_only_while_its_share_of_the_goal_is_not_used_up(tmp_path: Path) -> None:
    assert extending(world([], wrote(endings=[])), "d0000", goal=4, tmp_path=tmp_path) == [True]
    flagged = ONE.positive.model_copy(update={"flags": (Flag.EXTENDED,)})
    of = [ONE.model_copy(update={"positive": flagged}), TWO]
    answering = world([], wrote(endings=[]))
    rounds = [adopted(of, [*findings(of[:1]), *found(TWO, FAIL)]), *wrong_twice(TWO)]
    tools = Tools(answering.context(), Ledger(tmp_path / "other.sqlite"), 1, plan(4, target=10))
    act(Repair(pairs=("d0001",)), history(*rounds), tools)
    assert ["Goal: strengthen" in r.prompt for r in answering.asked] == [True]


def test_one_round_does_not_extend_more_texts_than_the_share_allows(tmp_path: Path) -> None:
    answering = world([], *[wrote(endings=[])] * 4)
    assert extending(answering, "d0000", "d0001", "d0002", goal=10, tmp_path=tmp_path).count(True) == 1


# Excluded topics.


def test_a_topic_that_decided_the_outcome_is_excluded() -> None:
    past = history(adopted(FOUR), rechecked([ONE], FAIL), round_(Recheck(pairs=()), found_=[topic(ONE, NEGATIVE)]))
    assert excluded_topics(past) == (ONE.negative.stem,)


def topic(of: Pair, side: Polarity) -> object:
    return finding(of, side, FAIL, verdict=Verdict.TOPIC)


def test_a_topic_that_the_author_refuses_is_excluded() -> None:
    refused = Change(pair="d0000", what="repair", before=ONE, after=ONE, why=REFUSED.error or "")
    assert excluded_topics(history(adopted(FOUR), round_(Repair(pairs=("d0000",)), [refused]))) == (ONE.positive.text,)


def test_a_topic_that_the_author_refuses_after_cuts_that_failed_is_excluded() -> None:
    why = f"no candidate passed; {REFUSED.error}"
    refused = Change(pair="d0000", what="repair", before=ONE, after=ONE, why=why)
    assert excluded_topics(history(adopted(FOUR), round_(Repair(pairs=("d0000",)), [refused]))) == (ONE.positive.text,)


def test_excluded_topics_reach_the_author_of_new_pairs(tmp_path: Path) -> None:
    answering = world([], *[wrote(pairs=[])] * 3)
    past = history(adopted([ONE], [topic(ONE, POSITIVE), finding(ONE, NEGATIVE)]))
    act(Draft(goal=4, count=1), past, make_tools(answering, tmp_path))
    assert block(answering.asked[0], "struck") == ONE.positive.stem
