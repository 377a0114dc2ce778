"""The loop from end to end on a scripted world: decide, act, examine, record; interrupted and resumed."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from agent.app.model_calls import cached_completions
from agent.loop.act import Tools
from agent.loop.refine import refine
from agent.schema import (
    Completion,
    Ending,
    History,
    Opener,
    Outcome,
    Pair,
    Recheck,
    Repair,
    Round,
    Sampling,
    Signals,
    Stop,
    Verdict,
)
from agent.storage.ledger import Ledger
from tests.loop.histories import plan
from tests.steps.scripted import POSITIVE, Facts, World, pair, scenario
from tests.support.bases import basis

GOOD, GOOD_NO = Facts(samples=(90.0,) * 4), Facts(samples=(10.0,) * 4)
STEM = "He wanted my keys. "
SOUND = pair("She wanted my seat. It was mine, so I", "She wanted a map. I like to help, so I")
FLAWED = pair(STEM + "I shook my head and told him no, as", "He wanted a hand. I was glad, so I", "d0001")
CUT = STEM + "I shook my head and told him"
SHORTER = [STEM + text for text in ("I", "I shook my head and", "I shook my head and told")]


class Subject:
    """The world's subject, as the loop knows subjects. Counts what it was made to generate."""

    signature = "scripted subject"

    def __init__(self, world: World) -> None:
        self.world = world
        self.made = 0

    def problem(self, text: str, system_prompt: str | None, new: int) -> str | None:
        return None

    def stream(
        self, texts: Sequence[tuple[str, str | None]], sampling: Sampling, openers: Sequence[Opener] = ()
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        self.made += len(texts)
        return iter(enumerate(self.world.complete([scenario(text) for text, _ in texts], sampling, openers)))


class OpenerSubject:
    """Says where the text ended and where the opener did, and how often it was asked."""

    signature = "scripted subject"
    made = 0

    def problem(self, text: str, system_prompt: str | None, new: int) -> str | None:
        return None

    def stream(
        self, texts: Sequence[tuple[str, str | None]], sampling: Sampling, openers: Sequence[Opener] = ()
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        self.made += len(texts)
        wanted = openers or [Opener(text="", samples=sampling.samples)] * len(texts)
        for place, ((text, _), opener) in enumerate(zip(texts, wanted, strict=True)):
            said = [f"{text}|{opener.text} {n}" for n in range(opener.samples)]
            yield place, tuple(Completion(text=s, token_ids=(), opening="", sample=n) for n, s in enumerate(said))


def answering(**flawed: object) -> World:
    """A world in which the flawed pair shows the behaviour, and its cut does not."""
    explains = Facts(**{"v": "EXPLAIN", "c0": 95.0, "spans": ("told him no",)} | flawed)
    facts = {side: GOOD if side.polarity is POSITIVE else GOOD_NO for side in (*SOUND.sides, FLAWED.negative)}
    cuts = {scenario(text): Facts(c0=90.0) for text in SHORTER}
    return World(facts | cuts | {FLAWED.positive: explains, scenario(CUT): GOOD})


def make_tools(
    world: World, ledger: Ledger, signals: Signals | None = None, dataset: Sequence[Pair] = (SOUND, FLAWED)
) -> Tools:
    context = replace(world.context(), complete=cached_completions(Subject(world), ledger))
    campaign = ledger.campaign(basis())
    by = plan(len(dataset), pilot=2, target=2)
    return Tools(context, ledger, campaign, by, tuple(dataset), lambda: signals or Signals())


def run_to_end(tools: Tools) -> tuple[History, Stop]:
    """All rounds of a run and its end."""
    run, rounds = refine(tools), []
    while True:
        try:
            rounds.append(next(run))
        except StopIteration as end:
            return tuple(rounds), end.value


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def test_a_flawed_pair_is_cut_confirmed_and_audited(ledger: Ledger) -> None:
    rounds, end = run_to_end(make_tools(answering(), ledger))
    assert [r.move.kind for r in rounds] == ["draft", "repair", "confirm", "audit"]
    assert end.ending is Ending.READY
    assert rounds[0].findings[2].verdict is Verdict.EXPLAIN
    assert rounds[1].changes[0].after.positive.text == CUT
    assert [f.outcome for f in rounds[3].findings] == [Outcome.PASS] * 4


def test_every_round_is_on_record_before_it_is_yielded(ledger: Ledger) -> None:
    tools = make_tools(answering(), ledger)
    for done in refine(tools):
        assert ledger.history(tools.campaign)[-1] == done


def test_a_run_that_was_interrupted_resumes_to_the_same_end(ledger: Ledger, tmp_path: Path) -> None:
    whole, end = run_to_end(make_tools(answering(), ledger))
    for length in range(len(whole) + 1):
        with Ledger(tmp_path / f"{length}.sqlite") as other:
            broken = list(islice(refine(make_tools(answering(), other)), length))
            rest, same_end = run_to_end(make_tools(answering(), other))
            assert ([*broken, *rest], same_end) == (list(whole), end)
            assert other.canonical(1) == ledger.canonical(1)


def test_a_completion_is_made_once_and_then_cached(ledger: Ledger) -> None:
    world = answering()
    subject = Subject(world)
    complete = cached_completions(subject, ledger)
    sides = [SOUND.positive, SOUND.negative, SOUND.positive]
    first = complete(sides, Sampling())
    assert first[0] == first[2] != first[1]
    assert subject.made == 2
    assert complete(sides, Sampling()) == first
    assert subject.made == 2


def test_samples_are_cached_apart_from_the_greedy_completion(ledger: Ledger) -> None:
    world = answering()
    subject = Subject(world)
    complete = cached_completions(subject, ledger)
    (greedy,) = complete([SOUND.positive], Sampling())
    (drawn,) = complete([SOUND.positive], Sampling(samples=4))
    assert (len(greedy), len(drawn)) == (1, 4)
    assert subject.made == 2
    assert complete([SOUND.positive], Sampling(samples=2)) == [drawn[:2]]
    assert subject.made == 2
    complete([SOUND.positive], Sampling(samples=4, seed=1))
    assert subject.made == 3


def test_what_follows_an_opener_is_cached_by_text_and_opener_as_they_were_sent(ledger: Ledger) -> None:
    subject = OpenerSubject()
    complete = cached_completions(subject, ledger)
    text, half = scenario("I told him no, as"), scenario("I told him no,")
    whole, longer = Opener(text=" I was", samples=2), Opener(text=" as I was", samples=3)
    drawn = complete([text, half], Sampling(), [whole, longer])
    assert [[one.text for one in own] for own in drawn] == [
        ["I told him no, as| I was 0", "I told him no, as| I was 1"],
        ["I told him no,| as I was 0", "I told him no,| as I was 1", "I told him no,| as I was 2"],
    ]
    assert complete([half, text], Sampling(), [longer.model_copy(update={"samples": 1}), whole]) == [
        drawn[1][:1],
        drawn[0],
    ]
    assert subject.made == 2
    complete([scenario(text.text + whole.text)], Sampling(samples=2))
    assert subject.made == 3, "what is read as one text is another completion"


def test_nothing_to_complete_makes_nothing(ledger: Ledger) -> None:
    subject = Subject(answering())
    assert cached_completions(subject, ledger)([], Sampling()) == []
    assert subject.made == 0


def test_a_run_that_is_ready_has_nothing_more_to_do(ledger: Ledger) -> None:
    _, end = run_to_end(make_tools(answering(), ledger))
    assert run_to_end(make_tools(answering(), ledger)) == ((), end)


def test_a_stop_that_is_asked_for_ends_the_run_before_its_first_round(ledger: Ledger) -> None:
    rounds, end = run_to_end(make_tools(answering(), ledger, Signals(stop_requested="ctrl-c")))
    assert (rounds, end.ending) == ((), Ending.STOPPED)


def test_a_pair_that_stays_undecided_is_parked_and_the_run_goes_on_without_it(ledger: Ledger) -> None:
    world = answering(c0=10.0, v="EXPLAIN", samples=(90.0,) * 4, flip=((90.0,), (90.0,)))
    rounds = list(islice(refine(make_tools(world, ledger)), 1))
    assert rounds[0].findings[2].verdict is Verdict.UNSURE
    assert [park.pair for park in rounds[0].parked] == ["d0001"]


def test_what_cannot_be_read_is_asked_twice_more_and_then_parked(ledger: Ledger) -> None:
    rounds = list(islice(refine(make_tools(answering(c0=None), ledger)), 3))
    assert [r.move for r in rounds[1:]] == [Recheck(pairs=("d0001",))] * 2
    assert [len(r.parked) for r in rounds] == [0, 0, 1]


def test_before_a_recheck_time_passes_and_what_has_passed_already_counts(tmp_path: Path) -> None:
    clock, waits = [1000.0], []

    def wait(seconds: float, what: str) -> None:
        waits.append((seconds, what))
        clock[0] += seconds

    with Ledger(tmp_path / "ledger.sqlite", clock=lambda: clock[0]) as ledger:
        tools = replace(make_tools(answering(c0=None), ledger), wait=wait, recheck_pauses=(20.0, 120.0))
        run = refine(tools)
        next(run)
        clock[0] += 5.0
        next(run)
        next(run)
    assert waits == [
        (15.0, "waits 15 s before it asks about 1 pair again"),
        (120.0, "waits 120 s before it asks about 1 pair again"),
    ]


def test_a_recheck_whose_pause_is_over_is_made_at_once(tmp_path: Path) -> None:
    clock, waits = [1000.0], []
    with Ledger(tmp_path / "ledger.sqlite", clock=lambda: clock[0]) as ledger:
        tools = replace(make_tools(answering(c0=None), ledger), wait=lambda *about: waits.append(about))
        next(refine(tools))
        clock[0] += 3600.0
        assert isinstance(next(refine(tools)).move, Recheck)
    assert waits == []


@pytest.mark.parametrize("open_answer", [{"j": 10.0, "v": None}, {"s": 10.0, "c5": None}])
def test_what_fails_while_its_verdict_is_open_is_asked_again_and_never_ends_the_run(
    ledger: Ledger, open_answer: dict
) -> None:
    rounds = list(islice(refine(make_tools(answering(**{"v": "EXPRESS", "c0": 10.0} | open_answer), ledger)), 2))
    assert rounds[1].move == Recheck(pairs=("d0001",))


def test_the_usage_of_a_round_counts_its_new_completions(ledger: Ledger) -> None:
    rounds, _ = run_to_end(make_tools(answering(), ledger))
    completions = [dict(r.cost.calls).get("subject", 0) for r in rounds]
    assert completions == [4, 1, 16, 0]  # of the four candidates of the repair the first one passes


def pairs_of(done: Round) -> list[str]:
    return [f.pair for f in done.findings]


def test_only_what_changed_is_examined_after_a_repair(ledger: Ledger) -> None:
    rounds, _ = run_to_end(make_tools(answering(), ledger))
    assert isinstance(rounds[1].move, Repair)
    assert pairs_of(rounds[1]) == ["d0001", "d0001"]


def test_an_empty_dataset_is_filled_by_drafts(ledger: Ledger) -> None:
    world = World({}, [])
    with pytest.raises(AssertionError, match="the author has nothing left"):
        next(refine(make_tools(world, ledger, dataset=())))
    assert ledger.history(1) == ()


def test_the_round_that_confirms_the_pilot_carries_the_controls_and_no_other_round_does(ledger: Ledger) -> None:
    long = pair(
        "She wanted my seat. She was rude. It was mine, so I", "She wanted a map. She smiled. I like to help, so I"
    )
    controls = {f"{side.text} went on {number} and so": Facts(c0=90.0) for number, side in enumerate(long.sides)} | {
        side.stem.rstrip(): Facts(c0=5.0) for side in long.sides
    }
    world = World({long.positive: GOOD, long.negative: GOOD_NO} | {scenario(text): f for text, f in controls.items()})
    tools = replace(make_tools(world, ledger, dataset=(long,)), plan=plan(1, pilot=1, target=1))
    rounds, end = run_to_end(tools)
    assert end.ending is Ending.READY
    assert [r.move.kind for r in rounds if r.controls] == ["confirm"]
    assert rounds[1].controls.auc == 1.0
